package table

import (
	"context"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

const bookmarkSort = "bookmark"

func bookmarkKey(name string) item {
	return item{AttributeKey: text("bookmark#" + name), AttributeSort: text(bookmarkSort)}
}

// Bookmark reads what SetBookmark last wrote under a name; "" is nothing.
func (t *Table) Bookmark(ctx context.Context, name string) (string, error) {
	it, err := t.getItem(ctx, bookmarkKey(name))
	if err != nil {
		return "", session.Fail(err, "read bookmark %s", name)
	}
	return textOf(it[attributeBody]), nil
}

// SetBookmark remembers how far a job came. The last one to write has the word.
func (t *Table) SetBookmark(ctx context.Context, name, value string) error {
	it := bookmarkKey(name)
	it[attributeBody] = text(value)
	return session.Fail(t.put(ctx, it, "", nil, nil), "write bookmark %s", name)
}
