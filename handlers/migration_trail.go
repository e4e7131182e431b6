package handlers

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/trail"
)

// Reads finds in CloudTrail who read a secret. It keeps to LookupEvents' two requests a second.
type Reads struct{ Trails *cloud.Trails }

// Reads looks one secret up, by its ARN and by its name: CloudTrail knows it by what the caller wrote.
func (r Reads) Reads(ctx context.Context, s guard.Secret, since time.Time) ([]migration.Sighting, error) {
	var found []migration.Sighting
	for _, id := range []string{s.ARN, s.Name} {
		if id == "" {
			continue
		}
		q := cloud.Lookup{Account: s.Account, Region: s.Region, By: cloud.ByResourceName, Value: id, From: since}
		err := r.Trails.Lookup(ctx, q, func(record []byte) error {
			if c, err := trail.Decode(record); err == nil {
				found = append(found, Sightings(c)...)
			}
			return nil // a record that cannot be read is no reader
		})
		if err != nil {
			return nil, fmt.Errorf("look up readers of %s: %w", s.Name, err)
		}
	}
	return migration.Gather(found), nil
}

// All finds every read of an account and Region.
func (r Reads) All(ctx context.Context, account, region string, since time.Time) ([]migration.Sighting, error) {
	var found []migration.Sighting
	for _, name := range []string{"GetSecretValue", "BatchGetSecretValue"} {
		q := cloud.Lookup{Account: account, Region: region, By: cloud.ByEventName, Value: name, From: since}
		err := r.Trails.Lookup(ctx, q, func(record []byte) error {
			if c, err := trail.Decode(record); err == nil {
				found = append(found, Sightings(c)...)
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look up readers in %s %s: %w", account, region, err)
		}
	}
	return migration.Gather(found), nil
}

// Sightings are the reads that an event is evidence of: that of a value, or of a key by Secrets Manager in the name of
// the reader. Our own sessions and services that act for themselves are no readers.
func Sightings(c trail.Change) []migration.Sighting {
	principal := c.Actor.PrincipalARN()
	if !c.Read || c.ErrorCode != "" || c.Actor.Own() || principal == "" || c.Secret.ID == "" {
		return nil
	}
	if !strings.HasPrefix(principal, "arn:") {
		return nil
	}
	return []migration.Sighting{{Secret: c.Secret.ID, Principal: principal, Account: c.Secret.Account, Region: c.Region, Last: c.Time.UTC(), Count: 1}}
}
