package simulate_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/simulate"
	"github.com/doublelock/doublelock/shared/trail"
)

// configured are the policies of an organization in which every stage has all of them.
func configured(t testing.TB, backlogMigrated bool) []simulate.Candidate {
	t.Helper()
	return configuredIn(t, "us-east-1", backlogMigrated)
}

func configuredIn(t testing.TB, region string, backlogMigrated bool) []simulate.Candidate {
	t.Helper()
	scps, err := preventive.SCPs(settings.Config{
		Organization: settings.Organization{ID: "o-exampleorgid", ManagementAccount: "111111111111", SecurityAccount: "222222222222"},
		Regions:      settings.Regions{Home: region, Guarded: []string{region}},
		BreakGlass:   []string{"arn:aws:iam::*:role/BreakGlass"},
		Rollout:      []settings.RolloutStage{{Targets: []string{"r-ab12"}, SCP: true, BacklogMigrated: backlogMigrated}},
	})
	if err != nil {
		t.Fatal(err)
	}
	candidates, err := simulate.Candidates(scps)
	if err != nil {
		t.Fatal(err)
	}
	return candidates
}

func trial(t testing.TB, candidates []simulate.Candidate, o simulate.Options) *simulate.Trial {
	t.Helper()
	trial, err := simulate.New(candidates, o)
	if err != nil {
		t.Fatal(err)
	}
	return trial
}

// event is a recorded call; who is a userIdentity, rest further fields.
func event(source, name, who, parameters, rest string) string {
	return `{"eventVersion":"1.11","userIdentity":` + who + `,"eventTime":"2026-09-01T12:00:00Z","eventSource":"` + source + `.amazonaws.com","eventName":"` + name +
		`","awsRegion":"us-east-1","sourceIPAddress":"192.0.2.10","userAgent":"aws-cli/2.30.0","requestParameters":` + parameters + `,"eventID":"e-1","eventType":"AwsApiCall","recipientAccountId":"111122223333"` + rest + `}`
}

func role(account, name string) string {
	return `{"type":"AssumedRole","arn":"arn:aws:sts::` + account + `:assumed-role/` + name + `/x","accountId":"` + account +
		`","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::` + account + `:role/` + name + `","userName":"` + name + `"}}}`
}

func under(name string, key guard.Key) guard.Secret {
	s := before(name, "AbCdEf")
	s.Key = key
	return s
}

func TestRecordedCalls(t *testing.T) {
	const own = "111122223333"
	viaSecretsManager := strings.TrimSuffix(role(own, "app"), "}") + `,"invokedBy":"secretsmanager.amazonaws.com"}`
	linked := `{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForRDS/x","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"}}}`
	managed := guard.Key{Manager: guard.ManagerAWS}
	customer := guard.Key{ARN: "arn:aws:kms:us-east-1:111122223333:key/11112222-3333-4444-5555-666677778888", Manager: guard.ManagerCustomer, Aliases: []string{"alias/app"}}
	known := simulate.Options{
		Keys:       map[string]guard.Key{customer.ARN: customer, "arn:aws:kms:us-east-1:111122223333:key/aaaa2222-3333-4444-5555-666677778888": managed},
		Secrets:    []guard.Secret{under("a/b", customer), under("old/b", managed)},
		Principals: map[string]simulate.Principal{"111122223333/role/doublelock-read": {ARN: "arn:aws:iam::111122223333:role/doublelock-read"}},
	}
	for name, tt := range map[string]struct {
		event     string
		options   simulate.Options
		early     bool // before the backlog is migrated: without the KMS layer
		want      simulate.Outcome
		statement string
	}{
		"a secret without a key":                                          {event: event("secretsmanager", "CreateSecret", role(own, "app"), `{"name":"a/b"}`, ``), want: simulate.Denied, statement: "doublelock-keys/KeyMissing"},
		"a secret with the default alias":                                 {event: event("secretsmanager", "CreateSecret", role(own, "app"), `{"name":"a/b","kmsKeyId":"alias/aws/secretsmanager"}`, ``), want: simulate.Denied, statement: "doublelock-keys/DefaultAlias"},
		"a secret with an alias of the account":                           {event: event("secretsmanager", "CreateSecret", role(own, "app"), `{"name":"a/b","kmsKeyId":"alias/app"}`, ``), want: simulate.Passes},
		"a secret with a key id":                                          {event: event("secretsmanager", "CreateSecret", role(own, "app"), `{"name":"a/b","kmsKeyId":"11112222-3333-4444-5555-666677778888"}`, ``), options: known, want: simulate.Passes},
		"a key id that nobody knows":                                      {event: event("secretsmanager", "CreateSecret", role(own, "app"), `{"name":"a/b","kmsKeyId":"99992222-3333-4444-5555-666677778888"}`, ``), want: simulate.Unknown, statement: "doublelock-kms/DefaultKeyUse"},
		"the AWS managed key by its id":                                   {event: event("secretsmanager", "CreateSecret", role(own, "app"), `{"name":"a/b","kmsKeyId":"aaaa2222-3333-4444-5555-666677778888"}`, ``), options: known, want: simulate.Unknown, statement: "doublelock-kms/DefaultKeyUse"},
		"a secret with a stranger's key":                                  {event: event("secretsmanager", "CreateSecret", role(own, "app"), `{"name":"a/b","kmsKeyId":"arn:aws:kms:us-east-1:999999999999:key/1"}`, ``), want: simulate.Denied, statement: "doublelock-keys/KeyNotApproved"},
		"an alias known to name a stranger's":                             {event: event("secretsmanager", "CreateSecret", role(own, "app"), `{"name":"a/b","kmsKeyId":"alias/app"}`, ``), options: simulate.Options{Aliases: map[string]string{appAlias: "arn:aws:kms:us-east-1:999999999999:key/1"}, Since: map[string]time.Time{appAlias: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}}, want: simulate.Denied, statement: "doublelock-keys/KeyNotApproved"},
		"a secret that RDS owns":                                          {event: event("secretsmanager", "CreateSecret", role(own, "app"), `{"name":"rds!db-1"}`, ``), early: true, want: simulate.Passes},
		"a secret that RDS owns, under the KMS layer":                     {event: event("secretsmanager", "CreateSecret", role(own, "app"), `{"name":"rds!db-1"}`, ``), want: simulate.Denied, statement: "doublelock-kms/DefaultKeyUse"},
		"one that RDS owns under a key of the account":                    {event: event("secretsmanager", "CreateSecret", role(own, "app"), `{"name":"rds!db-1","kmsKeyId":"alias/app"}`, ``), want: simulate.Passes},
		"an update without a key":                                         {event: event("secretsmanager", "UpdateSecret", role(own, "app"), `{"secretId":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a/b-AbCdEf"}`, ``), options: known, want: simulate.Passes},
		"an update that may write, of a secret under the AWS managed key": {event: event("secretsmanager", "UpdateSecret", role(own, "app"), `{"secretId":"old/b"}`, ``), options: known, want: simulate.Unknown, statement: "doublelock-kms/DefaultKeyUse"},
		"a new value of one":                                              {event: event("secretsmanager", "PutSecretValue", role(own, "app"), `{"secretId":"old/b"}`, ``), options: known, want: simulate.Denied, statement: "doublelock-kms/DefaultKeyUse"},
		"a new value of a secret that nobody knows":                       {event: event("secretsmanager", "PutSecretValue", role(own, "app"), `{"secretId":"other"}`, ``), options: known, want: simulate.Unknown, statement: "doublelock-kms/DefaultKeyUse"},
		"a new value under a key of the account":                          {event: event("secretsmanager", "PutSecretValue", role(own, "app"), `{"secretId":"a/b"}`, ``), options: known, want: simulate.Passes},
		"a read of one under the AWS managed key":                         {event: event("secretsmanager", "GetSecretValue", role(own, "app"), `{"secretId":"old/b"}`, ``), options: known, want: simulate.Passes},
		"a rotation of one":                                               {event: event("secretsmanager", "RotateSecret", role(own, "app"), `{"secretId":"old/b"}`, ``), options: known, want: simulate.Unknown, statement: "doublelock-kms/DefaultKeyUse"},
		"a replica without a key":                                         {event: event("secretsmanager", "ReplicateSecretToRegions", role(own, "app"), `{"secretId":"a/b","addReplicaRegions":[{"region":"eu-west-1"}]}`, ``), options: known, want: simulate.Denied, statement: "doublelock-kms/DefaultKeyUse"},
		"a replica with one":                                              {event: event("secretsmanager", "ReplicateSecretToRegions", role(own, "app"), `{"secretId":"a/b","addReplicaRegions":[{"region":"eu-west-1","kmsKeyId":"alias/app"}]}`, ``), options: known, want: simulate.Passes},
		"an empty key under the KMS layer":                                {event: event("secretsmanager", "UpdateSecret", role(own, "app"), `{"secretId":"a/b","kmsKeyId":""}`, ``), options: known, want: simulate.Unknown, statement: "doublelock-keys/DefaultAlias"},
		"an update with an empty key":                                     {event: event("secretsmanager", "UpdateSecret", role(own, "app"), `{"secretId":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a/b-AbCdEf","kmsKeyId":""}`, ``), early: true, want: simulate.Unknown, statement: "doublelock-keys/DefaultAlias"},
		"break-glass":                                                     {event: event("secretsmanager", "CreateSecret", role(own, "BreakGlass"), `{"name":"a/b"}`, ``), want: simulate.Exempt, statement: "doublelock-keys/KeyMissing"},
		"a service-linked role":                                           {event: event("secretsmanager", "CreateSecret", linked, `{"name":"a/b"}`, ``), want: simulate.Unbound},
		"the management account":                                          {event: event("secretsmanager", "CreateSecret", role("111111111111", "admin"), `{"name":"a/b"}`, ``), options: simulate.Options{ManagementAccount: "111111111111"}, want: simulate.Unbound},
		"a write under the AWS managed key":                               {event: event("kms", "GenerateDataKey", viaSecretsManager, `{"keyId":"alias/aws/secretsmanager","encryptionContext":{"SecretARN":"x"}}`, `,"resources":[{"ARN":"arn:aws:kms:us-east-1:111122223333:key/1","type":"AWS::KMS::Key"}]`), want: simulate.Denied, statement: "doublelock-kms/DefaultKeyUse"},
		"a data key that S3 asks for":                                     {event: event("kms", "GenerateDataKey", strings.TrimSuffix(role(own, "app"), "}")+`,"invokedBy":"s3.amazonaws.com"}`, `{"keyId":"alias/x"}`, ``), want: simulate.Passes},
		"a key switched off, last use unknown":                            {event: event("kms", "DisableKey", role(own, "admin"), `{"keyId":"1234"}`, ``), want: simulate.Unknown, statement: "doublelock-tamper/KeyInUse"},
		"a role of ours changed":                                          {event: event("iam", "PutRolePolicy", role(own, "admin"), `{"roleName":"doublelock-read"}`, ``), want: simulate.Unknown, statement: "doublelock-tamper/MemberRoles"},
		"a role of ours, by its whole ARN":                                {event: event("iam", "PutRolePolicy", role(own, "admin"), `{"roleName":"doublelock-read"}`, ``), options: known, want: simulate.Denied, statement: "doublelock-tamper/MemberRoles"},
		"a role of ours made":                                             {event: event("iam", "CreateRole", role(own, "admin"), `{"roleName":"doublelock-read"}`, ``), want: simulate.Denied, statement: "doublelock-tamper/MemberRoles"},
		"a role of another name":                                          {event: event("iam", "PutRolePolicy", role(own, "admin"), `{"roleName":"app"}`, ``), want: simulate.Passes},
		"our rule switched off":                                           {event: event("events", "DisableRule", role(own, "admin"), `{"name":"doublelock-forward"}`, ``), want: simulate.Denied, statement: "doublelock-tamper/ForwardRule"},
		"another rule switched off":                                       {event: event("events", "DisableRule", role(own, "admin"), `{"name":"nightly"}`, ``), want: simulate.Passes},
		"our stack deleted":                                               {event: event("cloudformation", "DeleteStack", role(own, "admin"), `{"stackName":"StackSet-doublelock-member-1"}`, ``), want: simulate.Denied, statement: "doublelock-tamper/MemberStack"},
		"a call nothing is about":                                         {event: event("s3", "ListBuckets", role(own, "app"), `null`, ``), want: simulate.Passes},
		"an event name with the API's version":                            {event: event("lambda", "Invoke20150331", role(own, "app"), `null`, ``), want: simulate.Passes},
	} {
		t.Run(name, func(t *testing.T) {
			call := recorded(t, tt.event)
			v := trial(t, configured(t, !tt.early), tt.options).Try(call)
			if v.Outcome != tt.want || v.Statement != tt.statement {
				t.Errorf("%s by %q, want %s by %q: %s", v.Outcome, v.Statement, tt.want, tt.statement, v.Decision.Why)
			}
		})
	}
}

func recorded(t *testing.T, text string) simulate.Call {
	t.Helper()
	var found []simulate.Call
	err := trail.Read(strings.NewReader(text), "test", func(r trail.Record) error {
		if r.Err != nil {
			return r.Err
		}
		if call, ok := simulate.FromTrail(r); ok {
			found = append(found, call)
		}
		return nil
	})
	if err != nil || len(found) != 1 {
		t.Fatalf("%d calls, %v", len(found), err)
	}
	return found[0]
}

func TestRecordsThatAreNoCalls(t *testing.T) {
	for name, text := range map[string]string{
		"a service event":      strings.Replace(event("kms", "RotateKey", `{"invokedBy":"AWS Internal"}`, `null`, ``), "AwsApiCall", "AwsServiceEvent", 1),
		"a caller without ARN": event("secretsmanager", "GetSecretValue", `{"type":"IdentityCenterUser","accountId":"444455556666","onBehalfOf":{"userId":"u"}}`, `{"secretId":"x"}`, ``),
		"no name":              event("secretsmanager", "", role("111122223333", "app"), `null`, ``),
	} {
		err := trail.Read(strings.NewReader(text), "test", func(r trail.Record) error {
			if call, ok := simulate.FromTrail(r); ok {
				t.Errorf("%s: taken for a call: %+v", name, call)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// What the policies close, and what they leave open before the backlog is migrated.
func TestWaysAround(t *testing.T) {
	open := func(migrated bool) (names []string) {
		for _, p := range trial(t, configured(t, migrated), simulate.Options{}).Probe("111122223333", "us-east-1", preventive.Approvals{}) {
			if p.Bad() {
				names = append(names, p.Probe.Name)
			}
		}
		return names
	}
	if diff := cmp.Diff([]string{"a secret that RDS creates and owns"}, open(true)); diff != "" { // honest, and denied: the note says how it passes
		t.Errorf("with the KMS layer: %s", diff)
	}
	want := []string{"create with the managed key's own ARN", "move to the managed key's own ARN", `move by an empty key ("")`,
		"create with a replica that names no key", "add a replica that names no key", "new value of a secret that is still on the managed key"}
	if diff := cmp.Diff(want, open(false)); diff != "" {
		t.Errorf("without it: %s", diff)
	}
}

// Whoever is to approve keys still can, whoever is not cannot, and aliases and tags that approve nothing are anybody's to write.
func TestWaysToApproveAKeyOneself(t *testing.T) {
	c := settings.Config{
		Organization: settings.Organization{SecurityAccount: "222222222222"}, Regions: settings.Regions{Home: "us-east-1"},
		Keys: settings.Keys{Approved: settings.Approved{Aliases: []string{"alias/ok"}, Tags: map[string]string{"approved": "yes"},
			Managers: []settings.Manager{{Role: "arn:aws:iam::*:role/KeyManager", Reason: "x"}}}},
		Rollout: []settings.RolloutStage{{Targets: []string{"r-ab12"}, ProtectApproval: true}},
	}
	bad := func(protect bool) (names []string) {
		c.Rollout[0].ProtectApproval = protect
		scps, err := preventive.SCPs(c)
		if err != nil {
			t.Fatal(err)
		}
		candidates, err := simulate.Candidates(scps)
		if err != nil {
			t.Fatal(err)
		}
		tried := 0
		for _, p := range trial(t, candidates, simulate.Options{}).Probe("111122223333", "us-east-1", preventive.ApprovalsIn(c)) {
			if !strings.Contains(p.Probe.Name, "alias") && !strings.Contains(p.Probe.Name, "tag") && !strings.Contains(p.Probe.Name, "role") || strings.Contains(p.Probe.Name, "default alias") {
				continue // of secrets
			}
			if tried++; p.Bad() {
				names = append(names, p.Probe.Name)
			}
		}
		if tried < 20 {
			t.Errorf("%d were tried", tried)
		}
		return names
	}
	if diff := cmp.Diff([]string(nil), bad(true)); diff != "" {
		t.Errorf("with our policy: %s", diff)
	}
	want := []string{
		"make the approved alias/ok", "move the approved alias/ok", "delete the approved alias/ok",
		"write the approving tag approved", "take the approving tag approved away", "make a key with the approving tag approved", "replicate a key with the approving tag approved",
		"write the approving tag approved with others", "take the approving tag approved away with others", "make a key with the approving tag approved with others",
		"replicate a key with the approving tag approved with others", "make a role like arn:*:iam::*:role/stacksets-exec-*", "open a role like arn:*:iam::*:role/stacksets-exec-*",
		"make a role like arn:aws:iam::*:role/KeyManager", "open a role like arn:aws:iam::*:role/KeyManager",
	}
	if diff := cmp.Diff(want, bad(false)); diff != "" {
		t.Errorf("without it: %s", diff)
	}
}

// The partition comes from the Region: neither the ARNs that are tried nor those of the policies are the standard ones.
func TestEveryPartitionFaresAlike(t *testing.T) {
	fares := func(region string) map[string]policy.Answer {
		out := map[string]policy.Answer{}
		for _, p := range trial(t, configuredIn(t, region, true), simulate.Options{}).Probe("111122223333", region, preventive.Approvals{}) {
			out[p.Probe.Name] = p.Open
		}
		return out
	}
	want := fares("us-east-1")
	if want["create with the default alias"] != policy.ExplicitlyDenied || want["create with a key of the account"] != policy.Allowed {
		t.Fatalf("in the standard partition: %v", want)
	}
	for _, region := range []string{"cn-north-1", "us-gov-west-1", "eusc-de-east-1"} {
		if diff := cmp.Diff(want, fares(region)); diff != "" {
			t.Errorf("%s (-standard +there):\n%s", region, diff)
		}
	}
}

// What kms:ViaService holds in China is on no page: a policy that names one form of it may or may not bind, and which service called
// is not known where a record does not say whether one did. Source: KMS Developer Guide, "kms:ViaService" (live check 43).
func TestAServiceInChinaMayCallByEitherName(t *testing.T) {
	const written, called = "PutSecretValue", "Decrypt"
	invokedBy := func(service string) string {
		return strings.TrimSuffix(role("111122223333", "app"), "}") + `,"invokedBy":"` + service + `"}`
	}
	named := func(operator string, hosts ...string) string {
		return `"` + operator + `":{"kms:ViaService":["secretsmanager.cn-north-1.` + strings.Join(hosts, `","secretsmanager.cn-north-1.`) + `"]}`
	}
	for sentence, tt := range map[string]struct {
		name, who, condition string
		missing              []string
		want                 simulate.Outcome
	}{
		"within a write, by one name":         {written, role("111122223333", "app"), named("StringEquals", "amazonaws.com"), nil, simulate.Unknown},
		"within a write, by the other":        {written, role("111122223333", "app"), named("StringEquals", "amazonaws.com.cn"), nil, simulate.Unknown},
		"within a write, by both":             {written, role("111122223333", "app"), named("StringEquals", "amazonaws.com", "amazonaws.com.cn"), nil, simulate.Denied},
		"within a write, by neither":          {written, role("111122223333", "app"), `"StringEquals":{"kms:ViaService":"s3.cn-north-1.amazonaws.com"}`, nil, simulate.Passes},
		"recorded, by one name":               {called, invokedBy("secretsmanager.amazonaws.com"), named("StringEquals", "amazonaws.com"), nil, simulate.Unknown},
		"recorded, by all but the other":      {called, invokedBy("secretsmanager.amazonaws.com"), named("StringNotEquals", "amazonaws.com.cn"), nil, simulate.Unknown},
		"recorded, by both":                   {called, invokedBy("secretsmanager.amazonaws.com.cn"), named("StringEquals", "amazonaws.com", "amazonaws.com.cn"), nil, simulate.Denied},
		"recorded, without a service":         {called, role("111122223333", "app"), named("StringLike", "*"), nil, simulate.Passes},
		"an export that left out the service": {called, role("111122223333", "app"), named("StringLike", "*"), []string{"userIdentity.invokedBy"}, simulate.Unknown},
	} {
		text := strings.ReplaceAll(event("secretsmanager", tt.name, tt.who, `{"secretId":"a/b"}`, ``), "us-east-1", "cn-north-1")
		if tt.name == called {
			text = strings.Replace(strings.Replace(text, `"secretsmanager.amazonaws.com","eventName"`, `"kms.amazonaws.com","eventName"`, 1), `{"secretId":"a/b"}`, `{"keyId":"1"}`, 1)
		}
		change, err := trail.Decode([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		change.Missing = append(change.Missing, tt.missing...)
		call, ok := simulate.FromTrail(trail.Record{Change: change})
		if !ok {
			t.Fatalf("no call: %s", text)
		}
		v := trial(t, []simulate.Candidate{denying(t, `"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*","Condition":{`+tt.condition+`}`)}, simulate.Options{}).Try(call)
		if v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}

func TestAnAliasIsOfTheCallsPartition(t *testing.T) {
	in := func(region, partition, key string) simulate.Outcome {
		call := event("secretsmanager", "CreateSecret", role("111122223333", "app"), `{"name":"a/b","kmsKeyId":"`+key+`"}`, ``)
		call = strings.NewReplacer("us-east-1", region, "arn:aws:", "arn:"+partition+":").Replace(call)
		change, err := trail.Decode([]byte(call))
		if err != nil {
			t.Fatal(err)
		}
		made, ok := simulate.FromTrail(trail.Record{Change: change})
		if !ok {
			t.Fatalf("no call: %s", call)
		}
		own := "arn:" + partition + ":kms:" + region + ":111122223333:key/11112222-3333-4444-5555-666677778888"
		return trial(t, configuredIn(t, region, true), simulate.Options{Keys: map[string]guard.Key{own: {ARN: own, Manager: guard.ManagerCustomer}}}).Try(made).Outcome
	}
	for region, partition := range map[string]string{"us-east-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc"} {
		for key, want := range map[string]simulate.Outcome{
			"alias/app": simulate.Passes, "11112222-3333-4444-5555-666677778888": simulate.Passes, "alias/aws/secretsmanager": simulate.Denied,
			"arn:aws:kms:us-east-1:999999999999:key/1": simulate.Denied,
		} {
			if got := in(region, partition, key); got != want {
				t.Errorf("%s, key %s: %s, want %s", region, key, got, want)
			}
		}
	}
}

func TestGroupsOfCalls(t *testing.T) {
	try := trial(t, configured(t, true), simulate.Options{})
	legacy, _ := simulate.ParseExpected("arn:aws:iam::*:role/legacy secretsmanager:CreateSecret")
	tally := simulate.NewTally([]simulate.Expected{legacy})
	for i, who := range []string{"app", "app", "legacy"} {
		call := recorded(t, event("secretsmanager", "CreateSecret", role("111122223333", who), `{"name":"a/b"}`, ``))
		call.At = time.Date(2026, 9, 1+i, 0, 0, 0, 0, time.UTC)
		if i == 1 {
			call.Error = "AccessDenied"
		}
		tally.Add(call, try.Try(call))
	}
	var got []string
	for _, g := range tally.Groups() {
		got = append(got, strings.Join([]string{g.Principal, g.Pipeline, string(g.Outcome), g.First.Format("02"), g.Last.Format("02"), string(rune('0' + g.Count)), string(rune('0' + g.Succeeded))}, " "))
		if g.Breaks() != (g.Principal == "arn:aws:iam::111122223333:role/app") {
			t.Errorf("%s breaks: %t", g.Principal, g.Breaks())
		}
	}
	want := []string{"arn:aws:iam::111122223333:role/app cli denied 01 02 2 1", "arn:aws:iam::111122223333:role/legacy cli denied 03 03 1 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAllowListsAndResourceControlPolicies(t *testing.T) {
	read := func(text string) simulate.Candidate {
		c, err := simulate.ReadCandidate("candidate.json", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	list := read(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`)
	rcp := read(`{"Version":"2012-10-17","Statement":[{"Sid":"Perimeter","Effect":"Deny","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}}]}`)
	call := func(who string) simulate.Call {
		return recorded(t, event("secretsmanager", "GetSecretValue", role(who, "app"), `{"secretId":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf"}`, ``))
	}
	for name, tt := range map[string]struct {
		candidate simulate.Candidate
		alone     bool
		who       string
		want      simulate.Outcome
	}{
		"a list beside FullAWSAccess changes nothing": {list, false, "111122223333", simulate.Passes},
		"a list in its place denies the rest":         {list, true, "111122223333", simulate.Denied},
		"an RCP lets the account in":                  {rcp, false, "111122223333", simulate.Passes},
		"an RCP keeps others out":                     {rcp, false, "444455556666", simulate.Denied},
	} {
		v := trial(t, []simulate.Candidate{tt.candidate}, simulate.Options{Alone: tt.alone}).Try(call(tt.who))
		if v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s (%s)", name, v.Outcome, tt.want, v.Decision.Why)
		}
	}
	if list.Type != policy.TypeSCP || rcp.Type != policy.TypeRCP {
		t.Errorf("types %s and %s", list.Type, rcp.Type)
	}
}

// A policy of the customer's own may limit rotations by what the record of one holds, or does not.
func TestARotationIsTriedByItsRoleAndRules(t *testing.T) {
	for name, tt := range map[string]struct {
		condition, parameters string
		want                  simulate.Outcome
	}{
		"another role":   {`"ArnNotLike":{"secretsmanager:ExternalSecretRotationRoleArn":"arn:aws:iam::*:role/rotation/*"},"Null":{"secretsmanager:ExternalSecretRotationRoleArn":"false"}`, `,"externalSecretRotationRoleArn":"arn:aws:iam::111122223333:role/other"`, simulate.Denied},
		"the right role": {`"ArnNotLike":{"secretsmanager:ExternalSecretRotationRoleArn":"arn:aws:iam::*:role/rotation/*"},"Null":{"secretsmanager:ExternalSecretRotationRoleArn":"false"}`, `,"externalSecretRotationRoleArn":"arn:aws:iam::111122223333:role/rotation/crm"`, simulate.Passes},
		"no role":        {`"Null":{"secretsmanager:ExternalSecretRotationRoleArn":"false"}`, ``, simulate.Passes},
		"changed rules":  {`"Bool":{"secretsmanager:ModifyRotationRules":"true"}`, `,"rotationRules":{"automaticallyAfterDays":30}`, simulate.Unknown},
	} {
		c, err := simulate.ReadCandidate("candidate.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"secretsmanager:RotateSecret","Resource":"*","Condition":{`+tt.condition+`}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		call := recorded(t, event("secretsmanager", "RotateSecret", role("111122223333", "app"), `{"secretId":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf"`+tt.parameters+`}`, ``))
		if v := trial(t, []simulate.Candidate{c}, simulate.Options{}).Try(call); v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s (%s)", name, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}

func TestCandidatesThatCannotBeAttached(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"no JSON":                 {"{", "read candidate: c.json"},
		"an RCP that allows":      {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:*","Resource":"*"}]}`, "an RCP can only Deny"},
		"an SCP without Resource": {"{\"Version\":\"2012-10-17\",\n\"Statement\":[{\"Effect\":\"Deny\",\"Action\":\"s3:*\"}]}", "c.json:2: a service control policy needs a Resource"},
	} {
		if _, err := simulate.ReadCandidate("c.json", []byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
	}
}

func TestLimits(t *testing.T) {
	long := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}` + strings.Repeat(" ", 10_200)
	c, err := simulate.ReadCandidate("long.json", []byte(long))
	if err != nil {
		t.Fatal(err)
	}
	limits := simulate.Limits([]simulate.Candidate{c}, 9)
	want := []simulate.Limit{
		{Subject: "long.json", What: "characters", Value: len(long), Max: 10240, Exceeded: true, Note: "87 without white space"},
		{Subject: "service control policy", What: "attached to one target", Value: 10, Max: 10, Note: "9 of them already there"},
	}
	if diff := cmp.Diff(want, limits); diff != "" {
		t.Error(diff)
	}
}

func TestRequestTables(t *testing.T) {
	calls, rows, err := simulate.Calls("t.json", []byte(`[{"principal":"arn:aws:iam::111122223333:role/app","action":"secretsmanager:CreateSecret","resource":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a","expected":"denied"}]`))
	if err != nil || len(calls) != 1 || calls[0].Name != "t.json row 1" || rows[0].Expected != simulate.Denied {
		t.Fatalf("%+v, %+v, %v", calls, rows, err)
	}
	if v := trial(t, configured(t, true), simulate.Options{}).Try(calls[0]); v.Outcome != simulate.Denied {
		t.Errorf("%s: %s", v.Outcome, v.Decision.Why)
	}
	for name, tt := range map[string]struct{ text, want string }{
		"no list":          {`{}`, "read requests t.json: json"},
		"an unknown field": {`[{"who":"x"}]`, `unknown field "who"`},
		"no principal":     {`[{"action":"a:b"}]`, "row 1: read principal"},
		"no action":        {`[{"principal":"*"}]`, `row 1: no "action"`},
		"a wrong outcome":  {`[{"principal":"*","action":"a:b","expected":"maybe"}]`, `row 1: expected "maybe"`},
		"two lists":        {`[] []`, "more than one list"},
		"a key that is known and not": {`[{"principal":"arn:aws:iam::111122223333:role/app","action":"secretsmanager:CreateSecret","context":{"secretsmanager:KmsKeyId":["x"]},"unknownContext":["secretsmanager:kmskeyid"]}]`,
			"row 1: unknownContext: secretsmanager:kmskeyid has a value in context"},
		"an empty unknown key": {`[{"principal":"arn:aws:iam::111122223333:role/app","action":"secretsmanager:CreateSecret","unknownContext":[""]}]`, "unknownContext: a key is empty"},
	} {
		if _, _, err := simulate.Calls("t.json", []byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
	}
}

func FuzzCalls(f *testing.F) {
	f.Add([]byte(`[{"principal":"arn:aws:iam::111122223333:role/app","action":"secretsmanager:CreateSecret","context":{"a":["b"]},"unknownContext":["*"]}]`))
	try := trial(f, configured(f, true), simulate.Options{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		calls, rows, err := simulate.Calls("fuzz", raw)
		if err == nil && len(calls) != len(rows) || err != nil && !json.Valid(raw) && calls != nil {
			t.Fatalf("%d calls of %d rows, %v", len(calls), len(rows), err)
		}
		for _, call := range calls {
			if try.Try(call).Outcome == "" {
				t.Error("a call without an outcome")
			}
		}
	})
}

var errEnough = errors.New("enough")

// Whatever a trail holds, each call gets an outcome.
func FuzzFromTrail(f *testing.F) {
	recordings, err := filepath.Glob(filepath.Join("..", "..", "testdata", "trail", "events", "*.json"))
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range recordings[:min(len(recordings), 20)] {
		raw, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte(event("kms", "Decrypt", role("111122223333", "app"), `{"keyId":"alias/x","encryptionContext":{"a":1}}`, ``)))
	try := trial(f, configured(f, true), simulate.Options{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		n := 0
		_ = trail.Read(strings.NewReader(string(raw)), "fuzz", func(r trail.Record) error {
			if n++; n > 20 {
				return errEnough
			}
			if call, ok := simulate.FromTrail(r); ok && try.Try(call).Outcome == "" {
				t.Error("a call without an outcome")
			}
			return nil
		})
	})
}

// BenchmarkTrial is one recorded call tried on three policies.
func BenchmarkTrial(b *testing.B) {
	try := trial(b, configured(b, true), simulate.Options{})
	calls, _, err := simulate.Calls("t", []byte(`[{"principal":"arn:aws:iam::111122223333:role/app","action":"secretsmanager:GetSecretValue","resource":"arn:aws:secretsmanager:us-east-1:111122223333:secret:a-AbCdEf"}]`))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		try.Try(calls[0])
	}
}
