package inventory

import (
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// Power is a right to change what decides who opens what: with it a principal may open more than it opens now.
type Power struct {
	Action   string
	Resource string // ARN
	Certain  bool
	Why      string // what it can be used for
}

// powers are the actions that open locks, by what they are about.
// Source: Service Authorization Reference, IAM, AWS STS, AWS Lambda, AWS KMS and AWS Secrets Manager, actions of the access levels
// "Permissions management" and "Write" that give rights, or give a value away.
var powers = []struct {
	on      part
	why     string
	actions []string
	when    []string // condition keys, in lower case: it matters only where some policy of the snapshot decides by one; nil: always
}{
	{onRoles, "gives the role rights, or the role to others", []string{"iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
		"iam:UpdateAssumeRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"}, nil},
	{onUsers, "gives the user rights, or its credentials to others", []string{"iam:AttachUserPolicy", "iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:DetachUserPolicy",
		"iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile", "iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"}, nil},
	{onGroups, "gives the members of the group rights, or makes a member", []string{"iam:AddUserToGroup", "iam:AttachGroupPolicy", "iam:PutGroupPolicy"}, nil},
	{onPolicies, "changes the rights of whoever has the policy", []string{"iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"}, nil},
	{onPassed, "lets a service run code with the role", []string{"iam:PassRole"}, nil},
	{onSecrets, "lets others read it, or puts it elsewhere", []string{"secretsmanager:PutResourcePolicy", "secretsmanager:DeleteResourcePolicy", "secretsmanager:ReplicateSecretToRegions",
		"secretsmanager:AssociateCrossAccountReplica", "secretsmanager:UpdateSecret"}, nil},
	{onSecrets, "changes its tags, by which policies decide", []string{"secretsmanager:TagResource", "secretsmanager:UntagResource"}, byTag},
	{onSecrets, "moves its labels, by which policies decide", []string{"secretsmanager:UpdateSecretVersionStage"}, []string{"secretsmanager:versionstage"}},
	{onSecrets, "sets the function that rotates it, by which policies decide", []string{"secretsmanager:RotateSecret", "secretsmanager:CancelRotateSecret"},
		[]string{"secretsmanager:resource/allowrotationlambdaarn"}},
	{onSecrets, "makes a replica a primary, by which policies decide", []string{"secretsmanager:StopReplicationToReplica"}, []string{"secretsmanager:secretprimaryregion"}},
	{onDeleted, "brings the secret back", []string{"secretsmanager:RestoreSecret"}, nil},
	{onKeys, "lets others use the key", []string{"kms:PutKeyPolicy", "kms:CreateGrant"}, nil},
	{onMultiRegionKeys, "lets others use the key, by a replica with a policy of its own", []string{replicateKey}, nil},
	{onKeys, "changes the tags of the key, by which policies decide", []string{"kms:TagResource", "kms:UntagResource"}, byTag},
	{onKeys, "changes the aliases of the key, by which policies decide", []string{"kms:CreateAlias", "kms:UpdateAlias", "kms:DeleteAlias"},
		[]string{"kms:resourcealiases", "kms:requestalias"}},
	{onAliases, "moves the alias by which a secret names its key", []string{"kms:UpdateAlias"}, nil},
	{onClosedKeys, "brings the key back", []string{"kms:EnableKey", "kms:CancelKeyDeletion", "kms:ImportKeyMaterial"}, nil},
	{onRoles, "changes the tags of the role, by which policies decide", []string{"iam:TagRole", "iam:UntagRole"}, byTag},
	{onUsers, "changes the tags of the user, by which policies decide", []string{"iam:TagUser", "iam:UntagUser"}, byTag},
	{onFunctions, "changes the code that rotates the secret", []string{"lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"}, nil},
}

// byTag are the families of keys by which policies decide that look at tags.
var byTag = []string{"aws:resourcetag/", "aws:principaltag/", "secretsmanager:resourcetag/", "iam:resourcetag/"}

// part is a kind of resource.
type part int

const (
	onRoles part = iota
	onUsers
	onGroups
	onPolicies
	onPassed // roles that services of AWS may take
	onSecrets
	onDeleted // secrets whose deletion is scheduled
	onKeys
	onMultiRegionKeys
	onAliases    // by which secrets name their keys
	onClosedKeys // that open nothing as they are
	onFunctions  // that rotate secrets
	onTrusts     // roles as they are to be taken
)

// Powers lists the rights of a principal (role, user or session) to change what decides who opens other secrets than some, those
// that are certain first. Root users have them all.
func (a *Access) Powers(principalARN string, but []string) ([]Power, error) {
	a.bulkPower.Do(func() { a.changeable = a.changeables() })
	var certain, perhaps []Power
	askers, err := a.askers(principalARN)
	if err != nil {
		return nil, err
	}
	for _, w := range askers {
		for _, row := range powers {
			if row.when != nil && !a.decidesBy(row.when...) {
				continue
			}
			targets := a.changeable[row.on]
			for _, action := range row.actions {
				q := targets.index.Ask(policy.Request{Principal: w.principal, Action: action, Open: true, Unknown: w.unknown, Absent: w.absent}, w.policies)
				for i := range q.Candidates() {
					p := Power{Action: action, Resource: targets.arns[i], Why: row.why}
					if opens := targets.opens[i]; len(opens) > 0 && !slices.ContainsFunc(opens, func(secret string) bool { return !slices.Contains(but, secret) }) {
						continue
					}
					answer := w.capped(q.Answer(i))
					if takesKey(action) && !denied(answer) && !a.mayUseKey(w, targets.arns[i]) {
						continue
					}
					if action == replicateKey && (a.abroad(w, arn.Of(targets.arns[i]).Account) || denied(a.mayAnywhere(w, "kms:CreateKey"))) {
						continue
					}
					if row.on == onKeys && strings.HasSuffix(action, "Alias") && !denied(answer) && !a.mayNameAlias(w, action, targets.arns[i]) {
						continue
					}
					switch {
					case answer == policy.Allowed && row.on != onPassed: // which takes the right to make the service run something, too
						p.Certain = true
						certain = append(certain, p)
					case !denied(answer):
						perhaps = append(perhaps, p)
					}
				}
			}
		}
	}
	return append(certain, perhaps...), nil
}

// replicateKey makes a key of another Region with the same material and a policy of the caller's choice. It takes kms:CreateKey there.
// Source: KMS API Reference, ReplicateKey: Policy, and Required permissions; Cross-account use: No.
const replicateKey = "kms:ReplicateKey"

// takesKey reports whether an action on a secret opens its value, and so needs the key, too. UpdateSecret sets another key without:
// the values that are written from then on are under it.
func takesKey(action string) bool {
	return action == "secretsmanager:ReplicateSecretToRegions" || action == "secretsmanager:AssociateCrossAccountReplica"
}

// mayUseKey reports whether the second lock of some version of a secret is not certainly closed.
func (a *Access) mayUseKey(w *asker, secretARN string) bool {
	l := a.locks(&a.snapshot.Secrets[a.secrets[secretARN]])
	return slices.ContainsFunc(l.ways, func(v way) bool {
		d, _ := v.open(w)
		return !denied(d.Answer)
	})
}

// changeable are the resources of one kind.
type changeable struct {
	index   *policy.Index
	targets []policy.Target
	arns    []string
	opens   [][]string // ARNs of the secrets that each concerns; nil: any
}

func (c *changeable) add(t policy.Target, secrets ...string) {
	c.targets, c.arns, c.opens = append(c.targets, t), append(c.arns, t.ARN), append(c.opens, secrets)
}

func (a *Access) changeables() map[part]*changeable {
	all := map[part]*changeable{}
	for _, row := range powers {
		all[row.on] = &changeable{}
	}
	for i := range a.snapshot.Principals {
		p := &a.snapshot.Principals[i]
		if p.Kind == User {
			all[onUsers].add(a.principalTarget(p))
			continue
		}
		all[onRoles].add(a.principalTarget(p))
		if trustsService(a.documents.read("trust policy of "+p.ARN, p.Trust)) {
			all[onPassed].add(a.target(p.ARN, p.Account))
		}
	}
	for _, g := range a.snapshot.Groups {
		all[onGroups].add(a.target(a.partition().New("iam", "", g.Account, "group/"+g.Name).String(), g.Account))
	}
	for _, of := range slices.Sorted(maps.Keys(a.snapshot.Managed)) {
		if account := arn.Of(of).Account; account != "aws" {
			all[onPolicies].add(a.target(of, account))
		}
	}
	under := map[string][]string{} // secrets by the ARN of a key that opens a version of some copy, or is set there
	named := a.keysByName()
	for i := range a.snapshot.Secrets {
		s := &a.snapshot.Secrets[i]
		for _, k := range guard.CopiesOf(s.Facts).Keys() {
			under[k.ARN] = append(under[k.ARN], s.Facts.ARN)
		}
		for _, l := range guard.CopiesOf(s.Facts).Locations {
			if k := named[keyName{l.Account, l.Region, l.Named.ID}]; l.Named.ARN == "" && k != "" && !slices.Contains(under[k], s.Facts.ARN) {
				under[k] = append(under[k], s.Facts.ARN)
			}
		}
		all[onSecrets].add(a.secretTarget(s), s.Facts.ARN)
		if alias := aliasOf(s); alias != "" {
			all[onAliases].add(a.target(alias, arn.Of(alias).Account), s.Facts.ARN)
		}
		if closed(s.Facts) != "" {
			all[onDeleted].add(a.secretTarget(s), s.Facts.ARN)
		}
		if function := s.Facts.RotationLambdaARN; function != "" {
			all[onFunctions].add(a.target(function, arn.Of(function).Account), s.Facts.ARN)
		}
	}
	for i := range a.snapshot.Keys {
		k := &a.snapshot.Keys[i]
		if len(under[k.Facts.ARN]) == 0 {
			continue
		}
		t := a.keyTarget(k)
		all[onKeys].add(t, under[k.Facts.ARN]...)
		if k.Facts.MultiRegion {
			all[onMultiRegionKeys].add(t, under[k.Facts.ARN]...)
		}
		if closed, doubt := stateOf(k.Facts); closed != "" || doubt != "" {
			all[onClosedKeys].add(t, under[k.Facts.ARN]...)
		}
	}
	for _, of := range slices.Sorted(maps.Keys(under)) {
		if a.keys[of] == nil && arn.Is(of) {
			t := a.target(of, arn.Of(of).Account)
			t.Kind, t.Policy = policy.ResourceKey, missing(of, "not in the snapshot")
			all[onKeys].add(t, under[of]...)
			if strings.HasPrefix(arn.Of(of).Name(), "mrk-") { // Source: KMS Developer Guide, "Multi-Region keys in AWS KMS", key ids
				all[onMultiRegionKeys].add(t, under[of]...)
			}
		}
	}
	for _, c := range all {
		c.index = policy.NewIndex(c.targets)
	}
	return all
}

// target is a resource without a policy of its own.
func (a *Access) target(of, account string) policy.Target {
	t := policy.Target{ARN: of, Account: account}
	a.addResourceOrganization(&t)
	return t
}

// keyTarget is a key as it is to be changed.
func (a *Access) keyTarget(k *Key) policy.Target {
	t := a.target(k.Facts.ARN, k.Facts.Account)
	t.Kind, t.Policy, t.Grants = policy.ResourceKey, a.changingPolicy(k), a.grantsOf(*k)
	addKey(&t, k.Facts, false)
	return t
}

// principalTarget is a role or user that others take or change, with its tags. Whether iam:PassRole has the condition keys for the tags
// of a role is not documented: there they stay open.
// Source: IAM User Guide, "Controlling access to and for IAM users and roles using tags"; Service Authorization Reference, IAM and
// AWS STS, resource types role and user.
func (a *Access) principalTarget(p *Principal) policy.Target {
	t := a.target(p.ARN, p.Account)
	for _, family := range tagsOfPrincipals {
		for name, value := range p.Tags {
			t.Context[family+name] = []string{value}
		}
		t.Absent = append(t.Absent, family+"*")
	}
	return t
}

// tagsOfPrincipals are the families of condition keys that look at the tags of a role or user that something is done to.
var tagsOfPrincipals = []string{"aws:ResourceTag/", "iam:ResourceTag/"}

// keyName is an id or alias of a key where it means that key.
type keyName struct{ account, region, name string }

// keysByName are the ARNs of the keys of the snapshot, for copies of whose key nothing but the name was read.
func (a *Access) keysByName() map[keyName]string {
	all := map[keyName]string{}
	for i := range a.snapshot.Keys {
		k := &a.snapshot.Keys[i].Facts
		for _, name := range append([]string{k.ID}, k.Aliases...) {
			all[keyName{k.Account, k.Region, name}] = k.ARN
		}
	}
	return all
}

// partition is that of the snapshot's first principal: an organization has one.
func (a *Access) partition() arn.Partition {
	for i := range a.snapshot.Principals {
		return arn.Of(a.snapshot.Principals[i].ARN).Partition
	}
	return arn.Standard
}

// trustsService reports whether a service of AWS may take a role, or that cannot be read.
func trustsService(trust *policy.Document) bool {
	return trust.Err() != nil || slices.ContainsFunc(trust.Statements, func(s policy.Statement) bool {
		return s.Effect == policy.Allow && (s.Principal == nil || s.Principal.All || slices.ContainsFunc(s.Principal.Service, func(name string) bool {
			return !strings.HasPrefix(name, "signin.")
		}))
	})
}
