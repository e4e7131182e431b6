package core

import (
	"encoding/json"
	"net/url"
	"reflect"
	"time"
)

// historyLimit is how many records of one account and Region LookupEvents can find.
const historyLimit = 50_000

// remember keeps an entry, overwriting the oldest when the history is full.
func (t *trailStore) remember(e entry) {
	if len(t.history) < historyLimit {
		t.history = append(t.history, e)
		return
	}
	t.history[t.next] = e
	t.next = (t.next + 1) % historyLimit
}

// recent calls yield with the entries kept, newest first, until it answers false.
func (t *trailStore) recent(yield func(entry) bool) {
	for i := len(t.history) - 1; i >= 0; i-- {
		if !yield(t.history[(t.next+i)%len(t.history)]) {
			return
		}
	}
}

const bigInput = 4096

// slim drops what a finished call need not keep: its HTTP request, and the values in a big body.
func (c *Call) slim() {
	c.Request = nil
	if len(c.Input) <= bigInput {
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
