package migration

import (
	"maps"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// Phase is how far one secret has come.
type Phase string

const (
	Planned    Phase = "planned"
	Rekeyed    Phase = "rekeyed"     // the new key is set and every version that a re-key takes along was seen to carry it; older copies remain
	Unproven   Phase = "unproven"    // the new key is set; whether those versions carry it could not be read
	Observing  Phase = "observing"   // waiting for readers to show that they still read
	Sealing    Phase = "sealing"     // waiting for new versions
	Sealed     Phase = "sealed"      // every labelled version opens with the new key alone, replicas too
	Blocked    Phase = "blocked"     // something must be decided by people first
	Failed     Phase = "failed"      // a change did not take, or the secret is gone
	RolledBack Phase = "rolled_back" // everything is as it was
	Overtaken  Phase = "overtaken"   // somebody has moved it to a key of their own
)

// Phases lists the phases in their order.
func Phases() []Phase {
	return []Phase{Planned, Unproven, Rekeyed, Observing, Sealing, Sealed, Blocked, Failed, RolledBack, Overtaken}
}

// Resting reports that nothing happens any more unless somebody asks for it.
func (p Phase) Resting() bool {
	return p == Blocked || p == Failed || p == RolledBack || p == Overtaken
}

// UnderNewKey reports that the secret is, as far as the job knows, under the key it was moved to.
func (j Job) UnderNewKey() bool {
	return j.Phase == Unproven || j.Phase == Rekeyed || j.Phase == Observing || j.Phase == Sealing || j.Phase == Sealed
}

// Setting reports that setting the key was begun, and that how it ended is not known yet.
func (j Job) Setting() bool {
	return !j.UnderNewKey() && !j.Phase.Resting() && j.Pending != nil && j.Pending.Action == DoRekey
}

// UnderWay reports that the secret was changed, or is about to be, and goes on whatever the turn of its wave. What rests
// begins anew with its wave.
func (j Job) UnderWay() bool { return j.Before != nil && !j.Phase.Resting() }

// Touched reports that the secret is not as a plan found it, by our own hand: it is under way, or came to rest under that
// plan. One that another plan left at rest is as people left it.
func (j Job) Touched(plan string) bool {
	return j.Before != nil && (j.UnderWay() || j.Plan == plan)
}

// PastObserving reports that the next wave of a plan need not wait for the secret. What rests does not hold it up, unless
// it is yet to begin anew because another plan left it so.
func (j Job) PastObserving(plan string) bool {
	return j.Phase == Sealing || j.Phase == Sealed || j.Phase.Resting() && j.Plan == plan
}

// Job is one secret on its way. It is stored as one item, and what is older of its lists apart from it; Revision makes a
// write conditional on what was read.
type Job struct {
	Secret  string        `json:"secret"` // ARN: there is one job per secret
	Name    string        `json:"name"`
	Account string        `json:"account"`
	Region  string        `json:"region"`
	Plan    string        `json:"plan"`            // id; "" for one that the hub began by itself
	Order   *guard.Notice `json:"order,omitempty"` // what asked the hub for it; nil: a plan
	Asked   *Request      `json:"asked,omitempty"` // by which person, and why, the last one; nil: by none
	Wave    Wave          `json:"wave"`
	Rules   *Rules        `json:"rules,omitempty"` // that everybody obeys who moves it; nil: stored by a version that knew none

	Phase  Phase     `json:"phase"`
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"`

	Target   string      `json:"target"` // key ARN
	Before   *Before     `json:"before,omitempty"`
	Seal     SealBy      `json:"seal"`
	Tool     string      `json:"tool,omitempty"`
	Readers  []Known     `json:"readers,omitempty"`
	Copies   []ReplicaTo `json:"copies,omitempty"`
	Accepted []string    `json:"accepted,omitempty"` // principals that may lose access, by somebody's word

	Pending      *Pending       `json:"pending,omitempty"` // begun, and not yet known how it ended
	RekeyedAt    time.Time      `json:"rekeyedAt,omitzero"`
	FirstNewAt   time.Time      `json:"firstNewAt,omitzero"` // when the first version under the new key alone was seen
	SealedAt     time.Time      `json:"sealedAt,omitzero"`
	LastChangeAt time.Time      `json:"lastChangeAt,omitzero"`
	ProveBy      time.Time      `json:"proveBy,omitzero"`   // when an unproven change is handed to its owner
	HandedAt     time.Time      `json:"handedAt,omitzero"`  // when it was
	AskedAt      time.Time      `json:"askedAt,omitzero"`   // when the owner was asked for a new version
	GoAhead      string         `json:"goAhead,omitempty"`  // who said that observing is over
	Flips        []Flip         `json:"flips,omitempty"`    // times that somebody moved it back, the latest
	Refusals     []Refused      `json:"refusals,omitempty"` // denied reads that are to be answered yet: no sweep finds one again
	Denials      []Denial       `json:"denials,omitempty"`  // known readers that were refused, the latest
	Rescues      []Rescue       `json:"rescues,omitempty"`  // access restored for them, all that holds, and the latest that ended
	Outbox       []guard.Notice `json:"outbox,omitempty"`   // decided but not yet known to be published
	Lease        Lease          `json:"lease,omitzero"`     // who is at it, by a version that knew no intents; this one writes none
	Differs      string         `json:"differs,omitempty"`  // how its secret is other than it was left, of a job that rests
	Stuck        *Stuck         `json:"stuck,omitempty"`    // out of reach; nil: it is not
	Stopped      *Stopped       `json:"stopped,omitempty"`  // it was blocked or failed with its secret under the new key; nil: it was not
	Gone         bool           `json:"gone,omitempty"`     // it failed because the secret was deleted, which is nobody's fault
	Excused      *Request       `json:"excused,omitempty"`  // who said that its wave goes on although this one went wrong, and why
	Again        *Again         `json:"again,omitempty"`    // it went back by itself, and moves again; nil: it did not, or people decide
	History      []Turn         `json:"history,omitempty"`  // changes of phase, the latest
	Earlier      Earlier        `json:"earlier,omitzero"`   // how many of each list are older, and kept apart
	Revision     int64          `json:"revision,omitempty"` // 0: never stored
}

// Before is the state of a secret as it was found: what going back restores.
type Before struct {
	KeyID    string            `json:"keyId"` // as UpdateSecret takes it
	KeyARN   string            `json:"keyArn,omitempty"`
	State    guard.LockState   `json:"state"`
	Tags     map[string]string `json:"tags,omitempty"`
	Versions []guard.Version   `json:"versions,omitempty"`
	Replicas []guard.Replica   `json:"replicas,omitempty"`
	At       time.Time         `json:"at"`
}

func before(s guard.Secret, at time.Time) *Before {
	return &Before{KeyID: s.KeyID, KeyARN: s.Key.ARN, State: guard.StateOf(s, ""), Tags: maps.Clone(s.Tags),
		Versions: slices.Clone(s.Versions), Replicas: slices.Clone(s.Replicas), At: at}
}

// Recorded reports whether it is what a look found, and not an empty stand-in: a secret whose key is "" is set back to the AWS
// managed one.
func (b *Before) Recorded() bool {
	return b != nil && !b.At.IsZero() && b.State != ""
}

// Known is a reader that was there before: it must still be there afterwards.
type Known struct {
	Principal string    `json:"principal"`
	SeenAs    string    `json:"seenAs,omitempty"` // as CloudTrail names it where the secret is, if otherwise
	Seen      bool      `json:"seen,omitempty"`   // it really reads: observing waits for it
	Spared    bool      `json:"spared,omitempty"` // it need not keep access: nothing is set back for it
	ReadAt    time.Time `json:"readAt,omitzero"`
	RefusedAt time.Time `json:"refusedAt,omitzero"` // when KMS refused it the new key last, whatever became of the read
}

// is reports whether the reader is the one that CloudTrail names so.
func (k Known) is(principal string) bool { return k.Principal == principal || k.SeenAs == principal }

// reads reports that the reader was seen to read since a time, and with the new key: a read in the day after KMS refused it that
// key may have gone on with the previous one.
func (k Known) reads(since time.Time) bool {
	return k.ReadAt.After(since) && !k.refused()
}

func (k Known) refused() bool {
	return !k.RefusedAt.IsZero() && !k.ReadAt.After(k.RefusedAt.Add(daily))
}

// ReplicaTo is a copy that gets a key of its own Region: where it is, or else by being made again.
type ReplicaTo struct {
	Region  string    `json:"region"`
	Target  string    `json:"target"`
	Moved   time.Time `json:"moved,omitzero"`   // when its key was set where it is
	Refused time.Time `json:"refused,omitzero"` // when AWS refused that, so that it has to be made again
	Removed time.Time `json:"removed,omitzero"` // when it was taken away
	Done    time.Time `json:"done,omitzero"`
}

// NeedsVisit reports that time alone can move the job on: it is under way, or has a grant to end. A job that only a newer
// version may move needs none of this one.
func (j Job) NeedsVisit() bool {
	if j.Newer() != "" {
		return false
	}
	open := slices.ContainsFunc(j.Rescues, func(r Rescue) bool { return r.Ended.IsZero() })
	return open || j.goingBack() || j.Again != nil || j.between() || len(j.Outbox)+len(j.Refusals) > 0 || !j.Phase.Resting() && j.Phase != Sealed
}

// Pending is a change that was begun: journaled, perhaps made.
type Pending struct {
	Action Action    `json:"action"`
	Region string    `json:"region,omitempty"` // of a replica
	At     time.Time `json:"at"`
	Tries  int       `json:"tries,omitempty"` // looks that did not prove it
	Why    string    `json:"why,omitempty"`   // of going back: the reason that was given
	By     string    `json:"by,omitempty"`    // of going back: who asked for it
	Also   []Request `json:"also,omitempty"`  // of going back: who asked for it since, with another reason
	For    string    `json:"for,omitempty"`   // of going back that no person asked for: the reader that was refused
}

// Stopped is a job that people must help on while its secret is between the two locks: it is watched, and goes on by itself when
// what stopped it is gone.
type Stopped struct {
	In    Phase     `json:"in"`             // the phase in which it goes on
	Since time.Time `json:"since"`          // it was stopped first
	Next  time.Time `json:"next,omitzero"`  // when it is tried again, where only that shows whether the cause is gone
	Said  string    `json:"said,omitempty"` // the reason that people were notified of last
	Paged time.Time `json:"paged,omitzero"` // when they were notified last that it stands there for too long
	Back  *Pending  `json:"back,omitempty"` // of going back that failed: what is tried again
}

// between reports a job that rests while its secret is between the two locks.
func (j Job) between() bool { return j.Stopped != nil && (j.Phase == Blocked || j.Phase == Failed) }

// stop remembers where a job goes on that is to rest with its secret under the new key.
func (j *Job) stop(in Phase, back *Pending, next, at time.Time) {
	was := Stopped{Since: at}
	if j.Stopped != nil {
		was = *j.Stopped
	}
	if in == Blocked || in == Failed {
		in = was.In
	}
	j.Stopped = &Stopped{In: in, Since: was.Since, Next: next, Said: was.Said, Paged: was.Paged, Back: back}
}

// Again is what a job that went back by itself waits for.
type Again struct {
	For   string    `json:"for"`   // the reader that was refused
	After time.Time `json:"after"` // when it is asked for next whether every reader would keep access
}

// Request is somebody's word that a secret is to be moved, or is to go back.
type Request struct {
	At  time.Time `json:"at"`
	By  string    `json:"by,omitempty"`
	Why string    `json:"why,omitempty"`
}

// Flip is one time that a migrated secret was found moved back.
type Flip struct {
	At  time.Time `json:"at"`
	Key string    `json:"key"` // what it was found under
}

// Denial is a known reader that was refused.
type Denial struct {
	Principal string    `json:"principal"`
	EventID   string    `json:"eventId"`
	At        time.Time `json:"at"`
	By        Lock      `json:"by,omitempty"` // which lock refused it
	What      string    `json:"what"`         // which right it lacks
	Answer    Answer    `json:"answer"`
	Why       string    `json:"why,omitempty"`  // of a reader that the key keeps out: why nothing was done for it
	More      int       `json:"more,omitempty"` // times that it was refused again, of which nobody was notified; those within Rules.Quiet of another are not counted
	Again     time.Time `json:"again,omitzero"` // the last of them
}

// broke reports that the reader lost access, and not one of its sessions by what that session carries.
func (d Denial) broke() bool { return d.Answer != AnswerSession }

// Rescue is access that was restored until a date.
type Rescue struct {
	Principal string    `json:"principal"`
	Key       string    `json:"key"`
	GrantID   string    `json:"grantId"`
	Until     time.Time `json:"until"`
	Ended     time.Time `json:"ended,omitzero"`
}

// Lease is the right to act on a secret as older versions had it, by the clock of who wrote it. While both are deployed
// this version keeps away as long as it lasts; its own right is a store.Hold.
type Lease struct {
	By    string    `json:"by,omitempty"`
	Until time.Time `json:"until,omitzero"`
}

// flips is how often somebody moved the secret back.
func (j Job) flips() int { return j.Earlier.Flips + len(j.Flips) }

// What tells the elements of a job's lists apart, when a newer version has stored more of them than this one knows.

// Identity is the principal.
func (k Known) Identity() string { return k.Principal }

// Identity is the Region.
func (r ReplicaTo) Identity() string { return r.Region }

// Identity is who asked, and why: that makes it one request.
func (r Request) Identity() string { return r.By + "|" + r.Why }

// Identity is when it was found.
func (f Flip) Identity() string { return f.At.UTC().Format(time.RFC3339Nano) }

// Identity is the event.
func (d Denial) Identity() string { return d.EventID }

// Identity is the grant.
func (r Rescue) Identity() string { return r.GrantID }

// Identity is when, and what it was.
func (t Turn) Identity() string {
	return t.At.UTC().Format(time.RFC3339Nano) + "|" + string(t.From) + "|" + string(t.To) + "|" + t.Reason
}

// Turn is one change of phase.
type Turn struct {
	At     time.Time `json:"at"`
	From   Phase     `json:"from,omitempty"`
	To     Phase     `json:"to"`
	Reason string    `json:"reason,omitempty"`
	By     string    `json:"by,omitempty"`
}

// ask writes down that a person asked for the job, and why. The same word twice is one.
func (j *Job) ask(by, why string, at time.Time) {
	if why == "" || j.Asked != nil && j.Asked.By == by && j.Asked.Why == why {
		return
	}
	j.Asked = &Request{At: at, By: by, Why: why}
	j.History = append(slices.Clip(j.History), Turn{At: at, From: j.Phase, To: j.Phase, Reason: "asked for: " + why, By: by})
}

// enter moves the job to a phase and remembers it.
func (j *Job) enter(p Phase, reason, by string, at time.Time) {
	if j.Phase == p && j.Reason == reason {
		return
	}
	j.History = append(slices.Clip(j.History), Turn{At: at, From: j.Phase, To: p, Reason: reason, By: by})
	if j.Phase != p {
		j.Since, j.Differs = at, ""
	}
	if p == Sealed || p == RolledBack || p == Overtaken {
		j.Stopped = nil
	}
	j.Phase, j.Reason, j.Gone = p, reason, p == Failed && reason == deleted
}

// newJob is a planned item as a job.
func newJob(i Item, plan string, rules Rules, by string, now time.Time) Job {
	j := Job{Secret: i.Secret, Name: i.Name, Account: i.Account, Region: i.Region, Plan: plan, Wave: i.Wave, Rules: &rules,
		Target: i.Target, Seal: i.Seal, Tool: i.Tool, Readers: KnownReaders(i.Readers, rules.MustKeep)}
	for _, r := range i.Readers {
		if r.Accepted {
			j.Accepted = append(j.Accepted, r.Principal)
		}
	}
	if i.Unread != "" {
		j.Accepted = append(j.Accepted, UnreadUses)
	}
	for _, r := range i.Replicas {
		j.Copies = append(j.Copies, ReplicaTo{Region: r.Region, Target: r.Target})
	}
	j.enter(Planned, "", by, now)
	return j
}

// KnownReaders are the readers that read today, or may, less those of whom somebody accepted that they lose access. Of whom no class is
// known has to keep it.
func KnownReaders(readers []Reader, keep Keep) []Known {
	var out []Known
	for _, r := range readers {
		if r.Verdict != Cannot && !r.Accepted {
			out = append(out, Known{Principal: r.Principal, SeenAs: r.SeenAs, Seen: slices.Contains(r.Sources, SourceSeen), Spared: r.Class != "" && keep.spares(r.Class)})
		}
	}
	return out
}
