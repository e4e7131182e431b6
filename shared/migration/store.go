package migration

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/store"
)

// DocumentKind is what jobs are kept as.
const DocumentKind = "migration"

// Blocks reports that what rests on a row of a kind stands still while it cannot be read.
func Blocks(kind string) bool {
	return kind == DocumentKind || kind == store.KindIntent || kind == store.KindBrake
}

// NewStore keeps jobs as documents of kind DocumentKind, grouped by account, and what is older of their lists as entries.
func NewStore(d store.Documents, e store.Entries) *Documents { return &Documents{d, e} }

// Documents is the Store of jobs.
type Documents struct {
	documents store.Documents
	entries   store.Entries
}

var _ Store = (*Documents)(nil)

// Load answers the zero Job for a secret that has none, and a *store.Unreadable for one whose job cannot be read: that is a
// secret whose way back is not known, so nothing may be begun with it.
func (s *Documents) Load(ctx context.Context, secret string) (Job, error) {
	doc, err := s.documents.Load(ctx, arn.Of(secret).Account, secret)
	if err != nil || doc.Revision == 0 {
		return Job{}, err
	}
	j, err := s.jobOf(ctx, doc)
	return j, err
}

// List yields every job, by account; of one that cannot be read why. An error of yield ends it.
func (s *Documents) List(ctx context.Context, yield func(Job, *store.Unreadable) error) error {
	groups, err := s.documents.Groups(ctx)
	if err != nil {
		return err
	}
	for _, group := range groups {
		err := s.documents.List(ctx, group, func(doc store.Document, bad *store.Unreadable) error {
			if bad != nil {
				return yield(Job{}, bad)
			}
			j, err := s.jobOf(ctx, doc)
			if bad, is := errors.AsType[*store.Unreadable](err); is {
				return yield(Job{}, bad)
			}
			if err != nil {
				return err
			}
			return yield(j, nil)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// All lists every job, and what cannot be read.
func All(ctx context.Context, s Store) (jobs []Job, unreadable []store.Unreadable, err error) {
	err = s.List(ctx, func(j Job, bad *store.Unreadable) error {
		if bad != nil {
			unreadable = append(unreadable, *bad)
		} else {
			jobs = append(jobs, j)
		}
		return nil
	})
	return jobs, unreadable, err
}

// jobOf reads a job. One that cannot be read is set aside.
func (s *Documents) jobOf(ctx context.Context, doc store.Document) (Job, error) {
	j, err := ReadJob(doc.Group, doc.ID, doc.Body)
	if bad, is := errors.AsType[*store.Unreadable](err); is {
		return Job{}, errors.Join(s.documents.SetAside(ctx, *bad), bad)
	}
	j.Revision = doc.Revision
	return j, err
}

// ReadJob reads the stored body of a secret's job, which lies under an account: a *store.Unreadable where it is none.
func ReadJob(account, secret string, body []byte) (Job, error) {
	bad := &store.Unreadable{Kind: DocumentKind, Group: account, ID: secret}
	var j Job
	if arn.Of(secret).Account != account { // nobody would find it again by its secret
		bad.Reason = "its sort key is no ARN of account " + account
		return Job{}, bad
	}
	bad.Reason = store.Decode(body, &j)
	switch {
	case bad.Reason != "":
	case j.Secret == "":
		bad.Reason = "its body names no secret"
	case j.Secret != secret:
		bad.Reason = "its body is of another secret"
	case j.Phase == "":
		bad.Reason = "its body has no phase"
	default:
		return j, nil
	}
	return Job{}, bad
}

// Save stores a job with what a newer version keeps in it. Of its lists the latest stay in it; what is older is written
// apart first, once, whoever writes it.
func (s *Documents) Save(ctx context.Context, j Job) error {
	doc := store.Document{Kind: DocumentKind, Group: arn.Of(j.Secret).Account, ID: j.Secret, Revision: j.Revision}
	return s.documents.Save(ctx, doc, func(stored json.RawMessage) (json.RawMessage, error) {
		kept, err := s.shorten(ctx, j, stored)
		if err != nil {
			return nil, err
		}
		kept.Revision = 0 // the item has it
		return store.Merge(stored, kept)
	})
}

// latest is how many elements of each list stay in a job.
const latest = 20

// Earlier counts the elements of a job's lists that are kept apart from it: older than those in it.
type Earlier struct {
	History int `json:"history,omitempty"`
	Flips   int `json:"flips,omitempty"`
	Denials int `json:"denials,omitempty"`
	Rescues int `json:"rescues,omitempty"` // that have ended
}

// Lists of a job that are kept apart, each under its name and the secret's ARN.
const (
	listHistory = "history"
	listFlips   = "flips"
	listDenials = "denials"
	listRescues = "rescues"
)

func listOf(name, secret string) string { return DocumentKind + "|" + name + "|" + secret }

// shorten writes what is too old for the job apart. stored is the job as it is in the table: an element is taken from there,
// with what a newer version keeps in it.
func (s *Documents) shorten(ctx context.Context, j Job, stored json.RawMessage) (Job, error) {
	var was struct {
		History, Flips, Denials, Rescues []json.RawMessage
		Earlier                          Earlier
	}
	if len(stored) > 0 {
		if err := json.Unmarshal(stored, &was); err != nil {
			return j, fmt.Errorf("read its lists: %w", err)
		}
	}
	var failed error
	apart := func(name, id string, element any, whole json.RawMessage) {
		if failed != nil {
			return
		}
		if whole == nil {
			whole, failed = json.Marshal(element)
		}
		if failed == nil {
			failed = s.entries.Add(ctx, listOf(name, j.Secret), id, whole)
		}
	}
	for n := max(0, len(j.History)-latest); n > 0; n-- {
		var whole json.RawMessage
		if at := j.Earlier.History - was.Earlier.History; at >= 0 && at < len(was.History) {
			whole = was.History[at]
		}
		apart(listHistory, fmt.Sprintf("%08d", j.Earlier.History), j.History[0], whole)
		j.History, j.Earlier.History = j.History[1:], j.Earlier.History+1
	}
	for n := max(0, len(j.Flips)-latest); n > 0; n-- {
		apart(listFlips, j.Flips[0].Identity(), j.Flips[0], same(was.Flips, j.Flips[0]))
		j.Flips, j.Earlier.Flips = j.Flips[1:], j.Earlier.Flips+1
	}
	for n := max(0, len(j.Denials)-latest); n > 0; n-- {
		apart(listDenials, j.Denials[0].Identity(), j.Denials[0], same(was.Denials, j.Denials[0]))
		j.Denials, j.Earlier.Denials = j.Denials[1:], j.Earlier.Denials+1
	}
	ended := slices.DeleteFunc(slices.Clone(j.Rescues), func(r Rescue) bool { return r.Ended.IsZero() })
	for _, r := range ended[:max(0, len(ended)-latest)] {
		apart(listRescues, r.Identity(), r, same(was.Rescues, r))
		j.Rescues = slices.DeleteFunc(slices.Clone(j.Rescues), func(x Rescue) bool { return x.Identity() == r.Identity() && !x.Ended.IsZero() })
		j.Earlier.Rescues++
	}
	return j, failed
}

// same is an element as it is stored; nil where it is not.
func same[T store.Identified](stored []json.RawMessage, element T) json.RawMessage {
	for _, raw := range stored {
		var v T
		if json.Unmarshal(raw, &v) == nil && v.Identity() == element.Identity() {
			return raw
		}
	}
	return nil
}

// Answered reports that a denied read was answered so long ago that the job does not say so any more.
func (s *Documents) Answered(ctx context.Context, secret, event string) (bool, error) {
	return s.entries.Has(ctx, listOf(listDenials, secret), event)
}

// Happened is one thing that happened to a job.
type Happened struct {
	At     time.Time `json:"at"`
	What   string    `json:"what"` // "phase", "moved back", "denied read" or "access restored"
	Detail string    `json:"detail"`
	By     string    `json:"by,omitempty"`
}

// Happened is everything that is kept of a job, oldest first, what is kept apart from it too; and of that, what cannot be
// read.
func (s *Documents) Happened(ctx context.Context, j Job) ([]Happened, []store.Unreadable, error) {
	var out []Happened
	var unreadable []store.Unreadable
	read := func(name string, add func(raw json.RawMessage) error) error {
		return s.entries.Read(ctx, listOf(name, j.Secret), func(id string, raw json.RawMessage, bad *store.Unreadable) error {
			if bad == nil && add(raw) != nil {
				bad = &store.Unreadable{Kind: "list", ID: listOf(name, j.Secret) + " " + id, Reason: "its body is of another shape"}
			}
			if bad != nil {
				unreadable = append(unreadable, *bad)
				return bad
			}
			return nil
		})
	}
	err := cmp.Or(
		read(listHistory, adder(&j.History)), read(listFlips, adder(&j.Flips)),
		read(listDenials, adder(&j.Denials)), read(listRescues, adder(&j.Rescues)))
	if err != nil {
		return nil, nil, fmt.Errorf("read what happened to %s: %w", j.Name, err)
	}
	for _, t := range j.History {
		detail := t.To.String()
		if t.Reason != "" {
			detail += ": " + t.Reason
		}
		out = append(out, Happened{At: t.At, What: "phase", Detail: detail, By: t.By})
	}
	for _, f := range j.Flips {
		out = append(out, Happened{At: f.At, What: "moved back", Detail: "found under " + f.Key})
	}
	for _, d := range j.Denials {
		out = append(out, Happened{At: d.At, What: "denied read", Detail: d.Principal + " in event " + d.EventID + ", answer " + string(d.Answer)})
	}
	for _, r := range j.Rescues {
		out = append(out, Happened{At: r.Until, What: "access restored", Detail: r.Principal + " until then, by grant " + r.GrantID})
	}
	slices.SortStableFunc(out, func(a, b Happened) int { return a.At.Compare(b.At) })
	return out, unreadable, nil
}

func adder[T any](list *[]T) func(json.RawMessage) error {
	return func(raw json.RawMessage) error {
		var v T
		if err := json.Unmarshal(raw, &v); err != nil {
			return err
		}
		*list = append(*list, v)
		return nil
	}
}
