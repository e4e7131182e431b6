package arn

import (
	"cmp"
	"strings"
)

// Partition is one part of AWS with accounts, Regions and host names of its own, e.g. "aws" or "aws-cn". It is the
// second field of every ARN.
type Partition string

// Standard is the partition of the commercial Regions.
const Standard Partition = "aws"

const defaultSuffix = "amazonaws.com"

// partitions beside the standard one. Source: the partition table of the AWS SDKs (partitions.json).
var partitions = []struct {
	name   Partition
	region string // how its Regions begin
	suffix string // of its host names
}{
	{"aws-cn", "cn-", "amazonaws.com.cn"},
	{"aws-us-gov", "us-gov-", defaultSuffix},
	{"aws-eusc", "eusc-", "amazonaws.eu"},
	{"aws-iso", "us-iso-", "c2s.ic.gov"},
	{"aws-iso-b", "us-isob-", "sc2s.sgov.gov"},
	{"aws-iso-e", "eu-isoe-", "cloud.adc-e.uk"},
	{"aws-iso-f", "us-isof-", "csp.hci.ic.gov"},
}

// PartitionOf is the partition of a Region. A Region that begins like none of another partition is a standard one.
func PartitionOf(region string) Partition {
	for _, p := range partitions {
		if strings.HasPrefix(region, p.region) {
			return p.name
		}
	}
	return Standard
}

// Suffix is how the host names of the partition end, without a leading dot.
func (p Partition) Suffix() string {
	for _, known := range partitions {
		if known.name == p {
			return known.suffix
		}
	}
	return defaultSuffix
}

// IsHost reports whether a name ends like the host names of some partition, as service principals do.
func IsHost(name string) bool {
	for _, known := range partitions {
		if strings.HasSuffix(name, "."+known.suffix) {
			return true
		}
	}
	return false // the suffix of the standard partition is that of aws-us-gov
}

// ServiceOf is the service that a principal of AWS's names, without the host names of its partition; false for what is none.
func ServiceOf(principal string) (service string, is bool) {
	service, _, _ = strings.Cut(principal, ".")
	return service, IsHost(principal)
}

// Service is the principal of an AWS service as policies and CloudTrail name it: the same in every partition.
// Source: the AWS China getting-started guide, "ARNs and service principals"; only a few services (EC2, EMR) differ,
// none of which we name.
func (p Partition) Service(name string) string { return name + "." + defaultSuffix }

// Regional is a service in a Region, as kms:ViaService and regional service principals name it:
// "secretsmanager.eu-west-1.amazonaws.com".
func (p Partition) Regional(service, region string) string {
	return service + "." + region + "." + p.Suffix()
}

// ViaService is what kms:ViaService may hold when a service in a Region calls AWS KMS for somebody. The page that lists its values has
// none for China: whether they end as the names of hosts do there is not documented, so that a policy names both.
// Source: KMS Developer Guide, "kms:ViaService", services that support it (live check 43).
func (p Partition) ViaService(service, region string) []string {
	forms := []string{p.Regional(service, region)}
	if p.Suffix() != Standard.Suffix() {
		forms = append(forms, Standard.Regional(service, region))
	}
	return forms
}

// New makes an ARN. region and account are "" where the service has none.
func (p Partition) New(service, region, account, resource string) ARN {
	return ARN{Partition: cmp.Or(p, Standard), Service: service, Region: region, Account: account, Resource: resource}
}

// Role is the ARN of an IAM role by its path and name.
func (p Partition) Role(account, name string) string {
	return p.New("iam", "", account, "role/"+name).String()
}

// Root is the ARN that stands for a whole account in a policy.
func (p Partition) Root(account string) string {
	return p.New("iam", "", account, "root").String()
}
