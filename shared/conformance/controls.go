package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
)

// The controls of questions: what they wait to be refused, or to fail, goes well where nothing of the question forbids it.

// may tries a call as the caller, from whom nothing is taken, until it goes well; a role's rights are known late. The error
// is errNotEvaluated where nothing can be taken from anybody.
func (w *World) may(ctx context.Context, what string, call func(context.Context, *sandbox.Session) error) error {
	session, err := w.without(ctx, "control")
	if err != nil {
		return err
	}
	return w.eventually(ctx, what, func(ctx context.Context) error { return call(ctx, session) })
}

func maySetKeys(ctx context.Context, w *World) error { return maySetKeyTo(ctx, w, "") }

func mayMoveToManagedKey(ctx context.Context, w *World) error { return maySetKeyTo(ctx, w, managedKey) }

func maySetKeyTo(ctx context.Context, w *World, named string) error {
	secret, key, err := w.underA(ctx)
	if err != nil {
		return err
	}
	return w.may(ctx, "set a key", func(ctx context.Context, s *sandbox.Session) error {
		if err := s.SetKey(ctx, secret, key); err != nil {
			return err
		}
		return s.SetKey(ctx, secret, named)
	})
}

func mayCreate(ctx context.Context, w *World) error {
	return w.may(ctx, "create a secret", func(ctx context.Context, s *sandbox.Session) error {
		_, err := s.CreateSecret(ctx, w.what("s"), "")
		return err
	})
}

func mayNameManagedKey(ctx context.Context, w *World) error {
	return w.may(ctx, "create a secret under the AWS managed key", func(ctx context.Context, s *sandbox.Session) error {
		_, err := s.CreateSecret(ctx, w.what("s"), managedKey)
		return err
	})
}

func mayWrite(ctx context.Context, w *World) error {
	secret, err := w.secret(ctx, "")
	if err != nil {
		return err
	}
	return w.may(ctx, "write a secret", func(ctx context.Context, s *sandbox.Session) error {
		_, err := s.Put(ctx, secret)
		return err
	})
}

func mayNameAlias(ctx context.Context, w *World) error {
	key, err := w.keyA()
	if err != nil {
		return err
	}
	alias, err := w.own.CreateAlias(ctx, w.what("alias"), key)
	if err != nil {
		return err
	}
	return w.may(ctx, "create a secret under a new alias", func(ctx context.Context, s *sandbox.Session) error {
		_, err := s.CreateSecret(ctx, w.what("s"), alias)
		return err
	})
}

func mayDescribe(ctx context.Context, w *World) error {
	secret, _, err := w.underA(ctx)
	if err != nil {
		return err
	}
	return w.may(ctx, "describe a secret", func(ctx context.Context, s *sandbox.Session) error {
		_, err := s.Describe(ctx, secret)
		return err
	})
}

func mayReadDefault(ctx context.Context, w *World) error {
	secret, err := w.secret(ctx, "")
	if err != nil {
		return err
	}
	return w.may(ctx, "read a secret under the AWS managed key", func(ctx context.Context, s *sandbox.Session) error { return s.Read(ctx, secret) })
}

func mayRead(ctx context.Context, w *World) error {
	secret, _, err := w.underA(ctx)
	if err != nil {
		return err
	}
	return w.may(ctx, "read a secret", func(ctx context.Context, s *sandbox.Session) error { return s.Read(ctx, secret) })
}

// mayTakeRoles takes a role whose trust policy has no condition.
func mayTakeRoles(ctx context.Context, w *World) error {
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":%q},"Action":"sts:AssumeRole"}]}`, w.own.Partition().Root(w.own.Account()))
	target, err := w.own.CreateRole(ctx, w.what("target"), trust, "")
	if err != nil {
		return err
	}
	return w.may(ctx, "take a role", func(ctx context.Context, s *sandbox.Session) error {
		_, err := s.Assume(ctx, target, w.sessionName("target"), "", "")
		return err
	})
}

// reencrypted errs unless the current version of a secret has a copy under a key.
func (w *World) reencrypted(ctx context.Context, secret, key string) error {
	answer, err := leftOrNot(ctx, w, secret, key, current)
	if err == nil && answer == Left {
		err = w.missing(ctx, "a re-key with every right re-encrypts nothing", false)
	}
	return err
}

// missing is why an effect does not come that takes the use of keys in the caller's name, in the second Region as well: KMS refuses
// that to whoever runs this, which Secrets Manager does not always say, or nobody knows.
func (w *World) missing(ctx context.Context, what string, afar bool) error {
	key, err := w.keyA()
	if err == nil {
		err = w.own.TryKey(ctx, key)
	}
	if err == nil && afar {
		if key, err = w.farKey(); err == nil {
			err = w.second.TryKey(ctx, key)
		}
	}
	return cmp.Or(err, fmt.Errorf("%w: %s", errUnexpected, what))
}

// newCopyOpens errs unless a secret that was re-keyed from a key opens for the caller without that one: it was re-encrypted then,
// whatever is listed.
func (w *World) newCopyOpens(ctx context.Context, secret, old string) error {
	session, err := w.without(ctx, "copy", denyKey("kms:Decrypt", old))
	if err != nil {
		return err
	}
	err = w.eventually(ctx, "read the new copy", func(ctx context.Context) error { return session.Read(ctx, secret) })
	if sandbox.Denied(err) {
		err = w.missing(ctx, "a re-keyed version does not open with the new key alone", false)
	}
	return err
}

// hasKey errs unless a secret shows a key.
func (w *World) hasKey(ctx context.Context, in *sandbox.Session, secret, key string) error {
	d, err := in.Describe(ctx, secret)
	if err == nil && !same(d.Key, key) {
		err = fmt.Errorf("%w: the key was set, and is not shown", errUnexpected)
	}
	return err
}

// lostKey errs while a secret shows a key.
func (w *World) lostKey(ctx context.Context, secret, key string) error {
	if err := w.hasKey(ctx, w.own, secret, key); err == nil || !errors.Is(err, errUnexpected) {
		return cmp.Or(err, fmt.Errorf("%w: another key was set, and the one before is shown", errUnexpected))
	}
	return nil
}

// isDisabled errs unless a key is.
func (w *World) isDisabled(ctx context.Context, key string) error {
	on, err := w.own.Enabled(ctx, key)
	if err == nil && on {
		err = fmt.Errorf("%w: the key was disabled, and is enabled", errUnexpected)
	}
	return err
}

// rekeyReencrypts re-keys as the caller.
func rekeyReencrypts(ctx context.Context, w *World) error {
	secret, _, b, err := w.underAOfTwo(ctx)
	if err != nil {
		return err
	}
	if err := w.may(ctx, "set a key", func(ctx context.Context, s *sandbox.Session) error { return s.SetKey(ctx, secret, b) }); err != nil {
		return err
	}
	return w.reencrypted(ctx, secret, b)
}

// ownRekeyReencrypts re-keys as whoever runs this.
func ownRekeyReencrypts(ctx context.Context, w *World) error {
	secret, _, b, err := rekeyed(ctx, w)
	if err != nil {
		return err
	}
	return w.reencrypted(ctx, secret, b)
}

// bothRekey re-keys as the caller and then, to another key, as whoever runs this.
func bothRekey(ctx context.Context, w *World) error {
	if err := rekeyReencrypts(ctx, w); err != nil {
		return err
	}
	c, err := w.own.CreateKey(ctx, w.what("third"))
	if err != nil {
		return err
	}
	name := w.own.Run().Name(w.what("s"))
	if err := w.own.SetKey(ctx, name, c); err != nil {
		return err
	}
	return w.reencrypted(ctx, name, c)
}

func ownReads(ctx context.Context, w *World) error {
	secret, _, err := w.underA(ctx)
	if err != nil {
		return err
	}
	return w.own.Read(ctx, secret)
}

func ownWrites(ctx context.Context, w *World) error {
	secret, _, err := w.underA(ctx)
	if err != nil {
		return err
	}
	_, err = w.own.Put(ctx, secret)
	return err
}

func mayDisableKeys(ctx context.Context, w *World) error {
	key, err := w.own.CreateKey(ctx, w.what("control"))
	if err != nil {
		return err
	}
	return w.may(ctx, "disable a key", func(ctx context.Context, s *sandbox.Session) error { return s.DisableKey(ctx, key) })
}

// readerReads reads, as a reader who may use no key, what is under the AWS managed key: that lets in everybody who may read.
func readerReads(ctx context.Context, w *World) error {
	secret, err := w.secret(ctx, "")
	if err != nil {
		return err
	}
	reader, _, err := w.reader(ctx, secret)
	if err != nil {
		return err
	}
	return w.eventually(ctx, "read a secret", func(ctx context.Context) error { return reader.Read(ctx, secret) })
}

// ownSetsKeyAfar sets the key of a secret in the second Region that is no replica.
func ownSetsKeyAfar(ctx context.Context, w *World) error {
	key, err := w.farKey()
	if err != nil {
		return err
	}
	secret, err := w.second.CreateSecret(ctx, w.what("s"), "")
	if err != nil {
		return err
	}
	if err := w.second.SetKey(ctx, secret, key); err != nil {
		return err
	}
	return w.hasKey(ctx, w.second, secret, key)
}

// ownReadsAfar reads a secret of the second Region that is no replica.
func ownReadsAfar(ctx context.Context, w *World) error {
	key, err := w.farKey()
	if err != nil {
		return err
	}
	secret, err := w.second.CreateSecret(ctx, w.what("s"), key)
	if err != nil {
		return err
	}
	return w.second.Read(ctx, secret)
}

func ownReplicates(ctx context.Context, w *World) error { return replicated(ctx, w, "") }

func mayReplicate(ctx context.Context, w *World) error {
	secret, _, err := w.underA(ctx)
	if err != nil {
		return err
	}
	if err := w.may(ctx, "replicate a secret", func(ctx context.Context, s *sandbox.Session) error {
		return s.Replicate(ctx, secret, w.second.Region(), "")
	}); err != nil {
		return err
	}
	return w.inSync(ctx, secret)
}

func mayCreateReplicated(ctx context.Context, w *World) error {
	a, err := w.keyA()
	if err != nil {
		return err
	}
	secret := ""
	err = w.may(ctx, "create a secret with a replica", func(ctx context.Context, s *sandbox.Session) (err error) {
		secret, err = s.CreateReplicated(ctx, w.what("s"), a, w.second.Region())
		return err
	})
	if err != nil {
		return err
	}
	return w.inSync(ctx, secret)
}

func mayWriteReplicated(ctx context.Context, w *World) error {
	if err := replicated(ctx, w, ""); err != nil {
		return err
	}
	name, written := w.own.Run().Name(w.what("s")), ""
	err := w.may(ctx, "write a secret", func(ctx context.Context, s *sandbox.Session) (err error) {
		written, err = s.Put(ctx, name)
		return err
	})
	if err != nil {
		return err
	}
	follows, err := w.follows(ctx, name, written)
	if err == nil && !follows {
		err = w.missing(ctx, "a replica does not follow", true)
	}
	return err
}

func ownTags(ctx context.Context, w *World) error {
	secret, _, err := w.underA(ctx)
	if err != nil {
		return err
	}
	return w.own.TagSecret(ctx, secret, sandbox.TagKey, string(w.own.Run()))
}

func mayRotate(ctx context.Context, w *World) error {
	if _, err := w.without(ctx, "s"); err != nil { // before a function is made
		return err
	}
	function, err := w.rotator()
	if err != nil {
		return err
	}
	secret, err := w.secret(ctx, "")
	if err != nil {
		return err
	}
	return w.may(ctx, "rotate a secret", func(ctx context.Context, s *sandbox.Session) error { return s.Rotate(ctx, secret, function) })
}

// nothingSends is an event pattern that no event has.
const nothingSends = `{"source":["doublelock.conformance"]}`

func routeCarries(ctx context.Context, w *World) error {
	_, err := w.openRoute(ctx)
	return err
}

// ownPutsRules makes a rule as Scheduler is to make one.
func ownPutsRules(ctx context.Context, w *World) error {
	_, err := w.own.CreateRule(ctx, sandbox.NewRule{What: w.what("pulse"), Pattern: nothingSends})
	return err
}
