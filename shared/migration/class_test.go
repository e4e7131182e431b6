package migration_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
)

// The path of a role may hold colons, and anybody who may make roles chooses it: a pattern is compared with an ARN part by part.
func TestAPathThatLooksLikeTheNameOfAnotherRoleIsNoneOfAPattern(t *testing.T) {
	glass, posing := "arn:aws:iam::*:role/Glass*", role("team:role/GlassHouse")
	s := org(principal("team:role/GlassHouse", may(true)), principal("GlassHouse", may(true)))
	rules := migration.Defaults()
	assessed := func(rules migration.Rules) map[string]migration.Reader {
		out := map[string]migration.Reader{}
		a, err := migration.Assess(migration.Question{Access: inventory.Prepare(s), Secret: arn("db"), Target: s.Keys[0], Rules: rules})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range a.Readers {
			out[r.Principal] = r
		}
		return out
	}
	rules.AlwaysKeep = []string{glass}
	if got := assessed(rules); got[role("GlassHouse")].Class != migration.ClassNamed || got[posing].Class != migration.ClassWorkload {
		t.Errorf("always keeps: %+v", got)
	}
	rules.AlwaysKeep, rules.Accepted = nil, []migration.Accept{{Principals: glass, By: "anna", Reason: "they read it no more"}}
	if got := assessed(rules); !got[role("GlassHouse")].Accepted || got[posing].Accepted {
		t.Errorf("accepted: %+v", got)
	}
}
