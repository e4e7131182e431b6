package dynamodb

import (
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

func batchGetItem(c *core.Call) (any, error) {
	var in struct {
		RequestItems map[string]struct {
			Keys                     []item
			ProjectionExpression     string
			ExpressionAttributeNames map[string]string
		}
	}
	if err := decodeInput(c, &in); err != nil {
		return nil, err
	}
	total := 0
	responses := map[string][]item{}
	for _, name := range core.SortedKeys(in.RequestItems) {
		t, err := tableOf(c, name)
		if err != nil {
			return nil, err
		}
		request := in.RequestItems[name]
		if total += len(request.Keys); total > 100 {
			return nil, invalid("Too many items requested for the BatchGetItem call")
		}
		responses[name] = []item{}
		seen := map[string]bool{}
		for _, key := range request.Keys {
			found, err := t.get(itemKeyInput{Key: key, ProjectionExpression: request.ProjectionExpression, ExpressionAttributeNames: request.ExpressionAttributeNames})
			if err != nil {
				return nil, err
			}
			encoded, _ := t.exactKey(key) // get checked it
			if seen[encoded] {
				return nil, invalid("Provided list of item keys contains duplicates")
			}
			if seen[encoded] = true; found != nil {
				responses[name] = append(responses[name], found)
			}
		}
	}
	if total == 0 {
		return nil, invalid("The requestItems parameter is required for BatchGetItem")
	}
	return map[string]any{"Responses": responses, "UnprocessedKeys": map[string]any{}}, nil
}

type writeRequest struct {
	PutRequest    *struct{ Item item }
	DeleteRequest *struct{ Key item }
}

func batchWriteItem(c *core.Call) (any, error) {
	var in struct{ RequestItems map[string][]writeRequest }
	if err := decodeInput(c, &in); err != nil {
		return nil, err
	}
	var all []*write
	seen := map[string]bool{}
	for _, name := range core.SortedKeys(in.RequestItems) {
		t, err := tableOf(c, name)
		if err != nil {
			return nil, err
		}
		for _, request := range in.RequestItems[name] {
			w, err := t.planBatch(request)
			if err != nil {
				return nil, err
			}
			if seen[t.arn+w.key] {
				return nil, invalid("Provided list of item keys contains duplicates")
			}
			seen[t.arn+w.key] = true
			all = append(all, w)
		}
	}
	if len(all) == 0 || len(all) > 25 {
		return nil, invalid("Too many items requested for the BatchWriteItem call")
	}
	for _, w := range all {
		w.store()
	}
	return map[string]any{"UnprocessedItems": map[string]any{}}, nil
}

func (t *table) planBatch(request writeRequest) (*write, error) {
	switch {
	case request.PutRequest != nil && request.DeleteRequest == nil:
		return t.planPut(&writeInput{Item: request.PutRequest.Item})
	case request.DeleteRequest != nil && request.PutRequest == nil:
		return t.planDelete(&writeInput{Key: request.DeleteRequest.Key})
	}
	return nil, invalid("Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes")
}

type transactItem struct {
	Put, Update, Delete, ConditionCheck *writeInput
}

// plan checks one part of a transaction.
func (i transactItem) plan(c *core.Call) (*write, error) {
	for _, part := range []struct {
		in   *writeInput
		plan func(*table, *writeInput) (*write, error)
	}{
		{i.Put, (*table).planPut}, {i.Update, (*table).planUpdate}, {i.Delete, (*table).planDelete}, {i.ConditionCheck, (*table).planCheck},
	} {
		if part.in == nil {
			continue
		}
		t, err := tableOf(c, part.in.TableName)
		if err != nil {
			return nil, err
		}
		return part.plan(t, part.in)
	}
	return nil, invalid("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request")
}

// authorize checks the right to the part's own action: a transaction has none of its own.
func (i transactItem) authorize(c *core.Call) error {
	for action, in := range map[string]*writeInput{"PutItem": i.Put, "UpdateItem": i.Update, "DeleteItem": i.Delete, "ConditionCheckItem": i.ConditionCheck} {
		if in == nil {
			continue
		}
		if err := c.Authorize(core.Access{Action: "dynamodb:" + action, Resource: tableARN(c.Location, tableName(in.TableName))}); err != nil {
			return err
		}
	}
	return nil
}

// cancellation tells why a part of a transaction did not work; Code is None for those that would have.
type cancellation struct {
	Code    string
	Message string `json:",omitempty"`
	Item    any    `json:",omitempty"`
}

func transactWriteItems(c *core.Call) (any, error) {
	var in struct {
		TransactItems      []transactItem
		ClientRequestToken string
	}
	if err := decodeInput(c, &in); err != nil {
		return nil, err
	}
	if len(in.TransactItems) == 0 || len(in.TransactItems) > 100 {
		return nil, invalid("1 validation error detected: Value at 'transactItems' failed to satisfy constraint: Member must have length less than or equal to 100")
	}
	tokens := tablesAt(c.AWS, c.Location).tokens
	if done, ok := tokens[in.ClientRequestToken]; ok && in.ClientRequestToken != "" && c.Now.Sub(done) < 10*time.Minute {
		return struct{}{}, nil
	}
	for _, i := range in.TransactItems {
		if err := i.authorize(c); err != nil {
			return nil, err
		}
	}
	all, err := planTransaction(c, in.TransactItems)
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		w.store()
	}
	tokens[in.ClientRequestToken] = c.Now
	return struct{}{}, nil
}

// planTransaction checks every part against the tables as they are: all of them hold, or none is stored.
func planTransaction(c *core.Call, items []transactItem) ([]*write, error) {
	var all []*write
	reasons, failed := make([]cancellation, len(items)), false
	seen := map[string]bool{}
	for n, i := range items {
		w, err := i.plan(c)
		reasons[n] = cancellation{Code: "None"}
		if err != nil {
			api := core.AsError(err)
			if api.Code != "ConditionalCheckFailedException" {
				return nil, err
			}
			failed, reasons[n] = true, cancellation{"ConditionalCheckFailed", api.Message, api.Fields["Item"]}
			continue
		}
		if seen[w.table.arn+w.key] {
			return nil, invalid("Transaction request cannot include multiple operations on one item")
		}
		seen[w.table.arn+w.key] = true
		all = append(all, w)
	}
	if !failed {
		return all, nil
	}
	var codes []string
	for _, r := range reasons {
		codes = append(codes, r.Code)
	}
	return nil, &core.Error{Code: "TransactionCanceledException", Fields: map[string]any{"CancellationReasons": reasons},
		Message: "Transaction cancelled, please refer cancellation reasons for specific reasons [" + strings.Join(codes, ", ") + "]"}
}

func transactGetItems(c *core.Call) (any, error) {
	var in struct{ TransactItems []struct{ Get itemKeyInput } }
	if err := decodeInput(c, &in); err != nil {
		return nil, err
	}
	type response struct {
		Item item `json:",omitempty"`
	}
	responses := []response{}
	for _, i := range in.TransactItems {
		t, err := tableOf(c, i.Get.TableName)
		if err != nil {
			return nil, err
		}
		found, err := t.get(i.Get)
		if err != nil {
			return nil, err
		}
		responses = append(responses, response{found})
	}
	return map[string]any{"Responses": responses}, nil
}
