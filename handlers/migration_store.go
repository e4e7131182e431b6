package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
)

const migrationKind = "migration"

// jobs keeps migrations in the hub's table, grouped by account.
type jobs struct{ documents *cloud.Documents }

func (s jobs) Load(ctx context.Context, secret string) (migration.Job, error) {
	doc, err := s.documents.Load(ctx, accountIn(secret), secret)
	if err != nil || doc.Revision == 0 {
		return migration.Job{}, err
	}
	return jobOf(doc)
}

func (s jobs) Save(ctx context.Context, j migration.Job) error {
	stored := j
	stored.Revision = 0 // the item has it
	body, err := json.Marshal(stored)
	if err != nil {
		return fmt.Errorf("save migration of %s: %w", j.Name, err)
	}
	return s.documents.Save(ctx, guard.Document{Kind: migrationKind, Group: accountIn(j.Secret), ID: j.Secret, Body: body, Revision: j.Revision})
}

func (s jobs) List(ctx context.Context, yield func(migration.Job) error) error {
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

func jobOf(doc guard.Document) (migration.Job, error) {
	var j migration.Job
	if err := json.Unmarshal(doc.Body, &j); err != nil {
		return j, fmt.Errorf("read migration of %s: %w", doc.ID, err)
	}
	j.Revision = doc.Revision
	return j, nil
}

func accountIn(arn string) string {
	if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 {
		return parts[4]
	}
	return ""
}
