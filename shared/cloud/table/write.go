package table

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// attributeWrite marks an item with the write that made it.
const attributeWrite = "write"

// put writes an item under a condition. A write whose answer got lost is tried again by the SDK and then fails its own
// condition: the mark tells that from somebody else's write, which alone is a conflict.
func (t *Table) put(ctx context.Context, in *dynamodb.PutItemInput) error {
	mark := rand.Text()
	in.TableName = &t.name
	in.Item[attributeWrite] = text(mark)
	in.ReturnValuesOnConditionCheckFailure = types.ReturnValuesOnConditionCheckFailureAllOld
	_, err := t.client().PutItem(ctx, in)
	if conflict, found := errors.AsType[*types.ConditionalCheckFailedException](err); found {
		if there, isText := conflict.Item[attributeWrite].(*types.AttributeValueMemberS); isText && there.Value == mark {
			return nil
		}
	}
	return err
}
