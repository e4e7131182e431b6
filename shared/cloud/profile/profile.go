// Package profile opens AWS with the credentials that the aws command line would use: profiles, SSO, containers,
// instances. No Lambda needs it, whose credentials are in its environment, and none links it.
package profile

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

// Open opens AWS. The SDK's own files and variables are read only when the options hold no credentials, so that a local
// run cannot be led astray by the machine it runs on. What the SDK would log of its own accord, such as the ways it tries
// to find credentials, is no output of ours.
func Open(ctx context.Context, o cloud.Options) (*cloud.Cloud, error) {
	if o.Credentials != nil {
		return cloud.Open(ctx, o)
	}
	return session.OpenFrom(ctx, o, func(ctx context.Context, client *awshttp.BuildableClient) (aws.Config, error) {
		return config.LoadDefaultConfig(ctx, config.WithHTTPClient(client), config.WithRegion(o.Region), config.WithLogger(logging.Nop{}),
			config.WithAssumeRoleCredentialOptions(func(a *stscreds.AssumeRoleOptions) {
				if o.Endpoint != "" {
					a.Client = takenAt{a.Client, o.Endpoint}
				}
			}))
	})
}

// takenAt takes the role of a profile at an endpoint. The SDK finds credentials before it reads AWS_ENDPOINT_URL, and would ask
// AWS itself for the role, where the aws command line asks the endpoint.
type takenAt struct {
	stscreds.AssumeRoleAPIClient
	endpoint string
}

func (t takenAt) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput, how ...func(*sts.Options)) (*sts.AssumeRoleOutput, error) {
	return t.AssumeRoleAPIClient.AssumeRole(ctx, in, append(how, func(o *sts.Options) { o.BaseEndpoint = &t.endpoint })...)
}
