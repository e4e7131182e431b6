package dynamodb_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

func TestTransactionsAreAllOrNothing(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := c.makeTable(t)
	for _, there := range []row{{"pk": str("a"), "sk": str("1"), "n": num(1)}, {"pk": str("old"), "sk": str("1")}} {
		put(t, client, there)
	}
	name := aws.String("table")
	transact := func(condition, token string) error {
		_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{ClientRequestToken: &token, TransactItems: []types.TransactWriteItem{
			{Put: &types.Put{TableName: name, Item: row{"pk": str("b"), "sk": str("1")}}},
			{Put: &types.Put{TableName: name, Item: row{"pk": str("a"), "sk": str("1"), "n": num(2)}, ConditionExpression: &condition,
				ExpressionAttributeValues: row{":1": num(1)}, ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}},
			{Delete: &types.Delete{TableName: name, Key: row{"pk": str("old"), "sk": str("1")}}},
		}})
		return err
	}
	err := transact("n > :1", "first")
	var canceled *types.TransactionCanceledException
	if !errors.As(err, &canceled) {
		t.Fatalf("err = %v, want a TransactionCanceledException", err)
	}
	var codes []string
	for _, r := range canceled.CancellationReasons {
		codes = append(codes, *r.Code)
	}
	if diff := cmp.Diff([]string{"None", "ConditionalCheckFailed", "None"}, codes); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(row{"pk": str("a"), "sk": str("1"), "n": num(1)}, canceled.CancellationReasons[1].Item, ignoreSDK); diff != "" {
		t.Error(diff)
	}
	if get(t, client, "b", "1") != nil || get(t, client, "old", "1") == nil {
		t.Error("a transaction that was canceled stored a part")
	}
	if err := transact("n = :1", "second"); err != nil {
		t.Fatal(err)
	}
	if get(t, client, "b", "1") == nil || get(t, client, "old", "1") != nil || get(t, client, "a", "1")["n"].(*types.AttributeValueMemberN).Value != "2" {
		t.Error("a transaction whose conditions hold did not store everything")
	}
	if err := transact("n = :1", "second"); err != nil {
		t.Errorf("a repeat with its token: %v", err)
	}
	if err := transact("n = :1", "third"); !errors.As(err, &canceled) {
		t.Errorf("another with its own token: %v", err)
	}
}

func TestATransactionNeedsTheRightToEachOfItsParts(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	c.makeTable(t)
	c.AddRole(hub, "putter", trusting, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:PutItem","Resource":"arn:aws:dynamodb:eu-central-1:111122223333:table/table"}]}`)
	client := dynamodb.NewFromConfig(c.signed(t, "role/putter/session"))
	name := aws.String("table")
	parts := []types.TransactWriteItem{{Put: &types.Put{TableName: name, Item: row{"pk": str("a"), "sk": str("1")}}}, {Delete: &types.Delete{TableName: name, Key: row{"pk": str("b"), "sk": str("1")}}}}
	_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: parts})
	if err == nil || !strings.Contains(err.Error(), "not authorized to perform: dynamodb:DeleteItem") {
		t.Errorf("err = %v, want one about the deletion", err)
	}
	must[*dynamodb.TransactWriteItemsOutput](t)(client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: parts[:1]}))
	twice := []types.TransactWriteItem{parts[0], {Delete: &types.Delete{TableName: name, Key: row{"pk": str("a"), "sk": str("1")}}}}
	c.AddRole(hub, "writer", trusting, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:*","Resource":"*"}]}`)
	_, err = dynamodb.NewFromConfig(c.signed(t, "role/writer/session")).TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: twice})
	if err == nil || !strings.Contains(err.Error(), "multiple operations on one item") {
		t.Errorf("err = %v, want that one item is written twice", err)
	}
}
