package policy

import (
	"slices"
	"strings"
)

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
	Session  []*Document // nil: no session policy; of a federated user: it is not known whether there is one

	NoSession bool // of a federated user: none was passed to sts:GetFederationToken

	// SCPs on the path of the principal's account and RCPs on that of the resource's, one list per level from the root
	// down. RCPFullAWSAccess need not be among them. nil: none apply.
	SCPs, RCPs [][]*Document
	Levels     []string // what each level of SCPs is attached to, for explanations; nil: not known

	Resource     *Document    // resource, key or trust policy; nil: there is none
	ResourceKind ResourceKind // "": told from the action and the ARN
	Grants       []Grant      // on the KMS key
	Endpoint     []*Document  // of the VPC endpoint the request comes through; nil: none

	ManagementPrincipal bool // the principal's account is the organization's management account: SCPs do not apply
	ManagementResource  bool // the resource's account is: RCPs do not apply
	AWSManagedKey       bool // the resource is an AWS managed KMS key: RCPs do not apply
}

// rcpServices are those whose actions RCPs restrict.
// Source: AWS Organizations User Guide, "Resource control policies (RCPs)", list of services, as of September 2026.
var rcpServices = strings.Fields(`
	aoss appconfig appstream autoscaling autoscaling-plans budgets clouddirectory cloudfront cloudsearch cloudtrail-data
	codeartifact codebuild codecommit codepipeline cognito-identity cognito-idp comprehend comprehendmedical
	compute-optimizer cost-optimization-hub dax dsql dynamodb ecr ecr-public events firehose fis fms gamelift health
	inspector-scan kendra kinesisvideo kms logs memorydb networkmonitor notifications opensearch pca-connector-ad
	personalize polly pricing resource-groups rolesanywhere s3 secretsmanager servicediscovery signin sqs sts support swf
	textract timestream-influxdb transcribe transfer translate wafv2 workspaces xray`)

// restrictedByRCP reports whether RCPs apply to an action; both arguments are in lower case.
func restrictedByRCP(service, action string) bool {
	return slices.Contains(rcpServices, service) && (service != "kms" || action != "retiregrant")
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
	head, _, isARN := cutARN(arn)
	if !isARN || !strings.HasSuffix(head, ":") {
		return ""
	}
	head = head[:len(head)-1]
	return head[strings.LastIndexByte(head, ':')+1:]
}
