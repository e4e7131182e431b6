package inventory_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/policy/judge"
)

const root = "../.." // of the repository

// noNotion are the answers of this package that the second engine, which evaluates one request of one principal whose context is
// whole, has no notion of. Each is asked of it in parts, or a row of a table with AWS's own page stands in.
var noNotion = map[string]struct{ instead, source string }{
	"unknown":                      {"policytest completes what is not known in many ways and asks each: TestCompletionsAgreeWithSimulator", "IAM User Guide, AWS global condition context keys, Availability"},
	"populations":                  {"members and others, one by one: TestMembersOfAPopulationAreLetInBySimulator", "IAM User Guide, AWS JSON policy elements: Principal"},
	"reach":                        {"each certain step by itself: TestEachCertainStepIsAllowedBySimulator", "STS API Reference, AssumeRole; IAM User Guide, cross-account access evaluation"},
	"a path that may be":           {"TestAPathIsTheShortestWayToASecret, the rows that begin with perhaps", "IAM User Guide, grant a user permissions to pass a role; IAM API Reference, SetDefaultPolicyVersion"},
	"what a right can be used for": {"TestPowersAreRightsToChangeWhatDecides", "Service Authorization Reference, access levels Permissions management and Write"},
	"labels that nobody knows yet": {"as they are, and with one that the row is about: TestAStepThatTakesOtherTagsIsAllowedBySimulatorWithThemAlone", "IAM User Guide, controlling access to and for IAM users and roles using tags; KMS Developer Guide, ABAC for AWS KMS"},
	"grants":                       {"TestAPathIsTheShortestWayToASecret, the row of a grant", "KMS Developer Guide, grants in AWS KMS"},
}

// question is one as testdata/policy/simulate.mjs reads it.
type question map[string]any

func simulator(t *testing.T, questions []question) []judge.Opinion {
	t.Helper()
	opinions, err := judge.Opinions(t.Context(), root, questions)
	if errors.Is(err, judge.ErrNotInstalled) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil || len(opinions) != len(questions) {
		t.Fatalf("%d answers to %d questions: %v", len(opinions), len(questions), err)
	}
	return opinions
}

func load(t *testing.T, name string) inventory.Snapshot {
	t.Helper()
	raw, err := os.ReadFile(root + "/testdata/inventory/" + name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := inventory.Load(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asked is a request of a principal of a snapshot with all policies of its own.
func asked(s *inventory.Snapshot, of, action, resource, policy string, context map[string][]string) question {
	p := s.Principals[slices.IndexFunc(s.Principals, func(p inventory.Principal) bool { return p.ARN == of })]
	texts := slices.Collect(maps.Values(p.Inline))
	for _, managed := range p.Managed {
		texts = append(texts, s.Managed[managed])
	}
	for _, g := range s.Groups {
		if g.Account == p.Account && slices.Contains(p.Groups, g.Name) {
			texts = append(texts, slices.Collect(maps.Values(g.Inline))...)
		}
	}
	whole := map[string][]string{"aws:PrincipalArn": {of}, "aws:PrincipalAccount": {p.Account}, "kms:CallerAccount": {p.Account}}
	for _, about := range s.Principals {
		for name, value := range about.Tags {
			if about.ARN == resource {
				whole["iam:ResourceTag/"+name], whole["aws:ResourceTag/"+name] = []string{value}, []string{value}
			}
		}
	}
	maps.Copy(whole, context)
	q := question{"request": map[string]any{"principal": of, "action": action, "resource": map[string]any{"resource": resource, "accountId": p.Account}, "context": whole},
		"identityPolicies": documents(texts)}
	if p.Boundary != "" {
		q["permissionBoundaries"] = documents([]string{s.Managed[p.Boundary]})
	}
	if policy != "" {
		q["resourcePolicy"] = json.RawMessage(policy)
	}
	for _, account := range s.Accounts {
		if account.ID != p.Account || account.ID == s.Organization.ManagementAccount {
			continue
		}
		var levels []map[string]any
		for _, level := range account.SCPs {
			var texts []string
			for _, id := range level.Policies {
				texts = append(texts, s.Controls[id].Document)
			}
			levels = append(levels, map[string]any{"orgIdentifier": level.Target, "policies": documents(texts)})
		}
		q["serviceControlPolicies"] = levels
	}
	return q
}

func documents(texts []string) []map[string]any {
	list := []map[string]any{}
	for i, text := range texts {
		list = append(list, map[string]any{"name": fmt.Sprintf("policy %d", i), "policy": json.RawMessage(text)})
	}
	return list
}

// Each certain step of each certain path, of testdata and of the table of paths, is allowed by the second engine, and so is the read at the end
// where nothing but roles was taken.
func TestEachCertainStepIsAllowedBySimulator(t *testing.T) {
	snapshots := map[string]inventory.Snapshot{"acme.json": load(t, "acme.json"), "reach.json": load(t, "reach.json")}
	for sentence, c := range pathCases() {
		snapshots[sentence] = c.snapshot()
	}
	var questions []question
	var said []string
	for name, s := range snapshots {
		access := inventory.Prepare(s)
		ask := func(sentence string, q question) {
			if sentence = name + ": " + sentence; !slices.Contains(said, sentence) {
				questions, said = append(questions, q), append(said, sentence)
			}
		}
		for _, p := range s.Principals {
			paths, err := access.Reach(p.ARN)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range paths {
				onlyTaken := path.Certain
				now := s // as the steps change it
				now.Principals = slices.Clone(s.Principals)
				for _, step := range path.Steps {
					taken := step.Action == "sts:AssumeRole"
					onlyTaken = onlyTaken && taken
					own := ""
					for _, role := range s.Principals {
						if taken && role.ARN == step.Resource {
							own = role.Trust
						}
					}
					for _, secret := range s.Secrets {
						if secret.Facts.ARN == step.Resource {
							own = secret.Policy
						}
					}
					for _, key := range s.Keys {
						if key.Facts.ARN == step.Resource {
							own = key.Policy
						}
					}
					if path.Certain {
						ask(step.As+" "+step.Action+" "+step.Resource, asked(&now, step.As, step.Action, step.Resource, own, nil))
					}
					change(&now, step)
				}
				if onlyTaken {
					for _, q := range reads(t, &s, path) {
						ask(path.Reads+" reads "+path.Secret, q)
					}
				}
			}
		}
	}
	for i, theirs := range simulator(t, questions) {
		if theirs.Answer != policy.Allowed {
			t.Errorf("%s: the simulator says %s %s", said[i], theirs.Answer, theirs.Error)
		}
	}
	if len(questions) < 30 {
		t.Errorf("only %d questions", len(questions))
	}
	t.Logf("%d steps and reads of %d snapshots", len(questions), len(snapshots))
}

// A step that comes after one that changes the tags of its role or user is denied by the second engine as these are, and allowed with
// those that the policies of the table ask for: team is blue, or none at all.
func TestAStepThatTakesOtherTagsIsAllowedBySimulatorWithThemAlone(t *testing.T) {
	var questions []question
	var said []string
	for sentence, c := range pathCases() {
		s := c.snapshot()
		paths, err := inventory.Prepare(s).Reach(probeARN)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			for i, step := range path.Steps {
				tagged := func(before inventory.Step) bool {
					return before.Resource == step.Resource && slices.Contains([]string{"iam:TagRole", "iam:UntagRole", "iam:TagUser", "iam:UntagUser"}, before.Action)
				}
				last := slices.IndexFunc(path.Steps[:i], tagged)
				if last < 0 || step.Action == "sts:AssumeRole" && !strings.Contains(sentence, "taken") { // which some other step comes before for
					continue
				}
				of := slices.IndexFunc(s.Principals, func(p inventory.Principal) bool { return p.ARN == step.Resource })
				for _, tags := range []map[string]string{s.Principals[of].Tags, {"team": "blue"}, {}} {
					with := s
					with.Principals = slices.Clone(s.Principals)
					with.Principals[of].Tags = tags
					own := ""
					if step.Action == "sts:AssumeRole" {
						own = with.Principals[of].Trust
					}
					questions, said = append(questions, asked(&with, step.As, step.Action, step.Resource, own, nil)), append(said, sentence+": "+step.Action)
				}
			}
		}
	}
	if len(questions) < 12 {
		t.Fatalf("only %d questions", len(questions))
	}
	answers := simulator(t, questions)
	for i := 0; i < len(answers); i += 3 {
		if answers[i].Answer == policy.Allowed || answers[i+1].Answer != policy.Allowed && answers[i+2].Answer != policy.Allowed {
			t.Errorf("%s: as it is %s, with the tag %s, without tags %s", said[i], answers[i].Answer, answers[i+1].Answer, answers[i+2].Answer)
		}
	}
}

// change is what a step does to a role or user, or to what it shares with others.
func change(s *inventory.Snapshot, step inventory.Step) {
	switch step.Action {
	case "iam:CreatePolicyVersion":
		s.Managed = maps.Clone(s.Managed)
		s.Managed[step.Resource] = fullAccess
	case "iam:PutGroupPolicy", "iam:AttachGroupPolicy":
		s.Groups = slices.Clone(s.Groups)
		for i := range s.Groups {
			if g := &s.Groups[i]; strings.HasSuffix(step.Resource, ":"+g.Account+":group/"+g.Name) {
				g.Inline = map[string]string{"changed": fullAccess}
			}
		}
	}
	for i := range s.Principals {
		p := &s.Principals[i]
		switch {
		case p.ARN != step.Resource:
		case strings.HasSuffix(step.Action, "PermissionsBoundary"):
			p.Boundary = ""
		case step.Action == "iam:PutRolePolicy" || step.Action == "iam:AttachRolePolicy":
			p.Managed = append(slices.Clip(p.Managed), administrator)
		}
	}
}

// reads are the requests of the last thing on a path: the secret, and the AWS managed key that the secrets of these snapshots have
// which are read at the end of roles alone.
func reads(t *testing.T, s *inventory.Snapshot, path inventory.Path) []question {
	t.Helper()
	secret := s.Secrets[slices.IndexFunc(s.Secrets, func(each inventory.Secret) bool { return each.Facts.ARN == path.Secret })]
	if secret.Facts.Key.Manager != guard.ManagerAWS {
		return nil
	}
	return []question{asked(s, path.Reads, "secretsmanager:GetSecretValue", path.Secret, secret.Policy, map[string][]string{
		"secretsmanager:SecretId": {secret.Facts.Name}, "secretsmanager:VersionStage": {"AWSCURRENT"}})}
}

// A population is a sentence; whoever it is about is let in by the second engine, whoever it is not about is not. Their own policies
// allow everything: that they may not is why the answer is unknown.
func TestMembersOfAPopulationAreLetInBySimulator(t *testing.T) {
	s := load(t, "reach.json")
	feed := s.Secrets[slices.IndexFunc(s.Secrets, func(each inventory.Secret) bool { return each.Facts.Name == "partners/feed" })]
	readers, _, err := inventory.Prepare(s).Readers(feed.Facts.ARN)
	if err != nil {
		t.Fatal(err)
	}
	const sentence = "anybody in organization o-partner, whose aws:PrincipalArn is like arn:aws:iam::*:role/sync-*"
	if !slices.ContainsFunc(readers, func(r inventory.Reader) bool {
		return r.Principal == sentence && r.Answer == policy.Unknown && r.Outside
	}) {
		t.Fatalf("%+v", readers)
	}
	rows := []struct {
		who, organization string
		in                bool
	}{
		{"arn:aws:iam::555566667777:role/sync-1", "o-partner", true},
		{"arn:aws:iam::666677778888:role/sync-other", "o-partner", true},
		{"arn:aws:iam::555566667777:role/admin", "o-partner", false},
		{"arn:aws:iam::555566667777:user/sync-1", "o-partner", false},
		{"arn:aws:iam::555566667777:role/sync-1", "o-stranger", false},
	}
	var questions []question
	for _, row := range rows {
		questions = append(questions, question{
			"request": map[string]any{"principal": row.who, "action": "secretsmanager:GetSecretValue",
				"resource": map[string]any{"resource": feed.Facts.ARN, "accountId": feed.Facts.Account},
				"context":  map[string][]string{"aws:PrincipalArn": {row.who}, "aws:PrincipalOrgID": {row.organization}}},
			"identityPolicies": documents([]string{fullAccess}), "resourcePolicy": json.RawMessage(feed.Policy),
		})
	}
	for i, theirs := range simulator(t, questions) {
		if (theirs.Answer == policy.Allowed) != rows[i].in {
			t.Errorf("%+v: the simulator says %s %s", rows[i], theirs.Answer, theirs.Error)
		}
	}
}

// What the second engine has no notion of names what stands in, and the page.
func TestWhatTheSimulatorHasNoNotionOfIsTestedOtherwise(t *testing.T) {
	tests := ""
	for _, name := range []string{"judge_test.go", "path_test.go", "reach_test.go", "../policy/policytest/simulate_test.go"} {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		tests += string(raw)
	}
	for notion, row := range noNotion {
		i := strings.Index(row.instead, "Test")
		if i < 0 || row.source == "" {
			t.Errorf("%s: no test, or no source", notion)
			continue
		}
		name, _, _ := strings.Cut(row.instead[i:], ",")
		if !strings.Contains(tests, "func "+name+"(t *testing.T)") {
			t.Errorf("%s: there is no test %s", notion, name)
		}
	}
}
