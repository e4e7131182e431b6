package dynamodb

import (
	"slices"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

const maxItem = 400 << 10 // bytes

// writeInput is what the writes have in common.
type writeInput struct {
	TableName                           string
	Item                                item
	Key                                 item
	ConditionExpression                 string
	ExpressionAttributeNames            map[string]string
	ExpressionAttributeValues           map[string]value
	ReturnValues                        string
	ReturnValuesOnConditionCheckFailure string

	Expected any // of the API before expressions
}

// write is a checked write that only has to be stored.
type write struct {
	table    *table
	key      string
	old, new item // nil: there is none
}

func (in *writeInput) parse() (condition, error) {
	if in.Expected != nil {
		return nil, invalid("the parameter from before expressions (Expected) is not answered here")
	}
	scope := newPlaceholders(in.ExpressionAttributeNames, in.ExpressionAttributeValues)
	if in.ConditionExpression == "" {
		return nil, scope.unused()
	}
	met, err := parseExpression("ConditionExpression", in.ConditionExpression, scope, parseCondition)
	if err != nil {
		return nil, err
	}
	return met, scope.unused()
}

// check tests the condition against the item as it is.
func (in *writeInput) check(met condition, old item) error {
	if met == nil || met(old) {
		return nil
	}
	failure := &core.Error{Code: "ConditionalCheckFailedException", Message: "The conditional request failed"}
	if in.ReturnValuesOnConditionCheckFailure == "ALL_OLD" && old != nil {
		failure.Fields = map[string]any{"Item": old}
	}
	return failure
}

func (t *table) old(key string) item {
	if s, ok := t.items[key]; ok {
		return s.item
	}
	return nil
}

func (t *table) planPut(in *writeInput) (*write, error) {
	met, err := in.parse()
	if err != nil {
		return nil, err
	}
	key, err := t.keyOf(in.Item)
	if err != nil {
		return nil, err
	}
	if err := t.checkIndexKeys(in.Item); err != nil {
		return nil, err
	}
	if in.Item.bytes() > maxItem {
		return nil, invalid("Item size has exceeded the maximum allowed size")
	}
	w := &write{table: t, key: key, old: t.old(key), new: in.Item}
	return w, in.check(met, w.old)
}

func (t *table) planDelete(in *writeInput) (*write, error) {
	met, err := in.parse()
	if err != nil {
		return nil, err
	}
	key, err := t.exactKey(in.Key)
	if err != nil {
		return nil, err
	}
	w := &write{table: t, key: key, old: t.old(key)}
	return w, in.check(met, w.old)
}

func (w *write) store() {
	if w.new == nil {
		w.table.remove(w.key)
		return
	}
	w.table.put(w.key, w.new)
}

// single runs one planned write and answers what ReturnValues asks for.
func single(plan func(*table, *writeInput) (*write, error)) func(*core.Call, *table) (any, error) {
	return func(c *core.Call, t *table) (any, error) {
		var in writeInput
		if err := decodeInput(c, &in); err != nil {
			return nil, err
		}
		if !slices.Contains([]string{"", "NONE", "ALL_OLD"}, in.ReturnValues) {
			return nil, invalid("Return values set to invalid value")
		}
		w, err := plan(t, &in)
		if err != nil {
			return nil, err
		}
		w.store()
		var out struct {
			Attributes item `json:",omitempty"`
		}
		if in.ReturnValues == "ALL_OLD" {
			out.Attributes = w.old
		}
		return out, nil
	}
}

func putItem(c *core.Call, t *table) (any, error) { return single((*table).planPut)(c, t) }

func deleteItem(c *core.Call, t *table) (any, error) { return single((*table).planDelete)(c, t) }

// itemKeyInput is what reads of single items have in common.
type itemKeyInput struct {
	TableName                string
	Key                      item
	ProjectionExpression     string
	ExpressionAttributeNames map[string]string
}

func getItem(c *core.Call, t *table) (any, error) {
	var in itemKeyInput
	if err := decodeInput(c, &in); err != nil {
		return nil, err
	}
	found, err := t.get(in)
	if err != nil {
		return nil, err
	}
	return struct {
		Item item `json:",omitempty"`
	}{found}, nil
}

func (t *table) get(in itemKeyInput) (item, error) {
	paths, err := projectionOf(in.ProjectionExpression, in.ExpressionAttributeNames)
	if err != nil {
		return nil, err
	}
	key, err := t.exactKey(in.Key)
	if err != nil {
		return nil, err
	}
	found := t.old(key)
	if paths != nil && found != nil {
		found = project(found, paths)
	}
	return found, nil
}

func projectionOf(text string, names map[string]string) ([]path, error) {
	scope := newPlaceholders(names, nil)
	if text == "" {
		return nil, scope.unused()
	}
	paths, err := parseExpression("ProjectionExpression", text, scope, parseProjection)
	if err != nil {
		return nil, err
	}
	return paths, scope.unused()
}
