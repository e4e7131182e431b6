package policy

import "strings"

// ResourceKind says how a resource's own policy takes part in a decision.
type ResourceKind string

const (
	ResourcePlain ResourceKind = "resource" // either side may allow within the account
	ResourceKey   ResourceKind = "key"      // KMS key: the key policy must allow, delegate to the account, or a grant must
	ResourceTrust ResourceKind = "trust"    // role to be assumed: its trust policy must allow or delegate
)

// Policies is everything that can allow or deny a request.
type Policies struct {
	Identity []*Document // all attached to the principal, groups included
	Boundary []*Document // nil: no permissions boundary
	Session  []*Document // nil: no session policy

	// SCPs on the path of the principal's account and RCPs on that of the resource's, one list per level from the root
	// down. RCPFullAWSAccess need not be among them. nil: none apply.
	SCPs, RCPs [][]*Document

	Resource     *Document    // resource, key or trust policy; nil: there is none
	ResourceKind ResourceKind // "": told from the action and the ARN
	Grants       []Grant      // on the KMS key
	Endpoint     []*Document  // of the VPC endpoint the request comes through; nil: none

	ManagementPrincipal bool // the principal's account is the organization's management account: SCPs do not apply
	ManagementResource  bool // the resource's account is: RCPs do not apply
	AWSManagedKey       bool // the resource is an AWS managed KMS key: RCPs do not apply
}

// rcpServices are those whose resources RCPs restrict.
// Source: AWS Organizations User Guide, "Resource control policies (RCPs)", list of services.
var rcpServices = map[string]bool{
	"s3": true, "sts": true, "kms": true, "sqs": true, "secretsmanager": true, "cognito-idp": true, "cognito-identity": true,
	"logs": true, "dynamodb": true, "ecr": true, "aoss": true,
}

// kindOf tells how the resource's policy takes part from the action and ARN. A role's trust policy says nothing about
// IAM's own actions on the role.
func kindOf(service, resource string) (kind ResourceKind, policyApplies bool) {
	_, tail, _ := cutARN(resource)
	switch {
	case service == "kms" && strings.HasPrefix(tail, "key/"):
		return ResourceKey, true
	case service == "sts" && strings.HasPrefix(tail, "role/"):
		return ResourceTrust, true
	case service == "iam":
		return ResourcePlain, false
	}
	return ResourcePlain, true
}

// accountOf is the account in an ARN; "" for ARNs, such as those of S3, that have none.
func accountOf(arn string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return ""
	}
	return parts[4]
}
