package core

import (
	"cmp"
	"maps"
	"net/http"
	"strconv"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// Access is what a call wants to do: the input of one authorisation.
type Access struct {
	Action         string // "sqs:SendMessage"; "" is service:Operation
	Resource       string // ARN, or "*"; "" is "*"
	Name           string // how AWS's error text calls the resource; "" is Resource
	ResourcePolicy string // JSON of the resource's own policy; "" for none
	Owner          string // account of the resource; "" is the account of the location called
	Context        map[string][]string
	Grants         []policy.Grant // of a KMS key
	// ResourceMustAllow says that the resource's policy has to allow or to delegate to IAM, as a key policy and a trust
	// policy do: an identity policy alone is not enough, not even within the account.
	ResourceMustAllow bool
	AWSManagedKey     bool // the resource is a key that AWS manages, which RCPs do not bind
}

// Authorize checks the caller's right to one action and answers AWS's AccessDenied error when there is none. AWS
// services acting by themselves may do everything.
func (c *Call) Authorize(on Access) error {
	if on.Action == "" {
		on.Action = c.Service + ":" + c.Operation
	}
	if on.Resource == "" {
		on.Resource = "*"
	}
	if on.Owner == "" {
		on.Owner = c.Account
	}
	if on.Owner != c.Caller.Account {
		c.owner = on.Owner
	}
	if c.Caller.Service != "" {
		return nil
	}
	request, policies := c.question(on)
	decision := policy.Evaluate(request, policies)
	c.decided(on, request, decision.Answer)
	if decision.Answer == policy.Allowed {
		return nil
	}
	return accessDenied(c, on.Action, cmp.Or(on.Name, on.Resource), why(on.Action, decision, request, policies))
}

// question is the authorisation as the policy language puts it.
func (c *Call) question(on Access) (policy.Request, policy.Policies) {
	a, who := c.AWS, c.Caller
	request := policy.Request{Principal: who.principal(), Action: on.Action, Resource: on.Resource, ResourceAccount: on.Owner, Context: c.context(on)}
	policies := policy.Policies{
		SCPs: a.organization.controls(serviceControlPolicy, who.Account), ManagementPrincipal: a.organization.manages(who.Account),
		RCPs: a.ResourceControls(on.Owner), ManagementResource: a.organization.manages(on.Owner), AWSManagedKey: on.AWSManagedKey,
	}
	if who.isRoot() {
		policies.Identity = allowAll
	}
	if of := a.identityOf(who); of != nil { // none: it was deleted, and has no rights left
		policies.Identity = a.identityPolicies(of)
		policies.Boundary = a.boundaryPolicies(of)
		request.Principal.Tags = of.tags
	}
	if key := a.credentials[who.AccessKeyID]; key != nil && key.sessionPolicy != "" {
		policies.Session = []*policy.Document{a.Parse("session policy", key.sessionPolicy)}
	}
	if on.ResourcePolicy != "" {
		policies.Resource = a.Parse("policy of "+cmp.Or(on.Name, on.Resource), on.ResourcePolicy)
	}
	policies.Grants = on.Grants
	return request, policies
}

// allowAll is what a root user has: no policies, and all rights in the account.
var allowAll = []*policy.Document{policy.MustParse("root user", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)}

// principal is the caller as the policy language sees it.
func (c Caller) principal() policy.Principal {
	p := policy.Principal{ARN: c.ARN, Account: c.Account, Name: arn.Of(c.ARN).Base(), UniqueID: c.PrincipalID}
	switch {
	case c.isRoot():
		p.Kind, p.Name = policy.KindRoot, "root"
	case c.RoleARN != "":
		p.Kind, p.Role, p.Name, p.Session = policy.KindSession, c.RoleARN, arn.Of(c.RoleARN).Base(), c.SessionName
	default:
		p.Kind = policy.KindUser
	}
	return p
}

// identityOf is the role or user behind a caller; nil for root users.
func (a *AWS) identityOf(who Caller) *Identity {
	switch {
	case who.isRoot():
		return nil
	case who.RoleARN != "":
		return a.account(who.Account).roles[arn.Of(who.RoleARN).Base()]
	default:
		return a.account(who.Account).users[arn.Of(who.ARN).Base()]
	}
}

// identityPolicies are the parsed policies of a role or user. They are kept until IAM changes.
func (a *AWS) identityPolicies(of *Identity) []*policy.Document {
	if of.parsed == nil || of.parsedAt != a.iamChanges {
		of.parsed = []*policy.Document{}
		for _, document := range a.documents(of) {
			of.parsed = append(of.parsed, a.Parse("policy of "+of.name, document))
		}
		of.parsedAt = a.iamChanges
	}
	return of.parsed
}

func (a *AWS) boundaryPolicies(of *Identity) []*policy.Document {
	if of.boundary == "" {
		return nil
	}
	document, _ := a.document(of.boundary) // a missing boundary allows nothing
	return []*policy.Document{a.Parse(of.boundary, document)}
}

const mostParsed = 10_000

// Parse reads a policy, and remembers what it read: most calls meet the same few documents.
func (a *AWS) Parse(name, text string) *policy.Document {
	if found, ok := a.parsed[text]; ok {
		return found
	}
	if len(a.parsed) >= mostParsed {
		clear(a.parsed)
	}
	made := policy.Read(name, []byte(text))
	a.parsed[text] = made
	return made
}

// context holds the global condition keys of a call, and those of its service.
func (c *Call) context(on Access) map[string][]string {
	out := make(map[string][]string, 10+len(on.Context))
	out["aws:requestedregion"] = []string{c.Region}
	out["aws:currenttime"] = []string{c.Now.Format("2006-01-02T15:04:05Z")}
	out["aws:epochtime"] = []string{strconv.FormatInt(c.Now.Unix(), 10)}
	out["aws:securetransport"] = []string{"true"}
	out["aws:useragent"] = []string{c.UserAgent}
	out["aws:viaawsservice"] = []string{strconv.FormatBool(c.Via != "")}
	if c.Via != "" {
		out["aws:calledvia"] = []string{c.Via}
	} else if c.SourceIP != "" {
		out["aws:sourceip"] = []string{c.SourceIP}
	}
	c.AWS.organization.describe(out, "aws:principalorg", c.Caller.Account)
	c.AWS.organization.describe(out, "aws:resourceorg", on.Owner)
	maps.Copy(out, on.Context)
	return out
}

// why is the second half of AWS's error text.
func why(action string, d policy.Decision, r policy.Request, p policy.Policies) string {
	if d.Answer == policy.ExplicitlyDenied && len(d.Decided) > 0 {
		by := d.Decided[0]
		text := "with an explicit deny in " + denyNames[by.Type]
		if by.Type == policy.TypeSCP {
			text += ": " + by.Document
		}
		return text
	}
	return "because no " + missing(r, p) + " allows the " + action + " action"
}

var denyNames = map[policy.Type]string{
	policy.TypeIdentity: "an identity-based policy", policy.TypeBoundary: "a permissions boundary", policy.TypeSession: "a session policy",
	policy.TypeSCP: "a service control policy", policy.TypeRCP: "a resource control policy", policy.TypeResource: "a resource-based policy",
	policy.TypeKey: "a resource-based policy", policy.TypeTrust: "a resource-based policy",
}

// missing names the kind of policy whose allow would have been enough, by asking again without each.
func missing(r policy.Request, p policy.Policies) string {
	allowed := func(change func(*policy.Policies)) bool {
		other := p
		change(&other)
		return policy.Evaluate(r, other).Answer == policy.Allowed
	}
	switch {
	case allowed(func(p *policy.Policies) { p.SCPs = nil }):
		return "service control policy"
	case allowed(func(p *policy.Policies) { p.Boundary = nil }):
		return "permissions boundary"
	case allowed(func(p *policy.Policies) { p.Session = nil }):
		return "session policy"
	case allowed(func(p *policy.Policies) { p.Identity = allowAll }):
		return "identity-based policy"
	case p.Resource != nil || r.ResourceAccount != r.Principal.Account:
		return "resource-based policy"
	}
	return "identity-based policy"
}

func accessDenied(c *Call, action, resource, why string) error {
	denied := &Error{Code: "AccessDeniedException", Status: http.StatusBadRequest,
		Message: "User: " + c.Caller.ARN + " is not authorized to perform: " + action}
	switch c.Service {
	case "sts", "iam", "sqs":
		denied.Code, denied.Status = "AccessDenied", http.StatusForbidden
	case "sns":
		denied.Code, denied.Status = "AuthorizationError", http.StatusForbidden
	}
	if resource != "" && resource != "*" {
		denied.Message += " on resource: " + resource
	}
	if why != "" && c.Service != "sts" {
		denied.Message += " " + why
	}
	return denied
}
