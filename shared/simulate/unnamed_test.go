package simulate_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/simulate"
)

const (
	appKey    = "arn:aws:kms:us-east-1:111122223333:key/11112222-3333-4444-5555-666677778888"
	vendorKey = "arn:aws:kms:us-east-1:111122223333:key/99992222-3333-4444-5555-666677778888"
)

// allowing is what replaces FullAWSAccess: all but KMS, and of that what a statement says.
func allowing(t *testing.T, statement string) simulate.Candidate {
	t.Helper()
	c, err := simulate.ReadCandidate("allowing.json", []byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"kms:*","Resource":"*"},{"Effect":"Allow",`+statement+`}]}`))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAResourceThatNobodyNamedIsNotTakenForAnother(t *testing.T) {
	const but = `"Action":"kms:*","NotResource":"` + appKey + `"`
	kms := func(name, parameters string) string {
		return event("kms", name, role("111122223333", "app"), parameters, ``)
	}
	secrets := func(name, parameters string) string {
		return event("secretsmanager", name, role("111122223333", "app"), parameters, ``)
	}
	snapshot := simulate.Options{Aliases: map[string]string{appAlias: appKey}, Since: map[string]time.Time{appAlias: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)},
		Keys: map[string]guard.Key{appKey: {ARN: appKey, Manager: guard.ManagerCustomer}}}
	for sentence, tt := range map[string]struct {
		statement, event string
		options          simulate.Options
		alone            simulate.Outcome // where the statement allows
		want             simulate.Outcome // where it denies
	}{
		"a key without a name":                   {but, kms("Decrypt", `{}`), simulate.Options{}, simulate.Unknown, simulate.Unknown},
		"a key without a name, of which account": {`"Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"aws:ResourceAccount":"111122223333"}}`, kms("Decrypt", `{}`), simulate.Options{}, simulate.Unknown, simulate.Unknown},
		"one by its alias":                       {but, kms("Decrypt", `{"keyId":"alias/app"}`), simulate.Options{}, simulate.Unknown, simulate.Unknown},
		"one by an alias that a snapshot has":    {but, kms("Decrypt", `{"keyId":"alias/app"}`), snapshot, simulate.Denied, simulate.Passes},
		"one by an alias of another account":     {`"Action":"kms:*","NotResource":"arn:aws:kms:*:111122223333:key/*"`, kms("Decrypt", `{"keyId":"arn:aws:kms:us-east-1:444455556666:alias/x"}`), simulate.Options{}, simulate.Passes, simulate.Denied},
		"that of a secret":                       {but, secrets("GetSecretValue", `{"secretId":"a/b"}`), simulate.Options{}, simulate.Unknown, simulate.Unknown},
		"that of a new secret, by its alias":     {but, secrets("CreateSecret", `{"name":"a","kmsKeyId":"alias/app"}`), simulate.Options{}, simulate.Unknown, simulate.Unknown},
		"and with a snapshot":                    {but, secrets("CreateSecret", `{"name":"a","kmsKeyId":"alias/app"}`), snapshot, simulate.Denied, simulate.Passes},
		"the AWS managed one":                    {but, secrets("PutSecretValue", `{"secretId":"a/b"}`), simulate.Options{Secrets: []guard.Secret{under("a/b", guard.Key{Manager: guard.ManagerAWS})}}, simulate.Unknown, simulate.Unknown},
		"the AWS managed one is no customer's":   {but, secrets("GetSecretValue", `{"secretId":"a/b"}`), simulate.Options{Keys: snapshot.Keys, Secrets: []guard.Secret{under("a/b", guard.Key{Manager: guard.ManagerAWS})}}, simulate.Passes, simulate.Denied},
		"any key of the account":                 {`"Action":"kms:*","NotResource":"arn:aws:kms:*:111122223333:key/*"`, secrets("GetSecretValue", `{"secretId":"a/b"}`), simulate.Options{}, simulate.Denied, simulate.Passes},
		"no key of the account":                  {`"Action":"kms:*","NotResource":"arn:aws:kms:*:444455556666:key/*"`, secrets("GetSecretValue", `{"secretId":"a/b"}`), simulate.Options{}, simulate.Passes, simulate.Denied},
		"a list has no key":                      {but, kms("ListKeys", `{}`), simulate.Options{}, simulate.Passes, simulate.Denied},
		"a stack's id":                           {`"Action":"cloudformation:*","NotResource":"arn:aws:cloudformation:us-east-1:111122223333:stack/a/1"`, event("cloudformation", "DeleteStack", role("111122223333", "app"), `{"stackName":"a"}`, ``), simulate.Options{}, "", simulate.Unknown},
		"a stack's id, of those that are denied": {`"Action":"cloudformation:*","Resource":"arn:aws:cloudformation:us-east-1:111122223333:stack/a/1"`, event("cloudformation", "DeleteStack", role("111122223333", "app"), `{"stackName":"a"}`, ``), simulate.Options{}, "", simulate.Unknown},
		"a stack of another name":                {`"Action":"cloudformation:*","Resource":"arn:aws:cloudformation:us-east-1:111122223333:stack/b/1"`, event("cloudformation", "DeleteStack", role("111122223333", "app"), `{"stackName":"a"}`, ``), simulate.Options{}, "", simulate.Passes},
		"a variable may be anything":             {`"Action":"kms:*","Resource":"arn:aws:kms:us-east-1:111122223333:key/${aws:username}"`, kms("Decrypt", `{"keyId":"alias/app"}`), simulate.Options{}, simulate.Unknown, simulate.Unknown},
	} {
		call := recorded(t, tt.event)
		if v := trial(t, []simulate.Candidate{denying(t, tt.statement)}, tt.options).Try(call); v.Outcome != tt.want {
			t.Errorf("%s is %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
		if tt.alone == "" {
			continue
		}
		tt.options.Alone = true
		if v := trial(t, []simulate.Candidate{allowing(t, tt.statement)}, tt.options).Try(call); v.Outcome != tt.alone {
			t.Errorf("%s, allowed, is %s, want %s: %s", sentence, v.Outcome, tt.alone, v.Decision.Why)
		}
	}
}

func TestADenialOfAResourceThatNobodyNamedIsFoundInTheFile(t *testing.T) {
	c := denying(t, "\n\n"+`"Action":"kms:Decrypt","NotResource":"arn:aws:s3:::b"}, {"Sid":"Second","Effect":"Deny",`+"\n"+`"Action":"kms:Encrypt","Resource":"arn:aws:kms:*:*:key/*"`)
	for action, line := range map[string]string{"Decrypt": "(line 1)", "Encrypt": "(line 3)"} {
		v := trial(t, []simulate.Candidate{c}, simulate.Options{}).Try(recorded(t, event("kms", action, role("111122223333", "app"), `{"keyId":"alias/app"}`, ``)))
		if v.Outcome != simulate.Denied || !strings.Contains(v.Decision.Why, line) {
			t.Errorf("%s is %s, want denied at %s: %s", action, v.Outcome, line, v.Decision.Why)
		}
	}
}

func TestARequestWithoutAResourceIsAboutAnyOfThem(t *testing.T) {
	table := func(rest string) simulate.Call {
		calls, _, err := simulate.Calls("t.json", []byte(`[{"principal":"arn:aws:iam::111122223333:role/app",`+rest+`}]`))
		if err != nil {
			t.Fatal(err)
		}
		return calls[0]
	}
	for _, element := range []string{"Resource", "NotResource"} {
		tried := trial(t, []simulate.Candidate{denying(t, `"Action":"*","`+element+`":"`+appKey+`"`)}, simulate.Options{})
		for rest, want := range map[string]simulate.Outcome{
			`"action":"kms:Decrypt"`:                simulate.Unknown,
			`"action":"kms:Decrypt","resource":"*"`: simulate.Unknown,
			`"action":"kms:ListKeys"`:               map[string]simulate.Outcome{"Resource": simulate.Passes, "NotResource": simulate.Denied}[element],
		} {
			if v := tried.Try(table(rest)); v.Outcome != want {
				t.Errorf("%s: %s is %s, want %s: %s", element, rest, v.Outcome, want, v.Decision.Why)
			}
		}
	}
}

func TestARequestThatMayHandOverARoleIsNotCleared(t *testing.T) {
	for sentence, tt := range map[string]struct {
		rest, denied string
		want         simulate.Outcome
	}{
		"a function, which has a role":   {`"action":"lambda:CreateFunction"`, `"iam:PassRole"`, simulate.Unknown},
		"a list, which takes none":       {`"action":"lambda:ListFunctions"`, `"iam:PassRole"`, simulate.Passes},
		"a volume with tags":             {`"action":"ec2:CreateVolume","context":{"aws:TagKeys":["a"]}`, `"ec2:CreateTags"`, simulate.Denied},
		"a volume without":               {`"action":"ec2:CreateVolume"`, `"ec2:CreateTags"`, simulate.Passes},
		"a function that is not for EC2": {`"action":"lambda:CreateFunction"`, `"iam:PassRole","Condition":{"StringEquals":{"iam:PassedToService":"ec2.amazonaws.com"}}`, simulate.Passes},
	} {
		calls, _, err := simulate.Calls("t.json", []byte(`[{"principal":"arn:aws:iam::111122223333:role/app",`+tt.rest+`}]`))
		if err != nil {
			t.Fatal(err)
		}
		if v := trial(t, []simulate.Candidate{denying(t, `"Resource":"*","Action":`+tt.denied)}, simulate.Options{}).Try(calls[0]); v.Outcome != tt.want {
			t.Errorf("%s: %s, want %s: %s", sentence, v.Outcome, tt.want, v.Decision.Why)
		}
	}
}

// What is said of a call whose key is not known is said of it with every key that it may be.
func TestAResourceNobodyKnowsNeverDecides(t *testing.T) {
	keys := []string{appKey, vendorKey, "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab", "arn:aws:kms:us-east-1:111122223333:key/00002222-3333-4444-5555-666677778888"}
	patterns := []string{appKey, vendorKey, "*", "arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:us-east-1:*:key/mrk-*", "arn:aws:kms:us-east-1:111122223333:key/????????-*",
		"arn:aws:kms:*:*:alias/app", "arn:aws:kms:*:444455556666:key/*", "arn:aws:secretsmanager:*:*:secret:*", "arn:*:kms:*:*:*8888", "arn:aws:kms:us-east-1:111122223333:key/1*8"}
	random := rand.New(rand.NewPCG(12, 12))
	statement := func() string {
		var list []string
		for range 1 + random.IntN(3) {
			list = append(list, `"`+patterns[random.IntN(len(patterns))]+`"`)
		}
		return fmt.Sprintf(`{"Effect":%q,"Action":"kms:*",%q:[%s]}`, []string{"Allow", "Deny"}[random.IntN(2)], []string{"Resource", "NotResource"}[random.IntN(2)], strings.Join(list, ","))
	}
	said := map[simulate.Outcome]int{}
	for range 250 {
		text := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":"kms:*","Resource":"*"}`
		for range 1 + random.IntN(3) {
			text += "," + statement()
		}
		c, err := simulate.ReadCandidate("random.json", []byte(text+"]}"))
		if err != nil {
			t.Fatal(err)
		}
		for name, open := range map[string]string{
			"Decrypt":        event("kms", "Decrypt", role("111122223333", "app"), `{"keyId":"alias/app"}`, ``),
			"GetSecretValue": event("secretsmanager", "GetSecretValue", role("111122223333", "app"), `{"secretId":"a/b"}`, ``),
		} {
			v := trial(t, []simulate.Candidate{c}, simulate.Options{Alone: true}).Try(recorded(t, open))
			said[v.Outcome]++
			if v.Outcome == simulate.Unknown {
				continue
			}
			for _, key := range keys {
				found := guard.Key{ARN: key, Manager: guard.ManagerCustomer}
				whole := simulate.Options{Alone: true, Keys: map[string]guard.Key{key: found}, Aliases: map[string]string{"arn:aws:kms:us-east-1:111122223333:alias/app": key}, Secrets: []guard.Secret{under("a/b", found)}}
				if closed := trial(t, []simulate.Candidate{c}, whole).Try(recorded(t, open)); closed.Outcome != v.Outcome {
					t.Fatalf("%s of an unknown key is %s, and %s with %s under %s", name, v.Outcome, closed.Outcome, key, text)
				}
			}
		}
	}
	for _, outcome := range []simulate.Outcome{simulate.Passes, simulate.Denied, simulate.Unknown} {
		if said[outcome] < 25 {
			t.Errorf("of 500 calls only %d are %s, so little was tried", said[outcome], outcome)
		}
	}
}
