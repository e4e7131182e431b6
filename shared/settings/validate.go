package settings

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// The shapes of AWS's own identifiers, from the API references of Organizations, KMS and IAM.
var (
	accountShape          = formed(`^\d{12}$`)
	organizationShape     = formed(`^o-[a-z0-9]{10,32}$`)
	rootShape             = formed(`^r-[0-9a-z]{4,32}$`)
	ouShape               = formed(`^ou-([0-9a-z]{4,32})-[a-z0-9]{8,32}$`)
	stageShape            = formed(`^[A-Za-z0-9][A-Za-z0-9-]{0,39}$`)
	principalPatternShape = formed(`^arn:(aws[a-z-]*|\*):iam::(\d{12}|\*):(role|user)/[\w+=,.@*?/-]+$`)
	rolePatternShape      = formed(`^arn:(aws[a-z-]*|\*):iam::(\d{12}|\*):role/[\w+=,.@*?/-]+$`)
)

// validator checks what a decoded configuration means.
type validator struct {
	*sourceMap
	format Format
	config *Config
	now    time.Time // zero: nothing expires
}

func validate(where *sourceMap, format Format, config *Config, now time.Time) {
	v := validator{sourceMap: where, format: format, config: config, now: now}
	v.organization()
	v.regions()
	v.rollout()
	v.keys()
	v.breakGlass()
	v.owners()
	v.waivers()
	v.limits()
	v.retention()
	v.operations()
	v.migration()
}

// shape reports a value that is missing or does not look like what it must be. It answers whether it does.
func (v validator) shape(path, value string, shape *form, what, example string) bool {
	switch {
	case value == "":
		v.problem(path, path+" is missing", "add "+what+" such as "+example)
	case !shape.MatchString(value):
		v.problem(path, fmt.Sprintf("%s %q is not %s", path, value, what), "write it like "+example)
	default:
		return true
	}
	return false
}

func (v validator) organization() {
	o := v.config.Organization
	v.shape("organization.id", o.ID, organizationShape, "an organization id", "o-exampleorgid")
	v.shape("organization.rootId", o.RootID, rootShape, "a root id", "r-ab12")
	v.account("organization.managementAccount", o.ManagementAccount)
	v.account("organization.securityAccount", o.SecurityAccount)
	if o.ManagementAccount == o.SecurityAccount && accountShape.MatchString(o.SecurityAccount) {
		v.problem("organization.securityAccount", "the security account is the management account",
			"use an account of its own: SCPs never reach the management account")
	}
}

func (v validator) account(path, id string) bool {
	return v.shape(path, id, accountShape, "an account id of 12 digits", `"111122223333"`)
}

func (v validator) regions() {
	r := v.config.Regions
	if r.Home == "" {
		v.problem("regions.home", "regions.home is missing", "add the Region of the hub such as us-east-1")
		return
	}
	home := v.region("regions.home", r.Home)
	if !v.written("regions.guarded") {
		return // then it is the home Region
	}
	for i, region := range r.Guarded {
		path := fmt.Sprintf("regions.guarded[%d]", i)
		partition := v.region(path, region)
		if first := slices.Index(r.Guarded, region); first < i {
			v.problem(path, "Region "+region+" is listed twice", "keep one")
		}
		if home != "" && partition != "" && partition != home {
			v.problem(path, fmt.Sprintf("Region %s is in partition %s, the home Region in %s", region, partition, home),
				"deploy each partition from a file of its own")
		}
	}
	if home != "" && !slices.Contains(r.Guarded, r.Home) {
		v.problem("regions.guarded", "the home Region "+r.Home+" is not guarded", "add it to regions.guarded")
	}
}

// region reports a Region without Secrets Manager, and answers the partition of one that has it.
func (v validator) region(path, region string) arn.Partition {
	partition := arn.KnownPartition(region)
	if partition == "" {
		fix := "use the code of a Region, such as us-east-1"
		if near := nearest(region, arn.Regions()); near != "" {
			fix = "did you mean " + near + "?"
		}
		v.problem(path, fmt.Sprintf("Region %q is not known to have Secrets Manager", region), fix)
	}
	return partition
}

// ownPartition reports an ARN that names another partition than that of the home Region: nothing there is ever met here.
func (v validator) ownPartition(path, text string) bool {
	named, home := arn.Of(text), arn.KnownPartition(v.config.Regions.Home)
	if home == "" || named.Partition == "" || arn.Match(string(named.Partition), string(home)) {
		return true
	}
	fix := "name one of partition " + string(home)
	if named.Region == "" || named.Region == "*" {
		fix = "write " + home.New(named.Service, named.Region, named.Account, named.Resource).String()
	}
	v.problem(path, fmt.Sprintf("%s is in partition %s, the home Region in %s", text, named.Partition, home), fix)
	return false
}

func (v validator) rollout() {
	names, owners := map[string]int{}, map[string]string{}
	if len(v.config.Rollout) == 0 {
		v.problem("rollout", "rollout is missing", "add one stage with at least one OU or account")
	}
	for i, stage := range v.config.Rollout {
		path := fmt.Sprintf("rollout[%d]", i)
		if v.shape(path+".name", stage.Name, stageShape, "a stage name", "sandbox") {
			if first, twice := names[stage.Name]; twice {
				v.problem(path+".name", fmt.Sprintf("stage %s is also rollout[%d]", stage.Name, first), "rename one")
			}
			names[stage.Name] = i
		}
		v.mode(path+".mode", stage.Mode)
		v.targets(path, stage, owners)
		v.stageAccounts(path, stage, owners)
		if stage.DenyDefaultKey && !stage.SCP {
			v.problem(path+".denyDefaultKey", "denyDefaultKey without scp has no effect", "set scp: true or remove it")
		}
		if stage.BacklogMigrated && !stage.SCP {
			v.problem(path+".backlogMigrated", "backlogMigrated without scp has no effect", "set scp: true or remove it")
		}
	}
}

func (v validator) mode(path string, mode guard.Mode) {
	if _, err := guard.ParseMode(string(mode)); err == nil {
		return
	}
	names := make([]string, 0, len(guard.Modes()))
	for _, m := range guard.Modes() {
		names = append(names, string(m))
	}
	fix := "use one of " + strings.Join(names, ", ")
	if near := nearest(string(mode), names); near != "" {
		fix = "did you mean " + near + "?"
	}
	v.problem(path, fmt.Sprintf("mode %q is unknown", mode), fix)
}

func (v validator) targets(path string, stage RolloutStage, owners map[string]string) {
	if len(stage.Targets) == 0 {
		v.problem(path+".targets", path+".targets is empty", "add an OU, an account or the root")
	}
	for i, target := range stage.Targets {
		field := fmt.Sprintf("%s.targets[%d]", path, i)
		if !v.targetShape(field, target) {
			continue
		}
		v.listedOnce(field, target, stage.Name, owners)
		if (stage.SCP || stage.ProtectApproval) && target == v.config.Organization.ManagementAccount {
			v.problem(field, "the management account cannot be guarded by an SCP",
				"move it to a stage with scp: false")
		}
	}
}

func (v validator) targetShape(path, target string) bool {
	root := v.config.Organization.RootID
	if parts := ouShape.FindStringSubmatch(target); parts != nil {
		if rootShape.MatchString(root) && parts[1] != strings.TrimPrefix(root, "r-") {
			v.problem(path, fmt.Sprintf("OU %s is not under root %s", target, root),
				"OUs of this root start with ou-"+strings.TrimPrefix(root, "r-")+"-")
			return false
		}
		return true
	}
	if rootShape.MatchString(target) {
		if rootShape.MatchString(root) && target != root {
			v.problem(path, fmt.Sprintf("root %s is not organization.rootId %s", target, root), "use "+root)
			return false
		}
		return true
	}
	if accountShape.MatchString(target) {
		return true
	}
	v.problem(path, fmt.Sprintf("target %q is no OU, root or account id", target),
		"write it like ou-ab12-workloads, r-ab12 or \"111122223333\"")
	return false
}

// enroll checks the OUs that get the member stack: a service-managed StackSet goes by OUs, never by single accounts.
func (v validator) enroll() {
	for i, target := range v.config.Organization.Enroll {
		field := fmt.Sprintf("organization.enroll[%d]", i)
		if target == v.config.Organization.RootID {
			continue // checked where it is written
		}
		if v.targetShape(field, target) && accountShape.MatchString(target) {
			v.problem(field, "account "+target+" cannot be enrolled by itself", "name its OU")
		}
	}
}

// stageAccounts are the accounts of the stage, where its targets are OUs; one may be listed as a target too.
func (v validator) stageAccounts(path string, stage RolloutStage, owners map[string]string) {
	for i, id := range stage.Accounts {
		field := fmt.Sprintf("%s.accounts[%d]", path, i)
		if v.account(field, id) && !slices.Contains(stage.Targets, id) {
			v.listedOnce(field, id, stage.Name, owners)
		}
	}
}

// listedOnce reports an OU or account that was listed before.
func (v validator) listedOnce(path, target, stage string, owners map[string]string) {
	first, taken := owners[target]
	if !taken {
		owners[target] = stage
		return
	}
	if first == stage {
		v.problem(path, target+" is listed twice in stage "+stage, "keep one")
		return
	}
	v.problem(path, fmt.Sprintf("%s is in stage %s already", target, first), "keep it in one stage")
}

func (v validator) breakGlass() {
	v.rolePatterns("breakGlassRoles", v.config.BreakGlass)
	v.enroll()
	v.partners()
	v.rolePatterns("organization.deployRoles", v.config.Organization.DeployRoles)
	v.rolePatterns("operations.roles", v.config.Operations.Roles)
	v.rolePatterns("operations.operators", v.config.Operations.Operators)
}

// partners are accounts, and mean something where a stage has the perimeter that they pass.
func (v validator) partners() {
	for i, account := range v.config.Organization.Partners {
		v.shape(fmt.Sprintf("organization.partners[%d]", i), account, accountShape, "an account id", "444444444444")
	}
	if len(v.config.Organization.Partners) > 0 && !slices.ContainsFunc(v.config.Rollout, func(s RolloutStage) bool { return s.Perimeter }) {
		v.problem("organization.partners", "partners have no effect where no stage has perimeter", "set perimeter: true on a stage or remove them")
	}
}

func (v validator) rolePatterns(list string, patterns []string) {
	for i, pattern := range patterns {
		v.rolePattern(fmt.Sprintf("%s[%d]", list, i), pattern)
	}
}

func (v validator) rolePattern(path, pattern string) {
	example := arn.PartitionOf(v.config.Regions.Home).Role("*", "BreakGlass*")
	if !v.shape(path, pattern, rolePatternShape, "a role ARN or pattern", example) {
		return
	}
	v.ownPartition(path, pattern)
	if strings.Trim(arn.Of(pattern).Name(), "*?/") == "" {
		v.problem(path, fmt.Sprintf("pattern %q matches every role", pattern), "name the role, as in "+example)
	}
}
