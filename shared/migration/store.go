package migration

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/store"
)

// DocumentKind is what jobs are kept as.
const DocumentKind = "migration"

// NewStore keeps jobs as documents of kind DocumentKind, grouped by account.
func NewStore(d store.Documents) Store { return jobs{d} }

type jobs struct{ documents store.Documents }

func (s jobs) Load(ctx context.Context, secret string) (Job, error) {
	doc, err := s.documents.Load(ctx, arn.Of(secret).Account, secret)
	if err != nil || doc.Revision == 0 {
		return Job{}, err
	}
	return jobOf(doc)
}

func (s jobs) Save(ctx context.Context, j Job) error {
	stored := j
	stored.Revision = 0 // the item has it
	body, err := json.Marshal(stored)
	if err != nil {
		return fmt.Errorf("save migration of %s: %w", j.Name, err)
	}
	return s.documents.Save(ctx, store.Document{Kind: DocumentKind, Group: arn.Of(j.Secret).Account, ID: j.Secret, Body: body, Revision: j.Revision})
}

func (s jobs) List(ctx context.Context, yield func(Job) error) error {
	groups, err := s.documents.Groups(ctx)
	if err != nil {
		return err
	}
	for _, group := range groups {
		err := s.documents.List(ctx, group, func(doc store.Document) error {
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

func jobOf(doc store.Document) (Job, error) {
	var j Job
	if err := json.Unmarshal(doc.Body, &j); err != nil {
		return j, fmt.Errorf("read migration of %s: %w", doc.ID, err)
	}
	j.Revision = doc.Revision
	return j, nil
}
