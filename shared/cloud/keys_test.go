package cloud_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
)

func keyMetadata(state string) answer {
	return answer{body: object{"KeyMetadata": object{"Arn": keyARN, "KeyId": "1234abcd-12ab-34cd-56ef-1234567890ab", "KeyManager": "CUSTOMER", "KeyState": state, "MultiRegion": false, "Origin": "AWS_KMS"}}}
}

func TestKeysAreAskedAgainWhenTheirTimeIsUp(t *testing.T) {
	cases := map[string]struct {
		say     answer
		fresh   time.Duration // still cached
		stale   time.Duration // asked again
		failing bool
		renewed int // asked once more with another session, because this one may have ended
	}{
		"a key":                {say: keyMetadata("Enabled"), fresh: 4 * time.Minute, stale: 6 * time.Minute},
		"a missing key":        {say: answer{code: "NotFoundException"}, fresh: 50 * time.Second, stale: 70 * time.Second},
		"a key we may not see": {say: answer{code: "AccessDeniedException"}, fresh: 50 * time.Second, stale: 70 * time.Second, failing: true, renewed: 1},
		"a broken answer":      {say: answer{status: 400, code: "SomethingElse"}, stale: time.Second, failing: true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			start := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
			now := start
			f := newFake()
			f.on["DescribeKey"] = func(asked) answer { return c.say }
			keys := secrets.NewKeys(f.open(t, func(o *cloud.Options) { o.Now = func() time.Time { return now } }))
			ask := func() {
				_, err := keys.Describe(t.Context(), guard.KeyRef{Account: member, Region: region, ID: keyARN})
				if (err != nil) != c.failing {
					t.Errorf("error %v", err)
				}
			}
			ask()
			if c.fresh > 0 {
				now = start.Add(c.fresh)
				ask()
				if n := len(f.made("DescribeKey")); n != 1 {
					t.Errorf("after %v asked %d times, want once", c.fresh, n)
				}
			}
			now = start.Add(c.stale)
			ask()
			if n := len(f.made("DescribeKey")) - c.renewed; n != 2 {
				t.Errorf("after %v asked %d times, want twice", c.stale, n)
			}
		})
	}
}

// A multi-Region primary that is to be deleted has no day while it has replicas: KMS says how many days it waits after the last.
func TestOfAKeyThatWaitsForItsReplicasItIsReadForHowLong(t *testing.T) {
	f := newFake()
	f.on["DescribeKey"] = func(asked) answer {
		say := keyMetadata("PendingReplicaDeletion")
		say.body.(object)["KeyMetadata"].(object)["PendingDeletionWindowInDays"] = 9
		return say
	}
	key, err := secrets.NewKeys(f.open(t, nil)).Describe(t.Context(), guard.KeyRef{Account: member, Region: region, ID: keyARN})
	if err != nil || key.State != guard.KeyPendingReplicaDeletion || key.Window != 9 || !key.DeletionDate.IsZero() {
		t.Errorf("%+v, %v", key, err)
	}
}

func TestInvalidateForgetsAKeyUnderAnyOfItsNames(t *testing.T) {
	const id, alias = "1234abcd-12ab-34cd-56ef-1234567890ab", "alias/app"
	aliasARN := "arn:aws:kms:eu-central-1:111122223333:alias/app"
	cases := map[string]struct {
		asked, forgotten string
		again            bool
	}{
		"asked by ARN, forgotten by ARN":         {keyARN, keyARN, true},
		"asked by alias, forgotten by ARN":       {alias, keyARN, true},
		"asked by id, forgotten by ARN":          {id, keyARN, true},
		"asked by ARN, forgotten by id":          {keyARN, id, true},
		"asked by alias, forgotten by alias":     {alias, alias, true},
		"asked by alias, forgotten by alias ARN": {alias, aliasARN, true},
		"asked by alias ARN, forgotten by alias": {aliasARN, alias, true},
		"another key":                            {keyARN, centralARN, false},
		"another alias":                          {alias, "alias/other", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.on["DescribeKey"] = func(asked) answer { return keyMetadata("Enabled") }
			keys := secrets.NewKeys(f.open(t, nil))
			for range 2 {
				if _, err := keys.Describe(t.Context(), guard.KeyRef{Account: member, Region: region, ID: c.asked}); err != nil {
					t.Fatal(err)
				}
				keys.Invalidate(c.forgotten)
			}
			if n := len(f.made("DescribeKey")); (n == 2) != c.again {
				t.Errorf("asked %d times", n)
			}
		})
	}
}

func TestDetailsOfAKeyAreReadWhenAskedFor(t *testing.T) {
	f := newFake()
	f.on["DescribeKey"] = func(asked) answer { return keyMetadata("Enabled") }
	f.on["ListAliases"] = func(asked) answer {
		return answer{body: object{"Aliases": []object{
			{"AliasName": "alias/app", "CreationDate": 1_000_000, "LastUpdatedDate": 2_000_000.5}, {"AliasName": "alias/new", "CreationDate": 3_000_000}, {"AliasName": "alias/old"},
		}}}
	}
	f.on["ListResourceTags"] = func(asked) answer { return answer{code: "AccessDeniedException"} }
	key, err := secrets.NewKeys(f.open(t, func(o *cloud.Options) { o.KeyDetails = true })).Describe(t.Context(), guard.KeyRef{Account: member, Region: region, ID: keyARN})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"alias/app", "alias/new", "alias/old"}, key.Aliases); diff != "" {
		t.Error(diff)
	}
	set := map[string]time.Time{"alias/app": time.UnixMilli(2_000_000_500).UTC(), "alias/new": time.Unix(3_000_000, 0).UTC()}
	if diff := cmp.Diff(set, key.AliasesSet); diff != "" {
		t.Errorf("when they were set (-want +got):\n%s", diff)
	}
	if key.Tags != nil {
		t.Error("tags we may not read look like no tags")
	}
}

func TestWhatAReferenceAloneSaysOfAKey(t *testing.T) {
	cases := map[string]struct {
		id   string
		want guard.Key
	}{
		"a key ARN":    {keyARN, guard.Key{ARN: keyARN, ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Account: member, Region: region}},
		"a key id":     {"1234abcd-12ab-34cd-56ef-1234567890ab", guard.Key{ARN: keyARN, ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Account: member, Region: region}},
		"an alias":     {"alias/app", guard.Key{ID: "alias/app", Account: member, Region: region}},
		"an alias ARN": {"arn:aws:kms:eu-central-1:444455556666:alias/app", guard.Key{ID: "arn:aws:kms:eu-central-1:444455556666:alias/app", Account: keyHome, Region: region}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := newFake()
			f.on["DescribeKey"] = func(asked) answer { return answer{code: "NotFoundException"} }
			got, err := secrets.NewKeys(f.open(t, nil)).Describe(t.Context(), guard.KeyRef{Account: member, Region: region, ID: c.id})
			c.want.State = guard.KeyMissing
			if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
				t.Error(err, diff)
			}
		})
	}
}
