package cloud

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"github.com/doublelock/doublelock/shared/guard"
)

func seenKey(id string) item {
	return item{AttributeKey: text("notice#" + id), AttributeSort: text("seen")}
}

// Seen remembers a notice for ttl and reports whether it was new. Of two callers at once only one hears true.
// Who then cannot deliver the notice must Forget it, or it is lost.
func (r *Records) Seen(ctx context.Context, noticeID string, ttl time.Duration) (first bool, err error) {
	now := r.c.opt.Now()
	it := seenKey(noticeID)
	it[AttributeExpires] = number(now.Add(ttl).Unix())
	_, err = r.client().PutItem(ctx, &dynamodb.PutItemInput{
		TableName: &r.table, Item: it,
		// DynamoDB deletes expired items days late, so the end is checked as well.
		ConditionExpression:       aws.String("attribute_not_exists(" + AttributeKey + ") OR " + AttributeExpires + " <= :now"),
		ExpressionAttributeValues: item{":now": number(now.Unix())},
	})
	err = fail(err, "remember notice %s", noticeID)
	if errors.Is(err, guard.ErrConflict) {
		return false, nil
	}
	return err == nil, err
}

// Forget lets a notice be new again.
func (r *Records) Forget(ctx context.Context, noticeID string) error {
	_, err := r.client().DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &r.table, Key: seenKey(noticeID)})
	return fail(err, "forget notice %s", noticeID)
}
