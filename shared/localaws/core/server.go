package core

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
	"unique"
)

const maxBody = 10 << 20 // no call we answer is larger

// Start serves on a free loopback port and returns its URL, for AWS_ENDPOINT_URL. Stop ends it at once.
func (a *AWS) Start() (url string, stop func(), err error) {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, fmt.Errorf("listen on loopback: %w", err)
	}
	server := &http.Server{Handler: a, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(listener) // always ErrServerClosed, after stop
	}()
	stop = func() {
		_ = server.Close() // closing loopback connections has no error worth telling
		<-done
	}
	return "http://" + listener.Addr().String(), stop, nil
}

// ServeHTTP answers one API request.
func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c, s, err := a.read(r)
	if err != nil {
		writeError(w, s.Protocol, c, err)
		return
	}
	result, err := a.Run(c)
	if err != nil {
		writeError(w, s.Protocol, c, err)
		return
	}
	writeResult(w, s.Protocol, c, result)
}

// read routes and authenticates a request. On error the service is at least the one that should report it.
func (a *AWS) read(r *http.Request) (*Call, Service, error) {
	c := &Call{AWS: a, UserAgent: r.UserAgent(), SourceIP: sourceIP(r), Request: r}
	key, region, name, err := scope(r.Header.Get("Authorization"))
	s, known := a.table[name]
	if !known {
		s.Protocol = JSON11
	}
	if err != nil {
		return c, s, err
	}
	if !known {
		return c, s, &Error{Code: "UnknownOperationException", Message: "no service " + name + " here", Status: 404}
	}
	// Kept with the record of the call, and in many places as its location: not as a part of the header.
	c.Service, c.Region = unique.Make(name).Value(), unique.Make(region).Value()
	if !a.HasRegion(region) {
		return c, s, noSuchRegion(s.Protocol, region)
	}
	if s.global {
		c.Region = home(a.Options.Partition, name)
	}
	if c.Caller, err = a.authenticate(s.Protocol, key, r.Header.Get("X-Amz-Security-Token")); err != nil {
		return c, s, err
	}
	c.Account = c.Caller.Account
	return c, s, readInput(c, s, r)
}

// scope takes key id, Region and service out of a SigV4 Authorization header.
func scope(header string) (key, region, service string, err error) {
	_, rest, found := strings.Cut(header, "Credential=")
	if !found {
		return "", "", "", &Error{Code: "MissingAuthenticationTokenException", Message: "Missing Authentication Token", Status: 403}
	}
	rest, _, _ = strings.Cut(rest, ",")
	parts := strings.Split(strings.TrimSpace(rest), "/")
	if len(parts) != 5 {
		return "", "", "", &Error{Code: "IncompleteSignatureException", Message: "Credential must have exactly 5 slash-delimited elements", Status: 400}
	}
	return parts[0], parts[2], parts[3], nil
}

func sourceIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// readInput takes operation and input from where the service's protocol puts them.
func readInput(c *Call, s Service, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return &Error{Code: "RequestEntityTooLargeException", Message: err.Error(), Status: 413}
	}
	switch s.Protocol {
	case Query:
		return readQuery(c, body)
	case REST:
		c.Input = body
		c.Operation = s.Route(c)
	default:
		c.Input = body
		target := r.Header.Get("X-Amz-Target") // of CloudTrail, botocore writes the whole name of the service, dots and all
		c.Operation = target[strings.LastIndex(target, ".")+1:]
	}
	return nil
}

// AsError turns any error into one that a protocol can write.
func AsError(err error) *Error {
	var api *Error
	if errors.As(err, &api) {
		return api
	}
	return &Error{Code: "InternalFailure", Message: err.Error(), Status: 500}
}
