package table

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/store"
)

// Documents keeps documents of one kind in the table of the records: one partition per group, and one that
// names the groups.
type Documents struct {
	t    *Table
	kind string
}

// Documents opens the documents of a kind.
func (t *Table) Documents(kind string) *Documents { return &Documents{t: t, kind: kind} }

func (d *Documents) key(group, id string) item {
	return item{AttributeKey: text("document#" + d.kind + "#" + group), AttributeSort: text(id)}
}

func (d *Documents) groupsKey(group string) item {
	return item{AttributeKey: text("documents#" + d.kind), AttributeSort: text(group)}
}

// Load reads a document, as last written. One that was never written has Revision 0.
func (d *Documents) Load(ctx context.Context, group, id string) (store.Document, error) {
	out, err := d.t.client().GetItem(ctx, &dynamodb.GetItemInput{TableName: &d.t.name, Key: d.key(group, id), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return store.Document{}, session.Fail(err, "load %s %s", d.kind, id)
	}
	if len(out.Item) == 0 {
		return store.Document{Kind: d.kind, Group: group, ID: id}, nil
	}
	return d.read(group, out.Item)
}

// Save writes a document if nobody wrote it since it was loaded, and else answers guard.ErrConflict. It is stored with
// Revision one higher than it came.
func (d *Documents) Save(ctx context.Context, doc store.Document) error {
	if doc.Revision == 0 { // the group first: a document that no list finds would be lost
		_, err := d.t.client().PutItem(ctx, &dynamodb.PutItemInput{TableName: &d.t.name, Item: d.groupsKey(doc.Group)})
		if err != nil {
			return session.Fail(err, "name group %s of %s", doc.Group, d.kind)
		}
	}
	it := d.key(doc.Group, doc.ID)
	it[attributeRevision], it[attributeBody] = number(doc.Revision+1), text(string(doc.Body))
	in := &dynamodb.PutItemInput{Item: it, ConditionExpression: aws.String("attribute_not_exists(" + AttributeKey + ")")}
	if doc.Revision > 0 {
		in.ConditionExpression = aws.String(attributeRevision + " = :before")
		in.ExpressionAttributeValues = item{":before": number(doc.Revision)}
	}
	return session.Fail(d.t.put(ctx, in), "save %s %s", d.kind, doc.ID)
}

// Groups lists the groups that have documents, sorted.
func (d *Documents) Groups(ctx context.Context) ([]string, error) {
	var out []string
	err := d.query(ctx, "documents#"+d.kind, func(it item) error {
		out = append(out, textOf(it[AttributeSort]))
		return nil
	})
	return out, err
}

// List yields the documents of a group, sorted by id. An error of yield ends it.
func (d *Documents) List(ctx context.Context, group string, yield func(store.Document) error) error {
	return d.query(ctx, "document#"+d.kind+"#"+group, func(it item) error {
		doc, err := d.read(group, it)
		if err != nil {
			return err
		}
		return yield(doc)
	})
}

func (d *Documents) query(ctx context.Context, partition string, each func(item) error) error {
	pages := dynamodb.NewQueryPaginator(d.t.client(), &dynamodb.QueryInput{
		TableName: &d.t.name, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String(AttributeKey + " = :pk"),
		ExpressionAttributeValues: item{":pk": text(partition)},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return session.Fail(err, "list %s", d.kind)
		}
		for _, it := range page.Items {
			if err := each(it); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *Documents) read(group string, it item) (store.Document, error) {
	doc := store.Document{Kind: d.kind, Group: group, ID: textOf(it[AttributeSort]), Body: json.RawMessage(textOf(it[attributeBody]))}
	n, isNumber := it[attributeRevision].(*types.AttributeValueMemberN)
	if !isNumber || len(doc.Body) == 0 {
		return doc, fmt.Errorf("read %s %s: no revision or no body", d.kind, doc.ID)
	}
	var err error
	if doc.Revision, err = strconv.ParseInt(n.Value, 10, 64); err != nil {
		return doc, fmt.Errorf("read %s %s: %w", d.kind, doc.ID, err)
	}
	if !json.Valid(doc.Body) {
		return doc, fmt.Errorf("read %s %s: %w", d.kind, doc.ID, errors.New("its body is not JSON"))
	}
	return doc, nil
}

func textOf(v types.AttributeValue) string {
	s, isText := v.(*types.AttributeValueMemberS)
	if !isText {
		return ""
	}
	return s.Value
}
