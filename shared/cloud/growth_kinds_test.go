package cloud_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

// formsOf are the forms of partition keys that the table's own code has, each of which is a kind of row.
func formsOf(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("table", "*.go"))
	must(t, err)
	forms := map[string]bool{"quarantine": true}
	for _, file := range files {
		text, err := os.ReadFile(file)
		must(t, err)
		for _, m := range regexp.MustCompile(`"([a-z]+#)"`).FindAllStringSubmatch(string(text), -1) {
			forms[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(forms))
}

// sizes is the largest item of each form, in bytes.
func (r raw) sizes() map[string]int {
	r.t.Helper()
	most := map[string]int{}
	for _, it := range r.all() {
		form := str(it["pk"])
		if at := strings.IndexByte(form, '#'); at >= 0 {
			form = form[:at+1]
		}
		bytes := 0
		for name, v := range it {
			bytes += len(name) + len(str(v)) + len(num(v))
		}
		most[form] = max(most[form], bytes)
	}
	return most
}

// longest writes rows of every kind through whoever writes them, each with as much to say as there can be. What a kind remembers of
// earlier writes is carried on from round to round.
type longest struct {
	*testing.T
	raw
	records *table.Table
	jobs    *migration.Documents
	job     migration.Job
	rec     guard.Record
	at      time.Time
}

const longName = "𝔘" // four bytes

func (l *longest) tags() string {
	text, err := json.Marshal(longTags())
	must(l.T, err)
	return string(text)
}

// writers are those of each kind of row, by the form of its partition key.
func (l *longest) writers() map[string]func(round int) {
	secret := secretNo(1)
	return map[string]func(int){
		"resource#": func(round int) { // with the index: as many keys as AWS takes versions of
			l.rec = longRecord(secret)
			l.rec.Revision = int64(round)
			must(l.T, l.records.Save(l.Context(), l.rec))
		},
		"index#": func(int) {}, // written with records
		"part#":  func(int) {}, // of what is longer than an item
		"document#": func(round int) {
			j := &l.job
			for i := range 200 {
				j.History = append(slices.Clip(j.History), migration.Turn{At: l.at.Add(time.Duration(i) * time.Second), From: j.Phase, To: migration.Phases()[i%3], Reason: strings.Repeat(longName, 600)})
				j.Denials = append(slices.Clip(j.Denials), migration.Denial{Principal: "arn:aws:iam::" + member + ":role/app", EventID: fmt.Sprintf("%d-%d", round, i), At: l.at, What: strings.Repeat(longName, 300), Answer: migration.AnswerPage})
				j.Phase = migration.Phases()[i%3]
			}
			must(l.T, l.jobs.Save(l.Context(), *j))
			var err error
			*j, err = l.jobs.Load(l.Context(), secret)
			must(l.T, err)
		},
		"documents#": func(int) {}, // the groups of documents, written with them
		"list#":      func(int) {}, // what is older of a job's lists, written with it
		"journal#": func(round int) {
			must(l.T, l.records.Journal().Append(l.Context(), store.JournalEntry{ID: fmt.Sprint(round), Resource: secret, Action: "TagResource", At: l.at, By: strings.Repeat("x", 2048),
				Before: map[string]string{"tags": l.tags()}, After: map[string]string{"tags": l.tags()}}))
		},
		"intent#": func(round int) {
			intents := l.records.Intents()
			have, err := intents.Intent(l.Context(), secret)
			must(l.T, err)
			have.Target, have.Fence, have.Owner, have.Call, have.Wanted = secret, have.Fence+1, strings.Repeat("x", 2048), "UpdateSecret", strings.Repeat("y", 64)
			if ok, err := intents.SetIntent(l.Context(), have); err != nil || !ok {
				l.Fatalf("set intent: %v, %v", ok, err)
			}
			watch, err := intents.Watch(l.Context(), secret)
			must(l.T, err)
			watch.Target, watch.Counter, watch.At, watch.By = secret, int64(round), l.at, strings.Repeat("x", 2048)
			if ok, err := intents.SetWatch(l.Context(), watch); err != nil || !ok {
				l.Fatalf("set watch: %v, %v", ok, err)
			}
		},
		"outbox#": func(round int) {
			notice, err := json.Marshal(guard.Notice{ID: fmt.Sprint(round), Kind: guard.NoticeReaderLost, Tags: longTags(), Resource: secret})
			must(l.T, err)
			must(l.T, l.records.Outbox().Put(l.Context(), "notices#1", fmt.Sprint(round)+strings.Repeat("x", 2000), notice))
		},
		"delivery#": func(round int) {
			id := fmt.Sprint(round) + strings.Repeat("x", 1000)
			_, err := l.records.Claim(l.Context(), id, "w", time.Minute)
			must(l.T, err)
			must(l.T, l.records.Delivered(l.Context(), id, time.Hour))
		},
		"counter#": func(int) {
			for range 3 {
				_, err := l.records.Take(l.Context(), "hour "+strings.Repeat("x", 500), 1_000_000, l.at.Add(100*time.Hour))
				must(l.T, err)
			}
		},
		"answer#": func(round int) { // an organization of 10,000 accounts, and one more each time
			accounts := make([]string, 10_000+round)
			for i := range accounts {
				accounts[i] = fmt.Sprintf("%012d", i)
			}
			body, err := json.Marshal(accounts)
			must(l.T, err)
			must(l.T, l.records.Answers().Keep(l.Context(), "accounts", store.Answer{At: l.at, Body: body}))
		},
		"bookmark#": func(round int) {
			name := guard.SweptName(member, region)
			if err := l.records.SetBookmark(l.Context(), name, strings.Repeat("x", 100_001)); err == nil {
				l.Error("a bookmark that is too long is written")
			}
			must(l.T, l.records.SetBookmark(l.Context(), name, strings.Repeat("x", 90_000))) // the most that a sweep writes
		},
		"brake#": func(round int) {
			b, err := l.records.Brake(l.Context())
			must(l.T, err)
			for i := range 20 {
				b = b.Turned(store.Turn{On: true, By: strings.Repeat("b", 200), At: l.at.Add(time.Duration(round*20+i) * time.Second), Reason: strings.Repeat("x", 500)})
			}
			if ok, err := l.records.SetBrake(l.Context(), b); err != nil || !ok {
				l.Fatalf("set brake: %v, %v", ok, err)
			}
		},
		"quarantine": func(round int) { // a row as long as DynamoDB takes, that nobody can read
			of := fmt.Sprintf("document#migration#%s", member)
			l.put(map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: of}, "sk": &types.AttributeValueMemberS{Value: secretNo(100 + round%3)},
				"revision": &types.AttributeValueMemberN{Value: "1"}, "body": &types.AttributeValueMemberS{Value: "{" + strings.Repeat("z", 390_000)}})
			if _, err := l.jobs.Load(l.Context(), secretNo(100+round%3)); err == nil {
				l.Error("a broken row can be read")
			}
			l.remove(of, secretNo(100+round%3)) // it was not we who wrote it
		},
	}
}

// Whatever is written, how often and how long: no item of any kind passes a hundred kilobytes, and none grows with the times that
// it is written. A kind of row that the table's code has and this test does not write fails it.
func TestNoItemOfAnyKindPassesAHundredKilobytesOrGrows(t *testing.T) {
	w := startLocal(t)
	r := rawTable(t, w)
	records := table.Open(w.cloud(t, nil), r.name)
	l := &longest{T: t, raw: r, records: records, jobs: jobsOf(records), job: job(secretNo(1)), at: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	l.job.Before.Tags, l.job.Order = longTags(), &guard.Notice{ID: "order", Tags: longTags()}
	writers := l.writers()
	forms := formsOf(t)
	if got := slices.Sorted(maps.Keys(writers)); !slices.Equal(got, forms) {
		t.Fatalf("rows of %q are written here, the table's code has %q", got, forms)
	}
	play := func(from, to int) map[string]int {
		for round := from; round < to; round++ {
			for _, form := range forms {
				writers[form](round)
			}
			l.at = l.at.Add(2 * time.Hour)
		}
		return l.sizes()
	}
	const rounds = 8
	half, whole := play(0, rounds), play(rounds, 2*rounds)
	for _, form := range forms {
		switch {
		case whole[form] == 0:
			t.Errorf("no row of %s was written", form)
		case whole[form] > 100_000:
			t.Errorf("a row of %s has %d bytes", form, whole[form])
		case whole[form] > half[form]+200:
			t.Errorf("rows of %s grow with the times they are written: %d bytes, then %d", form, half[form], whole[form])
		}
	}
	t.Logf("largest of each kind: %v", whole)
}
