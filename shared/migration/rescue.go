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
	if answer, _ := Judge(j, r, *j.Rules); answer == AnswerNone {
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
	v, err := e.enter(ctx, secret)
	if err != nil {
		return AnswerNone, fmt.Errorf("answer a denied read of %s: %w", secret, err)
	}
	answer, err := v.refused(ctx, r)
	if err = v.leave(ctx, err); err != nil {
		return answer, fmt.Errorf("answer a denied read of %s: %w", v.job.Name, err)
	}
	return answer, nil
}

// refused stores a denied read before anything is asked or done about it, and answers it: whoever visits the job next goes
// on with it if this worker dies, and if its event never comes again.
func (v *visit) refused(ctx context.Context, r Refused) (Answer, error) {
	if answer, _ := Judge(v.job, r, *v.job.Rules); answer == AnswerNone {
		return answer, nil
	}
	if v.job.remember(r) {
		if err := v.save(ctx); err != nil {
			return AnswerNone, fmt.Errorf("store the denied read: %w", err)
		}
	}
	return v.answer(ctx, r)
}

// remember keeps a denied read until it is answered: one of each reader, the first that says which lock it was.
func (j *Job) remember(r Refused) bool {
	at := slices.IndexFunc(j.Refusals, func(have Refused) bool { return have.Principal == r.Principal })
	switch {
	case at < 0:
		j.Refusals = append(slices.Clip(j.Refusals), r)
	case j.Refusals[at].By == LockUnknown && r.By != LockUnknown:
		j.Refusals = slices.Clone(j.Refusals)
		j.Refusals[at] = r
	default:
		return false
	}
	return true
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

// unseenFor is how long a denied read waits for a look at its secret.
const unseenFor = time.Hour

// needsLook reports that a denied read cannot be answered before its secret was looked at: which lock refused it is open, or
// something would be done about it.
func (v *visit) needsLook(r Refused) bool {
	answer, _ := Judge(v.job, r, *v.job.Rules)
	return r.By == LockUnknown || answer == AnswerRollback || answer == AnswerGrant
}

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

func (v *visit) answer(ctx context.Context, r Refused) (Answer, error) {
	s, unseen := v.Secrets.Describe(ctx, v.read(r))
	switch {
	case errors.Is(unseen, guard.ErrGone), unseen == nil && s.PendingDeletion(): // nobody reads it, whatever its key
		v.job.forget(r)
		return AnswerNone, nil
	case unseen != nil && v.needsLook(r) && v.Now().Before(r.At.Add(unseenFor)):
		return AnswerNone, fmt.Errorf("%w: %w", ErrKept, unseen)
	}
	if r.By == LockUnknown && unseen == nil {
		var err error
		if r.By, err = v.Preflight.Refusing(ctx, s, r.Principal); err != nil {
			return AnswerNone, fmt.Errorf("find out which lock refused %s: %w", r.Principal, err)
		}
	}
	answer, why := Judge(v.job, r, *v.job.Rules)
	if answer == AnswerNone {
		v.job.forget(r)
		return answer, nil
	}
	var reader *Reader
	if unseen == nil && r.By == LockKey {
		reader = v.assessed(ctx, s, v.keyRead(r), r.Principal)
	}
	if answer == AnswerGrant && v.Grants == nil {
		answer, why = AnswerPage, "a version is under the new key alone, and nobody here may make grants"
	}
	if answer == AnswerPage {
		if known := v.job.notified(r); known != nil {
			known.More, known.Again = known.More+1, r.At
			v.job.forget(r)
			return AnswerNone, v.save(ctx)
		}
	}
	said := func(answer Answer, problem string) guard.Notice {
		lost := guard.LostReader{Answer: string(answer), Problem: problem, Again: v.job.again(r.Principal)}
		n := v.notice(guard.NoticeReaderLost, v.diagnosis(r, reader, lost, why), r.At)
		n.ID, n.EventID, n.Actor = string(guard.NoticeReaderLost)+"|"+r.EventID, r.EventID, r.Principal
		return n
	}
	unsettled := cutOff
	if answer == AnswerPage {
		unsettled = "" // nothing is done
	}
	if err := v.promise(ctx, said(answer, unsettled)); err != nil {
		return answer, fmt.Errorf("store the denied read: %w", err)
	}
	var failed error // for the log: the event comes again, and is answered already
	problem := ""
	switch answer {
	case AnswerRollback:
		if failed = v.rollback(ctx, r.Principal+" was refused by the new key"); failed != nil {
			answer, problem = AnswerPage, "; going back failed: "+v.plainly(failed)
		}
	case AnswerGrant:
		if failed = v.grant(ctx, r); failed != nil {
			answer, problem = AnswerPage, "; restoring access failed: "+v.plainly(failed)
		}
	}
	if v.job.Phase == Failed || errors.Is(failed, errBackUnproven) || errors.Is(failed, ErrNothingToUndo) || errors.Is(failed, ErrLeft) {
		failed = nil // the reason is in the job
	}
	v.put(said(answer, problem))
	v.promised = ""
	v.job.forget(r)
	v.job.Denials = append(v.job.Denials, Denial{Principal: r.Principal, EventID: r.EventID, At: r.At, By: r.By, What: r.What, Answer: answer})
	if err := v.save(ctx); err != nil {
		return answer, errors.Join(err, failed)
	}
	return answer, errors.Join(v.publish(ctx), failed)
}

// cutOff ends a notice that was stored before its answer was given, and went out because the worker died meanwhile.
const cutOff = "; whether that came to its end is not known: doublelock migrate status says it"

// daily is how often people are notified of a reader that polls and keeps failing.
const daily = 24 * time.Hour

// notified is the latest notice of a reader that nothing can be done for but to notify people, if it is of the last day.
func (j *Job) notified(r Refused) *Denial {
	for i := len(j.Denials) - 1; i >= 0; i-- {
		if d := &j.Denials[i]; d.Principal == r.Principal && d.Answer == AnswerPage && r.At.Sub(d.At).Abs() < daily {
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
	case v.job.Phase == Failed, errors.Is(err, errBackUnproven), errors.Is(err, ErrLeft):
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

// assessed asks afresh what the new key means for a reader; nil where that cannot be found out.
func (v *visit) assessed(ctx context.Context, s guard.Secret, key, principal string) *Reader {
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

// diagnosis says which right the reader lacks, with the fix where one was found, and what was done: the reader's name is
// what counts.
func (v *visit) diagnosis(r Refused, reader *Reader, lost guard.LostReader, why string) guard.Move {
	lost.Principal = r.Principal
	if r.By == LockUnknown {
		return guard.Move{Reason: why, Reader: &lost}
	}
	lost.Right = cmp.Or(r.What, "kms:Decrypt on "+v.keyRead(r))
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
			return fmt.Errorf("end the grant for %s: %w", r.Principal, err)
		}
		r.Ended = v.Now().UTC()
		if err := v.save(ctx); err != nil {
			return err
		}
	}
	return nil
}
