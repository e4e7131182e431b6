package migration_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// A change is proven by what AWS lists, and what it does not list is neither a proof nor a failure. A version under a label
// of the owner's own is no part of it: AWS leaves it.
func TestOnlyWhatIsListedIsProven(t *testing.T) {
	const target = "arn:aws:kms:us-east-1:111122223333:key/new"
	key := guard.Key{ARN: target, Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	managed := guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS}
	for name, c := range map[string]struct {
		keys []guard.Key
		want string // in what is missing; "" is proven
	}{
		"the new key alone":                   {[]guard.Key{key}, ""},
		"the new key and the old one":         {[]guard.Key{managed, key}, ""},
		"the old key alone":                   {[]guard.Key{managed}, "was not re-encrypted"},
		"no key listed":                       {nil, "nothing is proven"},
		"a key that could not be read":        {[]guard.Key{{ID: "alias/some"}}, "nothing is proven"},
		"the new key and one not to be read":  {[]guard.Key{key, {ID: "alias/some"}}, ""},
		"the old key and one not to be read":  {[]guard.Key{managed, {ID: "alias/some"}}, "nothing is proven"},
		"another customer key, and not ours":  {[]guard.Key{{ARN: "arn:aws:kms:us-east-1:111122223333:key/other", Manager: guard.ManagerCustomer}}, "was not re-encrypted"},
		"another key of which the ARN is all": {[]guard.Key{{ARN: "arn:aws:kms:us-east-1:111122223333:key/other"}}, "was not re-encrypted"},
	} {
		s := guard.Secret{Key: key, Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: c.keys}, {ID: "v0"},
			{ID: "v-1", Stages: []string{"last-year"}, Keys: []guard.Key{managed}}}}
		proof := migration.Prove(s, target)
		got := proof.Missing
		if proof.Unread != strings.Contains(c.want, "nothing is proven") {
			t.Errorf("%s: unread %t", name, proof.Unread)
		}
		if c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q in it", name, got, c.want)
		}
	}
}
