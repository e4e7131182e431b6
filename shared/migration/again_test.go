package migration_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// Of two that we took away each comes back.
func TestGoingBackMakesEachCopyAgain(t *testing.T) {
	const third = "us-east-1"
	w := moved(t)
	w.edit(t, func(j *migration.Job) {
		j.Before.Replicas = []guard.Replica{{Region: third, KeyID: "theirs"}, {Region: other, KeyID: ""}}
		j.Copies = []migration.ReplicaTo{{Region: third, Removed: now}, {Region: other, Removed: now}}
	})
	j, err := w.rollback(t, "alice")
	if got := count(w.changes, "ReplicateSecretToRegions"); got != 2 || err != nil || j.Phase != migration.RolledBack || !j.Copies[0].Removed.IsZero() || !j.Copies[1].Removed.IsZero() {
		t.Errorf("%d made again: %s, copies %+v, error %v", got, j.Phase, j.Copies, err)
	}
}

// Whoever may not look at it now is not refused the way back: that is tried again.
func TestALookThatIsDeniedIsNoWayBackThatIsRefused(t *testing.T) {
	for at := 1; ; at++ {
		w, looks := moved(t), 0
		w.trouble = func(call string) error {
			if call == "before Describe" {
				if looks++; looks == at {
					return fmt.Errorf("look: %w", guard.ErrDenied)
				}
			}
			return nil
		}
		j, err := w.rollback(t, "alice")
		if looks < at {
			if at < 4 {
				t.Errorf("%d looks: too few to show anything", looks)
			}
			return
		}
		if j.Phase == migration.Failed {
			t.Errorf("the %d. look was denied: %s (%s), error %v", at, j.Phase, j.Reason, err)
		}
	}
}

// What is done already is not done again, whoever died over it.
func TestWhatALookFindsDoneIsNotSentAgain(t *testing.T) {
	sealing := func(change func(*migration.Job)) func(*testing.T) *fake {
		return func(t *testing.T) *fake {
			w := begun(t, func(j *migration.Job) { inPhase(migration.Sealing)(j); change(j) })
			w.setKey(cmk("new", region).ARN)
			return w
		}
	}
	for call, world := range map[string]func(*testing.T) *fake{
		"RotateSecret": sealing(func(j *migration.Job) { j.Seal = migration.SealRotate }),
		"ReplicateSecretToRegions": func(t *testing.T) *fake {
			w := moved(t)
			w.edit(t, func(j *migration.Job) {
				j.Before.Replicas, j.Copies = []guard.Replica{{Region: other, KeyID: "theirs"}}, []migration.ReplicaTo{{Region: other, Removed: now}}
				j.Before.KeyID = j.Target
			})
			return w
		},
	} {
		t.Run(call, func(t *testing.T) {
			w := world(t)
			act := func(by string) error {
				if call == "ReplicateSecretToRegions" {
					_, err := w.rollback(t, by)
					return err
				}
				_, _, err := w.worker(by).Advance(t.Context(), w.secret.ARN)
				return err
			}
			w.trouble = func(at string) error {
				if at == "after "+call {
					panic(errDied)
				}
				return nil
			}
			killed(t, func() { _ = act("first") })
			w.trouble = func(string) error { return nil }
			for i := range 3 {
				w.now = w.now.Add(time.Hour)
				_ = act(fmt.Sprint("second", i))
			}
			if got := count(w.changes, call); got != 1 {
				t.Errorf("%d times %s: %v", got, call, w.changes)
			}
		})
	}
}
