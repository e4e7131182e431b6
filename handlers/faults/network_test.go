package faults_test

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"syscall"
	"time"
)

// call is one request of a process to AWS, from when it leaves to when it is answered.
type call struct {
	of        *process
	number    int // of the process, from 1
	service   string
	operation string
	request   *http.Request
	body      []byte
	asked     []byte // see asks
	at        time.Time
	answer    chan answer // takes one
}

type answer struct {
	response *http.Response
	err      error
}

func (c *call) String() string {
	return fmt.Sprintf("%s %s:%s, call %d", c.of.name, c.service, c.operation, c.number)
}

// made are the parts of a request that its sender invents: ids of attempts, tokens, owners of leases, and times.
var made = regexp.MustCompile(`[0-9a-fA-F]{8}-[0-9a-fA-F-]{20,}|[0-9A-Za-z+/_=-]{22,}|\d{4}-\d\d-\d\dT[0-9:.Z]+|\b\d{9,}\b`)

// asks is what a call asks for, without what is invented.
func (c *call) asks() []byte {
	if c.asked == nil {
		c.asked = append(made.ReplaceAll(c.body, nil), c.request.URL.Path...)
	}
	return c.asked
}

// network is what lies between one process and AWS. Each call waits in it until the scheduler lets it arrive.
type network struct {
	d  *driver
	of *process
}

func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	c := &call{of: n.of, request: r, answer: make(chan answer, 1)}
	if r.Body != nil {
		var err error
		if c.body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		_ = r.Body.Close() // of memory
	}
	c.service, c.operation = named(r, c.body)
	if !n.d.leaves(c) {
		return nil, reset("write")
	}
	select {
	case a := <-c.answer:
		return a.response, a.err
	case <-r.Context().Done():
	}
	n.d.awake(n.of)
	select {
	case a := <-c.answer: // of a call at which its process slept
		return a.response, a.err
	default:
		return nil, r.Context().Err()
	}
}

// reset is how a connection breaks.
func reset(at string) error {
	return &net.OpError{Op: at, Net: "tcp", Err: syscall.ECONNRESET}
}

// named finds service and operation, as AWS itself does.
func named(r *http.Request, body []byte) (service, operation string) {
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	scope, _, _ = strings.Cut(scope, ",")
	if parts := strings.Split(scope, "/"); len(parts) == 5 {
		service = parts[3]
	}
	if _, operation, found := strings.Cut(r.Header.Get("X-Amz-Target"), "."); found {
		return service, operation
	}
	if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Action") != "" {
		return service, form.Get("Action")
	}
	return service, r.Method + " " + r.URL.Path
}

// carry lets a call arrive at AWS.
func (d *driver) carry(c *call) *http.Response {
	w := &written{header: http.Header{}, code: http.StatusOK}
	arrive := func() int {
		r := c.request.Clone(d.ctx)
		r.Body = io.NopCloser(bytes.NewReader(c.body))
		d.w.AWS.ServeHTTP(w, r)
		return w.code
	}
	if c.service == "dynamodb" {
		d.beside(c, arrive)
	} else {
		arrive()
	}
	d.oracle.carried(d, c, w.code)
	return w.response(c.request)
}

// written is an answer of AWS.
type written struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (w *written) Header() http.Header         { return w.header }
func (w *written) WriteHeader(code int)        { w.code = code }
func (w *written) Write(p []byte) (int, error) { return w.body.Write(p) }

func (w *written) response(r *http.Request) *http.Response {
	return &http.Response{Status: http.StatusText(w.code), StatusCode: w.code, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.header,
		Body: io.NopCloser(bytes.NewReader(w.body.Bytes())), ContentLength: int64(w.body.Len()), Request: r}
}

// refused is an answer that AWS gives instead of doing what was asked, or after it was done.
func refused(c *call, status int, code string) *http.Response {
	w := &written{header: http.Header{}, code: status}
	switch c.service {
	case "sns", "sts", "iam":
		w.header.Set("Content-Type", "text/xml")
		fmt.Fprintf(&w.body, `<ErrorResponse><Error><Type>Sender</Type><Code>%s</Code><Message>by the test</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code)
	default:
		w.header.Set("Content-Type", "application/x-amz-json-1.1")
		w.header.Set("X-Amzn-ErrorType", code)
		fmt.Fprintf(&w.body, `{"__type":%q,"message":"by the test"}`, code)
	}
	return w.response(c.request)
}

// throttled is AWS's answer to too many calls, in the words of the service.
func throttled(c *call) *http.Response {
	switch c.service {
	case "dynamodb":
		return refused(c, http.StatusBadRequest, "ProvisionedThroughputExceededException")
	case "sns", "sts", "iam":
		return refused(c, http.StatusBadRequest, "Throttling")
	case "lambda":
		return refused(c, http.StatusTooManyRequests, "TooManyRequestsException")
	}
	return refused(c, http.StatusBadRequest, "ThrottlingException")
}

// chance is a number from 0 to 1 that depends on the seed and on what it is asked for alone.
func (d *driver) chance(parts ...any) float64 {
	h := fnv.New64a()
	fmt.Fprint(h, d.seed)
	fmt.Fprintln(h, parts...)
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return float64(x>>11) / (1 << 53)
}
