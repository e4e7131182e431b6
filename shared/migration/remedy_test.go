package migration_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// Where a statement of ours belongs every one is named with its policy; where none does, a person reads what to decide.
func TestARemedyNamesEveryStatementOrWhatToDecide(t *testing.T) {
	const prefix = "arn:aws:iam::111122223333:role/"
	const key = "arn:aws:kms:eu-central-1:111122223333:key/1"
	identity, keyPolicy := json.RawMessage(`{"Sid":"A"}`), json.RawMessage(`{"Sid":"B"}`)
	for sentence, c := range map[string]struct {
		principal string
		fix       migration.Fix
		parts     int
		want      []string // in the sentence, in this order
	}{
		"the reader's own policy":                 {prefix + "app", migration.Fix{Kind: migration.FixIdentity, Identity: identity}, 1, []string{"identity policy of " + prefix + `app: {"Sid":"A"} `}},
		"the key policy":                          {prefix + "app", migration.Fix{Kind: migration.FixKey, KeyPolicy: keyPolicy}, 1, []string{"key policy of " + key + `: {"Sid":"B"} `}},
		"both":                                    {prefix + "app", migration.Fix{Kind: migration.FixBoth, Identity: identity, KeyPolicy: keyPolicy}, 2, []string{`app: {"Sid":"A"} and`, `1: {"Sid":"B"} both`}},
		"a session, whose role has the policy":    {"arn:aws-us-gov:sts::111122223333:assumed-role/app/i-1", migration.Fix{Kind: migration.FixIdentity, Identity: identity}, 1, []string{"identity policy of arn:aws-us-gov:iam::111122223333:role/app: {"}},
		"a denial that no statement lifts":        {prefix + "app", migration.Fix{Kind: migration.FixNone, Why: "no added statement helps: an SCP denies it"}, 0, []string{"an SCP denies it", "--accept " + prefix + "app"}},
		"a role of StackSets":                     {prefix + "stacksets-exec-0123", migration.Fix{Kind: migration.FixBoth, Identity: identity, KeyPolicy: keyPolicy}, 0, []string{"CloudFormation StackSets", "decide", "--accept " + prefix + "stacksets-exec-0123"}},
		"a service-linked role":                   {prefix + "aws-service-role/x.amazonaws.com/AWSServiceRoleForX", migration.Fix{Kind: migration.FixKey, KeyPolicy: keyPolicy}, 0, []string{"a service-linked role", "decide", "--accept "}},
		"a role of IAM Identity Center":           {prefix + "aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123", migration.Fix{Kind: migration.FixBoth, Identity: identity, KeyPolicy: keyPolicy}, 0, []string{"permission set", "decide", "--accept "}},
		"a user whose name only looks like those": {"arn:aws:iam::111122223333:user/AWSReservedSSO_me", migration.Fix{Kind: migration.FixIdentity, Identity: identity}, 1, []string{"identity policy of"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			c.fix.Principal, c.fix.Key = c.principal, key
			remedy := migration.Reader{Principal: c.principal, Fix: &c.fix}.Remedy()
			if len(remedy.Statements) != c.parts || (remedy.Decide == "") != (c.parts > 0) {
				t.Errorf("%d statements and %q", len(remedy.Statements), remedy.Decide)
			}
			rest := remedy.String()
			for _, want := range c.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Errorf("%q is not in %q", want, remedy.String())
				}
				rest = after
			}
		})
	}
	if got := (migration.Reader{}).Remedy().String(); got != "" {
		t.Errorf("a reader that keeps its access: %q", got)
	}
}

// A mail has room for some statements. None is cut: of those it leaves out it says where they are.
func TestAComplaintCutsNoStatement(t *testing.T) {
	a := migration.Assessment{Problems: []string{"readers would lose access: " + strings.Repeat("y", 800)}}
	for range 9 {
		fix := migration.Fix{Kind: migration.FixIdentity, Principal: role("app"), Identity: json.RawMessage(`{"Sid":"` + strings.Repeat("x", 700) + `"}`)}
		a.Readers = append(a.Readers, migration.Reader{Principal: fix.Principal, Verdict: migration.Loses, Fix: &fix})
	}
	text := guard.Notice{Kind: guard.NoticeFailed, Move: a.Complaint()}.Describe()
	if got := strings.Count(text, `"} as it is printed.`); got != 3 || len(text) > 4000 {
		t.Errorf("%d whole statements in %d bytes", got, len(text))
	}
	if want := "And for 6 more: doublelock migrate plan, then doublelock migrate show --fixes."; !strings.HasSuffix(text, want) {
		t.Errorf("it ends with %q", text[len(text)-120:])
	}
}
