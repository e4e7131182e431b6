package conformance_test

import (
	"os"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/conformance"
)

// Two answers that the local AWS cannot give in one world: whichever it leaves is named as not followed, whether it has another
// answer there or none at all.
func TestOfTwoAnswersThatExcludeEachOtherOneIsNotFollowed(t *testing.T) {
	for name, answers := range map[string][]conformance.Result{
		"a re-key is never blind":  {{Question: "secretsmanager.rekey.without-decrypt", Answer: "refused"}, {Question: "secretsmanager.rekey.same-key", Answer: "re-encrypted"}},
		"a key that cannot be set": {{Question: "secretsmanager.replica.own-key", Answer: "refused"}, {Question: "secretsmanager.replica.own-key-shown", Answer: "shown"}},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := run(t, "--against", "localaws", "--behavior", reported(t, answers...), "--question", answers[0].Question, "--question", answers[1].Question)
			if code != 4 || !strings.Contains(stdout, "NOT FOLLOWED") || !strings.Contains(stderr, "cannot follow the report in "+answers[1].Question) {
				t.Errorf("exit code %d: %s%s", code, stdout, stderr)
			}
		})
	}
}

// What a report's verdict means, if this version does not know it, nobody can say: nothing agrees with it, whatever was answered.
func TestAVerdictThatNobodyKnowsIsNotAgreedWith(t *testing.T) {
	file := reported(t, conformance.Result{Question: "kms.disabled.read", Answer: "decryption-failure", Verdict: "partly"})
	stdout, stderr, code := run(t, "--against", "localaws", "--behavior", file, "--question", "kms.disabled.read")
	if code != 4 || !strings.Contains(stdout, "NOT FOLLOWED") || !strings.Contains(stdout, string(conformance.UnknownVerdict)) {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
}

// What a stand-in answered is not AWS's word.
func TestAReportOfAStandInIsNamedAsOne(t *testing.T) {
	file := reported(t, conformance.Result{Question: "kms.disabled.read", Answer: "decryption-failure"})
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(text), `"against":"AWS"`, `"against":"moto"`, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := run(t, "--against", "localaws", "--behavior", file, "--question", "kms.disabled.read")
	if want := `note: the report is of a run against "moto", not against AWS`; code != 0 || !strings.Contains(stderr, want) {
		t.Errorf("exit code %d: %s, want %s", code, stderr, want)
	}
}
