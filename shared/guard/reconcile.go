package guard

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// Cause is who and what led to a look at a resource.
type Cause struct {
	Actor   string // ARN of who made the change
	Tool    string // what they made it with
	EventID string // CloudTrail's eventID; "" for a sweep
}

// Reconcile moves a record to what the verdicts say and puts what others must know into its outbox. It is pure;
// running it again on its own result changes nothing but SeenAt. A verdict that is unknown closes nothing and opens
// nothing: what was open stays open. What is open, and notified of or fixed only in the mode of now, opens again, and so
// does what is open and asks for something else of its owner than before.
func Reconcile(rec Record, s Secret, verdicts []Verdict, waivers []Waiver, mode Mode, now time.Time, cause Cause) Record {
	r := reconciler{rec: rec, secret: s, waivers: waivers, mode: mode, now: now.UTC(), cause: cause}
	r.rec.Findings = slices.Clone(rec.Findings)
	r.rec.Outbox = slices.Clone(rec.Outbox)
	r.identify()
	was := rec.LastKnown
	r.moveState(r.believed(StateOf(s, was)))
	for _, v := range verdicts {
		r.moveFinding(v)
	}
	r.announceState(rec.State, was)
	return r.rec
}

// ReconcileGone resolves everything about a resource that no longer exists.
func ReconcileGone(rec Record, now time.Time, cause Cause) Record {
	return reconcileEnd(rec, EndGone, now, cause)
}

// ReconcileReplica resolves everything about a secret that was one of its own and is a replica now: its copies are its primary's.
func ReconcileReplica(rec Record, now time.Time, cause Cause) Record {
	return reconcileEnd(rec, EndReplica, now, cause)
}

func reconcileEnd(rec Record, end Ending, now time.Time, cause Cause) Record {
	r := reconciler{rec: rec, now: now.UTC(), cause: cause}
	r.rec.Findings = slices.Clone(rec.Findings)
	r.rec.Outbox = slices.Clone(rec.Outbox)
	if r.rec.GoneAt.IsZero() {
		r.rec.GoneAt = r.now
	}
	r.rec.Held = Held{} // no copy is left
	for i := range r.rec.Findings {
		r.resolve(i, end)
	}
	return r.rec
}

type reconciler struct {
	rec     Record
	secret  Secret
	waivers []Waiver
	mode    Mode
	now     time.Time
	cause   Cause
}

func (r *reconciler) identify() {
	s := r.secret
	r.rec.Resource, r.rec.Account, r.rec.Region, r.rec.Name = s.ARN, s.Account, s.Region, s.Name
	r.rec.KeyARN = ""
	if s.Key.Manager == ManagerCustomer {
		r.rec.KeyARN = s.Key.ARN
	}
	r.rec.Held, r.rec.SeenAt = HeldOf(s, r.rec.Held, r.rec.SeenAt), r.now
	r.rec.GoneAt, r.rec.AsOf = s.DeletedAt, s.AsOf
}

// believed is the state that is recorded. By facts about keys that are not of now a secret is never safer than it was.
func (r *reconciler) believed(state LockState) LockState {
	if r.secret.OldKeys().IsZero() || safety(state) <= safety(r.rec.State) {
		return state
	}
	return cmp.Or(r.rec.State, StateUnknown)
}

// safety orders states by how much they claim.
func safety(state LockState) int {
	return slices.Index([]LockState{StateDual, StateSealed}, state)
}

func (r *reconciler) moveState(state LockState) {
	if r.rec.State != state {
		r.rec.State, r.rec.Since = state, r.now
	}
	if state != StateUnknown {
		r.rec.LastKnown = state
	}
}

func (r *reconciler) moveFinding(v Verdict) {
	at := slices.IndexFunc(r.rec.Findings, func(f Finding) bool { return f.Control == v.Control.ID })
	if at >= 0 && !r.rec.Findings[at].Status.Known() {
		return // a newer version's, which alone knows how it goes on; it counts as open
	}
	switch v.Outcome {
	case Fail:
		r.fail(at, v)
	case Pass, NotApplicable:
		if at >= 0 {
			r.resolve(at, r.ending(r.rec.Findings[at], v.Outcome))
		}
	}
}

func (r *reconciler) fail(at int, v Verdict) {
	waivedTo, waived := r.waiver(v.Control.ID)
	if at < 0 {
		r.rec.Findings = append(r.rec.Findings, Finding{Control: v.Control.ID, Resource: r.secret.ARN})
		at = len(r.rec.Findings) - 1
	}
	f := &r.rec.Findings[at]
	was, before := f.Status, *f
	if was != "" && was != FindingResolved {
		v.Subject = v.Subject.keepUnread(v.Control.ID, f.Subject, r.secret)
	}
	f.Severity, f.Title, f.Subject, f.Detail = v.Control.Severity, v.Control.Title, v.Subject, ""
	f.Status, f.WaivedTo = FindingOpen, waivedTo
	if waived {
		f.Status = FindingWaived
	}
	if was == "" || was == FindingResolved {
		f.OpenedAt, f.ResolvedAt, f.End = r.now, time.Time{}, ""
	}
	stricter := r.stricter(*f)
	if r.mode != "" {
		f.Mode = r.mode
	}
	switch {
	case was == FindingOpen && !waived && f.isNewsAfter(before):
		r.announce(NoticeOpened, f, "")
	case was == f.Status && !stricter:
		r.askAgain(f)
	case waived:
		r.announce(NoticeWaived, f, "")
	default:
		r.announce(NoticeOpened, f, "")
	}
}

// askAgainAfter is how long a re-key that was asked for may be on its way before it is asked for again. A limit, a busy
// secret or a lost message would otherwise leave it undone for ever.
const askAgainAfter = time.Hour

func (r *reconciler) askAgain(f *Finding) {
	if r.decide(r.mode, *f).Rekey && r.now.Sub(f.AskedAt) >= askAgainAfter {
		r.announce(NoticeRekeyDue, f, "")
	}
}

// decide is what a mode decides about one finding: only that of the AWS managed key asks for a re-key, and no mode
// governs a blind spot.
func (r *reconciler) decide(mode Mode, f Finding) Decision {
	switch f.Control {
	case OrgCoverage:
		return Decision{Reason: "a blind spot: in every mode"}
	case OrgStorage:
		return Decision{Reason: "the guard's own memory: in every mode"}
	}
	d := Decide(r.rec.State, mode, f.Status == FindingWaived)
	d.Rekey = d.Rekey && f.Control == SecretDefaultKey && len(f.Subject.Versions) == 0 // which setting the key again is not known to change
	return d
}

// stricter reports whether the mode now notifies of or fixes what it did not when the finding was last seen: a wave of
// the rollout has come, or the owner asked for more. What is open by then would otherwise stay as it was for ever.
func (r *reconciler) stricter(f Finding) bool {
	if f.Mode == "" || f.Mode == r.mode || r.mode == "" {
		return false
	}
	before, after := r.decide(f.Mode, f), r.decide(r.mode, f)
	if after.Rekey && !before.Rekey {
		return true
	}
	before.Rekey, after.Rekey = false, false // a fix that is not asked for any more is no news
	return Notified(NoticeOpened, f.Control, after) && !Notified(NoticeOpened, f.Control, before)
}

func (r *reconciler) ending(f Finding, o Outcome) Ending {
	switch {
	case r.secret.PendingDeletion():
		return EndGone
	case o == Pass && f.Control == SecretKeyUnusable:
		return f.Subject.became(r.secret)
	case o == Pass && f.Control == SecretReplicaKey && f.Subject.became(r.secret) == EndRemoved:
		return EndRemoved
	case o == Pass:
		return EndPassed
	default:
		return EndMoot
	}
}

func (r *reconciler) resolve(at int, end Ending) {
	f := &r.rec.Findings[at]
	if f.Status == FindingResolved || !f.Status.Known() {
		return
	}
	f.Status, f.ResolvedAt, f.End, f.WaivedTo = FindingResolved, r.now, end, time.Time{}
	r.announce(NoticeResolved, f, "")
}

func (r *reconciler) waiver(control ControlID) (time.Time, bool) {
	var until time.Time
	for _, w := range r.waivers {
		if w.Covers(control, r.secret.ARN, r.now) && w.Expires.After(until) {
			until = w.Expires
		}
	}
	return until, !until.IsZero()
}

// announceState announces the two changes of state that are news by themselves.
func (r *reconciler) announceState(was, known LockState) {
	switch {
	case r.rec.State == was:
	case r.rec.State == StateSealed && known != "" && known != StateSealed:
		r.announce(NoticeSealed, nil, "every labelled version opens with the customer managed key alone")
	case r.rec.State == StateDrifted && r.secret.Key.Manager != ManagerAWS:
		r.announce(NoticeDrifted, nil, fmt.Sprintf("was %s, and a labelled version opens with the AWS managed key alone", known))
	case r.rec.State == StateDrifted:
		r.announce(NoticeDrifted, nil, fmt.Sprintf("was %s, is back under the AWS managed key", known))
	}
}

// announce puts a notice into the outbox.
func (r *reconciler) announce(kind NoticeKind, f *Finding, detail string) {
	n := Notice{
		Kind: kind, At: r.now, Account: r.rec.Account, Region: r.rec.Region, Resource: r.rec.Resource, Name: r.rec.Name,
		State: r.rec.State, Detail: detail, Tags: r.secret.Tags,
		Actor: r.cause.Actor, Tool: r.cause.Tool, EventID: r.cause.EventID, AsOf: r.secret.AsOf,
	}
	if f == nil {
		n.ID = r.noticeID(r.rec.Resource, kind)
		n.Decision = Decide(r.rec.State, r.mode, false)
		n.Decision.Rekey = false
		r.rec.Outbox = append(r.rec.Outbox, n)
		return
	}
	n.ID = r.noticeID(f.ID(), kind)
	n.Decision = r.decide(r.mode, *f)
	n.Decision.Rekey = n.Decision.Rekey && (kind == NoticeOpened || kind == NoticeRekeyDue)
	if n.Decision.Rekey {
		f.AskedAt = r.now
	}
	copied := *f
	n.Finding = &copied
	r.rec.Outbox = append(r.rec.Outbox, n)
}

// noticeID is the same for every try to store one change, and another for the next change, even within a millisecond.
func (r *reconciler) noticeID(subject string, kind NoticeKind) string {
	return fmt.Sprintf("%s|%s|%d.%d", subject, kind, r.now.UnixMilli(), r.rec.Revision)
}
