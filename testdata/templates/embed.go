// Package templates holds the CloudFormation templates that the CDK app synthesizes for the sample configuration, so
// that the demo deploys what `cdk deploy` would, without Node. A golden test of infra keeps them current.
package templates

import (
	"embed"
	"fmt"

	"github.com/doublelock/doublelock/shared/arn"
)

// The three stacks of the sample configuration.
var (
	//go:embed org.template.json
	Org []byte
	//go:embed hub.template.json
	Hub []byte
	//go:embed member.template.json
	Member []byte
)

// elsewhere are those of the sample as it is in other partitions: in their Regions, and without Amazon Q Developer.
//
//go:embed aws-us-gov/*.json aws-cn/*.json
var elsewhere embed.FS

// Stacks are the three templates of a configuration.
type Stacks struct{ Org, Hub, Member []byte }

// For is the sample in a partition, as testdata/config has it.
func For(partition arn.Partition) (Stacks, error) {
	if partition == arn.Standard {
		return Stacks{Org: Org, Hub: Hub, Member: Member}, nil
	}
	var s Stacks
	for name, into := range map[string]*[]byte{"org": &s.Org, "hub": &s.Hub, "member": &s.Member} {
		raw, err := elsewhere.ReadFile(string(partition) + "/" + name + ".template.json")
		if err != nil {
			return Stacks{}, fmt.Errorf("read templates: none for partition %q", partition)
		}
		*into = raw
	}
	return s, nil
}
