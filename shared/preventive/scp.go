package preventive

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/settings"
)

// Quota is how many characters an SCP may have: what AWS Organizations takes, 10,240 since 15 May 2026.
// Source: AWS Organizations User Guide, quotas.
func Quota() int { return policy.Limits[policy.TypeSCP].Characters }

// MaxDeployed is how many characters of an SCP can be deployed: CloudFormation's AWS::Organizations::Policy, and much
// tooling, still say 5,120. What we render keeps to it.
const MaxDeployed = 5120

// maxTargets is how many roots, OUs and accounts one AWS::Organizations::Policy can be attached to.
const maxTargets = 100

// Kinds of policies, as AWS Organizations names them.
const (
	ServiceControl  = "SERVICE_CONTROL_POLICY"
	ResourceControl = "RESOURCE_CONTROL_POLICY"
)

// SCP is a service control policy, or a resource control policy, as it is deployed.
type SCP struct {
	Kind        string
	Name        string
	Description string
	Statements  []Statement
	Content     string   // minified JSON
	Targets     []string // r-…, ou-… or account ids
}

// Quota is how many characters a policy of its kind may have.
func (s SCP) Quota() int {
	if s.Kind == ResourceControl {
		return policy.Limits[policy.TypeRCP].Characters
	}
	return Quota()
}

// Characters is the size of a policy as Quota counts it.
func (s SCP) Characters() int { return utf8.RuneCountInString(s.Content) }

// layer is one SCP before it knows its targets.
type layer struct {
	name, description string
	statements        []Statement
	grows             []settings.Part // the fields of the configuration that it is made of
}

// SCPs renders the policies for the stages that switch them on, in a fixed order: the keys layer and the tamper layer
// for each stage with scp, the choice layer where it is asked for, the KMS layer instead where its backlog is migrated, the
// approval layer where aliases or tags approve keys. A stage list without scp and protectApproval gives none.
// It errs on a policy over MaxDeployed and names the statements that make it so.
func SCPs(c settings.Config) ([]SCP, error) {
	guarded := targets(c, func(w settings.RolloutStage) bool { return w.SCP })
	protecting := targets(c, settings.RolloutStage.ProtectsApproval)
	if !approvesByName(c) {
		protecting = nil
	}
	choosing := targets(c, func(w settings.RolloutStage) bool { return w.SCP && w.DenyDefaultKey && !w.BacklogMigrated })
	migrated := targets(c, func(w settings.RolloutStage) bool { return w.SCP && w.BacklogMigrated })
	var policies []SCP
	for _, step := range []struct {
		layer   layer
		targets []string
	}{
		{keysLayer(c), guarded},
		{tamperLayer(c), guarded},
		{choiceLayer(c), choosing},
		{kmsLayer(c), migrated},
		{approvalLayer(c), protecting},
	} {
		scps, err := step.layer.attach(step.targets)
		if err != nil {
			return nil, err
		}
		policies = append(policies, scps...)
	}
	return policies, nil
}

// keysLayer stops a secret from getting the wrong key when it is created or updated.
func keysLayer(c settings.Config) layer {
	statements := []Statement{KeyMissing(c), DefaultAlias(c), KeyNotApproved(c)}
	if c.Regions.RestrictReplicas {
		statements = append(statements, ReplicaOutside(c))
	}
	return layer{"doublelock-keys", "Every secret has an approved key of the organization's own.", statements, []settings.Part{
		part("keys.approved", ApprovedKeys(c)...), part("breakGlassRoles", c.BreakGlass...), part("regions.guarded", c.Regions.Guarded...),
	}}
}

// tamperLayer stops the guard from being blinded.
func tamperLayer(c settings.Config) layer {
	statements := []Statement{ForwardRule(c), MemberStack(c), MemberRoles(c), DeployRoles(c)}
	if len(c.Organization.DeployRoles) > 0 {
		statements = append(statements, NamedDeployRoles(c))
	}
	if len(c.BreakGlass) > 0 {
		statements = append(statements, BreakGlassRoles(c))
	}
	statements = append(statements, OurTags(c), KeyInUse(c))
	return layer{"doublelock-tamper", "Nobody but its deploy role switches Doublelock off.", statements, []settings.Part{
		part("breakGlassRoles", c.BreakGlass...), part("organization.deployRoles", c.Organization.DeployRoles...),
	}}
}

// choiceLayer stops choosing the AWS managed key, and not writing under it.
func choiceLayer(c settings.Config) layer {
	return layer{"doublelock-choice", "Nobody chooses the AWS managed key.", []Statement{DefaultKeyChoice(c)}, []settings.Part{
		part("breakGlassRoles", c.BreakGlass...),
	}}
}

// kmsLayer stops writing under the AWS managed key whatever way the write takes.
func kmsLayer(c settings.Config) layer {
	return layer{"doublelock-kms", "Nothing new is written under the AWS managed key.", []Statement{DefaultKeyUse(c)}, []settings.Part{
		part("breakGlassRoles", c.BreakGlass...),
	}}
}

// part is how much of a policy the values of a field take.
func part(field string, values ...string) settings.Part {
	size := 0
	for _, v := range values {
		size += len(v)
	}
	return settings.Part{Field: field, Size: size}
}

// attach renders a layer for its targets, in several policies of one content where there are more than one can have.
func (l layer) attach(targets []string) ([]SCP, error) {
	content, err := NewDocument(l.statements...).JSON()
	if err != nil {
		return nil, err
	}
	if size := utf8.RuneCountInString(content); size > MaxDeployed {
		return nil, &settings.FieldError{
			Field: settings.Largest(l.grows...),
			What:  fmt.Sprintf("the SCP %s has %d characters, and CloudFormation deploys at most %d", l.name, size, MaxDeployed),
			Fix:   "shorten this list: a pattern with * takes the place of many",
		}
	}
	var scps []SCP
	for part := range slices.Chunk(targets, maxTargets) {
		name := l.name
		if len(scps) > 0 {
			name += "-" + strconv.Itoa(len(scps)+1)
		}
		scps = append(scps, SCP{ServiceControl, name, l.description, l.statements, content, part})
	}
	return scps, nil
}

// targets are the targets of the stages that match, each once, in the order of the file.
func targets(c settings.Config, match func(settings.RolloutStage) bool) []string {
	var found []string
	for _, stage := range c.Rollout {
		if !match(stage) {
			continue
		}
		for _, target := range stage.Targets {
			if !slices.Contains(found, target) {
				found = append(found, target)
			}
		}
	}
	return found
}
