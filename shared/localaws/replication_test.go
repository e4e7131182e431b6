package localaws_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

func (r *testbed) replicate(client *secretsmanager.Client, id, key string, force bool) {
	r.t.Helper()
	one := smtypes.ReplicaRegionType{Region: aws.String(west)}
	if key != "" {
		one.KmsKeyId = &key
	}
	in := &secretsmanager.ReplicateSecretToRegionsInput{SecretId: &id, AddReplicaRegions: []smtypes.ReplicaRegionType{one}, ForceOverwriteReplicaSecret: force}
	if _, err := client.ReplicateSecretToRegions(r.t.Context(), in); err != nil {
		r.t.Fatal(err)
	}
}

func TestAReplicaIsInProgressUntilEveryVersionIsThere(t *testing.T) {
	r := newTestbed(t, func(o *localaws.Options) { o.Faults.Replication = time.Minute })
	here, there := r.secrets(open, admin, east), r.secrets(open, admin, west)
	arn := r.create(here, "prod/db", intoWest())
	status := func() string { return r.copies(here, arn)[west][1] }
	if got := [2]string{status(), r.read(there, "prod/db")}; got != [2]string{"InProgress", "[ResourceNotFoundException]"} {
		t.Errorf("before it is made: %v", got)
	}
	r.later(time.Minute)
	if got := [2]string{r.read(there, "prod/db"), status()}; got != [2]string{"first", "InSync"} {
		t.Errorf("when it is made: %v", got)
	}
	r.last("ReplicationSucceeded")
	r.put(here, arn, "second")
	if got := [2]string{status(), r.read(there, "prod/db")}; got != [2]string{"InProgress", "first"} {
		t.Errorf("while a new version is under way the older one is current there: %v", got)
	}
	r.later(time.Minute)
	r.Elapse()
	if got := [2]string{status(), r.read(there, "prod/db")}; got != [2]string{"InSync", "second"} {
		t.Errorf("when it has arrived: %v", got)
	}

	r.put(here, arn, "third")
	if _, err := there.StopReplicationToReplica(t.Context(), &secretsmanager.StopReplicationToReplicaInput{SecretId: aws.String("prod/db")}); err != nil {
		t.Fatal(err)
	}
	r.later(time.Minute)
	if got := r.read(there, "prod/db"); got != "second" {
		t.Errorf("what was under way does not reach a replica that was promoted: %s", got)
	}
}

// User guide, "Troubleshoot replication".
func TestWhyAReplicationFails(t *testing.T) {
	never := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"%","Resource":"*","Condition":{"StringNotEquals":{"kms:EncryptionContext:SecretVersionId":"RequestToValidateKeyAccess"}}}]}`
	without := func(action string) string { return strings.Replace(never, "%", action, 1) }
	for name, test := range map[string]struct {
		policy  string                               // of who replicates; "" an administrator
		before  func(r *testbed, here, there string) // keys of the primary and of the replica
		message string
		mend    func(r *testbed, here, there string)
		force   bool // when it is tried again
	}{
		"a secret of that name is there": {message: "exists in region " + west,
			before: func(r *testbed, _, _ string) { r.create(r.secrets(open, admin, west), "prod/db") }, force: true},
		"the replica's key is disabled": {message: "is disabled",
			before: func(r *testbed, _, there string) { r.disable(there) }, mend: func(r *testbed, _, there string) { r.enable(there) }},
		"the primary's key is disabled": {message: "is disabled",
			before: func(r *testbed, here, _ string) { r.disable(here) }, mend: func(r *testbed, here, _ string) { r.enable(here) }},
		"no right to the primary's key": {policy: without("kms:Decrypt"), message: "Access to KMS is not allowed"},
		"no right to the replica's key": {policy: without("kms:GenerateDataKey"), message: "Access to KMS is not allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestbed(t)
			here, there := r.secrets(open, admin, east), r.secrets(open, admin, west)
			key, far := r.key(open, east), r.key(open, west)
			arn := r.create(here, "prod/db", under(key))
			if test.before != nil {
				test.before(r, key, far)
			}
			by := here
			if test.policy != "" {
				by = r.secrets(open, r.role(open, "Replicator", test.policy), east)
			}
			r.replicate(by, arn, far, false)
			status := r.describe(here, arn).ReplicationStatus[0]
			if status.Status != smtypes.StatusTypeFailed || !strings.Contains(aws.ToString(status.StatusMessage), test.message) || *status.KmsKeyId != far {
				t.Errorf("status %s, message %q, key %s", status.Status, aws.ToString(status.StatusMessage), *status.KmsKeyId)
			}
			if got := r.read(there, strings.Replace(arn, east, west, 1)); got != "[ResourceNotFoundException]" {
				t.Errorf("a replica that was not made: %s", got)
			}
			r.last("ReplicationFailed")

			if test.mend != nil {
				test.mend(r, key, far)
			}
			r.replicate(here, arn, far, test.force)
			if diff := cmp.Diff(map[string][2]string{west: {far, "InSync"}}, r.copies(here, arn)); diff != "" {
				t.Errorf("tried again: %s", diff)
			}
			if got := r.read(there, "prod/db"); got != "first" {
				t.Errorf("tried again: %s", got)
			}
		})
	}
}

// Between the call and its end nobody can say whether a replica comes: it may fail by what happens meanwhile, and the event of that
// is the only sign. The version that was there stays (user guide, "Troubleshoot replication").
func TestAReplicaThatIsInProgressFailsByWhatHappensMeanwhile(t *testing.T) {
	r := newTestbed(t, func(o *localaws.Options) { o.Faults.Replication = time.Minute })
	here, there := r.secrets(open, admin, east), r.secrets(open, admin, west)
	key := r.key(open, west)
	arn := r.create(here, "prod/db", intoWest(key))
	seen := func() [3]string {
		r.Elapse()
		return [3]string{r.copies(here, arn)[west][1], r.copies(here, arn)[west][0], r.read(there, "prod/db")}
	}
	if diff := cmp.Diff([3]string{"InProgress", key, "[ResourceNotFoundException]"}, seen()); diff != "" {
		t.Errorf("at first: %s", diff)
	}
	r.disable(key)
	r.later(time.Minute)
	if diff := cmp.Diff([3]string{"Failed", key, "[ResourceNotFoundException]"}, seen()); diff != "" {
		t.Errorf("its key was disabled meanwhile: %s", diff)
	}
	if event := r.last("ReplicationFailed"); event["awsRegion"] != east {
		t.Errorf("the event comes in %v, want the primary's Region", event["awsRegion"])
	}

	r.enable(key)
	r.replicate(here, arn, key, false)
	r.later(time.Minute)
	if diff := cmp.Diff([3]string{"InSync", key, "first"}, seen()); diff != "" {
		t.Errorf("tried again: %s", diff)
	}
	r.put(here, arn, "second")
	r.disable(key)
	r.later(time.Minute)
	if diff := cmp.Diff([3]string{"Failed", key, "[DecryptionFailure]"}, seen()); diff != "" {
		t.Errorf("a version that was under way: %s", diff)
	}
	r.enable(key)
	if diff := cmp.Diff([3]string{"Failed", key, "first"}, seen()); diff != "" {
		t.Errorf("what was there stays: %s", diff)
	}
}

// A re-key does not help: a version under a label of the customer's own is still under the older key (user guide, "Troubleshoot
// replication").
func TestAVersionUnderADisabledKeyKeepsAReplicationFromEnding(t *testing.T) {
	r := newTestbed(t)
	here, there := r.secrets(open, admin, east), r.secrets(open, admin, west)
	older := r.key(open, east)
	arn := r.create(here, "prod/db", under(older))
	if _, err := here.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &arn, SecretString: aws.String("kept"), VersionStages: []string{"last-year"}}); err != nil {
		t.Fatal(err)
	}
	r.rekey(here, arn, r.key(open, east))
	r.disable(older)
	r.replicate(here, arn, "", false)
	if got := r.copies(here, arn)[west][1]; got != "Failed" {
		t.Errorf("status %s, want Failed", got)
	}
	if got := [2]string{r.read(there, "prod/db"), r.read(there, "prod/db", stage("last-year"))}; got != [2]string{"first", "[ResourceNotFoundException]"} {
		t.Errorf("what was copied stays: %v", got)
	}
	r.enable(older)
	r.put(here, arn, "second")
	if got := [3]string{r.copies(here, arn)[west][1], r.read(there, "prod/db"), r.read(there, "prod/db", stage("last-year"))}; got != [3]string{"InSync", "second", "kept"} {
		t.Errorf("the next version brings the rest: %v", got)
	}
}

// A replica that cannot follow keeps what it has, and says so.
func TestAReplicaWhoseKeyIsDisabledStaysBehind(t *testing.T) {
	r := newTestbed(t)
	here, there := r.secrets(open, admin, east), r.secrets(open, admin, west)
	key := r.key(open, west)
	arn := r.create(here, "prod/db", intoWest(key))
	r.disable(key)
	r.put(here, arn, "second")
	if got := r.copies(here, arn)[west][1]; got != "Failed" {
		t.Errorf("status %s, want Failed", got)
	}
	r.last("ReplicationFailed")
	other := r.key(open, west)
	r.rekey(there, "prod/db", other) // in its own Region; the version that is there cannot be re-encrypted
	if diff := cmp.Diff(map[string][]string{"AWSCURRENT": {key}}, r.locks(there, "prod/db")); diff != "" {
		t.Error(diff)
	}
	r.put(here, arn, "third")
	if got := [2]string{r.copies(here, arn)[west][1], r.read(there, "prod/db")}; got != [2]string{"InSync", "third"} {
		t.Errorf("under its new key it follows again: %v", got)
	}
	if diff := cmp.Diff(map[string][]string{"AWSCURRENT": {other}, "AWSPREVIOUS": {other}}, r.locks(there, "prod/db")); diff != "" {
		t.Error(diff)
	}
}
