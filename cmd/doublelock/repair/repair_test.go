package repair_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/cmd/doublelock/migrate"
	"github.com/doublelock/doublelock/cmd/doublelock/repair"
	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

const secret = "arn:aws:secretsmanager:us-east-1:444444444444:secret:search/index-AbCdEf"

// bench is the hub's table with broken rows in it, and somebody of the security account.
type bench struct {
	*testing.T
	*local.Organization
}

func newBench(t *testing.T) *bench {
	t.Helper()
	w := localtest.New(t)
	localtest.Security(t, w)
	t.Setenv("AWS_REGION", w.Home())
	t.Setenv(settings.EnvConfig, "")
	return &bench{t, w}
}

// breaks puts a row that cannot be read, and lets the hub come across it.
func (b *bench) breaks(pk, sk, body string) {
	b.Helper()
	put := func(it map[string]any) {
		localtest.Call(b.T, b.Organization, local.Hub, b.Home(), "dynamodb", "PutItem", map[string]any{"TableName": settings.HubName, "Item": it})
	}
	put(map[string]any{"pk": map[string]any{"S": pk}, "sk": map[string]any{"S": sk}, "revision": map[string]any{"N": "5"}, "body": map[string]any{"S": body}})
	put(map[string]any{"pk": map[string]any{"S": "documents#migration"}, "sk": map[string]any{"S": local.Search}})
	b.sweep()
}

func (b *bench) sweep() {
	b.Helper()
	localtest.Schedule(b.T, b.Organization, "sweep", handlers.Sweep)
	localtest.Run(b.T, b.Organization)
}

func (b *bench) repair(args ...string) (stdout, stderr string, code int) {
	b.Helper()
	return commandtest.Line{New: repair.New, Now: b.Clock.Now}.Run(b.T, append([]string{"repair"}, args...)...)
}

// expect runs it and holds exit code and output to what is said.
func (b *bench) expect(code int, contains string, args ...string) string {
	b.Helper()
	out, complaints, got := b.repair(args...)
	if got != code || !strings.Contains(out+complaints, contains) {
		b.Fatalf("repair %v: exit %d, want %d with %q\n%s%s", args, got, code, contains, out, complaints)
	}
	return out
}

// only is the one copy that is listed.
func (b *bench) only() store.Quarantined {
	b.Helper()
	var q store.Quarantined
	if err := json.Unmarshal([]byte(b.expect(2, "", "-o", "json")), &q); err != nil {
		b.Fatal(err)
	}
	return q
}

// finding is that of the row.
func (b *bench) finding(copied string) guard.Finding {
	b.Helper()
	rec, err := b.Records.Load(b.Context(), "arn:aws:dynamodb:"+b.Home()+":"+local.Hub+":table/"+settings.HubName+"/row/"+copied)
	if err != nil || len(rec.Findings) != 1 || rec.Findings[0].Control != guard.OrgStorage {
		b.Fatalf("%+v, %v", rec, err)
	}
	return rec.Findings[0]
}

func (b *bench) file(body string) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "corrected.json")
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// journal lists what was done about the secret, and by whom.
func (b *bench) journal() []store.JournalEntry {
	b.Helper()
	entries, _, err := b.Records.Journal().List(b.Context(), secret, time.Time{})
	if err != nil {
		b.Fatal(err)
	}
	return entries
}

func TestAJobIsRepaired(t *testing.T) {
	b := newBench(t)
	b.expect(0, "every row of the table can be read")
	b.breaks("document#migration#"+local.Search, secret, `{"secret":"`+secret+`","phase":7,"before":{"keyId":""}}`)
	q := b.only()
	if q.Kind != "migration" || q.ID != secret || !strings.Contains(q.Reason, `"phase" is wrong`) || q.Item != "" {
		t.Fatalf("%+v", q)
	}
	if f := b.finding(q.Copy); f.Status != guard.FindingOpen || !f.Subject.Row.Blocks {
		t.Errorf("finding %+v", f)
	}
	b.expect(2, "BLOCKS")
	b.expect(0, "the row cannot be read", "show", q.Copy)
	if body := b.expect(0, "", "show", q.Copy, "--body"); body != `{"secret":"`+secret+`","phase":7,"before":{"keyId":""}}`+"\n" {
		t.Errorf("body %s", body)
	}
	status, _, code := commandtest.Line{New: migrate.New, Now: b.Clock.Now}.Run(t, "migrate", "status")
	if code != 2 || !strings.Contains(status, secret+" (unknown): cannot be read") {
		t.Errorf("migrate status: exit %d\n%s", code, status)
	}
	_, complaint, code := commandtest.Line{New: migrate.New, Now: b.Clock.Now}.Run(t, "migrate", "history", secret, "--phases")
	if code != 1 || !strings.Contains(complaint, "cannot be read") {
		t.Errorf("migrate history: exit %d, %s", code, complaint)
	}

	b.expect(1, "name the corrected body", "restore", q.Copy)
	b.expect(1, "repair restore: name a copy", "restore", "", "--file", b.file("{}"))
	b.expect(1, "nothing in quarantine", "restore", "nothing", "--file", b.file("{}"))
	b.expect(2, "its body has no phase", "restore", q.Copy, "--file", b.file(`{"secret":"`+secret+`"}`))
	good := `{"secret":"` + secret + `","name":"search/index","account":"` + local.Search + `","region":"us-east-1","plan":"p","wave":"canary","seal":"owner","phase":"blocked","since":"2026-01-01T00:00:00Z","target":"","before":{"keyId":"","state":"default","at":"2026-01-01T00:00:00Z"},"novel":1}`
	for wrong, with := range map[string][2]string{
		"its body is of another secret":                               {`"secret":"` + secret, `"secret":"` + strings.Replace(secret, "index", "other", 1)},
		"it is said to be in account " + local.Shop:                   {`"account":"` + local.Search, `"account":"` + local.Shop},
		"and Region eu-west-1":                                        {`"region":"us-east-1"`, `"region":"eu-west-1"`},
		`its phase is unknown (written by a newer version: "blockt")`: {`"phase":"blocked"`, `"phase":"blockt"`},
		"no state from before the first change":                       {`"before"`, `"befor"`},
		"no state from before the first change (before: key":          {`{"keyId":"","state":"default","at":"2026-01-01T00:00:00Z"}`, `{}`},
		"its target garbage is the ARN of no key of us-east-1":        {`"target":""`, `"target":"garbage"`},
		"its name search/other is not the one in its ARN":             {`"name":"search/index"`, `"name":"search/other"`},
		"its body is not JSON":                                        {`"novel":1}`, `"novel":1`},
	} {
		b.expect(2, wrong, "restore", q.Copy, "--file", b.file(strings.Replace(good, with[0], with[1], 1)))
	}
	b.expect(2, "no state from before", "restore", q.Copy, "--file", b.file(strings.Replace(strings.Replace(good, `"before"`, `"befor"`, 1), `"blocked"`, `"observing"`, 1)))
	if len(b.journal()) > 0 {
		t.Errorf("what was refused is journaled: %+v", b.journal())
	}
	b.expect(0, "is restored", "restore", q.Copy, "--file", b.file(good))
	b.expect(1, "has ended: restored", "restore", q.Copy, "--file", b.file(good))
	b.expect(0, "every row of the table can be read")
	b.expect(0, "restored", "--all")
	entries := b.journal()
	if len(entries) != 1 || entries[0].Action != "repair_restore" || !strings.HasSuffix(entries[0].By, "SecurityEngineer/you") || entries[0].After["sha256"] == "" || entries[0].At.IsZero() {
		t.Errorf("journal %+v", entries)
	}
	b.sweep()
	if f := b.finding(q.Copy); f.Status != guard.FindingResolved {
		t.Errorf("finding %+v", f)
	}
	if out, _, code := (commandtest.Line{New: migrate.New, Now: b.Clock.Now}).Run(t, "migrate", "status"); code != 0 || strings.Contains(out, "unknown)") {
		t.Errorf("migrate status: exit %d\n%s", code, out)
	}
}

func TestAPhaseOfANewerVersionIsShownAsUnknown(t *testing.T) {
	b := newBench(t)
	b.breaks("document#migration#"+local.Search, secret, `{"secret":"`+secret+`","name":"search/index","account":"`+local.Search+`","region":"us-east-1","plan":"p","wave":"canary","seal":"owner","phase":"quantum","since":"2026-01-01T00:00:00Z","target":""}`)
	b.expect(0, "every row of the table can be read")
	out, _, code := commandtest.Line{New: migrate.New, Now: b.Clock.Now}.Run(t, "migrate", "status")
	if code != 0 || !strings.Contains(out, `search/index (unknown (written by a newer version: "quantum"))`) {
		t.Errorf("migrate status: exit %d\n%s", code, out)
	}
}

func TestARecordIsRepaired(t *testing.T) {
	b := newBench(t)
	b.breaks("resource#"+secret, "record", `{"resource":"`+secret+`","state":[]}`)
	q := b.only()
	body := `{"resource":"` + secret + `","account":"` + local.Search + `","region":"us-east-1","name":"search/index","state":"sealed","lastKnown":"sealed","findings":null,"revision":5}`
	if rec, err := b.Records.Load(t.Context(), secret); err != nil || rec.Revision != 0 { // as a look does
		t.Fatalf("%+v, %v", rec, err)
	}
	b.expect(0, "the row is away", "show", q.Copy)
	if err := b.Records.Save(t.Context(), guard.Record{Resource: secret, Account: local.Search, State: guard.StateDefault}); err != nil {
		t.Fatal(err)
	}
	b.expect(2, "Say --replace", "restore", q.Copy, "--file", b.file(body))
	b.expect(2, "is no record of", "restore", q.Copy, "--file", b.file(`{"resource":"other"}`), "--replace")
	out, complaints, code := commandtest.Line{New: repair.New, Now: b.Clock.Now, Stdin: body}.Run(t, "repair", "restore", q.Copy, "--file", "-", "--replace")
	if code != 0 {
		t.Fatalf("exit %d: %s%s", code, out, complaints)
	}
	if rec, err := b.Records.Load(t.Context(), secret); err != nil || rec.LastKnown != guard.StateSealed || rec.Revision != 2 {
		t.Errorf("%+v, %v", rec, err)
	}
}

func TestAWayBackIsNotDiscarded(t *testing.T) {
	b := newBench(t)
	b.breaks("document#migration#"+local.Search, secret, `{"secret":"`+secret+`","phase":7}`)
	q := b.only()
	b.expect(1, "--reason", "discard", q.Copy)
	if err := b.Records.Journal().Append(t.Context(), store.JournalEntry{ID: "1", Resource: secret, Action: "UpdateSecret", At: b.Clock.Now(), By: "doublelock-remediate"}); err != nil {
		t.Fatal(err)
	}
	b.expect(2, "the way back would be lost", "discard", q.Copy, "--reason", "no use")
	if len(b.journal()) != 1 {
		t.Error("what was refused is journaled")
	}
	b.expect(0, "is discarded", "discard", q.Copy, "--reason", "set back by hand", "--without-way-back")
	entries := b.journal()
	if last := entries[len(entries)-1]; len(entries) != 2 || last.Action != "repair_discard" || last.After["reason"] != "set back by hand" || last.After["withoutWayBack"] != "true" {
		t.Errorf("journal %+v", entries)
	}
	b.expect(0, "every row of the table can be read")
	b.expect(0, "discarded", "--all", "-o", "json")
}

func TestARecordIsForgotten(t *testing.T) {
	b := newBench(t)
	b.breaks("resource#"+secret, "record", `}`)
	b.expect(0, "is discarded", "discard", b.only().Copy, "--reason", "deleted long ago")
	b.expect(0, "every row of the table can be read")
	if rec, err := b.Records.Load(t.Context(), secret); err != nil || rec.Revision != 0 {
		t.Errorf("%+v, %v", rec, err)
	}
}

func TestAnEntryOfTheJournalIsNotDiscardedByTheWay(t *testing.T) {
	b := newBench(t)
	b.breaks("journal#"+secret, "2026-01-01T00:00:00Z#1", `}`)
	if _, unreadable, err := b.Records.Journal().List(t.Context(), secret, time.Time{}); err != nil || len(unreadable) != 1 {
		t.Fatalf("%v, %v", unreadable, err)
	}
	q := b.only()
	b.expect(1, "is not written again", "restore", q.Copy, "--file", b.file(`{}`))
	b.expect(2, "the way back of a change", "discard", q.Copy, "--reason", "no use")
	b.expect(0, "is discarded", "discard", q.Copy, "--reason", "no use", "--without-way-back")
	if entries := b.journal(); len(entries) != 1 || entries[0].Action != "repair_discard" {
		t.Errorf("journal %+v", entries)
	}
}

// Whoever is stopped between two writes of a repair runs it again, and it ends as it would have.
func TestARepairThatWasStoppedIsFinishedByTheSameCommand(t *testing.T) {
	good := `{"secret":"` + secret + `","name":"search/index","account":"` + local.Search + `","region":"us-east-1","plan":"p","wave":"canary","seal":"owner","phase":"planned","since":"2026-01-01T00:00:00Z","target":""}`
	for name, finish := range map[string]func(b *bench, copied string) []string{
		"restore": func(b *bench, copied string) []string { return []string{"restore", copied, "--file", b.file(good)} },
		"discard": func(_ *bench, copied string) []string { return []string{"discard", copied, "--reason", "no use"} },
	} {
		for stopped := 1; ; stopped++ { // at each write
			b := newBench(t)
			b.breaks("document#migration#"+local.Search, secret, `{"secret":"`+secret+`","phase":7}`)
			q := b.only()
			writes, died := 0, false
			b.AWS.Lock()
			b.AWS.Options.Faults.Refuse = func(c *core.Call) error {
				if c.Service == "dynamodb" && !strings.HasPrefix(c.Operation, "Get") && c.Operation != "Query" {
					if writes++; writes >= stopped && stopped > 0 {
						died = true
						return &core.Error{Code: "AccessDeniedException", Message: "the process is gone"}
					}
				}
				return nil
			}
			b.AWS.Unlock()
			_, complaints, code := b.repair(finish(b, q.Copy)...)
			b.AWS.Lock()
			b.AWS.Options.Faults.Refuse = nil
			b.AWS.Unlock()
			if !died {
				if code != 0 || stopped < 3 {
					t.Errorf("%s: exit %d after %d writes: %s", name, code, writes, complaints)
				}
				break
			}
			if code == 0 {
				t.Errorf("%s, stopped at write %d: exit 0", name, stopped)
			}
			b.expect(0, map[string]string{"restore": "is restored", "discard": "is discarded"}[name], finish(b, q.Copy)...)
			b.expect(0, "every row of the table can be read")
			j, err := migration.NewStore(b.Records.Documents(migration.DocumentKind), b.Records.Entries()).Load(t.Context(), secret)
			if err != nil || (name == "restore") != (j.Phase == migration.Planned) {
				t.Errorf("%s, stopped at write %d: the job is %q, %v", name, stopped, j.Phase, err)
			}
		}
	}
}
