package awscli_test

import (
	"os/exec"
	"testing"

	"github.com/doublelock/doublelock/shared/awscli"
)

func TestACommandOnASecretIsInItsOwnRegion(t *testing.T) {
	secret := "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/db-AbCdEf"
	for want, got := range map[string]string{
		"aws secretsmanager rotate-secret --region eu-central-1 --secret-id " + secret:                      awscli.OnSecret("rotate-secret", secret),
		"aws secretsmanager update-secret --region eu-central-1 --secret-id " + secret + " --kms-key-id ''": awscli.OnSecret("update-secret", secret, "--kms-key-id", ""),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestAShellTakesEveryTextAsOneWord(t *testing.T) {
	for _, text := range []string{"", "plain", "two words", "it's", "$(reboot)", "`x`", "a;b|c&d", "rds!db-1", "~", "*", "#x", `back\slash`, `"`, "two\nlines", "größe"} {
		got, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+awscli.Word(text)).Output()
		if err != nil || string(got) != text {
			t.Errorf("%q is %q for a shell: %v", text, got, err)
		}
	}
}
