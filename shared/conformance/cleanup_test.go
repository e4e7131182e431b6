package conformance_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
)

// left lists what is in the sandbox account under the name of a run, but for keys that wait for their deletion: asked of
// the local AWS, not of the code that removes.
func (l *local) left(t *testing.T) []string {
	t.Helper()
	var all []string
	lists := []struct{ service, operation, list, name string }{
		{"secretsmanager", "ListSecrets", "SecretList", "Name"}, {"kms", "ListAliases", "Aliases", "AliasName"}, {"iam", "ListRoles", "Roles", "RoleName"},
		{"events", "ListRules", "Rules", "Name"}, {"events", "ListEventBuses", "EventBuses", "Name"}, {"events", "ListConnections", "Connections", "Name"},
		{"lambda", "ListFunctions", "Functions", "FunctionName"},
	}
	for _, region := range []string{home, far} {
		for _, of := range lists {
			out, err := l.As("test.amazonaws.com", account, region, of.service, of.operation, map[string]any{})
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range list(out[of.list]) {
				all = append(all, named(one[of.name])...)
			}
		}
		queues, err := l.As("test.amazonaws.com", account, region, "sqs", "ListQueues", map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		urls, _ := queues["QueueUrls"].([]any)
		for _, url := range urls {
			all = append(all, named(url)...)
		}
		keys, err := l.As("test.amazonaws.com", account, region, "kms", "ListKeys", map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range list(keys["Keys"]) {
			described, err := l.As("test.amazonaws.com", account, region, "kms", "DescribeKey", map[string]any{"KeyId": key["KeyId"]})
			if err != nil {
				t.Fatal(err)
			}
			if metadata := described["KeyMetadata"].(map[string]any); metadata["KeyState"] != "PendingDeletion" {
				all = append(all, named(metadata["Description"])...)
			}
		}
	}
	policies, err := l.As("test.amazonaws.com", management, home, "organizations", "ListPolicies", map[string]any{"Filter": "SERVICE_CONTROL_POLICY"})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range list(policies["Policies"]) {
		all = append(all, named(one["Name"])...)
	}
	return all
}

func list(of any) []map[string]any {
	var out []map[string]any
	all, _ := of.([]any)
	for _, one := range all {
		object, _ := one.(map[string]any)
		out = append(out, object)
	}
	return out
}

// named is a name that is of a run.
func named(name any) []string {
	if text, _ := name.(string); strings.Contains(text, sandbox.Prefix) {
		return []string{text}
	}
	return nil
}

// stoppedRun asks everything and is stopped after some questions. It returns what was written down.
func stoppedRun(t *testing.T, l *local, after int) conformance.State {
	t.Helper()
	journal, err := conformance.NewJournal(conformance.State{Run: run, Account: account, Region: home, Second: far}, func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	results := conformance.Ask(ctx, conformance.Options{
		Own: l.session(t, account, "role/Sandbox/me", run, journal.Intend), Management: l.session(t, management, "role/Admin/me", run, journal.Intend), OU: ou, Second: far,
		Patience: conformance.ForDouble(), Parallel: 1, Now: time.Now, Progress: func(done, _ int, _ string) {
			if done == after {
				stop()
			}
		}})
	stop()
	unanswered := 0
	for _, r := range results {
		if r.Reason == conformance.Stopped {
			unanswered++
		}
	}
	if after < len(results) && unanswered != len(results)-after {
		t.Errorf("%d of %d questions say that they were stopped, after %d", unanswered, len(results), after)
	}
	if len(l.left(t)) < 5 {
		t.Fatalf("a stopped run has made only %v: this test looks in the wrong folder", l.left(t))
	}
	return journal.State()
}

func (l *local) cleanup(t *testing.T, of sandbox.Run, written []sandbox.Resource) conformance.Removed {
	t.Helper()
	removed, err := conformance.Cleanup(t.Context(), map[string]*sandbox.Session{
		account: l.session(t, account, "role/Sandbox/later", of, unwritten), management: l.session(t, management, "role/Admin/later", of, unwritten),
	}, []string{home, far}, sandbox.Kinds(), written, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range removed.Left {
		t.Errorf("left: %s: %v", one.Resource, one.Err)
	}
	return removed
}

func TestARunThatWasStoppedLeavesNothingButKeysThatWait(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		after int
		how   func(*testing.T, *local, conformance.State) conformance.Removed
	}{
		"by what was written down": {22, func(t *testing.T, l *local, s conformance.State) conformance.Removed {
			return l.cleanup(t, run, s.Resources)
		}},
		"by name and tag alone, when the file is gone": {30, func(t *testing.T, l *local, _ conformance.State) conformance.Removed {
			return l.cleanup(t, sandbox.AnyRun, nil)
		}},
		"after all of it": {100, func(t *testing.T, l *local, s conformance.State) conformance.Removed {
			return l.cleanup(t, run, s.Resources)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, localaws.Options{Seed: 1})
			state := stoppedRun(t, l, tt.after)
			if removed := tt.how(t, l, state); len(removed.Gone) < 10 {
				t.Errorf("removed %v", removed.Gone)
			}
			if left := l.left(t); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
			if removed := tt.how(t, l, state); len(removed.Gone) > 0 {
				t.Errorf("the second time it removed %v", removed.Gone)
			}
		})
	}
}

// A kill comes when it likes, also between a call and its answer: what was written down and never made is nothing to do, and
// a list that lags behind hides nothing that was written down.
func TestWhatWasOnlyIntendedIsNothingToRemove(t *testing.T) {
	l := start(t, localaws.Options{Seed: 1, Faults: localaws.Faults{ListStaleness: time.Hour}})
	own := l.session(t, account, "role/Sandbox/me", run, unwritten)
	if _, err := own.CreateSecret(t.Context(), "made", ""); err != nil {
		t.Fatal(err)
	}
	var written []sandbox.Resource
	for _, kind := range sandbox.Kinds() {
		name := run.Name("never")
		if kind == sandbox.Alias {
			name = "alias/" + name
		}
		in := account
		if kind == sandbox.Policy {
			in = management
		}
		written = append(written, sandbox.Resource{Kind: kind, Account: in, Region: home, Name: name})
	}
	written = append(written, sandbox.Resource{Kind: sandbox.Secret, Account: account, Region: home, Name: run.Name("made")})
	removed := l.cleanup(t, run, written)
	if len(removed.Gone) != 1 || removed.Gone[0].Name != run.Name("made") {
		t.Errorf("removed %v", removed.Gone)
	}
	if err := own.Read(t.Context(), run.Name("made")); !sandbox.Gone(err) {
		t.Errorf("the secret is there: %v", err)
	}
}

// A name alone proves nothing, and neither does a tag.
func TestNothingIsTouchedThatHasNotBothNameAndTag(t *testing.T) {
	l := start(t, localaws.Options{Seed: 1})
	tagged := []map[string]any{{"Key": sandbox.TagKey, "Value": string(run)}}
	for name, tags := range map[string]any{
		run.Name("untagged"): nil, "production/db": tagged, // either alone
		run.Name("other"): []map[string]any{{"Key": sandbox.TagKey, "Value": "another"}},
		sandbox.Run("anotherrun").Name("of-theirs"): []map[string]any{{"Key": sandbox.TagKey, "Value": "another"}},
	} {
		in := map[string]any{"Name": name, "SecretString": "x"}
		if tags != nil {
			in["Tags"] = tags
		}
		if _, err := l.As("test.amazonaws.com", account, home, "secretsmanager", "CreateSecret", in); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{run.Name("role"), run.Name("role-2")} {
		l.AddRole(account, name, `{"Version":"2012-10-17","Statement":[]}`)
	}
	if _, err := l.As("test.amazonaws.com", account, home, "kms", "CreateKey", map[string]any{"Description": run.Name("key")}); err != nil {
		t.Fatal(err)
	}
	own := l.session(t, account, "role/Sandbox/me", run, unwritten)
	removed, err := conformance.Cleanup(t.Context(), map[string]*sandbox.Session{account: own}, []string{home}, sandbox.Kinds(), []sandbox.Resource{
		{Kind: sandbox.Secret, Account: account, Region: home, Name: "production/db"},
		{Kind: sandbox.Role, Account: account, Region: home, Name: "Admin"},
		{Kind: sandbox.Secret, Account: "123412341234", Region: home, Name: run.Name("elsewhere")},
	}, nil)
	if err != nil || len(removed.Gone) > 0 {
		t.Fatalf("removed %v, %v", removed.Gone, err)
	}
	if len(removed.Foreign) != 5 || len(removed.Left) != 3 { // two secrets, two roles and a key have the name alone
		t.Errorf("%v for want of the tag, left %v", removed.Foreign, removed.Left)
	}
	for _, name := range []string{run.Name("untagged"), run.Name("other"), "production/db", sandbox.Run("anotherrun").Name("of-theirs")} {
		if _, err := own.Describe(t.Context(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Somebody else's connection with a name that only begins as ours do, or is of another run, is not ours to look at.
func TestAConnectionOfSomebodyElseIsNoFailureOfARunOrACleanup(t *testing.T) {
	l := start(t, localaws.Options{Seed: 1})
	for _, name := range []string{"doublelock-conformance-q", sandbox.Run("anotherrun").Name("q01-connection"), run.Name("q01-connection")} {
		if _, err := l.As("test.amazonaws.com", account, home, "events", "CreateConnection", map[string]any{"Name": name, "AuthorizationType": "API_KEY",
			"AuthParameters": map[string]any{"ApiKeyAuthParameters": map[string]any{"ApiKeyName": "x", "ApiKeyValue": "y"}}}); err != nil {
			t.Fatal(err)
		}
	}
	for of, foreign := range map[sandbox.Run]int{run: 1, sandbox.AnyRun: 2} {
		if removed := l.cleanup(t, of, nil); len(removed.Gone) > 0 || len(removed.Foreign) != foreign {
			t.Errorf("run %q: removed %v, foreign %v", of, removed.Gone, removed.Foreign)
		}
	}
	if left := l.left(t); len(left) != 6 { // each with the secret that EventBridge keeps for it
		t.Errorf("%v are there", left)
	}
}

func TestNothingIsRemovedForWhatIsNoIDOfARun(t *testing.T) {
	l := start(t, localaws.Options{Seed: 1})
	for _, id := range []sandbox.Run{"a", "abcdefghi1", "ABCDEFGHIJ", "abcdefghijk", "abcde%ghij", "*"} {
		own := l.session(t, account, "role/Sandbox/me", id, unwritten)
		if _, err := own.Remove(t.Context(), sandbox.Resource{Kind: sandbox.Secret, Account: account, Region: home, Name: id.Name("s")}); err == nil {
			t.Errorf("%q counts as a run", id)
		}
		if _, err := conformance.ReadState([]byte(`{"format":1,"run":"` + string(id) + `","account":"` + account + `","region":"` + home + `"}`)); err == nil {
			t.Errorf("a state of run %q is read", id)
		}
	}
}

func TestNothingIsMadeThatCouldNotBeWrittenDown(t *testing.T) {
	l := start(t, localaws.Options{Seed: 1})
	full := errors.New("no space left on device")
	journal, err := conformance.NewJournal(conformance.State{Run: run, Account: account, Region: home}, func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	own := l.session(t, account, "role/Sandbox/me", run, func(r sandbox.Resource) error { return errors.Join(journal.Intend(r), full) })
	if _, err := own.CreateSecret(t.Context(), "s", ""); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if _, err := own.CreateKey(t.Context(), "k"); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	if left := l.left(t); len(left) > 0 {
		t.Errorf("made %v", left)
	}
	if n := len(journal.State().Resources); n != 2 {
		t.Errorf("%d written down", n)
	}
}
