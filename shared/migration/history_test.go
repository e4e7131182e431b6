package migration_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

func TestTheHistoryOfOneInstantHasTheChangeBeforeItsProof(t *testing.T) {
	later := now.Add(time.Second)
	entries := []store.JournalEntry{
		{Action: "DescribeSecret", At: now}, {Action: "UpdateSecret", At: now}, // as the table sorts them, by ID
		{Action: "rollback", At: later}, {Action: "DescribeSecret", At: later}, {Action: "RotateSecret", At: later},
	}
	var got []string
	for _, e := range migration.InOrder(entries) {
		got = append(got, e.Action)
	}
	if diff := cmp.Diff([]string{"UpdateSecret", "DescribeSecret", "RotateSecret", "DescribeSecret", "rollback"}, got); diff != "" {
		t.Error(diff)
	}
	if entries[0].Action != "DescribeSecret" {
		t.Error("the caller's entries were sorted")
	}
}
