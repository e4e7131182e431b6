package fleet

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
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

// Reads looks up who read one secret.
func (r Reads) Reads(ctx context.Context, s guard.Secret, since time.Time) ([]migration.Sighting, error) {
	found, err := r.Uses(ctx, s, since)
	return slices.DeleteFunc(found, func(seen migration.Sighting) bool { return seen.Does != migration.Reads }), err
}

// Uses looks up who read and wrote one secret, by its ARN and by its name: CloudTrail knows it by what the caller wrote.
func (r Reads) Uses(ctx context.Context, s guard.Secret, since time.Time) ([]migration.Sighting, error) {
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

// All finds every use of the secrets of an account and Region.
func (r Reads) All(ctx context.Context, account, region string, since time.Time) ([]migration.Sighting, error) {
	var found []migration.Sighting
	for _, name := range append([]string{"GetSecretValue", "BatchGetSecretValue"}, slices.Sorted(maps.Keys(changing))...) {
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

// changing are the calls of Secrets Manager that use the key of a secret without reading it, or start what does.
var changing = map[string]migration.Does{
	"PutSecretValue": migration.Writes, "UpdateSecret": migration.Updates, "RotateSecret": migration.Starts, "ReplicateSecretToRegions": migration.Replicates,
}

// Sightings are the uses that an event is evidence of: a read of a value, or of a key by Secrets Manager in the name of
// the reader, or a change that takes a key. Our own sessions and services that act for themselves are no users. Of a caller from
// another account the event says no more than account and id.
func Sightings(c trail.Change) []migration.Sighting {
	does, changes := changing[c.EventName]
	if c.Read {
		does = migration.Reads
	} else if !changes || c.EventSource != "secretsmanager.amazonaws.com" {
		return nil
	}
	principal := c.Actor.PrincipalARN()
	if principal == "" && c.Actor.Type == "AWSAccount" && c.Actor.Name != "" {
		id, _, _ := strings.Cut(c.Actor.Name, ":") // of the role, before the session
		principal = c.Actor.Account + "/" + id
	}
	if c.ErrorCode != "" || c.Actor.Own() || c.Secret.ID == "" || !arn.Is(principal) && c.Actor.Type != "AWSAccount" || principal == "" {
		return nil
	}
	return []migration.Sighting{{Secret: c.Secret.ID, Principal: principal, Account: c.Secret.Account, Region: c.Region, Does: does, Version: versionOf(c), Last: c.Time.UTC(), Count: 1}}
}

// versionOf is the id or label that a read asked for; "" is the current version.
func versionOf(c trail.Change) string {
	for _, name := range []string{"versionId", "versionStage"} {
		if asked, _ := c.Request[name].(string); c.EventName == "GetSecretValue" && asked != "" && asked != "AWSCURRENT" {
			return asked
		}
	}
	return ""
}
