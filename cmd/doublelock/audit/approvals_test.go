package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
)

// Whoever is judged could write into the file that an SCP protects his account: only what AWS Organizations says counts.
func TestAuditTakesTheApprovalByANameFromTheSCPThatIsAttached(t *testing.T) {
	w := playedOrganization(t)
	text := string(w.Sample.Text)
	lie := strings.Replace(text, `accounts: ["666666666666"]`, "accounts: [\"666666666666\"]\n    protectApproval: true", 1)
	if lie == text {
		t.Fatal("the sample has no such stage")
	}
	file := filepath.Join(t.TempDir(), "doublelock.yaml")
	if err := os.WriteFile(file, []byte(lie), 0o600); err != nil {
		t.Fatal(err)
	}
	const alias = "alias/doublelock/secrets"
	audited := func(account, role, name string) string {
		t.Helper()
		localtest.ActAs(t, w, account, role)
		out, errs, _ := runCommand(t, w, "audit", "--config", file)
		for line := range strings.Lines(out) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[1] == name {
				return line
			}
		}
		t.Fatalf("%s is not among:\n%s%s", name, out, errs)
		return ""
	}
	own := localtest.Call(t, w, local.Sandbox, w.Home(), "kms", "CreateKey", map[string]any{})["KeyMetadata"].(map[string]any)["Arn"]
	localtest.Call(t, w, local.Sandbox, w.Home(), "kms", "UpdateAlias", map[string]any{"AliasName": alias, "TargetKeyId": own})
	localtest.Call(t, w, local.Sandbox, w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": "self/one", "SecretString": "x", "KmsKeyId": alias})
	if got := audited(local.Sandbox, "role/Engineer/you", "self/one"); !strings.Contains(got, "DL.SECRET.5? ") || !strings.Contains(got, "approved by an alias that its owner can move") {
		t.Errorf("the file says that its account is protected, and the audit %s", got)
	}

	localtest.Call(t, w, local.Search, w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": "by/name", "SecretString": "x", "KmsKeyId": alias})
	if got := audited(local.Search, "role/Engineer/you", "by/name"); !strings.Contains(got, "DL.SECRET.5? ") ||
		!strings.Contains(got, "not known here: Organizations ListPolicies answers AccessDeniedException; run it in the management account") {
		t.Errorf("who may not ask which SCPs are attached is said %s", got)
	}
	w.AWS.AddRole(local.Search, "Reader", `{"Version":"2012-10-17","Statement":[]}`, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	localtest.Call(t, w, local.Management, w.Home(), "organizations", "RegisterDelegatedAdministrator", map[string]any{"AccountId": local.Search, "ServicePrincipal": "guardduty.amazonaws.com"})
	if got := audited(local.Search, "role/Reader/you", "by/name"); !strings.Contains(got, " every control passes") {
		t.Errorf("the SCP is attached, and a delegated administrator's audit says %s", got)
	}
	policies := localtest.Call(t, w, local.Management, w.Home(), "organizations", "ListPolicies", map[string]any{"Filter": "SERVICE_CONTROL_POLICY"})["Policies"].([]any)
	for _, p := range policies {
		if p := p.(map[string]any); strings.HasPrefix(p["Name"].(string), "doublelock-approval") {
			localtest.Call(t, w, local.Management, w.Home(), "organizations", "DetachPolicy", map[string]any{"PolicyId": p["Id"], "TargetId": local.Search})
		}
	}
	if got := audited(local.Search, "role/Reader/you", "by/name"); !strings.Contains(got, "DL.SECRET.5 ") || !strings.Contains(got, "approved by an alias that its owner can move") {
		t.Errorf("the SCP was detached, and a delegated administrator's audit says %s", got)
	}
}
