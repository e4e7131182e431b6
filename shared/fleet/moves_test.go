package fleet_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// An account that was moved is judged by what bound it where it was and binds it where it is.
func TestWhatAMovedAccountLost(t *testing.T) {
	const root, prod, shop, dev, lab, empty = "r-ab12", "ou-ab12-prod0001", "ou-ab12-shop0001", "ou-ab12-dev00001", "ou-ab12-lab00001", "ou-ab12-empty001"
	const moved = "111122223333"
	accounts := []fleet.Account{
		{ID: "222222222222", Path: []string{root, prod, shop}}, {ID: "333333333333", Path: []string{root, dev}}, {ID: "444444444444", Path: []string{root, lab}},
	}
	policies := []fleet.SCP{
		{Name: "doublelock-keys", Content: "keys", Targets: []string{prod, dev}},
		{Name: "doublelock-kms", Content: "kms", Targets: []string{prod}},
		{Name: "doublelock-tamper", Content: "tamper", Targets: []string{root}},
		{Name: "doublelock-choice-1", Content: "choice", Targets: []string{prod}}, {Name: "doublelock-choice-2", Content: "choice", Targets: []string{dev}},
		{Name: "doublelock-perimeter", Content: "perimeter", Targets: []string{"555555555555"}},
	}
	settled := settings.Runtime{OUs: map[string]guard.Mode{prod: guard.ModeRemediate, dev: guard.ModeRemediate, lab: guard.ModeNotify}, Enroll: []string{prod, dev, lab}}
	for name, test := range map[string]struct {
		account, from, to string
		want              []string
		err               error
	}{
		"out of every OU it loses all that is not on the root": {moved, shop, root, []string{"doublelock-choice-1", "doublelock-keys", "doublelock-kms", "the member stack", "mode remediate (now observe)"}, nil},
		"to an OU with less it loses the difference":           {moved, shop, dev, []string{"doublelock-kms"}, nil},
		"to an OU of another mode it loses that":               {moved, dev, lab, []string{"doublelock-choice-2", "doublelock-keys", "mode remediate (now notify)"}, nil},
		"within an OU it loses nothing":                        {moved, shop, prod, nil, nil},
		"to an OU with more it loses nothing":                  {moved, dev, shop, nil, nil},
		"out of the root it loses nothing":                     {moved, root, lab, nil, nil},
		"what is attached to the account stays":                {"555555555555", prod, shop, nil, nil},
		"what is above an OU that nobody is left in":           {moved, empty, dev, nil, guard.ErrUnavailable},
		"what is above an OU that nobody is in yet":            {moved, prod, empty, nil, guard.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			m := fleet.Moves{Mode: settled.Mode, Enrolled: settled.Enrolled,
				Accounts: func(context.Context) ([]fleet.Account, error) { return accounts, nil },
				SCPs:     func(context.Context) ([]fleet.SCP, error) { return policies, nil }}
			got, err := m.Lost(t.Context(), test.account, test.from, test.to)
			if !errors.Is(err, test.err) {
				t.Fatalf("got %v, want %v", err, test.err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("lost (-want +got):\n%s", diff)
			}
		})
	}
}
