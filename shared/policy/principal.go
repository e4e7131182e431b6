package policy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

// PrincipalKind is what sort of principal signs a request.
type PrincipalKind string

const (
	KindUser          PrincipalKind = "user"           // IAM user
	KindRole          PrincipalKind = "role"           // any session of a role, none in particular
	KindSession       PrincipalKind = "session"        // one assumed-role session
	KindRoot          PrincipalKind = "root"           // an account's root user
	KindFederatedUser PrincipalKind = "federated-user" // a session from sts:GetFederationToken
	KindFederated     PrincipalKind = "federated"      // a SAML or OIDC identity, before it has a role
	KindService       PrincipalKind = "service"        // an AWS service acting for itself
	KindAnonymous     PrincipalKind = "anonymous"      // an unsigned request
	KindSomebody      PrincipalKind = "somebody"       // any user, role or session of a population, none in particular
)

// Principal makes a request. ParsePrincipal fills it from an ARN; what an ARN does not tell (the path of a session's
// role, tags, the unique id) may be added.
type Principal struct {
	Kind     PrincipalKind
	ARN      string // its own ARN; "" for services and anonymous requests
	Account  string // 12 digits; "" for services and anonymous requests
	Name     string // of the user, role or federated user, without path; a service's, "" for any, or an identity provider's name
	Role     string // ARN of the role behind a session; where only the session is known the role is taken to have no path
	PathSure bool   // of a session: Role has the role's path
	Session  string // role session name
	User     string // ARN of the IAM user behind a federated user, where known
	UniqueID string // aws:userid, e.g. AROA…:session, where known
	Tags     map[string]string

	Providers []string // identity providers (ARN of SAML ones, else domain or ARN) that may have signed a role's session in

	// The organization of its account, where known: aws:PrincipalOrgID, and aws:PrincipalOrgPaths (o-…/r-…/ou-…/).
	OrganizationID   string
	OrganizationPath string

	// Of somebody, or any service, of whom the account or the organization is not known: which it is not.
	NotAccounts      []string
	NotOrganizations []string

	// Of a service: for the sources of which accounts and organizations it does not ask. nil: nothing is known of its source.
	NotSources             []string
	NotSourceOrganizations []string
}

// ParsePrincipal reads an ARN (user, role, assumed role, federated user, root, SAML or OIDC provider), an account id
// (its root user, in the standard partition: elsewhere name it by its ARN), a service principal, a web identity provider's domain, or "*" for an unsigned request.
func ParsePrincipal(s string) (Principal, error) {
	switch {
	case s == "*":
		return Principal{Kind: KindAnonymous}, nil
	case isAccount(s):
		return Principal{Kind: KindRoot, ARN: arn.Standard.Root(s), Account: s, Name: "root"}, nil
	case arn.Is(s):
		return parsePrincipalARN(s)
	case isService(s):
		return Principal{Kind: KindService, Name: s}, nil
	case strings.Contains(s, ".") && !strings.ContainsAny(s, ": "):
		return Principal{Kind: KindFederated, Name: s}, nil
	}
	return Principal{}, fmt.Errorf("read principal %q: neither an ARN, an account id, a service such as lambda.amazonaws.com nor \"*\"", s)
}

func parsePrincipalARN(s string) (Principal, error) {
	a, err := arn.Parse(s)
	if err != nil {
		return Principal{}, fmt.Errorf("read principal: %w", err)
	}
	service := a.Service
	p := Principal{ARN: s, Account: a.Account}
	kind, path, _ := strings.Cut(a.Resource, "/")
	switch {
	case service == "iam" && a.Resource == "root":
		p.Kind, p.Name = KindRoot, "root"
	case service == "iam" && kind == "user" && path != "":
		p.Kind, p.Name = KindUser, lastSegment(path)
	case service == "iam" && kind == "role" && path != "":
		p.Kind, p.Name, p.Role = KindRole, lastSegment(path), s
	case service == "iam" && (kind == "saml-provider" || kind == "oidc-provider") && path != "":
		p.Kind, p.Name = KindFederated, s
	case service == "sts" && kind == "federated-user" && path != "":
		p.Kind, p.Name = KindFederatedUser, path
	case service == "sts" && kind == "assumed-role" && strings.Contains(path, "/"):
		role, session, _ := strings.Cut(path, "/")
		p.Kind, p.Name, p.Session = KindSession, role, session
		p.Role = a.Partition.Role(a.Account, role)
	default:
		return Principal{}, fmt.Errorf("read principal %q: not a user, role, assumed role, federated user, identity provider or root", s)
	}
	return p, nil
}

// ServiceLinked reports whether the principal is a service-linked role, which SCPs and RCPs do not restrict. Its path says so:
// nobody else may make a role under it. Of a session whose role is not known, the name is taken for one that AWS gave.
// Source: IAM User Guide, "Create a service-linked role", and "IAM identifiers", paths.
func (p *Principal) ServiceLinked() bool {
	if p.Kind != KindRole && p.Kind != KindSession {
		return false
	}
	return strings.HasPrefix(arn.Of(p.Role).Resource, "role/aws-service-role/") || p.Kind == KindSession && !p.PathSure && strings.HasPrefix(p.Name, "AWSServiceRoleFor")
}

const (
	permissionSetRole = "AWSReservedSSO_"
	permissionSetPath = "aws-reserved/sso.amazonaws.com/" // and, but for one Region, the Region of Identity Center
)

// PermissionSet is the name of the permission set that IAM Identity Center made the role of, "" for every other principal.
func (p *Principal) PermissionSet() string {
	set, _ := p.permissionSet()
	return set
}

// permissionSet is the name of a permission set, and how many digits follow it in the name of the role.
func (p *Principal) permissionSet() (set string, digits int) {
	name, found := strings.CutPrefix(p.Name, permissionSetRole)
	if !found || p.Kind != KindRole && p.Kind != KindSession {
		return "", 0
	}
	if cut := strings.LastIndexByte(name, '_'); cut > 0 {
		return name[:cut], len(name) - cut - 1
	}
	return name, 0
}

// PermissionSetRoles is the pattern for aws:PrincipalArn that the role of the permission set fits now and when it is made anew,
// with other digits. Source: IAM Identity Center User Guide, "Referencing permission sets in resource policies, Amazon EKS
// Cluster config maps, and AWS KMS key policies".
func (p *Principal) PermissionSetRoles() string {
	set, digits := p.permissionSet()
	if set == "" {
		return ""
	}
	return arn.Of(p.ARN).Partition.Role(p.Account, permissionSetPath+"*"+permissionSetRole+set+"_"+strings.Repeat("?", digits))
}

// String is the best name to print.
func (p Principal) String() string {
	switch {
	case p.ARN != "":
		return p.ARN
	case p.Kind == KindAnonymous:
		return "an anonymous caller"
	case p.Kind == KindSomebody && p.Name == "":
		return "somebody"
	}
	return p.Name
}

// signed reports whether the principal has IAM policies of its own.
func (p *Principal) signed() bool {
	switch p.Kind {
	case KindUser, KindRole, KindSession, KindRoot, KindFederatedUser, KindSomebody:
		return true
	}
	return false
}

// session reports whether the principal has the credentials of a role's session or of a federated user's.
func (p *Principal) session() bool {
	return p.Kind == KindRole || p.Kind == KindSession || p.Kind == KindFederatedUser
}

// outside reports whether the principal is certainly of another account.
func (p *Principal) outside(account string) bool {
	if p.Account != "" {
		return p.Account != account
	}
	return slices.Contains(p.NotAccounts, account)
}

func lastSegment(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

func isAccount(s string) bool {
	if len(s) != 12 {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}

// isService tells service principals from the one web identity provider that looks like one.
func isService(s string) bool {
	lower := strings.ToLower(s)
	if lower == "cognito-identity.amazonaws.com" || strings.ContainsAny(s, ":/ ") {
		return false
	}
	if lower == "www.amazon.com" {
		return false
	}
	return arn.IsHost(lower) || strings.HasSuffix(lower, ".amazon.com") || strings.HasSuffix(lower, ".aws.internal")
}
