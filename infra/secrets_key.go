package main

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// newSecretsKey makes the account's own CMK for secrets in this Region. It outlives the stack: an account that leaves
// the organization keeps the key that opens its secrets. The alias does not, so that coming back makes a new one.
func newSecretsKey(scope constructs.Construct, k settings.Keys, n names) {
	policy := preventive.SecretsKeyPolicy(n.partition, *awscdk.Aws_ACCOUNT_ID(), *awscdk.Aws_REGION())
	key := awskms.NewCfnKey(scope, jsii.String("SecretsKey"), &awskms.CfnKeyProps{
		Description:       jsii.String("Secrets of this account in this Region (Doublelock)"),
		EnableKeyRotation: true,
		MultiRegion:       k.MultiRegion,
		KeyPolicy:         plain(policy),
		Tags:              keyTags(k.Tags),
	})
	key.ApplyRemovalPolicy(awscdk.RemovalPolicy_RETAIN, nil)
	awskms.NewCfnAlias(scope, jsii.String("SecretsKeyAlias"), &awskms.CfnAliasProps{
		AliasName: jsii.String(settings.SecretsKeyAlias), TargetKeyId: key.AttrArn(),
	})
}

func keyTags(tags map[string]string) *[]*awscdk.CfnTag {
	out := []*awscdk.CfnTag{}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, &awscdk.CfnTag{Key: jsii.String(name), Value: jsii.String(tags[name])})
	}
	return &out
}
