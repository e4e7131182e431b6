package local_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/settings"
)

// A call that asks for a replica succeeds, and the replica never comes: the owner gets the cause that Secrets Manager names, with
// the commands that try it again, and another mail when it is there.
func TestAReplicationThatFailedIsMailedWithItsCauseAndItsWayOut(t *testing.T) {
	w := localtest.New(t)
	alias := settings.SecretsKeyAlias
	owner := map[string]string{"Owner": "team-payments"}
	at := func(region string) *secrets.Workload {
		workload, _, err := w.Workload(t.Context(), local.By("app-deploy", local.Payments, region))
		if err != nil {
			t.Fatal(err)
		}
		return workload
	}
	// mails lets what a call caused run its course, and lists the mails about the secret.
	mails := func() []string {
		t.Helper()
		before := len(w.AWS.Mailbox())
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(2 * time.Second)
		var bodies []string
		for _, m := range w.AWS.Mailbox()[before:] {
			if m.Protocol == "email" && strings.Contains(m.Body, "secret:payments/far-") {
				bodies = append(bodies, m.Subject+"\n"+m.Body)
			}
		}
		return bodies
	}
	if _, err := at(w.Second()).Create(t.Context(), secrets.NewSecret{Name: "payments/far", KeyID: &alias, Tags: owner}); err != nil {
		t.Fatal(err)
	}
	mails()
	secret, err := at(w.Home()).Create(t.Context(), secrets.NewSecret{Name: "payments/far", KeyID: &alias, Replicas: map[string]string{w.Second(): alias}, Tags: owner})
	if err != nil {
		t.Fatal(err)
	}
	found := strings.Join(mails(), "\n")
	for _, want := range []string{"HIGH: Replication of payments/far failed", "Secrets Manager says:", "aws secretsmanager replicate-secret-to-regions --region " + w.Home(),
		"aws secretsmanager describe-secret --region " + w.Second() + " --secret-id payments/far", "Region=REGION,KmsKeyId="} {
		if !strings.Contains(found, want) {
			t.Errorf("the mail lacks %q:\n%s", want, found)
		}
	}
	localtest.Call(t, w, local.Payments, w.Home(), "secretsmanager", "ReplicateSecretToRegions", map[string]any{"SecretId": secret, "ForceOverwriteReplicaSecret": true,
		"AddReplicaRegions": []any{map[string]any{"Region": w.Second(), "KmsKeyId": alias}}})
	done := slices.DeleteFunc(mails(), func(mail string) bool {
		return !strings.HasPrefix(mail, "[Doublelock] DONE: The replicas of payments/far are in sync, under CMKs")
	})
	if diff := cmp.Diff(1, len(done)); diff != "" {
		t.Errorf("mails that it is there (-want +got):\n%s", diff)
	}
}
