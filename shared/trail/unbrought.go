package trail

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

// unbrought are calls that take our sight away and that no rule brings, by the parameter that names what they are about; "" for those that are
// about all of an account. What they do comes to light where SCPs deny it or a pulse does not arrive. Who reads a trail afterwards has them all.
// Of EventBridge a rule for each would cost every account one more, and IAM's, Organizations' and the account's events reach us-east-1 alone.
var unbrought = map[callID]struct {
	parameter string
	ours      func(name string) bool
	reason    string
}{
	{"iam", "AttachRolePolicy"}:              {"roleName", ourRole, changedRole},
	{"iam", "DeleteRole"}:                    {"roleName", ourRole, "one of our roles was deleted"},
	{"iam", "DeleteRolePermissionsBoundary"}: {"roleName", ourRole, changedRole},
	{"iam", "DeleteRolePolicy"}:              {"roleName", ourRole, changedRole},
	{"iam", "DetachRolePolicy"}:              {"roleName", ourRole, changedRole},
	{"iam", "PutRolePermissionsBoundary"}:    {"roleName", ourRole, changedRole},
	{"iam", "PutRolePolicy"}:                 {"roleName", ourRole, changedRole},
	{"iam", "UpdateAssumeRolePolicy"}:        {"roleName", ourRole, "who may assume one of our roles was changed"},
	{"iam", "UpdateRole"}:                    {"roleName", ourRole, changedRole},

	{"cloudformation", "DeactivateOrganizationsAccess"}: {"", nil, "StackSets may deploy to accounts of the organization no more"},
	{"cloudformation", "DeleteStack"}:                   {"stackName", ourStack, "our stack was deleted, with its rules and roles"},
	{"cloudformation", "DeleteStackInstances"}:          {"stackSetName", ourStack, "our stack was taken away from accounts, with its rules and roles"},
	{"cloudformation", "DeleteStackSet"}:                {"stackSetName", ourStack, "the StackSet of our stacks was deleted"},
	{"cloudformation", "ExecuteChangeSet"}:              {"stackName", ourStack, "our stack was changed"},
	{"cloudformation", "UpdateStack"}:                   {"stackName", ourStack, "our stack was changed"},

	{"account", "CloseAccount"}:  {"", nil, "the account was closed: nothing of it is seen any more"},
	{"account", "DisableRegion"}: {"", nil, "a Region was disabled: nothing of it is seen any more"},

	{organizations, "DeregisterDelegatedAdministrator"}: {"servicePrincipal", func(name string) bool { return slices.Contains(trusted, name) },
		"the account that we are deployed from, or that the trail is managed by, is so no more"},
	{cloudTrail, "DeregisterOrganizationDelegatedAdmin"}: {"", nil, "the account that manages the trail of the organization does so no more"},
}

const changedRole = "what one of our roles may do was changed"

// ourRole reports whether a name is that of one of our roles, or of StackSets', which SCPs except.
func ourRole(name string) bool {
	return strings.HasPrefix(name, SessionPrefix) || strings.HasPrefix("role/"+name, strings.TrimSuffix(stackSets, "*"))
}

// ourStack reports whether a name or ARN is that of a stack of ours or of their StackSet.
func ourStack(id string) bool {
	if at := arn.Of(id); at != (arn.ARN{}) {
		_, id = at.Split()
	}
	id, _, _ = strings.Cut(id, "/")
	return strings.HasPrefix(strings.ToLower(strings.TrimPrefix(id, "StackSet-")), SessionPrefix)
}

// InTrail is the change as whoever reads a whole trail has to take it: calls that take our sight away are Tamper too where no rule brings them.
func (r Record) InTrail() Change {
	c := r.Change
	row, known := unbrought[callID{strings.TrimSuffix(c.EventSource, ".amazonaws.com"), c.EventName}]
	if !known || c.DetailType != apiCall {
		return c
	}
	request := r.Details().Request
	named := member(request, row.parameter)
	unsaid := ""
	switch {
	case c.ErrorCode != "":
		c.Reason = "failed with " + c.ErrorCode + ", nothing changed"
		return c
	case row.parameter != "" && named == "" && (request == nil || c.Lacks("requestParameters")):
		unsaid = "requestParameters, which says what it is about"
	case row.parameter != "" && !row.ours(named):
		c.Reason = "not about anything of ours"
		return c
	case c.Actor.ServiceLinked(), c.Actor.InvokedBy != "" && !strings.HasPrefix(c.EventName, "Delete") && arn.Match(stackSets, arn.Of(c.Actor.PrincipalARN()).Resource):
		c.Reason = "StackSets deployed it"
		return c
	case c.Lacks("errorCode"):
		unsaid = "errorCode, which says whether the call succeeded"
	}
	c.Target = named
	if c.Kind, c.Reason = Tamper, row.reason+"; no rule brings this call, it is seen in the trail alone"; unsaid != "" {
		c.Kind, c.Reason = Unknown, "not known: the export has no "+unsaid
	}
	return c
}
