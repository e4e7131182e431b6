package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/localaws"
)

func keyQuestions() []Question {
	return []Question{
		{ID: "kms.disabled.read", Row: 4, Title: "Which error does a read meet whose key is disabled?", Document: "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html",
			Calls: calls(newSecret, read, "kms:DisableKey kms:DescribeKey"),
			Choices: []Choice{
				{Answer: "decryption-failure", Meaning: "the kill switch proves itself by that type"},
				{Answer: "access-denied", ByRefusal: true, Meaning: "a read that the kill switch stopped looks like one without rights", Set: func(b *localaws.Behavior) { b.DisabledRead = localaws.DisabledIsAccessDenied }},
				{Answer: "invalid-request", ByRefusal: true, Meaning: "a read that the kill switch stopped looks like one of a secret that is to be deleted", Set: func(b *localaws.Behavior) { b.DisabledRead = localaws.DisabledIsInvalidRequest }},
				{Answer: "kms-error", Meaning: "KMS's own error comes through: its types have to count as stopped reads", Set: func(b *localaws.Behavior) { b.DisabledRead = localaws.DisabledIsKMSError }},
				{Answer: "internal-error", ByRefusal: true, Meaning: "a stopped read looks like a broken service, and is tried again", Set: func(b *localaws.Behavior) { b.DisabledRead = localaws.DisabledIsInternalError }},
				{Answer: "goes-on", Meaning: "reads go on: the kill switch needs a second way", Set: goOn},
			}, Assumed: "decryption-failure", Control: ownReads, Play: disabledRead},
		{ID: "kms.disabled.delay", Row: 4, Title: "How long after DisableKey do reads still go on?", Document: "https://docs.aws.amazon.com/kms/latest/developerguide/programming-eventual-consistency.html",
			Calls: calls(newSecret, read, "kms:DisableKey kms:DescribeKey"),
			Choices: []Choice{
				{Answer: "seconds", ByRefusal: true, Meaning: "the kill switch verifies within its time"},
				{Answer: "a-minute", ByRefusal: true, Meaning: "the kill switch has to wait a minute before it calls itself failed"},
				{Answer: "minutes", ByRefusal: true, Meaning: "the kill switch has to wait five minutes before it calls itself failed"},
				{Answer: "goes-on", Meaning: "reads go on for as long as the run waited: the kill switch needs a second way", Set: goOn},
			}, Assumed: "seconds", Control: ownReads, Play: disabledDelay},
		{ID: "kms.trailing-days", Row: 18, Title: "Does kms:TrailingDaysWithoutKeyUsage deny disabling a key that was just used?", Document: "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html",
			Trail: true, Calls: calls(asRole, "kms:DisableKey kms:DescribeKey kms:GetKeyLastUsage"),
			Choices: []Choice{
				{Answer: Refused, ByRefusal: true, Meaning: "doublelock-tamper keeps keys in use from being disabled"},
				{Answer: Passes, Meaning: "doublelock-tamper does not help; the event of a disabled key does", Set: func(b *localaws.Behavior) { b.NoTrailingDays = true }},
			}, Assumed: Refused, Control: mayDisableKeys, Play: trailingDays},
		{ID: "kms.grant.context", Row: 22, Title: "Does a grant with EncryptionContextSubset on SecretARN let a reader in?", Document: "https://docs.aws.amazon.com/kms/latest/developerguide/create-grant-overview.html",
			Calls: calls(asRole, "kms:CreateGrant kms:ListGrants"),
			Choices: []Choice{
				{Answer: "reads", Meaning: "rescue by grant works (migration.rescueGrants)"},
				{Answer: "reads-without", Meaning: "a reader without any right to the key reads all the same: there is no second lock", Set: func(b *localaws.Behavior) { b.NoSecondLock = true }},
				{Answer: "still-refused", ByRefusal: true, Meaning: "rescue by grant does not work and has to go", Set: func(b *localaws.Behavior) { b.GrantsIgnoreContext = true }},
			}, Assumed: "reads", Control: readerReads, Play: grantContext},
		{ID: "kms.alias-moved.new-version", Row: 29, Title: "Under which key is a new version when the secret names an alias that was moved since?", Document: "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
			Calls: calls(newSecret, newAlias, moveAlias, versions, put),
			Choices: []Choice{
				{Answer: "new-target", Meaning: "a moved alias re-keys new versions: every secret that names it is inspected"},
				{Answer: "old-target", Meaning: "a moved alias changes nothing until the secret is updated", Set: func(b *localaws.Behavior) { b.AliasIsResolved = true }},
			}, Assumed: "new-target", Play: aliasMovedVersion},
		{ID: "kms.alias-moved.described", Row: 29, Title: "What does DescribeSecret show of a key that was named by an alias?", Document: "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html",
			Calls: calls(newSecret, newAlias, moveAlias, describe),
			Choices: []Choice{
				{Answer: "alias", Meaning: "what the alias leads to is asked of KMS each time"},
				{Answer: "old-target", Meaning: "the key that the secret shows is the one it has", Set: func(b *localaws.Behavior) { b.AliasIsResolved = true }},
				{Answer: "new-target", Meaning: "Secrets Manager follows the alias when it is asked"},
			}, Assumed: "alias", Play: aliasMovedDescribed},
		{ID: "kms.alias-gone.write", Row: 35, Title: "What does a write answer when the alias that the secret names is gone?", Document: "https://docs.aws.amazon.com/kms/latest/developerguide/kms-alias.html",
			Calls: calls(newSecret, newAlias, "kms:DescribeKey", put, versions),
			Choices: []Choice{
				{Answer: "invalid-parameter", ByRefusal: true, Meaning: "a deleted alias stops writes, and reads go on: it is found by its event alone"},
				{Answer: "encryption-failure", ByRefusal: true, Meaning: "the same, as for a key that cannot be used"},
				{Answer: "not-found", ByRefusal: true, Meaning: "the same, and it looks like a secret that is gone"},
				{Answer: "goes-on", Meaning: "Secrets Manager remembers the key: a deleted alias changes nothing"},
			}, Assumed: "invalid-parameter", Control: ownWrites, Play: aliasGone,
			Overruled: func(b localaws.Behavior) bool { return b.AliasIsResolved }},
	}
}

// goOn makes reads go on whose key is disabled.
func goOn(b *localaws.Behavior) { b.DisabledRead = localaws.DisabledGoesOn }

// errorsOfReads are the answers of a read whose key is disabled, by AWS's code.
var errorsOfReads = map[string]Answer{
	"DecryptionFailure": "decryption-failure", "AccessDeniedException": "access-denied", "InvalidRequestException": "invalid-request",
	"DisabledException": "kms-error", "KMSInvalidStateException": "kms-error", "InternalServiceError": "internal-error", "InternalServiceErrorException": "internal-error",
}

// untilStopped disables a key of its own and reads until that fails, with one answer, for as long as AWS may need to settle: with
// which error, and how long after the key was disabled it began. No error of a read says that they go on. An error that passes,
// or that turns into another, was of something else than the key.
func untilStopped(ctx context.Context, w *World) (failed error, after time.Duration, err error) {
	key, err := w.own.CreateKey(ctx, w.what("off"))
	if err != nil {
		return nil, 0, err
	}
	secret, err := w.secret(ctx, key)
	if err != nil {
		return nil, 0, err
	}
	if err := w.own.Read(ctx, secret); err != nil {
		return nil, 0, err
	}
	if err := w.own.DisableKey(ctx, key); err != nil {
		return nil, 0, err
	}
	start := time.Now() // not the run's clock: AWS's time goes on
	var answer Answer   // of the reads that failed last, in a row
	var since time.Time
	changed := 0 // how often reads began to fail otherwise
	for answer != "" || time.Since(start) < w.patience.Change {
		failed = w.own.Read(ctx, secret)
		is := errorsOfReads[sandbox.Code(failed)]
		switch {
		case failed == nil:
			answer = ""
		case is == "" && !sandbox.Unavailable(failed): // such as one of the network
			return nil, 0, errors.Join(errUnexpected, failed)
		case is == "": // such as too many calls: it says nothing of the key
			answer = ""
		case is != answer:
			answer, since = is, time.Now()
			changed++
		case time.Since(since) >= w.patience.Settle:
			after = since.Sub(start)
			w.note("first failed read", "%s after %s", sandbox.Code(failed), after.Round(time.Second))
			return failed, after, ctx.Err()
		}
		if answer != "" && changed > 1 && time.Since(start) > w.patience.Change+2*w.patience.Settle {
			return nil, 0, errors.Join(errUnexpected, failed) // reads fail now so, now so
		}
		if err := sandbox.Sleep(ctx, w.patience.Between); err != nil {
			return nil, 0, err
		}
	}
	if failed != nil {
		return nil, 0, errors.Join(errUnexpected, failed)
	}
	if err := w.isDisabled(ctx, key); err != nil { // and nobody enabled it again
		return nil, 0, err
	}
	waited := time.Since(start).Round(time.Second)
	w.note("reads went on", "for %s", waited)
	w.meaning = fmt.Sprintf("reads go on after %s, which is how long the run waited: the kill switch needs a second way", waited)
	return nil, 0, nil
}

func disabledRead(ctx context.Context, w *World) (Answer, error) {
	failed, _, err := untilStopped(ctx, w)
	switch {
	case err != nil:
		return "", err
	case failed == nil:
		return "goes-on", nil
	}
	return errorsOfReads[sandbox.Code(failed)], nil
}

func disabledDelay(ctx context.Context, w *World) (Answer, error) {
	failed, after, err := untilStopped(ctx, w)
	switch {
	case err != nil:
		return "", err
	case failed == nil:
		return "goes-on", nil
	case after < 15*time.Second:
		return "seconds", nil
	case after < 90*time.Second:
		return "a-minute", nil
	}
	return "minutes", nil
}

// trailingDays disables a key that was just used, without the right to disable keys that were. KMS knows of a use up to an
// hour later: before it shows the use, the key is one that nobody used, and that it can be disabled says nothing.
func trailingDays(ctx context.Context, w *World) (Answer, error) {
	key, err := w.own.CreateKey(ctx, w.what("used"))
	if err != nil {
		return "", err
	}
	secret, err := w.secret(ctx, key)
	if err != nil {
		return "", err
	}
	if err := w.own.Read(ctx, secret); err != nil { // a use
		return "", err
	}
	start := time.Now()
	shown, err := sandbox.Until(ctx, w.patience.Trail, func(ctx context.Context) (bool, error) { return w.own.Used(ctx, key) })
	switch {
	case err != nil:
		return "", err
	case !shown:
		return "", fmt.Errorf("the use of a key within %s: %w", w.patience.Trail, errNotShown)
	}
	w.note("use shown", "after %s", time.Since(start).Round(time.Second))
	if err := sandbox.Sleep(ctx, w.patience.Settle); err != nil { // for the condition, which may see it later than we
		return "", err
	}
	return refusedOrNot(stopped(ctx, w, bySession, "idle", deny("kms:DisableKey", `{"NumericLessThan":{"kms:TrailingDaysWithoutKeyUsage":"30"}}`),
		func(s *sandbox.Session) error { return s.DisableKey(ctx, key) }, func() error { return w.isDisabled(ctx, key) }))
}

// grantContext lets a role read that may read secrets and use no key, by a grant that the secret's ARN limits.
func grantContext(ctx context.Context, w *World) (Answer, error) {
	secret, key, err := w.underA(ctx)
	if err != nil {
		return "", err
	}
	reader, role, err := w.reader(ctx, secret)
	if err != nil {
		return "", err
	}
	switch err := reader.Read(ctx, secret); {
	case err == nil:
		return "reads-without", nil
	case !sandbox.Denied(err):
		return "", err
	}
	grant, err := w.own.GrantDecrypt(ctx, key, role, map[string]string{"SecretARN": secret})
	if err != nil {
		return "", err
	}
	if there, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) { return w.own.Granted(ctx, key, grant) }); err != nil {
		return "", err
	} else if !there {
		return "", fmt.Errorf("%w: the grant was made, and is not there", errUnexpected)
	}
	start := time.Now()
	reads, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		err := reader.Read(ctx, secret)
		if sandbox.Denied(err) {
			return false, nil
		}
		return err == nil, err
	})
	switch {
	case err != nil:
		return "", err
	case !reads:
		return "still-refused", nil
	}
	w.note("first read", "after %s", time.Since(start).Round(time.Second))
	return "reads", nil
}

// reader makes a role that may read secrets and use no key, and takes it as soon as it sees a secret. The error is
// errNotEvaluated where policies do not count: everybody reads there.
func (w *World) reader(ctx context.Context, secret string) (reader *sandbox.Session, role string, err error) {
	if _, err := w.without(ctx, "s"); err != nil {
		return nil, "", err
	}
	c, err := w.ready()
	if err != nil {
		return nil, "", err
	}
	name := w.own.Partition().New("secretsmanager", "*", w.own.Account(), "secret:"+w.own.Run().Name("*")).String()
	role, err = w.own.CreateRole(ctx, w.what("reader"), w.trustExternal(c.external),
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","secretsmanager:DescribeSecret"],"Resource":"`+name+`"}]}`)
	if err != nil {
		return nil, "", err
	}
	err = w.eventually(ctx, "take the role of the reader", func(ctx context.Context) error {
		if reader, err = w.own.Assume(ctx, role, w.sessionName(w.what("reader")), "", c.external); err != nil {
			return err
		}
		_, err := reader.Describe(ctx, secret)
		return err
	})
	return reader, role, err
}

// aliasMoved is a secret whose key was named by an alias that was moved from key a to key b since.
func aliasMoved(ctx context.Context, w *World) (secret, alias, a, b string, err error) {
	if a, b, err = w.keys(); err != nil {
		return "", "", "", "", err
	}
	if alias, err = w.own.CreateAlias(ctx, w.what("alias"), a); err != nil {
		return "", "", "", "", err
	}
	err = w.eventually(ctx, "create a secret under a new alias", func(ctx context.Context) error {
		secret, err = w.secret(ctx, alias)
		return err
	})
	if err != nil {
		return "", "", "", "", err
	}
	if err := w.own.MoveAlias(ctx, alias, b); err != nil {
		return "", "", "", "", err
	}
	moved, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		key, err := w.own.KeyOf(ctx, alias)
		return key == b, err
	})
	if err == nil && !moved {
		err = fmt.Errorf("the moved alias within %s: %w", w.patience.Change, errNotShown)
	}
	if err == nil {
		err = sandbox.Sleep(ctx, w.patience.Settle) // for Secrets Manager, which may see it later than we
	}
	return secret, alias, a, b, err
}

// errorsOfWrites are the answers of a write whose key is not found, by AWS's code.
var errorsOfWrites = map[string]Answer{
	"InvalidParameterException": "invalid-parameter", "EncryptionFailure": "encryption-failure", "ResourceNotFoundException": "not-found",
}

// aliasGone writes until the alias is gone for Secrets Manager, too, and stays so.
func aliasGone(ctx context.Context, w *World) (Answer, error) {
	a, err := w.keyA()
	if err != nil {
		return "", err
	}
	alias, err := w.own.CreateAlias(ctx, w.what("gone"), a)
	if err != nil {
		return "", err
	}
	secret := ""
	err = w.eventually(ctx, "create a secret under a new alias", func(ctx context.Context) error {
		secret, err = w.secret(ctx, alias)
		return err
	})
	if err != nil {
		return "", err
	}
	write := func() error { // of which the version is there then
		written, err := w.own.Put(ctx, secret)
		if err == nil {
			_, err = keysOf(ctx, w, secret, func(v sandbox.Version) bool { return v.ID == written })
		}
		return err
	}
	if err := write(); err != nil { // the secret is there
		return "", err
	}
	if there, err := w.own.Remove(ctx, sandbox.Resource{Kind: sandbox.Alias, Account: w.own.Account(), Region: w.own.Region(), Name: alias}); err != nil || !there {
		return "", cmp.Or(err, errUnexpected)
	}
	const goesOn Answer = "goes-on"
	answer, since := goesOn, time.Time{} // the answer of the last writes, and since when
	_, err = sandbox.Until(ctx, w.patience.Change+w.patience.Settle, func(ctx context.Context) (bool, error) {
		err := write()
		stopped, known := errorsOfWrites[sandbox.Code(err)]
		switch {
		case err == nil:
			answer = goesOn
		case !known:
			return false, errors.Join(errUnexpected, err)
		case stopped != answer:
			answer, since = stopped, time.Now()
		}
		return answer != goesOn && time.Since(since) >= w.patience.Settle, nil
	})
	if err == nil && answer != goesOn && time.Since(since) < w.patience.Settle {
		err = errUnexpected // writes fail now so, now so
	}
	if err == nil && answer == goesOn {
		if _, shown := w.own.KeyOf(ctx, alias); !sandbox.Gone(shown) {
			err = cmp.Or(shown, fmt.Errorf("%w: the alias was deleted, and is there", errUnexpected))
		}
	}
	return answer, err
}

func aliasMovedVersion(ctx context.Context, w *World) (Answer, error) {
	secret, _, a, b, err := aliasMoved(ctx, w)
	if err != nil {
		return "", err
	}
	return w.settled(ctx, "old-target", func(ctx context.Context) (Answer, error) {
		version, err := w.own.Put(ctx, secret)
		if err != nil {
			return "", err
		}
		keys, err := keysOf(ctx, w, secret, func(v sandbox.Version) bool { return v.ID == version })
		switch {
		case err != nil:
			return "", err
		case holds(keys, b) && !holds(keys, a):
			return "new-target", nil
		case holds(keys, a) && !holds(keys, b):
			return "old-target", nil
		}
		return "", errUnexpected
	})
}

func aliasMovedDescribed(ctx context.Context, w *World) (Answer, error) {
	secret, alias, a, b, err := aliasMoved(ctx, w)
	if err != nil {
		return "", err
	}
	return w.settled(ctx, "old-target", func(ctx context.Context) (Answer, error) {
		return aliasShown(ctx, w, secret, alias, a, b)
	})
}

func aliasShown(ctx context.Context, w *World, secret, alias, a, b string) (Answer, error) {
	d, err := w.own.Describe(ctx, secret)
	switch {
	case err != nil:
		return "", err
	case d.Key == alias, d.Key == w.own.Partition().New("kms", w.own.Region(), w.own.Account(), alias).String():
		return "alias", nil
	case same(d.Key, a):
		return "old-target", nil
	case same(d.Key, b):
		return "new-target", nil
	}
	return "", errUnexpected
}
