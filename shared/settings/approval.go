package settings

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
)

// ApprovalSCP is the name of the service control policy that keeps people from writing the aliases and tags that approve
// keys. Where it has more targets than one policy takes, the next are named ApprovalSCP-2 and so on.
const ApprovalSCP = "doublelock-approval"

// IsApprovalSCP reports whether a policy has the name of one of ours that protect approval.
func IsApprovalSCP(name string) bool {
	return name == ApprovalSCP || strings.HasPrefix(name, ApprovalSCP+"-")
}

// ProtectsApproval reports whether ApprovalSCP is attached to the targets of the stage.
func (s RolloutStage) ProtectsApproval() bool { return s.SCP || s.ProtectApproval }

// byName reports whether keys are approved by what people can write on them.
func (a Approved) byName() bool { return len(a.Aliases)+len(a.Tags) > 0 }

// StackSetsRole is the execution role that service-managed StackSets make in every member account.
const StackSetsRole = "arn:*:iam::*:role/stacksets-exec-*"

// Approvers are the roles that may write the aliases and tags that approve keys, as ARN patterns: ApprovalSCP exempts them, and
// nobody else.
type Approvers struct {
	Managers  []string `json:"managers,omitempty"`
	Deployers []string `json:"deployers,omitempty"` // who may make and change the roles of both, too
}

// Roles are all of them, each once.
func (a Approvers) Roles() []string {
	roles := slices.Clone(a.Deployers)
	for _, m := range a.Managers {
		if !slices.Contains(roles, m) {
			roles = append(roles, m)
		}
	}
	return roles
}

// Approvers are the roles that the file lets approve keys by alias or tag.
func (c Config) Approvers() Approvers {
	var a Approvers
	for _, m := range c.Keys.Approved.Managers {
		a.Managers = append(a.Managers, m.Role)
	}
	a.Deployers = c.Deployers()
	return a
}

// Deployers are the roles that may change what Doublelock deployed: StackSets in the members, CDK's CloudFormation
// role in the security account alone (in a member it would let anybody who can deploy there disable the guard), and
// those the configuration names. The management account needs none: SCPs do not apply to it.
func (c Config) Deployers() []string {
	return append([]string{StackSetsRole, c.CDKRole()}, c.Organization.DeployRoles...)
}

// CDKRole is CloudFormation's role in the security account.
func (c Config) CDKRole() string {
	return "arn:*:iam::" + c.Organization.SecurityAccount + ":role/cdk-*-cfn-exec-role-*"
}

func (v validator) managers() {
	a := v.config.Keys.Approved
	for i, m := range a.Managers {
		path := fmt.Sprintf("keys.approved.managers[%d]", i)
		v.rolePattern(path+".role", m.Role)
		if strings.TrimSpace(m.Reason) == "" {
			v.problem(path+".reason", path+".reason is missing", "say why it approves keys")
		}
	}
	if len(a.Managers) > 0 && !a.byName() && !v.config.Keys.Create {
		v.problem("keys.approved.managers", "managers without aliases or tags have no effect", "name an alias or tag that they write, or remove them")
	}
}

// Warnings is what a valid file says that does less than it seems to, in the order of the file.
func (f *File) Warnings() Problems {
	a := f.Config.Keys.Approved
	if !a.byName() {
		return nil
	}
	where := newSourceMap(f.where.file)
	where.at = f.where.at
	var open []string
	for i, stage := range f.Config.Rollout {
		if stage.ProtectsApproval() {
			continue
		}
		open = append(open, stage.Name)
		if stage.Mode == guard.ModeRemediate && len(a.Accounts)+len(a.ARNs) == 0 {
			where.problem(fmt.Sprintf("rollout[%d].mode", i), "stage "+stage.Name+" remediates, and no key is approved there: aliases and tags are its own people's to write",
				"set protectApproval: true, or approve a key by account or ARN")
		}
	}
	if len(open) == 0 {
		return where.sorted()
	}
	const fix = "set protectApproval: true or scp: true there, or approve its keys by account or ARN"
	for i, alias := range a.Aliases {
		where.problem(fmt.Sprintf("keys.approved.aliases[%d]", i), fmt.Sprintf("in stage %s the owner of a key can move %s, so it approves none there", strings.Join(open, ", "), alias), fix)
	}
	if len(a.Tags) > 0 {
		where.problem("keys.approved.tags", fmt.Sprintf("in stage %s the owner of a key can write its tags, so they approve none there", strings.Join(open, ", ")), fix)
	}
	for i := range where.problems {
		where.problems[i].Warning = true
	}
	return where.sorted()
}
