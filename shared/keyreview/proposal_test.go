package keyreview_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
)

// managed is a snapshot of a key with a policy, which somebody may manage, and that is known to be unused.
func managed(text string) inventory.Snapshot {
	k := fine()
	k.Policy, k.Use = text, inventory.Use{Since: now.AddDate(0, 0, -90)}
	s := snapshot(k)
	s.Principals = append(s.Principals, role("admin", `{"Effect":"Allow","Action":"kms:*","Resource":"*"}`))
	return s
}

const (
	delegating = `{"Sid":"Root","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`
	foreign    = `{"Sid":"Foreign","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::999900001111:root"},"Action":"kms:Decrypt","Resource":"*"}`
)

func TestAProposedPolicyLeavesWhatIsExcusedOrNotAsked(t *testing.T) {
	waive := func(id guard.ControlID) func(*keyreview.Standard) {
		return func(std *keyreview.Standard) {
			std.Waivers = []guard.Waiver{{Control: id, Resource: arn, By: "ciso", Reason: "they need it", Expires: now.AddDate(1, 0, 0)}}
		}
	}
	only := func(id guard.ControlID) func(*keyreview.Standard) {
		return func(std *keyreview.Standard) { std.Controls = []guard.ControlID{id} }
	}
	for name, test := range map[string]struct {
		standard func(*keyreview.Standard)
		of       guard.ControlID
		stays    []string
		goes     []string
	}{
		"both are asked":    {func(*keyreview.Standard) {}, guard.KeyOnlyDelegate, nil, []string{"999900001111", `"kms:*"`}},
		"one is excused":    {waive(guard.KeyOpen), guard.KeyOnlyDelegate, []string{"999900001111"}, []string{`"kms:*"`}},
		"the other is":      {waive(guard.KeyOnlyDelegate), guard.KeyOpen, []string{`"kms:*"`}, []string{"999900001111"}},
		"one is not asked":  {only(guard.KeyOnlyDelegate), guard.KeyOnlyDelegate, []string{"999900001111"}, []string{`"kms:*"`}},
		"the other is not":  {only(guard.KeyOpen), guard.KeyOpen, []string{`"kms:*"`}, []string{"999900001111"}},
		"what is asked ...": {only(guard.KeyTags), "", nil, nil},
	} {
		std := standard()
		test.standard(&std)
		found := keyreview.Review(inventory.Prepare(managed(document(delegating, foreign))), std, now)
		if test.of == "" {
			if len(found) > 0 {
				t.Errorf("%s: %+v", name, found)
			}
			continue
		}
		proposed := of(test.of, found)
		if len(proposed) != 1 || proposed[0].After == "" {
			t.Errorf("%s: %+v", name, found)
			continue
		}
		for _, part := range test.stays {
			if !strings.Contains(proposed[0].After, part) {
				t.Errorf("%s: %s is gone: %s", name, part, proposed[0].After)
			}
		}
		for _, part := range test.goes {
			if strings.Contains(proposed[0].After, part) {
				t.Errorf("%s: %s is left: %s", name, part, proposed[0].After)
			}
		}
	}
}

// IAM writes the unique id of who was deleted into a policy, and KMS takes none that has one.
func TestAProposedPolicyNamesNobodyWhoWasDeleted(t *testing.T) {
	const ghost = "AROAEXAMPLEGHOST12345"
	for name, test := range map[string]struct {
		beside string
		after  bool
		kept   string
	}{
		"a Deny of it and others": {`{"Sid":"D","Effect":"Deny","Principal":{"AWS":["` + ghost + `","arn:aws:iam::111122223333:role/app"]},"Action":"kms:ReEncrypt*","Resource":"*"}`, true, `"Principal":{"AWS":"arn:aws:iam::111122223333:role/app"}`},
		"a Deny of it alone":      {`{"Sid":"D","Effect":"Deny","Principal":{"AWS":"` + ghost + `"},"Action":"kms:Decrypt","Resource":"*"}`, true, ""},
		"who may look":            {`{"Sid":"D","Effect":"Allow","Principal":{"AWS":["AIDAEXAMPLEGHOST12345","arn:aws:iam::111122223333:role/app"]},"Action":"kms:DescribeKey","Resource":"*"}`, true, `"Action":"kms:DescribeKey"`},
		"who is excepted":         {`{"Sid":"D","Effect":"Deny","NotPrincipal":{"AWS":["` + ghost + `","arn:aws:iam::111122223333:root","arn:aws:iam::111122223333:role/admin"]},"Action":"kms:ScheduleKeyDeletion","Resource":"*"}`, false, ""},
		"nobody":                  {`{"Sid":"D","Effect":"Deny","Principal":{"AWS":"arn:aws:iam::111122223333:role/app"},"Action":"kms:ReEncrypt*","Resource":"*"}`, true, `"Sid":"D"`},
	} {
		found := of(guard.KeyOpen, keyreview.Review(inventory.Prepare(managed(document(manageOnly, foreign, test.beside))), standard(), now))
		at := slices.IndexFunc(found, func(f keyreview.Finding) bool { return strings.Contains(f.Detail, `"Foreign"`) })
		if at < 0 {
			t.Errorf("%s: %+v", name, found)
			continue
		}
		f := found[at]
		if (f.After != "") != test.after || strings.Contains(f.After, "EXAMPLEGHOST") || !strings.Contains(f.After, test.kept) {
			t.Errorf("%s: %s %s", name, f.Fix, f.After)
		}
		if !test.after && !strings.Contains(f.Fix, "whom to except in its stead") {
			t.Errorf("%s: %s", name, f.Fix)
		}
	}
}

func TestWhoWasDeletedIsNotTakenForAnybody(t *testing.T) {
	found := of(guard.KeyOpen, keyreview.Review(inventory.Prepare(managed(document(manageOnly, `{"Sid":"Audit","Effect":"Allow","Principal":{"AWS":"AIDAEXAMPLEGHOST12345"},"Action":["kms:DescribeKey","kms:ListGrants"],"Resource":"*"}`))), standard(), now))
	if len(found) != 1 || found[0].Detail != `statement "Audit": it names AIDAEXAMPLEGHOST12345, which does not say of which account it is` || found[0].After == "" {
		t.Errorf("%+v", found)
	}
}

func TestWhoWasSeenByASessionThatThePolicyNamesIsExplained(t *testing.T) {
	statement := `{"Sid":"M","Effect":"Allow","Principal":{"AWS":["arn:aws:sts::111122223333:assumed-role/app/s","arn:aws:iam::999900001111:role/x"]},"Action":"kms:Decrypt","Resource":"*"}`
	std := standard()
	std.Seen = []keyreview.Use{{Key: arn, Principal: "arn:aws:iam::111122223333:role/app", Action: "kms:Decrypt", First: now, Last: now}}
	found := of(guard.KeyOpen, keyreview.Review(inventory.Prepare(managed(document(manageOnly, statement))), std, now))
	if len(found) != 1 || !strings.Contains(found[0].After, "assumed-role/app/s") || strings.Contains(found[0].After, "999900001111") {
		t.Errorf("%+v", found)
	}
	session := `{"Sid":"M","Effect":"Allow","Principal":{"AWS":"arn:aws:sts::111122223333:assumed-role/app/s"},"Action":"kms:Decrypt","Resource":"*"}`
	everybody := `{"Sid":"E","Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`
	found = of(guard.KeyOpen, keyreview.Review(inventory.Prepare(managed(document(manageOnly, session, everybody))), std, now))
	if len(found) != 1 || found[0].After != "" || !strings.Contains(found[0].Fix, "role/app was seen using it") { // by another session, perhaps
		t.Errorf("let in by another statement, too: %+v", found)
	}
}

// In a document of 2008, or without a Version, ${aws:username} is those characters; with another Version it would be a variable.
func TestAProposedPolicyKeepsItsVersion(t *testing.T) {
	for _, version := range []string{`"Version":"2008-10-17",`, `"Version":"2012-10-17",`, ""} {
		text := strings.Replace(document(manageOnly, foreign), `"Version":"2012-10-17",`, version, 1)
		found := of(guard.KeyOpen, keyreview.Review(inventory.Prepare(managed(text)), standard(), now))
		if len(found) != 1 || !strings.HasPrefix(found[0].After, "{"+version+`"Statement"`) {
			t.Errorf("%q: %+v", version, found)
		}
	}
}

func TestNothingOnRecordSaysLittleWhereTheRecordIsShort(t *testing.T) {
	for name, test := range map[string]struct {
		created, tracked time.Time
		proposed         bool
	}{
		"for long":            {now.AddDate(-6, 0, 0), now.AddDate(-1, 0, 0), true},
		"since yesterday":     {now.AddDate(-6, 0, 0), now.AddDate(0, 0, -1), false},
		"all its short life":  {now.AddDate(0, 0, -2), now.AddDate(0, 0, -3), true},
		"of an unknown age":   {time.Time{}, now.AddDate(0, 0, -3), false},
		"for 90 days exactly": {now.AddDate(-6, 0, 0), now.AddDate(0, 0, -90), true},
	} {
		s := managed(document(delegating))
		s.Keys[0].CreatedAt, s.Keys[0].Use.Since = test.created, test.tracked
		found := of(guard.KeyOnlyDelegate, keyreview.Review(inventory.Prepare(s), standard(), now))
		if len(found) != 1 || (found[0].After != "") != test.proposed || strings.Contains(found[0].Fix, "keeps track of its use only since") == test.proposed {
			t.Errorf("%s: %+v", name, found)
		}
	}
}

func TestKeysThatNobodyCouldListAreFindings(t *testing.T) {
	s := snapshot(fine())
	s.Unread = []inventory.Unread{{Part: inventory.PartKeys, Account: partner, Region: "eu-central-1", Why: "access denied"}, {Part: inventory.PartKeys, Account: "555566667777", Why: "access denied"}}
	for _, controls := range [][]guard.ControlID{nil, {guard.KeyTags}, {guard.KeyUnused, guard.KeyOpen}} {
		std := standard()
		std.Controls = controls
		var got []string
		for _, f := range keyreview.Review(inventory.Prepare(s), std, now) {
			if f.Outcome == guard.Unknown {
				got = append(got, f.Key+" "+f.Detail)
			}
		}
		want := []string{"arn:aws:kms:eu-central-1:444455556666:key/* the keys of account 444455556666 in eu-central-1 could not be read: access denied",
			"arn:aws:kms:*:555566667777:key/* the keys of account 555566667777 could not be read: access denied"}
		if !slices.Equal(got, want) {
			t.Errorf("%v: %q", controls, got)
		}
	}
}

// KMS sets the rotation of keys in use, and that of a multi-Region key by its primary key. A key that is off needs not be switched off.
func TestCommandsAreThoseThatKMSTakes(t *testing.T) {
	for name, test := range map[string]struct {
		change  func(*inventory.Key)
		control guard.ControlID
		command bool
	}{
		"rotation of a key in use":           {func(*inventory.Key) {}, guard.KeyRotation, true},
		"rotation of a key that is off":      {func(k *inventory.Key) { k.Facts.State = guard.KeyDisabled }, guard.KeyRotation, false},
		"rotation of one out of reach":       {func(k *inventory.Key) { k.Facts.State = guard.KeyUnavailable }, guard.KeyRotation, false},
		"rotation of a multi-Region key":     {func(k *inventory.Key) { k.Facts.MultiRegion = true }, guard.KeyRotation, false},
		"switching off an unused key":        {func(*inventory.Key) {}, guard.KeyUnused, true},
		"switching off one that is off, too": {func(k *inventory.Key) { k.Facts.State = guard.KeyDisabled }, guard.KeyUnused, false},
	} {
		k := fine()
		k.Rotation, k.Use = inventory.Rotation{}, inventory.Use{At: now.AddDate(0, -6, 0), Since: now.AddDate(-1, 0, 0)}
		test.change(&k)
		found := of(test.control, keyreview.Review(inventory.Prepare(snapshot(k)), standard(), now))
		if len(found) != 1 || strings.Contains(found[0].Fix, "aws kms") != test.command {
			t.Errorf("%s: %+v", name, found)
		}
	}
}
