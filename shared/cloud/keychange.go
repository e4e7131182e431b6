package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// List yields every key of an account and Region, the AWS managed ones too. An error of yield ends it.
func (k *Keys) List(ctx context.Context, account, region string, yield func(guard.Key) error) error {
	if err := k.c.guarded(region); err != nil {
		return fail(err, "list keys of %s", account)
	}
	p, err := k.c.enter(ctx, account, region, settings.RoleRead)
	if err != nil {
		return fail(err, "list keys of %s in %s", account, region)
	}
	pages := kms.NewListKeysPaginator(k.c.kms(p), &kms.ListKeysInput{Limit: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return fail(err, "list keys of %s in %s", account, region)
		}
		for _, entry := range page.Keys {
			key, err := k.c.keyInUse(ctx, account, region, aws.ToString(entry.KeyArn))
			if err != nil {
				return err
			}
			if err := yield(key); err != nil {
				return err
			}
		}
	}
	return nil
}
