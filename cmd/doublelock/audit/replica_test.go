package audit_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
)

// Where the primary is not inspected, or cannot be, what is in the replica's own Region answers: its key, its versions, and no more.
func TestAuditOfAReplicasRegionJudgesWhatIsThere(t *testing.T) {
	w := playedOrganization(t)
	call := func(region, service, operation string, in map[string]any) map[string]any {
		t.Helper()
		return localtest.Call(t, w, local.Search, region, service, operation, in)
	}
	replicated := func(name string) (key string) {
		t.Helper()
		made := call(w.Second(), "kms", "CreateKey", map[string]any{})
		key = made["KeyMetadata"].(map[string]any)["Arn"].(string)
		primary := call(w.Home(), "kms", "CreateKey", map[string]any{})["KeyMetadata"].(map[string]any)["Arn"]
		call(w.Home(), "secretsmanager", "CreateSecret", map[string]any{"Name": name, "SecretString": "x", "KmsKeyId": primary,
			"AddReplicaRegions": []any{map[string]any{"Region": w.Second(), "KmsKeyId": key}}})
		return key
	}
	replicated("r/open")
	call(w.Second(), "kms", "DisableKey", map[string]any{"KeyId": replicated("r/off")})
	call(w.Second(), "kms", "ScheduleKeyDeletion", map[string]any{"KeyId": replicated("r/dying"), "PendingWindowInDays": 7})
	if err := w.Settle(t.Context()); err != nil {
		t.Fatal(err)
	}
	audited := func(regions ...string) map[string]string {
		t.Helper()
		args := []string{"audit", "-o", "json"}
		for _, region := range regions {
			args = append(args, "--region", region)
		}
		out, errs, code := runCommand(t, w, args...)
		if code != command.Findings {
			t.Fatalf("exit code %d: %s", code, errs)
		}
		said := map[string]string{}
		for decoder := json.NewDecoder(strings.NewReader(out)); decoder.More(); {
			var one struct {
				Name, Region, State string
				Findings, Unknown   []struct{ Control, Detail string }
			}
			if err := decoder.Decode(&one); err != nil {
				t.Fatal(err)
			}
			words := []string{one.State}
			for _, f := range one.Findings {
				words = append(words, f.Control+" "+f.Detail)
			}
			for _, u := range one.Unknown {
				words = append(words, u.Control+"? "+u.Detail)
			}
			said[one.Name+" in "+one.Region] = strings.Join(words, "\n")
		}
		return said
	}
	localtest.ActAs(t, w, local.Search, "role/Engineer/you")
	said := audited(w.Second())
	for name, want := range map[string][]string{
		"r/open":        {"unknown", "DL.SECRET.3? a replica: its primary is in " + w.Home() + ", which was not inspected"},
		"r/off":         {"unknown", "DL.SECRET.4 its key", "is in state Disabled", "DL.SECRET.3?"},
		"r/dying":       {"unknown", "DL.SECRET.4 its key", "is in state PendingDeletion, and lost for good from", "DL.SECRET.3?"},
		"search/tokens": {"default", "DL.SECRET.3 opens with the AWS managed key in " + w.Second()},
	} {
		got := said[name+" in "+w.Second()]
		for _, part := range want {
			if !strings.Contains(got, part) {
				t.Errorf("%s is %q, which does not say %q", name, got, part)
			}
		}
	}
	both := audited(w.Home(), w.Second())
	if got, is := both["r/off in "+w.Second()]; is || !strings.Contains(both["r/off in "+w.Home()], "DL.SECRET.4 the key of its replica") {
		t.Errorf("where the primary answers, the replica is %q and the primary %q", got, both["r/off in "+w.Home()])
	}

	w.AWS.AddRole(local.Search, "There", `{"Version":"2012-10-17","Statement":[]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:ListSecrets"],"Resource":"*"},
		 {"Effect":"Allow","Action":["secretsmanager:*","kms:*"],"Resource":"*","Condition":{"StringEquals":{"aws:RequestedRegion":"`+w.Second()+`"}}}]}`)
	localtest.ActAs(t, w, local.Search, "role/There/you")
	shut := audited(w.Home(), w.Second())
	if got := shut["r/off in "+w.Second()]; !strings.Contains(got, "DL.SECRET.4 its key") || !strings.Contains(got, "its primary in "+w.Home()+" could not be read") {
		t.Errorf("the primary could not be read, and the replica is %q", got)
	}
}

// Nobody reads a secret in its recovery window, and a restore gives one back that may not open.
func TestAuditSaysOfASecretInItsRecoveryWindowThatItIsDeleted(t *testing.T) {
	w := playedOrganization(t)
	call := func(service, operation string, in map[string]any) map[string]any {
		t.Helper()
		return localtest.Call(t, w, local.Search, w.Home(), service, operation, in)
	}
	key := call("kms", "CreateKey", map[string]any{})["KeyMetadata"].(map[string]any)["Arn"]
	call("secretsmanager", "CreateSecret", map[string]any{"Name": "d/dying", "SecretString": "x", "KmsKeyId": key})
	call("secretsmanager", "DeleteSecret", map[string]any{"SecretId": "d/dying"})
	call("kms", "ScheduleKeyDeletion", map[string]any{"KeyId": key, "PendingWindowInDays": 7})
	localtest.ActAs(t, w, local.Search, "role/Engineer/you")
	out, errs, _ := runCommand(t, w, "audit", "-o", "json")
	for line := range strings.Lines(out) {
		if strings.Contains(line, `"d/dying"`) && strings.Contains(line, "scheduled for deletion") && strings.Contains(line, "PendingDeletion: restored") {
			return
		}
	}
	t.Errorf("it is not said: %s%s", out, errs)
}
