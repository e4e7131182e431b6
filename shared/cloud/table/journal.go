package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Journal is the way back: what was changed, kept forever, in the same table as the records.
type Journal struct{ t *Table }

// Journal opens the journal of the table.
func (t *Table) Journal() *Journal { return &Journal{t: t} }

// journalTime sorts as text in the order of time.
const journalTime = "2006-01-02T15:04:05.000000000Z"

func journalSort(e store.JournalEntry) string { return e.At.UTC().Format(journalTime) + "#" + e.ID }

// Append writes an entry, once: repeats of the same entry (resource, time, ID) keep what was written first.
func (j *Journal) Append(ctx context.Context, e store.JournalEntry) error {
	if e.ID == "" || e.Resource == "" || e.At.IsZero() {
		return fmt.Errorf("append to journal: entry %q of %q lacks ID, resource or time", e.ID, e.Resource)
	}
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("append to journal: %w", err)
	}
	it := item{AttributeKey: text("journal#" + e.Resource), AttributeSort: text(journalSort(e))}
	err = j.t.write(ctx, write{it: it, body: string(body)}, ifNew, nil)
	if err = session.Fail(err, "append to journal of %s", e.Resource); errors.Is(err, guard.ErrConflict) {
		return nil
	}
	return err
}

// List reads the entries of a resource since a time (the zero time: all), oldest first, and what of them cannot be read.
func (j *Journal) List(ctx context.Context, resource string, since time.Time) ([]store.JournalEntry, []store.Unreadable, error) {
	var entries []store.JournalEntry
	var wrong []store.Unreadable
	err := j.t.pages(ctx, &dynamodb.QueryInput{
		TableName: &j.t.name, ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String(AttributeKey + " = :pk AND " + AttributeSort + " >= :since"),
		ExpressionAttributeValues: item{":pk": text("journal#" + resource), ":since": text(since.UTC().Format(journalTime))},
	}, func(it item) error {
		var e store.JournalEntry
		r, err := j.t.read(ctx, it)
		if err == nil {
			err = r.decode(&e)
		}
		if err == nil && e.Resource != resource {
			err = unreadable(it, "its body is of another resource")
		}
		bad, err := j.t.aside(ctx, it, err)
		switch {
		case err != nil:
			return err
		case bad != nil:
			wrong = append(wrong, *bad)
		default:
			entries = append(entries, e)
		}
		return nil
	})
	if err != nil {
		return nil, nil, session.Fail(err, "list journal of %s", resource)
	}
	return entries, wrong, nil
}
