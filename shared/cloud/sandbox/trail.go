package sandbox

import (
	"context"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/cloud/trails"
	"github.com/doublelock/doublelock/shared/trail"
)

// Events are the calls that CloudTrail recorded of a session, by the session's name, since a time.
func (s *Session) Events(ctx context.Context, name string, since time.Time) ([]trail.Change, error) {
	return s.lookup(ctx, trails.ByUsername, name, since)
}

func (s *Session) lookup(ctx context.Context, by trails.LookupBy, value string, since time.Time) ([]trail.Change, error) {
	var all []trail.Change
	err := trails.New(s.c).Lookup(ctx, trails.Lookup{Account: s.account, Region: s.region, By: by, Value: value, From: since}, func(record []byte) error {
		change, err := trail.Decode(record)
		if err == nil {
			all = append(all, change)
		}
		return err
	})
	return all, err
}

// Calls are the calls of a name that CloudTrail recorded in the Region since a time, by whomever.
func (s *Session) Calls(ctx context.Context, name string, since time.Time) ([]trail.Change, error) {
	return s.lookup(ctx, trails.ByEventName, name, since)
}

// Skew is how far a clock is ahead of AWS's, by the Date of an answer: to the second or so.
func (s *Session) Skew(ctx context.Context, now func() time.Time) (time.Duration, error) {
	out, err := session.Client(s.c, s.at(), sts.NewFromConfig).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return 0, session.Fail(err, "get caller identity")
	}
	answered, known := awsmiddleware.GetServerTime(out.ResultMetadata)
	if !known {
		return 0, nil
	}
	return now().Sub(answered), nil
}
