package core

import (
	"bytes"
	"encoding/json"
	"net/url"
	"reflect"
	"time"
	"unique"
)

// historyLimit is how many records of one account and Region LookupEvents can find, where Options say nothing else. AWS knows
// a time only: lookupBack.
const historyLimit = 50_000

// remember keeps an entry, and forgets those that LookupEvents cannot find any more.
func (t *trailStore) remember(e entry, limit int) {
	for len(t.history) > 0 && (len(t.history) >= limit || e.at().Sub(t.history[0].at()) > lookupBack) {
		t.history[0] = entry{}
		t.history = t.history[1:]
		t.forgotten++
	}
	t.history = append(t.history, e)
}

// at is when it happened.
func (e entry) at() time.Time {
	if e.service != nil {
		return e.service.now
	}
	return e.call.Now
}

const bigInput = 4096

// slim drops what a finished call need not keep: its HTTP request, the room around a body, and the values in a big one. Words
// that many calls have in common are kept a single time, and not as a part of a request's header.
func (c *Call) slim() {
	c.Request = nil
	for _, word := range []*string{&c.Operation, &c.UserAgent, &c.SourceIP} {
		*word = unique.Make(*word).Value()
	}
	if len(c.Input) <= bigInput {
		c.Input = bytes.Clone(c.Input)
		return
	}
	var fields map[string]any
	if json.Unmarshal(c.Input, &fields) != nil {
		c.Input = nil
		return
	}
	for name := range hidden {
		delete(fields, name)
	}
	c.Input, _ = json.Marshal(fields) // it was JSON
}

// words is a date as Secrets Manager writes it into its records, from epoch seconds.
func words(seconds any) any {
	at, ok := seconds.(float64)
	if !ok {
		return nil
	}
	return time.UnixMilli(int64(at * 1000)).UTC().Format("Jan 2, 2006, 3:04:05 PM")
}

// listOf reads a list of strings out of a query form.
func listOf(form url.Values, name string) []string {
	var out []string
	if formList(form, name, reflect.ValueOf(&out).Elem()) != nil {
		return nil
	}
	return out
}
