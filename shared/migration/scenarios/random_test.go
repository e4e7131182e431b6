package scenarios_test

import (
	"flag"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/migration"
)

// randomFor bounds the search: what it has not found by then it looks for in the next run.
var randomFor = flag.Duration("random-for", 6*time.Second, "how long each search of random organizations goes on")

// The plan of a random organization never says keeps of a reader that cannot read under the new key alone, and names
// everybody who reads today and would not.
func TestTheVerdictsHoldInRandomOrganizations(t *testing.T) {
	until := time.Now().Add(*randomFor)
	played := map[string]int{}
	rapid.Check(t, func(r *rapid.T) {
		if time.Now().After(until) {
			return
		}
		s := randomScenario(r)
		w := newTestbed(scene{t, r}, s, localaws.Faults{})
		w.settle()
		now := w.everybody()
		plan := w.plan()
		got, _ := outcomeOf(plan)
		judged := w.judged(plan)
		happened := w.happen(plan, now)
		for name, is := range happened {
			verdict := judged[name].Verdict
			reads := func(v migration.Verdict) bool { // as a reader: it may be one who writes, too, which nobody tries here
				return slices.ContainsFunc(judged[name].Uses, func(u migration.Use) bool { return u.Does == migration.Reads && u.Verdict == v })
			}
			if reads(migration.Keeps) && !is.always() {
				r.Fatalf("%s is said to keep access, and breaks: %+v, %s\n%s", name, is, judged[name].Why, describe(s, name))
			}
			if is.Now && !is.Rekeyed {
				r.Fatalf("%s breaks at the re-key already: %+v\n%s", name, is, describe(s, name))
			}
			if is.breaks() && verdict != migration.Loses && verdict != migration.Unknown {
				r.Fatalf("%s breaks, and the plan (%s) said %q\n%s", name, got, verdict, describe(s, name))
			}
			// One session reads; where a policy names it, the verdict is of the others, too.
			named := strings.Contains(fmt.Sprint(s.Keys), "assumed-role/"+name+"/")
			if is.Now && is.Gone && reads(migration.Loses) && !named {
				r.Fatalf("%s is said to lose access, and does not: %s\n%s", name, judged[name].Why, describe(s, name))
			}
			played[fmt.Sprintf("%s, reads %t then %t", verdict, is.Now, is.Gone)]++
		}
	})
	for _, seen := range []string{"keeps, reads true then true", "loses, reads true then false"} {
		if played[seen] == 0 {
			t.Errorf("no reader that %s: the organizations are too simple: %v", seen, played)
		}
	}
	t.Log(played)
}

// scene is a test whose failures are rapid's, so that it can look for a smaller organization.
type scene struct {
	testing.TB
	r *rapid.T
}

func (s scene) Fatalf(format string, args ...any) { s.r.Fatalf(format, args...) }
func (s scene) Fatal(args ...any)                 { s.r.Fatal(args...) }
func (s scene) Cleanup(f func())                  { s.r.Cleanup(f) }
func (s scene) Errorf(format string, args ...any) { s.r.Errorf(format, args...) }

func describe(s *scenario, reader string) string {
	return fmt.Sprintf("reader %+v\nkeys %+v\nsecret %+v\nscp %v", s.Readers[reader], s.Keys, s.Secret, s.SCP)
}

// conditions are what a random statement may ask for: met, not met, and not knowable.
func conditions() []map[string]any {
	return []map[string]any{
		nil, nil, nil,
		{"StringEquals": map[string]any{"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}},
		{"StringEquals": map[string]any{"kms:ViaService": "s3.eu-central-1.amazonaws.com"}},
		{"StringNotEquals": map[string]any{"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}},
		{"StringLike": map[string]any{"kms:EncryptionContext:SecretARN": "arn:aws:secretsmanager:*:*:secret:shop/*"}},
		{"StringLike": map[string]any{"kms:EncryptionContext:SecretARN": "arn:aws:secretsmanager:*:*:secret:other/*"}},
		{"StringEquals": map[string]any{"kms:EncryptionContext:SecretVersionId": "11111111-2222-3333-4444-555555555555"}},
		{"StringEquals": map[string]any{"aws:PrincipalTag/team": "shop"}},
		{"StringNotEqualsIfExists": map[string]any{"aws:PrincipalTag/team": "shop"}},
		{"StringEquals": map[string]any{"aws:ResourceTag/team": "${aws:PrincipalTag/team}"}},
		{"StringEquals": map[string]any{"aws:PrincipalOrgID": "o-exampleorg"}},
		{"IpAddress": map[string]any{"aws:SourceIp": "10.0.0.0/8"}},
		{"NotIpAddress": map[string]any{"aws:SourceIp": "10.0.0.0/8"}},
		{"Null": map[string]any{"kms:ViaService": "true"}},
		{"Bool": map[string]any{"aws:ViaAWSService": "true"}},
		{"ArnLike": map[string]any{"aws:PrincipalArn": "arn:aws:iam::*:role/app*"}},
		{"ForAllValues:StringEquals": map[string]any{"kms:EncryptionContextKeys": []any{"SecretARN", "SecretVersionId"}}},
	}
}

var randomNames = []string{"app1", "app2", "other"}

func randomStatement(r *rapid.T, label string, principals bool) any {
	s := map[string]any{
		"Effect":   rapid.SampledFrom([]string{"Allow", "Allow", "Allow", "Deny"}).Draw(r, label+" effect"),
		"Action":   rapid.SampledFrom([]any{"kms:Decrypt", "kms:*", "kms:De*", "*", "kms:Encrypt"}).Draw(r, label+" action"),
		"Resource": "*",
	}
	if !principals {
		s["Resource"] = rapid.SampledFrom([]any{"*", "$(old)", "$(new)", "arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:eu-west-1:*:key/*"}).Draw(r, label+" resource")
	} else {
		s["Principal"] = rapid.SampledFrom([]any{"*", map[string]any{"AWS": "*"}, map[string]any{"AWS": "arn:aws:iam::111122223333:root"},
			map[string]any{"AWS": "444455556666"}, map[string]any{"AWS": "arn:aws:iam::111122223333:role/app1"},
			map[string]any{"AWS": "arn:aws:sts::111122223333:assumed-role/app2/task-1"}}).Draw(r, label+" principal")
		if s["Effect"] == "Deny" { // the staff of the scenario must be able to take the steps
			s["Principal"] = map[string]any{"AWS": "arn:aws:iam::111122223333:role/app2"}
		}
	}
	if c := rapid.SampledFrom(conditions()).Draw(r, label+" condition"); c != nil {
		s["Condition"] = c
	}
	return s
}

func randomKey(r *rapid.T, label string) keyOf {
	k := keyOf{Policy: []any{"staff"}, Tags: map[string]string{"team": rapid.SampledFrom([]string{"shop", "search"}).Draw(r, label+" team")}}
	if word := rapid.SampledFrom([]string{"", "account", "account", "service", "organization"}).Draw(r, label+" word"); word != "" {
		k.Policy = append(k.Policy, word)
	}
	for i := range rapid.IntRange(0, 2).Draw(r, label+" statements") {
		k.Policy = append(k.Policy, randomStatement(r, fmt.Sprint(label, i), true))
	}
	if rapid.IntRange(0, 3).Draw(r, label+" granted") == 0 {
		k.Grants = []grantOf{{To: rapid.SampledFrom(randomNames).Draw(r, label+" grantee"),
			Operations: rapid.SampledFrom([][]string{{"Decrypt"}, {"Encrypt"}}).Draw(r, label+" operations"),
			Subset:     rapid.SampledFrom([]map[string]string{nil, {"SecretARN": "$(secret)"}, {"SecretARN": "arn:x"}}).Draw(r, label+" subset"),
			Equals:     rapid.SampledFrom([]map[string]string{nil, nil, {"SecretARN": "$(secret)"}}).Draw(r, label+" equals")}}
	}
	return k
}

func randomScenario(r *rapid.T) *scenario {
	s := &scenario{file: "random", Target: "new", Keys: map[string]keyOf{"old": randomKey(r, "old"), "new": randomKey(r, "new")}, Readers: map[string]person{}}
	s.Secret.Key = rapid.SampledFrom([]string{"", "", "old"}).Draw(r, "from")
	s.Secret.Tags = map[string]string{"team": "shop"}
	if rapid.Bool().Draw(r, "shared") {
		s.Secret.Policy = []any{map[string]any{"Effect": "Allow", "Principal": map[string]any{"AWS": "arn:aws:iam::444455556666:root"},
			"Action": "secretsmanager:GetSecretValue", "Resource": "*"}}
	}
	for i, name := range randomNames {
		p := person{May: []any{"read"}, Tags: map[string]string{"team": rapid.SampledFrom([]string{"shop", "search"}).Draw(r, name+" team")}}
		if i == 2 && rapid.Bool().Draw(r, name+" away") {
			p.Account = data
		}
		for j := range rapid.IntRange(0, 2).Draw(r, name+" statements") {
			p.May = append(p.May, randomStatement(r, fmt.Sprint(name, j), false))
		}
		if rapid.IntRange(0, 3).Draw(r, name+" fenced") == 0 {
			p.Boundary = []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}, randomStatement(r, name+" fence", false)}
		}
		s.Readers[name] = p
	}
	if rapid.IntRange(0, 3).Draw(r, "controlled") == 0 {
		deny, _ := randomStatement(r, "scp", false).(map[string]any)
		deny["Effect"], deny["Condition"] = "Deny", map[string]any{"ArnLike": map[string]any{"aws:PrincipalArn": "arn:aws:iam::*:role/app1"}}
		s.SCP = []any{deny}
	}
	return s
}
