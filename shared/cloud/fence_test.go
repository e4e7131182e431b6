package cloud_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// changing is the context of a change that nobody else makes.
func changing(t testing.TB) context.Context {
	t.Helper()
	return store.WithSending(t.Context(), store.NewSending(func(context.Context) error { return nil }))
}

func fenced(t testing.TB, check func() error) (context.Context, *store.Sending) {
	t.Helper()
	s := store.NewSending(func(context.Context) error { return check() })
	return store.WithSending(t.Context(), s), s
}

func TestAChangeThatNoIntentStandsBehindIsNotSent(t *testing.T) {
	f := newFake()
	s := secrets.New(f.open(t, nil))
	for name, err := range map[string]error{
		"UpdateSecret":                 s.Rekey(t.Context(), ref(), keyARN),
		"RotateSecret":                 s.Rotate(t.Context(), ref()),
		"TagResource":                  s.Tag(t.Context(), ref(), map[string]string{"a": "b"}),
		"UntagResource":                s.Untag(t.Context(), ref(), "a"),
		"ReplicateSecretToRegions":     s.AddReplica(t.Context(), ref(), far, ""),
		"RemoveRegionsFromReplication": s.RemoveReplica(t.Context(), ref(), far),
		"RetireGrant":                  secrets.NewKeys(f.open(t, nil)).Retire(t.Context(), guard.KeyRef{Account: member, Region: region, ID: keyARN}, "g"),
	} {
		if err == nil || len(f.made(name)) > 0 {
			t.Errorf("%s: error %v, %d sent", name, err, len(f.made(name)))
		}
	}
}

func TestTheFenceIsAskedBeforeEveryAttemptAndStopsTheNext(t *testing.T) {
	f := newFake()
	f.on["UpdateSecret"] = func(asked) answer { return answer{code: "ThrottlingException"} }
	asks := 0
	ctx, _ := fenced(t, func() error {
		if asks++; asks == 3 {
			return store.ErrFenced
		}
		return nil
	})
	err := secrets.New(f.open(t, nil)).Rekey(ctx, ref(), keyARN)
	if !errors.Is(err, store.ErrFenced) || asks != 3 || len(f.made("UpdateSecret")) != 2 {
		t.Errorf("error %v, asked %d times, sent %d times", err, asks, len(f.made("UpdateSecret")))
	}
}

// Taking the role is no change, and would take the fence's time.
func TestTheFenceIsAskedAfterTheRoleWasTaken(t *testing.T) {
	f := newFake()
	f.on["UpdateSecret"] = func(asked) answer { return answer{} }
	roles := 0
	ctx, _ := fenced(t, func() error { roles = len(f.made("AssumeRole")); return nil })
	if err := secrets.New(f.open(t, nil)).Rekey(ctx, ref(), keyARN); err != nil || roles != 1 || len(f.made("UpdateSecret")) != 1 {
		t.Errorf("error %v, %d roles taken when the fence was asked, %d changes", err, roles, len(f.made("UpdateSecret")))
	}
}

func TestAChangeWhoseAnswerIsLostIsNotSentAgain(t *testing.T) {
	for name, reply := range map[string]func(asked) answer{
		"the connection breaks":   func(asked) answer { panic(http.ErrAbortHandler) },
		"AWS fails on its side":   func(asked) answer { return answer{status: 500, code: "InternalServiceError"} },
		"AWS is not there at all": func(asked) answer { return answer{status: 503, code: "ServiceUnavailable"} },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.on["UpdateSecret"] = reply
			ctx, _ := fenced(t, func() error { return nil })
			err := secrets.New(f.open(t, func(o *cloud.Options) { o.MaxBackoff = 1 })).Rekey(ctx, ref(), keyARN)
			if err == nil || len(f.made("UpdateSecret")) != 1 {
				t.Errorf("sent %d times, error %v", len(f.made("UpdateSecret")), err)
			}
			if !strings.Contains(err.Error(), "UpdateSecret") {
				t.Errorf("error %v", err)
			}
		})
	}
}
