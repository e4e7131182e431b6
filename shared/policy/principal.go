package policy

import (
	"fmt"
	"strings"
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
)

// Principal makes a request. ParsePrincipal fills it from an ARN; what an ARN does not tell (the path of a session's
// role, tags, the unique id) may be added.
type Principal struct {
	Kind     PrincipalKind
	ARN      string // its own ARN; "" for services and anonymous requests
	Account  string // 12 digits; "" for services and anonymous requests
	Name     string // of the user, role or federated user, without path; a service's or an identity provider's name
	Role     string // ARN of the role behind a session; where only the session is known the role is taken to have no path
	Session  string // role session name
	User     string // ARN of the IAM user behind a federated user, where known
	UniqueID string // aws:userid, e.g. AROA…:session, where known
	Tags     map[string]string

	// The organization of its account, where known: aws:PrincipalOrgID, and aws:PrincipalOrgPaths (o-…/r-…/ou-…/).
	OrganizationID   string
	OrganizationPath string
}

// ParsePrincipal reads an ARN (user, role, assumed role, federated user, root, SAML or OIDC provider), an account id
// (its root user), a service principal, a web identity provider's domain, or "*" for an unsigned request.
func ParsePrincipal(s string) (Principal, error) {
	switch {
	case s == "*":
		return Principal{Kind: KindAnonymous}, nil
	case isAccount(s):
		return Principal{Kind: KindRoot, ARN: "arn:aws:iam::" + s + ":root", Account: s, Name: "root"}, nil
	case strings.HasPrefix(s, "arn:"):
		return parsePrincipalARN(s)
	case isService(s):
		return Principal{Kind: KindService, Name: s}, nil
	case strings.Contains(s, ".") && !strings.ContainsAny(s, ": "):
		return Principal{Kind: KindFederated, Name: s}, nil
	}
	return Principal{}, fmt.Errorf("read principal %q: neither an ARN, an account id, a service such as lambda.amazonaws.com nor \"*\"", s)
}

func parsePrincipalARN(arn string) (Principal, error) {
	bad := func(why string) (Principal, error) {
		return Principal{}, fmt.Errorf("read principal %q: %s", arn, why)
	}
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 {
		return bad("not an ARN of six parts")
	}
	service, account, resource := parts[2], parts[4], parts[5]
	p := Principal{ARN: arn, Account: account}
	kind, path, _ := strings.Cut(resource, "/")
	switch {
	case service == "iam" && resource == "root":
		p.Kind, p.Name = KindRoot, "root"
	case service == "iam" && kind == "user" && path != "":
		p.Kind, p.Name = KindUser, lastSegment(path)
	case service == "iam" && kind == "role" && path != "":
		p.Kind, p.Name, p.Role = KindRole, lastSegment(path), arn
	case service == "iam" && (kind == "saml-provider" || kind == "oidc-provider") && path != "":
		p.Kind, p.Name = KindFederated, arn
	case service == "sts" && kind == "federated-user" && path != "":
		p.Kind, p.Name = KindFederatedUser, path
	case service == "sts" && kind == "assumed-role" && strings.Contains(path, "/"):
		role, session, _ := strings.Cut(path, "/")
		p.Kind, p.Name, p.Session = KindSession, role, session
		p.Role = "arn:" + parts[1] + ":iam::" + account + ":role/" + role
	default:
		return bad("not a user, role, assumed role, federated user, identity provider or root")
	}
	return p, nil
}

// ServiceLinked reports whether the principal is a service-linked role, which SCPs and RCPs do not restrict.
func (p *Principal) ServiceLinked() bool {
	if p.Kind != KindRole && p.Kind != KindSession {
		return false
	}
	return strings.Contains(p.Role, ":role/aws-service-role/") || p.Kind == KindSession && strings.HasPrefix(p.Name, "AWSServiceRoleFor")
}

// String is the best name to print.
func (p Principal) String() string {
	switch {
	case p.ARN != "":
		return p.ARN
	case p.Kind == KindAnonymous:
		return "an anonymous caller"
	}
	return p.Name
}

// signed reports whether the principal has IAM policies of its own.
func (p *Principal) signed() bool {
	switch p.Kind {
	case KindUser, KindRole, KindSession, KindRoot, KindFederatedUser:
		return true
	}
	return false
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
	for _, suffix := range []string{".amazonaws.com", ".amazonaws.com.cn", ".amazon.com", ".aws.internal"} {
		if strings.HasSuffix(lower, suffix) && lower != "www.amazon.com" {
			return true
		}
	}
	return false
}
