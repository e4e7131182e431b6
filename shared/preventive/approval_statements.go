package preventive

import (
	"maps"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/settings"
)

// ourAliases are the aliases of the keys that Doublelock makes.
const ourAliases = "alias/doublelock/*"

// approvesByName reports whether an alias or a tag makes a key one that secrets may be under, or are moved to.
func approvesByName(c settings.Config) bool {
	return c.Keys.Create || len(c.Keys.Approved.Aliases)+len(c.Keys.Approved.Tags) > 0
}

// approvalLayer keeps those who are judged from approving keys themselves. It stands alone: a stage may have it before it
// has the others, so it protects the roles that it exempts by itself. The break-glass roles are not exempt: an incident
// needs keys that work, not keys that are approved.
func approvalLayer(c settings.Config) layer {
	statements := []Statement{ApprovalAliases(c)}
	if len(c.Keys.Approved.Tags) > 0 {
		statements = append(statements, ApprovalTags(c))
	}
	statements = append(statements, ApprovalRoles(c))
	var roles []string
	for _, m := range c.Keys.Approved.Managers {
		roles = append(roles, m.Role)
	}
	return layer{settings.ApprovalSCP, "Nobody approves a key by its alias or tag but those who may.", statements, []settings.Part{
		part("keys.approved.aliases", c.Keys.Approved.Aliases...), part("keys.approved.tags", slices.Sorted(maps.Keys(c.Keys.Approved.Tags))...),
		part("keys.approved.managers", roles...), part("organization.deployRoles", c.Organization.DeployRoles...),
	}}
}

// ApprovalAliases denies making, moving and removing an alias that approves keys, in every Region. An alias is made in the
// caller's own account alone (KMS API reference: CreateAlias has no cross-account use), so the SCP of that account decides.
// A multi-Region replica and a grant bring no alias along.
func ApprovalAliases(c settings.Config) Statement {
	resources := Values{"arn:*:kms:*:*:" + ourAliases}
	for _, alias := range slices.Sorted(slices.Values(c.Keys.Approved.Aliases)) {
		if !arn.Match(ourAliases, alias) {
			resources = append(resources, "arn:*:kms:*:*:"+alias)
		}
	}
	return Statement{
		Sid: "ApprovalAliases", Effect: "Deny",
		Action:    Values{"kms:CreateAlias", "kms:DeleteAlias", "kms:UpdateAlias"},
		Resource:  resources,
		Condition: unlessCalledBy(c.Approvers().Roles(), Condition{}),
		Why:       "Whoever can point an approved alias at a key has approved that key.",
	}
}

// ApprovalTags denies writing and removing the tags that approve keys. Tags given to CreateKey and ReplicateKey ask for
// kms:TagResource as well (KMS API reference); the calls are named beside it where they carry the tags' keys themselves.
// Source: service authorization reference: aws:TagKeys applies to CreateKey, TagResource and UntagResource.
func ApprovalTags(c settings.Config) Statement {
	return Statement{
		Sid: "ApprovalTags", Effect: "Deny",
		Action:   Values{"kms:CreateKey", "kms:ReplicateKey", "kms:TagResource", "kms:UntagResource"},
		Resource: Values{"*"},
		Condition: unlessCalledBy(c.Approvers().Roles(), Condition{
			"ForAnyValue:StringEquals": {"aws:TagKeys": slices.Sorted(maps.Keys(c.Keys.Approved.Tags))},
		}),
		Why: "Whoever can write an approving tag on a key has approved that key.",
	}
}

// ApprovalRoles denies making or changing a role that the layer exempts, except by one that deploys. StackSets' own are made
// by a service-linked role, which no SCP touches.
func ApprovalRoles(c settings.Config) Statement {
	return Statement{
		Sid: "ApprovalRoles", Effect: "Deny",
		Action:    roleWrites,
		Resource:  slices.DeleteFunc(c.Approvers().Roles(), func(role string) bool { return role == c.CDKRole() }),
		Condition: unlessCalledBy(c.Deployers(), Condition{}),
		Why:       "An exemption by name is a bypass for whoever can make a role of that name.",
	}
}
