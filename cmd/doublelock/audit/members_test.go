package audit_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
)

// stranger is an account of nobody's organization.
const stranger = "999999999999"

// copied makes a secret of the owner with a copy in another account, each under a key of its own.
func copied(t *testing.T, w *local.Organization, owner, other, name string) {
	t.Helper()
	open := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::` + owner + `:root","arn:aws:iam::` + other + `:root"]},"Action":"kms:*","Resource":"*"}]}`
	key := func(account string) string {
		made := localtest.Call(t, w, account, w.Home(), "kms", "CreateKey", map[string]any{"Policy": open})
		return made["KeyMetadata"].(map[string]any)["Arn"].(string)
	}
	primary := localtest.Call(t, w, owner, w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": name, "SecretString": "x", "KmsKeyId": key(owner)})["ARN"]
	replica := localtest.Call(t, w, other, w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": name, "KmsKeyId": key(other), "CrossAccountPrimaryARN": primary})["ARN"]
	localtest.Call(t, w, owner, w.Home(), "secretsmanager", "AssociateCrossAccountReplica", map[string]any{"SecretId": primary, "CrossAccountReplicaARN": replica,
		"ReplicaRestriction": "NoRestriction"})
}

// Whether an account with a copy is of the organization is asked of AWS by whoever may ask, and is unknown, with AWS's answer, where
// nobody says it.
func TestAuditAsksWhetherAnAccountWithACopyIsOfTheOrganization(t *testing.T) {
	w := playedOrganization(t)
	file := filepath.Join(t.TempDir(), "doublelock.yaml")
	if err := os.WriteFile(file, w.Sample.Text, 0o600); err != nil {
		t.Fatal(err)
	}
	copied(t, w, local.Search, local.Payments, "copied/near")
	copied(t, w, local.Search, local.Management, "copied/owner")
	copied(t, w, local.Search, stranger, "copied/far")
	copied(t, w, local.Management, local.Search, "managed/near")
	copied(t, w, local.Management, stranger, "managed/far")
	// outside is what an audit says of DL.SECRET.7 and a secret.
	outside := func(out, name string) string {
		t.Helper()
		for line := range strings.Lines(out) {
			var r struct {
				Name              string
				Findings, Unknown []struct{ Control, Detail string }
			}
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatal(err)
			}
			if r.Name != name {
				continue
			}
			for _, f := range r.Findings {
				if f.Control == "DL.SECRET.7" {
					return "fails: " + f.Detail
				}
			}
			for _, u := range r.Unknown {
				if u.Control == "DL.SECRET.7" {
					return "unknown: " + u.Detail
				}
			}
			return "passes"
		}
		return "no row"
	}
	unknown := func(account string) string {
		return "unknown: whether account " + account + " is of the organization, which has a copy, is not known: Organizations ListAccounts answers AccessDeniedException; " +
			"run it in the management account or a delegated one, or name the account in a stage of doublelock.yaml (--config)"
	}
	for sentence, c := range map[string]struct {
		account string
		args    []string
		says    map[string]string // of a secret
	}{
		"a member account, which may not list the others": {local.Search, nil, map[string]string{
			"copied/near": unknown(local.Payments), "copied/far": unknown(stranger), "copied/owner": "passes"}},
		"the same, and the configuration names one": {local.Search, []string{"--config", file}, map[string]string{
			"copied/near": "passes", "copied/far": unknown(stranger), "copied/owner": "passes"}},
		"the management account": {local.Management, nil, map[string]string{
			"managed/near": "passes", "managed/far": "fails: has a copy outside the organization, in account " + stranger}},
	} {
		localtest.ActAs(t, w, c.account, "role/Engineer/you")
		out, errs, code := runCommand(t, w, append([]string{"audit", "-o", "json", "--region", w.Home()}, c.args...)...)
		for name, want := range c.says {
			if got := outside(out, name); got != want {
				t.Errorf("%s: %s %s, want %s", sentence, name, got, want)
			}
		}
		if code != command.Findings {
			t.Errorf("%s: exit code %d: %s", sentence, code, errs)
		}
	}
}
