package preventive

import (
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// roleWrites are the IAM calls that create a role or change who it is or what it may do.
var roleWrites = Values{
	"iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRole*", "iam:DetachRolePolicy", "iam:PutRole*",
	"iam:UpdateAssumeRolePolicy", "iam:UpdateRole*",
}

// ruleWrites are the EventBridge calls that blind a rule.
var ruleWrites = Values{
	"events:DeleteRule", "events:DisableRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets",
}

// ForwardRule denies touching the rules that bring the events to the hub, and those of the hub's own bus, whose ARNs
// have the bus before the rule.
func ForwardRule(c settings.Config) Statement {
	return Statement{
		Sid: "ForwardRule", Effect: "Deny",
		Action:    ruleWrites,
		Resource:  Values{"arn:*:events:*:*:rule/doublelock*"},
		Condition: unlessCalledBy(c.Deployers(), Condition{}),
		Why:       "A disabled forward rule looks exactly like an account in which nothing happens.",
	}
}

// MemberStack denies changing or deleting the stack that made the rules and roles: CloudFormation may do so with a role
// of its own, which the other statements exempt.
func MemberStack(c settings.Config) Statement {
	return Statement{
		Sid: "MemberStack", Effect: "Deny",
		Action: Values{
			"cloudformation:CreateChangeSet", "cloudformation:DeleteStack", "cloudformation:ExecuteChangeSet", "cloudformation:UpdateStack",
		},
		Resource:  Values{"arn:*:cloudformation:*:*:stack/StackSet-doublelock-*"},
		Condition: unlessCalledBy(c.Deployers(), Condition{}),
		Why:       "Whoever deletes the member stack takes our rules and roles with it.",
	}
}

// MemberRoles denies touching the roles the hub assumes and the one that forwards events.
func MemberRoles(c settings.Config) Statement {
	return Statement{
		Sid: "MemberRoles", Effect: "Deny",
		Action:    roleWrites,
		Resource:  Values{"arn:*:iam::*:role/doublelock-*"},
		Condition: unlessCalledBy(c.Deployers(), Condition{}),
		Why:       "Whoever can change our roles can use them, or take away our sight.",
	}
}

// DeployRoles denies making or changing a role with the name of StackSets' execution role, which every other
// statement exempts. The real one is made by a service-linked role, which no SCP touches.
func DeployRoles(settings.Config) Statement {
	return Statement{
		Sid: "DeployRoles", Effect: "Deny",
		Action:   roleWrites,
		Resource: Values{settings.StackSetsRole},
		Why:      "An exemption by name is a bypass for whoever can make a role of that name.",
	}
}

// NamedDeployRoles denies making or changing a role that the configuration exempts as one that deploys, except by one.
// Create them before the SCP is attached.
func NamedDeployRoles(c settings.Config) Statement {
	return Statement{
		Sid: "NamedDeployRoles", Effect: "Deny",
		Action:    roleWrites,
		Resource:  slices.Clone(c.Organization.DeployRoles),
		Condition: unlessCalledBy(c.Deployers(), Condition{}),
		Why:       "An exemption by name is a bypass for whoever can make a role of that name.",
	}
}

// BreakGlassRoles denies making or changing a break-glass role, except by one of them or by the deploy roles. Create
// them before the SCP is attached, or name the role that creates them in organization.deployRoles.
func BreakGlassRoles(c settings.Config) Statement {
	return Statement{
		Sid: "BreakGlassRoles", Effect: "Deny",
		Action:    roleWrites,
		Resource:  slices.Clone(c.BreakGlass),
		Condition: unlessCalledBy(append(c.Deployers(), c.BreakGlass...), Condition{}),
		Why:       "An exemption by name is a bypass for whoever can make a role of that name.",
	}
}

// OurTags denies writing or removing the tags that the guard writes. doublelock:mode is not one of them: it is the
// owner's to ask for more.
func OurTags(c settings.Config) Statement {
	exempt := append(c.Deployers(), memberRole(c, settings.RoleTag))
	return Statement{
		Sid: "OurTags", Effect: "Deny",
		Action:   Values{"secretsmanager:TagResource", "secretsmanager:UntagResource"},
		Resource: Values{"*"},
		Condition: unlessCalledBy(exempt, Condition{
			"ForAnyValue:StringEquals": {"aws:TagKeys": {guard.TagControls, guard.TagSince, guard.TagState}},
		}),
		Why: "The tags say what the guard found; a finding is not resolved by removing its tag.",
	}
}

// memberRole is the ARN pattern of one of our own roles in any member account.
func memberRole(c settings.Config, name string) string {
	return arn.PartitionOf(c.Regions.Home).Role("*", name)
}
