package migration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/doublelock/doublelock/shared/hashtree"
)

// ErrNotInPlan says that what is to be done with a secret is not what the plan says that was recorded.
var ErrNotInPlan = errors.New("it is not what the recorded plan says: it was edited; plan again")

// Assignment is what a plan says is to be done with one secret, and under which rules, without why.
type Assignment struct {
	Rules Rules `json:"rules"` // of the plan
	Item  Item  `json:"item"`
}

// Terms are the rules under which an assignment is carried out: those of its plan, and those of the settings of now where
// they are stricter, as Plan.Terms has them.
func (a Assignment) Terms(plan string, settings Rules) Rules {
	return Plan{ID: plan, Rules: a.Rules}.Terms(settings)
}

// assignment leaves out of an item what only people read.
func (p Plan) assignment(i Item) Assignment {
	short := Item{Secret: i.Secret, Name: i.Name, Account: i.Account, Region: i.Region, Wave: i.Wave, State: i.State, From: i.From,
		Target: i.Target, Seal: i.Seal, Blocked: i.Blocked, Unread: i.Unread, Tool: i.Tool}
	for _, r := range i.Readers {
		short.Readers = append(short.Readers, Reader{Principal: r.Principal, SeenAs: r.SeenAs, Sources: r.Sources, Verdict: r.Verdict, Class: r.Class, Accepted: r.Accepted})
	}
	for _, r := range i.Replicas {
		short.Replicas = append(short.Replicas, ReplicaItem{Region: r.Region, Target: r.Target})
	}
	return Assignment{Rules: p.Rules, Item: short}
}

// Part is the assignment of one secret, with what proves that it is in a plan of a known digest: whoever has recorded the
// digest needs no more of the plan.
type Part struct {
	Assignment json.RawMessage   `json:"assignment"`
	Path       []hashtree.Beside `json:"path"`
}

// Open answers the assignment, ErrNotInPlan where it is not in the plan of that digest.
func (p Part) Open(digest string) (Assignment, error) {
	if !hashtree.Has(digest, p.Assignment, p.Path) {
		return Assignment{}, ErrNotInPlan
	}
	var a Assignment
	if err := json.Unmarshal(p.Assignment, &a); err != nil {
		return a, fmt.Errorf("read assignment: %w", err)
	}
	return a, nil
}

// Parts are those of the plan's secrets, by ARN.
func (p Plan) Parts() (map[string]Part, error) {
	var texts [][]byte
	err := p.texts(func(one any) error {
		raw, err := json.Marshal(one)
		texts = append(texts, raw)
		return err
	})
	if err != nil {
		return nil, err
	}
	_, paths := hashtree.Of(texts)
	out := map[string]Part{}
	for n, i := range p.Items {
		out[i.Secret] = Part{Assignment: json.RawMessage(texts[n+1]), Path: paths[n+1]}
	}
	return out, nil
}

// Signed sets the plan's own digest, the root of a tree whose leaves are the whole plan and each assignment, in the order of
// the items.
func (p Plan) Signed() (Plan, error) {
	var leaves [][]byte
	err := p.texts(func(one any) error {
		leaf := hashtree.Leaf()
		if err := json.NewEncoder(withoutNewline{leaf}).Encode(one); err != nil { // the text of a large plan is not held twice
			return err
		}
		leaves = append(leaves, leaf.Sum(nil))
		return nil
	})
	if err != nil {
		return Plan{}, err
	}
	p.Digest, _ = hashtree.Over(leaves)
	p.ID = p.Digest[:12]
	return p, nil
}

// texts lists what is under the plan's digest, each of which counts as its JSON.
func (p Plan) texts(each func(any) error) error {
	whole := p
	whole.Digest, whole.ID = "", ""
	all := []any{whole}
	for _, i := range p.Items {
		all = append(all, p.assignment(i))
	}
	for _, one := range all {
		if err := each(one); err != nil {
			return fmt.Errorf("digest plan: %w", err)
		}
	}
	return nil
}

// withoutNewline leaves out the newline with which an Encoder, unlike Marshal, ends.
type withoutNewline struct{ io.Writer }

func (w withoutNewline) Write(text []byte) (int, error) {
	if _, err := w.Writer.Write(bytes.TrimSuffix(text, []byte("\n"))); err != nil {
		return 0, err
	}
	return len(text), nil
}
