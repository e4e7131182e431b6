package migration_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/hashtree"
	"github.com/doublelock/doublelock/shared/migration"
)

// planWith is a plan of so many secrets, as it is read from its file.
func planWith(t testing.TB, secrets int) migration.Plan {
	t.Helper()
	p := migration.Plan{Version: migration.PlanVersion, Rules: migration.Defaults(), Items: []migration.Item{}, Outside: []migration.Excluded{}}
	for n := range secrets {
		p.Items = append(p.Items, migration.Item{
			Secret: fmt.Sprintf("arn:aws:secretsmanager:eu-central-1:111122223333:secret:s/%d-AbCdEf", n), Name: fmt.Sprintf("s/%d", n),
			Account: "111122223333", Region: "eu-central-1", Wave: migration.Development, Seal: migration.SealOwner,
			Target:  "arn:aws:kms:eu-central-1:111122223333:key/k",
			Readers: []migration.Reader{{Principal: "arn:aws:iam::111122223333:role/app", Verdict: migration.Keeps, Why: "a <long> sentence", Sources: []migration.Source{migration.SourceSeen}}},
		})
	}
	signed, err := p.Signed()
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestEachPartOfAPlanIsProvedByItsDigestAlone(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 8, 13, 100} {
		p := planWith(t, n)
		parts, err := p.Parts()
		if err != nil || len(parts) != n {
			t.Fatalf("%d secrets: %d parts, %v", n, len(parts), err)
		}
		for _, i := range p.Items {
			raw, err := json.Marshal(parts[i.Secret]) // as it travels
			if err != nil {
				t.Fatal(err)
			}
			var part migration.Part
			if err := json.Unmarshal(raw, &part); err != nil {
				t.Fatal(err)
			}
			a, err := part.Open(p.Digest)
			if err != nil || a.Item.Secret != i.Secret || a.Item.Target != i.Target {
				t.Fatalf("%d secrets, %s: %+v, %v", n, i.Name, a, err)
			}
			if diff := cmp.Diff(migration.KnownReaders(i.Readers, migration.KeepWorkloads), migration.KnownReaders(a.Item.Readers, migration.KeepWorkloads)); diff != "" {
				t.Errorf("readers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(p.Terms(migration.Defaults()), a.Terms(p.ID, migration.Defaults())); diff != "" {
				t.Errorf("rules (-want +got):\n%s", diff)
			}
		}
	}
}

func TestAPartThatWasEditedIsNotInThePlan(t *testing.T) {
	p, other := planWith(t, 5), planWith(t, 6)
	parts, err := p.Parts()
	if err != nil {
		t.Fatal(err)
	}
	first := p.Items[0].Secret
	for name, edit := range map[string]func(part *migration.Part, digest *string){
		"another key": func(part *migration.Part, _ *string) {
			part.Assignment = json.RawMessage(strings.Replace(string(part.Assignment), "key/k", "key/mine", 1))
		},
		"a reader accepted": func(part *migration.Part, _ *string) {
			part.Assignment = json.RawMessage(strings.Replace(string(part.Assignment), `"verdict":"keeps"`, `"verdict":"keeps","accepted":true`, 1))
		},
		"weaker rules": func(part *migration.Part, _ *string) {
			part.Assignment = json.RawMessage(strings.Replace(string(part.Assignment), `"observe":"24h0m0s"`, `"observe":"0s"`, 1))
		},
		"the path of another": func(part *migration.Part, _ *string) { part.Path = parts[p.Items[1].Secret].Path },
		"a path cut short":    func(part *migration.Part, _ *string) { part.Path = part.Path[1:] },
		"no path":             func(part *migration.Part, _ *string) { part.Path = nil },
		"no digest":           func(part *migration.Part, _ *string) { part.Path[0].Digest = "zz" },
		"another plan":        func(_ *migration.Part, digest *string) { *digest = other.Digest },
	} {
		t.Run(name, func(t *testing.T) {
			part, digest := parts[first], p.Digest
			part.Path = append([]hashtree.Beside(nil), part.Path...)
			before := fmt.Sprint(part, digest)
			edit(&part, &digest)
			if fmt.Sprint(part, digest) == before {
				t.Fatal("nothing was edited")
			}
			if a, err := part.Open(digest); !errors.Is(err, migration.ErrNotInPlan) {
				t.Errorf("it is opened: %+v, %v", a, err)
			}
		})
	}
}

// What only people read is under the digest, too: a plan whose reasons were edited is another plan.
func TestTheDigestIsOverTheWholePlan(t *testing.T) {
	p := planWith(t, 3)
	p.Items[1].Readers[0].Why = "a nicer sentence"
	if signed, err := p.Signed(); err != nil || signed.Digest == p.Digest {
		t.Errorf("the same digest, error %v", err)
	}
}
