package dynamodb

import "github.com/doublelock/doublelock/shared/localaws/core"

const maxItem = 400 << 10 // bytes

// writeInput is what the single-item writes and the parts of a transaction have in common.
type writeInput struct {
	TableName                           string
	Item                                item
	Key                                 item
	ConditionExpression                 string
	UpdateExpression                    string
	ExpressionAttributeNames            map[string]string
	ExpressionAttributeValues           map[string]value
	ReturnValues                        string
	ReturnValuesOnConditionCheckFailure string

	Expected, AttributeUpdates any // of the API before expressions
}

// write is a checked write that only has to be stored.
type write struct {
	table    *table
	key      string
	old, new item // nil: there is none
	touched  []path
}

type expressions struct {
	condition condition
	update    *update
}

func (in *writeInput) parse() (expressions, error) {
	var e expressions
	if in.Expected != nil || in.AttributeUpdates != nil {
		return e, invalid("the parameters from before expressions (Expected, AttributeUpdates) are not answered here")
	}
	scope := newPlaceholders(in.ExpressionAttributeNames, in.ExpressionAttributeValues)
	var err error
	if in.ConditionExpression != "" {
		if e.condition, err = parseExpression("ConditionExpression", in.ConditionExpression, scope, parseCondition); err != nil {
			return e, err
		}
	}
	if in.UpdateExpression != "" {
		if e.update, err = parseExpression("UpdateExpression", in.UpdateExpression, scope, parseUpdate); err != nil {
			return e, err
		}
	}
	return e, scope.unused()
}

// check tests the condition against the item as it is.
func (in *writeInput) check(e expressions, old item) error {
	if e.condition == nil || e.condition(old) {
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
	e, err := in.parse()
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
	return w, in.check(e, w.old)
}

func (t *table) planDelete(in *writeInput) (*write, error) {
	e, err := in.parse()
	if err != nil {
		return nil, err
	}
	key, err := t.exactKey(in.Key)
	if err != nil {
		return nil, err
	}
	w := &write{table: t, key: key, old: t.old(key)}
	return w, in.check(e, w.old)
}

func (t *table) planUpdate(in *writeInput) (*write, error) {
	e, err := in.parse()
	if err != nil {
		return nil, err
	}
	key, err := t.exactKey(in.Key)
	if err != nil {
		return nil, err
	}
	w := &write{table: t, key: key, old: t.old(key)}
	if err := in.check(e, w.old); err != nil {
		return nil, err
	}
	w.new = in.Key
	if w.old != nil {
		w.new = w.old
	}
	if e.update == nil {
		return w, nil
	}
	for _, a := range e.update.actions {
		if name := a.path[0].name; name == t.main.hash || name == t.main.sort {
			return nil, invalid("One or more parameter values were invalid: Cannot update attribute %s. This attribute is part of the key", name)
		}
		w.touched = append(w.touched, a.path)
	}
	if w.new, err = e.update.apply(w.new); err != nil {
		return nil, err
	}
	if w.new.bytes() > maxItem {
		return nil, invalid("Item size to update has exceeded the maximum allowed size")
	}
	return w, t.checkIndexKeys(w.new)
}

func (t *table) planCheck(in *writeInput) (*write, error) {
	e, err := in.parse()
	if err != nil {
		return nil, err
	}
	key, err := t.exactKey(in.Key)
	if err != nil {
		return nil, err
	}
	old := t.old(key)
	return &write{table: t, key: key, old: old, new: old}, in.check(e, old)
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
		if err := checkReturn(c.Operation, in.ReturnValues); err != nil {
			return nil, err
		}
		w, err := plan(t, &in)
		if err != nil {
			return nil, err
		}
		w.store()
		var out struct {
			Attributes item `json:",omitempty"`
		}
		out.Attributes = w.returned(in.ReturnValues)
		return out, nil
	}
}

func checkReturn(operation, asked string) error {
	switch asked {
	case "", "NONE", "ALL_OLD":
		return nil
	case "UPDATED_OLD", "ALL_NEW", "UPDATED_NEW":
		if operation == "UpdateItem" {
			return nil
		}
	}
	return invalid("Return values set to invalid value")
}

func (w *write) returned(asked string) item {
	switch asked {
	case "ALL_OLD":
		return w.old
	case "ALL_NEW":
		return w.new
	case "UPDATED_OLD":
		return project(w.old, w.touched)
	case "UPDATED_NEW":
		return project(w.new, w.touched)
	}
	return nil
}

func putItem(c *core.Call, t *table) (any, error)    { return single((*table).planPut)(c, t) }
func updateItem(c *core.Call, t *table) (any, error) { return single((*table).planUpdate)(c, t) }
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
