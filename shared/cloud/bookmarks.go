package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const bookmarkSort = "bookmark"

func bookmarkKey(name string) item {
	return item{AttributeKey: text("bookmark#" + name), AttributeSort: text(bookmarkSort)}
}

// Bookmark reads what SetBookmark last wrote under a name; "" is nothing.
func (r *Records) Bookmark(ctx context.Context, name string) (string, error) {
	out, err := r.client().GetItem(ctx, &dynamodb.GetItemInput{TableName: &r.table, Key: bookmarkKey(name), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return "", fail(err, "read bookmark %s", name)
	}
	body, _ := out.Item[attributeBody].(*types.AttributeValueMemberS)
	if body == nil {
		return "", nil
	}
	return body.Value, nil
}

// SetBookmark remembers how far a job came. The last one to write has the word.
func (r *Records) SetBookmark(ctx context.Context, name, value string) error {
	it := bookmarkKey(name)
	it[attributeBody] = text(value)
	_, err := r.client().PutItem(ctx, &dynamodb.PutItemInput{TableName: &r.table, Item: it})
	return fail(err, "write bookmark %s", name)
}
