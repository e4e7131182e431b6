package inventory_test

import (
	"bytes"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	yes  = policy.Allowed
	no   = policy.ImplicitlyDenied
	deny = policy.ExplicitlyDenied
	may  = policy.Unknown
)

func TestTheSnapshotThatTheCommandsAreTriedOn(t *testing.T) {
	var got bytes.Buffer
	if err := inventory.Save(&got, acme()); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("..", "..", "testdata", "inventory", "acme.json")
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Error(diff)
	}
	loaded, err := inventory.Load(&got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(acme(), loaded); diff != "" {
		t.Errorf("a snapshot saved and loaded is another:\n%s", diff)
	}
}

func TestBothLocksDecide(t *testing.T) {
	for name, tt := range map[string]struct {
		principal, secret string
		lock, key, want   policy.Answer
	}{
		"IAM on both sides, delegated by the key policy": {roleARN(shop, "app"), "shop/db", yes, yes, yes},
		"the secret alone": {roleARN(shop, "analyst"), "shop/db", yes, no, no},
		"the key alone":    {roleARN(shop, "keys-only"), "shop/db", no, yes, no},
		"neither":          {roleARN(shop, "batch"), "shop/db", no, no, no},
		"the AWS managed key opens to who may read":        {roleARN(shop, "analyst"), "shop/legacy", yes, yes, yes},
		"a group's policy is the user's":                   {"arn:aws:iam::111122223333:user/alice", "shop/legacy", yes, yes, yes},
		"a user without the right on another secret":       {"arn:aws:iam::111122223333:user/alice", "shop/db", no, no, no},
		"a boundary without KMS closes the key lock":       {roleARN(shop, "bounded"), "shop/db", yes, no, no},
		"but not that of a key policy that names everyone": {roleARN(shop, "bounded"), "vendor/acme", yes, yes, yes},
		"an SCP's deny": {roleARN(shop, "quarantined"), "shop/db", deny, yes, no},
		"an older copy under the AWS managed key is enough":          {roleARN(shop, "app"), "shop/dual", yes, yes, yes},
		"a grant with the secret's encryption context":               {roleARN(shop, "analyst"), "shop/dual", yes, yes, yes},
		"another account needs both policies and its own":            {roleARN(data, "pipeline"), "shared/token", yes, yes, yes},
		"another account under the AWS managed key":                  {roleARN(data, "pipeline"), "shared/default", yes, no, no},
		"another account without the secret's policy":                {roleARN(data, "pipeline"), "shop/db", no, no, no},
		"an account outside the snapshot is unknown at best":         {roleARN(vendor, "acme"), "vendor/acme", may, may, may},
		"and denied where nothing lets it in":                        {roleARN(vendor, "acme"), "shop/db", no, no, no},
		"a condition on the address is unknown":                      {roleARN(shop, "office"), "shop/db", may, may, may},
		"a resource policy that cannot be parsed":                    {roleARN(shop, "app"), "shop/broken", may, yes, may},
		"a resource policy that cannot be parsed, with no key":       {roleARN(shop, "analyst"), "shop/broken", may, no, no},
		"a secret scheduled for deletion opens to nobody":            {roleARN(shop, "admin"), "shop/deleted", no, yes, no},
		"a disabled key opens nothing":                               {roleARN(shop, "admin"), "shop/off", yes, no, no},
		"the root user":                                              {"arn:aws:iam::111122223333:root", "shop/db", yes, yes, yes},
		"a session has what its role has":                            {"arn:aws:sts::111122223333:assumed-role/app/task-1", "shop/db", yes, yes, yes},
		"use through Secrets Manager by everyone who may read there": {roleARN(shop, "batch"), "vendor/acme", yes, yes, yes},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := inventory.Prepare(acme()).Explain(tt.principal, secretARN(tt.secret))
			if err != nil {
				t.Fatal(err)
			}
			got := []policy.Answer{r.SecretLock.Answer, r.KeyLock.Answer, r.Answer}
			if diff := cmp.Diff([]policy.Answer{tt.lock, tt.key, tt.want}, got); diff != "" {
				t.Errorf("secret lock, key lock, both: %s\n%s", diff, r.Why())
			}
		})
	}
}

// shared has AWS RAM share the key of shop/db.
func shared(s *inventory.Snapshot) {
	s.Keys[0].Shared = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"kms:Decrypt","Resource":"*"}]}`
}

// deniesKMS denies a role the use of every key.
func deniesKMS(s *inventory.Snapshot, role string) {
	at := slices.IndexFunc(s.Principals, func(p inventory.Principal) bool { return p.ARN == roleARN(shop, role) })
	s.Principals[at].Inline = maps.Clone(s.Principals[at].Inline)
	s.Principals[at].Inline["deny"] = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:*","Resource":"*"}]}`
}

// How the statements of a policy of AWS RAM count is on no page: whom it shares a key with may open and change it, and nobody surely does.
func TestAKeyThatAWSRAMSharesMayBeOpenedAndChanged(t *testing.T) {
	analyst, db := roleARN(shop, "analyst"), secretARN("shop/db")
	for sentence, c := range map[string]struct {
		change         func(*inventory.Snapshot)
		reads, decides policy.Answer
		changes        string // whether it may write the key policy
	}{
		"a key that is not shared":                {func(*inventory.Snapshot) {}, no, no, "none"},
		"a key that is":                           {shared, may, may, "perhaps"},
		"one of which that could not be read":     {func(s *inventory.Snapshot) { s.Keys[0].SharedUnread = "access denied" }, may, may, "perhaps"},
		"the same, where an own policy denies it": {func(s *inventory.Snapshot) { shared(s); deniesKMS(s, "analyst") }, no, no, "none"},
	} {
		s := acme()
		c.change(&s)
		access := inventory.Prepare(s)
		readers, _, err := access.Readers(db)
		if err != nil {
			t.Fatal(err)
		}
		at := slices.IndexFunc(readers, func(r inventory.Reader) bool { return r.Principal == analyst })
		if at < 0 || readers[at].Answer != c.reads {
			t.Errorf("%s: among the readers %d: %+v, want %s", sentence, at, readers, c.reads)
		}
		if opens, err := access.Opens(analyst, db); err != nil || opens.Answer != c.decides {
			t.Errorf("%s: it opens %s, want %s: %v", sentence, opens.Answer, c.decides, err)
		}
		powers, err := access.Powers(analyst, nil)
		if err != nil {
			t.Fatal(err)
		}
		changes := "none"
		for _, p := range powers {
			if p.Action == "kms:PutKeyPolicy" && p.Resource == s.Keys[0].Facts.ARN {
				changes = map[bool]string{true: "surely", false: "perhaps"}[p.Certain]
			}
		}
		if changes != c.changes {
			t.Errorf("%s: it changes the key: %s, want %s", sentence, changes, c.changes)
		}
	}
}

// A copy of another account's secret has a policy of Secrets Manager's own, which is not read: nobody is surely in or out, and whom
// the policy that is read names is listed all the same.
func TestACopyOfAnotherAccountsSecretHasReadersThatNobodyKnows(t *testing.T) {
	s, reader := readable(guard.Key{Manager: guard.ManagerCustomer, State: guard.KeyEnabled}, "", "")
	copied := &s.Secrets[0]
	copied.Policy = document(`{"Effect":"Allow","Principal":{"AWS":["` + reader + `","arn:aws:iam::999988887777:role/far"]},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
	copied.Facts.CopyOf = "arn:aws:secretsmanager:eu-central-1:444455556666:secret:read-AbCdEf"
	access := inventory.Prepare(s)
	readers, unread, err := access.Readers(copied.Facts.ARN)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]policy.Answer{}
	for _, r := range readers {
		got[r.Principal] = r.SecretLock.Answer
		if !strings.Contains(r.SecretLock.Why, "cross-account-replication") {
			t.Errorf("%s: %s", r.Principal, r.SecretLock.Why)
		}
	}
	if diff := cmp.Diff(map[string]policy.Answer{reader: may, "arn:aws:iam::999988887777:role/far": may, "anybody whom the policy may let in": may}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(unread) == 0 || unread[0].Part != inventory.PartSecrets || !strings.Contains(unread[0].Why, "cross-account-replication") {
		t.Errorf("what is not read: %+v", unread)
	}
	if opens, err := access.Opens(reader, copied.Facts.ARN); err != nil || opens.Answer != may {
		t.Errorf("it opens %s: %v", opens.Answer, err)
	}
}

func TestWhatWasNotReadIsUnknown(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*inventory.Snapshot)
		who    string
		secret string
		want   policy.Answer
	}{
		"the key policy":                        {func(s *inventory.Snapshot) { s.Keys[0].Policy, s.Keys[0].PolicyUnread = "", "access denied" }, roleARN(shop, "app"), "shop/db", may},
		"the key":                               {func(s *inventory.Snapshot) { s.Keys = nil }, roleARN(shop, "app"), "shop/db", may},
		"the grants, where only one could open": {func(s *inventory.Snapshot) { s.Keys[0].GrantsUnread = "access denied" }, roleARN(shop, "analyst"), "shop/db", may},
		"the grants, where the policy opens":    {func(s *inventory.Snapshot) { s.Keys[0].GrantsUnread = "access denied" }, roleARN(shop, "app"), "shop/db", yes},
		"whether the key is shared, where only that could open": {func(s *inventory.Snapshot) { s.Keys[0].SharedUnread = "access denied" }, roleARN(shop, "analyst"), "shop/db", may},
		"whom AWS RAM shares the key with":                      {shared, roleARN(shop, "analyst"), "shop/db", may},
		"the same, where the policy opens":                      {shared, roleARN(shop, "app"), "shop/db", yes},
		"the same, where a policy of its own denies":            {func(s *inventory.Snapshot) { shared(s); deniesKMS(s, "analyst") }, roleARN(shop, "analyst"), "shop/db", no},
		"what the state of the key means":                       {func(s *inventory.Snapshot) { s.Keys[0].Facts.State = guard.KeyCreating }, roleARN(shop, "app"), "shop/db", may},
		"a state of next year":                                  {func(s *inventory.Snapshot) { s.Keys[0].Facts.State = "Resting" }, roleARN(shop, "app"), "shop/db", may},
		"the state of the key":                                  {func(s *inventory.Snapshot) { s.Keys[0].Facts.State = "" }, roleARN(shop, "app"), "shop/db", may},
		"the versions, where another key could open":            {func(s *inventory.Snapshot) { s.Secrets[0].Facts.VersionsUnread = true }, roleARN(shop, "analyst"), "shop/db", may},
		"the versions, where the key that is set opens":         {func(s *inventory.Snapshot) { s.Secrets[0].Facts.VersionsUnread = true }, roleARN(shop, "app"), "shop/db", yes},
		"the SCPs": {func(s *inventory.Snapshot) {
			s.Unread = []inventory.Unread{{Part: inventory.PartControls, Account: shop, Why: "throttled"}}
		}, roleARN(shop, "app"), "shop/db", may},
		"the organization": {func(s *inventory.Snapshot) {
			s.Unread = []inventory.Unread{{Part: inventory.PartOrganization, Why: "access denied"}}
		}, roleARN(shop, "app"), "shop/db", may},
		"the principals of an account": {func(s *inventory.Snapshot) {
			s.Unread = []inventory.Unread{{Part: inventory.PartPrincipals, Account: shop, Why: "no member role"}}
			s.Principals = nil
		}, roleARN(shop, "app"), "shop/db", may},
		"a managed policy": {func(s *inventory.Snapshot) { delete(s.Managed, administrator) }, roleARN(shop, "admin"), "shop/db", may},
		"a boundary":       {func(s *inventory.Snapshot) { s.Principals[3].Boundary = "arn:aws:iam::111122223333:policy/gone" }, roleARN(shop, "app"), "shop/db", may},
		"an SCP that cannot be parsed": {func(s *inventory.Snapshot) {
			s.Controls["p-FullAWSAccess"] = inventory.Policy{Name: "x", Document: "{"}
		}, roleARN(shop, "app"), "shop/db", may},
		"tags of sessions that could count": {sessionTags, roleARN(shop, "app"), "shop/db", may},
	} {
		t.Run(name, func(t *testing.T) {
			s := acme()
			tt.change(&s)
			r, err := inventory.Prepare(s).Explain(tt.who, secretARN(tt.secret))
			if err != nil {
				t.Fatal(err)
			}
			if r.Answer != tt.want {
				t.Errorf("%s, want %s: %s", r.Answer, tt.want, r.Why())
			}
			can, err := inventory.Prepare(s).Can(tt.who)
			if err != nil {
				t.Fatal(err)
			}
			if got := answerIn(can, secretARN(tt.secret)); got != tt.want {
				t.Errorf("can says %s, want %s", got, tt.want)
			}
		})
	}
}

func sessionTags(s *inventory.Snapshot) {
	s.Principals[3].Trust = document(`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":["sts:AssumeRole","sts:TagSession"]}`)
	s.Secrets[0].Policy = document(`{"Effect":"Deny","Principal":"*","Action":"secretsmanager:*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalTag/team":"shop"}}}`)
}

func answerIn(can inventory.Openings, arn string) policy.Answer {
	for _, open := range can.Open {
		if open == arn {
			return yes
		}
	}
	for _, unknown := range can.Unknown {
		if unknown == arn {
			return may
		}
	}
	return no
}

// Can goes another way than Explain, through indexes, and must say the same.
func TestCanAgreesWithExplain(t *testing.T) {
	access := inventory.Prepare(acme())
	for _, p := range append(acme().Principals, inventory.Principal{ARN: roleARN(vendor, "acme")}, inventory.Principal{ARN: "arn:aws:iam::111122223333:root"}) {
		can, err := access.Can(p.ARN)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range acme().Secrets {
			r, err := access.Explain(p.ARN, s.Facts.ARN)
			if err != nil {
				t.Fatal(err)
			}
			if got := answerIn(can, s.Facts.ARN); got != r.Answer {
				t.Errorf("%s before %s: can says %s, explain %s (%s)", p.ARN, s.Facts.Name, got, r.Answer, r.Why())
			}
		}
	}
}

func TestReaders(t *testing.T) {
	for name, tt := range map[string]struct {
		secret string
		want   []string
	}{
		"delegated to IAM": {"shop/db", []string{"admin yes", "app yes", "office may", "analyst secret only", "bounded secret only", "keys-only key only", "quarantined key only"}},
		"shared with a vendor": {"vendor/acme", []string{"admin yes", "analyst yes", "batch yes", "bounded yes", "office may", "acme may",
			"app key only", "keys-only key only", "quarantined key only", "alice key only"}},
	} {
		t.Run(name, func(t *testing.T) {
			readers, unread, err := inventory.Prepare(acme()).Readers(secretARN(tt.secret))
			if err != nil {
				t.Fatal(err)
			}
			if len(unread) > 0 {
				t.Errorf("unread: %v", unread)
			}
			var got []string
			for _, r := range readers {
				got = append(got, r.Principal[strings.LastIndexByte(r.Principal, '/')+1:]+" "+summary(r))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func summary(r inventory.Reader) string {
	secret, key := r.Holds()
	switch {
	case r.Answer == yes:
		return "yes"
	case r.Answer == may:
		return "may"
	case secret:
		return "secret only"
	case key:
		return "key only"
	}
	return "nothing"
}

func TestASessionThatAPolicyNamesOpensForItsRole(t *testing.T) {
	s := acme()
	session := "arn:aws:sts::111122223333:assumed-role/analyst/deploy"
	s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + session + `"},"Action":"kms:Decrypt","Resource":"*"}`)
	s.Principals[4].Trust = document(`{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}`)
	access := inventory.Prepare(s)
	for who, want := range map[string]policy.Answer{roleARN(shop, "analyst"): yes, session: yes, "arn:aws:sts::111122223333:assumed-role/analyst/other": no} {
		r, err := access.Explain(who, secretARN("shop/db"))
		if err != nil {
			t.Fatal(err)
		}
		can, err := access.Can(who)
		if err != nil {
			t.Fatal(err)
		}
		if got := answerIn(can, secretARN("shop/db")); r.Answer != want || got != want {
			t.Errorf("%s: explain %s, can %s, want %s", who, r.Answer, got, want)
		}
	}
}

// What a role keeps, all of its sessions keep: one that alone keeps it, or alone loses it, is no promise.
func TestARightIsKeptByAllSessionsOfARoleOrIsNotKept(t *testing.T) {
	s := acme()
	session := "arn:aws:sts::111122223333:assumed-role/app/deploy"
	s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":{"AWS":"`+session+`"},"Action":"kms:Describe*","Resource":"*"}`, `{"Sid":"IAM","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"}`)
	access := inventory.Prepare(s)
	for name, tt := range map[string]struct {
		policy string
		want   policy.Answer
	}{
		"all keep it":            {document(`{"Effect":"Allow","Principal":{"AWS":"` + roleARN(shop, "app") + `"},"Action":"kms:Decrypt","Resource":"*"}`), yes},
		"one of them keeps it":   {document(`{"Effect":"Allow","Principal":{"AWS":"` + session + `"},"Action":"kms:Decrypt","Resource":"*"}`), no},
		"nobody keeps it":        {document(`{"Effect":"Allow","Principal":{"AWS":"` + roleARN(shop, "batch") + `"},"Action":"kms:Decrypt","Resource":"*"}`), no},
		"one of them is refused": {document(`{"Effect":"Allow","Principal":{"AWS":"`+roleARN(shop, "app")+`"},"Action":"kms:Decrypt","Resource":"*"}`, `{"Effect":"Deny","Principal":{"AWS":"`+session+`"},"Action":"kms:Decrypt","Resource":"*"}`), policy.ExplicitlyDenied},
	} {
		got, err := access.DecryptsWith(roleARN(shop, "app"), secretARN("shop/db"), key("new", tt.policy))
		if err != nil {
			t.Fatal(err)
		}
		if got.Answer != tt.want {
			t.Errorf("%s: %s, want %s: %s", name, got.Answer, tt.want, got.Why)
		}
	}
}

func TestEverybodyOfOtherAccounts(t *testing.T) {
	s := acme()
	s.Secrets[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
	s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)
	open, _, err := inventory.Prepare(s).Readers(secretARN("shop/db"))
	if err != nil {
		t.Fatal(err)
	}
	s.Secrets[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}}}`)
	kept, _, err := inventory.Prepare(s).Readers(secretARN("shop/db"))
	if err != nil {
		t.Fatal(err)
	}
	if got := strangers(open); got != may {
		t.Errorf("open to the world: %s, want %s", got, may)
	}
	if got := strangers(kept); got != no {
		t.Errorf("open to the organization: %s, want %s", got, no)
	}
}

func strangers(readers []inventory.Reader) policy.Answer {
	for _, r := range readers {
		if r.Principal == "anybody in any AWS account" {
			return r.Answer
		}
	}
	return no
}

func TestAnAccountOutsideTheSnapshotIsNamedAsAWhole(t *testing.T) {
	s := acme()
	s.Secrets[3].Policy = strings.ReplaceAll(s.Secrets[3].Policy, ":role/acme", ":root")
	s.Keys[2].Policy = strings.ReplaceAll(s.Keys[2].Policy, ":role/acme", ":root")
	readers, _, err := inventory.Prepare(s).Readers(secretARN("vendor/acme"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readers {
		if r.Account == vendor {
			if r.Principal != "anybody in account "+vendor || r.Answer != may {
				t.Errorf("%s: %s (%s)", r.Principal, r.Answer, r.Why())
			}
			return
		}
	}
	t.Error("the vendor's account is not among the readers")
}

func TestDecryptsUnderAnotherKey(t *testing.T) {
	access := inventory.Prepare(acme())
	for name, tt := range map[string]struct {
		who, key string
		want     policy.Answer
	}{
		"a key that only delegates, without kms rights": {roleARN(shop, "analyst"), keyARN("app"), no},
		"a key that everyone uses through the service":  {roleARN(shop, "analyst"), keyARN("vendor"), yes},
		"the AWS managed key":                           {roleARN(shop, "analyst"), guard.DefaultKeyID, yes},
		"the AWS managed key, for another account":      {roleARN(data, "pipeline"), "", no},
		"a disabled key":                                {roleARN(shop, "admin"), keyARN("off"), no},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := access.Decrypts(tt.who, secretARN("shop/legacy"), tt.key)
			if err != nil {
				t.Fatal(err)
			}
			if d.Answer != tt.want {
				t.Errorf("%s, want %s: %s", d.Answer, tt.want, d.Why)
			}
		})
	}
	if _, err := access.Decrypts(roleARN(shop, "app"), secretARN("shop/db"), keyARN("nowhere")); !errors.Is(err, inventory.ErrNotInSnapshot) {
		t.Errorf("an unknown key: %v", err)
	}
}

func TestWhoIsNotThere(t *testing.T) {
	access := inventory.Prepare(acme())
	if _, err := access.Can(roleARN(shop, "nobody")); !errors.Is(err, inventory.ErrNotInSnapshot) {
		t.Errorf("an unknown role: %v", err)
	}
	if _, err := access.Explain(roleARN(shop, "app"), "shop/none"); !errors.Is(err, inventory.ErrNotInSnapshot) {
		t.Errorf("an unknown secret: %v", err)
	}
	if _, err := access.Can("somebody"); err == nil {
		t.Error("a text that is no principal was accepted")
	}
}

// A grant that is older than the role whose name it has was made for another role, which is gone.
func TestAGrantToAFormerRoleIsNotCertainlyOneToTheRoleOfItsNameNow(t *testing.T) {
	created := time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)
	for sentence, tt := range map[string]struct {
		granted time.Time
		want    policy.Answer
	}{
		"before it was created": {created.Add(-time.Second), policy.Unknown},
		"after":                 {created.Add(time.Second), policy.Allowed},
		"at a time not known":   {time.Time{}, policy.Allowed},
	} {
		s := acme()
		named(&s, "shop/dual").Facts.Versions[0].Keys = []guard.Key{cmk("grants")}
		for i := range s.Principals {
			if s.Principals[i].ARN == roleARN(shop, "analyst") {
				s.Principals[i].CreatedAt = created
			}
		}
		for i := range s.Keys {
			for j := range s.Keys[i].Grants {
				s.Keys[i].Grants[j].CreatedAt = tt.granted
			}
		}
		r, err := inventory.Prepare(s).Explain(roleARN(shop, "analyst"), secretARN("shop/dual"))
		if err != nil {
			t.Fatal(err)
		}
		can, err := inventory.Prepare(s).Can(roleARN(shop, "analyst"))
		if err != nil {
			t.Fatal(err)
		}
		if r.KeyLock.Answer != tt.want || slices.Contains(can.Open, secretARN("shop/dual")) != (tt.want == policy.Allowed) {
			t.Errorf("granted %s: %s, want %s: %s; opens %v", sentence, r.KeyLock.Answer, tt.want, r.KeyLock.Why, can.Open)
		}
	}
}
