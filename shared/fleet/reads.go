package fleet

import (
	"context"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/trail"
)

// EventHistory looks up what CloudTrail recorded in an account and Region since a time, and yields each record as JSON.
// An error of yield ends it.
type EventHistory interface {
	// Named yields the calls of one name, e.g. "GetSecretValue".
	Named(ctx context.Context, account, region, name string, since time.Time, yield func(record []byte) error) error
	// About yields the calls about one resource, by the name or ARN that the caller wrote.
	About(ctx context.Context, account, region, resource string, since time.Time, yield func(record []byte) error) error
}

// Reads finds in CloudTrail who read a secret.
type Reads struct{ History EventHistory }

// Reads looks one secret up, by its ARN and by its name: CloudTrail knows it by what the caller wrote.
func (r Reads) Reads(ctx context.Context, s guard.Secret, since time.Time) ([]migration.Sighting, error) {
	var found []migration.Sighting
	for _, id := range []string{s.ARN, s.Name} {
		if id == "" {
			continue
		}
		err := r.History.About(ctx, s.Account, s.Region, id, since, func(record []byte) error {
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
		err := r.History.Named(ctx, account, region, name, since, func(record []byte) error {
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
	if !arn.Is(principal) {
		return nil
	}
	return []migration.Sighting{{Secret: c.Secret.ID, Principal: principal, Account: c.Secret.Account, Region: c.Region, Last: c.Time.UTC(), Count: 1}}
}
