package core

import (
	"encoding/json"
	"hash/crc32"
	"maps"
	"net/http"
	"strconv"
	"time"
)

// RawResponse is an answer that an operation wrote itself, e.g. the payload of a Lambda invocation.
type RawResponse struct {
	Status int
	Header http.Header
	Body   []byte
}

func writeResult(w http.ResponseWriter, p Protocol, c *Call, result any) {
	if raw, ok := result.(RawResponse); ok {
		maps.Copy(w.Header(), raw.Header)
		send(w, c, raw.Status, "application/json", raw.Body)
		return
	}
	if p == Query {
		writeQuery(w, c, result)
		return
	}
	if result == nil {
		send(w, c, http.StatusOK, contentType(p), nil)
		return
	}
	body, err := json.Marshal(result)
	if err != nil {
		writeError(w, p, c, err)
		return
	}
	send(w, c, http.StatusOK, contentType(p), body)
}

func writeError(w http.ResponseWriter, p Protocol, c *Call, err error) {
	api := AsError(err)
	status := api.Status
	if status == 0 {
		status = http.StatusBadRequest
	}
	if p == Query {
		writeQueryError(w, c, api, status)
		return
	}
	fields := map[string]any{"__type": api.Code, "message": api.Message, "Message": api.Message}
	maps.Copy(fields, api.Fields)
	body, _ := json.Marshal(fields) // strings and JSON values only
	w.Header().Set("X-Amzn-Errortype", api.Code)
	send(w, c, status, contentType(p), body)
}

// clientPause lets a client finish with its request before a long answer comes. The Go SDK closes the request's body as
// soon as the answer begins; where its transport has not yet seen the end of that body, it takes the close for a failed
// write and drops the connection, and with it the part of the answer that it has not read. No real network is so fast.
const (
	clientPause = 200 * time.Microsecond
	longAnswer  = 2048 // bytes; a shorter one has arrived with its headers
)

func send(w http.ResponseWriter, c *Call, status int, contentType string, body []byte) {
	if len(body) > longAnswer {
		time.Sleep(clientPause)
	}
	header := w.Header()
	header["Content-Type"] = []string{contentType}
	header["X-Amzn-Requestid"] = []string{c.RequestID}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	if c.Service == "dynamodb" { // the SDK compares it with what it read, and complains
		header["X-Amz-Crc32"] = []string{strconv.FormatUint(uint64(crc32.ChecksumIEEE(body)), 10)}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away is not our concern
}

func contentType(p Protocol) string {
	switch p {
	case JSON10:
		return "application/x-amz-json-1.0"
	case REST:
		return "application/json"
	default:
		return "application/x-amz-json-1.1"
	}
}

// unknownOperation is how each protocol says that there is no such call.
func unknownOperation(p Protocol, operation string) error {
	switch p {
	case Query:
		return &Error{Code: "InvalidAction", Message: "Could not find operation " + operation, Status: 400}
	case REST:
		return &Error{Code: "UnknownOperationException", Message: "Unknown operation " + operation, Status: 404}
	default:
		return &Error{Code: "UnknownOperationException", Message: "Unknown operation " + operation, Status: 400}
	}
}
