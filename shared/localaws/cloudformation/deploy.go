package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
)

// Stack is a CloudFormation template and where it goes.
type Stack struct {
	Name       string
	Template   []byte // JSON, as the CDK synthesizes it
	Account    string
	Region     string
	Parameters map[string]string
}

// Deployed is what came of a stack.
type Deployed struct {
	Name, Account, Region string
	Outputs               map[string]string
	PhysicalIDs           map[string]string // by logical id: what Ref answers
	Inert                 []string          // logical ids of resources that this AWS only notes, sorted
}

// store is CloudFormation's own state. Deployments run one at a time.
type store struct {
	deploying sync.Mutex
	stacks    map[stackKey]*stack
	sets      []*stackSet
}

func stacksOf(a *core.AWS) *store {
	return core.Global(a, func() *store { return &store{stacks: map[stackKey]*stack{}} })
}

type stackKey struct {
	core.Location
	name string
}

// stack is a stack that exists.
type stack struct {
	key      stackKey
	deployed *Deployed
	exports  map[string]string
	made     []*creation // in the order of creation
}

// Deploy creates a stack: every resource by the API call that CloudFormation would make, in the order of what they
// need. When one fails, what was made is removed again, and the error names stack, logical id and property. A stack
// that exists is an error: a template is deployed once. Sections that only guard a deployment (Rules) are not read.
func Deploy(ctx context.Context, a *core.AWS, s Stack) (*Deployed, error) {
	stacksOf(a).deploying.Lock()
	defer stacksOf(a).deploying.Unlock()
	return deployStack(ctx, a, s, cdkRole)
}

// Undeploy deletes a stack, newest resource first. Resources whose deletion policy is Retain stay.
func Undeploy(ctx context.Context, a *core.AWS, name, account, region string) error {
	stacksOf(a).deploying.Lock()
	defer stacksOf(a).deploying.Unlock()
	return undeployStack(ctx, a, stackKey{core.Location{Account: account, Region: region}, name})
}

// The roles that CloudFormation acts by: the CDK's bootstrap role, and the role that StackSets makes in members.
const (
	cdkRole       = "cdk-hnb659fds-cfn-exec-role-%s-%s" // account, Region
	stackSetsRole = "stacksets-exec-0123456789abcdef0123456789abcdef"
)

// deployer is CloudFormation's own session in an account.
func deployer(a *core.AWS, p core.Location, roleName string) core.Caller {
	a.Lock()
	defer a.Unlock()
	if strings.Contains(roleName, "%s") {
		roleName = fmt.Sprintf(roleName, p.Account, p.Region)
	}
	return core.RoleCaller(p.Account, a.AdminUnlessPresent(p.Account, "role", roleName), "AWSCloudFormation")
}

func deployStack(ctx context.Context, a *core.AWS, s Stack, roleName string) (*Deployed, error) {
	key := stackKey{core.Location{Account: s.Account, Region: s.Region}, s.Name}
	if _, exists := stacksOf(a).stacks[key]; exists {
		return nil, fmt.Errorf("deploy stack %s: it exists in %s %s", s.Name, s.Account, s.Region)
	}
	t, err := readTemplate(s.Template)
	if err != nil {
		return nil, fmt.Errorf("deploy stack %s: %w", s.Name, err)
	}
	d := &deployment{
		aws: a, location: key.Location, name: s.Name, caller: deployer(a, key.Location, roleName),
		resolver: newResolver(t, exportsIn(a, key.Location)),
	}
	if err := d.run(ctx, s); err != nil {
		err = errors.Join(err, removeAll(ctx, d.made, true))
		return nil, fmt.Errorf("deploy stack %s in %s %s: %w", s.Name, s.Account, s.Region, err)
	}
	done, exports, err := d.outputs()
	if err != nil {
		err = errors.Join(err, removeAll(ctx, d.made, true))
		return nil, fmt.Errorf("deploy stack %s in %s %s: %w", s.Name, s.Account, s.Region, err)
	}
	stacksOf(a).stacks[key] = &stack{key: key, deployed: done, exports: exports, made: d.made}
	return done, nil
}

func undeployStack(ctx context.Context, a *core.AWS, key stackKey) error {
	found, exists := stacksOf(a).stacks[key]
	if !exists {
		return fmt.Errorf("delete stack %s: it does not exist in %s %s", key.name, key.Account, key.Region)
	}
	if err := removeAll(ctx, found.made, false); err != nil {
		return fmt.Errorf("delete stack %s in %s %s: %w", key.name, key.Account, key.Region, err)
	}
	delete(stacksOf(a).stacks, key)
	return nil
}

// exportsIn are the exported outputs of all stacks of a location.
func exportsIn(a *core.AWS, p core.Location) map[string]string {
	all := map[string]string{}
	for key, s := range stacksOf(a).stacks {
		if key.Location == p {
			maps.Copy(all, s.exports)
		}
	}
	return all
}

// deployment is one stack on its way.
type deployment struct {
	*resolver
	aws      *core.AWS
	location core.Location
	name     string
	caller   core.Caller
	made     []*creation
	inert    []string
}

func (d *deployment) run(ctx context.Context, s Stack) error {
	if err := d.setParameters(s.Parameters, pseudoParameters(s)); err != nil {
		return err
	}
	existing, err := d.existing()
	if err != nil {
		return err
	}
	order, err := d.order(existing)
	if err != nil {
		return err
	}
	for _, id := range order {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := d.create(ctx, id, existing[id]); err != nil {
			return fmt.Errorf("%s (%s): %w", id, existing[id].Type, err)
		}
	}
	return nil
}

// existing are the resources whose condition holds. Types are checked before anything is made.
func (d *deployment) existing() (map[string]templateResource, error) {
	existing := map[string]templateResource{}
	for _, id := range slices.Sorted(maps.Keys(d.template.Resources)) {
		resource := d.template.Resources[id]
		if _, known := makerOf(resource.Type); !known {
			return nil, fmt.Errorf("%s: resource type %s is not known here", id, resource.Type)
		}
		if resource.Condition != "" {
			holds, err := d.condition(resource.Condition)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", id, err)
			}
			if !holds {
				continue
			}
		}
		existing[id] = resource
	}
	return existing, nil
}

func (d *deployment) create(ctx context.Context, id string, resource templateResource) error {
	resolved, err := d.resolve(resource.Properties, "Properties")
	if err != nil {
		return err
	}
	properties, _ := resolved.(map[string]any)
	c := &creation{
		aws: d.aws, location: d.location, caller: d.caller, stack: d.name, logicalID: id, kind: resource.Type,
		properties: properties, retained: strings.HasPrefix(resource.DeletionPolicy, "Retain"),
	}
	d.made = append(d.made, c) // before it is whole: half a resource has to be removed as well
	maker, _ := makerOf(resource.Type)
	result, err := maker(ctx, c)
	if err != nil {
		return err
	}
	if result.inert {
		d.inert = append(d.inert, id)
	}
	d.physical[id] = result.id
	d.attributes[id] = result.attributes
	return nil
}

func (d *deployment) outputs() (*Deployed, map[string]string, error) {
	done := &Deployed{Name: d.name, Account: d.location.Account, Region: d.location.Region,
		Outputs: map[string]string{}, PhysicalIDs: d.physical, Inert: d.inert}
	slices.Sort(done.Inert)
	exports := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(d.template.Outputs)) {
		output := d.template.Outputs[name]
		if output.Condition != "" {
			if holds, err := d.condition(output.Condition); err != nil || !holds {
				if err != nil {
					return nil, nil, fmt.Errorf("output %s: %w", name, err)
				}
				continue
			}
		}
		value, err := d.text(output.Value, "Value")
		if err != nil {
			return nil, nil, fmt.Errorf("output %s: %w", name, err)
		}
		done.Outputs[name] = value
		if output.Export.Name == nil {
			continue
		}
		export, err := d.text(output.Export.Name, "Export.Name")
		if err != nil {
			return nil, nil, fmt.Errorf("output %s: %w", name, err)
		}
		if _, taken := d.exports[export]; taken {
			return nil, nil, fmt.Errorf("output %s: another stack exports %s", name, export)
		}
		exports[export] = value
	}
	return done, exports, nil
}

func pseudoParameters(s Stack) map[string]any {
	partition := arn.PartitionOf(s.Region)
	return map[string]any{
		"AWS::AccountId": s.Account, "AWS::Region": s.Region, "AWS::Partition": string(partition), "AWS::URLSuffix": partition.Suffix(),
		"AWS::StackName": s.Name, "AWS::NotificationARNs": []any{},
		"AWS::StackId": partition.New("cloudformation", s.Region, s.Account, "stack/"+s.Name+"/local").String(),
	}
}
