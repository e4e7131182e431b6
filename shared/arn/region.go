package arn

import "slices"

// regionsByPartition lists the Regions that have AWS Secrets Manager, as the endpoint tables of the AWS SDK do.
var regionsByPartition = map[Partition][]string{
	"aws": {
		"af-south-1", "ap-east-1", "ap-east-2", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1",
		"ap-south-2", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5",
		"ap-southeast-6", "ap-southeast-7", "ca-central-1", "ca-west-1", "eu-central-1", "eu-central-2", "eu-north-1",
		"eu-south-1", "eu-south-2", "eu-west-1", "eu-west-2", "eu-west-3", "il-central-1", "me-central-1",
		"me-south-1", "mx-central-1", "sa-east-1", "us-east-1", "us-east-2", "us-west-1", "us-west-2",
	},
	"aws-cn":     {"cn-north-1", "cn-northwest-1"},
	"aws-eusc":   {"eusc-de-east-1"},
	"aws-iso":    {"us-iso-east-1", "us-iso-west-1"},
	"aws-iso-b":  {"us-isob-east-1", "us-isob-west-1"},
	"aws-iso-e":  {"eu-isoe-west-1"},
	"aws-iso-f":  {"us-isof-east-1", "us-isof-south-1"},
	"aws-us-gov": {"us-gov-east-1", "us-gov-west-1"},
}

// KnownPartition is the partition of a Region, or "" for a Region without Secrets Manager. PartitionOf guesses that one, too.
func KnownPartition(region string) Partition {
	for partition, regions := range regionsByPartition {
		if slices.Contains(regions, region) {
			return partition
		}
	}
	return ""
}

// organizationsRegions is where AWS Organizations is in each partition: its events appear there, in the management account.
// Source: the endpoint table of the AWS SDK.
var organizationsRegions = map[Partition]string{
	"aws": "us-east-1", "aws-cn": "cn-northwest-1", "aws-eusc": "eusc-de-east-1", "aws-iso": "us-iso-east-1", "aws-iso-b": "us-isob-east-1",
	"aws-iso-e": "eu-isoe-west-1", "aws-iso-f": "us-isof-south-1", "aws-us-gov": "us-gov-west-1",
}

// OrganizationsRegion is where AWS Organizations writes its events; "" for no partition.
func (p Partition) OrganizationsRegion() string { return organizationsRegions[p] }

// Regions lists the Regions of a partition that have Secrets Manager, sorted. AWS adds some.
func (p Partition) Regions() []string { return slices.Clone(regionsByPartition[p]) }

// Regions lists every Region that has Secrets Manager, sorted.
func Regions() []string {
	var all []string
	for _, regions := range regionsByPartition {
		all = append(all, regions...)
	}
	slices.Sort(all)
	return all
}
