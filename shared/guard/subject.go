package guard

import (
	"slices"
	"time"
)

// Subject says what a verdict or a finding is about: facts, never a sentence. What a control says nothing about is
// empty. Describe puts it into words for logs and tables, shared/notify for owners.
type Subject struct {
	Key      Key       `json:"key,omitzero"`       // of the secret itself: wrong, unread, or what its versions are measured by
	Replicas []Replica `json:"replicas,omitempty"` // those that fail or could not be read, each with its key
	Versions []Version `json:"versions,omitempty"` // those that fail or could not be read, each with every key that opens it
	Alias    string    `json:"alias,omitzero"`     // by which the secret names its key, where versions are measured by it; "" for none

	Elsewhere []AccountCopy `json:"elsewhere,omitempty"` // copies in other accounts that fail or could not be read

	Rotation Rotation   `json:"rotation,omitzero"` // whether new versions come by themselves
	Empty    bool       `json:"empty,omitzero"`    // the secret was seen to have no version, so no older copy is left behind, and nothing to lose
	Reads    bool       `json:"reads,omitzero"`    // of a key that cannot be used: every labelled version opens now all the same
	Until    time.Time  `json:"until,omitzero"`    // of Reads: from when one does not; zero: no such day is known
	Next     bool       `json:"next,omitzero"`     // no labelled version opens with the key yet: the next one will
	Service  string     `json:"service,omitzero"`  // AWS service that owns the secret
	Blind    *BlindSpot `json:"blind,omitempty"`   // what could not be looked at
	Row      *Row       `json:"row,omitempty"`     // of the hub's table, that cannot be read
}

// Rotation says whether Secrets Manager rotates a secret; "" when nobody looked.
type Rotation string

const (
	RotationOn  Rotation = "on"
	RotationOff Rotation = "off"
)

// BlindSpot is a part that could not be looked at, and what kept us out. Which key, version or replica it is, is in the
// Subject.
type BlindSpot struct {
	Part  Part       `json:"part"`
	Cause BlindCause `json:"cause"`
	Note  string     `json:"note,omitzero"` // what a check of the location answered, for people
}

// Part is something to look at.
type Part string

const (
	PartLocation        Part = "location"         // all secrets of an account in a Region
	PartEvents          Part = "events"           // what happens in an account in a Region
	PartSecret          Part = "secret"           // one secret
	PartKey             Part = "key"              // metadata of the secret's key
	PartVersions        Part = "versions"         // its list of versions
	PartVersionKeys     Part = "version_keys"     // the keys of a version
	PartReplicaKey      Part = "replica_key"      // metadata of a replica's key
	PartReplica         Part = "replica"          // what a replica holds
	PartReplicaVersions Part = "replica_versions" // the keys of the versions in a replica's Region, or in another account
	PartElsewhere       Part = "elsewhere"        // which copies are in other accounts
	PartMember          Part = "member"           // whether the account of a copy is of the organization
	PartApproval        Part = "approval"         // who may write what approves a key
)

// BlindCause is why a part could not be looked at, by the type of AWS's answers.
type BlindCause string

const (
	CauseNotEntered BlindCause = "not_entered" // the role could not be assumed, or the account and Region are not guarded
	CauseDenied     BlindCause = "denied"      // the role was assumed, and may not look
	CauseItsPolicy  BlindCause = "its_policy"  // the role may look at secrets here, and not at this one
	CauseSilent     BlindCause = "silent"      // nothing arrives
	CauseNoAnswer   BlindCause = "no_answer"   // calls there are not answered, and elsewhere they are
	CauseNotListed  BlindCause = "not_listed"  // AWS answered, and listed no keys to judge by
	CauseNotInSync  BlindCause = "not_in_sync" // its replication has not come to its end
	CauseState      BlindCause = "state"       // the state of a key was read, and does not say whether it opens anything
)

// brief is a key by what decides: its name, manager and state.
func (k *Key) brief() Key {
	return Key{ARN: k.ARN, ID: k.ID, Manager: k.Manager, State: k.State, NotAsked: k.NotAsked, DeletionDate: k.DeletionDate, Window: k.Window, ValidTo: k.ValidTo, Store: k.Store}
}

// briefly reports whether a key is the brief of another.
func (k *Key) briefly(of *Key) bool {
	return k.ARN == of.ARN && k.ID == of.ID && k.Manager == of.Manager && k.State == of.State && k.NotAsked == of.NotAsked && k.Store == of.Store && k.Window == of.Window &&
		k.DeletionDate.Equal(of.DeletionDate) && k.ValidTo.Equal(of.ValidTo)
}

// brief is a replica with its status, unless that is as it should be.
func (r *Replica) brief() Replica {
	short := Replica{Region: r.Region, KeyID: r.KeyID, Key: r.Key.brief()}
	if r.Status != inSync {
		short.Status, short.StatusMessage = r.Status, briefMessage(r.StatusMessage)
	}
	return short
}

// brief is a copy in another account without its versions.
func (e *AccountCopy) brief() AccountCopy {
	return AccountCopy{ARN: e.ARN, Account: e.Account, Region: e.Region, Key: e.Key.brief(), Status: e.Status, StatusMessage: briefMessage(e.StatusMessage)}
}

func (v Version) brief() Version {
	short := Version{ID: v.ID, Stages: v.Stages, In: v.In}
	if len(v.Keys) > 0 {
		short.Keys = make([]Key, len(v.Keys))
	}
	for i := range v.Keys {
		short.Keys[i] = v.Keys[i].brief()
	}
	return short
}

// selfApproved notes on the keys of the subject by what they are approved that does not count.
func (s *Subject) selfApproved(of Secret, approved Approved) {
	if len(approved.Aliases)+len(approved.Tags) == 0 {
		return
	}
	why := map[string]Key{} // with nothing but that
	learn := func(keys ...Key) {
		for _, k := range keys {
			by, doubt := approved.SelfApproved(k)
			why[k.ARN] = Key{SelfApproved: by, Doubt: doubt}
		}
	}
	opening := func(versions []Version) {
		for _, v := range versions {
			learn(v.Keys...)
		}
	}
	learn(of.Key)
	opening(of.Versions)
	for _, r := range of.Replicas {
		learn(r.Key)
		opening(r.Versions)
	}
	for _, e := range of.Elsewhere.Copies {
		learn(e.Key)
		opening(e.Versions)
	}
	noted := false
	note := func(k *Key) {
		if k.ARN != "" {
			k.SelfApproved, k.Doubt = why[k.ARN].SelfApproved, why[k.ARN].Doubt
			noted = noted || k.SelfApproved != ""
		}
	}
	note(&s.Key)
	for i := range s.Replicas {
		note(&s.Replicas[i].Key)
	}
	for i := range s.Elsewhere {
		note(&s.Elsewhere[i].Key)
	}
	for _, v := range s.Versions {
		for i := range v.Keys {
			note(&v.Keys[i])
		}
	}
	if s.Blind != nil && noted {
		s.Blind.Part = PartApproval
	}
}

// became is how a finding about the keys of copies ends, by what became of those that failed: EndMoved where one is under another
// key now, EndRemoved where the secret has none of them any more, or no label leads to them, and EndPassed for all else.
func (s Subject) became(now Secret) Ending {
	moved, stays, gone := false, false, false
	note := func(there, same bool) {
		moved, stays, gone = moved || there && !same, stays || there && same, gone || !there
	}
	if !s.Key.zero() {
		note(true, s.Key.Same(now.Key))
	}
	for _, r := range s.Replicas {
		at := slices.IndexFunc(now.Replicas, func(n Replica) bool { return n.Region == r.Region })
		note(at >= 0, at >= 0 && now.Replicas[at].Key.Same(r.Key))
	}
	for _, e := range s.Elsewhere {
		at := slices.IndexFunc(now.Elsewhere.Copies, func(n AccountCopy) bool { return n.Account == e.Account && n.Region == e.Region })
		note(at >= 0, at >= 0 && now.Elsewhere.Copies[at].Key.Same(e.Key))
	}
	copies := CopiesOf(now)
	for _, v := range s.Versions {
		at := slices.IndexFunc(copies.List, func(c Copy) bool {
			p := &copies.Locations[c.Location]
			return c.Version == v.ID && c.Labelled() && (v.In == "" && p.Kind == LocationPrimary || p.Kind != LocationPrimary && v.In == p.name())
		})
		note(at >= 0, at >= 0 && !slices.ContainsFunc(v.Keys, func(k Key) bool { return !copies.List[at].Needs(k) }))
	}
	switch {
	case moved:
		return EndMoved
	case gone && !stays:
		return EndRemoved
	default:
		return EndPassed
	}
}

func rotationOf(s Secret) Rotation {
	if s.RotationEnabled {
		return RotationOn
	}
	return RotationOff
}

// failing asks a check of every location of a secret. The subject lists those that fail, or, where none does, those that could
// not be judged.
func (c *Copies) failing(check func(*Location) Outcome) (Outcome, Subject) {
	worst := check(&c.Locations[0])
	for i := 1; i < len(c.Locations); i++ {
		worst = worse(worst, check(&c.Locations[i]))
	}
	var subject Subject
	if worst != Fail && worst != Unknown {
		return worst, subject
	}
	s := c.secret
	own := check(&c.Locations[0]) == worst
	if own {
		subject.Key = s.Key.brief()
	}
	others := c.Locations[1:]
	for i := range s.Replicas {
		if check(&others[i]) == worst {
			subject.Replicas = append(slices.Grow(subject.Replicas, len(s.Replicas)-i), s.Replicas[i].brief())
		}
	}
	for i := range s.Elsewhere.Copies {
		if check(&others[len(s.Replicas)+i]) == worst {
			subject.Elsewhere = append(subject.Elsewhere, s.Elsewhere.Copies[i].brief())
		}
	}
	switch {
	case worst == Fail:
	case own:
		subject.Blind = &BlindSpot{Part: PartKey, Cause: CauseDenied}
	default:
		subject.Blind = &BlindSpot{Part: PartReplicaKey, Cause: CauseDenied}
	}
	return worst, subject
}
