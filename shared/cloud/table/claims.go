package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// claim is the body of a delivery's item.
type claim struct {
	Sent  bool      `json:"sent"`
	Until time.Time `json:"until"` // when the lease of one who has not sent yet ends
}

func claimKey(id string) item {
	return item{AttributeKey: text("delivery#" + id), AttributeSort: text("claim")}
}

// Claim asks for the right to deliver something once. The right lasts as long as the lease; who delivered must say so
// with Delivered, who could not must Release. One who does neither (a crash) loses it when the lease ends.
func (t *Table) Claim(ctx context.Context, id string, lease time.Duration) (store.Claim, error) {
	now := t.c.Options().Now().UTC()
	var have claim
	revision, err := t.readVersioned(ctx, claimKey(id), &have)
	if err != nil {
		return "", session.Fail(err, "claim delivery %s", id)
	}
	switch {
	case have.Sent:
		return store.ClaimDone, nil
	case revision > 0 && now.Before(have.Until):
		return store.ClaimBusy, nil
	}
	want := claim{Until: now.Add(lease)}
	err = t.writeVersioned(ctx, claimKey(id), revision, want, want.Until.Add(24*time.Hour))
	switch {
	case errors.Is(err, guard.ErrConflict):
		return store.ClaimBusy, nil
	case err != nil:
		return "", fmt.Errorf("claim delivery %s: %w", id, err)
	case revision > 0:
		return store.ClaimAgain, nil
	default:
		return store.ClaimNew, nil
	}
}

// Delivered ends a claim for good, and remembers it for ttl.
func (t *Table) Delivered(ctx context.Context, id string, ttl time.Duration) error {
	body, err := json.Marshal(claim{Sent: true})
	if err != nil {
		return fmt.Errorf("remember delivery %s: %w", id, err)
	}
	it := claimKey(id)
	it[attributeRevision], it[attributeBody] = number(1), text(string(body))
	it[AttributeExpires] = number(t.c.Options().Now().Add(ttl).Unix())
	_, err = t.client().PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.name, Item: it})
	return session.Fail(err, "remember delivery %s", id)
}

// Release gives a claim back, so that the next who asks gets it as new.
func (t *Table) Release(ctx context.Context, id string) error {
	_, err := t.client().DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &t.name, Key: claimKey(id)})
	return session.Fail(err, "release delivery %s", id)
}

// counter is the body of a counter's item.
type counter struct {
	Taken int `json:"taken"`
}

// takeRounds bounds how often Take starts over because somebody else took at the same moment.
const takeRounds = 10

// Take takes one of limit from a counter, and answers false when none is left. The counter is forgotten some time
// after until: names carry the hour or day that they count.
func (t *Table) Take(ctx context.Context, name string, limit int, until time.Time) (bool, error) {
	key := counterKey(name)
	for round := range takeRounds {
		if err := session.Pause(ctx, round); err != nil {
			return false, err
		}
		var have counter
		revision, err := t.readVersioned(ctx, key, &have)
		if err != nil {
			return false, session.Fail(err, "count %s", name)
		}
		if have.Taken >= limit {
			return false, nil
		}
		err = t.writeVersioned(ctx, key, revision, counter{Taken: have.Taken + 1}, until.Add(24*time.Hour))
		if !errors.Is(err, guard.ErrConflict) {
			return err == nil, err
		}
	}
	return false, fmt.Errorf("count %s: %w %d times", name, guard.ErrConflict, takeRounds)
}

func counterKey(name string) item {
	return item{AttributeKey: text("counter#" + name), AttributeSort: text("count")}
}

// Taken is how many were taken from a counter; 0 where nobody counted.
func (t *Table) Taken(ctx context.Context, name string) (int, error) {
	var have counter
	if _, err := t.readVersioned(ctx, counterKey(name), &have); err != nil {
		return 0, session.Fail(err, "read counter %s", name)
	}
	return have.Taken, nil
}

// readVersioned reads an item that is written conditionally. Revision 0 is one that is not there.
func (t *Table) readVersioned(ctx context.Context, key item, into any) (revision int64, err error) {
	out, err := t.client().GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil || len(out.Item) == 0 {
		return 0, err
	}
	n, isNumber := out.Item[attributeRevision].(*types.AttributeValueMemberN)
	if !isNumber {
		return 0, fmt.Errorf("read item %v: no revision", key[AttributeKey])
	}
	if revision, err = strconv.ParseInt(n.Value, 10, 64); err != nil {
		return 0, fmt.Errorf("read item %v: %w", key[AttributeKey], err)
	}
	return revision, readBody(out.Item, into)
}

// writeVersioned writes an item if it is still at the revision that was read, and else answers guard.ErrConflict.
func (t *Table) writeVersioned(ctx context.Context, key item, revision int64, v any, expires time.Time) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	it := item{AttributeKey: key[AttributeKey], AttributeSort: key[AttributeSort], attributeRevision: number(revision + 1),
		attributeBody: text(string(body)), AttributeExpires: number(expires.Unix())}
	in := &dynamodb.PutItemInput{Item: it, ConditionExpression: aws.String("attribute_not_exists(" + AttributeKey + ")")}
	if revision > 0 {
		in.ConditionExpression = aws.String(attributeRevision + " = :before")
		in.ExpressionAttributeValues = item{":before": number(revision)}
	}
	return session.Fail(t.put(ctx, in), "write item")
}
