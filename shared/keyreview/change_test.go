package keyreview_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
)

// handedOver is what is said of a key whose policy hands it over twice, and has more statements.
func handedOver(t *testing.T, more ...string) (fixes, proposed []string, before string) {
	t.Helper()
	const twice = `{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":["kms:Decrypt","kms:GenerateDataKey","kms:PutKeyPolicy"],"Resource":"*"}`
	k := fine()
	k.Policy = document(append([]string{handsOver, twice}, more...)...)
	for _, f := range keyreview.Review(inventory.Prepare(snapshot(k, secret("db", "app"))), standard(), now) {
		if f.Control.ID == guard.KeyOnlyDelegate {
			fixes, proposed = append(fixes, f.Fix), append(proposed, f.After)
		}
	}
	if len(fixes) != 2 {
		t.Fatalf("%d findings: %q", len(fixes), fixes)
	}
	return fixes, proposed, k.Policy
}

// Terraform refuses a policy in which two statements have one Sid. Source: IAM User Guide, "IAM JSON policy elements: Sid".
func TestEachStatementOfAProposalHasASidOfItsOwn(t *testing.T) {
	for sentence, more := range map[string][]string{
		"two findings":         nil,
		"one that is there":    {`{"Sid":"UseThroughSecretsManager","Effect":"Deny","Principal":"*","Action":"kms:DisableKey","Resource":"*"}`},
		"one with that number": {`{"Sid":"UseThroughSecretsManager2","Effect":"Deny","Principal":"*","Action":"kms:DisableKey","Resource":"*"}`},
	} {
		_, proposed, _ := handedOver(t, more...)
		for _, after := range proposed {
			var d struct{ Statement []struct{ Sid string } }
			if err := json.Unmarshal([]byte(after), &d); err != nil {
				t.Fatalf("%s: %q: %v", sentence, after, err)
			}
			uses, seen := 0, map[string]bool{}
			for _, s := range d.Statement {
				if strings.HasPrefix(s.Sid, "UseThroughSecretsManager") {
					uses++
				}
				if seen[s.Sid] && s.Sid != "" {
					t.Errorf("%s: two statements are %s: %s", sentence, s.Sid, after)
				}
				seen[s.Sid] = true
			}
			if want := 2 + len(more); uses != want {
				t.Errorf("%s: %d statements of use: %s", sentence, uses, after)
			}
		}
	}
}

// A key policy has 32 KB at most; where one change fits and both do not, that is said.
func TestAProposalForSeveralFindingsFits(t *testing.T) {
	const most = 32768
	filler := func(size int) string {
		const one = `{"Sid":"","Effect":"Deny","Principal":"*","Action":"kms:DisableKey","Resource":"*"},`
		return strings.Replace(one, `""`, `"`+strings.Repeat("x", size-len(one))+`"`, 1)[:size-1]
	}
	_, proposed, before := handedOver(t)
	gain := len(proposed[0]) - len(before)
	fixes, alone, _ := handedOver(t, filler(most-len(before)-gain+1))
	for i, fix := range fixes {
		if len(alone[i]) > most || alone[i] == alone[1-i] || !strings.Contains(fix, "apply no other policy that is proposed for the key with it") || !strings.Contains(fix, "of 32768") {
			t.Errorf("%d bytes: %s", len(alone[i]), fix)
		}
	}
	if fixes, proposed, _ = handedOver(t, filler(most-len(before)-gain)); len(proposed[0]) != most || !strings.Contains(fixes[0], "ends all 2 findings") {
		t.Errorf("%d bytes: %s", len(proposed[0]), fixes[0])
	}
	if _, proposed, _ = handedOver(t, filler(most-len(before)-10)); proposed[0] != "" {
		t.Errorf("%d bytes are proposed", len(proposed[0]))
	}
}
