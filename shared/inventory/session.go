package inventory

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// askers are a principal and what it acts as without taking a role: of a role the sessions that some policy names, of a user the
// sessions of sts:GetFederationToken that one names. Each may be what opens a lock; a session whose name nobody is known to choose
// opens nothing for certain.
func (a *Access) askers(principalARN string) ([]*asker, error) {
	var out []*asker
	for _, name := range a.variants(principalARN) {
		w, err := a.asker(name)
		if err != nil {
			return nil, fmt.Errorf("ask for %s: %w", principalARN, err)
		}
		if name != principalARN {
			w.as = "session " + w.principal.Session
			if of := a.principals[principalARN]; of != nil && !nameable(a.documents.read("trust policy of "+of.ARN, of.Trust), w.principal.Session) {
				w.only = "only as " + w.as + ", and nobody is known to choose that name: the role's trust policy lets neither principals nor identity providers take it so"
			}
		}
		out = append(out, w)
	}
	if len(out) == 1 && out[0].principal.Kind == policy.KindUser {
		out = append(out, a.federatedBy(out[0])...)
	}
	return out, nil
}

// nameable reports whether somebody whom a trust policy lets in chooses the name of the session: whoever takes the role itself, or
// whom an identity provider signs in. A service names the sessions of what it runs.
// Source: IAM User Guide, "IAM and AWS STS condition context keys", sts:RoleSessionName.
func nameable(trust *policy.Document, session string) bool {
	return trust.Err() == nil && slices.ContainsFunc(trust.Statements, func(s policy.Statement) bool {
		if s.Effect != policy.Allow || s.Principal != nil && !s.Principal.All && len(s.Principal.AWS) == 0 && len(s.Principal.Federated) == 0 {
			return false
		}
		if !s.About(assumeRole) && !s.About(assumeRoleWithSAML) && !s.About(assumeRoleWithWebIdentity) {
			return false
		}
		return !slices.ContainsFunc(s.Conditions, func(c policy.Condition) bool {
			return strings.EqualFold(c.Key, "sts:RoleSessionName") &&
				!(affirms(c) && slices.ContainsFunc(c.Values, func(v string) bool {
					return v == session || strings.HasSuffix(c.Operator, "Like") && arn.Match(v, session)
				}))
		})
	})
}

// providersOf are the identity providers that a trust policy lets sign sessions in.
func providersOf(trust *policy.Document) []string {
	var out []string
	if trust.Err() != nil {
		return nil
	}
	for _, s := range trust.Statements {
		if s.Effect == policy.Allow && s.Principal != nil {
			out = append(out, s.Principal.Federated...)
		}
	}
	return out
}

const (
	federationToken = "sts:GetFederationToken"
	tagSession      = "sts:TagSession"
)

// ofItsChoice is a name that a user may choose for a session of sts:GetFederationToken, and that no policy is known to mean.
const ofItsChoice = "of-its-choice"

// byFederation are the condition keys whose values are others for such a session than for the user.
// Source: IAM User Guide, "AWS global condition context keys": aws:PrincipalArn, aws:PrincipalType, aws:userid, aws:username.
var byFederation = []string{"aws:principalarn", "aws:principaltype", "aws:userid", "aws:username"}

// federatedBy are the sessions of sts:GetFederationToken that policies name and that a user may get, and one of a name of its choice
// where a policy decides by what the user is. The session policy that it passes is its own choice; a policy that names the session
// needs none.
// Source: STS API Reference, GetFederationToken; IAM User Guide, "Session policies".
func (a *Access) federatedBy(user *asker) []*asker {
	var out []*asker
	names := a.federated[user.principal.Account]
	chosen := arn.Of(user.principal.ARN).Partition.New("sts", "", user.principal.Account, "federated-user/"+ofItsChoice).String()
	if a.decidesBy(byFederation...) || a.decidesBy("aws:principaltag/") && !denied(a.mayFederate(user, chosen, tagSession)) {
		names = append(slices.Clip(names), chosen)
	}
	for _, name := range names {
		p, err := policy.ParsePrincipal(name)
		if err != nil {
			continue
		}
		may := a.mayFederate(user, name, federationToken)
		if denied(may) {
			continue
		}
		w := *user
		w.as = "federated user " + p.Name
		if may != policy.Allowed {
			w.only = "only as its " + w.as + ", and whether it may get one (" + federationToken + ") is not known"
		}
		w.principal = p
		w.principal.User = user.principal.ARN
		w.principal.OrganizationID, w.principal.OrganizationPath = user.principal.OrganizationID, user.principal.OrganizationPath
		w.policies.Session = []*policy.Document{everything}
		w.unknown, w.absent = append(slices.Clone(user.unknown), principalTags), slices.DeleteFunc(slices.Clone(user.absent), func(key string) bool { return key == principalTags })
		out = append(out, &w)
	}
	return out
}

// mayFederate says whether a user may do something to a session that it gets by sts:GetFederationToken.
func (a *Access) mayFederate(user *asker, name, action string) policy.Answer {
	t := policy.Target{ARN: name, Account: user.principal.Account, Kind: policy.ResourcePlain}
	a.addResourceOrganization(&t)
	return ask(user, &t, action).Answer
}

// certainty is how open a lock is to somebody: 0 closed, 1 perhaps, 2 certainly.
func (w *asker) certainty(answer policy.Answer) int8 { return int8(openness(w.capped(answer))) }

// capped is an answer to somebody who opens nothing for certain.
func (w *asker) capped(answer policy.Answer) policy.Answer {
	if w.only != "" && answer == policy.Allowed {
		return policy.Unknown
	}
	return answer
}
