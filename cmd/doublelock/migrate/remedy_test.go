package migrate_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/localaws"
)

// printed finds the statements of a mail, each with the policy that it belongs to.
var printed = regexp.MustCompile(`(identity|key) policy of (\S+): (\{\S+\})(?: |$)`)

// The hub refuses to move a secret that a reader would lose. Its mail carries the same whole fix as migrate show --fixes:
// whoever pastes what is printed, where it says, has a plan in which the reader keeps its access, and half of it does not
// do. The role by which StackSets deploys could read it, and holds up nothing: nobody saw it do so.
func TestTheMailOfARefusedMoveCarriesTheWholeFix(t *testing.T) {
	f := newFixture(t)
	people, _, err := f.Workload(t.Context(), local.By("app-deploy", local.Payments, f.Second()))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := people.Create(t.Context(), secrets.NewSecret{Name: "payments/settlement", Tags: map[string]string{"Owner": "team-payments", "environment": "production"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	mails := slices.DeleteFunc(f.AWS.Mailbox(), func(m localaws.Mail) bool {
		return m.Protocol != "email" || !strings.Contains(m.Subject, "payments/settlement could not be moved")
	})
	if len(mails) != 1 {
		t.Fatalf("%d mails about the refused move", len(mails))
	}
	mail := mails[0].Body
	parts := printed.FindAllStringSubmatch(strings.Join(strings.Fields(mail), " "), -1)
	if len(parts) != 2 {
		t.Fatalf("the mail has %d statements, want one for the reader and one for the key:\n%s", len(parts), mail)
	}
	if strings.Contains(mail, "stacksets-exec-") {
		t.Errorf("the mail asks about the role of StackSets, which never read the secret:\n%s", mail)
	}
	plan := []string{"migrate", "plan", "--out", f.file, "--secret", secret}
	f.expect(2, "role/reports would lose access", plan...)
	shown := f.expect(0, "", "migrate", "show", f.file, "--fixes")
	for i, part := range parts {
		where, of, statement := part[1], part[2], part[3]
		if !strings.Contains(mail, "\n  "+statement+"\n") || !json.Valid([]byte(statement)) {
			t.Errorf("the mail does not print %s on a line of its own:\n%s", statement, mail)
		}
		if !strings.Contains(dense(shown), dense(where+" policy of "+of+":"+statement)) {
			t.Errorf("migrate show --fixes has another fix than %s:\n%s", part[0], shown)
		}
		f.paste(where, of, statement)
		if i+1 < len(parts) {
			f.expect(2, "role/reports would lose access", plan...)
		}
	}
	f.expect(0, "safe", plan...)
	f.expect(0, "keeps   arn:aws:iam::"+local.Payments+":role/reports", "migrate", "show", f.file)
}

// dense is a text without its spaces: show prints statements over several lines.
func dense(text string) string { return strings.Join(strings.Fields(text), "") }

// paste adds a statement to the policy of a role or of a key, as the owner of that policy does.
func (f *fixture) paste(where, of, statement string) {
	f.Helper()
	at := arn.Of(of)
	document := `{"Version":"2012-10-17","Statement":[` + statement + `]}`
	if where == "identity" {
		localtest.Call(f, f.Organization, at.Account, f.Home(), "iam", "PutRolePolicy", map[string]any{"RoleName": at.Base(), "PolicyName": "fix", "PolicyDocument": document})
		return
	}
	text, _ := localtest.Call(f, f.Organization, at.Account, at.Region, "kms", "GetKeyPolicy", map[string]any{"KeyId": of})["Policy"].(string)
	var policy map[string]any
	if err := json.Unmarshal([]byte(text), &policy); err != nil {
		f.Fatal(err)
	}
	statements, _ := policy["Statement"].([]any)
	policy["Statement"] = append(statements, json.RawMessage(statement))
	raw, err := json.Marshal(policy)
	if err != nil {
		f.Fatal(err)
	}
	localtest.Call(f, f.Organization, at.Account, at.Region, "kms", "PutKeyPolicy", map[string]any{"KeyId": of, "Policy": string(raw)})
}
