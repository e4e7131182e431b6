package cloud_test

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
)

// elsewhere is the Region of replicas.
const elsewhere = "eu-west-1"

// shelf is one secret in an account of its own, with keys a and b of its Region, and c of its replica's.
type shelf struct {
	testing.TB
	w       *world
	clock   *atomic.Int64 // seconds that were waited
	account string
	secret  string
	a, b, c string
	e       string // that C's alias led to for a while
	alias   string

	far, d string // another account, and its key, of a copy there
}

// Every claim that is made of a secret by its copies is compared with really reading each of them: before any key changes, with
// each key off, and after the days on which keys are deleted.
func TestWhatIsSaidOfASecretIsWhatReadingItShows(t *testing.T) {
	clock := new(atomic.Int64)
	start := time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	local := localaws.New(localaws.Options{Seed: 1, Now: func() time.Time { return start.Add(time.Duration(clock.Load()) * time.Second) }})
	endpoint, stop, err := local.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	local.Organization("o-contract00", hub)
	w := &world{endpoint: endpoint, accounts: &atomic.Int64{}, open: func(_ testing.TB, account string) {
		local.AddAccount("", account, "member-"+account)
		local.AddRole(account, "doublelock-read", trustHub, mayRead)
	}}
	w.admin = func(t testing.TB, account string) cloud.Static {
		c, err := local.Principal(account, "role/people/somebody")
		if err != nil {
			t.Fatal(err)
		}
		return cloud.Static(c)
	}
	setups := 0
	for _, story := range stories {
		for _, replica := range replicas {
			for _, event := range keyEvents {
				if replica.few && !event.far || strings.Contains(story.sentence, "deleted") && replica.writes {
					continue // AWS shares and writes no secret whose key is not there
				}
				setups++
				if raceDetector && setups%7 != 0 { // five times as long, and one goroutine asks
					continue
				}
				t.Run(story.sentence+"; "+replica.sentence+"; "+event.sentence, func(t *testing.T) {
					s := &shelf{TB: t, w: w, clock: clock, account: w.account(t)}
					s.a, s.b, s.c = createKey(t, w, s.account, region, ""), createKey(t, w, s.account, region, ""), createKey(t, w, s.account, elsewhere, "")
					story.make(s)
					replica.make(s)
					event.make(s)
					s.compare()
				})
			}
		}
	}
	if setups < 60 {
		t.Errorf("%d set-ups are tried", setups)
	}
}

// stories are how the versions of a secret came under their keys.
var stories = []struct {
	sentence string
	make     func(*shelf)
}{
	{"nobody gave it a key", func(s *shelf) { s.create("") }},
	{"it was made under A", func(s *shelf) { s.create(s.a) }},
	{"it was re-keyed to A", func(s *shelf) { s.create(""); s.rekey(s.a) }},
	{"it was re-keyed to A, and written", func(s *shelf) { s.create(""); s.rekey(s.a); s.put() }},
	{"it was re-keyed to A, and written twice", func(s *shelf) { s.create(""); s.rekey(s.a); s.put(); s.put() }},
	{"it was moved from B to A", func(s *shelf) { s.create(s.b); s.rekey(s.a) }},
	{"it was moved from B to A, and written", func(s *shelf) { s.create(s.b); s.rekey(s.a); s.put() }},
	{"it was set back from A to the AWS managed key", func(s *shelf) { s.create(s.a); s.rekey("") }},
	{"a version has a label of its owner", func(s *shelf) { s.create(s.a); s.put("blue") }},
	{"a label of its owner was put on a version before the re-key to A", func(s *shelf) { s.create(s.b); s.put("blue"); s.rekey(s.a) }},
	{"a rotation is under way under A", func(s *shelf) { s.create(s.b); s.rekey(s.a); s.put("AWSPENDING") }},
	{"its alias was moved from A to B", func(s *shelf) { s.aliased(s.a); s.point(s.b) }},
	{"its alias was moved to B, it was written, and the alias was moved back to A", func(s *shelf) { s.aliased(s.a); s.point(s.b); s.put(); s.point(s.a) }},
	{"its alias was moved to B, it was written twice, and the alias was moved back to A", func(s *shelf) { s.aliased(s.a); s.point(s.b); s.put(); s.put(); s.point(s.a) }},
	{"its alias was deleted", func(s *shelf) { s.aliased(s.a); s.unalias() }},
	{"the material of its key expires", func(s *shelf) { s.a = s.imported(); s.create(s.a) }},
	{"a label of its owner was taken away before the re-key to A", func(s *shelf) { s.create(s.b); s.put("blue"); s.unlabel("blue"); s.rekey(s.a) }},
	{"a version without a label is under the AWS managed key", func(s *shelf) { s.create(""); s.put(); s.put(); s.rekey(s.a) }},
	{"a version without a label opens with two keys", func(s *shelf) { s.create(s.b); s.rekey(s.a); s.put(); s.put() }},
	{"a label of its owner is under B alone, and the current version under both", func(s *shelf) { s.create(s.b); s.put("blue"); s.move("blue", "green"); s.rekey(s.a) }},
	{"a rotation waits under B alone, and the current version is under both", func(s *shelf) { s.create(s.b); s.put("blue"); s.rekey(s.a); s.move("blue", "AWSPENDING") }},
	{"every label is under A, and a version without one under B", func(s *shelf) {
		s.create(s.b)
		s.put()
		s.put()
		s.rekey(s.a)
		s.put()
		s.put()
	}},
	{"its alias was moved to B and back, a version is without a label", func(s *shelf) {
		s.aliased(s.a)
		s.point(s.b)
		s.put()
		s.put()
		s.put()
		s.point(s.a)
		s.put()
		s.put()
	}},
	{"it was re-keyed to a key whose material expires", func(s *shelf) { s.create(s.b); s.a = s.imported(); s.rekey(s.a) }},
	{"it was moved to A from B, whose material expires", func(s *shelf) { s.b = s.imported(); s.create(s.b); s.rekey(s.a) }},
	{"it was moved to A from B, whose material expires, and written", func(s *shelf) { s.b = s.imported(); s.create(s.b); s.rekey(s.a); s.put() }},
	{"a label of its owner and a version without one open with A, and with B, whose material expires", func(s *shelf) {
		s.b = s.imported()
		s.create(s.b)
		s.put()
		s.put()
		s.put("AWSPENDING")
		s.rekey(s.a)
		s.move("AWSPENDING", "blue")
		s.put()
		s.put()
	}},
}

var replicas = []struct {
	sentence string
	make     func(*shelf)
	few      bool // tried with the events that reach its Region alone
	writes   bool // it needs the key that the primary names
}{
	{"no replica", func(*shelf) {}, false, false},
	{"a replica under the AWS managed key", func(s *shelf) { s.replicate("") }, false, false},
	{"a replica under C", func(s *shelf) { s.replicate(s.c) }, false, false},
	{"a replica under C whose replication failed", func(s *shelf) { s.disable(s.c); s.replicate(s.c); s.enable(s.c) }, true, false},
	{"a replica under C that holds an older version, since its replication failed", func(s *shelf) { s.replicate(s.c); s.disable(s.c); s.put(); s.enable(s.c) }, true, true},
	{"a replica that was moved to C, and written", func(s *shelf) { s.replicate(""); s.moveReplica(s.c); s.put() }, true, true},
	{"a replica that was moved to C after a label of its owner came, and written", func(s *shelf) {
		s.replicate("")
		s.put("violet")
		s.moveReplica(s.c)
		s.put()
		s.put()
	}, true, true},
	{"a replica under C that was set to the AWS managed key while C was off", func(s *shelf) {
		s.replicate(s.c)
		s.disable(s.c)
		s.moveReplica("alias/aws/secretsmanager")
	}, true, false},
	{"a replica that was moved to C", func(s *shelf) { s.replicate(""); s.moveReplica(s.c) }, true, false},
	{"a replica under C whose older version is under the AWS managed key there", func(s *shelf) { s.replicate(""); s.put("violet"); s.moveReplica(s.c) }, true, true},
	{"a replica whose alias was moved from C, it was written, and the alias moved back", func(s *shelf) { s.replicateMoved() }, true, true},
	{"a replica whose alias was deleted", func(s *shelf) {
		s.replicateAliased()
		s.must(s.keys(elsewhere).DeleteAlias(s.Context(), &kms.DeleteAliasInput{AliasName: aws.String("alias/there")}))
	}, true, false},
	{"a copy in another account under D", func(s *shelf) { s.share() }, false, true},
	{"a copy in another account under D that is disabled", func(s *shelf) { s.share(); s.disable(s.d) }, true, true},
}

var keyEvents = []struct {
	sentence string
	make     func(*shelf)
	far      bool
}{
	{"every key is enabled", func(*shelf) {}, true},
	{"A is disabled", func(s *shelf) { s.disable(s.a) }, false},
	{"B is disabled", func(s *shelf) { s.disable(s.b) }, false},
	{"A is pending deletion", func(s *shelf) { s.doom(s.a) }, false},
	{"B is pending deletion", func(s *shelf) { s.doom(s.b) }, false},
	{"A and B are pending deletion", func(s *shelf) { s.doom(s.a); s.doom(s.b) }, false},
	{"A was deleted", func(s *shelf) { s.doom(s.a); s.wait() }, false},
	{"C is disabled", func(s *shelf) { s.disable(s.c) }, true},
	{"days go by", func(s *shelf) { s.wait() }, false},
}

func (s *shelf) must(_ any, err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) create(key string) { s.secret = create(s, s.w, s.account, "app", key) }

func (s *shelf) aliased(key string) {
	s.alias = "alias/app"
	s.must(s.keys(region).CreateAlias(s.Context(), &kms.CreateAliasInput{AliasName: &s.alias, TargetKeyId: &key}))
	s.create(s.alias)
}

func (s *shelf) point(key string) {
	s.must(s.keys(region).UpdateAlias(s.Context(), &kms.UpdateAliasInput{AliasName: &s.alias, TargetKeyId: &key}))
}

func (s *shelf) unalias() {
	s.must(s.keys(region).DeleteAlias(s.Context(), &kms.DeleteAliasInput{AliasName: &s.alias}))
}

func (s *shelf) rekey(key string) {
	s.must(s.w.secrets(s, s.account).UpdateSecret(s.Context(), &secretsmanager.UpdateSecretInput{SecretId: &s.secret, KmsKeyId: &key}))
}

func (s *shelf) put(stages ...string) {
	s.must(s.w.secrets(s, s.account).PutSecretValue(s.Context(), &secretsmanager.PutSecretValueInput{SecretId: &s.secret, SecretString: aws.String("next"), VersionStages: stages}))
}

func (s *shelf) replicate(key string) {
	to := smtypes.ReplicaRegionType{Region: aws.String(elsewhere)}
	if key != "" {
		to.KmsKeyId = &key
	}
	s.must(s.w.secrets(s, s.account).ReplicateSecretToRegions(s.Context(), &secretsmanager.ReplicateSecretToRegionsInput{SecretId: &s.secret, AddReplicaRegions: []smtypes.ReplicaRegionType{to}}))
}

// unlabel takes a label away from the version that has it.
func (s *shelf) unlabel(label string) {
	id := s.labelled(label)
	s.must(s.w.secrets(s, s.account).UpdateSecretVersionStage(s.Context(), &secretsmanager.UpdateSecretVersionStageInput{SecretId: &s.secret, VersionStage: &label, RemoveFromVersionId: &id}))
}

// move gives the version with one label another one instead.
func (s *shelf) move(from, to string) {
	id := s.labelled(from)
	s.must(s.w.secrets(s, s.account).UpdateSecretVersionStage(s.Context(), &secretsmanager.UpdateSecretVersionStageInput{SecretId: &s.secret, VersionStage: &to, MoveToVersionId: &id}))
	s.unlabel(from)
}

// labelled is the id of the version that has a label.
func (s *shelf) labelled(label string) string {
	out, err := s.w.secrets(s, s.account).ListSecretVersionIds(s.Context(), &secretsmanager.ListSecretVersionIdsInput{SecretId: &s.secret})
	s.must(out, err)
	for _, v := range out.Versions {
		if slices.Contains(v.VersionStages, label) {
			return *v.VersionId
		}
	}
	s.Fatalf("no version is labelled %s", label)
	return ""
}

// replicateAliased has the replica name an alias of its Region that leads to C.
func (s *shelf) replicateAliased() {
	s.must(s.keys(elsewhere).CreateAlias(s.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/there"), TargetKeyId: &s.c}))
	s.replicate("alias/there")
}

// replicateMoved has the current version of the replica under a key that its alias led to for a while.
func (s *shelf) replicateMoved() {
	s.replicateAliased()
	other := createKey(s, s.w, s.account, elsewhere, "")
	point := func(key string) {
		s.must(s.keys(elsewhere).UpdateAlias(s.Context(), &kms.UpdateAliasInput{AliasName: aws.String("alias/there"), TargetKeyId: &key}))
	}
	point(other)
	s.put()
	point(s.c)
	s.c, s.e = other, s.c // C is what the events switch off
}

// moveReplica sets the key of the replica in its Region.
func (s *shelf) moveReplica(key string) {
	id := arn.Of(s.secret).In(elsewhere).String()
	s.must(secretsmanager.NewFromConfig(s.w.config(s, s.account, elsewhere)).UpdateSecret(s.Context(), &secretsmanager.UpdateSecretInput{SecretId: &id, KmsKeyId: &key}))
}

// share has another account keep a copy, under a key of its own.
func (s *shelf) share() {
	s.far = s.w.account(s)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::` + s.account + `:root","arn:aws:iam::` + s.far + `:root"]},"Action":"kms:*","Resource":"*"}]}`
	made, err := s.w.kms(s, s.far, region).CreateKey(s.Context(), &kms.CreateKeyInput{Policy: &policy})
	s.must(made, err)
	s.d = *made.KeyMetadata.Arn
	replica, err := s.w.call(s, s.far, "CreateSecret", object{"Name": "copy", "KmsKeyId": s.d, "CrossAccountPrimaryARN": s.secret, "ClientRequestToken": strings.Repeat("c", 32)})
	s.must(replica, err)
	s.must(s.w.call(s, s.account, "AssociateCrossAccountReplica", object{"SecretId": s.secret, "CrossAccountReplicaARN": replica["ARN"]}))
}

// imported is a key whose material expires in two days.
func (s *shelf) imported() string {
	client := s.keys(region)
	made, err := client.CreateKey(s.Context(), &kms.CreateKeyInput{Origin: kmstypes.OriginTypeExternal})
	s.must(made, err)
	importMaterial(s, client, made.KeyMetadata)
	return *made.KeyMetadata.Arn
}

func (s *shelf) keys(region string) *kms.Client { return s.w.kms(s, s.account, region) }

func (s *shelf) disable(key string) {
	s.must(s.w.kms(s, arn.Of(key).Account, arn.Of(key).Region).DisableKey(s.Context(), &kms.DisableKeyInput{KeyId: &key}))
}

func (s *shelf) enable(key string) {
	s.must(s.w.kms(s, arn.Of(key).Account, arn.Of(key).Region).EnableKey(s.Context(), &kms.EnableKeyInput{KeyId: &key}))
}

func (s *shelf) doom(key string) {
	s.must(s.keys(arn.Of(key).Region).ScheduleKeyDeletion(s.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key, PendingWindowInDays: aws.Int32(7)}))
}

// wait lets the days go by after which keys that are pending deletion are deleted.
func (s *shelf) wait() { s.clock.Add(int64((8 * 24 * time.Hour).Seconds())) }

func (s *shelf) look() guard.Secret {
	s.Helper()
	found, err := secrets.New(s.w.cloud(s, func(o *cloud.Options) { o.KeyTTL = time.Nanosecond })).Describe(s.Context(), at(s.account, s.secret))
	if err != nil {
		s.Fatal(err)
	}
	return found
}

// reads reports whether one copy can really be read, where it is.
func (s *shelf) reads(copies guard.Copies, location int, version string) bool {
	id := copies.ARN(location)
	client := secretsmanager.NewFromConfig(s.w.config(s, arn.Of(id).Account, arn.Of(id).Region))
	_, err := client.GetSecretValue(s.Context(), &secretsmanager.GetSecretValueInput{SecretId: &id, VersionId: &version})
	return err == nil
}

// readable are the labelled copies that can be read, as Region and version.
func (s *shelf) readable(c guard.Copies) []string {
	var found []string
	for _, copied := range c.List {
		if copied.Labelled() && s.reads(c, copied.Location, copied.Version) {
			found = append(found, c.ARN(copied.Location)+" "+copied.Version)
		}
	}
	return found
}

// usable reports that a key is enabled now.
func (s *shelf) usable(key string) bool {
	out, err := s.w.kms(s, arn.Of(key).Account, arn.Of(key).Region).DescribeKey(s.Context(), &kms.DescribeKeyInput{KeyId: &key})
	s.must(out, err)
	return out.KeyMetadata.KeyState == kmstypes.KeyStateEnabled
}

// without runs with one key out of use, and brings it back as it was.
func (s *shelf) without(key guard.Key, run func()) {
	on := key.State == guard.KeyEnabled && key.Manager == guard.ManagerCustomer && s.usable(key.ARN)
	if on {
		s.disable(key.ARN)
		defer s.enable(key.ARN)
	}
	run()
}

func (s *shelf) compare() {
	s.Helper()
	secret := s.look()
	copies := guard.CopiesOf(secret)
	closed := false
	for _, copied := range copies.List {
		where := copies.Locations[copied.Location]
		switch really, said := s.reads(copies, copied.Location, copied.Version), copied.Life().Opens; {
		case said == guard.OpensYes && !really, said == guard.OpensNo && really, said == guard.OpensUnknown && (where.Kind == guard.LocationPrimary || where.Listing == guard.Listed):
			s.Errorf("%s %v in %s: it is said that it opens: %q; it does: %v", copied.Version, copied.Stages, where.Region, said, really)
		case (where.Kind == guard.LocationPrimary || where.Listing == guard.Listed && where.InSync()) && copied.Labelled() && !really:
			closed = true
		}
	}
	s.compareControls(secret, closed)
	s.compareState(secret, copies)
	s.compareBlast(secret, copies)
	ends := s.seeEnds(secret, copies)
	s.wait()
	s.compareEnds(copies, ends)
	s.compareLoss(copies)
}

func (s *shelf) compareControls(secret guard.Secret, closed bool) {
	s.Helper()
	is := map[guard.ControlID]guard.Outcome{}
	for _, v := range guard.Evaluate(secret, guard.Standard{Approved: guard.Approved{ARNs: []string{s.a, s.c, s.d, s.e}}}, time.Now()) {
		is[v.Control.ID] = v.Outcome
		if v.Outcome == guard.Fail && v.Describe() == "" {
			s.Errorf("%s fails without a word", v.Control.ID)
		}
		s.compareWords(secret, v)
		if v.Control.ID == guard.SecretKeyUnusable && v.Subject.Reads && closed {
			s.Errorf("every labelled version is said to open, and one does not: %s", v.Describe())
		}
	}
	writable := secret.Key.Manager == guard.ManagerAWS || secret.Key.CanDecrypt()
	managed, underB := false, secret.Key.ARN == s.b
	for _, r := range secret.Replicas {
		writable = writable && (r.Key.Manager == guard.ManagerAWS || r.Key.CanDecrypt())
		managed = managed || r.Key.Manager == guard.ManagerAWS || r.Status == "Failed" || slices.ContainsFunc(r.Versions, onlyManaged)
	}
	for _, e := range secret.Elsewhere.Copies {
		writable = writable && e.Key.CanDecrypt()
	}
	ends := slices.ContainsFunc(secret.Versions, func(v guard.Version) bool {
		return v.Labelled() && slices.ContainsFunc(v.Keys, func(k guard.Key) bool { return !k.ValidTo.IsZero() }) && !slices.ContainsFunc(v.Keys, func(k guard.Key) bool { return k.ValidTo.IsZero() && (k.Manager == guard.ManagerAWS || k.CanDecrypt()) })
	})
	writable = writable && !ends && secret.Key.ValidTo.IsZero() // or it is not from a known date on
	for _, v := range secret.Versions {
		underB = underB || v.Labelled() && slices.ContainsFunc(v.Keys, func(k guard.Key) bool { return k.ARN == s.b && k.State != guard.KeyMissing })
	}
	for control, want := range map[guard.ControlID]bool{guard.SecretKeyUnusable: closed || !writable, guard.SecretReplicaKey: managed, guard.SecretKeyUnapproved: underB} {
		if got := is[control]; got != guard.Unknown && (got == guard.Fail) != want {
			s.Errorf("%s is %q, want failed: %v", control, got, want)
		}
	}
}

// compareWords says that no control has a key open something that opens nothing.
func (s *shelf) compareWords(secret guard.Secret, v guard.Verdict) {
	s.Helper()
	others := false // beside the key that it names, some key opens a labelled version
	for _, copied := range guard.CopiesOf(secret).List {
		for _, k := range copied.Keys {
			opens := k.Manager == guard.ManagerAWS || k.CanDecrypt()
			others = others || opens && copied.Labelled() && !k.Same(secret.Key)
			if !opens && k.ARN != "" && strings.Contains(v.Describe(), "opens with "+k.ARN) {
				s.Errorf("%s has a key that is %s open something: %s", v.Control.ID, k.State, v.Describe())
			}
		}
	}
	if v.Control.ID == guard.SecretNotSealed && strings.Contains(v.Describe(), "still open") && !others {
		s.Errorf("no older key opens anything, and %s says: %s", v.Control.ID, v.Describe())
	}
}

// ending is what is said of a secret without a key, and the copies that open without it.
type ending struct {
	key   guard.Key
	said  guard.Affected
	opens []bool // of each copy
}

// seeEnds reads every copy without each key in turn.
func (s *shelf) seeEnds(secret guard.Secret, copies guard.Copies) []ending {
	s.Helper()
	var all []ending
	for _, k := range copies.Keys() {
		radius := guard.Blast(k, []guard.Secret{secret})
		for _, a := range slices.Concat(radius.Stops, radius.Partly, radius.Remains) {
			e := ending{key: k, said: a}
			s.without(k, func() {
				for _, copied := range copies.List {
					e.opens = append(e.opens, s.reads(copies, copied.Location, copied.Version))
				}
			})
			all = append(all, e)
		}
	}
	return all
}

// compareEnds reads again after the day on which imported material expires: of what opened without a key, and does so no more, that
// day was said, and of nothing else.
func (s *shelf) compareEnds(copies guard.Copies, all []ending) {
	s.Helper()
	for _, e := range all {
		s.without(e.key, func() {
			for i, copied := range copies.List {
				p := copies.Locations[copied.Location]
				current := p.Kind == guard.LocationPrimary && copied.Has("AWSCURRENT")
				said := slices.ContainsFunc(e.said.Ends, func(end guard.End) bool { return end.What == s.nameOf(p, copied) })
				ended := e.opens[i] && !s.reads(copies, copied.Location, copied.Version)
				if said && !ended && (copied.Labelled() || e.opens[i]) || ended && !said && (current || copied.Needs(e.key) || e.said.Still()) {
					s.Errorf("without %s %v in %s opens: %v, and has ended after days: %v; it is said: %s", e.key.ARN, copied.Stages, p.Region, e.opens[i], ended, e.said.Describe())
				}
			}
		})
	}
}

// nameOf is a copy as the end of it names it; "" for the one that readers get.
func (s *shelf) nameOf(p guard.Location, copied guard.Copy) string {
	in := ""
	switch p.Kind {
	case guard.LocationReplica:
		in = " in " + p.Region
	case guard.LocationElsewhere:
		in = " in account " + p.Account
	case guard.LocationPrimary:
		if copied.Has("AWSCURRENT") {
			return ""
		}
	}
	if !copied.Labelled() {
		return "a version without a label" + in
	}
	return strings.Join(copied.Stages, in+", ") + in
}

// onlyManaged reports that a labelled version opens with the AWS managed key and no other.
func onlyManaged(v guard.Version) bool {
	return v.Labelled() && !slices.ContainsFunc(v.Keys, func(k guard.Key) bool { return k.Manager != guard.ManagerAWS })
}

// compareState says that of what is sealed nothing opens without its own keys, and of what is not something may.
func (s *shelf) compareState(secret guard.Secret, copies guard.Copies) {
	s.Helper()
	state := copies.State("")
	named := []guard.Key{secret.Key}
	for _, r := range secret.Replicas {
		named = append(named, r.Key)
	}
	for _, e := range secret.Elsewhere.Copies {
		named = append(named, e.Key)
	}
	for _, copied := range copies.List { // of an alias that is gone, the key that is left
		if copies.Locations[copied.Location].Named.AliasGone() && copied.Has("AWSCURRENT") {
			at := slices.IndexFunc(copied.Keys, func(k guard.Key) bool { return k.Manager == guard.ManagerCustomer && k.State != guard.KeyMissing })
			if at >= 0 {
				named = append(named, copied.Keys[at])
			}
		}
	}
	var open []string
	run := func() { open = s.readable(copies) }
	for _, k := range named {
		inner := run
		run = func() { s.without(k, inner) }
	}
	run()
	switch {
	case state == guard.StateSealed && len(open) > 0:
		s.Errorf("sealed, and without its keys these open: %v", open)
	case state == guard.StateDefault && len(open) == 0:
		s.Errorf("default, and nothing opens with the AWS managed key")
	}
}

// compareBlast switches each key off that the secret has to do with, and reads every copy: by default, by each label and by id.
func (s *shelf) compareBlast(secret guard.Secret, copies guard.Copies) {
	s.Helper()
	tried := map[string]bool{}
	keys := []guard.Key{secret.Key}
	for _, p := range copies.Locations {
		keys = append(keys, p.Named)
	}
	for _, copied := range copies.List {
		keys = append(keys, copied.Keys...)
	}
	for _, k := range keys {
		if k.Manager == guard.ManagerAWS || k.ARN == "" || tried[k.ARN] {
			continue
		}
		tried[k.ARN] = true
		radius := guard.Blast(k, []guard.Secret{secret})
		before := s.answers(copies)
		s.without(k, func() { s.compareClass(k, copies, radius, before, s.answers(copies)) })
	}
}

// answers are the reads that succeed: by the label, or by the id of a version without one, with the location beside the primary.
func (s *shelf) answers(c guard.Copies) map[string]bool {
	s.Helper()
	can := map[string]bool{}
	for _, copied := range c.List {
		p := c.Locations[copied.Location]
		in := ""
		switch p.Kind {
		case guard.LocationReplica:
			in = " in " + p.Region
		case guard.LocationElsewhere:
			in = " in account " + p.Account
		case guard.LocationPrimary:
		}
		id := c.ARN(copied.Location)
		client := secretsmanager.NewFromConfig(s.w.config(s, arn.Of(id).Account, arn.Of(id).Region))
		read := func(in secretsmanager.GetSecretValueInput) bool {
			in.SecretId = &id
			_, err := client.GetSecretValue(s.Context(), &in)
			return err == nil
		}
		for _, label := range copied.Stages {
			can[label+in] = read(secretsmanager.GetSecretValueInput{VersionStage: &label})
			if label == "AWSCURRENT" {
				can["by default"+in] = read(secretsmanager.GetSecretValueInput{})
			}
		}
		if !copied.Labelled() {
			name := "a version without a label" + in
			can[name] = read(secretsmanager.GetSecretValueInput{VersionId: &copied.Version}) || can[name]
			can["no "+name] = !read(secretsmanager.GetSecretValueInput{VersionId: &copied.Version}) || can["no "+name]
		}
	}
	return can
}

// compareClass says that a secret is counted by what its reads answer, and that each read that fails or goes on is named.
func (s *shelf) compareClass(k guard.Key, c guard.Copies, radius guard.BlastRadius, before, after map[string]bool) {
	s.Helper()
	affected := slices.Concat(radius.Stops, radius.Partly, radius.Remains, radius.Unknown)
	var a guard.Affected
	if len(affected) > 0 {
		a = affected[0]
	}
	fails, opens := false, false // beside what is read by default
	for read, is := range after {
		if name, closes := strings.CutPrefix(read, "no "); closes {
			fails = fails || is && !before[read]
			if is && !before[read] && len(radius.Partly) > 0 && !slices.Contains(a.Labels, name) {
				s.Errorf("without %s %s stops, and it is not said: %s", k.ARN, name, a.Describe())
			}
			continue
		}
		opens = opens || is
		fails = fails || !is && before[read]
		region, isDefault := strings.CutPrefix(read, "by default in ")
		named := a.Labels
		if isDefault {
			named, read = a.Regions, region
		}
		if strings.HasPrefix(read, "by default") || strings.HasPrefix(read, "AWSCURRENT") {
			continue
		}
		outlives := slices.ContainsFunc(a.Outlives, func(o guard.Opened) bool { return slices.Contains(o.What, read) })
		switch said := slices.Contains(named, read); {
		case outlives && !is:
			s.Errorf("without %s it is said that %s still opens, and it does not: %s", k.ARN, read, a.Describe())
		case len(radius.Partly) > 0 && !isDefault && !outlives && is && s.inLocation(a, read):
			s.Errorf("without %s %s still opens where it stops, and it is not said: %s", k.ARN, read, a.Describe())
		case slices.Contains(a.Unsure, read) || slices.Contains(a.Unread, read) || a.Fate == guard.FateUnreadReplica:
		case len(radius.Partly) > 0 && said && is && read != "a version without a label":
			s.Errorf("without %s it is said that %s stops, and it does not: %s", k.ARN, read, a.Describe())
		case len(radius.Partly) > 0 && !said && !is && before[read]:
			s.Errorf("without %s %s stops, and it is not said: %s", k.ARN, read, a.Describe())
		case isDefault && slices.Contains(a.Labels, "AWSCURRENT in "+region): // as a label alone, since what it is may be another value
		case len(radius.Stops) > 0 && said && !is:
			s.Errorf("without %s it is said that %s opens, and it does not: %s", k.ARN, read, a.Describe())
		case len(radius.Stops) > 0 && !said && is && !s.inLocation(a, read):
			s.Errorf("without %s %s still opens, and it is not said: %s", k.ARN, read, a.Describe())
		}
	}
	if a.Fate == guard.FateEveryCopy && len(a.Others)+len(a.Apart) == 0 {
		for _, copied := range c.List {
			if copied.Has("AWSCURRENT") && (!copied.Needs(k) || len(copied.Keys) > 1) {
				s.Errorf("every copy of the current version is said to be under %s, and one is under %s", k.ARN, names(copied.Keys))
			}
		}
	}
	current, written := after["by default"]
	counts := radius.Counts()
	switch {
	case len(affected) > 1:
		s.Errorf("without %s: %d fates", k.ARN, len(affected))
	case len(affected) == 0 && slices.ContainsFunc(c.List, func(copied guard.Copy) bool { return copied.Needs(k) }):
		s.Errorf("no secret is said to be under %s, and a copy is", k.ARN)
	case counts.Stops == 1 && current:
		s.Errorf("without %s it is said to stop (%s), and what is read by default opens", k.ARN, a.Describe())
	case counts.Stops == 0 && counts.Unknown == 0 && written && !current && before["by default"]:
		s.Errorf("without %s what is read by default stops, and it is counted as %+v (%s)", k.ARN, counts, a.Describe())
	case counts.Stops == 1 && a.Fate != guard.FateUnreadReplica && (counts.Still == 1) != opens:
		s.Errorf("without %s it is said to stop (%s), and something opens: %v", k.ARN, a.Describe(), opens)
	case counts.Partly == 1 && (!current && before["by default"] || !fails && s.opensNow(c, a)):
		s.Errorf("without %s it is said to stop in part (%s): what is read by default opens: %v, something fails: %v", k.ARN, a.Describe(), current, fails)
	case (counts.Remains == 1 || len(affected) == 0) && fails:
		s.Errorf("without %s something stops, and it is counted as %+v (%s)", k.ARN, counts, a.Describe())
	}
}

// inLocation reports that a read is one in a location that is said to open, or to stop where the primary opens.
func (s *shelf) inLocation(a guard.Affected, read string) bool {
	return slices.ContainsFunc(a.Regions, func(region string) bool { return strings.HasSuffix(read, " in "+region) })
}

// opensNow reports that what is said to stop opens with the key that is on now: of one that is off already nothing changes.
func (s *shelf) opensNow(c guard.Copies, a guard.Affected) bool {
	for _, copied := range c.List {
		if copied.Life().Opens != guard.OpensYes {
			return false
		}
	}
	return len(a.Labels)+len(a.Regions) > 0
}

// compareLoss brings back the keys that were not deleted in the meantime: what is said to be lost is, and nothing else.
func (s *shelf) compareLoss(copies guard.Copies) {
	s.Helper()
	for _, key := range []string{s.a, s.b} {
		_, err := s.keys(region).EnableKey(s.Context(), &kms.EnableKeyInput{KeyId: &key})
		_ = err // of a key that is deleted, which is what is looked for
	}
	for _, copied := range copies.List {
		if copied.Location != 0 {
			continue
		}
		life := copied.Life()
		ends := 0
		for _, k := range copied.Keys { // until somebody imports the material again
			if !k.ValidTo.IsZero() || k.State == guard.KeyPendingImport || !k.DeletionDate.IsZero() || k.State == guard.KeyMissing {
				ends++
			}
		}
		lost := life.Gone || !life.Lost.IsZero() || len(copied.Keys) > 0 && ends == len(copied.Keys)
		if really := !s.reads(copies, 0, copied.Version); really != lost {
			s.Errorf("%s %v is said to be lost: %v (%s), and is: %v; keys %s", copied.Version, copied.Stages, lost, life.Lost, really, names(copied.Keys))
		}
	}
}

func names(keys []guard.Key) string {
	var out []string
	for _, k := range keys {
		out = append(out, fmt.Sprintf("%s %s", k.Identity(), k.State))
	}
	return strings.Join(out, ", ")
}
