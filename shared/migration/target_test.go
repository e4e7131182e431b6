package migration_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

func TestAKeyThatSecretsManagerDoesNotTakeBlocksThePlan(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*guard.Key)
		why    string // "" is fit
	}{
		"a symmetric one":                {func(k *guard.Key) { k.Spec, k.Usage = "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT" }, ""},
		"of a file without spec":         {func(*guard.Key) {}, ""},
		"being updated, which it serves": {func(k *guard.Key) { k.State = guard.KeyUpdating }, ""},
		"RSA":                            {func(k *guard.Key) { k.Spec, k.Usage = "RSA_2048", "ENCRYPT_DECRYPT" }, "takes symmetric encryption keys only"},
		"elliptic, to sign":              {func(k *guard.Key) { k.Spec, k.Usage = "ECC_NIST_P256", "SIGN_VERIFY" }, "takes symmetric encryption keys only"},
		"HMAC":                           {func(k *guard.Key) { k.Spec, k.Usage = "HMAC_256", "GENERATE_VERIFY_MAC" }, "takes symmetric encryption keys only"},
		"disabled":                       {func(k *guard.Key) { k.State = guard.KeyDisabled }, "is in state Disabled"},
		"to be deleted":                  {func(k *guard.Key) { k.State = guard.KeyPendingDeletion }, "is in state PendingDeletion"},
		"a replica to be deleted":        {func(k *guard.Key) { k.State = guard.KeyPendingReplicaDeletion }, "is in state PendingReplicaDeletion"},
		"without its material":           {func(k *guard.Key) { k.State = guard.KeyPendingImport }, "is in state PendingImport"},
		"its key store is away":          {func(k *guard.Key) { k.State = guard.KeyUnavailable }, "is in state Unavailable"},
		"in a state that nobody read":    {func(k *guard.Key) { k.State = guard.KeyStateUnknown }, "is in state "},
		"managed by AWS":                 {func(k *guard.Key) { k.Manager = guard.ManagerAWS }, "is not a customer managed key"},
		"in another Region":              {func(k *guard.Key) { k.Region = other }, "must be in its own Region"},
		"of another account":             {func(k *guard.Key) { k.Account = data }, "is not among the approved ones"},
	} {
		t.Run(name, func(t *testing.T) {
			k := cmk("new", region)
			tt.change(&k)
			got := migration.Unfit(alias, k, secret("db", managed()), region, guard.Approved{})
			if tt.why == "" && got != "" || !strings.Contains(got, tt.why) {
				t.Errorf("%q, want %q", got, tt.why)
			}
			if k.Account != shop || k.Region != region {
				return // a plan looks for it in the account and Region of the secret
			}
			s := org(principal("app", may(true)))
			s.Keys[0].Facts = k
			p, err := migration.Make(facts(s))
			if err != nil {
				t.Fatal(err)
			}
			if safe := p.Items[0].Safe(); safe != (tt.why == "") || !strings.Contains(strings.Join(p.Items[0].Blocked, "; "), tt.why) {
				t.Errorf("plan: safe %t, blocked %q", safe, p.Items[0].Blocked)
			}
		})
	}
}

// Nobody is asked to write an alias again whose event may be on its way.
func TestAKeyWhoseAliasWasSetAMinuteAgoIsNoTargetYet(t *testing.T) {
	k := cmk("new", region)
	k.Aliases = []string{"alias/ok"}
	for name, tt := range map[string]struct {
		doubt guard.Doubt
		why   string
	}{
		"by somebody else":               {guard.Doubt{Actor: "arn:aws:sts::1:assumed-role/Engineer/s", At: now}, "Engineer/s, who is no approver, set at " + now.Format("2006-01-02 15:04") + " UTC: an approver has to write it again"},
		"by a call that nobody knows of": {guard.Doubt{At: now}, "alias/ok, which was set at " + now.Format("2006-01-02 15:04") + " UTC, and who set it is not known yet: give the event of that call an hour"},
		"and what was kept is not read":  {guard.Doubt{}, "and nobody knows who: an approver has to write it again"},
	} {
		t.Run(name, func(t *testing.T) {
			tt.doubt.By, tt.doubt.Name = guard.ApprovedByAlias, "alias/ok"
			approved := guard.Approved{Aliases: k.Aliases, Protected: map[string]bool{k.Account: true}, Doubts: map[string][]guard.Doubt{k.ARN: {tt.doubt}}}
			if got := migration.Unfit(k.ARN, k, secret("db", managed()), region, approved); !strings.Contains(got, tt.why) {
				t.Errorf("it says %q, want %q", got, tt.why)
			}
		})
	}
}
