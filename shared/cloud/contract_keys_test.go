package cloud_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
)

func TestContractKeys(t *testing.T) {
	everyAWS(t, map[string]func(*testing.T, *world){
		"a key answers to every name it has":      keyNames,
		"a key that is not there is missing":      keyMissing,
		"a key's state is seen when it changes":   keyStates,
		"a key's details are read where it lives": keyDetails,
		"every key of an account is listed":       keysListed,
	})
}

func keyNames(t *testing.T, w *world) {
	account := w.account(t)
	key := createKey(t, w, account, region, "alias/names")
	id := key[strings.LastIndex(key, "/")+1:]
	keys := secrets.NewKeys(w.cloud(t, nil))
	for _, name := range []string{key, id, "alias/names", key[:strings.LastIndex(key, ":")] + ":alias/names"} {
		got, err := keys.Describe(t.Context(), guard.KeyRef{Account: account, Region: region, ID: name})
		if err != nil || got.ARN != key || got.Manager != guard.ManagerCustomer {
			t.Errorf("%s is %+v, %v", name, got, err)
		}
	}
}

func keysListed(t *testing.T, w *world) {
	account := w.account(t)
	var want []string
	for range 3 {
		want = append(want, createKey(t, w, account, region, ""))
	}
	var got []string
	err := secrets.NewKeys(w.cloud(t, nil)).List(t.Context(), account, region, func(k guard.Key) error {
		if k.Manager == guard.ManagerCustomer && k.State == guard.KeyEnabled {
			got = append(got, k.ARN)
		}
		return nil
	})
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(err, diff)
	}
}

func keyMissing(t *testing.T, w *world) {
	account := w.account(t)
	for _, id := range []string{"12345678-1234-1234-1234-123456789012", "alias/never", "arn:aws:kms:eu-central-1:" + account + ":key/12345678-1234-1234-1234-123456789012"} {
		got, err := secrets.NewKeys(w.cloud(t, nil)).Describe(t.Context(), guard.KeyRef{Account: account, Region: region, ID: id})
		if err != nil || got.State != guard.KeyMissing {
			t.Errorf("%s is %+v, %v; want missing", id, got, err)
		}
	}
}

func keyStates(t *testing.T, w *world) {
	account := w.account(t)
	arn := createKey(t, w, account, region, "")
	keys := secrets.NewKeys(w.cloud(t, nil))
	state := func(want guard.KeyState) guard.Key {
		t.Helper()
		keys.Invalidate(arn)
		key, err := keys.Describe(t.Context(), guard.KeyRef{Account: account, Region: region, ID: arn})
		if err != nil || key.State != want {
			t.Errorf("state %s, %v; want %s", key.State, err, want)
		}
		return key
	}
	key := state(guard.KeyEnabled)
	people := w.kms(t, account, region)
	if _, err := people.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key.ID}); err != nil {
		t.Fatal(err)
	}
	state(guard.KeyDisabled)
	if _, err := people.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &key.ID}); err != nil {
		t.Fatal(err)
	}
	state(guard.KeyEnabled)
	if _, err := people.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key.ID, PendingWindowInDays: aws.Int32(7)}); err != nil {
		t.Fatal(err)
	}
	state(guard.KeyPendingDeletion)
}

func keyDetails(t *testing.T, w *world) {
	account := w.account(t)
	arn := createKey(t, w, account, region, "alias/details")
	people := w.kms(t, account, region)
	grantee := "arn:aws:iam::" + account + ":role/people"
	_, err := people.TagResource(t.Context(), &kms.TagResourceInput{KeyId: &arn, Tags: kmsTags("owner", "payments")})
	_, err2 := people.EnableKeyRotation(t.Context(), &kms.EnableKeyRotationInput{KeyId: &arn})
	_, err3 := people.CreateGrant(t.Context(), &kms.CreateGrantInput{KeyId: &arn, GranteePrincipal: &grantee, Operations: decryptOnly()})
	if err := errors.Join(err, err2, err3); err != nil {
		t.Fatal(err)
	}
	keys := secrets.NewKeys(w.cloud(t, func(o *cloud.Options) { o.KeyDetails = true }))
	key, err := keys.Describe(t.Context(), guard.KeyRef{Account: account, Region: region, ID: arn})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(key.Aliases, []string{"alias/details"}) || key.Tags["owner"] != "payments" {
		t.Errorf("aliases %v, tags %v", key.Aliases, key.Tags)
	}
	policy, err := keys.Policy(t.Context(), key)
	if err != nil || !strings.Contains(policy, account) {
		t.Errorf("policy %s, %v", policy, err)
	}
	grants, err := keys.Grants(t.Context(), key)
	if err != nil || len(grants) != 1 || grants[0].GranteePrincipal != grantee || !slices.Equal(grants[0].Operations, []string{"Decrypt"}) {
		t.Errorf("grants %+v, %v", grants, err)
	}
	rotation, err := keys.Rotation(t.Context(), key)
	w.expect(t, rotationsAreListed, func(t testing.TB) {
		if err != nil || !rotation.Enabled {
			t.Errorf("rotation %+v, %v", rotation, err)
		}
	})
	if err == nil {
		w.expect(t, rotationHasAPeriod, func(t testing.TB) {
			if rotation.Period.Hours() != 365*24 {
				t.Errorf("rotation %+v", rotation)
			}
		})
	}
	w.expect(t, lastUseIsKnown, func(t testing.TB) {
		use, err := keys.LastUse(t.Context(), key)
		if err != nil || !use.At.IsZero() || use.TrackedSince.IsZero() {
			t.Errorf("use %+v, %v", use, err)
		}
	})
}
