package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// stackSet is a template that is instantiated in accounts and Regions.
type stackSet struct {
	name        string
	id          string
	template    []byte
	parameters  map[string]string
	groups      []stackSetGroup
	autoDeploys bool
	instances   []stackKey // in the order of creation
}

// stackSetGroup is where to instantiate, and with which other parameters.
type stackSetGroup struct {
	DeploymentTargets struct {
		OrganizationalUnitIds, Accounts []string //nolint:revive // AWS's own names
		AccountFilterType               string
	}
	Regions            []string
	ParameterOverrides []stackSetParameter
}

type stackSetParameter struct{ ParameterKey, ParameterValue string }

// maxTemplateBody is the longest template that can be passed inline, in bytes (CloudFormation quotas).
const maxTemplateBody = 51200

func stackSetMakers() map[string]maker {
	return map[string]maker{"AWS::CloudFormation::StackSet": makeStackSet}
}

type stackSetProperties struct {
	StackSetName, PermissionModel, TemplateBody, Description, CallAs string
	Parameters                                                       []stackSetParameter
	StackInstancesGroup                                              []stackSetGroup
	AutoDeployment                                                   struct {
		Enabled, RetainStacksOnAccountRemoval truth
		DependsOn                             []string
	}
	Capabilities, ManagedExecution, OperationPreferences, Tags ignored
	AdministrationRoleARN, ExecutionRoleName                   ignored
}

func (p stackSetProperties) check() error {
	switch {
	case p.PermissionModel != "SERVICE_MANAGED":
		return wrong("PermissionModel", fmt.Errorf("%q; only SERVICE_MANAGED is known here", p.PermissionModel))
	case p.TemplateBody == "":
		return wrong("TemplateBody", errors.New("missing"))
	case len(p.TemplateBody) > maxTemplateBody:
		return wrong("TemplateBody", fmt.Errorf("%d bytes, at most %d can be inline", len(p.TemplateBody), maxTemplateBody))
	}
	return nil
}

// makeStackSet instantiates a service-managed stack set. As in AWS, the management account never gets an instance.
func makeStackSet(ctx context.Context, c *creation) (made, error) {
	var p stackSetProperties
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	if err := p.check(); err != nil {
		return made{}, err
	}
	set := &stackSet{
		name: p.StackSetName, id: p.StackSetName + ":" + c.nameOr("", 32), template: []byte(p.TemplateBody), parameters: map[string]string{},
		groups: p.StackInstancesGroup, autoDeploys: bool(p.AutoDeployment.Enabled),
	}
	for _, parameter := range p.Parameters {
		set.parameters[parameter.ParameterKey] = parameter.ParameterValue
	}
	stacksOf(c.aws).sets = append(stacksOf(c.aws).sets, set)
	c.undo = append(c.undo, func(ctx context.Context) error { return removeStackSet(ctx, c.aws, set) })
	for i := range set.groups {
		accounts, err := stackSetAccounts(c.aws, &set.groups[i])
		if err != nil {
			return made{}, wrong(fmt.Sprintf("StackInstancesGroup[%d].DeploymentTargets", i), err)
		}
		if err := instantiate(ctx, c.aws, set, &set.groups[i], accounts); err != nil {
			return made{}, err
		}
	}
	return made{id: set.id, attributes: map[string]any{"StackSetId": set.id}}, nil
}

// instantiate deploys the set's template in accounts and the group's Regions, where it is not yet.
func instantiate(ctx context.Context, a *core.AWS, set *stackSet, group *stackSetGroup, accounts []string) error {
	parameters := map[string]string{}
	for key, value := range set.parameters {
		parameters[key] = value
	}
	for _, override := range group.ParameterOverrides {
		parameters[override.ParameterKey] = override.ParameterValue
	}
	for _, account := range accounts {
		for _, region := range group.Regions {
			key := stackKey{core.Location{Account: account, Region: region}, "StackSet-" + set.name}
			if slices.Contains(set.instances, key) {
				continue
			}
			instance := Stack{Name: key.name, Template: set.template, Account: account, Region: region, Parameters: parameters}
			if _, err := deployStack(ctx, a, instance, stackSetsRole); err != nil {
				return err
			}
			set.instances = append(set.instances, key)
		}
	}
	return nil
}

// stackSetAccounts are the accounts that a group targets, sorted: those in its OUs, narrowed or widened by Accounts.
func stackSetAccounts(a *core.AWS, group *stackSetGroup) ([]string, error) {
	a.Lock()
	defer a.Unlock()
	paths := a.MemberPaths()
	if paths == nil {
		return nil, errors.New("there is no organization")
	}
	targets := group.DeploymentTargets
	for _, unit := range targets.OrganizationalUnitIds {
		if !a.HasUnit(unit) {
			return nil, fmt.Errorf("OrganizationalUnitIds: no root or OU %s", unit)
		}
	}
	var accounts []string
	for id, path := range paths {
		if group.covers(id, path) {
			accounts = append(accounts, id)
		}
	}
	slices.Sort(accounts)
	return accounts, nil
}

// covers reports whether the group's targets name an account with its path from the root.
func (g *stackSetGroup) covers(account string, path []string) bool {
	inUnit := false
	for _, parent := range path {
		inUnit = inUnit || slices.Contains(g.DeploymentTargets.OrganizationalUnitIds, parent)
	}
	listed := slices.Contains(g.DeploymentTargets.Accounts, account)
	switch g.DeploymentTargets.AccountFilterType {
	case "INTERSECTION":
		return inUnit && listed
	case "DIFFERENCE":
		return inUnit && !listed
	case "UNION":
		return inUnit || listed
	default:
		return inUnit
	}
}

// Enroll gives an account that joined the organization, or moved within it, the instances of every stack set that
// deploys by itself. AWS does so some minutes after the account came; it heeds no account filter then.
func Enroll(ctx context.Context, a *core.AWS, account string) error {
	stacksOf(a).deploying.Lock()
	defer stacksOf(a).deploying.Unlock()
	for _, set := range stacksOf(a).sets {
		if !set.autoDeploys {
			continue
		}
		for i := range set.groups {
			if !inUnits(a, account, set.groups[i].DeploymentTargets.OrganizationalUnitIds) {
				continue
			}
			if err := instantiate(ctx, a, set, &set.groups[i], []string{account}); err != nil {
				return fmt.Errorf("enroll %s in stack set %s: %w", account, set.name, err)
			}
		}
	}
	return nil
}

func inUnits(a *core.AWS, account string, units []string) bool {
	a.Lock()
	defer a.Unlock()
	return slices.ContainsFunc(a.MemberPaths()[account], func(parent string) bool { return slices.Contains(units, parent) })
}

// removeStackSet deletes a stack set with its instances, newest first.
func removeStackSet(ctx context.Context, a *core.AWS, set *stackSet) error {
	var failures []error
	for i := len(set.instances) - 1; i >= 0; i-- {
		failures = append(failures, undeployStack(ctx, a, set.instances[i]))
	}
	set.instances = nil
	stacksOf(a).sets = slices.DeleteFunc(stacksOf(a).sets, func(other *stackSet) bool { return other == set })
	return errors.Join(failures...)
}
