package core

import "github.com/doublelock/doublelock/shared/policy"

// Decision is one evaluation of policies: what was asked, the documents as somebody attached them, and the answer.
type Decision struct {
	Request             policy.Request
	Identity            []string // JSON, of the principal and its groups; a root user has none, and needs none
	Boundary            []string // JSON; nil for no permissions boundary
	Session             []string // JSON; nil for no session policy
	SCPs                [][]string
	RCPs                [][]string // none over the management account's resources and keys that AWS manages
	Resource            string     // JSON of the resource's, the key's or the trust policy; "" for none
	Grants              []policy.Grant
	ManagementPrincipal bool // the principal's account is the organization's management account
	Answer              policy.Answer
}

// decided gives a decision to whoever wants to see them.
func (c *Call) decided(on Access, request policy.Request, answer policy.Answer) {
	a, who := c.AWS, c.Caller
	if a.Options.OnDecision == nil {
		return
	}
	d := Decision{Request: request, Resource: on.ResourcePolicy, Grants: on.Grants, Answer: answer,
		SCPs: a.organization.controlTexts(serviceControlPolicy, who.Account), ManagementPrincipal: a.organization.manages(who.Account)}
	if !on.AWSManagedKey {
		d.RCPs = a.ResourceControlTexts(on.Owner)
	}
	if of := a.identityOf(who); of != nil {
		d.Identity = a.documents(of)
		if of.boundary != "" {
			document, _ := a.document(of.boundary)
			d.Boundary = []string{document}
		}
	}
	if key := a.credentials[who.AccessKeyID]; key != nil && key.sessionPolicy != "" {
		d.Session = []string{key.sessionPolicy}
	}
	a.Options.OnDecision(d)
}
