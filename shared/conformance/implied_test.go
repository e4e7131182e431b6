package conformance_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// implied is a use of keys that Secrets Manager makes with its caller's rights, and that a policy of the account denies from some
// call on. Some calls go well all the same, and have done nothing.
type implied struct {
	statement string // of a service control policy on the account
	from      made
}

// made is a call that was made: the operation, and which call of it, from 1. The zero one is before the first.
type made struct {
	operation string // of Secrets Manager
	nth       int
}

// impliedDenials are what accounts deny of the use of keys, by name. Named says that a call to KMS itself is denied as well.
var impliedDenials = map[string]struct {
	statement string
	named     bool
}{
	"encrypt":                 {denyUse("kms:Encrypt", ""), true},
	"decrypt":                 {denyUse("kms:Decrypt", ""), true},
	"data keys":               {denyUse("kms:GenerateDataKey", ""), true},
	"encrypt, by services":    {denyUse("kms:Encrypt", `"StringLike":{"kms:ViaService":"*"}`), false},
	"decrypt, by services":    {denyUse("kms:Decrypt", `"StringLike":{"kms:ViaService":"*"}`), false},
	"every use in the second": {denyUse("kms:*", `"StringEquals":{"aws:RequestedRegion":"`+far+`"}`), true},
	"the AWS managed key":     {denyUse("kms:*", `"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/aws/secretsmanager"}`), false},
	"trials of keys":          {denyUse("kms:GenerateDataKey", `"StringEquals":{"kms:EncryptionContext:SecretVersionId":"RequestToValidateKeyAccess"}`), false},
}

func denyUse(action, condition string) string {
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":%q,"Resource":"*","Condition":{%s}}]}`, action, condition)
}

// underImplied asks one question of a local AWS of a behavior in which a use of keys is denied, and answers which calls were made. The zero
// denial is none.
func underImplied(t *testing.T, id string, of localaws.Behavior, d implied, patience conformance.Patience) (conformance.Result, []made) {
	t.Helper()
	l := start(t, localaws.Options{Seed: 1, Behavior: of})
	own, manager := l.session(t, account, "role/Sandbox/me", run, unwritten), l.session(t, management, "role/Admin/me", run, unwritten)
	attach := func(a *core.AWS) error {
		who, at := core.ServiceCaller(management, "test.amazonaws.com"), core.Location{Account: management, Region: "us-east-1"}
		out, err := a.DoLocked(at, who, "organizations", "CreatePolicy", map[string]any{"Name": "account", "Description": "", "Type": "SERVICE_CONTROL_POLICY", "Content": d.statement})
		if err != nil {
			return err
		}
		policy := out["Policy"].(map[string]any)["PolicySummary"].(map[string]any)["Id"]
		_, err = a.DoLocked(at, who, "organizations", "AttachPolicy", map[string]any{"PolicyId": policy, "TargetId": account})
		return err
	}
	var calls []made
	attached := d.statement == ""
	l.Options.Faults.Refuse = func(c *core.Call) error { // it runs alone, as each call does
		if c.Service == "secretsmanager" {
			one := made{c.Operation, 1}
			for slices.Contains(calls, one) {
				one.nth++
			}
			calls = append(calls, one)
		}
		if attached || d.from.nth > 0 && !slices.Contains(calls, d.from) {
			return nil
		}
		attached = true
		return attach(c.AWS)
	}
	l.runClock(t, home)
	results := conformance.Ask(t.Context(), conformance.Options{Own: own, Management: manager, OU: ou, Second: far, Only: []string{id}, Patience: patience, Parallel: 1, Now: time.Now})
	if !attached && d.from.nth == 0 {
		t.Fatal("nothing is called: this test sees nothing")
	}
	l.Lock()
	defer l.Unlock()
	return results[0], calls
}

// What is re-keyed where nothing can be encrypted has no new copy: no question about one is answered, not even as it would be.
func TestNoQuestionAboutReKeyedCopiesIsAnsweredWhereThereAreNone(t *testing.T) {
	t.Parallel()
	for _, q := range conformance.Questions() {
		if !strings.HasPrefix(q.ID, "secretsmanager.rekey") {
			continue
		}
		for _, what := range []string{"encrypt", "encrypt, by services"} {
			if r, _ := underImplied(t, q.ID, localaws.Behavior{}, implied{statement: impliedDenials[what].statement}, conformance.ForDouble()); r.Verdict != conformance.Unanswered ||
				impliedDenials[what].named && r.Reason != conformance.NotPermitted {
				t.Errorf("%s, denied %s: %s %q (%s %s)", q.ID, what, r.Verdict, r.Answer, r.Reason, r.Detail)
			}
		}
	}
}

// An account that denies what Secrets Manager does with keys in a caller's name makes no question answer otherwise than it would, also where
// the call itself goes well: what a question is about was never there, and nothing follows from what is seen then.
func TestAnEffectThatARefusalSwallowsIsNoAnswer(t *testing.T) {
	t.Parallel()
	impatient := conformance.Patience{Trail: 100 * time.Millisecond, Change: 100 * time.Millisecond, Settle: 10 * time.Millisecond, Between: 10 * time.Millisecond}
	uses := []string{"CreateSecret", "UpdateSecret", "PutSecretValue", "GetSecretValue", "ReplicateSecretToRegions"}
	for _, q := range conformance.Questions() {
		for name, behavior := range worlds(q) {
			t.Run(q.ID+", "+name, func(t *testing.T) {
				t.Parallel()
				right, calls := underImplied(t, q.ID, behavior, implied{}, conformance.ForDouble())
				var group errgroup.Group
				group.SetLimit(4)
				for what, denial := range impliedDenials {
					for _, from := range append([]made{{}}, calls...) {
						if from.nth > 0 && !slices.Contains(uses, from.operation) {
							continue
						}
						group.Go(func() error {
							switch got, _ := underImplied(t, q.ID, behavior, implied{denial.statement, from}, impatient); {
							case got.Verdict != conformance.Unanswered && got.Answer != right.Answer:
								t.Errorf("denied %s from %v: %s, %s; without: %s", what, from, got.Answer, got.Verdict, right.Answer)
							case got.Verdict == conformance.Unanswered && from.nth == 0 && denial.named && got.Reason != conformance.NotPermitted && got.Reason != right.Reason:
								t.Errorf("denied %s: %s %s", what, got.Reason, got.Detail)
							}
							return nil
						})
					}
				}
				_ = group.Wait() // it has no errors
			})
		}
	}
}
