package cloud_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

// Tags as long as they can be, readers by the thousand, notices that nobody could publish, and more moves than a job keeps, each
// with more to say than a mail holds: no item passes a hundred kilobytes. That the lists of a job do not grow at all, shared/migration
// tries for ten thousand moves and thirteen days.
func TestNoItemPassesAHundredKilobytes(t *testing.T) {
	w := startLocal(t)
	r := rawTable(t, w)
	jobs := jobsOf(table.Open(w.cloud(t, nil), r.name))
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	j := job(secretNo(1))
	j.Before.Tags = longTags()
	j.Order = &guard.Notice{ID: "order", Tags: longTags()}
	for i := range 2000 {
		j.Readers = append(j.Readers, migration.Known{Principal: fmt.Sprintf("arn:aws:iam::%s:role/application-%04d", member, i)})
	}
	for i := range 3 {
		j.Outbox = append(j.Outbox, guard.Notice{ID: fmt.Sprint(i), Kind: guard.NoticeSealDue, Tags: longTags()})
	}
	const moves = 60
	for i := range moves {
		phase := migration.Phases()[i%3]
		j.History = append(j.History, migration.Turn{At: at.Add(time.Duration(i) * time.Minute), From: j.Phase, To: phase, Reason: strings.Repeat("x", 5000)})
		j.Phase = phase
		must(t, jobs.Save(t.Context(), j))
		j.Revision++
	}
	most := r.largest()
	if most > 100_000 {
		t.Errorf("the largest item has %d bytes", most)
	}
	got, err := jobs.Load(t.Context(), secretNo(1))
	if err != nil || len(got.Readers) != 2000 || len(got.Outbox) != 3 || len(got.Before.Tags) != 45 || len(got.History)+got.Earlier.History != moves {
		t.Errorf("%d readers, %d notices, %d tags, %d and %d moves, %v", len(got.Readers), len(got.Outbox), len(got.Before.Tags), len(got.History), got.Earlier.History, err)
	}
	t.Logf("%d items, the largest of %d bytes", len(r.all()), most)
}
