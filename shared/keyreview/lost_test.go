package keyreview_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
)

// of are the findings of one control.
func of(control guard.ControlID, found []keyreview.Finding) (out []keyreview.Finding) {
	for _, f := range found {
		if f.Control.ID == control {
			out = append(out, f)
		}
	}
	return out
}

func TestAGrantByWhichSomebodyWorksIsNotRevoked(t *testing.T) {
	const other, outsider = "999900001111", "arn:aws:iam::999900001111:role/x"
	open := changed(func(s *guard.Secret) {})
	open.Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + outsider + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
	use := func(who, action string) keyreview.Use {
		return keyreview.Use{Key: arn, Principal: who, Action: action, First: now, Last: now}
	}
	lets := `{"Sid":"Them","Effect":"Allow","Principal":{"AWS":"` + outsider + `"},"Action":"kms:Decrypt","Resource":"*"}`
	for name, test := range map[string]struct {
		policy     string
		operations []string
		secret     inventory.Secret
		seen       []keyreview.Use
		why        string // "": the command is printed
	}{
		"nobody was seen":                     {manageOnly, []string{"Decrypt"}, secret("db", "app"), nil, ""},
		"the grantee was seen":                {manageOnly, []string{"Decrypt"}, secret("db", "app"), []keyreview.Use{use(outsider, "kms:Decrypt")}, outsider + " was seen using it (kms:Decrypt) and would lose it"},
		"its account was seen":                {manageOnly, []string{"Decrypt"}, secret("db", "app"), []keyreview.Use{use(other, "kms:Decrypt")}, "account " + other + " was seen using it (kms:Decrypt) and may lose it"},
		"somebody unnamed was seen":           {manageOnly, []string{"Decrypt"}, secret("db", "app"), []keyreview.Use{use("", "kms:Decrypt")}, "somebody whom the record does not name"},
		"another role was seen":               {manageOnly, []string{"Decrypt"}, secret("db", "app"), []keyreview.Use{use("arn:aws:iam::999900001111:role/y", "kms:Decrypt")}, ""},
		"it was seen by other means":          {manageOnly, []string{"Decrypt"}, secret("db", "app"), []keyreview.Use{use(outsider, "kms:GenerateDataKey")}, ""},
		"the policy lets it where its own do": {document(lets, strings.TrimSuffix(strings.TrimPrefix(document(manageOnly), `{"Version":"2012-10-17","Statement":[`), `]}`)), []string{"Decrypt"}, secret("db", "app"), []keyreview.Use{use(outsider, "kms:Decrypt")}, outsider + " was seen using it (kms:Decrypt) and may lose it"},
		"it reads a secret":                   {manageOnly, []string{"Decrypt"}, open, nil, outsider + " may open db, and would lose it"},
	} {
		k := fine()
		if k.Policy = test.policy; test.policy == manageOnly {
			k.Policy = document(manageOnly)
		}
		k.Grants = []inventory.Grant{{ID: "g", Grantee: outsider, Operations: test.operations}}
		std := standard()
		std.Seen = test.seen
		said := false
		for _, f := range of(guard.KeyOpen, keyreview.Review(inventory.Prepare(snapshot(k, test.secret)), std, now)) {
			if !strings.HasPrefix(f.Detail, "grant g lets") {
				continue
			}
			said = true
			command := strings.Contains(f.Fix, "aws kms")
			if command != (test.why == "") || !strings.Contains(f.Fix, test.why) || command == strings.Contains(f.Fix, "a person has to decide: ") {
				t.Errorf("%s: %s", name, f.Fix)
			}
		}
		if !said {
			t.Errorf("%s: the grant is no finding", name)
		}
	}
}

// What hands the grant on is what another grant is to be without, and may be what the grantee was seen doing.
func TestAGranteeThatHandsOnKeepsItsGrantUntilAPersonDecides(t *testing.T) {
	const app = "arn:aws:iam::111122223333:role/app"
	lets := `{"Sid":"Them","Effect":"Allow","Principal":{"AWS":"` + app + `"},"Action":"kms:CreateGrant","Resource":"*","Condition":{"Bool":{"kms:GrantIsForAWSResource":"false"}}}`
	for name, test := range map[string]struct{ action, policy, want string }{
		"handing on":                          {"kms:CreateGrant", document(manageOnly), app + " was seen using it (kms:CreateGrant) and would lose it"},
		"handing on, which the policy lets":   {"kms:CreateGrant", document(manageOnly, lets), "aws kms revoke-grant"},
		"handing on, which is left to IAM":    {"kms:CreateGrant", document(delegating), app + " was seen using it (kms:CreateGrant) and may lose it"},
		"decrypting, which the new one keeps": {"kms:Decrypt", document(manageOnly), "aws kms revoke-grant"},
	} {
		k := fine()
		k.Policy = test.policy
		k.Grants = []inventory.Grant{{ID: "g", Grantee: app, Operations: []string{"Decrypt", "CreateGrant"}}}
		std := standard()
		std.Seen = []keyreview.Use{{Key: arn, Principal: app, Action: test.action, First: now, Last: now}}
		said := 0
		for _, f := range of(guard.KeyOpen, keyreview.Review(inventory.Prepare(snapshot(k)), std, now)) {
			if !strings.HasPrefix(f.Detail, "grant g lets") {
				continue
			}
			said++
			if !strings.Contains(f.Fix, test.want) || strings.Contains(f.Fix, "aws kms") != strings.HasPrefix(test.want, "aws kms") {
				t.Errorf("%s: %s", name, f.Fix)
			}
		}
		if said != 1 {
			t.Errorf("%s: the grant is %d findings", name, said)
		}
	}
}

func TestWhatATrailShowsToBeOutdatedIsNotMended(t *testing.T) {
	for name, test := range map[string]struct {
		use  keyreview.Use
		want bool
	}{
		"before the snapshot": {keyreview.Use{Key: arn, Action: "kms:PutKeyPolicy", Last: now.Add(-time.Hour)}, false},
		"after it":            {keyreview.Use{Key: arn, Action: "kms:PutKeyPolicy", Last: now.Add(time.Hour)}, true},
		"after it, in vain":   {keyreview.Use{Key: arn, Action: "kms:PutKeyPolicy", Last: now.Add(time.Hour), Maybe: true, Error: "MalformedPolicyDocumentException"}, false},
		"of another key":      {keyreview.Use{Key: arn + "2", Action: "kms:PutKeyPolicy", Last: now.Add(time.Hour)}, false},
		"a grant":             {keyreview.Use{Key: arn, Action: "kms:CreateGrant", Last: now.Add(time.Hour)}, true},
		"switched off":        {keyreview.Use{Key: arn, Action: "kms:DisableKey", Last: now.Add(time.Hour)}, true},
		"looked at":           {keyreview.Use{Key: arn, Action: "kms:DescribeKey", Last: now.Add(time.Hour)}, false},
	} {
		k := fine()
		k.Policy = document(`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`)
		k.Grants = []inventory.Grant{{ID: "g", Grantee: "arn:aws:iam::999900001111:role/x", Operations: []string{"Decrypt"}}}
		k.Rotation = inventory.Rotation{}
		s := snapshot(k)
		s.Principals = append(s.Principals, role("admin", `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`))
		std := standard()
		test.use.Principal = "arn:aws:iam::111122223333:role/admin"
		std.Seen = []keyreview.Use{test.use}
		said, mended := 0, 0
		for _, f := range keyreview.Review(inventory.Prepare(s), std, now) {
			if strings.HasPrefix(f.Detail, "the trail has "+test.use.Action+" by ") && f.Outcome == guard.Unknown {
				said++
			}
			if f.After != "" || strings.Contains(f.Fix, "aws kms") {
				mended++
			}
		}
		if (said == 1) != test.want || (mended == 0) != test.want {
			t.Errorf("%s: %d rows say so, %d findings are mended", name, said, mended)
		}
	}
}

// A key that opens nothing is let be where it is known that nothing needs it, and not where nobody could look.
func TestAKeyThatOpensNothingIsLetBeOnlyWhereAllSecretsAreKnown(t *testing.T) {
	unread := func(account, region string) func(*inventory.Snapshot) {
		return func(s *inventory.Snapshot) {
			s.Unread = append(s.Unread, inventory.Unread{Part: inventory.PartSecrets, Account: account, Region: region, Why: "access denied"})
		}
	}
	nameless := changed(func(s *guard.Secret) {
		s.Key, s.KeyID = guard.Key{ID: "alias/other", Region: "eu-central-1"}, "alias/other"
		s.Versions[0].Keys = nil
	})
	failed := func(key, code string) func(*keyreview.Standard) {
		return func(std *keyreview.Standard) {
			std.Seen = []keyreview.Use{{Key: key, Principal: "arn:aws:iam::111122223333:role/app", Action: "kms:Decrypt", Last: now, Maybe: true, Error: code}}
		}
	}
	const anyKey = "arn:aws:kms:eu-central-1:*:key/*"
	for name, test := range map[string]struct {
		change  func(*inventory.Snapshot)
		seen    func(*keyreview.Standard)
		outcome guard.Outcome
		detail  string
	}{
		"all are known":             {nil, nil, "", ""},
		"of its account unread":     {unread(own, "eu-central-1"), nil, guard.Unknown, "the secrets of account 111122223333 in eu-central-1 could not be read: access denied"},
		"of no Region read":         {unread(own, ""), nil, guard.Unknown, "the secrets of account 111122223333 could not be read: access denied"},
		"of another account unread": {unread(partner, "eu-central-1"), nil, guard.Unknown, "the secrets of account 444455556666"},
		"of another Region unread":  {unread(own, "us-east-1"), nil, "", ""},
		"a secret's key unknown":    {func(s *inventory.Snapshot) { s.Secrets = append(s.Secrets, nameless) }, nil, guard.Unknown, "not every key that opens db could be read"},
		"a use failed for it":       {nil, failed(arn, "KMSInvalidStateException"), guard.Fail, "arn:aws:iam::111122223333:role/app needs it: kms:Decrypt failed with KMSInvalidStateException on 2026-10-01"},
		"for being off":             {nil, failed(arn, "DisabledException"), guard.Fail, "failed with DisabledException"},
		"of a key without a name":   {nil, failed(anyKey, "DisabledException"), guard.Unknown, "may need it"},
		"for something else":        {nil, failed(arn, "InvalidCiphertextException"), "", ""},
		"of another key":            {nil, failed(arn+"2", "DisabledException"), "", ""},
	} {
		for _, state := range []guard.KeyState{guard.KeyPendingDeletion, guard.KeyPendingReplicaDeletion, guard.KeyDisabled, guard.KeyPendingImport, guard.KeyUnavailable} {
			k := fine()
			k.Facts.State = state
			s := snapshot(k)
			if test.change != nil {
				test.change(&s)
			}
			std := standard()
			if test.seen != nil {
				test.seen(&std)
			}
			found := of(guard.KeyNeeded, keyreview.Review(inventory.Prepare(s), std, now))
			if test.outcome == "" {
				if len(found) > 0 {
					t.Errorf("%s, %s: %+v", state, name, found)
				}
				continue
			}
			if len(found) != 1 || found[0].Outcome != test.outcome || !strings.Contains(found[0].Detail, test.detail) || !strings.Contains(found[0].Detail, string(state)) {
				t.Errorf("%s, %s: %+v, want %s %q", state, name, found, test.outcome, test.detail)
			}
		}
	}
}

// CloudTrail does not always list the key of a call that failed, and the error names it.
func TestAUseThatFailedForTheStateOfAKeyIsOneOfTheKeyThatTheErrorNames(t *testing.T) {
	uses := usesOf(t, `{"eventVersion":"1.11","eventSource":"kms.amazonaws.com","eventName":"Decrypt","awsRegion":"eu-central-1","recipientAccountId":"111122223333","eventType":"AwsApiCall",`+
		`"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ann","accountId":"111122223333","userName":"ann"},"requestParameters":null,"errorCode":"KMSInvalidStateException","errorMessage":"`+arn+` is pending deletion."}`)
	if len(uses) != 1 || uses[0].Key != arn || uses[0].Error != "KMSInvalidStateException" {
		t.Errorf("uses: %+v", uses)
	}
}

func TestAKeyThatTheTrailOrAGrantOfAServiceShowsInUseIsNotUnused(t *testing.T) {
	use := func(key, action string, at time.Time, code string) *keyreview.Use {
		return &keyreview.Use{Key: key, Principal: "arn:aws:iam::111122223333:role/app", Action: action, First: at, Last: at, Error: code, Maybe: code != ""}
	}
	const anyKey = "arn:aws:kms:eu-central-1:*:key/*"
	recently, later, longAgo := now.AddDate(0, 0, -10), now.AddDate(0, 0, 10), now.AddDate(0, -6, 0)
	for name, test := range map[string]struct {
		use    *keyreview.Use
		change func(*inventory.Key)
		want   guard.Outcome
	}{
		"by nobody":                   {nil, nil, guard.Fail},
		"recently":                    {use(arn, "kms:Decrypt", recently, ""), nil, ""},
		"after the snapshot":          {use(arn, "kms:Decrypt", later, ""), nil, ""},
		"to make a grant":             {use(arn, "kms:CreateGrant", recently, ""), nil, ""},
		"long ago":                    {use(arn, "kms:Decrypt", longAgo, ""), nil, guard.Fail},
		"looked at":                   {use(arn, "kms:DescribeKey", recently, ""), nil, guard.Fail},
		"in vain, as it is off":       {use(arn, "kms:Decrypt", recently, "DisabledException"), nil, ""},
		"in vain, otherwise":          {use(arn, "kms:Decrypt", recently, "InvalidCiphertextException"), nil, guard.Fail},
		"a key that the record hides": {use(anyKey, "kms:Decrypt", recently, ""), nil, guard.Fail}, // KMS counts it
		"one after the snapshot":      {use(anyKey, "kms:Decrypt", later, ""), nil, guard.Unknown},
		"one that was off":            {use(anyKey, "kms:Decrypt", recently, "DisabledException"), nil, guard.Unknown},
		"another key":                 {use(arn+"2", "kms:Decrypt", recently, ""), nil, guard.Fail},
		"by a grant of a service": {nil, func(k *inventory.Key) {
			k.Grants = []inventory.Grant{{ID: "g", Grantee: "rds.eu-central-1.amazonaws.com", Operations: []string{"Decrypt"}}}
		}, ""},
		"by grants that nobody could see": {nil, func(k *inventory.Key) { k.GrantsUnread = "access denied" }, guard.Unknown},
	} {
		k := fine()
		k.Use = inventory.Use{At: longAgo, Operation: "Decrypt", Since: now.AddDate(-1, 0, 0)}
		if test.change != nil {
			test.change(&k)
		}
		std := standard()
		if test.use != nil {
			std.Seen = []keyreview.Use{*test.use}
		}
		found := of(guard.KeyUnused, keyreview.Review(inventory.Prepare(snapshot(k)), std, now))
		if got := len(found); test.want == "" && got > 0 || test.want != "" && (got != 1 || found[0].Outcome != test.want) {
			t.Errorf("used %s: %+v, want %q", name, found, test.want)
		}
	}
}
