package localaws

import (
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"
)

// dynamoStore is Amazon DynamoDB in one account and Region.
type dynamoStore struct {
	tables map[string]*table
	tokens map[string]time.Time // of transactions done
}

func newDynamoStore() *dynamoStore {
	return &dynamoStore{tables: map[string]*table{}, tokens: map[string]time.Time{}}
}

func tablesAt(a *AWS, at location) *dynamoStore { return regional(a, at, newDynamoStore) }

func dynamoOperations() map[string]operation {
	all := map[string]operation{
		"PutItem":            onTable(putItem),
		"GetItem":            onTable(getItem),
		"UpdateItem":         onTable(updateItem),
		"DeleteItem":         onTable(deleteItem),
		"Query":              onTable(queryTable),
		"Scan":               onTable(scanTable),
		"BatchGetItem":       batchGetItem,
		"BatchWriteItem":     batchWriteItem,
		"TransactWriteItems": transactWriteItems,
		"TransactGetItems":   transactGetItems,
	}
	maps.Copy(all, dynamoTableOperations())
	return all
}

// onTable finds the table that TableName names.
func onTable(run func(*call, *table) (any, error)) operation {
	return func(c *call) (any, error) {
		var in struct{ TableName string }
		if err := c.decode(&in); err != nil {
			return nil, err
		}
		t, err := c.table(in.TableName)
		if err != nil {
			return nil, err
		}
		return run(c, t)
	}
}

func (c *call) table(nameOrARN string) (*table, error) {
	t, ok := tablesAt(c.aws, c.location).tables[tableName(nameOrARN)]
	if !ok {
		return nil, &apiError{Code: "ResourceNotFoundException", Message: "Requested resource not found"}
	}
	return t, nil
}

func tableName(nameOrARN string) string {
	return nameOrARN[strings.LastIndexByte(nameOrARN, '/')+1:]
}

// read decodes the input. What is wrong with attribute values is said in DynamoDB's words.
func (c *call) read(v any) error {
	err := json.Unmarshal(c.Input, v)
	var known *apiError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &apiError{Code: "SerializationException", Message: err.Error()}
}

// dynamoAccess names the table or index a call is about; of a batch or transaction the first.
func dynamoAccess(c *call) (access, error) {
	var in struct {
		TableName, IndexName, ResourceArn string
		RequestItems                      map[string]any
		TransactItems                     []map[string]struct{ TableName string }
	}
	if err := c.decode(&in); err != nil {
		return access{}, err
	}
	on := access{}
	for _, name := range sortedKeys(in.RequestItems) {
		in.TableName = name
		break
	}
	for _, t := range in.TransactItems[:min(1, len(in.TransactItems))] {
		for verb, what := range t {
			in.TableName = what.TableName
			on.Action = "dynamodb:" + strings.TrimSuffix(verb, "Item") + "Item"
			if verb == "ConditionCheck" {
				on.Action = "dynamodb:ConditionCheckItem"
			}
		}
	}
	switch {
	case in.ResourceArn != "":
		on.Resource = in.ResourceArn
	case in.TableName == "":
		on.Resource = "*"
	default:
		on.Resource = c.tableARN(tableName(in.TableName))
	}
	if in.IndexName != "" {
		on.Resource += "/index/" + in.IndexName
	}
	return on, nil
}

func (p location) tableARN(name string) string {
	return "arn:aws:dynamodb:" + p.Region + ":" + p.Account + ":table/" + name
}

// dynamoServices is Amazon DynamoDB.
func dynamoServices() map[string]service {
	return map[string]service{
		"dynamodb": {protocol: awsJSON10, operations: dynamoOperations(), access: dynamoAccess},
	}
}
