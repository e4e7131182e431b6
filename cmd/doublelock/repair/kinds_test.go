package repair_test

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/cmd/doublelock/migrate"
	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

// rowKinds are the keys of one row of every kind that the product stores, by the form of its partition key. Each is of
// something that nobody else uses, or of what a machine reads whatever happens.
func rowKinds() map[string][][2]string {
	of := "arn:aws:secretsmanager:us-east-1:444444444444:secret:bad/row-AbCdEf"
	owner := "outbox#rollup#email|" + notify.ShortID("team-search")
	return map[string][][2]string{
		"resource#": {{"resource#" + of, "record"}},
		"document#": {{"document#migration#" + local.Search, of}, {"document#migration#" + local.Search, "no arn"}, {"document#rollup#email", "team-search"}, {"document#rollup#chat", "several"},
			{"document#approval#" + local.Search, "arn:aws:kms:us-east-1:444444444444:key/bad"}, {"document#uses#" + local.Search + "/us-east-1", of}},
		"documents#": {{"documents#migration", "no account"}, {"documents#rollup", "no outlet"}, {"documents#approval", "no account"}, {"documents#uses", "no location"}},
		"intent#":    {{"intent#" + of, "intent"}, {"intent#" + of, "watch"}},
		"index#":     {{"index#key#" + of, of}},
		"journal#":   {{"journal#" + of, "no time"}},
		"list#":      {{"list#migration|history|" + of, "00000001"}},
		"outbox#":    {{"outbox#notices#3", "no notice"}, {"outbox#rollups", "email|" + notify.ShortID("team-search")}, {"outbox#rollups", "no owner"}, {owner, "no notice"}},
		"delivery#":  {{"delivery#bad", "claim"}},
		"counter#":   {{"counter#bad", "count"}},
		"answer#":    {{"answer#bad", "answer"}},
		"bookmark#":  {{"bookmark#sweep", "bookmark"}},
		"brake#":     {{"brake#changes", "brake"}},
		"part#":      {{"part#document#migration#" + local.Search + "|" + of, "00000000000000000001#x#000"}},
		"quarantine": {{"quarantine", "0123456789ab"}},
		"":           {{"thing#bad", "thing"}, {"resource#" + of, "garbage"}}, // nobody's
	}
}

// A kind of row that is not in the table above fails the test.
func TestEveryKindOfRowIsInTheTable(t *testing.T) {
	forms, documents := map[string]bool{"": true, "quarantine": true}, map[string]bool{}
	form := regexp.MustCompile(`"([a-z]+#)"`)
	kind := regexp.MustCompile(`\.Documents(?:For)?\(([\w.]+)[,)]`)
	root := filepath.Join("..", "..", "..")
	for _, room := range []string{"shared", "handlers", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, room), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			if strings.Contains(filepath.ToSlash(path), "shared/cloud/table/") {
				for _, m := range form.FindAllStringSubmatch(string(text), -1) {
					forms[m[1]] = true
				}
			}
			for _, m := range kind.FindAllStringSubmatch(string(text), -1) {
				documents[m[1]] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, want := slices.Sorted(maps.Keys(rowKinds())), slices.Sorted(maps.Keys(forms)); !slices.Equal(got, want) {
		t.Errorf("rows of %q are planted, the code keeps %q", got, want)
	}
	if got := slices.Sorted(maps.Keys(documents)); !slices.Equal(got, []string{"fleet.LedgerKind", "fleet.OriginKind", "migration.DocumentKind", "store.KindRollUp"}) {
		t.Errorf("kinds of documents are %q: plant a row of each", got)
	}
}

type value = map[string]any

func text(s string) value   { return value{"S": s} }
func number(n string) value { return value{"N": n} }

// wrongs are the ways in which a row is wrong, as what is set in one that is not; nil takes an attribute away.
func wrongs() map[string]map[string]value {
	return map[string]map[string]value{
		"a body that is not JSON":      {"body": text(`[1,2`)},
		"a body that is null":          {"body": text(`null`)},
		"no body":                      {"body": nil},
		"a body that is empty":         {"body": text("")},
		"a body that is a list":        {"body": text(`[1,2]`)},
		"a body that is a number":      {"body": number("5")},
		"fields of wrong types":        {"body": text(`{"from":7,"sent":"x","resource":[],"secret":{},"phase":7,"notice":7,"outlet":7,"id":[],"item":7,"copy":7,"until":7,"taken":"x","fence":"x","counter":"x","at":7,"kind":7}`)},
		"the body of another":          {"body": text(`{"resource":"arn:other","secret":"arn:other","phase":"observing","outlet":"x","route":"y","id":"other","copy":"other"}`)},
		"a schema that is a text":      {"schema": text("one")},
		"a schema below nothing":       {"schema": number("-3")},
		"a schema that is a fraction":  {"schema": number("1.5")},
		"a schema that no int64 holds": {"schema": number("1000000000000000000000000000000")},
		"no schema and a broken body":  {"schema": nil, "body": text("{")},
		"a revision that is a text":    {"revision": text("two")},
		"a revision of a fraction":     {"revision": number("1.5")},
		"no revision":                  {"revision": nil},
		"a body of 350 KB":             {"body": text(`{"x":"` + strings.Repeat("y", 350_000))},
		"a window until far away":      {"body": text(`{"from":"9000-01-01T00:00:00Z","sent":99,"due":"9000-01-01T00:00:00Z","pending":{"by":"x","until":"9000-01-01T00:00:00Z"}}`)},
		"for newer versions alone":     {"schema": number("9"), "needs": number("9"), "body": text(`{"novel":1}`)},
	}
}

// raced are those of them that are played with the race detector, too: one whose row is set aside, one whose row is read and
// written, and one whose row stays as it is. The others differ from them in what a parser says, and an organization takes eight times as long with it.
func raced() []string {
	return []string{"fields of wrong types", "a window until far away", "for newer versions alone"}
}

// Whatever is wrong with whichever rows, no machine fails for it, people are notified of what happens elsewhere, and doctor,
// repair and status name the same rows until somebody discards them.
func TestNoRowThatIsWrongStopsAnything(t *testing.T) {
	for _, name := range raced() {
		if wrongs()[name] == nil {
			t.Errorf("%q is none of them", name)
		}
	}
	for name, wrong := range wrongs() {
		t.Run(name, func(t *testing.T) {
			if raceDetector && !slices.Contains(raced(), name) {
				t.Skip("played without the race detector")
			}
			w := localtest.New(t)
			localtest.Security(t, w)
			t.Setenv("AWS_REGION", w.Home())
			t.Setenv(settings.EnvConfig, "")
			b := &bench{t, w}
			planted := b.plant(wrong)
			newer := wrong["needs"] != nil
			b.machines()
			localtest.Call(t, w, local.Search, w.Home(), "secretsmanager", "CreateSecret", value{"Name": "neighbour/of-the-rows", "SecretString": "x",
				"Tags": []any{value{"Key": "Owner", "Value": "team-search"}}})
			for range 2 {
				w.Clock.Advance(10 * time.Minute)
				b.machines()
			}
			readers := map[string]int{}
			for _, m := range w.AWS.Mailbox() {
				if m.Protocol == "email" && strings.Contains(m.Body, "neighbour/of-the-rows is under the AWS managed key") {
					readers[m.Endpoint+": "+m.Subject]++
				}
			}
			if len(readers) == 0 || slices.Max(slices.Collect(maps.Values(readers))) > 1 {
				t.Errorf("mails of the neighbour by reader: %v, want one each", readers)
			}
			b.nothingParked()

			open, err := w.Records.Open(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			listed, _, _ := b.repair("-o", "json")
			if n := strings.Count(listed, `"copy"`); n != len(open) {
				t.Errorf("repair lists %d rows, doctor counts %d", n, len(open))
			}
			b.sameAsStatus(open)
			seen := map[string]int{}
			for _, q := range open {
				seen[q.Kind+" of "+q.ID]++
				if seen[q.Kind+" of "+q.ID] > 1 || q.Reason == "" {
					t.Errorf("%s of %s is there %d times: %s", q.Kind, q.ID, seen[q.Kind+" of "+q.ID], q.Reason)
				}
			}
			if newer {
				b.untouched(planted)
				return
			}
			for _, q := range open {
				b.expect(0, "is discarded", "discard", q.Copy, "--reason", "garbage", "--without-way-back")
			}
			b.machines()
			if open, err := w.Records.Open(t.Context()); err != nil || len(open) > 0 {
				t.Errorf("after all were discarded %+v, %v", open, err)
			}
		})
	}
}

// plant puts a wrong row of every kind, and answers their items.
func (b *bench) plant(wrong map[string]value) []value {
	b.Helper()
	var planted []value
	for _, keys := range rowKinds() {
		for _, key := range keys {
			it := value{"pk": text(key[0]), "sk": text(key[1]), "schema": number("1"), "revision": number("1"), "body": text("{}")}
			for name, v := range wrong {
				if it[name] = v; v == nil {
					delete(it, name)
				}
			}
			localtest.Call(b.T, b.Organization, local.Hub, b.Home(), "dynamodb", "PutItem", value{"TableName": settings.HubName, "Item": it})
			planted = append(planted, it)
		}
	}
	localtest.Call(b.T, b.Organization, local.Hub, b.Home(), "dynamodb", "PutItem", value{"TableName": settings.HubName,
		"Item": value{"pk": text("documents#migration"), "sk": text(local.Search)}})
	return planted
}

func (b *bench) settle() {
	b.Helper()
	if err := b.Settle(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// machines runs everything that the clock starts.
func (b *bench) machines() {
	b.Helper()
	for _, task := range [][2]string{{settings.TaskSweep, handlers.Sweep}, {"digest", handlers.Sweep}, {"heartbeat", handlers.Watchdog}, {"rollup", handlers.Alert}} {
		localtest.Schedule(b.T, b.Organization, task[0], task[1])
	}
	b.settle()
}

func (b *bench) nothingParked() {
	b.Helper()
	for _, worker := range b.Functions() {
		for _, queue := range []string{settings.SessionPrefix + worker, settings.SessionPrefix + worker + "-dlq"} {
			url := fmt.Sprintf("https://sqs.%s.amazonaws.com/%s/%s", b.Home(), local.Hub, queue)
			out := localtest.Call(b.T, b.Organization, local.Hub, b.Home(), "sqs", "GetQueueAttributes", value{"QueueUrl": url, "AttributeNames": []any{"All"}})
			attributes, _ := out["Attributes"].(map[string]any)
			for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
				if n := fmt.Sprint(attributes[name]); n != "0" {
					b.Errorf("%s: %s is %s", queue, name, n)
				}
			}
		}
	}
}

// sameAsStatus holds what is in quarantine of migrations to what migrate status names.
func (b *bench) sameAsStatus(open []store.Quarantined) {
	b.Helper()
	out, complaints, _ := commandtest.Line{New: migrate.New, Now: b.Clock.Now}.Run(b.T, "migrate", "status", "-o", "json")
	var status migration.Summary
	if err := json.Unmarshal([]byte(out), &status); err != nil {
		b.Fatalf("%v: %s%s", err, out, complaints)
	}
	var named, aside []string
	for _, bad := range status.Unreadable {
		named = append(named, bad.ID+": "+bad.Reason)
	}
	for _, q := range open {
		if q.Kind == migration.DocumentKind {
			aside = append(aside, q.ID+": "+q.Reason)
		}
	}
	slices.Sort(named)
	slices.Sort(aside)
	if !slices.Equal(named, aside) || len(named) == 0 {
		b.Errorf("status names %q, in quarantine are %q", named, aside)
	}
}

// untouched fails the test where a row for newer versions is not as it was.
func (b *bench) untouched(planted []value) {
	b.Helper()
	for _, it := range planted {
		if pk := it["pk"].(value)["S"]; pk == "bookmark#sweep" || pk == "documents#migration" || pk == "documents#rollup" || pk == "documents#approval" || pk == "documents#uses" {
			continue // a bookmark is the last sweep's; the others are a key alone
		}
		out := localtest.Call(b.T, b.Organization, local.Hub, b.Home(), "dynamodb", "GetItem", value{"TableName": settings.HubName, "Key": value{"pk": it["pk"], "sk": it["sk"]}})
		got, _ := json.Marshal(out["Item"])
		want, _ := json.Marshal(it)
		if string(got) != string(want) {
			b.Errorf("%v was %s, is %s", it["pk"], want, got)
		}
	}
}
