package dynamodb

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// store is Amazon DynamoDB in one account and Region.
type store struct {
	tables map[string]*table
	tokens map[string]time.Time // of transactions done
}

func newStore() *store {
	return &store{tables: map[string]*table{}, tokens: map[string]time.Time{}}
}

func tablesAt(a *core.AWS, at core.Location) *store { return core.Regional(a, at, newStore) }

func operations() map[string]core.Operation {
	all := map[string]core.Operation{
		"PutItem":    onTable(putItem),
		"GetItem":    onTable(getItem),
		"DeleteItem": onTable(deleteItem),
		"Query":      onTable(queryTable),
		"Scan":       onTable(scanTable),

		"TransactWriteItems": transactWriteItems,
	}
	maps.Copy(all, tableOperations())
	return all
}

// onTable finds the table that TableName names.
func onTable(run func(*core.Call, *table) (any, error)) core.Operation {
	return func(c *core.Call) (any, error) {
		var in struct{ TableName string }
		if err := c.Decode(&in); err != nil {
			return nil, err
		}
		t, err := tableOf(c, in.TableName)
		if err != nil {
			return nil, err
		}
		return run(c, t)
	}
}

func tableOf(c *core.Call, nameOrARN string) (*table, error) {
	t, ok := tablesAt(c.AWS, c.Location).tables[tableName(nameOrARN)]
	if !ok {
		return nil, &core.Error{Code: "ResourceNotFoundException", Message: "Requested resource not found"}
	}
	t.expire(c.Now)
	return t, nil
}

func tableName(nameOrARN string) string {
	if arn.Is(nameOrARN) {
		return arn.Of(nameOrARN).Base()
	}
	return nameOrARN
}

// decodeInput decodes the input. What is wrong with attribute values is said in DynamoDB's words.
func decodeInput(c *core.Call, v any) error {
	err := json.Unmarshal(c.Input, v)
	var known *core.Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &core.Error{Code: "SerializationException", Message: err.Error()}
}

// accessOf names the table or index a call is about; of a batch or transaction the first.
func accessOf(c *core.Call) (core.Access, error) {
	var in struct {
		TableName, IndexName, ResourceArn string
		RequestItems                      map[string]any
		Item, Key                         map[string]json.RawMessage
		TransactItems                     []map[string]struct {
			TableName string
			Item, Key map[string]json.RawMessage
		}
	}
	if err := c.Decode(&in); err != nil {
		return core.Access{}, err
	}
	on := core.Access{}
	for _, name := range core.SortedKeys(in.RequestItems) {
		in.TableName = name
		break
	}
	for _, t := range in.TransactItems[:min(1, len(in.TransactItems))] {
		for verb, what := range t {
			in.TableName, in.Item, in.Key = what.TableName, what.Item, what.Key
			on.Action = "dynamodb:" + strings.TrimSuffix(verb, "Item") + "Item"
			if verb == "ConditionCheck" {
				on.Action = "dynamodb:ConditionCheckItem"
			}
		}
	}
	on.Context = leadingKey(c, in.TableName, in.Item, in.Key)
	switch {
	case in.ResourceArn != "":
		on.Resource = in.ResourceArn
	case in.TableName == "":
		on.Resource = "*"
	default:
		on.Resource = tableARN(c.Location, tableName(in.TableName))
	}
	if in.IndexName != "" {
		on.Resource += "/index/" + in.IndexName
	}
	return on, nil
}

// leadingKey is the partition of the single item that a call is about: dynamodb:LeadingKeys, where it is a text. Of queries
// and batches it is left out, as no policy here asks for theirs.
func leadingKey[V any](c *core.Call, name string, item, key map[string]V) map[string][]string {
	t, ok := tablesAt(c.AWS, c.Location).tables[tableName(name)]
	if !ok || len(item)+len(key) == 0 {
		return nil
	}
	partition := t.KeySchema[0].AttributeName
	of, found := item[partition]
	if !found {
		of, found = key[partition]
	}
	raw, err := json.Marshal(of)
	var text struct{ S string }
	if !found || err != nil || json.Unmarshal(raw, &text) != nil || text.S == "" {
		return nil
	}
	return map[string][]string{"dynamodb:LeadingKeys": {text.S}}
}

func tableARN(p core.Location, name string) string {
	return p.ARN("dynamodb", "table/"+name)
}

// Services is Amazon DynamoDB.
func Services() map[string]core.Service {
	return map[string]core.Service{
		"dynamodb": {Protocol: core.JSON10, Operations: operations(), Access: accessOf},
	}
}
