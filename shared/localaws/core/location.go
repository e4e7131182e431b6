package core

import (
	"cmp"
	"iter"
	"maps"
	"net/http"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
)

// Location is one account in one Region; almost all state in AWS lives in one.
type Location struct{ Account, Region string }

// ARN is the ARN of a resource of a service in this location.
func (l Location) ARN(service, resource string) string {
	return arn.PartitionOf(l.Region).New(service, l.Region, l.Account, resource).String()
}

// Locate takes location and resource from an ARN of a service. ok is false for what is none, and for an ARN of another
// partition, which AWS does not take either.
func (a *AWS) Locate(text, service string) (at Location, resource string, ok bool) {
	parsed := arn.Of(text)
	if parsed.Service != service || parsed.Partition != a.Options.Partition {
		return Location{}, "", false
	}
	return Location{Account: parsed.Account, Region: parsed.Region}, parsed.Resource, true
}

// HasRegion reports whether AWS has a Region in this partition.
func (a *AWS) HasRegion(region string) bool {
	return arn.KnownPartition(region) == a.Options.Partition
}

// home is where a service with one endpoint for a whole partition keeps state and records: the signing Region of that
// endpoint in the SDK's rules.
func home(p arn.Partition, service string) string {
	switch p {
	case "aws-cn":
		if service == "organizations" {
			return p.OrganizationsRegion()
		}
		return "cn-north-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	case "aws-eusc":
		return "eusc-de-east-1"
	case "aws-iso":
		return "us-iso-east-1"
	case "aws-iso-b":
		return "us-isob-east-1"
	case "aws-iso-e":
		return "eu-isoe-west-1"
	case "aws-iso-f":
		return "us-isof-south-1"
	}
	return "us-east-1"
}

// noSuchRegion is what AWS answers where the credential scope names a Region that an endpoint does not serve.
func noSuchRegion(p Protocol, region string) error {
	code := "InvalidSignatureException"
	if p == Query {
		code = "SignatureDoesNotMatch"
	}
	return &Error{Code: code, Message: "Credential should be scoped to a valid region, not '" + region + "'.", Status: http.StatusForbidden}
}

// EveryLocation yields the locations with any state, in no order. The state lock must be held.
func (a *AWS) EveryLocation() iter.Seq[Location] { return maps.Keys(a.locations) }

// SortedLocations are the locations with any state, by account and Region. The state lock must be held.
func (a *AWS) SortedLocations() []Location {
	return slices.SortedFunc(maps.Keys(a.locations), func(x, y Location) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Region, y.Region))
	})
}
