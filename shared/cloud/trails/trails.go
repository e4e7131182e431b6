package trails

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"golang.org/x/time/rate"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Trails reads CloudTrail: what it recorded in the last 90 days, and whether it records at all.
type Trails struct{ c *cloud.Cloud }

// New opens CloudTrail.
func New(c *cloud.Cloud) *Trails { return &Trails{c: c} }

// LookupBy is what recorded events can be searched by, in AWS's own names. One at a time.
type LookupBy string

const (
	ByEventName    LookupBy = "EventName"
	ByEventSource  LookupBy = "EventSource"
	ByResourceName LookupBy = "ResourceName" // a secret's name or ARN, a key's ARN
	ByUsername     LookupBy = "Username"
	ByEventID      LookupBy = "EventId"
)

// Lookup is a search in the recorded management events of one account and Region.
type Lookup struct {
	Account, Region string
	By              LookupBy
	Value           string
	From, To        time.Time // zero: 90 days ago, now
	Pages           *int      // how many may be read, of 50 records each at most: each takes one. nil: all
}

// ErrMore says that CloudTrail has more than the pages of a search.
var ErrMore = errors.New("CloudTrail has more than may be read at once")

// lookupEvery is what AWS allows: two LookupEvents a second, per account and Region.
const lookupEvery = 500 * time.Millisecond

// Lookup yields the matching CloudTrail records as JSON, newest first. It keeps to AWS's two requests a second (50
// records each) over all its callers in this process, so a search may take long: bound it with the context. An error
// of yield ends it; ErrMore does when its pages are used up.
func (t *Trails) Lookup(ctx context.Context, q Lookup, yield func(record []byte) error) error {
	client, limit, err := t.enter(ctx, q.Account, q.Region)
	if err != nil {
		return session.Fail(err, "look up events of %s in %s", q.Account, q.Region)
	}
	in := &cloudtrail.LookupEventsInput{MaxResults: aws.Int32(50), LookupAttributes: []types.LookupAttribute{{
		AttributeKey: types.LookupAttributeKey(q.By), AttributeValue: &q.Value}}}
	if !q.From.IsZero() {
		in.StartTime = &q.From
	}
	if !q.To.IsZero() {
		in.EndTime = &q.To
	}
	pages := cloudtrail.NewLookupEventsPaginator(client, in)
	for pages.HasMorePages() {
		if q.Pages != nil {
			if *q.Pages <= 0 {
				return ErrMore
			}
			*q.Pages--
		}
		if err := waitFor(ctx, limit); err != nil {
			return session.Fail(err, "look up events of %s in %s", q.Account, q.Region)
		}
		page, err := pages.NextPage(ctx)
		if err != nil {
			return session.Fail(err, "look up events of %s in %s", q.Account, q.Region)
		}
		for _, e := range page.Events {
			if err := yield([]byte(aws.ToString(e.CloudTrailEvent))); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t *Trails) enter(ctx context.Context, account, region string) (*cloudtrail.Client, *rate.Limiter, error) {
	p, err := t.c.Locate(ctx, account, region, settings.RoleRead)
	if err != nil {
		return nil, nil, err
	}
	client := session.Client(t.c, p, cloudtrail.NewFromConfig)
	every := t.c.Options().LookupEvery
	limit := session.Kept(t.c, p, func() *rate.Limiter { return lookupLimit(every) })
	return client, limit, nil
}

// lookupLimit goes by the wall clock, whatever Options.Now says: it is AWS that counts.
func lookupLimit(every time.Duration) *rate.Limiter {
	return rate.NewLimiter(rate.Every(cmp.Or(every, lookupEvery)), 1)
}

// waitFor waits for a call's turn. One that would come after the context's deadline is not waited for.
func waitFor(ctx context.Context, limit *rate.Limiter) error {
	err := limit.Wait(ctx)
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("%w: more look-ups than AWS allows until the deadline: %w", guard.ErrThrottled, err)
	}
	return err
}

// Trail is a trail that records an account and Region.
type Trail struct {
	ARN          string
	Name         string
	HomeRegion   string
	MultiRegion  bool
	Organization bool
	Logging      bool
	DeliveredAt  time.Time // last log file in the bucket; zero: never
	DeliveryFail string    // AWS's word for the last failed delivery; "" when it went well
}

// Describe lists the trails that record an account and Region, those of the organization and of other Regions too.
func (t *Trails) Describe(ctx context.Context, account, region string) ([]Trail, error) {
	client, _, err := t.enter(ctx, account, region)
	if err != nil {
		return nil, session.Fail(err, "describe trails of %s in %s", account, region)
	}
	out, err := client.DescribeTrails(ctx, &cloudtrail.DescribeTrailsInput{IncludeShadowTrails: aws.Bool(true)})
	if err != nil {
		return nil, session.Fail(err, "describe trails of %s in %s", account, region)
	}
	var trails []Trail
	for _, described := range out.TrailList {
		status, err := client.GetTrailStatus(ctx, &cloudtrail.GetTrailStatusInput{Name: described.TrailARN})
		if err != nil {
			return nil, session.Fail(err, "get status of trail %s", aws.ToString(described.TrailARN))
		}
		trails = append(trails, trailOf(described, status))
	}
	return trails, nil
}

func trailOf(t types.Trail, status *cloudtrail.GetTrailStatusOutput) Trail {
	return Trail{
		ARN:          aws.ToString(t.TrailARN),
		Name:         aws.ToString(t.Name),
		HomeRegion:   aws.ToString(t.HomeRegion),
		MultiRegion:  aws.ToBool(t.IsMultiRegionTrail),
		Organization: aws.ToBool(t.IsOrganizationTrail),
		Logging:      aws.ToBool(status.IsLogging),
		DeliveredAt:  aws.ToTime(status.LatestDeliveryTime),
		DeliveryFail: aws.ToString(status.LatestDeliveryError),
	}
}
