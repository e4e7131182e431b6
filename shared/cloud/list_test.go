package cloud_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/organization"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/guard"
)

// holding answers with n secrets under the default key whose versions open with our key as well.
func holding(n int) *fakeAWS {
	f := describing(nil, []object{{"VersionId": "v1", "VersionStages": []string{"AWSCURRENT"}, "KmsKeyIds": []string{"DefaultEncryptionKey", keyARN}}})
	f.on["DescribeSecret"] = func(a asked) answer { return answer{body: object{"ARN": a.in["SecretId"], "Name": a.in["SecretId"]}} }
	f.on["ListSecrets"] = func(asked) answer {
		var list []object
		for i := range n {
			list = append(list, object{"ARN": fmt.Sprintf("arn:aws:secretsmanager:eu-central-1:%s:secret:s%02d-AbCdEf", member, n-i), "Name": "s"})
		}
		return answer{body: object{"SecretList": list}}
	}
	return f
}

func TestAListEndsWhereAWSRefuses(t *testing.T) {
	f := holding(1)
	f.on["ListSecrets"] = func(asked) answer { return answer{code: "AccessDeniedException"} }
	err := secrets.New(f.open(t, nil)).List(t.Context(), member, region, func(guard.Secret) error { return nil })
	if !errors.Is(err, guard.ErrDenied) {
		t.Errorf("error %v, want ErrDenied", err)
	}
}

func TestAWriteWhoseAnswerGotLostIsNoConflict(t *testing.T) {
	var stored object
	f := newFake()
	f.on["PutItem"] = func(a asked) answer {
		if stored == nil {
			stored = a.in["Item"].(object)
			return answer{status: 500, code: "InternalServerError"}
		}
		return answer{body: object{"__type": "ConditionalCheckFailedException", "message": "no", "Item": stored}, status: 400}
	}
	records := table.Open(f.open(t, nil), "doublelock")
	if err := records.Save(t.Context(), record(secretARN, "")); err != nil {
		t.Errorf("our own write is taken for somebody else's: %v", err)
	}
	if n := len(f.made("PutItem")); n != 2 {
		t.Errorf("tried %d times, want 2", n)
	}
	if err := records.Save(t.Context(), record(secretARN, "")); !errors.Is(err, guard.ErrConflict) {
		t.Errorf("an equal record of somebody else: %v, want ErrConflict", err)
	}
}

// The same of a record that is written with what leads to it.
func TestATransactionWhoseAnswerGotLostIsNoConflict(t *testing.T) {
	var stored object
	f := newFake()
	canceled := func(code string, it object) answer {
		return answer{status: 400, body: object{"__type": "TransactionCanceledException", "message": "no",
			"CancellationReasons": []object{{"Code": code, "Item": it}, {"Code": "None"}}}}
	}
	f.on["TransactWriteItems"] = func(a asked) answer {
		first := a.in["TransactItems"].([]any)[0].(object)["Put"].(object)
		switch {
		case stored == nil:
			stored = first["Item"].(object)
			return answer{status: 500, code: "InternalServerError"}
		case len(f.made("TransactWriteItems")) == 4:
			return canceled("TransactionConflict", nil)
		case len(f.made("TransactWriteItems")) == 5:
			return canceled("ThrottlingError", nil)
		}
		return canceled("ConditionalCheckFailed", stored)
	}
	records := table.Open(f.open(t, nil), "doublelock")
	save := func() error { return records.Save(t.Context(), record(secretARN, keyARN)) }
	if err := save(); err != nil || len(f.made("TransactWriteItems")) != 2 {
		t.Errorf("our own write is taken for somebody else's: %v", err)
	}
	for sentence, want := range map[string]error{"an equal record of somebody else": guard.ErrConflict, "somebody else at it": guard.ErrConflict} {
		if err := save(); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", sentence, err, want)
		}
	}
	if err := save(); !errors.Is(err, guard.ErrThrottled) {
		t.Errorf("throttled: %v", err)
	}
}

func TestTheRecordOfADeletedSecretIsForgottenInTheEnd(t *testing.T) {
	f := newFake()
	f.on["PutItem"] = func(asked) answer { return answer{body: object{}} }
	records := table.Open(f.open(t, func(o *cloud.Options) { o.KeepGone = 30 * 24 * time.Hour }), "doublelock")
	gone := record(secretARN, "")
	gone.GoneAt = time.Unix(1_800_000_000, 0)
	for _, rec := range []guard.Record{record(secretARN, ""), gone} {
		if err := records.Save(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
	}
	var ends []any
	for _, call := range f.made("PutItem") {
		ends = append(ends, call.in["Item"].(object)["expiresAt"])
	}
	if diff := cmp.Diff([]any{nil, object{"N": "1802592000"}}, ends); diff != "" {
		t.Errorf("when the items end (-want +got):\n%s", diff)
	}
}

func TestAnUnreadableRecordIsAnErrorAndNotAZeroRecord(t *testing.T) {
	items := map[string]object{
		"no body":         {"pk": object{"S": "resource#x"}, "sk": object{"S": "record"}},
		"a broken body":   {"pk": object{"S": "resource#x"}, "sk": object{"S": "record"}, "body": object{"S": "{"}},
		"a body of bytes": {"pk": object{"S": "resource#x"}, "sk": object{"S": "record"}, "body": object{"B": "e30="}},
	}
	for name, it := range items {
		f := newFake()
		f.on["GetItem"] = func(asked) answer { return answer{body: object{"Item": it}} }
		if rec, err := table.Open(f.open(t, nil), "doublelock").Load(t.Context(), "x"); err == nil {
			t.Errorf("%s loads as %+v", name, rec)
		}
	}
}

func TestAccountsTakeTheirPathFromTheListWhereAWSGivesIt(t *testing.T) {
	f := newFake()
	f.on["ListAccounts"] = func(asked) answer {
		return answer{body: object{"Accounts": []object{
			{"Id": member, "Name": "payments", "State": "ACTIVE", "Paths": []string{"o-abc/r-1/ou-1-a/ou-1-b/" + member + "/"}},
			{"Id": hub, "Name": "security", "Status": "SUSPENDED", "Paths": []string{"o-abc/r-1/"}},
		}}}
	}
	org := organization.New(f.open(t, nil))
	want := []organization.Account{
		{ID: member, Name: "payments", State: "ACTIVE", Path: []string{"r-1", "ou-1-a", "ou-1-b"}},
		{ID: hub, Name: "security", State: "SUSPENDED", Path: []string{"r-1"}},
	}
	for range 2 {
		got, err := org.Accounts(t.Context())
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(err, diff)
		}
	}
	if n := len(f.made("ListAccounts")); n != 1 {
		t.Errorf("listed %d times, want once", n)
	}
	if key := f.made("ListAccounts")[0].key; key != "HUB" {
		t.Errorf("listed as %s", key)
	}
}

func TestTheOrganizationIsReadThroughTheManagementAccountsRoleWhenThereIsOne(t *testing.T) {
	f := newFake()
	f.on["ListAccounts"] = func(asked) answer { return answer{body: object{"Accounts": []object{}}} }
	if _, err := organization.New(f.open(t, func(o *cloud.Options) { o.ManagementAccount = keyHome })).Accounts(t.Context()); err != nil {
		t.Fatal(err)
	}
	if key := f.made("ListAccounts")[0].key; key != "arn:aws:iam::"+keyHome+":role.doublelock-read" {
		t.Errorf("listed as %s", key)
	}
}
