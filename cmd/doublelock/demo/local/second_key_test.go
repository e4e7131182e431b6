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

// The keys of a primary and of its replica are disabled seconds apart: the mail after the second has both ways back, each
// in its own Region, and the mail after the first is back has the one that is left.
func TestTwoKeysDisabledOneAfterTheOtherAreTwoCommandsInTheMail(t *testing.T) {
	w := localtest.New(t)
	alias := settings.SecretsKeyAlias
	primary := local.By("app-deploy", local.Payments, w.Home())
	at := map[string]*secrets.Workload{}
	keys := map[string]string{}
	for _, region := range []string{w.Home(), w.Second()} {
		workload, _, err := w.Workload(t.Context(), local.By(primary.Name, primary.Account, region))
		if err != nil {
			t.Fatal(err)
		}
		at[region] = workload
		if keys[region], err = workload.KeyID(t.Context(), alias); err != nil {
			t.Fatal(err)
		}
	}
	// commands lets what a call caused run its course, and lists the lines that bring back a key, in the last mail about the secret.
	commands := func(call error) []string {
		t.Helper()
		before := len(w.AWS.Mailbox())
		if call != nil {
			t.Fatal(call)
		}
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Clock.Advance(2 * time.Second)
		var lines []string
		for _, m := range w.AWS.Mailbox()[before:] {
			if m.Protocol != "email" || !strings.Contains(m.Body, "secret:payments/twice-") || !strings.Contains(m.Body, "DL.SECRET.4") {
				continue
			}
			lines = nil
			for line := range strings.Lines(m.Body) {
				if command := strings.TrimSpace(line); strings.HasPrefix(command, "aws kms ") && !slices.Contains(lines, command) {
					lines = append(lines, command)
				}
			}
		}
		slices.Sort(lines)
		return lines
	}
	enable := func(region string) string {
		return "aws kms enable-key --region " + region + " --key-id " + w.Partition.New("kms", region, local.Payments, "key/"+keys[region]).String()
	}
	both := []string{enable(w.Home()), enable(w.Second())}
	slices.Sort(both)

	_, err := at[w.Home()].Create(t.Context(), secrets.NewSecret{Name: "payments/twice", KeyID: &alias, Replicas: map[string]string{w.Second(): alias}, Tags: map[string]string{"Owner": "team-payments"}})
	commands(err)
	if diff := cmp.Diff([]string{enable(w.Home())}, commands(at[w.Home()].DisableKey(t.Context(), keys[w.Home()]))); diff != "" {
		t.Errorf("after the first key (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(both, commands(at[w.Second()].DisableKey(t.Context(), keys[w.Second()]))); diff != "" {
		t.Errorf("after the second key (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{enable(w.Second())}, commands(at[w.Home()].EnableKey(t.Context(), keys[w.Home()]))); diff != "" {
		t.Errorf("after the first key is back (-want +got):\n%s", diff)
	}
}
