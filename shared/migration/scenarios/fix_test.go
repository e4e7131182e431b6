package scenarios_test

import (
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/migration"
)

// The statement that a plan offers for a reader that would lose access works: once it is added, the next plan says that
// the reader keeps access, and it does read after the seal.
func TestTheFixesOfThePlanWork(t *testing.T) {
	var fixed atomic.Int32
	t.Cleanup(func() { // when all of them are done
		if fixed.Load() < 15 {
			t.Errorf("%d fixes were tried: too few to show anything", fixed.Load())
		}
	})
	for _, s := range scenarios(t) {
		if s.Expect.Plan != unsafe || (s.Expect.Change != "" && s.Expect.Change != "made") {
			continue
		}
		t.Run(strings.TrimSuffix(s.file, ".yaml"), func(t *testing.T) {
			t.Parallel()
			w := newTestbed(t, &s, localaws.Faults{})
			w.settle()
			first := w.plan()
			now := w.everybody()
			var mended []string
			for name, r := range w.judged(first) {
				if r.Fix != nil && w.apply(name, r.Fix) {
					mended = append(mended, name)
				}
			}
			plan := w.plan()
			judged := w.judged(plan)
			for name, r := range w.Readers {
				if r.Wrote != nil && slices.Contains(mended, name) {
					r.Wrote.Rekeyed = true
				}
			}
			happened := w.happen(plan, now)
			for _, name := range mended {
				fixed.Add(1)
				if judged[name].Verdict != migration.Keeps || !judged[name].Until.IsZero() || now[name] && !happened[name].always() {
					t.Errorf("%s with the fix: %s, %+v: %s", name, judged[name].Verdict, happened[name], judged[name].Why)
				}
			}
		})
	}
}

// apply adds the statements of a fix, as an owner would copy them; false when the fix has none.
func (w *testbed) apply(name string, fix *migration.Fix) bool {
	w.Helper()
	r := w.Readers[name]
	if len(fix.Identity) > 0 {
		document := policyText(string(fix.Identity))
		client := iam.NewFromConfig(w.as(w.account(r.Account), "root", "us-east-1"))
		if r.Kind == "user" {
			must(w, ignore(client.PutUserPolicy(w.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("fix"), PolicyDocument: &document})))
		} else {
			must(w, ignore(client.PutRolePolicy(w.Context(), &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("fix"), PolicyDocument: &document})))
		}
	}
	if len(fix.KeyPolicy) > 0 {
		w.addToKey(fix.Key, fix.KeyPolicy)
	}
	return len(fix.Identity)+len(fix.KeyPolicy) > 0
}

func (w *testbed) addToKey(arn string, statement json.RawMessage) {
	w.Helper()
	parts := strings.Split(arn, ":")
	got := w.service(parts[4], parts[3], "kms", "GetKeyPolicy", map[string]any{"KeyId": arn})
	text, _ := got["Policy"].(string)
	var document struct {
		Version   string
		Statement []json.RawMessage
	}
	must(w, json.Unmarshal([]byte(text), &document))
	document.Statement = append(document.Statement, statement)
	raw, err := json.Marshal(document)
	must(w, err)
	w.service(parts[4], parts[3], "kms", "PutKeyPolicy", map[string]any{"KeyId": arn, "Policy": string(raw)})
}
