package table

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doublelock/doublelock/shared/store"
)

// row is an item that can be read, with its body in one piece.
type row struct {
	it       item
	revision int64 // 0: none is kept of it
	body     string
}

// get reads a row as last written. One that was never written is the zero row; one that cannot be read is answered as a
// *store.Unreadable, with the item.
func (t *Table) get(ctx context.Context, key item) (row, error) {
	it, err := t.getItem(ctx, key)
	if err != nil || len(it) == 0 {
		return row{}, err
	}
	return t.read(ctx, it)
}

func (t *Table) getItem(ctx context.Context, key item) (item, error) {
	out, err := t.client().GetItem(ctx, &dynamodb.GetItemInput{TableName: &t.name, Key: key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, err
	}
	return out.Item, nil
}

// read makes a row of an item. What is wrong with one is said in the order in which it matters: the version that wrote it
// first, because nothing else means anything under another, then its revision, then its body.
func (t *Table) read(ctx context.Context, it item) (row, error) {
	r := row{it: it}
	if it[attributeSchema] != nil {
		if wrote, is := numberOf(it[attributeSchema]); !is || wrote < 1 {
			return r, unreadable(it, "its schema is no version")
		}
	}
	if it[attributeNeeds] != nil {
		switch needs, is := numberOf(it[attributeNeeds]); {
		case !is || needs < 1:
			return r, unreadable(it, "the version that it needs is none")
		case needs > Schema:
			u := unreadable(it, "a newer version wrote it, which needs version %d to read; this is %d", needs, Schema)
			u.Newer = true
			return r, u
		}
	}
	if it[attributeRevision] != nil {
		var is bool
		if r.revision, is = numberOf(it[attributeRevision]); !is || r.revision < 1 {
			r.revision = 0
			return r, unreadable(it, "its revision is no number of a write")
		}
	}
	if it[attributeParts] != nil {
		return t.join(ctx, r)
	}
	switch body := it[attributeBody].(type) {
	case nil:
		return r, unreadable(it, "it has no body")
	case *types.AttributeValueMemberS:
		r.body = body.Value
	default:
		return r, unreadable(it, "its body is no text")
	}
	if r.body == "" {
		return r, unreadable(it, "its body is empty")
	}
	return r, nil
}

// decode reads a row's body into what it is. All bodies are objects but those of newer versions, which are not read.
func (r row) decode(into any) error {
	if reason := store.Decode([]byte(r.body), into); reason != "" {
		return unreadable(r.it, "%s", reason)
	}
	return nil
}

// A body that is longer than inline is cut into parts, each an item of its own under a key that no list asks for. They are
// written before the item that counts them, and named by its write, so that whoever reads gets one body or the other.
const (
	inline    = 64 * 1000
	partBytes = 90 * 1000
	mostParts = 40
)

func partsKey(of item) string {
	return "part#" + textOf(of[AttributeKey]) + "|" + textOf(of[AttributeSort])
}

func partPrefix(revision int64, mark string) string { return fmt.Sprintf("%020d#%s#", revision, mark) }

// cut divides a body where no character is.
func cut(body string) []string {
	var parts []string
	for len(body) > partBytes {
		at := partBytes
		for at > 0 && body[at]&0xC0 == 0x80 { // inside a character
			at--
		}
		parts = append(parts, body[:at])
		body = body[at:]
	}
	return append(parts, body)
}

// joins bounds how often a row is read again because somebody wrote it while its parts were read.
const joins = 3

func (t *Table) join(ctx context.Context, r row) (row, error) {
	for range joins {
		want, is := numberOf(r.it[attributeParts])
		if !is || want < 1 || want > mostParts {
			return r, unreadable(r.it, "the number of its parts is none")
		}
		var body strings.Builder
		var found int64
		err := t.query(ctx, partsKey(r.it), partPrefix(r.revision, textOf(r.it[attributePartOf])), func(part item) error {
			found++
			body.WriteString(textOf(part[attributeBody]))
			return nil
		})
		if err != nil {
			return r, err
		}
		if found == want {
			r.body = body.String()
			return r, nil
		}
		it, err := t.getItem(ctx, keyOf(r.it))
		switch {
		case err != nil:
			return r, err
		case len(it) == 0:
			return row{}, nil
		case textOf(it[attributePartOf]) == textOf(r.it[attributePartOf]):
			return r, unreadable(it, "%d of the %d parts of its body are there", found, want)
		case it[attributeParts] == nil:
			return t.read(ctx, it)
		}
		r.it = it
		if r.revision, is = numberOf(it[attributeRevision]); !is {
			return r, unreadable(it, "its revision is no number of a write")
		}
	}
	return r, unreadable(r.it, "it was written again each of %d times that it was read", joins)
}

// query yields the items of a partition whose sort key begins with a text, sorted by it.
func (t *Table) query(ctx context.Context, partition, prefix string, each func(item) error) error {
	in := &dynamodb.QueryInput{
		TableName: &t.name, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String(AttributeKey + " = :pk"),
		ExpressionAttributeValues: item{":pk": text(partition)},
	}
	if prefix != "" {
		in.KeyConditionExpression = aws.String(AttributeKey + " = :pk AND begins_with(" + AttributeSort + ", :prefix)")
		in.ExpressionAttributeValues[":prefix"] = text(prefix)
	}
	return t.pages(ctx, in, each)
}

func (t *Table) pages(ctx context.Context, in *dynamodb.QueryInput, each func(item) error) error {
	pages := dynamodb.NewQueryPaginator(t.client(), in)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, it := range page.Items {
			if err := each(it); err != nil {
				return err
			}
		}
	}
	return nil
}
