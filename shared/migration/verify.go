package migration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/inventory"
)

// Drift is a planned secret whose facts are not what they were.
type Drift struct {
	Secret string   `json:"secret"`
	Name   string   `json:"name"`
	What   []string `json:"what"`
	// Outside says that it is none of the migration's any more: it is gone, or out of scope. No wave waits for it.
	Outside bool `json:"outside,omitempty"`
}

// Verify compares a plan with one made from fresh facts, and names what changed, or cannot be known any more. Each secret
// rests on its own facts: those of the others hold. None: the plan still holds.
func Verify(p, fresh Plan) []Drift {
	now := map[string]Item{}
	for _, i := range fresh.Items {
		now[i.Secret] = i
	}
	left := map[string]Excluded{}
	for _, e := range fresh.Outside {
		left[e.Secret] = e
	}
	var out []Drift
	for _, was := range p.Items {
		d := Drift{Secret: was.Secret, Name: was.Name}
		is, found := now[was.Secret]
		switch e, excluded := left[was.Secret]; {
		case found:
			d.What = changed(was.Facts, is.Facts)
			if was.Target != is.Target {
				d.What = append(d.What, "target key")
			}
			if len(d.What) == 0 && was.Safe() && !is.Safe() {
				d.What = append(d.What, "now blocked: "+strings.Join(is.Blocked, "; "))
			}
		case excluded && !e.Missing:
			d.What, d.Outside = []string{"now out of scope: " + e.Reason}, true
		case excluded && e.Reason != noSuchSecret:
			d.What = []string{"it could not be looked at: " + e.Reason}
		case unlisted(fresh.Unread, was.Secret) != "":
			d.What = []string{"it could not be looked at: " + unlisted(fresh.Unread, was.Secret)}
		default:
			d.What, d.Outside = []string{"the secret does not exist any more"}, true
		}
		slices.Sort(d.What)
		if d.What = slices.Compact(d.What); len(d.What) > 0 {
			out = append(out, d)
		}
	}
	return out
}

// unlisted says why the secrets could not be listed where one is; "" where they were.
func unlisted(unread []inventory.Unread, secret string) string {
	of := arn.Of(secret)
	for _, u := range unread {
		if u.Account == of.Account && (u.Region == "" || u.Region == of.Region) {
			return fmt.Sprintf("the secrets of %s in %s could not be listed: %s", u.Account, of.Region, u.Why)
		}
	}
	return ""
}

func changed(was, is map[string]string) []string {
	var out []string
	for _, name := range slices.Sorted(maps.Keys(was)) {
		if now, found := is[name]; !found || now != was[name] {
			out = append(out, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if _, found := was[name]; !found {
			out = append(out, name+" (new)")
		}
	}
	return out
}

// SavePlan writes a plan as JSON.
func SavePlan(w io.Writer, p Plan) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(p); err != nil {
		return fmt.Errorf("save plan: %w", err)
	}
	return nil
}

// LoadPlan reads a plan. One of another version, with fields it does not know, or edited by hand is refused: what is
// done must be what was looked at.
func LoadPlan(r io.Reader) (Plan, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return Plan{}, fmt.Errorf("load plan: %w", err)
	}
	var head struct{ Version *int }
	if err := json.Unmarshal(raw, &head); err != nil {
		return Plan{}, fmt.Errorf("load plan: %w", err)
	}
	switch {
	case head.Version == nil:
		return Plan{}, errors.New(`load plan: no "version": this is not a plan of doublelock migrate plan`)
	case *head.Version != PlanVersion:
		return Plan{}, fmt.Errorf("load plan: version %d of the format, want %d: plan again with this doublelock", *head.Version, PlanVersion)
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var p Plan
	if err := dec.Decode(&p); err != nil {
		return Plan{}, fmt.Errorf("load plan: %w", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Plan{}, errors.New("load plan: more than one document in the file")
	}
	signed, err := p.Signed()
	if err != nil {
		return Plan{}, err
	}
	if signed.Digest != p.Digest || signed.ID != p.ID {
		return Plan{}, errors.New("load plan: its digest does not fit its content: it was edited; plan again instead")
	}
	return p, nil
}
