package inventory_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// blinded takes things away from a snapshot, as a reader without all rights would find it.
func blinded(t *rapid.T, s *inventory.Snapshot) {
	some := func(name string) bool { return rapid.IntRange(0, 3).Draw(t, name) == 0 }
	for i := range s.Keys {
		k := &s.Keys[i]
		if some("key policy") {
			k.Policy, k.PolicyUnread = "", "access denied"
		}
		if some("grants") {
			k.Grants, k.GrantsUnread = nil, "access denied"
		}
		if some("key state") {
			k.Facts.State, k.Facts.Manager = "", ""
		}
		if some("key details") {
			k.Facts.Tags, k.Facts.Aliases = nil, nil
		}
	}
	for i := range s.Secrets {
		if some("resource policy") {
			s.Secrets[i].Policy, s.Secrets[i].PolicyUnread = "", "access denied"
		}
		if some("versions") {
			s.Secrets[i].Facts.Versions, s.Secrets[i].Facts.VersionsUnread = nil, true
		}
	}
	for _, account := range []string{shop, data} {
		if some("principals") {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartPrincipals, Account: account, Why: "no role"})
			s.Principals = without(s.Principals, account)
		}
		if some("controls") {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartControls, Account: account, Why: "no role"})
		}
	}
	if some("organization") {
		s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartOrganization, Why: "no role"})
	}
}

func without(list []inventory.Principal, account string) []inventory.Principal {
	var kept []inventory.Principal
	for _, p := range list {
		if p.Account != account {
			kept = append(kept, p)
		}
	}
	return kept
}

// Seeing less never makes an answer another one, only unknown: no blind spot turns a no into a yes, or a yes into a no.
func TestSeeingLessOnlyMakesUnknown(t *testing.T) {
	whole := inventory.Prepare(acme())
	rapid.Check(t, func(t *rapid.T) {
		s := acme()
		blinded(t, &s)
		access := inventory.Prepare(s)
		for _, p := range acme().Principals {
			can, err := access.Can(p.ARN)
			if err != nil {
				t.Fatal(err)
			}
			for _, secret := range s.Secrets {
				full, err := whole.Explain(p.ARN, secret.Facts.ARN)
				if err != nil {
					t.Fatal(err)
				}
				less, err := access.Explain(p.ARN, secret.Facts.ARN)
				if err != nil {
					t.Fatal(err)
				}
				if less.Answer != full.Answer && less.Answer != policy.Unknown {
					t.Errorf("%s before %s: %s, and %s when all is seen (%s)", p.ARN, secret.Facts.Name, less.Answer, full.Answer, less.Why())
				}
				if got := answerIn(can, secret.Facts.ARN); got != less.Answer {
					t.Errorf("%s before %s: can says %s, explain %s", p.ARN, secret.Facts.Name, got, less.Answer)
				}
			}
		}
	})
}
