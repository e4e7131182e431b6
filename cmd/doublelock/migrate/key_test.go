package migrate_test

import (
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/settings"
)

// An asymmetric key is refused when a secret is planned, and not by AWS when it is moved.
func TestAnAsymmetricKeyIsNoTarget(t *testing.T) {
	f := newFixture(t)
	arn := f.secret("search/index")
	made := localtest.Call(t, f.Organization, local.Search, f.Home(), "kms", "CreateKey", map[string]any{"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"})
	id := made["KeyMetadata"].(map[string]any)["KeyId"]
	localtest.Call(t, f.Organization, local.Search, f.Home(), "kms", "CreateAlias", map[string]any{"AliasName": "alias/asym", "TargetKeyId": id})
	f.configure(func(r *settings.Runtime) { r.Use = []settings.KeyChoice{{Key: "alias/asym"}} })
	f.expect(2, "Secrets Manager takes symmetric encryption keys only", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(2, "search/index  blocked  ", "migrate", "apply", f.file)
	f.stays(arn, "an apply with an asymmetric key")
}

// What is wrong with a key since the plan is seen before its first step, whoever takes it.
func TestAKeyThatIsToBeDeletedBlocksWhatWaits(t *testing.T) {
	f := newFixture(t) // a Tuesday, 09:00
	arn := f.secret("search/index")
	f.expect(0, "safe", "migrate", "plan", "--out", f.file, "--secret", arn)
	f.expect(0, "outside the change windows", "migrate", "apply", f.file, "--window", "22:00-04:00")
	key := localtest.Call(t, f.Organization, local.Search, f.Home(), "kms", "DescribeKey", map[string]any{"KeyId": settings.SecretsKeyAlias})["KeyMetadata"].(map[string]any)
	localtest.Call(t, f.Organization, local.Search, f.Home(), "kms", "ScheduleKeyDeletion", map[string]any{"KeyId": key["KeyId"], "PendingWindowInDays": 7})
	f.Clock.Advance(14 * time.Hour)
	f.sweep()
	f.become("remediate")
	f.expect(0, "is in state PendingDeletion", "migrate", "status")
	f.expect(0, "security search/index (blocked)", "migrate", "status")
	f.stays(arn, "the sweep")
}
