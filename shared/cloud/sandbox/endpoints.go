package sandbox

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
)

// Endpoint is where AWS is asked: "" for AWS's own endpoints, else the URL of a stand-in that answers for every service that a run
// calls. It is what the SDK makes of variables and profiles, for each service by itself: that some calls would go to a stand-in and
// others to AWS is an error, for nobody could say who answered.
func Endpoint(ctx context.Context, c *cloud.Cloud, region string) (string, error) {
	calls := func(dry *cloud.Cloud) { // each fails, and was sent nowhere
		account, _ := dry.Own(ctx)
		s := &Session{c: dry, region: region, account: account}
		_, _ = dry.Identity(ctx)
		_, _ = s.Find(ctx, region, true, Kinds())
		_, _ = s.Calls(ctx, "none", time.Time{})
	}
	configured, own := c.Endpoints(false, calls), c.Endpoints(true, calls)
	endpoint, of := "", ""
	for n, service := range slices.Sorted(maps.Keys(own)) {
		at := configured[service]
		if at == own[service] {
			at = ""
		}
		if n > 0 && at != endpoint {
			return "", fmt.Errorf("%s is asked at %s, and %s at %s: a run asks AWS for everything, or one stand-in; set AWS_ENDPOINT_URL to that, without other endpoints in variables or the profile, or AWS_IGNORE_CONFIGURED_ENDPOINT_URLS=true to ask AWS",
				of, whose(endpoint), service, whose(at))
		}
		endpoint, of = at, service
	}
	return endpoint, nil
}

func whose(endpoint string) string {
	if endpoint == "" {
		return "AWS"
	}
	return endpoint
}
