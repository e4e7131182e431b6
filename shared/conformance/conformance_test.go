package conformance_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
)

func TestTheLocalAWSAnswersAsTheTableSaysItDoes(t *testing.T) {
	t.Parallel()
	without := map[string]conformance.Result{ // what it has nothing of
		"events.schedule.foreign-bus":  {Verdict: conformance.Unanswered, Reason: conformance.NotShown},
		"scheduler.universal.put-rule": {Verdict: conformance.Unanswered, Reason: conformance.NoOperation},
		"cloudformation.key-removed":   {Verdict: conformance.Unanswered, Reason: conformance.NoOperation},
	}
	results := plain(t)
	if len(results) != len(conformance.Questions()) || len(results) < 30 {
		t.Fatalf("%d results, %d questions", len(results), len(conformance.Questions()))
	}
	for _, r := range results {
		want, other := without[r.Question]
		if !other {
			want = conformance.Result{Verdict: conformance.Agrees, Answer: r.Assumed}
		}
		if r.Verdict != want.Verdict || r.Answer != want.Answer || r.Reason != want.Reason {
			t.Errorf("%s: %s %q (%s %s), want %s %q %s", r.Question, r.Verdict, r.Answer, r.Reason, r.Detail, want.Verdict, want.Answer, want.Reason)
		}
	}
}

// Asked at once, as of AWS, the answers are the same: no question sees what another makes.
func TestQuestionsDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	l := start(t, localaws.Options{Seed: 2})
	results := conformance.Ask(t.Context(), conformance.Options{Own: l.session(t, account, "role/Sandbox/me", run, unwritten), Second: far,
		Patience: conformance.ForDouble(), Parallel: 12, Now: time.Now})
	for _, r := range results {
		if r.Verdict != conformance.Agrees && r.Assumed != "" {
			t.Errorf("%s: %s %q (%s %s)", r.Question, r.Verdict, r.Answer, r.Reason, r.Detail)
		}
	}
}

// Every behavior that a report can choose is seen by the question that it is the answer to, and every behavior can be chosen.
func TestTheLocalAWSFollowsEveryAnswerThatItCan(t *testing.T) {
	t.Parallel()
	chosen := map[string]bool{}
	for _, q := range conformance.Questions() {
		for _, c := range q.Choices {
			if c.Set == nil {
				continue
			}
			t.Run(q.ID+"/"+string(c.Answer), func(t *testing.T) {
				report := conformance.NewReport("test", conformance.AWS, time.Time{}, []conformance.Result{{Question: q.ID, Answer: c.Answer, Assumed: q.Assumed}})
				behavior, left := report.Behavior()
				if len(left) > 0 {
					t.Errorf("left: %v", left)
				}
				for _, field := range set(behavior) {
					chosen[field] = true
				}
				if changes := behavior != (localaws.Behavior{}); changes != (c.Answer != q.Assumed) {
					t.Errorf("behavior %+v for %s, which it assumes to be %s", behavior, c.Answer, q.Assumed)
				}
				for _, r := range start(t, localaws.Options{Seed: 1, Behavior: behavior}).ask(t, q.ID) {
					if r.Answer != c.Answer {
						t.Errorf("answers %q (%s %s), want %q", r.Answer, r.Reason, r.Detail, c.Answer)
					}
				}
			})
		}
	}
	for field := range reflect.TypeFor[localaws.Behavior]().Fields() {
		if !chosen[field.Name] {
			t.Errorf("Behavior.%s: no answer chooses it", field.Name)
		}
	}
}

// set lists the fields of a behavior that are not as always.
func set(b localaws.Behavior) []string {
	var names []string
	value := reflect.ValueOf(b)
	for i := range value.NumField() {
		if !value.Field(i).IsZero() {
			names = append(names, value.Type().Field(i).Name)
		}
	}
	return names
}

func TestAnAnswerThatTheLocalAWSCannotFollowIsNamed(t *testing.T) {
	report := conformance.NewReport("test", conformance.AWS, time.Time{}, []conformance.Result{
		{Question: "secretsmanager.rekeyed.fallback", Answer: conformance.Refused}, {Question: "kms.disabled.delay", Answer: "seconds"}, {Question: "kms.trailing-days"}})
	behavior, left := report.Behavior()
	if diff := cmp.Diff([]conformance.Unfollowed{{Question: "secretsmanager.rekeyed.fallback", Answer: conformance.Refused, Reason: conformance.NoBehavior}}, left); diff != "" || behavior != (localaws.Behavior{}) {
		t.Errorf("%+v %s", behavior, diff)
	}
}

// No answer of a report is passed over in silence: the local AWS answers so, or it is named as one that it cannot follow.
func TestEachAnswerIsFollowedOrNamed(t *testing.T) {
	t.Parallel()
	own := map[string]conformance.Answer{}
	for _, r := range plain(t) {
		own[r.Question] = r.Answer
	}
	for _, q := range conformance.Questions() {
		for _, c := range q.Choices {
			report := conformance.NewReport("test", conformance.AWS, time.Time{}, []conformance.Result{{Question: q.ID, Answer: c.Answer}})
			behavior, left := report.Behavior()
			followed := behavior != (localaws.Behavior{}) || own[q.ID] == c.Answer // TestTheLocalAWSFollowsEveryAnswerThatItCan sees the first
			if named := slices.ContainsFunc(left, func(u conformance.Unfollowed) bool { return u.Question == q.ID }); named == followed {
				t.Errorf("%s: answer %s is followed %t, and named as not followed %t", q.ID, c.Answer, followed, named)
			}
		}
	}
}

func TestEachQuestionIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, q := range conformance.Questions() {
		if seen[q.ID] {
			t.Errorf("%s: twice", q.ID)
		}
		seen[q.ID] = true
		if !strings.HasSuffix(q.Title, "?") || !strings.HasPrefix(q.Document, "https://docs.aws.amazon.com/") || q.Play == nil || len(q.Choices) < 2 {
			t.Errorf("%s: %q, %q, %d choices", q.ID, q.Title, q.Document, len(q.Choices))
		}
		if _, known := q.Choice(q.Assumed); q.Assumed != "" && !known {
			t.Errorf("%s: assumes %q, which is no choice", q.ID, q.Assumed)
		}
		answers := map[conformance.Answer]bool{}
		for _, c := range q.Choices {
			if c.Answer == "" || c.Meaning == "" || answers[c.Answer] {
				t.Errorf("%s: choice %+v", q.ID, c.Answer)
			}
			answers[c.Answer] = true
		}
	}
}

// The policy that is printed is enough, and holds nothing that no run uses.
func TestTheRightsAreExactlyThoseThatARunTakes(t *testing.T) {
	t.Parallel()
	calls := map[string]bool{}
	l := start(t, localaws.Options{Seed: 1, OnRecord: func(r localaws.Record) {
		source, _ := r["eventSource"].(string)
		name, _ := r["eventName"].(string)
		service, _, _ := strings.Cut(source, ".")
		calls[service+":"+strings.TrimRight(name, "0123456789")] = true
	}})
	l.runClock(t, home)
	questions := conformance.Asked(nil, true)
	plain := conformance.Asked(nil, false)
	policy := conformance.Policy(plain, arn.Standard, account)
	l.AddRole(account, "Limited", `{"Version":"2012-10-17","Statement":[]}`, policy)
	l.AddRole(management, "Limited", `{"Version":"2012-10-17","Statement":[]}`, conformance.Policy(questions, arn.Standard, management))
	journal, err := conformance.NewJournal(conformance.State{Run: run, Account: account, Region: home}, func([]byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	own, manager := l.session(t, account, "role/Limited/me", run, journal.Intend), l.session(t, management, "role/Limited/me", run, journal.Intend)
	for _, r := range conformance.Ask(t.Context(), conformance.Options{Own: own, Management: manager, OU: ou, Second: far, Patience: conformance.ForDouble(), Parallel: 1, Now: time.Now}) {
		if r.Verdict == conformance.Unanswered && r.Reason != conformance.NoOperation {
			t.Errorf("%s: %s %s", r.Question, r.Reason, r.Detail)
		}
	}
	if err := manager.BindsOnly(t.Context(), ou, account); err != nil {
		t.Error(err)
	}
	if _, err := own.ManagementAccount(t.Context()); err != nil {
		t.Error(err)
	}
	removed, err := conformance.Cleanup(t.Context(), map[string]*sandbox.Session{account: own, management: manager}, []string{home, far}, sandbox.Kinds(), journal.State().Resources, nil)
	if err != nil || len(removed.Left) > 0 {
		t.Errorf("%v %v", err, removed.Left)
	}
	byAWS := []string{"kms:TagResource", "iam:TagRole", "iam:PassRole", "lambda:TagResource", "lambda:InvokeFunction", "events:TagResource", "sqs:TagQueue", "organizations:TagResource",
		"iam:CreateServiceLinkedRole", "secretsmanager:CancelRotateSecret", "sqs:ReceiveMessage", "events:PutEvents"} // asked on the way, or no management event
	notHere := []string{"scheduler", "cloudformation"} // the local AWS has neither
	for _, action := range conformance.Rights(questions) {
		service, _, _ := strings.Cut(action, ":")
		if !calls[action] && !slices.Contains(byAWS, action) && !slices.Contains(notHere, service) && action != "secretsmanager:GetRandomPassword" { // for CloudFormation
			t.Errorf("%s: no run uses it", action)
		}
	}
	if size := len(strings.Join(strings.Fields(policy), "")); size > 6144 {
		t.Errorf("the policy has %d characters without white space; a managed policy has 6144 at most", size)
	}
}
