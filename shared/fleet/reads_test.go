package fleet_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/trail"
)

// What an event is evidence of: a read with the version that it asked for, and every change that takes the key of a secret.
func TestWhatAnEventIsEvidenceOf(t *testing.T) {
	const secret, app = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:db-AbCdEf", "arn:aws:iam::111122223333:role/app"
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	by := trail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/app/task-1", RoleARN: app}
	event := func(name string, change func(*trail.Change)) trail.Change {
		c := trail.Change{EventName: name, EventSource: "secretsmanager.amazonaws.com", Time: now, Region: "eu-central-1", Actor: by,
			Secret: guard.SecretRef{Account: "111122223333", ID: secret}, Read: name == "GetSecretValue"}
		if change != nil {
			change(&c)
		}
		return c
	}
	asks := func(name, value string) func(*trail.Change) {
		return func(c *trail.Change) { c.Request = map[string]any{name: value} }
	}
	for sentence, tt := range map[string]struct {
		event trail.Change
		want  string // does, version, principal; "" is none
	}{
		"a read":                                {event("GetSecretValue", nil), "reads  " + app},
		"a read of the current version":         {event("GetSecretValue", asks("versionStage", "AWSCURRENT")), "reads  " + app},
		"a read of a label":                     {event("GetSecretValue", asks("versionStage", "blue")), "reads blue " + app},
		"a read of a version by its id":         {event("GetSecretValue", asks("versionId", "v1")), "reads v1 " + app},
		"a new version":                         {event("PutSecretValue", asks("versionStage", "blue")), "writes  " + app},
		"a value that is updated":               {event("UpdateSecret", nil), "updates  " + app},
		"a rotation that is started":            {event("RotateSecret", nil), "starts  " + app},
		"a copy that is made":                   {event("ReplicateSecretToRegions", nil), "replicates  " + app},
		"a write that failed":                   {event("PutSecretValue", func(c *trail.Change) { c.ErrorCode = "AccessDenied" }), ""},
		"a call of the name to another service": {event("PutSecretValue", func(c *trail.Change) { c.EventSource = "ssm.amazonaws.com" }), ""},
		"a look":                                {event("DescribeSecret", nil), ""},
		"our own change": {event("UpdateSecret", func(c *trail.Change) {
			c.Actor = trail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/doublelock-change/doublelock-remediate"}
		}), ""},
		"a read from another account": {event("GetSecretValue", func(c *trail.Change) {
			c.Actor = trail.Actor{Type: "AWSAccount", Account: "444455556666", Name: "AROAEXAMPLEID:task-7"}
		}), "reads  444455556666/AROAEXAMPLEID"},
		"a read from another account by nobody": {event("GetSecretValue", func(c *trail.Change) {
			c.Actor = trail.Actor{Type: "AWSAccount", Account: "444455556666"}
		}), ""},
		"a service": {event("RotateSecret", func(c *trail.Change) { c.Actor = trail.Actor{Type: "AWSService", InvokedBy: "rds.amazonaws.com"} }), ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := ""
			for _, s := range fleet.Sightings(tt.event) {
				got += string(s.Does) + " " + s.Version + " " + s.Principal
				want := migration.Sighting{Secret: secret, Principal: s.Principal, Account: "111122223333", Region: "eu-central-1", Does: s.Does, Version: s.Version, Last: now, Count: 1}
				if diff := cmp.Diff(want, s); diff != "" {
					t.Errorf("-want +got:\n%s", diff)
				}
			}
			if got != tt.want {
				t.Errorf("evidence of %q, want %q", got, tt.want)
			}
		})
	}
}
