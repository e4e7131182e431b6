package inventory_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/docs/manual"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// unknownBefore is how many pairs the version before condition keys were declared did not know: those that it did, by role and secret.
var unknownBefore = map[string][]string{
	"acme.json":  nil, // what is unknown now was unknown then
	"reach.json": {"chooser shop/db", "doubtful vendor/acme"},
	// paths is acme.json with a role whose policy has a plain operator on a multivalued key, as public policies do.
	"paths": {"probe shop/legacy", "probe shop/dual", "probe vendor/acme", "probe shared/token", "probe shared/default"},
}

// paths has a role that reads everything where aws:PrincipalOrgPaths equals a path, with an operator for keys of one value.
func paths(t *testing.T) inventory.Snapshot {
	s := load(t, "acme.json")
	s.Principals = append(s.Principals, role(shop, "probe", allow("kms:Decrypt", "*"), allow("secretsmanager:GetSecretValue", secretARN("shop/db")),
		`{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalOrgPaths":"o-exampleorg/r-ab12/ou-ab12-apps0001/"}}}`))
	s.Secrets = slices.DeleteFunc(s.Secrets, func(s inventory.Secret) bool { return s.Facts.Name == "shop/broken" }) // unknown to everybody
	return s
}

// Every unknown answer about the snapshots in testdata has a reason in the manual, and there are no more of them than it says.
func TestTheManualSaysWhatIsNotKnown(t *testing.T) {
	var table strings.Builder
	table.WriteString("| snapshot | pairs | opens | unknown before | unknown now |\n| --- | --- | --- | --- | --- |\n")
	var reasons strings.Builder
	reasons.WriteString("\n| snapshot | principal | secret | before | what would decide |\n| --- | --- | --- | --- | --- |\n")
	for _, of := range []struct {
		name string
		s    inventory.Snapshot
	}{{"acme.json", load(t, "acme.json")}, {"reach.json", load(t, "reach.json")}, {"paths", paths(t)}} {
		name, s := of.name, of.s
		access := inventory.Prepare(s)
		open, unknown, fresh := 0, 0, 0
		for _, p := range s.Principals {
			can, err := access.Can(p.ARN)
			if err != nil {
				t.Fatal(err)
			}
			open += len(can.Open)
			unknown += len(can.Unknown)
			for _, secret := range can.Unknown {
				r, err := access.Opens(p.ARN, secret)
				if err != nil {
					t.Fatal(err)
				}
				who, of := p.ARN[strings.LastIndexByte(p.ARN, '/')+1:], strings.TrimSuffix(secret[strings.Index(secret, ":secret:")+len(":secret:"):], "-AbCdEf")
				before := "unknown"
				if slices.Contains(unknownBefore[name], who+" "+of) {
					before = "no"
					fresh++
				}
				why := whatDecides(r)
				if why == "" {
					t.Errorf("%s %s before %s: no reason: %s", name, who, of, r.Why())
				}
				fmt.Fprintf(&reasons, "| `%s` | %s | %s | %s | %s |\n", name, who, of, before, why)
			}
		}
		if fresh != len(unknownBefore[name]) {
			t.Errorf("%s: %d are new, want %d", name, fresh, len(unknownBefore[name]))
		}
		fmt.Fprintf(&table, "| `%s` | %d | %d | %d | %d |\n", name, len(s.Principals)*len(s.Secrets), open, unknown-fresh, unknown)
	}
	manual.Compare(t, root+"/docs/unknown.md", "snapshots", table.String()+reasons.String(), *update)
}

// whatDecides are the condition keys, documents and doubts on which an unknown answer rests.
func whatDecides(r inventory.Reader) string {
	var out []string
	for i, d := range []policy.Decision{r.SecretLock, r.KeyLock} {
		if d.Answer != policy.Unknown {
			continue
		}
		unreadable := slices.Clone(d.Unreadable)
		for i, why := range unreadable {
			name, _, _ := strings.Cut(why, " (") // why not has its place in the text of the file
			unreadable[i] = "cannot read " + name
		}
		for _, why := range slices.Concat(d.Missing, unreadable, d.Notes) {
			if text := []string{"secret: ", "key: "}[i] + why; !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return strings.Join(out, "; ")
}
