package table

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Attributes of the one table, as infra declares them. Everything else about an item is in its body, as JSON.
const (
	AttributeKey     = "pk"        // partition key: what kind of thing, "#", its identity
	AttributeSort    = "sk"        // sort key
	AttributeKeyARN  = "keyArn"    // partition key of IndexByKey; only on records of secrets under a CMK
	AttributeExpires = "expiresAt" // TTL, seconds since 1970; only on what may be forgotten
	IndexByKey       = "byKey"

	attributeRevision = "revision"
	attributeState    = "state"
	attributeBody     = "body"
	recordSort        = "record"
)

// Table is one DynamoDB table of the home Region, in which the hub remembers: one item per resource, and beside them what
// package store names.
type Table struct {
	c    *cloud.Cloud
	name string
}

var (
	_ store.Claims    = (*Table)(nil)
	_ store.Counter   = (*Table)(nil)
	_ store.Bookmarks = (*Table)(nil)
	_ store.Documents = (*Documents)(nil)
	_ store.Journal   = (*Journal)(nil)
)

// Open opens a table by its name.
func Open(c *cloud.Cloud, name string) *Table { return &Table{c: c, name: name} }

func (t *Table) client() *dynamodb.Client {
	return session.Client(t.c, t.c.Home(), dynamodb.NewFromConfig)
}

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func number(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func recordKey(resource string) item {
	return item{AttributeKey: text("resource#" + resource), AttributeSort: text(recordSort)}
}

// Load reads the record of a resource, as last written. A resource never seen has the zero Record, at Revision 0.
func (t *Table) Load(ctx context.Context, resource string) (guard.Record, error) {
	out, err := t.client().GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: recordKey(resource), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return guard.Record{}, session.Fail(err, "load record of %s", resource)
	}
	if len(out.Item) == 0 {
		return guard.Record{}, nil
	}
	return recordOf(out.Item)
}

// Save writes a record if nobody wrote it since it was loaded, and else answers guard.ErrConflict: load and decide
// again. It is stored with Revision one higher than it came, which is what a later Save must come with.
func (t *Table) Save(ctx context.Context, rec guard.Record) error {
	before := rec.Revision
	rec.Revision++
	in := &dynamodb.PutItemInput{}
	if before == 0 {
		in.ConditionExpression = aws.String("attribute_not_exists(" + AttributeKey + ")")
	} else {
		in.ConditionExpression = aws.String(attributeRevision + " = :before")
		in.ExpressionAttributeValues = item{":before": number(before)}
	}
	var err error
	if in.Item, err = t.recordItem(rec); err != nil {
		return fmt.Errorf("save record of %s: %w", rec.Resource, err)
	}
	return session.Fail(t.put(ctx, in), "save record of %s", rec.Resource)
}

// recordItem writes a record. That of a secret that is gone is forgotten some time after, or the table would grow with
// every secret there ever was; a secret that is restored is written without an end again.
func (t *Table) recordItem(rec guard.Record) (item, error) {
	body, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	it := recordKey(rec.Resource)
	it[attributeRevision] = number(rec.Revision)
	it[attributeState] = text(string(rec.State))
	it[attributeBody] = text(string(body))
	if rec.KeyARN != "" {
		it[AttributeKeyARN] = text(rec.KeyARN)
	}
	if !rec.GoneAt.IsZero() {
		it[AttributeExpires] = number(rec.GoneAt.Add(t.c.Options().KeepGone).Unix())
	}
	return it, nil
}

func recordOf(it item) (guard.Record, error) {
	var rec guard.Record
	err := readBody(it, &rec)
	return rec, err
}

func readBody(it item, into any) error {
	body, isText := it[attributeBody].(*types.AttributeValueMemberS)
	if !isText {
		return fmt.Errorf("read item %v: no body", it[AttributeKey])
	}
	if err := json.Unmarshal([]byte(body.Value), into); err != nil {
		return fmt.Errorf("read item %v: %w", it[AttributeKey], err)
	}
	return nil
}

// ByKey lists the records of the secrets last seen under a key. The index may be a second behind the table.
func (t *Table) ByKey(ctx context.Context, keyARN string) ([]guard.Record, error) {
	pages := dynamodb.NewQueryPaginator(t.client(), &dynamodb.QueryInput{
		TableName: &t.name, IndexName: aws.String(IndexByKey),
		KeyConditionExpression:    aws.String(AttributeKeyARN + " = :key"),
		ExpressionAttributeValues: item{":key": text(keyARN)},
	})
	var records []guard.Record
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "query records by key %s", keyARN)
		}
		for _, it := range page.Items {
			rec, err := recordOf(it)
			if err != nil {
				return nil, err
			}
			records = append(records, rec)
		}
	}
	return records, nil
}

// All yields every record, in no order, page by page. An error of yield ends it.
func (t *Table) All(ctx context.Context, yield func(guard.Record) error) error {
	pages := dynamodb.NewScanPaginator(t.client(), &dynamodb.ScanInput{
		TableName: &t.name, FilterExpression: aws.String(AttributeSort + " = :record"),
		ExpressionAttributeValues: item{":record": text(recordSort)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return session.Fail(err, "scan records")
		}
		for _, it := range page.Items {
			rec, err := recordOf(it)
			if err != nil {
				return err
			}
			if err := yield(rec); err != nil {
				return err
			}
		}
	}
	return nil
}
