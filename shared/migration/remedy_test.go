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
		"the reader's own policy":              {prefix + "app", migration.Fix{Kind: migration.FixIdentity, Identity: identity}, 1, []string{"identity policy of " + prefix + `app: {"Sid":"A"} `}},
		"the key policy":                       {prefix + "app", migration.Fix{Kind: migration.FixKey, KeyPolicy: keyPolicy}, 1, []string{"key policy of " + key + `: {"Sid":"B"} `}},
		"both":                                 {prefix + "app", migration.Fix{Kind: migration.FixBoth, Identity: identity, KeyPolicy: keyPolicy}, 2, []string{`app: {"Sid":"A"} and`, `1: {"Sid":"B"} both`}},
		"a session, whose role has the policy": {"arn:aws-us-gov:sts::111122223333:assumed-role/app/i-1", migration.Fix{Kind: migration.FixIdentity, Identity: identity}, 1, []string{"identity policy of arn:aws-us-gov:iam::111122223333:role/app: {"}},
		"a denial that no statement lifts":     {prefix + "app", migration.Fix{Kind: migration.FixNone, Why: "no added statement helps: an SCP denies it"}, 0, []string{"an SCP denies it", "--accept " + prefix + "app"}},
		"a role of StackSets":                  {prefix + "stacksets-exec-0123", migration.Fix{Kind: migration.FixBoth, Identity: identity, KeyPolicy: keyPolicy}, 0, []string{"CloudFormation StackSets", "decide", "--accept " + prefix + "stacksets-exec-0123"}},
		"a service-linked role":                {prefix + "aws-service-role/x.amazonaws.com/AWSServiceRoleForX", migration.Fix{Kind: migration.FixKey, KeyPolicy: keyPolicy}, 0, []string{"a service-linked role", "decide", "--accept "}},
		"a role of IAM Identity Center":        {prefix + "aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123", migration.Fix{Kind: migration.FixBoth, Identity: identity, KeyPolicy: keyPolicy}, 0, []string{"permission set", "decide", "--accept "}},
		"a session of such a role":             {"arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Admin_0123/ana", migration.Fix{Kind: migration.FixBoth, Identity: identity, KeyPolicy: keyPolicy}, 0, []string{"permission set", "decide", "--accept "}},
		"one of an older version, which had no permission sets":   {prefix + "app", migration.Fix{Kind: migration.FixSet, Why: "no statement of it is known"}, 0, []string{"no statement of it is known. Change that"}},
		"one of an older version, which had no key's statement":   {prefix + "app", migration.Fix{Kind: migration.FixBoth, Identity: identity}, 1, []string{`app: {"Sid":"A"} `}},
		"a user whose name only looks like that of a stack set's": {"arn:aws:iam::111122223333:user/stacksets-exec-0123", migration.Fix{Kind: migration.FixIdentity, Identity: identity}, 1, []string{"identity policy of"}},
		"a user whose name only looks like those":                 {"arn:aws:iam::111122223333:user/AWSReservedSSO_me", migration.Fix{Kind: migration.FixIdentity, Identity: identity}, 1, []string{"identity policy of"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			c.fix.Principal, c.fix.Key = c.principal, key
			remedy := migration.Reader{Principal: c.principal, Fix: &c.fix}.Remedy()
			if len(remedy.Statements) != c.parts || (remedy.Decide == "") != (c.parts > 0) {
				t.Errorf("%d statements and %q", len(remedy.Statements), remedy.Decide)
			}
			if made := strings.Contains(c.principal, "/AWSServiceRoleFor") || strings.Contains(c.principal, "/AWSReservedSSO_Admin"); (len(remedy.Then) > 0) != made {
				t.Errorf("a key policy may name it for good %t, statements %v", made, remedy.Then)
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

// A policy names the role of a session; who is none of the snapshot's principals is let in by the key's policy alone.
func TestAFixNamesWhomAPolicyCanName(t *testing.T) {
	session, root := "arn:aws:sts::"+shop+":assumed-role/app/run", "arn:aws:iam::"+shop+":root"
	for sentence, c := range map[string]struct {
		reader, key string
		kind        migration.FixKind
		names       string // in the statement of the key's policy
		terraform   string
	}{
		"a session, whose role lacks the right":      {session, delegated, migration.FixIdentity, "", `role = "app"`},
		"a session, whose role the key does not let": {session, closedKey, migration.FixKey, role("app"), role("app")},
		"the root user, whom the key does not let":   {root, closedKey, migration.FixKey, root, root},
	} {
		s := org(principal("app", may(false)))
		s.Keys[0].Policy = c.key
		found := assess(t, s, func(q *migration.Question) {
			q.Seen = []migration.Sighting{{Secret: arn("db"), Principal: c.reader, Region: region, Account: shop, Last: now, Count: 1}}
		})
		for _, r := range found.Readers {
			if r.Principal != c.reader {
				continue
			}
			if r.Verdict != migration.Loses || r.Fix == nil || r.Fix.Kind != c.kind || !strings.Contains(string(r.Fix.KeyPolicy), c.names) || (c.names == "") != (len(r.Fix.KeyPolicy) == 0) || !strings.Contains(r.Fix.Terraform, c.terraform) {
				t.Errorf("%s %s: %+v", sentence, r.Verdict, r.Fix)
			}
		}
		if len(found.Readers) < 1 {
			t.Errorf("%s: nobody reads it", sentence)
		}
	}
}

// A complaint carries the remedies that it has room for, to the last byte, and counts the others.
func TestAComplaintCarriesTheRemediesThatItHasRoomFor(t *testing.T) {
	losing := func(name, padding string) migration.Reader {
		return migration.Reader{Principal: name, Verdict: migration.Loses, Fix: &migration.Fix{Kind: migration.FixIdentity, Principal: name, Identity: []byte(`{"Sid":"` + padding + `"}`)}}
	}
	said := func(padding int) (int, *guard.Move) {
		a := migration.Assessment{Problems: []string{"x"}, Readers: []migration.Reader{{Principal: "none", Verdict: migration.Loses}, losing("app", strings.Repeat("p", padding))}}
		complaint := a.Complaint()
		return len(guard.Notice{Kind: guard.NoticeFailed, Move: complaint}.Describe()), complaint
	}
	length, complaint := said(0)
	if len(complaint.Remedies) != 1 || complaint.Remedies[0].Principal != "app" {
		t.Fatalf("behind a reader without a remedy: %+v", complaint)
	}
	const room = 3900
	if length, complaint = said(room - length); length != room || len(complaint.Remedies) != 1 || complaint.More != 0 {
		t.Errorf("as long as it may be: %d bytes, %d remedies, %d more", length, len(complaint.Remedies), complaint.More)
	}
	if _, complaint = said(room + 1); len(complaint.Remedies) != 0 || complaint.More != 1 {
		t.Errorf("longer: %d remedies, %d more", len(complaint.Remedies), complaint.More)
	}
}
