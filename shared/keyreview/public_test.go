package keyreview_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
)

// public is a key policy as people have them, with what is to be said of it.
type public struct {
	Name     string          `json:"name"`
	Spec     string          `json:"spec"`     // of the key; "" is SYMMETRIC_DEFAULT
	Findings []string        `json:"findings"` // control and outcome, and "proved" where a policy is proposed
	Says     []string        `json:"says"`     // what the findings of DL.KEY.3 and 7 must say
	Policy   json.RawMessage `json:"policy"`
}

// TestPublicPolicies: the verdict on each, and that what is proposed ends the finding and leaves somebody to manage the key.
func TestPublicPolicies(t *testing.T) {
	raw, err := os.ReadFile("testdata/public.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []public
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 30 {
		t.Errorf("%d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			k := fine()
			k.Policy, k.Facts.Spec, k.Facts.Usage = string(c.Policy), "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT"
			k.Use = inventory.Use{Since: now.AddDate(0, 0, -90)} // for nothing else than secrets
			if c.Spec != "" {
				k.Facts.Spec, k.Facts.Usage = c.Spec, "SIGN_VERIFY"
			}
			review := func(k inventory.Key) []keyreview.Finding {
				s := snapshot(k)
				s.Organization.ID = "o-exampleorg"
				return keyreview.Review(inventory.Prepare(s), standard(), now)
			}
			got := []string{}
			var said strings.Builder
			before := review(k)
			for _, f := range before {
				line := string(f.Control.ID) + " " + string(f.Outcome)
				said.WriteString(f.Detail + " " + f.Fix + "\n")
				if f.After != "" {
					line += " proved"
					fixed := k
					fixed.Policy = f.After
					if left := review(fixed); len(left) >= len(before) {
						t.Errorf("the policy that is proposed ends nothing: %s\n%+v", f.After, left)
					}
					if !strings.Contains(f.After, "kms:Put") && !strings.Contains(f.After, "kms:*") {
						t.Errorf("nobody could manage the key: %s", f.After)
					}
				} else if f.Statement != "" && !strings.Contains(f.Fix, "a person has to decide") {
					t.Errorf("neither a policy nor why there is none: %+v", f)
				}
				got = append(got, line)
			}
			if diff := cmp.Diff(c.Findings, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, said.String())
			}
			for _, words := range c.Says {
				if !strings.Contains(said.String(), words) {
					t.Errorf("it does not say %q:\n%s", words, said.String())
				}
			}
			if c.Spec != "" && strings.Contains(said.String(), "ViaService") {
				t.Errorf("such a key is not used through Secrets Manager:\n%s", said.String())
			}
		})
	}
}

// TestSharedCases has a look at cases that may lie beside the checkout: those that must not pass do not.
func TestSharedCases(t *testing.T) {
	raw, err := os.ReadFile("../../../shared/cases/keys/key-policies.json")
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("no cases beside the checkout; those of testdata are of their kind")
	}
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Verdict string
		Policy        json.RawMessage
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		k := fine()
		k.Policy = string(c.Policy)
		s := snapshot(k)
		s.Organization.ID = "o-exampleorg"
		found := keyreview.Review(inventory.Prepare(s), standard(), now)
		want := "DL.KEY.3"
		if strings.Contains(c.Verdict, "KEY.7") {
			want = "DL.KEY.7"
		}
		seen := ""
		for _, f := range found {
			if string(f.Control.ID) == want {
				seen = f.Detail
			}
			t.Logf("%s: %s %s | %s | %s", c.Name, f.Control.ID, f.Detail, f.Fix, f.After)
		}
		if seen == "" {
			t.Errorf("%s: no %s (%s)", c.Name, want, c.Verdict)
		}
	}
}
