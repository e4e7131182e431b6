package dynamodb

import (
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// transactItem is one part of a transaction.
type transactItem struct{ Put, Delete *writeInput }

// plan checks one part of a transaction.
func (i transactItem) plan(c *core.Call) (*write, error) {
	in, plan := i.Put, (*table).planPut
	if in == nil {
		in, plan = i.Delete, (*table).planDelete
	}
	if in == nil {
		return nil, invalid("Invalid Request: TransactWriteRequest should contain Delete or Put or Update request")
	}
	t, err := tableOf(c, in.TableName)
	if err != nil {
		return nil, err
	}
	return plan(t, in)
}

// authorize checks the right to the part's own action: a transaction has none of its own.
func (i transactItem) authorize(c *core.Call) error {
	action, in := "dynamodb:PutItem", i.Put
	if in == nil {
		action, in = "dynamodb:DeleteItem", i.Delete
	}
	if in == nil {
		return nil
	}
	return c.Authorize(core.Access{Action: action, Resource: tableARN(c.Location, tableName(in.TableName)), Context: leadingKey(c, in.TableName, in.Item, in.Key)})
}

// cancellation says why a part of a transaction did not work; Code is None for those that would have.
type cancellation struct {
	Code    string
	Message string `json:",omitempty"`
	Item    any    `json:",omitempty"`
}

// remembered is how long a transaction's token makes a repeat of it harmless.
// Source: API reference, TransactWriteItems, ClientRequestToken.
const remembered = 10 * time.Minute

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
	if done, ok := tokens[in.ClientRequestToken]; ok && in.ClientRequestToken != "" && c.Now.Sub(done) < remembered {
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
