package cloud

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/doublelock/doublelock/shared/guard"
)

// Outline yields every secret of an account and Region as ListSecrets tells it: List without looking at keys, which is
// one call a hundred secrets. An error of yield ends it.
func (s *Secrets) Outline(ctx context.Context, account, region string, yield func(guard.Secret) error) error {
	return s.list(ctx, account, region, func(_ *secretsmanager.Client, entry types.SecretListEntry) error {
		return yield(listedSecret(entry))
	})
}
