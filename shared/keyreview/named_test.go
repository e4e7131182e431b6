package keyreview_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
	"github.com/doublelock/doublelock/shared/trail"
)

// A role that is made anew has another unique id and, most of the time, the same work: no proposal takes away what the former one used.
func TestAUseOfAFormerRoleBlocksAProposal(t *testing.T) {
	created := time.Date(2026, 9, 1, 8, 0, 0, 500, time.UTC)
	for sentence, tt := range map[string]struct {
		id, at string
		former bool
	}{
		"another unique id":            {"AROAFORMER:s", "2026-09-28T07:00:00Z", true},
		"its own unique id":            {"AROANOW:s", "2026-09-28T07:00:00Z", false},
		"no id, before it was created": {"", "2026-08-31T07:00:00Z", true},
		"no id, at once":               {"", "2026-09-01T08:00:00Z", false},
		"no id, and no time":           {"", "", false},
	} {
		record := `{"eventVersion":"1.11","eventTime":"` + tt.at + `","eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"eu-central-1","sourceIPAddress":"x","eventType":"AwsApiCall","eventID":"e","recipientAccountId":"111122223333",` +
			`"userIdentity":{"type":"AssumedRole","principalId":"` + tt.id + `","arn":"arn:aws:sts::111122223333:assumed-role/etl/s","accountId":"111122223333","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/etl"}}},"requestParameters":{"keyId":"` + arn + `"}}`
		if tt.at == "" {
			record = strings.Replace(record, `"eventTime":"",`, "", 1)
		}
		std := standard()
		if err := trail.Read(strings.NewReader(record), "in", func(r trail.Record) error {
			std.Seen = append(std.Seen, keyreview.UsesOf(r)...)
			return r.Err
		}); err != nil || len(std.Seen) != 1 {
			t.Fatalf("%s: %+v, %v", sentence, std.Seen, err)
		}
		k := fine()
		k.Policy = document(`{"Sid":"IAM","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`)
		s := snapshot(k, secret("db", "app"))
		etl := role("etl", `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`)
		etl.UniqueID, etl.CreatedAt = "AROANOW", created
		s.Principals = append(s.Principals, etl)
		want := "role/etl was seen using it (kms:Decrypt) and would lose it"
		if tt.former {
			want = "role/etl or a former principal of that name was seen using it (kms:Decrypt) and would lose it"
		}
		judged := 0
		for _, f := range keyreview.Review(inventory.Prepare(s), std, now) {
			if f.Control.ID != guard.KeyOnlyDelegate {
				continue
			}
			judged++
			if f.After != "" || !strings.Contains(f.Fix, want) {
				t.Errorf("%s: proposes %q; %s", sentence, f.After, f.Fix)
			}
		}
		if judged != 1 {
			t.Errorf("%s: %d findings", sentence, judged)
		}
	}
}

// However a record names the key, or does not, whoever may have used it keeps it, or a person decides.
// Source: KMS API Reference, Decrypt (KeyId is not required) and GenerateDataKey (KeyId: id, ARN, alias name, alias ARN).
func TestAKeyIsUsedHoweverTheRecordNamesIt(t *testing.T) {
	const (
		root  = `{"Sid":"IAM","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`
		roles = `{"Sid":"F","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:role/app","arn:aws:iam::888877776666:root"]},"Action":"kms:Decrypt","Resource":"*"}`
		who   = `"userIdentity":{"type":"AssumedRole","arn":"arn:aws:sts::111122223333:assumed-role/etl/s","accountId":"111122223333","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/etl"}}},`
		head  = `"eventVersion":"1.11","eventTime":"2026-09-28T07:00:00Z","eventSource":"kms.amazonaws.com","awsRegion":"eu-central-1","sourceIPAddress":"x","eventType":"AwsApiCall","eventID":"e","recipientAccountId":"111122223333",` + who
		cells = `"2026-09-28T07:00:00Z",kms.amazonaws.com,arn:aws:iam::111122223333:role/etl,`
		table = "eventtime,eventsource,useridentity_arn,"
	)
	call := func(name, rest string) string { return `{` + head + `"eventName":"` + name + `"` + rest + `}` }
	for sentence, tt := range map[string]struct {
		policy, trail string
		decide        string // "" where a policy is proposed
	}{
		"its ARN":                           {root, call("Decrypt", `,"requestParameters":{"keyId":"`+arn+`"}`), "role/etl was seen using it (kms:Decrypt) and would lose it"},
		"its id":                            {root, call("Decrypt", `,"requestParameters":{"keyId":"k1"}`), "role/etl was seen using it (kms:Decrypt) and would lose it"},
		"its alias":                         {root, call("GenerateDataKeyPair", `,"requestParameters":{"keyId":"alias/app"}`), "role/etl may have used it (kms:GenerateDataKeyPair, of a key that the record does not name) and would lose it"},
		"its alias's ARN":                   {root, call("Decrypt", `,"requestParameters":{"keyId":"arn:aws:kms:eu-central-1:111122223333:alias/app"}`), "role/etl may have used it"},
		"no key":                            {root, call("Decrypt", `,"requestParameters":{"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`), "role/etl may have used it"},
		"no key, re-encrypting":             {root, call("ReEncrypt", `,"requestParameters":{"destinationKeyId":"alias/other"}`), "role/etl may have used it (kms:ReEncryptFrom"},
		"no key, by somebody not let in":    {roles, call("Decrypt", `,"requestParameters":{}`), ""},
		"an alias that another key has":     {root, call("Decrypt", `,"requestParameters":{"keyId":"alias/other"}`), ""},
		"an alias that another key got":     {root, call("GenerateDataKeyPair", `,"requestParameters":{"keyId":"alias/moved"}`), "may have used it (kms:GenerateDataKeyPair"},
		"one that nobody says when":         {root, call("GenerateDataKeyPair", `,"requestParameters":{"keyId":"alias/undated"}`), "may have used it (kms:GenerateDataKeyPair"},
		"an alias that nobody has any more": {root, call("Decrypt", `,"requestParameters":{"keyId":"alias/gone"}`), "role/etl may have used it"},
		"an alias of another Region":        {root, call("Decrypt", `,"requestParameters":{"keyId":"arn:aws:kms:eu-west-1:111122223333:alias/app"}`), ""},
		"another Region":                    {root, strings.Replace(call("Decrypt", `,"requestParameters":{}`), "eu-central-1", "eu-west-1", 1), ""},
		"a call that failed":                {root, call("Decrypt", `,"errorCode":"AccessDenied","requestParameters":{}`), ""},
		"the key of AWS's own":              {root, call("Encrypt", `,"requestParameters":{"keyId":"alias/aws/secretsmanager"}`), ""},
		"a table without its column":        {root, table + "awsregion,errorcode,eventname\n" + cells + `eu-central-1,,Decrypt`, "role/etl may have used it"},
		"a table without the Region":        {root, table + "errorcode,eventname,resources\n" + cells + `,Decrypt,"[{arn=` + arn + `}]"`, "role/etl may have used it (kms:Decrypt) and would lose it"},
		"one with neither":                  {root, table + "errorcode,eventname\n" + cells + `,Decrypt`, "role/etl may have used it"},
		"a table without errors":            {root, table + "awsregion,eventname,requestparameters\n" + cells + `eu-central-1,Decrypt,{keyId=k1}`, "role/etl may have used it (kms:Decrypt"},
		"one, of somebody not let in":       {roles, table + "awsregion,eventname,requestparameters\n" + cells + `eu-central-1,Decrypt,{keyId=k1}`, ""},
		"a table without who":               {root, "eventtime,eventsource,awsregion,errorcode,eventname\n1790000000,kms.amazonaws.com,eu-central-1,,Decrypt", "somebody may have used it (kms:Decrypt, of a key that the record does not name) whom the record does not name"},
	} {
		std := standard()
		if err := trail.Read(strings.NewReader(tt.trail), "in", func(r trail.Record) error {
			std.Seen = append(std.Seen, keyreview.UsesOf(r)...)
			return r.Err
		}); err != nil {
			t.Errorf("%s: %v", sentence, err)
		}
		k, other := fine(), fine()
		k.Policy = document(tt.policy)
		if tt.policy == roles {
			k.Policy = document(roles, manageOnly)
		}
		other.Facts.ARN, other.Facts.ID, other.Facts.Aliases = arn+"2", "k12", []string{"alias/other", "alias/moved", "alias/undated"}
		other.AliasesSet = map[string]time.Time{"alias/other": time.Date(2026, 9, 28, 7, 0, 0, 9, time.UTC), "alias/moved": time.Date(2026, 9, 28, 7, 0, 1, 0, time.UTC)}
		s := snapshot(k, secret("db", "app"))
		s.Keys = append(s.Keys, other)
		found := keyreview.Review(inventory.Prepare(s), std, now)
		judged := 0
		for _, f := range found {
			if f.Key != arn || f.Control.ID != guard.KeyOpen && f.Control.ID != guard.KeyOnlyDelegate {
				continue
			}
			judged++
			if (f.After == "") != (tt.decide != "") || !strings.Contains(f.Fix, tt.decide) {
				t.Errorf("%s: proposes %q; %s", sentence, f.After, f.Fix)
			}
		}
		if judged != 1 {
			t.Errorf("%s: %d findings", sentence, judged)
		}
	}
}

// Whoever was let in and got another error has the right still; who was denied, or asked for a key that is not, used none.
// Source: KMS API Reference, Decrypt, "Errors", and "Testing your permissions" (DryRun).
func TestAUseThatFailedForAnotherReasonThanRightsIsOne(t *testing.T) {
	for code, uses := range map[string]int{"DryRunOperationException": 1, "ThrottlingException": 1, "KMSInternalException": 1, "DisabledException": 1, "InvalidCiphertextException": 1,
		"KMSInvalidStateException": 1, "KeyUnavailableException": 1, "IncorrectKeyException": 1, "AccessDenied": 0, "AccessDeniedException": 0, "NotFoundException": 0} {
		got := usesOf(t, `{"eventVersion":"1.11","eventTime":"2026-09-28T07:00:00Z","eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"eu-central-1","eventType":"AwsApiCall","recipientAccountId":"111122223333","errorCode":"`+code+`",`+
			`"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ann","accountId":"111122223333"},"requestParameters":{"keyId":"`+arn+`"}}`)
		if len(got) != uses || uses > 0 && !got[0].Maybe {
			t.Errorf("%s: %+v", code, got)
		}
	}
}

// An export without the response does not say under which key a password is that is rotated.
func TestAPasswordRotatedUnderAKeyThatIsNotSaidMayBeUnderAny(t *testing.T) {
	const head = "eventSource,eventName,eventTime,awsRegion,recipientAccountId,errorCode,userIdentity.arn,requestParameters\nrds.amazonaws.com,ModifyDBInstance,2026-09-20T10:00:00Z,eu-central-1,111122223333,,arn:aws:iam::111122223333:role/ops,"
	for request, want := range map[string]bool{"{rotateMasterUserPassword=true}": true, "{backupRetentionPeriod=7}": false} {
		maybe := false
		for _, u := range usesOf(t, head+request) {
			maybe = maybe || u.Maybe && u.Key == "arn:aws:kms:eu-central-1:*:key/*"
		}
		if maybe != want {
			t.Errorf("%s: %+v", request, usesOf(t, head+request))
		}
	}
}

// Whatever others were seen doing with a key, which the policy lets them, is not taken from them without a person. What it does not let them,
// a grant did: to look and to retire grants needs no statement.
func TestWhoeverWasSeenLookingAtAKeyIsNotDropped(t *testing.T) {
	for _, event := range []string{"DescribeKey", "RetireGrant", "ListGrants", "GetKeyRotationStatus", "GetKeyPolicy", "ListResourceTags"} {
		for sentence, tt := range map[string]struct {
			actions, who string
			decide       string // "" where a policy is proposed
		}{
			"who is let in":             {`"kms:Decrypt","kms:` + event + `"`, "888877776666", "a person has to decide: account 888877776666 was seen using it (kms:" + event + ") and would lose it"},
			"who is let in for others":  {`"kms:Decrypt"`, "888877776666", ""},
			"who is nobody of a policy": {`"kms:Decrypt","kms:` + event + `"`, "777766665555", ""},
		} {
			std := standard()
			std.Seen = usesOf(t, `{"eventVersion":"1.11","eventTime":"2026-09-28T07:00:00Z","eventSource":"kms.amazonaws.com","eventName":"`+event+`","awsRegion":"eu-central-1","eventType":"AwsApiCall","recipientAccountId":"111122223333",`+
				`"userIdentity":{"type":"AWSAccount","principalId":"AROAX:s","accountId":"`+tt.who+`"},"requestParameters":{"keyId":"`+arn+`"},"resources":[{"type":"AWS::KMS::Key","ARN":"`+arn+`"}]}`)
			if len(std.Seen) != 1 {
				t.Fatalf("%s: %+v", event, std.Seen)
			}
			k := fine()
			k.Policy = document(manageOnly, `{"Sid":"F","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::888877776666:root"},"Action":[`+tt.actions+`],"Resource":"*"}`)
			found := keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), std, now)
			if len(found) == 0 {
				t.Errorf("%s, %s: nothing is found", event, sentence)
			}
			for _, f := range found {
				if f.Control.ID == guard.KeyOpen && ((f.After == "") != (tt.decide != "") || !strings.Contains(f.Fix, tt.decide)) {
					t.Errorf("%s, %s: %s\n%s", event, sentence, f.Fix, f.After)
				}
			}
		}
	}
}
