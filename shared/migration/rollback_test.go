package migration_test

import (
	"fmt"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// refusing is a fake whose secret was moved, and whose key nobody may set from now on.
func (w *fake) refusing(call string, meaning error) {
	w.trouble = func(at string) error {
		if at == "before "+call {
			return fmt.Errorf("call %s: %w", call, meaning)
		}
		return nil
	}
}

func (w *fake) job(t *testing.T) migration.Job {
	t.Helper()
	j, err := w.Load(t.Context(), w.secret.ARN)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// Under the CMK, and it cannot go back: that is not a move that failed.
func TestARefusedWayBackIsNotifiedAsOne(t *testing.T) {
	w := steady(t)
	if err := w.apply(t); err != nil {
		t.Fatal(err)
	}
	w.refusing("UpdateSecret", guard.ErrDenied)
	j, err := w.worker("back").Rollback(t.Context(), w.secret.ARN, "the app broke")
	if err == nil || j.Phase != migration.Failed {
		t.Fatalf("%s, error %v", j.Phase, err)
	}
	if last := w.notices[len(w.notices)-1]; last.Kind != guard.NoticeFailed || !last.Back {
		t.Errorf("notice %+v", last)
	}
}
