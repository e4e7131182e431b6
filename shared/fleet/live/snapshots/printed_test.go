package snapshots_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/awscli/awsclitest"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
)

// What somebody may do who looks after the keys of an account, and reads no secret.
const keepersRights = `["kms:EnableKey","kms:DisableKey","kms:CancelKeyDeletion","kms:ScheduleKeyDeletion","kms:EnableKeyRotation","kms:RevokeGrant"]`

// keeper pastes lines into a shell, with the rights of who is named by the review of keys.
func (w *testAccount) keeper(lines ...string) {
	w.Helper()
	cli := awsclitest.Find(w.T)
	c, err := w.aws.Principal(shop, "role/Keeper/kim")
	must(w, err)
	env := []string{"PATH=" + filepath.Dir(cli) + string(os.PathListSeparator) + os.Getenv("PATH"), "HOME=" + w.TempDir(), "AWS_ENDPOINT_URL=" + w.url, "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
		"AWS_ACCESS_KEY_ID=" + c.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.SecretAccessKey, "AWS_SESSION_TOKEN=" + c.SessionToken}
	if out, err := awsclitest.Paste(w.Context(), w.TempDir(), env, lines...); err != nil {
		w.Fatalf("%v: %v\n%s", lines, err, out)
	}
}

// found is what a control says of a key, from a snapshot of now; nil: nothing.
func (w *testAccount) found(control guard.ControlID, key string, now time.Time) *keyreview.Finding {
	w.Helper()
	all := keyreview.Review(inventory.Prepare(w.snapshots(nil).Account(w.Context(), shop)), keyreview.Default(), now)
	at := slices.IndexFunc(all, func(f keyreview.Finding) bool { return f.Control.ID == control && f.Key == key && f.Outcome == guard.Fail })
	if at < 0 {
		return nil
	}
	return &all[at]
}

// A fix that is a command is pasted as it is printed, with the rights to look after keys alone: the finding is gone, and who read a
// secret reads it.
func TestWhoRunsWhatTheReviewOfKeysPrintsIsRidOfTheFinding(t *testing.T) {
	reads := func(w *testAccount, who string) error {
		_, err := w.aws.AsPrincipal(shop, "role/"+who+"/i-1", region, "secretsmanager", "GetSecretValue", map[string]any{"SecretId": w.secrets["shop/db"]})
		return err
	}
	kms := func(w *testAccount, operation string, in map[string]any) map[string]any {
		out, err := w.aws.AsPrincipal(shop, "root", region, "kms", operation, in)
		must(w, err)
		return out
	}
	for name, tt := range map[string]struct {
		control guard.ControlID
		later   time.Duration // when the review is
		key     string        // "" is one that no secret is under
		spoil   func(w *testAccount, key string)
		then    []string // what the text around the command says next
	}{
		"a key that does not rotate": {guard.KeyRotation, 200 * 24 * time.Hour, "iam", func(*testAccount, string) {}, nil},
		"a key that is disabled":     {guard.KeyNeeded, 0, "iam", func(w *testAccount, key string) { kms(w, "DisableKey", map[string]any{"KeyId": key}) }, nil},
		"a key that is to be deleted": {guard.KeyNeeded, 0, "iam", func(w *testAccount, key string) {
			kms(w, "ScheduleKeyDeletion", map[string]any{"KeyId": key, "PendingWindowInDays": 7})
		}, nil},
		"a grant to a stranger": {guard.KeyOpen, 0, "iam", func(w *testAccount, key string) {
			kms(w, "CreateGrant", map[string]any{"KeyId": key, "GranteePrincipal": "arn:aws:iam::999900001111:role/stranger", "Operations": []string{"Decrypt"}})
		}, nil},
		"a key that nobody uses": {guard.KeyUnused, 200 * 24 * time.Hour, "", func(*testAccount, string) {}, []string{"schedule-key-deletion --pending-window-in-days 30"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTestAccount(t)
			w.aws.AddRole(shop, "Keeper", trustOfSelf, policyText(may(keepersRights, "*")))
			key := w.keys[tt.key]
			if tt.key == "" {
				made, _ := kms(w, "CreateKey", map[string]any{})["KeyMetadata"].(map[string]any)
				key, _ = made["Arn"].(string)
			}
			now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC).Add(tt.later)
			tt.spoil(w, key)
			f := w.found(tt.control, key, now)
			if f == nil {
				t.Fatal("there is no finding")
			}
			_, command, is := strings.Cut(f.Fix, "aws kms ")
			if !is {
				t.Fatalf("it prints %q", f.Fix)
			}
			w.keeper("aws kms " + command)
			for _, next := range tt.then {
				w.keeper("aws kms " + next + " --region " + region + " --key-id " + key)
			}
			if f := w.found(tt.control, key, now); f != nil {
				t.Errorf("after %s: %+v", command, f)
			}
			if err := reads(w, "app"); err != nil {
				t.Errorf("app cannot read: %v", err)
			}
		})
	}
}
