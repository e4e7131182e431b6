// Package config holds the sample configuration, from which the templates of the demo are synthesized, for every
// partition that there are templates for.
package config

import (
	_ "embed"
	"fmt"
	"regexp"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

//go:embed sample.yaml
var sample string

// regions are what us-east-1 and eu-west-1 of the sample are in a partition.
var regions = map[arn.Partition][2]string{
	arn.Standard: {"us-east-1", "eu-west-1"}, "aws-us-gov": {"us-gov-west-1", "us-gov-east-1"}, "aws-cn": {"cn-north-1", "cn-northwest-1"},
}

// slack is what the sample says of Slack by Amazon Q Developer, which is in the standard partition alone.
var slack = regexp.MustCompile(`(?m)^ *slack(WorkspaceId|Channel): .*\n|, slackChannel: \w+`)

// Sample is a doublelock.yaml and its two Regions.
type Sample struct {
	Text         []byte
	Home, Second string
}

// Partitions lists the partitions that the sample is written for.
func Partitions() []arn.Partition { return []arn.Partition{arn.Standard, "aws-us-gov", "aws-cn"} }

// In is the sample in a partition: the same accounts and rules, in its Regions and without what AWS does not have there.
func In(partition arn.Partition) (Sample, error) {
	at, known := regions[partition]
	if !known {
		return Sample{}, fmt.Errorf("read sample configuration: none for partition %q", partition)
	}
	text := sample
	if partition != arn.Standard {
		there := strings.NewReplacer("us-east-1", at[0], "eu-west-1", at[1], "arn:"+string(arn.Standard)+":", "arn:"+string(partition)+":").Replace(text)
		text = slack.ReplaceAllString(there, "")
	}
	return Sample{Text: []byte(text), Home: at[0], Second: at[1]}, nil
}
