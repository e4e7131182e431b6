package migration_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
)

const (
	linked  = "arn:aws:iam::111122223333:role/aws-service-role/es.amazonaws.com/AWSServiceRoleForAmazonElasticsearchService"
	people  = "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/eu-central-1/AWSReservedSSO_Data_Admin_0123456789abcdef"
	flows   = "appflow.amazonaws.com"
	padding = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s"}]}`
)

// withRole is an organization whose one reader has a name of AWS's making.
func withRole(name, policy string) inventory.Snapshot {
	p := principal("x", policy)
	p.ARN = name
	return org(p)
}

// A fix goes where a person can put it, and where AWS takes it.
func TestAFixIsOneThatPeopleCanApply(t *testing.T) {
	open := func(conditions string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"appflow.amazonaws.com"},"Action":"secretsmanager:GetSecretValue","Resource":"*"` + conditions + `}]}`
	}
	full := func(characters int) string { return fmt.Sprintf(padding, strings.Repeat("x", characters)) }
	for sentence, tt := range map[string]struct {
		snapshot func() inventory.Snapshot
		kind     migration.FixKind
		holds    []string // in the fix as JSON
		not      []string
		decide   []string // in what a person reads
	}{
		"the policies of a service-linked role are its service's, so the key policy names it": {
			func() inventory.Snapshot { return withRole(linked, may(false)) }, migration.FixKey,
			[]string{`"keyPolicy":`, `"AWS":"` + linked + `"`}, []string{`"identity":`, "aws_iam_role_policy"},
			[]string{"a service-linked role", "Where it is to read, add to the key policy of arn:aws:kms", "Or run doublelock migrate plan"}},
		"where the key policy has no room for a service-linked role there is none": {
			func() inventory.Snapshot {
				s := withRole(linked, may(false))
				s.Keys[0].Policy = strings.Replace(delegated, `"kms:*"`, `["kms:*","kms:`+strings.Repeat("x", 33_000)+`"]`, 1)
				return s
			}, migration.FixNone, []string{"there is no room for it: the key policy would have 33", "bytes, of 32768"}, []string{`"keyPolicy":`}, []string{"a service-linked role"}},
		"the policies of an Identity Center role come from its permission set": {
			func() inventory.Snapshot { return withRole(people, may(false)) }, migration.FixSet,
			[]string{`"permissionSet":{"name":"Data_Admin"`, "inline policy of the permission set Data_Admin"}, []string{`"identity":`, "aws_iam_role_policy", "addToPrincipalPolicy"},
			[]string{"permission set Data_Admin", "Where it is to read, add to the inline policy of the permission set Data_Admin:"}},
		"a key policy names an Identity Center role by a pattern that its next digits match": {
			func() inventory.Snapshot {
				s := withRole(people, may(false))
				s.Keys[0].Policy = closedKey
				return s
			}, migration.FixKey, []string{`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Data_Admin_????????????????"}`}, []string{`"identity":`, "0123456789abcdef\"}"},
			[]string{"Where it is to read, add to the key policy of"}},
		"a service is named as one, for the account of the secret": {
			func() inventory.Snapshot {
				s := org()
				s.Secrets[0].Policy, s.Keys[0].Policy = open(""), closedKey
				return s
			}, migration.FixKey, []string{`"Principal":{"Service":"appflow.amazonaws.com"}`, `"aws:SourceAccount":"111122223333"`, "which its own page says", "iam.ServicePrincipal('appflow.amazonaws.com')", `type        = \"Service\"`}, []string{`"AWS"`},
			[]string{"add to the key policy of", "it holds where the service sends aws:SourceAccount"}},
		"a service whose source the secret's policy asks for is asked for the same by the key's": {
			func() inventory.Snapshot {
				s := org()
				s.Secrets[0].Policy, s.Keys[0].Policy = open(`,"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:appflow:*:111122223333:flow/*"}}`), closedKey
				return s
			}, migration.FixKey, []string{`"ArnLike":{"aws:SourceArn":"arn:aws:appflow:*:111122223333:flow/*"}`}, []string{"aws:SourceAccount", `"AWS"`},
			[]string{"as it does to the secret's own policy"}},
		"what the secret's policy says of others, or denies, is not asked for": {
			func() inventory.Snapshot {
				s := org()
				s.Secrets[0].Policy, s.Keys[0].Policy = strings.Replace(open(`,"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:appflow:*:111122223333:flow/*"}}`), `[{`,
					`[{"Effect":"Allow","Principal":{"Service":"glue.amazonaws.com"},"Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"444455556666"}}},
					{"Effect":"Deny","Principal":{"Service":"appflow.amazonaws.com"},"Action":"secretsmanager:PutSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"444455556666"}}},{`, 1), closedKey
				return s
			}, migration.FixKey, []string{`"ArnLike":{"aws:SourceArn":"arn:aws:appflow:*:111122223333:flow/*"}`}, []string{"aws:SourceAccount", `"AWS"`}, nil},
		"a role whose inline policies are full takes a managed policy": {
			func() inventory.Snapshot {
				p := principal("app", may(false))
				p.Inline["full"] = full(9_900)
				return org(p)
			}, migration.FixIdentity, []string{`"managed":true`, "aws_iam_role_policy_attachment", "iam.ManagedPolicy"}, nil, []string{"a managed one: the inline ones have no room"}},
		"a user's inline policies are full sooner": {
			func() inventory.Snapshot {
				p := principal("app", may(false))
				p.ARN, p.Kind, p.Inline["full"] = "arn:aws:iam::111122223333:user/app", inventory.User, full(1_800)
				return org(p)
			}, migration.FixIdentity, []string{`"managed":true`, "aws_iam_user_policy_attachment"}, nil, nil},
		"white space does not count": {
			func() inventory.Snapshot {
				p := principal("app", may(false))
				p.Inline["spaced"] = strings.ReplaceAll(full(10), `,"Action"`, strings.Repeat(" ", 11_000)+`,"Action"`)
				return org(p)
			}, migration.FixIdentity, nil, []string{`"managed"`}, nil},
		"a role that takes nothing more is let in by the key policy": {
			func() inventory.Snapshot {
				p := principal("app", may(false))
				p.Inline["full"] = full(9_900)
				s := org(p)
				s.Managed = map[string]string{}
				for i := range 10 {
					name := fmt.Sprintf("arn:aws:iam::aws:policy/p%d", i)
					s.Managed[name] = full(i + 1)
					s.Principals[0].Managed = append(s.Principals[0].Managed, name)
				}
				return s
			}, migration.FixKey, []string{`"keyPolicy":`}, []string{`"identity":`}, nil},
	} {
		t.Run(sentence, func(t *testing.T) {
			a := assess(t, tt.snapshot(), nil)
			at := slices.IndexFunc(a.Readers, func(r migration.Reader) bool { return r.Fix != nil })
			if at < 0 {
				t.Fatalf("no reader needs a fix: %+v", a.Readers)
			}
			reader := a.Readers[at]
			raw, err := json.Marshal(reader.Fix)
			if err != nil {
				t.Fatal(err)
			}
			text := string(raw)
			if reader.Fix.Kind != tt.kind {
				t.Errorf("kind %q, want %q: %s", reader.Fix.Kind, tt.kind, text)
			}
			for _, want := range tt.holds {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not in %s", want, text)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(text, not) {
					t.Errorf("%q is in %s", not, text)
				}
			}
			for _, want := range tt.decide {
				if !strings.Contains(reader.Remedy().String(), want) {
					t.Errorf("%q is not in %s", want, reader.Remedy())
				}
			}
			if fix := reader.Fix; fix.Kind != migration.FixNone {
				applied(t, tt.snapshot(), reader)
			}
		})
	}
}

// applied puts every statement of a fix where it says and asks again. A service's source is in no snapshot, so its answer may
// rest on that and on nothing else.
func applied(t *testing.T, s inventory.Snapshot, reader migration.Reader) {
	t.Helper()
	fix := reader.Fix
	identity := fix.Identity
	if fix.Set != nil {
		identity = fix.Set.Statement
	}
	if identity != nil {
		s.Principals[0].Inline["fix"] = `{"Version":"2012-10-17","Statement":[` + string(identity) + `]}`
	}
	if fix.KeyPolicy != nil {
		s.Keys[0].Policy = strings.TrimSuffix(s.Keys[0].Policy, "]}") + "," + string(fix.KeyPolicy) + "]}"
	}
	for _, after := range assess(t, s, nil).Readers {
		if after.Principal != reader.Principal || after.Verdict == migration.Keeps {
			continue
		}
		if fix.Assumes == "" || after.Verdict != migration.Unknown || slices.ContainsFunc(after.Missing, func(key string) bool { return !strings.HasPrefix(key, "aws:Source") }) {
			t.Errorf("after the fix %s %s: %s", after.Principal, after.Verdict, after.Why)
		}
	}
}
