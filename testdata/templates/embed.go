// Package templates holds the CloudFormation templates that the CDK app synthesizes for the sample configuration, so
// that the demo deploys what `cdk deploy` would, without Node. A golden test of infra keeps them current.
package templates

import _ "embed"

// The three stacks of the sample configuration.
var (
	//go:embed org.template.json
	Org []byte
	//go:embed hub.template.json
	Hub []byte
	//go:embed member.template.json
	Member []byte
)
