package keyreview_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
)

// SCPs and RCPs bind the root user of a member account, and a boundary the role that a key policy names: whom they stop does not manage the key.
// Source: Organizations User Guide, "SCP evaluation" and "Resource control policies (RCPs)"; IAM User Guide, "Permissions boundaries".
func TestWhoManagesAKeyIsAskedOfAllLayers(t *testing.T) {
	const full, management = `{"Effect":"Allow","Action":"*","Resource":"*"}`, "999988887777"
	deny := func(condition string) string {
		return document(`{"Effect":"Deny","Principal":"*","Action":"kms:PutKeyPolicy","Resource":"*","Condition":{` + condition + `}}`)
	}
	scp := func(condition string) string { return strings.Replace(deny(condition), `"Principal":"*",`, "", 1) }
	but := func(role string) string {
		return `"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/` + role + `"}`
	}
	byRole := document(`{"Sid":"Use","Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"111122223333"}}}`, manages)
	for name, tt := range map[string]struct {
		policy, scp, rcp string
		change           func(*inventory.Snapshot)
		row              string // "" for none
		proposed         bool
	}{
		"nothing denies":                    {proposed: true},
		"an SCP denies all":                 {scp: scp(""), row: "fail nobody of account 111122223333 can manage it: denied by statement 0 of service control policy"},
		"an SCP denies all, by role":        {policy: byRole, scp: scp(""), row: "fail nobody of account"},
		"an RCP denies all":                 {rcp: deny(""), row: "fail nobody of account 111122223333 can manage it: denied by statement 0 of resource control policy"},
		"an SCP exempts a role":             {scp: scp(but("admin")), proposed: true},
		"an RCP exempts a role":             {rcp: deny(but("admin")), proposed: true},
		"an SCP exempts one that is not":    {scp: scp(but("ghost")), row: "fail nobody of account"},
		"an SCP exempts one without rights": {scp: scp(but("app")), row: "unknown no IAM policy allows it to anybody whom the key policy leaves it to, such as arn:aws:iam::111122223333:role/app"},
		"an SCP asks for an address":        {scp: scp(`"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}`), row: "unknown not given aws:SourceIp"},
		"an SCP denies bypassing the check": {scp: scp(`"Bool":{"kms:BypassPolicyLockoutSafetyCheck":"true"}`), proposed: true},
		"an SCP is for another Region":      {scp: scp(`"StringNotEquals":{"aws:RequestedRegion":"eu-central-1"}`), proposed: true},
		"an SCP of the management account":  {scp: scp(""), change: func(s *inventory.Snapshot) { s.Organization.ManagementAccount = own }, proposed: true},
		"an RCP of the management account":  {rcp: deny(""), change: func(s *inventory.Snapshot) { s.Organization.ManagementAccount = own }, proposed: true},
		"SCPs that could not be read": {change: func(s *inventory.Snapshot) {
			s.Unread = []inventory.Unread{{Part: inventory.PartControls, Account: own, Why: "access denied"}}
		}, row: "unknown access denied"},
		"an SCP that cannot be parsed": {scp: "{", row: "unknown"},
		"principals not read, and all denied": {scp: scp(""), change: func(s *inventory.Snapshot) {
			s.Unread = []inventory.Unread{{Part: inventory.PartPrincipals, Account: own, Why: "access denied"}}
		}, row: "fail nobody of account"},
		"principals not read, one exempt": {scp: scp(but("ghost")), change: func(s *inventory.Snapshot) {
			s.Unread = []inventory.Unread{{Part: inventory.PartPrincipals, Account: own, Why: "access denied"}}
		},
			row: "unknown not all principals of the account were read: access denied"},
		"a boundary of the role that is named": {policy: byRole, change: func(s *inventory.Snapshot) {
			s.Principals[1].Boundary = "arn:aws:iam::111122223333:policy/b"
			s.Managed = map[string]string{s.Principals[1].Boundary: document(`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`)}
		}, row: "fail nobody of account"},
	} {
		t.Run(name, func(t *testing.T) {
			k := fine()
			k.Policy = document(handsOver)
			if tt.policy != "" {
				k.Policy = tt.policy
			}
			s := snapshot(k, secret("db", "app"))
			s.Principals = append(s.Principals, role("admin", full))
			s.Organization = inventory.Organization{ID: "o-exampleorg", ManagementAccount: management}
			level := func(ids ...string) []inventory.Level {
				return []inventory.Level{{Target: "r-1", Policies: ids[:1]}, {Target: own, Policies: ids}}
			}
			s.Controls = map[string]inventory.Policy{"p-full": {Document: document(full)}, "p-all": {Document: strings.Replace(document(full), `"Action"`, `"Principal":"*","Action"`, 1)},
				"p-scp": {Document: tt.scp}, "p-rcp": {Document: tt.rcp}}
			s.Accounts[0].SCPs, s.Accounts[0].RCPs = level("p-full"), level("p-all")
			if tt.scp != "" {
				s.Accounts[0].SCPs = level("p-full", "p-scp")
			}
			if tt.rcp != "" {
				s.Accounts[0].RCPs = level("p-all", "p-rcp")
			}
			if tt.change != nil {
				tt.change(&s)
			}
			row, proposed, decided := "", false, false
			for _, f := range keyreview.Review(inventory.Prepare(s), standard(), now) {
				if strings.Contains(f.Detail, "can manage it") {
					row += string(f.Outcome) + " " + f.Detail
					if f.Outcome == guard.Fail && strings.Contains(f.Detail, "control policy") != strings.Contains(f.Fix, "change the SCP or RCP that stops them") {
						t.Errorf("%s: %s", f.Detail, f.Fix)
					}
					continue
				}
				if f.Control.ID == guard.KeyOpen || f.Control.ID == guard.KeyOnlyDelegate {
					proposed, decided = proposed || f.After != "", decided || strings.Contains(f.Fix, "a person has to decide")
				}
			}
			outcome, words, _ := strings.Cut(tt.row, " ")
			if (row == "") != (tt.row == "") || !strings.HasPrefix(row, outcome) || !strings.Contains(row, words) {
				t.Errorf("it says %q, want %q", row, tt.row)
			}
			if proposed != tt.proposed || decided == tt.proposed {
				t.Errorf("a policy is proposed: %t, a person has to decide: %t", proposed, decided)
			}
		})
	}
}
