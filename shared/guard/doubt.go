package guard

import (
	"slices"
	"time"
)

// Doubt is why an alias, or the tags, of a key do not approve it, whatever keeps its owner from writing them now: whoever wrote
// them last was no approver, or nobody knows who that was, or knows it yet.
type Doubt struct {
	By    ApprovedBy `json:"by"`
	Name  string     `json:"name,omitzero"`  // alias/…; "" for tags
	Actor string     `json:"actor,omitzero"` // who wrote it, and is no approver; "": nobody knows
	Call  string     `json:"call,omitzero"`  // by which it was written, such as UpdateAlias
	At    time.Time  `json:"at,omitzero"`    // when; zero: nobody knows
}

// doubt is the one about an alias, or the tags, of a key; nil is none.
func (a *Approved) doubt(k *Key, by ApprovedBy, name string) *Doubt {
	doubts := a.Doubts[k.ARN]
	for i := range doubts {
		if d := &doubts[i]; d.By == by && d.Name == name {
			return d
		}
	}
	return nil
}

// certain reports that the name was written by somebody who may not approve keys. Of no doubt it is false.
func (d *Doubt) certain() bool { return d != nil && d.Actor != "" }

// Awaited reports that the event of the call that wrote the name may still come.
func (d Doubt) Awaited() bool { return d.Actor == "" && !d.At.IsZero() }

// Doubted reports that nobody knows who wrote what approves the keys of the subject.
func (s Subject) Doubted() bool {
	if s.Blind == nil || s.Blind.Part != PartApproval {
		return false
	}
	keys := []Key{s.Key}
	for _, r := range s.Replicas {
		keys = append(keys, r.Key)
	}
	for _, e := range s.Elsewhere {
		keys = append(keys, e.Key)
	}
	for _, v := range s.Versions {
		keys = append(keys, v.Keys...)
	}
	return slices.ContainsFunc(keys, func(k Key) bool { return k.Doubt != nil })
}

// ApprovalWords say of a key of a finding why its approval does not count.
func (k Key) ApprovalWords() string {
	if k.Doubt == nil {
		return k.SelfApproved.Words()
	}
	return k.Doubt.Words()
}

// Words say that an approval does not count, and why.
func (d Doubt) Words() string {
	name, wrote := "an alias", "set"
	if d.By == ApprovedByTag {
		name, wrote = "a tag", "wrote"
	}
	at := ""
	if !d.At.IsZero() {
		at = " at " + Minute(d.At)
	}
	switch {
	case d.Awaited():
		return "approved by " + d.Name + ", which was set" + at + ", and who set it is not known yet"
	case d.Actor == "":
		return "approved by " + name + " that somebody " + wrote + at + ", and nobody knows who"
	default:
		return "approved by " + name + " that " + d.Actor + ", who is no approver, " + wrote + at
	}
}
