package migration

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// DocumentKind is what jobs are kept as.
const DocumentKind = "migration"

// Documents keeps bodies that it does not look into, of kind DocumentKind, in groups. Save answers guard.ErrConflict
// when somebody wrote since the document was loaded.
type Documents interface {
	Load(ctx context.Context, group, id string) (guard.Document, error)
	Save(ctx context.Context, doc guard.Document) error
	Groups(ctx context.Context) ([]string, error)
	List(ctx context.Context, group string, yield func(guard.Document) error) error
}

// NewStore keeps jobs as documents, grouped by account.
func NewStore(d Documents) Store { return store{d} }

type store struct{ documents Documents }

func (s store) Load(ctx context.Context, secret string) (Job, error) {
	doc, err := s.documents.Load(ctx, arn.Of(secret).Account, secret)
	if err != nil || doc.Revision == 0 {
		return Job{}, err
	}
	return jobOf(doc)
}

func (s store) Save(ctx context.Context, j Job) error {
	stored := j
	stored.Revision = 0 // the item has it
	body, err := json.Marshal(stored)
	if err != nil {
		return fmt.Errorf("save migration of %s: %w", j.Name, err)
	}
	return s.documents.Save(ctx, guard.Document{Kind: DocumentKind, Group: arn.Of(j.Secret).Account, ID: j.Secret, Body: body, Revision: j.Revision})
}

func (s store) List(ctx context.Context, yield func(Job) error) error {
	groups, err := s.documents.Groups(ctx)
	if err != nil {
		return err
	}
	for _, group := range groups {
		err := s.documents.List(ctx, group, func(doc guard.Document) error {
			j, err := jobOf(doc)
			if err != nil {
				return err
			}
			return yield(j)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func jobOf(doc guard.Document) (Job, error) {
	var j Job
	if err := json.Unmarshal(doc.Body, &j); err != nil {
		return j, fmt.Errorf("read migration of %s: %w", doc.ID, err)
	}
	j.Revision = doc.Revision
	return j, nil
}
