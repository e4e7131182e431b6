package guard_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

const (
	primaryHere = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app-AbCdEf"
	shopKey     = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	secondKey   = "arn:aws:kms:eu-central-1:111122223333:key/99999999-12ab-34cd-56ef-1234567890ab"
	theirKey    = "arn:aws:kms:eu-central-1:999999999999:key/55555555-12ab-34cd-56ef-1234567890ab"
	irishKey    = "arn:aws:kms:eu-west-1:111122223333:key/77777777-12ab-34cd-56ef-1234567890ab"
)

func neverSwept(string, string) guard.Swept { return guard.Swept{} }

func cmkOf(arn string) guard.Key {
	return guard.Key{ARN: arn, Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
}

// namesOf is a secret as it is named by keyID, which leads to the first of the keys; each version opens with the keys that follow.
func namesOf(keyID string, named guard.Key, versions ...guard.Version) guard.Secret {
	return guard.Secret{ARN: primaryHere, Name: "app", Account: "111122223333", Region: "eu-central-1", KeyID: keyID, Key: named, Versions: versions}
}

func labelled(stage string, keys ...guard.Key) guard.Version {
	v := guard.Version{ID: "id-of-" + stage, Keys: keys}
	if stage != "" {
		v.Stages = []string{stage}
	}
	return v
}

func TestEverySecretIsFoundByEachKeyOfItsCopiesAndEachAliasThatItNames(t *testing.T) {
	managed := guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
	unread := func(s guard.Secret) guard.Secret { s.VersionsUnread, s.Versions = true, nil; return s }
	waiting := func(s guard.Secret) guard.Secret {
		s.DeletedAt = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
		return unread(s)
	}
	in := func(s guard.Secret, r ...guard.Replica) guard.Secret { s.Replicas = r; return s }
	held := guard.HeldOf(namesOf(shopKey, cmkOf(shopKey), labelled("AWSCURRENT", cmkOf(secondKey))), guard.Held{}, time.Time{})
	for sentence, tt := range map[string]struct {
		secret guard.Secret
		before guard.Held
		want   []string
	}{
		"the AWS managed key leads to nothing":                 {secret: namesOf("", managed, labelled("AWSCURRENT", managed))},
		"so does its alias, which nobody can move":             {secret: namesOf("alias/aws/secretsmanager", managed, labelled("AWSCURRENT", managed))},
		"a key by its ARN names no alias":                      {secret: namesOf(shopKey, cmkOf(shopKey), labelled("AWSCURRENT", cmkOf(shopKey))), want: []string{"key " + shopKey}},
		"an alias by its name is one of the secret's location": {secret: namesOf("alias/shop", cmkOf(shopKey)), want: []string{"alias arn:aws:kms:eu-central-1:111122223333:alias/shop", "key " + shopKey}},
		"a key in another account names no alias here":         {secret: namesOf(theirKey, cmkOf(theirKey)), want: []string{"key " + theirKey}},
		"an alias of another account is one there": {secret: namesOf("arn:aws:kms:eu-central-1:999999999999:alias/shop", cmkOf(theirKey)),
			want: []string{"alias arn:aws:kms:eu-central-1:999999999999:alias/shop", "key " + theirKey}},
		"an alias in China is in that partition": {secret: guard.Secret{ARN: "x", Account: "111122223333", Region: "cn-north-1", KeyID: "alias/shop", Key: cmkOf("k")},
			want: []string{"alias arn:aws-cn:kms:cn-north-1:111122223333:alias/shop", "key k"}},
		"an alias that leads nowhere is named all the same": {secret: namesOf("alias/gone", guard.Key{ID: "alias/gone", State: guard.KeyMissing}),
			want: []string{"alias arn:aws:kms:eu-central-1:111122223333:alias/gone"}},
		"the alias was moved while a value was written": {secret: namesOf("alias/shop", cmkOf(shopKey), labelled("AWSCURRENT", cmkOf(secondKey)), labelled("AWSPREVIOUS", cmkOf(shopKey))),
			want: []string{"alias arn:aws:kms:eu-central-1:111122223333:alias/shop", "key " + shopKey, "key " + secondKey}},
		"an older copy, a custom label and a version without one": {secret: namesOf(shopKey, cmkOf(shopKey), labelled("AWSCURRENT", managed, cmkOf(shopKey)), labelled("blue", cmkOf(secondKey)), labelled("", cmkOf(theirKey))),
			want: []string{"key " + shopKey, "key " + secondKey, "key " + theirKey}},
		"a replica, under an alias of its own Region": {secret: in(namesOf(shopKey, cmkOf(shopKey)), guard.Replica{Region: "eu-west-1", KeyID: "alias/shop", Key: cmkOf(irishKey), Status: "InSync", Listing: guard.Listed}),
			want: []string{"alias arn:aws:kms:eu-west-1:111122223333:alias/shop", "key " + shopKey, "key " + irishKey}},
		"one whose replication failed, and that could not be listed": {secret: in(namesOf(shopKey, cmkOf(shopKey)), guard.Replica{Region: "eu-west-1", Key: managed, Status: "Failed"}),
			want: []string{"key " + shopKey, "unread eu-west-1"}},
		"one that was listed before its replication failed": {secret: in(namesOf(shopKey, cmkOf(shopKey)), guard.Replica{Region: "eu-west-1", Key: cmkOf(irishKey), Status: "Failed"}),
			before: guard.HeldOf(in(namesOf(shopKey, cmkOf(shopKey)), replicaIn("eu-west-1", cmkOf(irishKey), cmkOf(theirKey))), guard.Held{}, time.Time{}),
			want:   []string{"key " + shopKey, "key " + theirKey, "key " + irishKey, "unread eu-west-1"}},
		"an older version of a replica, under the key that its Region had before": {secret: in(namesOf(shopKey, cmkOf(shopKey)), guard.Replica{Region: "eu-west-1", KeyID: irishKey, Key: cmkOf(irishKey), Status: "InSync",
			Listing: guard.Listed, Versions: []guard.Version{labelled("AWSCURRENT", cmkOf(irishKey)), labelled("AWSPREVIOUS", cmkOf(theirKey))}}),
			want: []string{"key " + shopKey, "key " + theirKey, "key " + irishKey}},
		"one there that lists no key may be under any of its Region": {secret: in(namesOf(shopKey, cmkOf(shopKey)), guard.Replica{Region: "eu-west-1", KeyID: irishKey, Key: cmkOf(irishKey), Status: "InSync",
			Listing: guard.Listed, Versions: []guard.Version{labelled("AWSCURRENT")}}),
			want: []string{"key " + shopKey, "key " + irishKey, "unread eu-west-1"}},
		"a replica whose Region could not be asked": {secret: in(namesOf(shopKey, cmkOf(shopKey)), guard.Replica{Region: "eu-west-1", KeyID: irishKey, Key: cmkOf(irishKey), Status: "InSync"}),
			want: []string{"key " + shopKey, "key " + irishKey, "unread eu-west-1"}},
		"a version that lists no key may be under any": {secret: namesOf(shopKey, cmkOf(shopKey), labelled("AWSCURRENT")), want: []string{"key " + shopKey, "unread eu-central-1"}},
		"one without a label is opened by nobody":      {secret: namesOf(shopKey, cmkOf(shopKey), labelled("")), want: []string{"key " + shopKey}},
		"versions that could not be listed are those of before, and unknown": {secret: unread(namesOf(shopKey, cmkOf(shopKey))), before: held,
			want: []string{"key " + shopKey, "key " + secondKey, "unread eu-central-1"}},
		"of a secret that waits for its deletion nobody lists versions, and none is written": {secret: waiting(namesOf(shopKey, cmkOf(shopKey))), before: held,
			want: []string{"key " + shopKey, "key " + secondKey}},
		"one that was never looked at before": {secret: waiting(namesOf(shopKey, cmkOf(shopKey))), want: []string{"key " + shopKey, "unread eu-central-1"}},
		"a replica whose key could not be read": {secret: in(namesOf(shopKey, cmkOf(shopKey)), guard.Replica{Region: "eu-west-1"}),
			want: []string{"key " + shopKey, "unread eu-west-1"}},
		"case does not matter in a key's ARN": {secret: namesOf(strings.ToUpper(shopKey), cmkOf(strings.ToUpper(shopKey)), labelled("AWSCURRENT", cmkOf(shopKey))), want: []string{"key " + shopKey}},
	} {
		t.Run(sentence, func(t *testing.T) {
			rec := guard.Record{Held: tt.before, Revision: 1}
			rec = guard.Reconcile(rec, tt.secret, nil, nil, guard.ModeObserve, time.Unix(1, 0), guard.Cause{})
			var got []string
			for ref, e := range rec.Entries() {
				got = append(got, string(ref.Kind)+" "+ref.ID)
				if e.Secret != tt.secret.ARN || !e.At.Equal(time.Unix(1, 0)) {
					t.Errorf("%s: %+v", ref, e)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if left := guard.ReconcileGone(rec, time.Unix(2, 0), guard.Cause{}).Entries(); len(left) > 0 {
				t.Errorf("deleted, and found by %v", left)
			}
		})
	}
}

// A rotation is no reason to write the index again.
func TestARotationThatChangesNoKeyChangesNoEntry(t *testing.T) {
	look := func(rec guard.Record, second int64, versions ...guard.Version) guard.Record {
		return guard.Reconcile(rec, namesOf(shopKey, cmkOf(shopKey), versions...), nil, nil, guard.ModeObserve, time.Unix(second, 0), guard.Cause{})
	}
	first := look(guard.Record{}, 1, labelled("AWSCURRENT", cmkOf(shopKey)), labelled("AWSPREVIOUS", cmkOf(shopKey)))
	rotated := labelled("AWSCURRENT", cmkOf(shopKey))
	rotated.ID = "next"
	second := look(first, 2, labelled("AWSPREVIOUS", cmkOf(shopKey)), rotated)
	if diff := cmp.Diff(first.Held, second.Held); diff != "" {
		t.Errorf("-first +second:\n%s", diff)
	}
	many := []guard.Version{rotated}
	for range 90 {
		many = append(many, labelled("", cmkOf(shopKey)))
	}
	if third := look(second, 3, many...); len(third.Held.Versions) != 2 {
		t.Errorf("90 versions without a label are %d entries, want one beside the current", len(third.Held.Versions))
	}
}

func TestAnEntrySaysWhatTheRecordSaysOfItsKey(t *testing.T) {
	disabled := cmkOf(shopKey)
	disabled.State = guard.KeyDisabled
	s := namesOf(shopKey, disabled, labelled("AWSCURRENT", disabled), labelled("AWSPREVIOUS", cmkOf(secondKey)))
	standard := guard.Standard{Approved: guard.Approved{ARNs: []string{"arn:aws:kms:*:999999999999:key/*"}}}
	rec := guard.Reconcile(guard.Record{}, s, guard.Evaluate(s, standard, time.Unix(1, 0)), nil, guard.ModeObserve, time.Unix(1, 0), guard.Cause{})
	entries := rec.Entries()
	if e := entries[guard.KeyEntry(shopKey)]; e.KeyState != guard.KeyDisabled || !e.Unapproved {
		t.Errorf("of the key that is off: %+v", e)
	}
	if e := entries[guard.KeyEntry(secondKey)]; e.KeyState != "" || !e.Unapproved {
		t.Errorf("of the other: %+v", e)
	}
}

func TestAnEntryIsAsOldAsItsLookOrTheLastFullSweep(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 5, 1, hour, 0, 0, 0, time.UTC) }
	e := guard.Entry{Secret: primaryHere, At: at(3)}
	for sentence, tt := range map[string]struct {
		swept guard.Swept
		want  time.Time
		stale bool
	}{
		"no sweep yet":                                    {guard.Swept{}, at(3), false},
		"looked at since the sweep began":                 {guard.Swept{From: at(2), Until: at(4)}, at(3), false},
		"missed by it, and looked at since":               {guard.Swept{From: at(2), Until: at(4), Missed: []string{primaryHere}}, at(3), false},
		"unchanged when the sweep looked":                 {guard.Swept{From: at(5), Until: at(6)}, at(5), false},
		"missed by it, and not looked at since":           {guard.Swept{From: at(5), Until: at(6), Missed: []string{primaryHere}}, at(3), true},
		"another was missed, and this one is as it began": {guard.Swept{From: at(5), Until: at(6), Missed: []string{"another"}}, at(5), false},
	} {
		if got, stale := e.AsOf(tt.swept); !got.Equal(tt.want) || stale != tt.stale {
			t.Errorf("%s: %s, stale %v", sentence, got, stale)
		}
	}
}

func TestABlastRadiusOfRecordsIsThatOfTheSecretsUnlessARecordIsOldOrIncomplete(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 5, 1, hour, 0, 0, 0, time.UTC) }
	off := cmkOf(shopKey)
	off.Account, off.Region, off.State = "111122223333", "eu-central-1", guard.KeyDisabled
	key := func(name string) guard.Key {
		switch name {
		case guard.DefaultKeyID:
			return guard.Key{ID: name, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
		case shopKey:
			return off
		}
		return cmkOf(name)
	}
	named := func(name string, s guard.Secret) guard.Secret {
		s.Name, s.ARN = name, strings.Replace(primaryHere, "app", name, 1)
		return s
	}
	current := func(keys ...string) guard.Version {
		v := labelled("AWSCURRENT")
		for _, k := range keys {
			v.Keys = append(v.Keys, key(k))
		}
		return v
	}
	secrets := []guard.Secret{
		named("stops", namesOf(shopKey, off, current(shopKey))),
		named("older", namesOf(shopKey, off, current(guard.DefaultKeyID, shopKey))),
		named("own", namesOf(secondKey, cmkOf(secondKey), current(shopKey, secondKey))),
		named("label", namesOf(secondKey, cmkOf(secondKey), current(secondKey), labelled("blue", off))),
		named("empty", namesOf(shopKey, off)),
		named("never", namesOf(shopKey, off, current(secondKey))),
	}
	replicated := named("replica", namesOf(shopKey, off, current(shopKey)))
	replicated.Replicas = []guard.Replica{{Region: "eu-west-1", Key: cmkOf(irishKey), Status: "InSync"}}
	listed := named("replica that is listed", namesOf(shopKey, off, current(shopKey)))
	listed.Replicas = []guard.Replica{{Region: "eu-west-1", Key: cmkOf(irishKey), Status: "InSync", Listing: guard.Listed, Versions: []guard.Version{current(irishKey)}}}
	closed := named("replica under the key, too", namesOf(shopKey, off, current(shopKey)))
	closed.Replicas = []guard.Replica{{Region: "eu-west-1", Key: cmkOf(irishKey), Status: "InSync", Listing: guard.Listed, Versions: []guard.Version{current(shopKey)}}}
	elsewhere := named("copied", namesOf(secondKey, cmkOf(secondKey), current(secondKey)))
	elsewhere.Elsewhere = guard.Elsewhere{Listing: guard.Listed, Copies: []guard.AccountCopy{{ARN: "copy", Account: "999999999999", Region: "eu-central-1", Key: off, Status: "InSync"}}}
	secrets = append(secrets, replicated, listed, closed, elsewhere)
	record := func(s guard.Secret, looked time.Time) guard.Record {
		return guard.Reconcile(guard.Record{}, s, nil, nil, guard.ModeObserve, looked, guard.Cause{})
	}
	var under []guard.Entry
	for _, s := range secrets {
		e, found := record(s, at(3)).Entries()[guard.KeyEntry(shopKey)]
		if !found {
			t.Fatalf("%s is not under the key", s.Name)
		}
		under = append(under, e)
	}
	swept := func(account, region string) guard.Swept {
		if account != "111122223333" || region != "eu-central-1" {
			t.Errorf("asked of %s in %s", account, region)
		}
		return guard.Swept{From: at(4), Until: at(5)}
	}
	got, want := guard.BlastRecorded(off, time.Time{}, under, nil, key, swept), guard.Blast(off, secrets)
	if diff := cmp.Diff(&guard.Indexed{Account: "111122223333", Region: "eu-central-1", AsOf: at(4), Swept: at(4)}, got.Index); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	got.Index = nil
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("by looks, and by records (-looks +records):\n%s", diff)
	}

	unlisted := named("unlisted", namesOf(shopKey, off))
	unlisted.VersionsUnread = true
	deleted := named("deleted", namesOf(shopKey, off, current(shopKey)))
	deleted.DeletedAt = at(9)
	unknowns := map[string]guard.Fate{"unlisted": guard.FateUnreadVersions, "stale": guard.FateStale, "cut": guard.FateUnreadCopies, "any": guard.FateUnreadCopies, "copied": guard.FateReplicaStops}
	old := record(named("stale", namesOf(shopKey, off, current(shopKey))), at(1)).Entries()[guard.KeyEntry(shopKey)]
	cut := record(named("cut", namesOf(shopKey, off, current(shopKey))), at(3)).Entries()[guard.KeyEntry(shopKey)]
	cut.Held, cut.Cut = guard.Held{}, true
	for _, s := range []guard.Secret{unlisted, deleted} {
		under = append(under, record(s, at(3)).Entries()[guard.KeyEntry(shopKey)])
	}
	any := record(named("any", namesOf(secondKey, cmkOf(secondKey), labelled("AWSCURRENT"))), at(3)).Entries()[guard.UnreadEntry("eu-central-1")]
	missed := func(string, string) guard.Swept {
		return guard.Swept{From: at(2), Until: at(5), Missed: []string{old.Secret, "never seen"}}
	}
	radius := guard.BlastRecorded(off, time.Time{}, append(under, old, cut), []guard.Entry{any, under[0]}, key, missed)
	if len(radius.Unknown) != len(unknowns) || len(radius.Stops) != len(want.Stops) || len(radius.Remains) != len(want.Remains) {
		t.Errorf("%d stop, %d remain, unknown: %+v", len(radius.Stops), len(radius.Remains), radius.Unknown)
	}
	for _, a := range radius.Unknown {
		if a.Fate != unknowns[a.Name] || a.Describe() == "" || (a.Fate == guard.FateStale) != a.Seen.Equal(at(1)) {
			t.Errorf("%+v: %q", a, a.Describe())
		}
	}
	if radius.Index.Complete(at(5)) || radius.Index.Missed != 2 || !radius.Index.AsOf.Equal(at(3)) {
		t.Errorf("%+v", radius.Index)
	}
}

func TestAnAnswerOfTheIndexSaysHowOldItIsAndWhatItLeavesOpen(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 5, 1, hour, 0, 0, 0, time.UTC) }
	for want, i := range map[string]guard.Indexed{
		"no sweep of account 1 in r is complete yet, so secrets may be missing here":                                                          {Account: "1", Region: "r"},
		"as recorded at 2026-05-01T02:00:00Z or later; no sweep of account 1 in r is complete yet, so secrets may be missing here":            {Account: "1", Region: "r", AsOf: at(2)},
		"as recorded at 2026-05-01T02:00:00Z or later; the last full sweep of account 1 in r began at 2026-05-01T03:00:00Z":                   {Account: "1", Region: "r", AsOf: at(2), Swept: at(3)},
		"the last full sweep of account 1 in r began at 2026-05-01T03:00:00Z":                                                                 {Account: "1", Region: "r", Swept: at(3)},
		"the last full sweep of account 1 in r began at 2026-05-01T03:00:00Z and could not look at 1 secret, which may be under the key, too": {Account: "1", Region: "r", Swept: at(3), Missed: 1},
	} {
		if got := i.Describe(); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		if complete := !i.Swept.IsZero() && i.Missed == 0; i.Complete(at(3)) != complete || i.Complete(at(3).Add(25*time.Hour)) {
			t.Errorf("%+v: complete %v", i, i.Complete(at(3)))
		}
	}
}

// A secret that waits for its deletion stops nobody: it is named beside the others where it may not open once it is restored.
func TestASecretInItsRecoveryWindowIsNamedWhereItMayNotOpenAgain(t *testing.T) {
	off, second := cmkOf(shopKey), cmkOf(secondKey)
	off.Account, off.Region, off.State = "111122223333", "eu-central-1", guard.KeyDisabled
	unread := guard.Key{ARN: theirKey}
	keys := func(name string) guard.Key {
		return map[string]guard.Key{shopKey: off, secondKey: second, theirKey: unread}[name]
	}
	gone := time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC)
	entry := func(name string, s guard.Secret) guard.Entry {
		s.Name, s.ARN = name, strings.Replace(primaryHere, "app", name, 1)
		e, found := guard.Reconcile(guard.Record{}, s, nil, nil, guard.ModeObserve, gone, guard.Cause{}).Entries()[guard.KeyEntry(shopKey)]
		if !found {
			t.Fatalf("%s is not under the key", name)
		}
		e.GoneAt = gone
		return e
	}
	replica := func(s guard.Secret, listing guard.Listing, opens guard.Key) guard.Secret {
		s.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: shopKey, Key: off, Status: "InSync", Listing: listing}}
		if listing == guard.Listed {
			s.Replicas[0].Versions = []guard.Version{labelled("AWSCURRENT", opens)}
		}
		return s
	}
	older := func(more ...guard.Version) guard.Secret {
		return namesOf(shopKey, off, append(more, labelled("AWSCURRENT", second, off))...)
	}
	cut := entry("cut", older())
	cut.Cut, cut.Held = true, guard.Held{}
	here := entry("here", namesOf(shopKey, off, labelled("AWSCURRENT", off)))
	here.GoneAt = time.Time{}
	elsewhere := entry("elsewhere", namesOf(shopKey, off, labelled("AWSCURRENT", off)))
	unlisted := cut
	unlisted.Secret, unlisted.Name, unlisted.GoneAt = cut.Secret+"2", "unlisted", time.Time{}
	under := []guard.Entry{
		entry("stops", namesOf(shopKey, off, labelled("AWSCURRENT", off))), cut, here,
		entry("older copy", older()), entry("own key", namesOf(secondKey, second, labelled("AWSCURRENT", off, second))), entry("other key", namesOf(shopKey, off, labelled("AWSCURRENT", second))),
		entry("no value", namesOf(shopKey, off)), entry("a replica's next", replica(namesOf(secondKey, second, labelled("AWSCURRENT", second)), guard.Listed, second)),
		entry("a label stops", older(labelled("blue", off))), entry("a label may stop", older(labelled("blue", off, unread))),
		entry("a replica stops", replica(older(), guard.Listed, off)), entry("a replica may stop", replica(older(), "", off)),
	}
	radius := guard.BlastRecorded(off, time.Time{}, under, []guard.Entry{elsewhere, under[0], unlisted}, keys, neverSwept)
	var waiting []string
	for _, a := range radius.Index.Waiting {
		waiting = append(waiting, a.Name)
	}
	slices.Sort(waiting)
	if diff := cmp.Diff([]string{"a label may stop", "a label stops", "a replica may stop", "a replica stops", "cut", "stops"}, waiting); diff != "" || radius.Index.More != 0 {
		t.Errorf("%d more (-want +got):\n%s", radius.Index.More, diff)
	}
	if counts := radius.Counts(); counts.Stops != 1 || counts.Judged() != 1 || counts.Unknown != 1 {
		t.Errorf("of those that are read: %+v", counts)
	}
	one := guard.Affected{Name: "app", Fate: guard.FateEveryCopy}
	for more, want := range map[int]string{0: "restored it may not open: app (" + one.Describe() + ")", 2: "restored it may not open: app (" + one.Describe() + "), and 2 more"} {
		if got := (guard.Indexed{Waiting: []guard.Affected{one}, More: more}).Describe(); !strings.HasSuffix(got, want) {
			t.Errorf("%d more: %s", more, got)
		}
	}
}

// A secret is shut out where nobody may enter its account and Region, or those of a copy of it in the Region of the key.
func TestASecretIsShutOutWithItsLocation(t *testing.T) {
	at := time.Date(2026, 5, 1, 3, 0, 0, 0, time.UTC)
	off := cmkOf(shopKey)
	off.Account, off.Region, off.State = "111122223333", "eu-central-1", guard.KeyDisabled
	location := func(account, region string, shut time.Time) guard.Entry {
		return guard.Entry{Secret: "arn:aws:secretsmanager:" + region + ":" + account + ":secret:*", Account: account, Region: region, Shut: shut}
	}
	const ours, theirs = "111122223333", "999999999999"
	single := location(ours, "eu-central-1", at)
	single.Secret = strings.TrimSuffix(single.Secret, "*") + "one"
	for sentence, c := range map[string]struct {
		unread guard.Entry
		copied []guard.HeldCopy
		want   bool
	}{
		"its own":                          {location(ours, "eu-central-1", at), nil, true},
		"its own, which can be entered":    {location(ours, "eu-central-1", time.Time{}), nil, false},
		"one secret of it":                 {single, nil, false},
		"another Region of its account":    {location(ours, "eu-west-1", at), nil, false},
		"another account":                  {location(theirs, "eu-central-1", at), nil, false},
		"that of a copy":                   {location(theirs, "eu-central-1", at), []guard.HeldCopy{{Account: theirs, Region: "eu-central-1"}}, true},
		"where a copy is in its Region":    {location(theirs, "eu-central-1", at), []guard.HeldCopy{{Account: "888888888888", Region: "eu-central-1"}}, false},
		"where a copy is in its account":   {location(theirs, "eu-central-1", at), []guard.HeldCopy{{Account: theirs, Region: "eu-west-1"}}, false},
		"that of a copy in another Region": {location(theirs, "eu-west-1", at), []guard.HeldCopy{{Account: theirs, Region: "eu-west-1"}}, false},
	} {
		e := guard.Reconcile(guard.Record{}, namesOf(shopKey, off, labelled("AWSCURRENT", off)), nil, nil, guard.ModeObserve, at, guard.Cause{}).Entries()[guard.KeyEntry(shopKey)]
		e.Held.Elsewhere = c.copied
		beside := guard.Entry{Secret: "arn:aws:secretsmanager:eu-central-1:" + theirs + ":secret:beside", Account: theirs, Region: "eu-north-1", GoneAt: at, Cut: true} // so that its account is one of those that are asked
		radius := guard.BlastRecorded(off, time.Time{}, []guard.Entry{e, beside}, []guard.Entry{c.unread}, func(string) guard.Key { return off }, neverSwept)
		got := slices.ContainsFunc(radius.Unknown, func(a guard.Affected) bool { return a.Secret == e.Secret && a.Fate == guard.FateShutOut })
		if got != c.want {
			t.Errorf("%s: shut out %v: %+v", sentence, got, radius)
		}
	}
}

// What a replica had under the key it may have still, where nobody can list it now: so it is unknown, and said as of when it was.
func TestWhatWasSeenInAReplicaThatCannotBeListedNowIsUnknownInAnIncident(t *testing.T) {
	off := cmkOf(irishKey)
	off.Account, off.Region, off.State = "111122223333", "eu-west-1", guard.KeyDisabled
	at := func(hour int) time.Time { return time.Date(2026, 5, 1, hour, 0, 0, 0, time.UTC) }
	keys := func(name string) guard.Key {
		if name == irishKey {
			return off
		}
		return cmkOf(name)
	}
	for sentence, later := range map[string]guard.Replica{
		"its replication failed":               {Region: "eu-west-1", Key: cmkOf(theirKey), Status: "Failed"},
		"it is on its way":                     {Region: "eu-west-1", Key: cmkOf(theirKey), Status: "InProgress"},
		"it is in sync, and nobody may look":   {Region: "eu-west-1", Key: cmkOf(theirKey), Status: "InSync"},
		"its key there is the AWS managed one": {Region: "eu-west-1", Key: guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS}, Status: "InSync"},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := namesOf(shopKey, cmkOf(shopKey), labelled("AWSCURRENT", cmkOf(shopKey)))
			var rec guard.Record
			for hour, r := range []guard.Replica{replicaIn("eu-west-1", cmkOf(theirKey), cmkOf(irishKey)), later, later} {
				s.Replicas = []guard.Replica{r}
				rec = guard.Reconcile(rec, s, nil, nil, guard.ModeObserve, at(hour), guard.Cause{})
			}
			var under []guard.Entry
			if e, found := rec.Entries()[guard.KeyEntry(irishKey)]; found {
				under = append(under, e)
			}
			radius := guard.BlastRecorded(off, time.Time{}, under, nil, keys, func(string, string) guard.Swept { return guard.Swept{} })
			if radius.Counts() != (guard.Tally{Unknown: 1}) || radius.Unknown[0].Fate != guard.FateUnreadCopies || !radius.Unknown[0].Seen.Equal(at(0)) {
				t.Errorf("%+v", radius)
			}
		})
	}
}
