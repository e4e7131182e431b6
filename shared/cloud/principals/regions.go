package principals

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/account/types"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/settings"
)

// Regions lists the Regions in which an account can have anything: all but those that are disabled.
// Source: Account Management API Reference, ListRegions, RegionOptStatus.
func Regions(ctx context.Context, c *cloud.Cloud, id string) ([]string, error) {
	p, err := c.Locate(ctx, id, c.Options().Region, settings.RoleRead)
	if err != nil {
		return nil, session.Fail(err, "list Regions of %s", id)
	}
	var out []string
	pages := account.NewListRegionsPaginator(session.Client(c, p, account.NewFromConfig), &account.ListRegionsInput{MaxResults: aws.Int32(50)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list Regions of %s", id)
		}
		for _, r := range page.Regions {
			if r.RegionOptStatus != types.RegionOptStatusDisabled {
				out = append(out, aws.ToString(r.RegionName))
			}
		}
	}
	return out, nil
}
