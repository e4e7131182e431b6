package migration

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/store"
)

const doGrant Action = "CreateGrant"

// Refused answers the denied read of a known reader: it goes back, grants access for a while, or notifies the owner; and
// it says which principal lacks which right, with the fix. A secret that is not being migrated is none of its business.
func (e *Engine) Refused(ctx context.Context, secret string, r Refused) (Answer, error) {
	j, err := e.load(ctx, secret)
	if err != nil {
		return AnswerNone, fmt.Errorf("answer a denied read of %s: %w", secret, err)
	}
	j = j.under(e.Rules, e.By, e.Now().UTC())
	if j.Revision == 0 {
		return AnswerNone, nil
	}
	if answer, _ := Judge(j, r, *j.Rules); answer == AnswerNone || !r.Read && j.keeps(r) {
		return AnswerNone, nil
	}
	if j.Earlier.Denials > 0 {
		switch answered, err := e.Store.Answered(ctx, secret, r.EventID); {
		case err != nil:
			return AnswerNone, fmt.Errorf("answer a denied read of %s: %w", secret, err)
		case answered:
			return AnswerNone, nil
		}
	}
	v, err := e.enterSoon(ctx, secret)
	if err != nil {
		return AnswerNone, fmt.Errorf("answer a denied read of %s: %w", secret, err)
	}
	answer, err := v.refused(ctx, r)
	if err = v.leave(ctx, err); err != nil {
		return answer, fmt.Errorf("answer a denied read of %s: %w", v.job.Name, err)
	}
	return answer, nil
}

// One read that fails is up to three events, of the secret and of each of its keys, which workers take at the same moment. Who finds
// another at the secret waits so long for it: the queue would bring the event again after half an hour.
const (
	busyFor   = 30 * time.Second
	busyEvery = 2 * time.Second
)

// enterSoon enters a secret when another worker has left it.
func (e *Engine) enterSoon(ctx context.Context, secret string) (*visit, error) {
	for waited := time.Duration(0); ; waited += busyEvery {
		v, err := e.enter(ctx, secret)
		if !errors.Is(err, ErrBusy) || waited >= busyFor {
			return v, err
		}
		if err := e.Sleep(ctx, busyEvery); err != nil {
			return nil, fmt.Errorf("wait for another worker: %w", err)
		}
	}
}

// refused stores a denied read before anything is asked or done about it, and answers it: whoever visits the job next goes
// on with it if this worker dies, and if its event never comes again.
func (v *visit) refused(ctx context.Context, r Refused) (Answer, error) {
	switch answer, _ := Judge(v.job, r, *v.job.Rules); {
	case answer == AnswerNone:
		return answer, nil
	case answer == AnswerHold && v.job.noteKey(r):
		return answer, v.save(ctx)
	case answer == AnswerHold:
		return answer, nil
	}
	kept, changed := v.job.remember(r)
	if v.job.noteKey(r) || changed {
		if err := v.save(ctx); err != nil {
			return AnswerNone, fmt.Errorf("store the denied read: %w", err)
		}
	}
	return v.answer(ctx, kept)
}

// noteKey notes that KMS refused the new key to a reader, which goes on with another key as long as there is one.
func (j *Job) noteKey(r Refused) bool {
	at := j.known(r.Principal)
	if r.Read || at < 0 || !r.At.After(j.Readers[at].RefusedAt) {
		return false
	}
	j.Readers = slices.Clone(j.Readers)
	j.Readers[at].RefusedAt = r.At
	return true
}

// keeps reports that a denied read of the same reader in the same hour is to be answered yet, of which it is known which lock it
// was: what KMS refuses adds nothing, however often.
func (j *Job) keeps(r Refused) bool {
	return slices.ContainsFunc(j.Refusals, func(have Refused) bool {
		return have.Principal == r.Principal && have.By != LockUnknown && r.At.Sub(have.At) < unseenFor
	})
}

// remember keeps one denied read of each reader until it is answered, the first, with what its other event says: one read
// makes an event of Secrets Manager and one of KMS, in any order.
func (j *Job) remember(r Refused) (kept Refused, changed bool) {
	at := slices.IndexFunc(j.Refusals, func(have Refused) bool { return have.Principal == r.Principal })
	if at < 0 {
		j.Refusals = append(slices.Clip(j.Refusals), r)
		return r, true
	}
	have, other := j.Refusals[at], r
	if r.Read && !have.Read {
		have, other = r, have
	}
	if have.By == LockUnknown {
		have.By, have.What = other.By, other.What
	}
	if have == j.Refusals[at] {
		return have, false
	}
	j.Refusals = slices.Clone(j.Refusals)
	j.Refusals[at] = have
	return have, true
}

// forget ends what was stored of a reader's denied reads.
func (j *Job) forget(r Refused) {
	j.Refusals = slices.DeleteFunc(slices.Clone(j.Refusals), func(have Refused) bool { return have.Principal == r.Principal })
}

// answerStored answers what another worker stored and did not come to answer.
func (v *visit) answerStored(ctx context.Context) error {
	var failed error
	for _, r := range slices.Clone(v.job.Refusals) {
		if _, err := v.answer(ctx, r); err != nil {
			failed = errors.Join(failed, fmt.Errorf("answer the denied read of %s: %w", r.Principal, err))
		}
	}
	return failed
}

// ErrKept says that a denied read is stored and not answered yet, because its secret cannot be looked at: every visit of the
// job tries again, and after an hour people are notified of it as unknown.
var ErrKept = errors.New("the denied read is kept, to be answered when its secret can be looked at")

// unseenFor is how long a denied read waits for a look at its secret and its reader's rights, and what KMS refused for the read
// that it belongs to.
const unseenFor = time.Hour

// needsLook reports that a denied read cannot be answered before its secret was looked at: which lock refused it is open, or
// something would be done about it.
func (v *visit) needsLook(r Refused) bool {
	answer, _ := Judge(v.job, r, *v.job.Rules)
	return r.By == LockUnknown || answer.weakens()
}

// explainFor is how long it may take to find out what the reader lacks, when everything is done about it.
const explainFor = 20 * time.Second

// read is what was read: the secret, or its copy in another Region.
func (v *visit) read(r Refused) guard.SecretRef {
	ref := v.ref()
	if r.Region != "" {
		ref.Region, ref.ID = r.Region, arn.Of(ref.ID).In(r.Region).String()
	}
	return ref
}

// keyRead is the new key of what was read.
func (v *visit) keyRead(r Refused) string {
	if c := v.job.copyIn(r.Region); c != nil {
		return c.Target
	}
	return v.job.Target
}

// keyBefore is the key that what was read had before, as UpdateSecret takes it. Where none was recorded it stays as it is.
func (v *visit) keyBefore(r Refused) string {
	before := v.job.Before
	if before == nil {
		return v.keyRead(r)
	}
	at := slices.IndexFunc(before.Replicas, func(copied guard.Replica) bool { return copied.Region == r.Region })
	if at >= 0 {
		return keyOf(before.Replicas[at])
	}
	return before.key()
}

// proven asks, from the secret as it is now and from policies that are read afresh, which lock keeps the reader out, and what would let
// it in. Certain is false where the first is not known: then nothing is weakened (docs/decisions/0025).
func (v *visit) proven(ctx context.Context, r Refused, s guard.Secret, unseen error) (found Refusal, certain bool, err error) {
	waits := v.Now().Before(r.At.Add(unseenFor))
	switch {
	case unseen != nil && waits && v.needsLook(r):
		return Refusal{By: r.By}, false, fmt.Errorf("%w: %w", ErrKept, unseen)
	case unseen != nil:
		return Refusal{By: r.By}, false, nil //nolint:nilerr // people are notified of it as unknown
	}
	found, err = v.Preflight.Refusing(ctx, s, r.Principal, v.keyBefore(r))
	switch {
	case err != nil && waits:
		return Refusal{By: r.By}, false, fmt.Errorf("find out which lock refused %s: %w", r.Principal, err)
	case err != nil || found.By == LockUnknown:
		return Refusal{By: r.By}, false, nil //nolint:nilerr // as above
	}
	return found, true, nil
}

// whole is the answer to a denied read when everything that can be known of it is: what it would be, or that people decide.
func (v *visit) whole(ctx context.Context, r Refused, found Refusal, certain bool) (Answer, string, error) {
	answer, why := Judge(v.job, r, *v.job.Rules)
	if !answer.weakens() {
		return answer, why, nil
	}
	helps, with := found.Previous, "setting "+cmp.Or(v.keyBefore(r), "the AWS managed key")+" again"
	if answer == AnswerGrant {
		helps, with = found.Grant, "a grant on "+v.keyRead(r)
	}
	switch {
	case !certain:
		return AnswerPage, "what its role may do could not be found out, so nothing is weakened without a person", nil
	case !r.Read:
		return AnswerPage, "KMS refused it, and no event says that the read failed, so nothing is weakened without a person", nil
	case answer == AnswerGrant && v.Grants == nil:
		return AnswerPage, "a version is under the new key alone, and nobody here may make grants", nil
	case denied(helps.Answer):
		return AnswerPage, with + " would not let it in: " + helps.Why, nil
	case helps.Answer != policy.Allowed:
		return AnswerPage, "whether " + with + " would let it in is not known, so nothing is weakened without a person: " + helps.Why, nil
	}
	if paused, err := v.Effects.Paused(ctx); paused != nil || err != nil {
		if err != nil {
			return AnswerPage, "", err
		}
		return AnswerPage, paused.Error() + "; doublelock resume lets it be rescued", nil
	}
	if ok, err := v.mayRescue(ctx); !ok || err != nil {
		return AnswerPage, fmt.Sprintf("the %s that a day allows in account %s are made, so a person decides", guard.Count(v.job.Rules.rescuesPerDay(), "rescue", "rescues"), v.job.Account), err
	}
	return answer, why, nil
}

func (v *visit) answer(ctx context.Context, r Refused) (Answer, error) {
	if !r.Read && v.Now().Before(r.At.Add(unseenFor)) {
		return AnswerNone, nil // kept: the event of the read may be on its way
	}
	s, unseen := v.Secrets.Describe(ctx, v.read(r))
	elsewhere := v.job.between() && unseen == nil && r.Region == "" && s.Key.Manager != guard.ManagerUnknown && s.Key.ARN != v.job.Target
	if errors.Is(unseen, guard.ErrGone) || unseen == nil && s.PendingDeletion() || elsewhere { // nobody reads it, or not with our key
		v.job.forget(r)
		return AnswerNone, nil
	}
	found, certain, err := v.proven(ctx, r, s, unseen)
	if err != nil {
		return AnswerNone, err
	}
	r.By = found.By
	answer, why, err := v.whole(ctx, r, found, certain)
	if err != nil {
		return AnswerNone, err
	}
	if answer == AnswerNone || answer == AnswerHold {
		v.job.forget(r)
		return answer, nil
	}
	if answer == AnswerSession && !r.Read {
		why = "its role may read the secret now, and KMS refused it the new key: it reads with the previous one and breaks at the next version, before which " + v.job.Name + " waits for it"
	}
	if answer == AnswerPage || answer == AnswerSession {
		if known := v.job.notified(r); known != nil {
			known.More, known.Again = known.More+1, r.At
			v.job.forget(r)
			return AnswerNone, v.save(ctx)
		}
	}
	var reader *Reader
	said := func(answer Answer, problem string) guard.Notice {
		lost := guard.LostReader{Answer: string(answer), Problem: problem, Again: v.job.again(r.Principal)}
		n := v.notice(guard.NoticeReaderLost, v.diagnosis(r, reader, lost, why), r.At)
		n.ID, n.EventID, n.Actor = string(guard.NoticeReaderLost)+"|"+r.EventID, r.EventID, r.Principal
		return n
	}
	unsettled := ""
	if answer.weakens() {
		unsettled = cutOff
	}
	if err := v.promise(ctx, said(answer, unsettled)); err != nil {
		return answer, fmt.Errorf("store the denied read: %w", err)
	}
	var failed error // for the log: the event comes again, and is answered already
	problem := ""
	switch answer {
	case AnswerRollback:
		v.rescued = r.Principal
		if failed = v.rollback(ctx, r.Principal+" was refused by the new key"); failed != nil {
			answer, problem = AnswerPage, "; going back failed: "+v.plainly(failed)
		}
	case AnswerGrant:
		if failed = v.grant(ctx, r); failed != nil {
			answer, problem = AnswerPage, "; restoring access failed: "+v.plainly(failed)
		}
	}
	if v.job.Phase == Failed || errors.Is(failed, errBackUnproven) || errors.Is(failed, ErrNothingToUndo) || errors.Is(failed, ErrOvertaken) || errors.Is(failed, ErrLeft) {
		failed = nil // the reason is in the job
	}
	if unseen == nil && r.By == LockKey {
		reader = v.assessed(ctx, s, v.keyRead(r), r.Principal)
	}
	v.put(said(answer, problem))
	if answer == AnswerSession {
		v.put(v.toSecurity(r, why))
	}
	v.promised = ""
	v.job.forget(r)
	denial := Denial{Principal: r.Principal, EventID: r.EventID, At: r.At, By: r.By, What: r.What, Answer: answer}
	if answer == AnswerPage && r.By == LockKey {
		denial.What, denial.Why = v.lacks(r), why+problem
	}
	v.job.Denials = append(v.job.Denials, denial)
	if wait, is := v.job.keyRefused(); is && v.job.Phase == Observing {
		v.job.Reason = wait.Reason
	}
	if err := v.save(ctx); err != nil {
		return answer, errors.Join(err, failed)
	}
	return answer, errors.Join(v.publish(ctx), failed)
}

// cutOff ends a notice that was stored before its answer was given, and went out because the worker died meanwhile.
const cutOff = "; whether that came to its end is not known: doublelock migrate status says it"

// daily is how often people are notified of a reader that polls and keeps failing.
// toSecurity names a principal one of whose sessions had a read refused that its role may make, with what was seen. Its ID is the same
// for every secret of a day, so that it is sent once.
func (v *visit) toSecurity(r Refused, why string) guard.Notice {
	seen := "its read failed"
	if !r.Read {
		seen = "KMS refused it the new key"
	}
	n := v.notice(guard.NoticeReaderLost, guard.Move{
		Reason: fmt.Sprintf("%s. Seen: %s at %s, event %s", why, seen, guard.Minute(r.At), r.EventID),
		Reader: &guard.LostReader{Principal: r.Principal, Answer: string(AnswerSession), Security: true},
	}, r.At)
	n.ID, n.EventID, n.Actor = fmt.Sprintf("%s|security|%s|%s", guard.NoticeReaderLost, r.Principal, r.At.UTC().Format(time.DateOnly)), r.EventID, r.Principal
	return n
}

const daily = 24 * time.Hour

// notified is the latest notice of a reader that nothing can be done for but to notify people, if it is of the last day.
func (j *Job) notified(r Refused) *Denial {
	for i := len(j.Denials) - 1; i >= 0; i-- {
		if d := &j.Denials[i]; d.Principal == r.Principal && (d.Answer == AnswerPage || d.Answer == AnswerSession) && r.At.Sub(d.At).Abs() < daily {
			return d
		}
	}
	return nil
}

// again counts how often a reader was refused since the last notice of it.
func (j *Job) again(principal string) int {
	for i := len(j.Denials) - 1; i >= 0; i-- {
		if j.Denials[i].Principal == principal {
			return j.Denials[i].More
		}
	}
	return 0
}

// plainly is our word for what went wrong. AWS's own text is for the log.
func (v *visit) plainly(err error) string {
	switch {
	case v.job.Phase == Failed, errors.Is(err, errBackUnproven), errors.Is(err, ErrLeft), errors.Is(err, ErrOvertaken):
		return v.job.Reason
	case errors.Is(err, ErrNothingToUndo):
		return "the secret is as it was before its migration"
	case errors.Is(err, guard.ErrGone):
		return "the secret or its key does not exist any more"
	case errors.Is(err, guard.ErrThrottled):
		return "AWS asked to come back later"
	case errors.Is(err, guard.ErrDenied), errors.Is(err, guard.ErrNotOurs), errors.Is(err, guard.ErrRefused):
		return refusal(err)
	}
	return "a call to AWS did not go through"
}

// assessed asks afresh what the new key means for a reader; nil where that cannot be found out. It may read CloudTrail, so it
// comes when everything is done.
func (v *visit) assessed(ctx context.Context, s guard.Secret, key, principal string) *Reader {
	ctx, cancel := context.WithTimeout(ctx, explainFor)
	defer cancel()
	found, err := v.Preflight.Check(ctx, s, key, v.job.Accepted)
	if err != nil {
		return nil
	}
	for i := range found.Readers {
		if found.Readers[i].Principal == principal {
			return &found.Readers[i]
		}
	}
	return nil
}

// lacks is the right that a reader lacks which the key keeps out.
func (v *visit) lacks(r Refused) string { return cmp.Or(r.What, decrypt+" on "+v.keyRead(r)) }

// diagnosis says which right the reader lacks, with the fix where one was found, and what was done: the reader's name is
// what counts.
func (v *visit) diagnosis(r Refused, reader *Reader, lost guard.LostReader, why string) guard.Move {
	lost.Principal = r.Principal
	if r.By != LockKey {
		return guard.Move{Reason: why, Reader: &lost}
	}
	lost.Right = v.lacks(r)
	move := guard.Move{Reason: why, Reader: &lost}
	if reader != nil && reader.Fix != nil {
		move.Remedies = []guard.Remedy{reader.Remedy()}
	}
	return move
}

// grant lets a reader decrypt this secret until a date. It is journaled before, and ended by endRescues.
func (v *visit) grant(ctx context.Context, r Refused) error {
	now := v.Now().UTC()
	until := now.Add(time.Duration(v.job.Rules.GrantFor))
	key, name, id := v.keyRef(v.job.Target), grantName(v.job.Secret, r.Principal), ""
	err := v.effect(ctx, store.Change{
		Call: string(doGrant), Wanted: v.wanted("grant", name),
		Look: func(ctx context.Context) (bool, error) {
			given, _, err := v.given(ctx, key)
			for is, called := range given {
				if called == name {
					id = is
				}
			}
			return id != "", err
		},
		Journal: func(ctx context.Context, begun time.Time) error {
			entry := v.entry(doGrant, begun, r.EventID)
			entry.After[granteeField], entry.After[untilField], entry.After[keyField] = r.Principal, until.Format(time.RFC3339), v.job.Target
			if err := v.Journal.Append(ctx, entry); err != nil {
				return fmt.Errorf("write journal before the grant: %w", err)
			}
			return nil
		},
		Send: func(ctx context.Context) (err error) {
			id, err = v.Grants.Grant(ctx, key, name, r.Principal, v.job.Secret)
			return err
		},
	})
	if err != nil {
		return err
	}
	v.job.Rescues = append(v.job.Rescues, Rescue{Principal: r.Principal, Key: v.job.Target, GrantID: id, Until: until})
	return v.save(ctx)
}

// given lists the grants on a key, their names by their ids. Where they may not be listed that is no error: making one is
// repeated under its name, and ending one that is gone is none either, so that both are safe without a look.
func (v *visit) given(ctx context.Context, key guard.KeyRef) (given map[string]string, listed bool, err error) {
	given, err = v.Grants.Given(ctx, key)
	if errors.Is(err, guard.ErrDenied) || errors.Is(err, guard.ErrNotOurs) {
		return nil, false, nil
	}
	return given, err == nil, err
}

// grantName is the same for the same reader of the same secret: a repeat finds the grant of the first try, and so does the other
// of the two events that one denied read makes, where the worker died that answered the first. A grant that only its own event
// found again would never end.
func grantName(secret, principal string) string {
	of := sha256.Sum256([]byte(secret + "|" + principal))
	return "doublelock-" + hex.EncodeToString(of[:16])
}

func (v *visit) keyRef(arn string) guard.KeyRef {
	return guard.KeyRef{Account: accountOf(arn), Region: v.job.Region, ID: arn}
}

// endRescues ends the grants whose time is over.
func (v *visit) endRescues(ctx context.Context) error {
	for i := range v.job.Rescues {
		r := &v.job.Rescues[i]
		if v.Grants == nil || !r.Ended.IsZero() || v.Now().Before(r.Until) {
			continue
		}
		key, id := v.keyRef(r.Key), r.GrantID
		if err := v.effect(ctx, store.Change{
			Call: "RetireGrant", Wanted: v.wanted("no grant", id),
			Look: func(ctx context.Context) (bool, error) {
				given, listed, err := v.given(ctx, key)
				_, there := given[id]
				return listed && !there, err
			},
			Send: func(ctx context.Context) error { return v.Grants.Retire(ctx, key, id) },
		}); err != nil {
			if _, paused := errors.AsType[*store.PausedError](err); paused {
				return nil // and the visit goes on with what changes nothing
			}
			return fmt.Errorf("end the grant for %s: %w", r.Principal, err)
		}
		r.Ended = v.Now().UTC()
		if err := v.save(ctx); err != nil {
			return err
		}
	}
	return nil
}
