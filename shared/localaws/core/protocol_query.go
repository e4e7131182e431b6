package core

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// namespaces are the XML namespaces of the query services' answers.
var namespaces = map[string]string{
	"sts": "https://sts.amazonaws.com/doc/2011-06-15/",
	"iam": "https://iam.amazonaws.com/doc/2010-05-08/",
	"sns": "http://sns.amazonaws.com/doc/2010-03-31/",
}

func readQuery(c *Call, body []byte) error {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return &Error{Code: "MalformedQueryString", Message: err.Error()}
	}
	c.Form, c.Operation = form, form.Get("Action")
	return nil
}

// writeQuery wraps a result, marshalled by its xml tags, as <OpResponse><OpResult>…</OpResult>…</OpResponse>.
func writeQuery(w http.ResponseWriter, c *Call, result any) {
	var inner []byte
	if result != nil {
		var err error
		if inner, err = marshalAs(c.Operation+"Result", result); err != nil {
			writeError(w, Query, c, err)
			return
		}
	}
	body := fmt.Appendf(nil, `<%[1]sResponse xmlns=%[2]q>%[3]s<ResponseMetadata><RequestId>%[4]s</RequestId></ResponseMetadata></%[1]sResponse>`,
		c.Operation, namespaces[c.Service], inner, c.RequestID)
	send(w, c, http.StatusOK, "text/xml", body)
}

func marshalAs(name string, value any) ([]byte, error) {
	var out writer
	if err := xml.NewEncoder(&out).EncodeElement(value, xml.StartElement{Name: xml.Name{Local: name}}); err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return out, nil
}

// writer collects bytes.
type writer []byte

func (w *writer) Write(p []byte) (int, error) { *w = append(*w, p...); return len(p), nil }

func writeQueryError(w http.ResponseWriter, c *Call, e *Error, status int) {
	kind := "Sender"
	if status >= 500 {
		kind = "Receiver"
	}
	inner, _ := marshalAs("Error", struct{ Type, Code, Message string }{kind, e.Code, e.Message}) // three strings
	body := fmt.Appendf(nil, `<ErrorResponse xmlns=%q>%s<RequestId>%s</RequestId></ErrorResponse>`,
		namespaces[c.Service], inner, c.RequestID)
	send(w, c, status, "text/xml", body)
}

// formOf writes a JSON object as the query protocol's form: lists as Name.member.N, maps as Name.Key.
func formOf(body []byte) (url.Values, error) {
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, fmt.Errorf("decode input: %w", err)
	}
	form := url.Values{}
	for name, value := range fields {
		flatten(form, name, value)
	}
	return form, nil
}

func flatten(form url.Values, name string, value any) {
	switch v := value.(type) {
	case nil:
	case map[string]any:
		for key, inner := range v {
			flatten(form, name+"."+key, inner)
		}
	case []any:
		for i, inner := range v {
			flatten(form, name+".member."+strconv.Itoa(i+1), inner)
		}
	default:
		form.Set(name, fmt.Sprint(v))
	}
}
