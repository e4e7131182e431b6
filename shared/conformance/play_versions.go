package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/trail"
)

const (
	rekeyGuide   = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/manage_update-encryption-key.html"
	versionEntry = "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_SecretVersionsListEntry.html"
)

// Answers about the copies of a version.
const (
	NewFirst    Answer = "new-first"
	OldFirst    Answer = "old-first"
	NewOnly     Answer = "new-only"
	OldOnly     Answer = "old-only"
	Opens       Answer = "opens"
	Left        Answer = "left"
	Reencrypted Answer = "re-encrypted"
)

func versionQuestions() []Question {
	return []Question{
		{ID: "secretsmanager.rekeyed.listed", Row: 5, Title: "Which keys does ListSecretVersionIds list for a version that was re-keyed, and in which order?", Document: versionEntry,
			Calls: calls(newSecret, setKey, versions),
			Choices: []Choice{
				{Answer: NewFirst, Meaning: "any key besides the secret's own keeps it dual"},
				{Answer: OldFirst, Meaning: "the same: the order is not used", Set: func(b *localaws.Behavior) { b.OldestKeyListedFirst = true }},
				{Answer: NewOnly, Meaning: "a dual secret cannot be told from a sealed one: the lock state must not be read from the list"},
				{Answer: OldOnly, Meaning: "a re-key cannot be seen in the list: it stays unproven until a new version"},
			}, Assumed: NewFirst, Play: rekeyedListed},
		{ID: "secretsmanager.rekeyed.fallback", Row: 20, Title: "Does a re-keyed version open for a reader that may use the old key alone?", Document: rekeyGuide,
			Calls: calls(asRole, setKey),
			Choices: []Choice{
				{Answer: Opens, Meaning: "a re-key breaks no reader before the next new version"},
				{Answer: Refused, ByRefusal: true, Meaning: "a re-key breaks readers at once: no plan may call it safe"},
			}, Assumed: Opens, Control: mayRead, Play: rekeyedFallback, Overruled: openToAll},
		{ID: "secretsmanager.rekeyed.tried-first", Row: 20, Title: "Which copy of a re-keyed version is tried first, and is a refused Decrypt recorded?", Document: rekeyGuide, Trail: true,
			Calls: calls(asRole, setKey, lookup),
			Choices: []Choice{
				{Answer: NewFirst, Meaning: "a reader that lacks the new key shows in CloudTrail although it reads: the watchdog sees it in time"},
				{Answer: OldFirst, Meaning: "a reader that lacks the new key shows only after the next new version, when it breaks", Set: func(b *localaws.Behavior) { b.OldestCopyFirst = true }},
				{Answer: "refusals-not-recorded", Meaning: "as old-first: nothing warns before a reader breaks"},
			}, Assumed: NewFirst, Play: triedFirst, Overruled: openToAll},
		{ID: "secretsmanager.rekey.custom-label", Row: 26, Title: "Does a re-key take along a version that only a label of the customer's own is on?", Document: updateSecret,
			Calls: calls(newSecret, setKey, versions, put),
			Choices: []Choice{
				{Answer: Left, ByRefusal: true, Meaning: "as documented: a version under a label of its own stays under the old key until it is written again"},
				{Answer: Reencrypted, Meaning: "every labelled version opens with the new key as well", Set: func(b *localaws.Behavior) { b.TakeCustomLabels = true }},
			}, Assumed: Left, Control: ownRekeyReencrypts, Play: customLabel},
		{ID: "secretsmanager.rekey.without-decrypt", Row: 27, Title: "What does a re-key do whose caller may not decrypt with the old key?", Document: rekeyGuide, Calls: calls(asRole, setKey, versions), Choices: blindChoices(), Assumed: Left, Control: rekeyReencrypts, Play: rekeyWithout("kms:Decrypt", false), Overruled: openToAll},
		{ID: "secretsmanager.rekey.without-encrypt", Row: 27, Title: "What does a re-key do whose caller may not encrypt with the new key?", Document: updateSecret, Calls: calls(asRole, setKey, versions), Choices: blindChoices(), Assumed: Left, Control: rekeyReencrypts, Play: rekeyWithout("kms:Encrypt", true)},
		{ID: "secretsmanager.rekey.same-key", Row: 28, Title: "Does UpdateSecret with the key that the secret has re-encrypt what was left before?", Document: updateSecret,
			Calls: calls(asRole, setKey, versions),
			Choices: []Choice{
				{Answer: Reencrypted, Meaning: "a re-key that re-encrypted nothing can be tried again"},
				{Answer: Left, ByRefusal: true, Meaning: "a re-key that re-encrypted nothing needs the way back first, or a new version", Set: func(b *localaws.Behavior) { b.SameKeyIsNoChange = true }},
			}, Assumed: Reencrypted, Control: bothRekey, Play: sameKey,
			Overruled: func(b localaws.Behavior) bool { return b.RefuseBlindRekey || openToAll(b) }},
	}
}

func blindChoices() []Choice {
	return []Choice{
		{Answer: Left, ByRefusal: true, Meaning: "as documented: it succeeds, and nothing is re-encrypted: every re-key is verified by the versions' keys"},
		{Answer: Refused, ByRefusal: true, Meaning: "a re-key that succeeded has re-encrypted: it fails loudly otherwise", Set: func(b *localaws.Behavior) { b.RefuseBlindRekey = true }},
		{Answer: Reencrypted, Meaning: "Secrets Manager does not need the caller's right: the pre-flight asks for too much"},
	}
}

// keysOf are the keys of a version, as the run names them: key ARNs, and sandbox.DefaultKey. The error is errNotShown
// where none are listed.
func keysOf(ctx context.Context, w *World, secret string, is func(sandbox.Version) bool) ([]string, error) {
	versions, err := w.own.Versions(ctx, secret)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(versions, is)
	if at < 0 {
		return nil, fmt.Errorf("the version: %w", errNotShown)
	}
	if len(versions[at].Keys) == 0 {
		return nil, fmt.Errorf("keys of the version: %w", errNotShown)
	}
	return versions[at].Keys, nil
}

func current(v sandbox.Version) bool { return slices.Contains(v.Labels, "AWSCURRENT") }

// holds reports whether a list of keys, as AWS shows them, has a key: by its ARN or by its id.
func holds(keys []string, key string) bool {
	return slices.ContainsFunc(keys, func(shown string) bool { return same(shown, key) })
}

// same reports whether AWS's name for a key and its ARN mean one key.
func same(shown, key string) bool { return shown == key || shown == arn.Of(key).Name() }

func rekeyedListed(ctx context.Context, w *World) (Answer, error) {
	secret, a, b, err := w.underAOfTwo(ctx)
	if err != nil {
		return "", err
	}
	if before, err := keysOf(ctx, w, secret, current); err != nil {
		return "", err
	} else if len(before) != 1 || !same(before[0], a) {
		return "", errUnexpected
	}
	if err := w.own.SetKey(ctx, secret, b); err != nil {
		return "", err
	}
	answer, err := w.settled(ctx, OldOnly, func(ctx context.Context) (Answer, error) {
		after, err := keysOf(ctx, w, secret, current)
		switch {
		case err != nil:
			return "", err
		case len(after) == 2 && same(after[0], b) && same(after[1], a):
			return NewFirst, nil
		case len(after) == 2 && same(after[0], a) && same(after[1], b):
			return OldFirst, nil
		case len(after) == 1 && same(after[0], b):
			return NewOnly, nil
		case len(after) == 1 && same(after[0], a):
			return OldOnly, nil
		}
		return "", errUnexpected
	})
	if err == nil && answer == OldOnly {
		err = w.newCopyOpens(ctx, secret, a)
	}
	return answer, err
}

// rekeyed is a secret that was re-keyed from key a to key b.
func rekeyed(ctx context.Context, w *World) (secret, a, b string, err error) {
	if a, b, err = w.keys(); err != nil {
		return "", "", "", err
	}
	if secret, err = w.secret(ctx, a); err != nil {
		return "", "", "", err
	}
	return secret, a, b, w.own.SetKey(ctx, secret, b)
}

func rekeyedFallback(ctx context.Context, w *World) (Answer, error) {
	secret, a, b, err := rekeyed(ctx, w)
	if err != nil {
		return "", err
	}
	read := func(s *sandbox.Session) error { return s.Read(ctx, secret) }
	if none, err := stopped(ctx, w, bySession, "none", denyKey("kms:Decrypt", a)+","+denyKey("kms:Decrypt", b), read, nil); err != nil {
		return "", err
	} else if !none {
		return "", errNotEvaluated // on keys
	}
	if err := w.newCopyOpens(ctx, secret, a); err != nil {
		return "", err
	}
	refused, err := stopped(ctx, w, bySession, "old", denyKey("kms:Decrypt", b), read, nil)
	if err != nil {
		return "", err
	}
	if refused {
		return Refused, nil
	}
	return Opens, nil
}

// triedFirst reads without the new key, and without the old one. The copy that is tried first is the one whose refusal is
// recorded. That refusals are not recorded at all is said only where that of a reader without both keys is not, either.
func triedFirst(ctx context.Context, w *World) (Answer, error) {
	secret, a, b, err := rekeyed(ctx, w)
	if err != nil {
		return "", err
	}
	since := w.now()
	read := func(s *sandbox.Session) error { return s.Read(ctx, secret) }
	if none, err := stopped(ctx, w, bySession, "none", denyKey("kms:Decrypt", a)+","+denyKey("kms:Decrypt", b), read, nil); err != nil {
		return "", err
	} else if !none {
		return "", errNotEvaluated // on keys
	}
	refusals := map[string]bool{}
	for _, read := range []struct{ name, denied string }{{"old", b}, {"new", a}} {
		session, err := w.without(ctx, read.name, denyKey("kms:Decrypt", read.denied))
		if err != nil {
			return "", err
		}
		if err := session.Read(ctx, secret); err != nil {
			return "", err
		}
	}
	began := time.Now()
	opened := func(e trail.Change) bool { return e.EventName == "Decrypt" && e.ErrorCode == "" }
	for _, read := range []struct {
		name, of string
		shown    func(trail.Change) bool // that CloudTrail shows what the reader did
	}{
		{"old", "the old copy", opened},
		{"new", "the new copy", opened},
		{"none", "neither copy", func(e trail.Change) bool { return e.EventName == "GetSecretValue" && e.ErrorCode != "" }},
	} {
		events, err := w.recorded(ctx, read.name, since, began, func(events []trail.Change) bool { return slices.ContainsFunc(events, read.shown) })
		if err != nil {
			return "", err
		}
		refusals[read.name] = slices.ContainsFunc(events, func(e trail.Change) bool { return e.EventName == "Decrypt" && e.Denied() })
		w.note("refused Decrypt recorded of the reader of "+read.of, "%t", refusals[read.name])
	}
	switch {
	case refusals["old"] && !refusals["new"]:
		return NewFirst, nil
	case refusals["new"] && !refusals["old"]:
		return OldFirst, nil
	case !refusals["old"] && !refusals["new"] && !refusals["none"]:
		return "refusals-not-recorded", nil
	}
	return "", errUnexpected
}

func customLabel(ctx context.Context, w *World) (Answer, error) {
	secret, a, b, err := w.underAOfTwo(ctx)
	if err != nil {
		return "", err
	}
	version, err := w.own.Put(ctx, secret, "conformance")
	if err != nil {
		return "", err
	}
	labelled := func(v sandbox.Version) bool { return v.ID == version }
	if before, err := leftOrNot(ctx, w, secret, a, labelled); err != nil || before == Left { // it is there, and was before the re-key
		return "", cmp.Or(err, errUnexpected)
	}
	if err := w.own.SetKey(ctx, secret, b); err != nil {
		return "", err
	}
	if err := w.reencrypted(ctx, secret, b); err != nil {
		return "", err
	}
	return leftOrNot(ctx, w, secret, b, labelled)
}

// leftOrNot looks whether a version opens with the key that its secret was moved to.
func leftOrNot(ctx context.Context, w *World, secret, key string, is func(sandbox.Version) bool) (Answer, error) {
	return w.settled(ctx, Left, func(ctx context.Context) (Answer, error) { return left(ctx, w, secret, key, is) })
}

// left is leftOrNot by one look.
func left(ctx context.Context, w *World, secret, key string, is func(sandbox.Version) bool) (Answer, error) {
	keys, err := keysOf(ctx, w, secret, is)
	switch {
	case err != nil:
		return "", err
	case holds(keys, key):
		return Reencrypted, nil
	}
	return Left, nil
}

// rekeyWithout re-keys without a right on the old key, or on the new one.
func rekeyWithout(action string, onNew bool) func(context.Context, *World) (Answer, error) {
	return func(ctx context.Context, w *World) (Answer, error) {
		secret, a, b, err := w.underAOfTwo(ctx)
		if err != nil {
			return "", err
		}
		denied := a
		if onNew {
			denied = b
		}
		refused, err := stopped(ctx, w, bySession, "blind", denyKey(action, denied), func(s *sandbox.Session) error { return s.SetKey(ctx, secret, b) },
			func() error { return w.hasKey(ctx, w.own, secret, b) })
		if err != nil || refused {
			return Refused, err
		}
		return leftOrNot(ctx, w, secret, b, current)
	}
}

func sameKey(ctx context.Context, w *World) (Answer, error) {
	first, err := rekeyWithout("kms:Decrypt", false)(ctx, w)
	if err != nil {
		return "", err
	}
	if first != Left {
		return "", fmt.Errorf("%w: nothing was left by a re-key without the right to the old key: %s", errUnexpected, first)
	}
	b, err := w.keyB()
	if err != nil {
		return "", err
	}
	name := w.own.Run().Name(w.what("s"))
	if err := w.own.SetKey(ctx, name, b); err != nil {
		return "", errors.Join(errUnexpected, err)
	}
	return w.settled(ctx, Left, func(ctx context.Context) (Answer, error) {
		if err := w.own.SetKey(ctx, name, b); err != nil { // again: one call that did nothing is no answer
			return "", errors.Join(errUnexpected, err)
		}
		return left(ctx, w, name, b, current)
	})
}
