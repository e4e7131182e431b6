package keyreview_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
)

// A key that cannot be used is needed by whatever its incident would find: versions that are read by their id, and secrets that can be
// restored, too. Source: Secrets Manager API Reference, GetSecretValue (VersionId) and RestoreSecret.
func TestADeadKeyIsNeededByWhatNoLabelLeadsTo(t *testing.T) {
	other := guard.Key{ARN: arn + "2", ID: "k12", Account: own, Region: "eu-central-1", Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	for sentence, tt := range map[string]struct {
		change func(*inventory.Secret, guard.Key)
		says   string // "" where it is needed by nobody
		unused string // what is under it then, where it is in use no more
	}{
		"a labelled version": {func(s *inventory.Secret, k guard.Key) { s.Facts.Versions[0].Keys = []guard.Key{k} }, "db needs it", ""},
		"a version without a label": {func(s *inventory.Secret, k guard.Key) {
			s.Facts.Versions = append(s.Facts.Versions, guard.Version{ID: "v0", Keys: []guard.Key{k}})
		}, "db (a version without a label) needs it", ""},
		"one that another key opens as well": {func(s *inventory.Secret, k guard.Key) {
			s.Facts.Versions = append(s.Facts.Versions, guard.Version{ID: "v0", Keys: []guard.Key{k, other}})
		}, "", "all that is under it opens with another key, too"},
		"none": {func(*inventory.Secret, guard.Key) {}, "", "no secret is under it"},
		"a secret that can be restored": {func(s *inventory.Secret, k guard.Key) {
			s.Facts.Versions[0].Keys, s.Facts.Key, s.Facts.DeletedAt = []guard.Key{k}, k, now.Add(-time.Hour)
		}, "db (which can be restored) needs it", ""},
	} {
		for _, state := range []guard.KeyState{guard.KeyDisabled, guard.KeyPendingDeletion} {
			k := fine()
			k.Facts.State = state
			s := snapshot(k, secret("db", "app"))
			s.Keys = append(s.Keys, inventory.Key{Facts: other, Policy: k.Policy, Rotation: k.Rotation, Use: k.Use, CreatedAt: k.CreatedAt})
			s.Secrets[0].Facts.Key, s.Secrets[0].Facts.KeyID = other, other.ARN
			for i := range s.Secrets[0].Facts.Versions {
				s.Secrets[0].Facts.Versions[i].Keys = []guard.Key{other}
			}
			tt.change(&s.Secrets[0], k.Facts)
			found := slices.DeleteFunc(keyreview.Review(inventory.Prepare(s), standard(), now), func(f keyreview.Finding) bool { return f.Control.ID != guard.KeyNeeded })
			k.Facts.State, k.Use = guard.KeyEnabled, inventory.Use{At: now.AddDate(-1, 0, 0), Since: now.AddDate(-2, 0, 0)}
			s.Keys[0] = k
			unused := ""
			for _, f := range keyreview.Review(inventory.Prepare(s), standard(), now) {
				if f.Control.ID == guard.KeyUnused && f.Key == arn {
					unused, _, _ = strings.Cut(f.Detail, ", and it was last used on ")
				}
			}
			if unused != tt.unused {
				t.Errorf("%s: to let it go is proposed because %q", sentence, unused)
			}
			if (len(found) == 1) != (tt.says != "") || tt.says != "" && !strings.HasSuffix(found[0].Detail, tt.says) {
				t.Errorf("%s, %s: %+v", sentence, state, found)
			}
		}
	}
}

// A key that secrets need and that the snapshot does not hold, as one whose policy keeps the hub from describing it, is a row.
func TestAKeyThatNobodyCouldDescribeIsARowWhereSecretsNeedIt(t *testing.T) {
	k := fine()
	s := snapshot(k)
	hidden := guard.Key{ARN: strings.Replace(k.Facts.ARN, "/", "/hidden-", 1), ID: "hidden", Account: k.Facts.Account, Region: k.Facts.Region}
	s.Secrets = []inventory.Secret{
		{Facts: guard.Secret{ARN: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:a-AbCdEf", Name: "a", Account: "111122223333", Region: "eu-central-1", Key: hidden,
			Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{hidden}}}}},
		{Facts: guard.Secret{ARN: "arn:aws:secretsmanager:eu-central-1:111122223333:secret:b-AbCdEf", Name: "b", Account: "111122223333", Region: "eu-central-1", Key: guard.Key{Manager: guard.ManagerAWS, ARN: k.Facts.ARN + "aws"},
			Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{{Manager: guard.ManagerAWS, ARN: k.Facts.ARN + "aws"}}}}}},
	}
	found := map[string]string{}
	for _, f := range keyreview.Review(inventory.Prepare(s), standard(), now) {
		if f.Control.ID == guard.KeyNeeded {
			found[f.Key] = string(f.Outcome) + ": " + f.Detail
		}
	}
	if diff := cmp.Diff(map[string]string{hidden.ARN: string(guard.Unknown) + ": its state could not be read"}, found); diff != "" {
		t.Error(diff)
	}
}

// Source: KMS Developer Guide, "Key states of AWS KMS keys": a key that waits for its material, or for its store, cannot be enabled.
func TestADeadKeyComesBackByTheWayOfItsState(t *testing.T) {
	for state, way := range map[guard.KeyState]string{
		guard.KeyDisabled:        "aws kms enable-key",
		guard.KeyPendingDeletion: "aws kms cancel-key-deletion",
		guard.KeyPendingImport:   "import the same key material",
		guard.KeyUnavailable:     "connect its custom key store",
	} {
		k := fine()
		k.Facts.State = state
		found := slices.DeleteFunc(keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), standard(), now), func(f keyreview.Finding) bool { return f.Control.ID != guard.KeyNeeded })
		if len(found) != 1 || !strings.HasPrefix(found[0].Fix, way) {
			t.Errorf("%s: %+v, want a fix that begins with %q", state, found, way)
		}
	}
}

// A snapshot may hold a key, and of a replica no more than the key's name.
func TestAKeyThatAReplicaAloneNamesIsUsed(t *testing.T) {
	for name, is := range map[string]bool{arn: true, "k1": true, "alias/app": true, "arn:aws:kms:eu-central-1:111122223333:alias/app": true, "k2": false, "": false} {
		k := fine()
		k.Facts.State = guard.KeyDisabled
		s := replicated("db")
		s.Facts.Replicas = []guard.Replica{{Region: "eu-central-1", KeyID: name, Status: "InSync"}}
		needs := false
		for _, f := range keyreview.Review(inventory.Prepare(snapshot(k, s)), standard(), now) {
			needs = needs || f.Control.ID == guard.KeyNeeded && f.Key == arn && strings.HasSuffix(f.Detail, "db needs it")
		}
		if needs != is {
			t.Errorf("%q: needed is %t", name, needs)
		}
		k.Facts.State, k.Policy = guard.KeyEnabled, document(handsOver)
		for _, f := range keyreview.Review(inventory.Prepare(snapshot(k, s)), standard(), now) {
			if strings.Contains(f.Detail+f.Fix, "no secret is known to be under it") == is {
				t.Errorf("%q: %s; %s", name, f.Detail, f.Fix)
			}
		}
	}
}
