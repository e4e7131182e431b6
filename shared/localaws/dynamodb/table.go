package dynamodb

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// table is a DynamoDB table with its items.
type table struct {
	tableInput
	id      string
	arn     string
	created time.Time
	items   map[string]*stored // by primary key
	main    *ordering
	indexes map[string]*tableIndexState
	ttl     string    // attribute; "" is off
	expired time.Time // when what expired was deleted last
}

type tableIndexState struct {
	*ordering
	declared indexInput
}

type schemaPart struct{ AttributeName, KeyType string }

type indexInput struct {
	IndexName  string
	KeySchema  []schemaPart
	Projection struct {
		ProjectionType   string
		NonKeyAttributes []string `json:",omitempty"`
	}
}

type tableInput struct {
	TableName                 string
	BillingMode               string
	DeletionProtectionEnabled bool
	AttributeDefinitions      []struct{ AttributeName, AttributeType string }
	KeySchema                 []schemaPart
	GlobalSecondaryIndexes    []indexInput
	LocalSecondaryIndexes     []indexInput
	StreamSpecification       map[string]any
	SSESpecification          map[string]any
}

var tableNamePattern = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

func tableOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"CreateTable":        createTable,
		"DescribeTable":      onTable(describeTable),
		"DeleteTable":        onTable(deleteTable),
		"ListTables":         listTables,
		"UpdateTimeToLive":   onTable(updateTimeToLive),
		"DescribeTimeToLive": onTable(describeTimeToLive),
	}
}

func createTable(c *core.Call) (any, error) {
	var in tableInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if !tableNamePattern.MatchString(in.TableName) {
		return nil, invalid("TableName must be at least 3 characters long and at most 255 characters long, of a-z A-Z 0-9 _ - .")
	}
	tables := tablesAt(c.AWS, c.Location).tables
	if _, taken := tables[in.TableName]; taken {
		return nil, &core.Error{Code: "ResourceInUseException", Message: "Table already exists: " + in.TableName}
	}
	t := &table{tableInput: in, id: c.AWS.UUID(), arn: tableARN(c.Location, in.TableName), created: c.Now, items: map[string]*stored{},
		indexes: map[string]*tableIndexState{}}
	if err := t.build(); err != nil {
		return nil, err
	}
	tables[in.TableName] = t
	return map[string]any{"TableDescription": t.describe()}, nil
}

// build makes the orderings and checks that the key schema and the attribute definitions fit.
func (t *table) build() error {
	var err error
	if t.main, err = t.ordering(t.KeySchema); err != nil {
		return err
	}
	used := map[string]bool{t.main.hash: true, t.main.sort: true}
	for _, declared := range slices.Concat(t.GlobalSecondaryIndexes, t.LocalSecondaryIndexes) {
		s, err := t.ordering(declared.KeySchema)
		if err != nil {
			return err
		}
		used[s.hash], used[s.sort] = true, true
		t.indexes[declared.IndexName] = &tableIndexState{s, declared}
	}
	for _, d := range t.AttributeDefinitions {
		if !used[d.AttributeName] {
			return invalid("One or more parameter values were invalid: Number of attributes in KeySchema does not exactly match number of attributes defined in AttributeDefinitions")
		}
		if !slices.Contains([]string{"S", "N", "B"}, d.AttributeType) {
			return invalid("Member must satisfy enum value set: [B, N, S]")
		}
	}
	return nil
}

func (t *table) ordering(schema []schemaPart) (*ordering, error) {
	if len(schema) == 0 || len(schema) > 2 || schema[0].KeyType != "HASH" || len(schema) == 2 && schema[1].KeyType != "RANGE" {
		return nil, invalid("Invalid KeySchema: The first KeySchemaElement is not a HASH key type")
	}
	s := newOrdering(schema[0].AttributeName)
	if len(schema) == 2 {
		s.sort = schema[1].AttributeName
	}
	for _, part := range schema {
		if t.kindOf(part.AttributeName) == "" {
			return nil, invalid("One or more parameter values were invalid: Some index key attributes are not defined in AttributeDefinitions. Keys: [%s], AttributeDefinitions: %v", part.AttributeName, t.AttributeDefinitions)
		}
	}
	return s, nil
}

// kindOf is the declared type of a key attribute, "" for others.
func (t *table) kindOf(attribute string) string {
	for _, d := range t.AttributeDefinitions {
		if d.AttributeName == attribute {
			return d.AttributeType
		}
	}
	return ""
}

func (t *table) describe() map[string]any {
	size := 0
	for _, s := range t.items {
		size += s.item.bytes()
	}
	out := map[string]any{
		"TableName": t.TableName, "TableArn": t.arn, "TableId": t.id, "TableStatus": "ACTIVE", "CreationDateTime": t.created.Unix(),
		"KeySchema": t.KeySchema, "AttributeDefinitions": t.AttributeDefinitions, "ItemCount": len(t.items), "TableSizeBytes": size,
		"BillingModeSummary": map[string]any{"BillingMode": t.BillingMode}, "DeletionProtectionEnabled": t.DeletionProtectionEnabled,
		"ProvisionedThroughput": map[string]any{"ReadCapacityUnits": 0, "WriteCapacityUnits": 0, "NumberOfDecreasesToday": 0},
	}
	for name, list := range map[string][]indexInput{"GlobalSecondaryIndexes": t.GlobalSecondaryIndexes, "LocalSecondaryIndexes": t.LocalSecondaryIndexes} {
		var shown []map[string]any
		for _, i := range list {
			shown = append(shown, map[string]any{"IndexName": i.IndexName, "IndexArn": t.arn + "/index/" + i.IndexName, "IndexStatus": "ACTIVE",
				"KeySchema": i.KeySchema, "Projection": i.Projection, "ItemCount": t.indexes[i.IndexName].count()})
		}
		if len(shown) > 0 {
			out[name] = shown
		}
	}
	return out
}

func describeTable(_ *core.Call, t *table) (any, error) {
	return map[string]any{"Table": t.describe()}, nil
}

func deleteTable(c *core.Call, t *table) (any, error) {
	if t.DeletionProtectionEnabled {
		return nil, invalid("Resource cannot be deleted as it is currently protected against deletion. Disable deletion protection first.")
	}
	delete(tablesAt(c.AWS, c.Location).tables, t.TableName)
	out := t.describe()
	out["TableStatus"] = "DELETING"
	return map[string]any{"TableDescription": out}, nil
}

func listTables(c *core.Call) (any, error) {
	return map[string]any{"TableNames": append([]string{}, core.SortedKeys(tablesAt(c.AWS, c.Location).tables)...)}, nil
}

// updateTimeToLive notes the attribute; see expire.
func updateTimeToLive(c *core.Call, t *table) (any, error) {
	var in struct {
		TimeToLiveSpecification struct {
			AttributeName string
			Enabled       bool
		}
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if in.TimeToLiveSpecification.Enabled == (t.ttl != "") {
		return nil, invalid("TimeToLive is already %s", map[bool]string{true: "enabled", false: "disabled"}[t.ttl != ""])
	}
	t.ttl = ""
	if in.TimeToLiveSpecification.Enabled {
		t.ttl = in.TimeToLiveSpecification.AttributeName
	}
	return map[string]any{"TimeToLiveSpecification": in.TimeToLiveSpecification}, nil
}

func describeTimeToLive(_ *core.Call, t *table) (any, error) {
	out := map[string]string{"TimeToLiveStatus": "DISABLED"}
	if t.ttl != "" {
		out = map[string]string{"TimeToLiveStatus": "ENABLED", "AttributeName": t.ttl}
	}
	return map[string]any{"TimeToLiveDescription": out}, nil
}

// keyOf checks the key attributes of an item and encodes them.
func (t *table) keyOf(i item) (string, error) {
	var parts []string
	for _, part := range t.KeySchema {
		v, ok := i[part.AttributeName]
		if !ok {
			return "", invalid("One or more parameter values were invalid: Missing the key %s in the item", part.AttributeName)
		}
		if err := t.checkKey(part.AttributeName, v, "key"); err != nil {
			return "", err
		}
		parts = append(parts, encodeKey(v))
	}
	return strings.Join(parts, "\x00"), nil
}

func (t *table) checkKey(name string, v value, what string) error {
	if want := t.kindOf(name); v.kind != want {
		return invalid("One or more parameter values were invalid: Type mismatch for %s %s expected: %s actual: %s", what, name, want, v.kind)
	}
	if v.kind != "N" && v.text == "" {
		return invalid("One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value. Key: %s", name)
	}
	return nil
}

// checkIndexKeys refuses an item whose index keys have the wrong type.
func (t *table) checkIndexKeys(i item) error {
	for _, name := range core.SortedKeys(t.indexes) {
		for _, attribute := range []string{t.indexes[name].hash, t.indexes[name].sort} {
			v, ok := i[attribute]
			if !ok || attribute == "" {
				continue
			}
			if err := t.checkKey(attribute, v, "Index Key"); err != nil {
				return err
			}
		}
	}
	return nil
}

// exactKey is keyOf for a Key parameter, which must have the key attributes and nothing else.
func (t *table) exactKey(key item) (string, error) {
	if len(key) != len(t.KeySchema) {
		return "", invalid("The provided key element does not match the schema")
	}
	for _, part := range t.KeySchema {
		if v, ok := key[part.AttributeName]; !ok || v.kind != t.kindOf(part.AttributeName) {
			return "", invalid("The provided key element does not match the schema")
		}
	}
	return t.keyOf(key)
}

// put stores an item in the table and its indexes, over one with the same key.
func (t *table) put(key string, i item) {
	t.remove(key)
	s := &stored{key, i}
	t.items[key] = s
	t.main.insert(s)
	for _, index := range t.indexes {
		if index.holds(i) {
			index.insert(s)
		}
	}
}

func (t *table) remove(key string) {
	s, ok := t.items[key]
	if !ok {
		return
	}
	delete(t.items, key)
	t.main.remove(s)
	for _, index := range t.indexes {
		if index.holds(s.item) {
			index.remove(s)
		}
	}
}

// keys are the attributes that a LastEvaluatedKey has.
func (t *table) keys(index *ordering) map[string]bool {
	names := map[string]bool{t.main.hash: true, t.main.sort: true, index.hash: true, index.sort: true}
	maps.DeleteFunc(names, func(name string, _ bool) bool { return name == "" })
	return names
}
