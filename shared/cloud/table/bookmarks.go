package table

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

const bookmarkSort = "bookmark"

func bookmarkKey(name string) item {
	return item{AttributeKey: text("bookmark#" + name), AttributeSort: text(bookmarkSort)}
}

// Bookmark reads what SetBookmark last wrote under a name; "" is nothing.
func (t *Table) Bookmark(ctx context.Context, name string) (string, error) {
	out, err := t.client().GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: bookmarkKey(name), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return "", session.Fail(err, "read bookmark %s", name)
	}
	body, _ := out.Item[attributeBody].(*types.AttributeValueMemberS)
	if body == nil {
		return "", nil
	}
	return body.Value, nil
}

// SetBookmark remembers how far a job came. The last one to write has the word.
func (t *Table) SetBookmark(ctx context.Context, name, value string) error {
	it := bookmarkKey(name)
	it[attributeBody] = text(value)
	_, err := t.client().PutItem(ctx, &dynamodb.PutItemInput{TableName: &t.name, Item: it})
	return session.Fail(err, "write bookmark %s", name)
}
