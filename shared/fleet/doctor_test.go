package fleet_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

const (
	management = "111111111111"
	hub        = "222222222222"
	member     = "333333333333"
	home       = "eu-central-1"
	busARN     = "arn:aws:events:" + home + ":" + hub + ":event-bus/doublelock"
	goodPolicy = `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"events:PutEvents","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorgid","events:eventBusInvocation":"true"}}}]}`
	scpContent = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`
)

// fakeOrganization is an organization in which all is well, until a test changes an answer.
type fakeOrganization struct {
	accounts []fleet.Account
	scps     []fleet.SCP
	roles    map[string]string // trust policies
	trails   []fleet.Trail
	rules    map[string]fleet.Rule
	waiting  int
	policy   string
	queues   map[string]fleet.Queue
	function fleet.Function
	brake    store.Turn
	aside    int              // rows in quarantine
	late     int              // notices that wait
	broken   map[string]error // by call, or by call and account

	mu      sync.Mutex
	running int
	most    int
}

// trusts is the trust policy of a member role as infra deploys it.
func trusts(functions ...string) string {
	for i := range functions {
		functions[i] = `"arn:aws:iam::` + hub + ":role/" + functions[i] + `"`
	}
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + hub + `:root"},"Action":"sts:AssumeRole","Condition":{
		"ArnLike":{"aws:PrincipalArn":[` + strings.Join(functions, ",") + `]},"StringEquals":{"aws:PrincipalOrgID":["o-exampleorgid"]},"StringLike":{"sts:RoleSessionName":["doublelock-*"]}}}]}`
}

func newFakeOrganization() *fakeOrganization {
	target := []fleet.Target{{ARN: busARN, RoleARN: "arn:aws:iam::" + member + ":role/doublelock-forward", DLQ: "arn:aws:sqs:" + home + ":" + member + ":doublelock-forward-dlq"}}
	return &fakeOrganization{
		accounts: []fleet.Account{{ID: member, Name: "shop"}},
		scps:     []fleet.SCP{{Name: "doublelock-keys", Content: scpContent, Targets: []string{"ou-1", "ou-2"}}},
		roles:    map[string]string{"doublelock-read": trusts("doublelock-detect"), "doublelock-tag": trusts("doublelock-detect"), "doublelock-change": trusts("doublelock-sweep"), "doublelock-forward": "{}", "Admin": "{}"},
		trails:   []fleet.Trail{{Name: "old"}, {Name: "all", Logging: true}},
		rules: map[string]fleet.Rule{
			"doublelock-labels":       {State: "ENABLED", Pattern: `{"source":["aws.secretsmanager"], "detail-type":["Secret Label Updated"]}`, Targets: target},
			"doublelock-denied-reads": {State: "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS", Targets: target},
		},
		policy:   goodPolicy,
		queues:   map[string]fleet.Queue{"doublelock-detect": {Parks: true, Waiting: 3}, "doublelock-detect-dlq": {}},
		function: fleet.Function{State: "Active", CodeSHA256: "6R8d0f1WmNnEXAMPLEsum", Config: "{}", ModifiedAt: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)},
		broken:   map[string]error{},
	}
}

func (c *fakeOrganization) err(call, account string) error {
	return errors.Join(c.broken[call], c.broken[call+" "+account])
}

func (c *fakeOrganization) Enter(_ context.Context, account, role string) error {
	if role != "doublelock-read" {
		return c.err("take", role)
	}
	c.mu.Lock()
	c.running++
	c.most = max(c.most, c.running)
	c.mu.Unlock()
	time.Sleep(time.Millisecond)
	c.mu.Lock()
	c.running--
	c.mu.Unlock()
	return c.err("enter", account)
}

func (c *fakeOrganization) Roles(_ context.Context, account string) (map[string]string, error) {
	return c.roles, c.err("roles", account)
}

func (c *fakeOrganization) Trails(_ context.Context, account, _ string) ([]fleet.Trail, error) {
	return c.trails, c.err("trails", account)
}

func (c *fakeOrganization) Rule(ctx context.Context, account, _, name string) (fleet.Rule, error) {
	if _, limited := ctx.Deadline(); !limited {
		return fleet.Rule{}, errors.New("a call without a time limit")
	}
	rule, found := c.rules[name]
	if !found {
		return rule, fmt.Errorf("describe rule: %w", guard.ErrGone)
	}
	return rule, c.err("rule", account)
}

func (c *fakeOrganization) Waiting(_ context.Context, account, _, _ string) (int, error) {
	return c.waiting, c.err("waiting", account)
}

func (c *fakeOrganization) Accounts(context.Context) ([]fleet.Account, error) {
	return c.accounts, c.err("accounts", "")
}

func (c *fakeOrganization) SCPs(context.Context) ([]fleet.SCP, error) {
	return c.scps, c.err("scps", "")
}

func (c *fakeOrganization) BusPolicy(context.Context) (string, error) {
	return c.policy, c.err("bus", "")
}

func (c *fakeOrganization) Queue(_ context.Context, name string) (fleet.Queue, error) {
	q, found := c.queues[name]
	if !found {
		return q, fmt.Errorf("find queue: %w", guard.ErrGone)
	}
	return q, c.err("queue", "")
}

func (c *fakeOrganization) Function(context.Context, string) (fleet.Function, error) {
	return c.function, c.err("function", "")
}

func (c *fakeOrganization) Unreadable(context.Context) (int, error) {
	return c.aside, c.err("table", "")
}

func (c *fakeOrganization) Late(context.Context) (int, error) {
	return c.late, c.err("table", "")
}

func (c *fakeOrganization) Brake(context.Context) (store.Brake, error) {
	return store.Brake{}.Turned(c.brake), c.err("table", "")
}

func (c *fakeOrganization) doctor() *fleet.Doctor {
	return &fleet.Doctor{Members: c, Organization: c, Hub: c, Concurrency: 2, Expected: fleet.Expected{
		OrganizationID: "o-exampleorgid", Management: management, Hub: hub, Home: home, Regions: []string{home}, BusARN: busARN,
		ForwardRole: "doublelock-forward", DeadLetters: "doublelock-forward-dlq", Roles: []fleet.ExpectedRole{
			{Name: "doublelock-read", Takers: []string{"arn:aws:iam::" + hub + ":role/doublelock-detect"}}, {Name: "doublelock-tag", Takers: []string{"arn:aws:iam::" + hub + ":role/doublelock-detect"}},
			{Name: "doublelock-change", Takers: []string{"arn:aws:iam::" + hub + ":role/doublelock-sweep"}}},
		Rules:   []fleet.ExpectedRule{{Name: "doublelock-labels", State: "ENABLED", Pattern: `{"detail-type":["Secret Label Updated"],"source":["aws.secretsmanager"]}`}, {Name: "doublelock-denied-reads", State: "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"}},
		SCPs:    []fleet.SCP{{Name: "doublelock-keys", Content: " " + strings.ReplaceAll(scpContent, ",", " ,\n"), Targets: []string{"ou-1", "ou-2"}}},
		Workers: []string{"doublelock-detect"}, Config: "{}",
	}}
}

func line(r fleet.Row) string {
	return strings.TrimSpace(fmt.Sprintf("%s %s/%s: %s", r.Status, r.Check, r.Subject, r.Detail))
}

func TestDoctorNamesWhatIsWrong(t *testing.T) {
	sentElsewhere := func(change func(*fleet.Target)) func(*fakeOrganization) {
		return func(c *fakeOrganization) {
			targets := slices.Clone(c.rules["doublelock-labels"].Targets)
			change(&targets[0])
			c.rules["doublelock-labels"] = fleet.Rule{State: "ENABLED", Pattern: c.rules["doublelock-labels"].Pattern, Targets: targets}
		}
	}
	bus := func(policy string) func(*fakeOrganization) { return func(c *fakeOrganization) { c.policy = policy } }
	for name, tt := range map[string]struct {
		change func(*fakeOrganization)
		want   []string // rows that are not ok
	}{
		"nothing": {change: func(*fakeOrganization) {}},
		"no list of accounts": {
			change: func(c *fakeOrganization) { c.broken["accounts"] = guard.ErrDenied },
			want:   []string{"unknown organization/o-exampleorgid: access denied", "fail forward rule/doublelock-denied-reads: it does not send with the role doublelock-forward", "fail forward rule/doublelock-labels: it does not send with the role doublelock-forward"},
		},
		"an account that cannot be entered": {
			change: func(c *fakeOrganization) { c.broken["enter"] = guard.ErrNotOurs },
			want:   []string{"fail member role/doublelock-read: not in a guarded account or Region", "skipped trail/: the account could not be entered"},
		},
		"an account that is throttled": {
			change: func(c *fakeOrganization) { c.broken["enter"] = guard.ErrThrottled },
			want:   []string{"unknown member role/doublelock-read: throttled", "skipped trail/: the account could not be entered"},
		},
		"roles that cannot be listed": {
			change: func(c *fakeOrganization) { c.broken["roles"] = guard.ErrDenied },
			want:   []string{"unknown role/doublelock-change: access denied", "unknown role/doublelock-forward: access denied", "unknown role/doublelock-tag: access denied"},
		},
		"a role that was deleted":       {change: func(c *fakeOrganization) { delete(c.roles, "doublelock-tag") }, want: []string{"fail role/doublelock-tag: the role does not exist"}},
		"no trail":                      {change: func(c *fakeOrganization) { c.trails = nil }, want: []string{"fail trail/: no trail records here"}},
		"a trail that was stopped":      {change: func(c *fakeOrganization) { c.trails = c.trails[:1] }, want: []string{"fail trail/old: stopped: old"}},
		"trails that cannot be read":    {change: func(c *fakeOrganization) { c.broken["trails"] = guard.ErrThrottled }, want: []string{"unknown trail/: throttled"}},
		"a rule that was deleted":       {change: func(c *fakeOrganization) { delete(c.rules, "doublelock-labels") }, want: []string{"fail forward rule/doublelock-labels: the rule does not exist"}},
		"a rule that cannot be read":    {change: func(c *fakeOrganization) { c.broken["rule"] = guard.ErrDenied }, want: []string{"unknown forward rule/doublelock-denied-reads: access denied", "unknown forward rule/doublelock-labels: access denied"}},
		"a rule that receives no reads": {change: func(c *fakeOrganization) { c.rules["doublelock-denied-reads"] = c.rules["doublelock-labels"] }, want: []string{"fail forward rule/doublelock-denied-reads: state is ENABLED, not ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"}},
		"a rule that receives less": {change: func(c *fakeOrganization) {
			r := c.rules["doublelock-labels"]
			r.Pattern = `{"source":["none"]}`
			c.rules["doublelock-labels"] = r
		}, want: []string{"fail forward rule/doublelock-labels: its event pattern was changed"}},
		"a rule without targets": {change: func(c *fakeOrganization) {
			c.rules["doublelock-labels"] = fleet.Rule{State: "ENABLED", Pattern: c.rules["doublelock-labels"].Pattern}
		}, want: []string{"fail forward rule/doublelock-labels: it does not send to the hub's bus"}},
		"a rule to another bus":       {change: sentElsewhere(func(t *fleet.Target) { t.ARN += "2" }), want: []string{"fail forward rule/doublelock-labels: it does not send to the hub's bus"}},
		"a rule with another role":    {change: sentElsewhere(func(t *fleet.Target) { t.RoleARN = "" }), want: []string{"fail forward rule/doublelock-labels: it does not send with the role doublelock-forward"}},
		"a rule that loses events":    {change: sentElsewhere(func(t *fleet.Target) { t.DLQ = "" }), want: []string{"fail forward rule/doublelock-labels: it does not keep what it cannot send in doublelock-forward-dlq"}},
		"events that were lost":       {change: func(c *fakeOrganization) { c.waiting = 2 }, want: []string{"fail dead letters/doublelock-forward-dlq: 2 events could not be sent to the hub"}},
		"no queue for lost events":    {change: func(c *fakeOrganization) { c.broken["waiting"] = guard.ErrGone }, want: []string{"fail dead letters/doublelock-forward-dlq: does not exist"}},
		"an SCP that was deleted":     {change: func(c *fakeOrganization) { c.scps = nil }, want: []string{"fail scp/doublelock-keys: the policy does not exist"}},
		"an SCP that was detached":    {change: func(c *fakeOrganization) { c.scps[0].Targets = []string{"ou-2"} }, want: []string{"fail scp/doublelock-keys: not attached to ou-1"}},
		"an SCP that was changed":     {change: func(c *fakeOrganization) { c.scps[0].Content = "{}" }, want: []string{"fail scp/doublelock-keys: its content was changed: sha256 44136fa355b3, not c0550d8a8ef8"}},
		"SCPs that cannot be read":    {change: func(c *fakeOrganization) { c.broken["scps"] = guard.ErrDenied }, want: []string{"unknown scp/doublelock-keys: access denied"}},
		"no bus":                      {change: func(c *fakeOrganization) { c.broken["bus"] = guard.ErrGone }, want: []string{"fail bus policy/doublelock: does not exist"}},
		"a bus without a policy":      {change: bus(""), want: []string{"fail bus policy/doublelock: the bus has no policy, so no account can send to it"}},
		"a bus open to all":           {change: bus(strings.Replace(goodPolicy, "StringEquals", "StringLike", 1)), want: []string{"fail bus policy/doublelock: the policy of the bus lets accounts outside the organization send"}},
		"a bus of another house":      {change: bus(strings.Replace(goodPolicy, "o-exampleorgid", "o-other", 1)), want: []string{"fail bus policy/doublelock: the policy of the bus lets accounts outside the organization send"}},
		"a bus open to all, in words": {change: bus(`{"Statement":[{"Effect":"Allow","Principal":"*","Action":["events:PutEvents"]}]}`), want: []string{"fail bus policy/doublelock: the policy of the bus lets accounts outside the organization send"}},
		"a bus for any call":          {change: bus(strings.Replace(goodPolicy, `,"events:eventBusInvocation":"true"`, "", 1)), want: []string{"fail bus policy/doublelock: the policy of the bus lets accounts put events there that no rule forwarded"}},
		"a bus for one account":       {change: bus(strings.Replace(goodPolicy, `"*"`, `["333333333333"]`, 1)), want: []string{"fail bus policy/doublelock: the policy of the bus does not let the accounts of the organization send"}},
		"a bus with a strange policy": {change: bus("{"), want: []string{"fail bus policy/doublelock: the policy of the bus cannot be read: unexpected end of JSON input"}},
		"a queue that was deleted":    {change: func(c *fakeOrganization) { delete(c.queues, "doublelock-detect") }, want: []string{"fail queue/doublelock-detect: the queue does not exist"}},
		"no queue for what fails":     {change: func(c *fakeOrganization) { delete(c.queues, "doublelock-detect-dlq") }, want: []string{"fail queue/doublelock-detect-dlq: the queue does not exist"}},
		"a queue that loses":          {change: func(c *fakeOrganization) { c.queues["doublelock-detect"] = fleet.Queue{} }, want: []string{"fail queue/doublelock-detect: it has no queue to park what fails"}},
		"messages that failed":        {change: func(c *fakeOrganization) { c.queues["doublelock-detect-dlq"] = fleet.Queue{Waiting: 1, InFlight: 1} }, want: []string{"fail queue/doublelock-detect-dlq: 2 messages could not be handled"}},
		"queues that cannot be read":  {change: func(c *fakeOrganization) { c.broken["queue"] = guard.ErrDenied }, want: []string{"unknown queue/doublelock-detect: access denied", "unknown queue/doublelock-detect-dlq: access denied"}},
		"no table":                    {change: func(c *fakeOrganization) { c.broken["table"] = guard.ErrGone }, want: []string{"fail table/doublelock: the table does not exist", "fail table/outbox: the table does not exist", "fail brake/changes: the table does not exist"}},
		"a table not to be read":      {change: func(c *fakeOrganization) { c.broken["table"] = guard.ErrDenied }, want: []string{"unknown table/doublelock: access denied", "unknown table/outbox: access denied", "unknown brake/changes: access denied"}},
		"notices that wait":           {change: func(c *fakeOrganization) { c.late = 2 }, want: []string{"fail table/outbox: 2 notices have waited for more than an hour"}},
		"changes are paused": {change: func(c *fakeOrganization) {
			c.brake = store.Turn{On: true, By: "arn:alice", At: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC), Reason: "INC-7"}
		}, want: []string{"fail brake/changes: changes are paused since 2026-06-01T09:00:00Z by arn:alice: INC-7"}},
		"changes were paused once":    {change: func(c *fakeOrganization) { c.brake = store.Turn{By: "arn:alice", Reason: "INC-7"} }},
		"rows that cannot be read":    {change: func(c *fakeOrganization) { c.aside = 3 }, want: []string{"fail table/doublelock: 3 rows could not be read and are in quarantine"}},
		"a function that was deleted": {change: func(c *fakeOrganization) { c.broken["function"] = guard.ErrGone }, want: []string{"fail function/doublelock-detect: the function does not exist"}},
		"a function not to be read":   {change: func(c *fakeOrganization) { c.broken["function"] = guard.ErrDenied }, want: []string{"unknown function/doublelock-detect: access denied"}},
		"a function that failed":      {change: func(c *fakeOrganization) { c.function.State = "Failed" }, want: []string{"fail function/doublelock-detect: the function is in state Failed"}},
		"a function that is coming":   {change: func(c *fakeOrganization) { c.function.State = "Pending" }, want: []string{"unknown function/doublelock-detect: the function is in state Pending"}},
		"a function with old orders":  {change: func(c *fakeOrganization) { c.function.Config = "" }, want: []string{"fail function/doublelock-detect: it runs with another configuration than the file has"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newFakeOrganization()
			tt.change(c)
			rows := c.doctor().Run(t.Context())
			var got []string
			for _, r := range rows {
				if r.Status != fleet.OK {
					got = append(got, line(r))
				}
				if (r.Status == fleet.Fail || r.Status == fleet.Unknown) != (r.Fix != "") || r.Detail == "" || len(r.Account) != 12 {
					t.Errorf("row %+v", r)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if fleet.Healthy(rows) != (len(tt.want) == 0) {
				t.Errorf("healthy: %v", fleet.Healthy(rows))
			}
		})
	}
}

// The role is there, and the hub is refused: until a migration fails nobody would know.
func TestDoctorFindsARoleThatTheHubCannotTake(t *testing.T) {
	const role = "doublelock-change"
	trust := func(document string) func(*fakeOrganization) {
		return func(c *fakeOrganization) { c.roles[role] = document }
	}
	refused := func(c *fakeOrganization) { c.broken["take "+role] = guard.ErrNotOurs }
	both := func(changes ...func(*fakeOrganization)) func(*fakeOrganization) {
		return func(c *fakeOrganization) {
			for _, change := range changes {
				change(c)
			}
		}
	}
	for name, tt := range map[string]struct {
		change  func(*fakeOrganization)
		want    string
		healthy bool
	}{
		"who asks may take it":                     {func(*fakeOrganization) {}, "ok taking role/doublelock-change: taken; the trust policy lets doublelock-sweep in", true},
		"who asks is a reader":                     {refused, "unknown taking role/doublelock-change: these credentials may not take it, so it is not proven that the hub can; the trust policy lets doublelock-sweep in", true},
		"the trust policy names another":           {trust(trusts("doublelock-alert")), "fail taking role/doublelock-change: the trust policy does not let doublelock-sweep of the hub take it", false},
		"it asks for another organization":         {trust(strings.ReplaceAll(trusts("doublelock-sweep"), "o-exampleorgid", "o-other")), "fail taking role/doublelock-change: the trust policy does not let doublelock-sweep of the hub take it", false},
		"it names nobody, to a reader":             {both(refused, trust(`{"Version":"2012-10-17","Statement":[]}`)), "fail taking role/doublelock-change: the trust policy does not let doublelock-sweep of the hub take it", false},
		"it cannot be judged, by a reader":         {both(refused, trust("{")), "unknown taking role/doublelock-change: these credentials may not take it, and whether the hub may is not certain: ", false},
		"it asks for an external id":               {both(refused, trust(strings.ReplaceAll(trusts("doublelock-sweep"), `"sts:RoleSessionName"`, `"sts:ExternalId":"x","sts:RoleSessionName"`))), "fail taking role/doublelock-change: the trust policy does not let doublelock-sweep of the hub take it", false},
		"it asks for an address, of a reader":      {both(refused, trust(strings.ReplaceAll(trusts("doublelock-sweep"), `"StringEquals"`, `"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"StringEquals"`))), "unknown taking role/doublelock-change: these credentials may not take it, and whether the hub may is not certain: unknown: not given aws:SourceIp", false},
		"it refuses a tag that it may have":        {both(refused, trust(strings.ReplaceAll(trusts("doublelock-sweep"), `"StringEquals"`, `"StringNotEquals":{"aws:PrincipalTag/stage":"old"},"StringEquals"`))), "unknown taking role/doublelock-change: these credentials may not take it, and whether the hub may is not certain: unknown: not given aws:PrincipalTag/stage", false},
		"AWS does not answer":                      {func(c *fakeOrganization) { c.broken["take "+role] = guard.ErrThrottled }, "unknown taking role/doublelock-change: throttled", false},
		"the role is gone, which another row says": {func(c *fakeOrganization) { delete(c.roles, role) }, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			c := newFakeOrganization()
			tt.change(c)
			rows := c.doctor().Run(t.Context())
			got := ""
			for _, r := range rows {
				if r.Check == fleet.CheckTake && r.Subject == role {
					got += line(r)
					if (r.Status == fleet.OK) != (r.Fix == "") {
						t.Errorf("row %+v", r)
					}
				}
			}
			if !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if fleet.Healthy(rows) != tt.healthy {
				t.Errorf("healthy: %v, %+v", !tt.healthy, fleet.Findings(rows))
			}
		})
	}
}

func TestOneAccountIsARowAndTheOthersAreLookedAt(t *testing.T) {
	c := newFakeOrganization()
	c.accounts = nil
	for i := range 20 {
		c.accounts = append(c.accounts, fleet.Account{ID: fmt.Sprintf("4444444444%02d", i)})
	}
	c.broken["enter 444444444407"] = guard.ErrNotOurs
	d := c.doctor()
	var seen []int
	d.Progress = func(done, total int, _ string) {
		if total != 22 { // the organization and the hub are looked at like an account
			t.Errorf("progress of %d", total)
		}
		seen = append(seen, done)
	}
	rows := d.Run(t.Context())
	entered := map[fleet.Status]int{}
	for _, r := range rows {
		if r.Check == fleet.CheckEnter {
			entered[r.Status]++
		}
	}
	if diff := cmp.Diff(map[fleet.Status]int{fleet.OK: 19, fleet.Fail: 1}, entered); diff != "" {
		t.Errorf("entered (-want +got):\n%s", diff)
	}
	if len(seen) != 22 || !slices.IsSorted(seen) || c.most > 2 {
		t.Errorf("progress %v, %d at once", seen, c.most)
	}
	again := c.doctor().Run(t.Context())
	if diff := cmp.Diff(rows, again); diff != "" {
		t.Errorf("two runs differ:\n%s", diff)
	}
}

func TestRulesInLocationsThatAreNotGuarded(t *testing.T) {
	c := newFakeOrganization()
	d := c.doctor()
	d.Expected.Elsewhere = []fleet.ExpectedLocation{{Account: member, Region: "us-east-1", Rules: []fleet.ExpectedRule{{Name: "doublelock-tamper-policies", State: "ENABLED"}}}}
	findings := fleet.Findings(d.Run(t.Context()))
	if len(findings) != 1 || findings[0].Region != "us-east-1" || findings[0].Subject != "doublelock-tamper-policies" {
		t.Errorf("findings %+v", findings)
	}
}

func TestVitalChecksLookAtNothingElse(t *testing.T) {
	c := newFakeOrganization()
	rows, err := c.doctor().Vital(t.Context())
	if err != nil || len(rows) != 4 || !fleet.Healthy(rows) {
		t.Errorf("rows %v, error %v", rows, err)
	}
	c.broken["accounts"] = guard.ErrDenied
	if _, err := c.doctor().Vital(t.Context()); !errors.Is(err, guard.ErrDenied) {
		t.Errorf("error %v", err)
	}
}
