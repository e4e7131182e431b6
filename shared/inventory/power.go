package inventory

import (
	"fmt"
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
}{
	{onRoles, "gives the role rights, or the role to others", []string{"iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
		"iam:UpdateAssumeRolePolicy", "iam:DeleteRolePermissionsBoundary", "iam:PutRolePermissionsBoundary"}},
	{onUsers, "gives the user rights, or its credentials to others", []string{"iam:AttachUserPolicy", "iam:PutUserPolicy", "iam:DeleteUserPolicy", "iam:DetachUserPolicy",
		"iam:CreateAccessKey", "iam:CreateLoginProfile", "iam:UpdateLoginProfile", "iam:DeleteUserPermissionsBoundary", "iam:PutUserPermissionsBoundary"}},
	{onGroups, "gives the members of the group rights, or makes a member", []string{"iam:AddUserToGroup", "iam:AttachGroupPolicy", "iam:PutGroupPolicy"}},
	{onPolicies, "changes the rights of whoever has the policy", []string{"iam:CreatePolicyVersion", "iam:SetDefaultPolicyVersion"}},
	{onPassed, "lets a service run code with the role", []string{"iam:PassRole"}},
	{onSecrets, "lets others read it, or puts it elsewhere", []string{"secretsmanager:PutResourcePolicy", "secretsmanager:DeleteResourcePolicy", "secretsmanager:ReplicateSecretToRegions",
		"secretsmanager:UpdateSecret"}},
	{onKeys, "lets others use the key", []string{"kms:PutKeyPolicy", "kms:CreateGrant"}},
	{onFunctions, "changes the code that rotates the secret", []string{"lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration"}},
}

// part is a kind of resource.
type part int

const (
	onRoles part = iota
	onUsers
	onGroups
	onPolicies
	onPassed // roles that services of AWS may take
	onSecrets
	onKeys
	onFunctions // that rotate secrets
	onTrusts    // roles as they are to be taken
)

// Powers lists the rights of a principal (role, user or session) to change what decides who opens other secrets than some, those
// that are certain first. Root users have them all.
func (a *Access) Powers(principalARN string, but []string) ([]Power, error) {
	a.bulkPower.Do(func() { a.changeable = a.changeables() })
	var certain, perhaps []Power
	for _, arn := range a.variants(principalARN) {
		w, err := a.asker(arn)
		if err != nil {
			return nil, fmt.Errorf("ask for %s: %w", principalARN, err)
		}
		for _, row := range powers {
			targets := a.changeable[row.on]
			for _, action := range row.actions {
				q := targets.index.Ask(policy.Request{Principal: w.principal, Action: action, Open: true, Unknown: w.unknown, Absent: w.absent}, w.policies)
				for i := range q.Candidates() {
					p := Power{Action: action, Resource: targets.arns[i], Why: row.why}
					if opens := targets.opens[i]; len(opens) > 0 && !slices.ContainsFunc(opens, func(secret string) bool { return !slices.Contains(but, secret) }) {
						continue
					}
					answer := q.Answer(i)
					if row.on == onSecrets && !denied(answer) && !a.mayUseKey(w, targets.arns[i]) {
						continue // all of these need the key, too
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
	plain := func(of, account string) policy.Target {
		t := policy.Target{ARN: of, Account: account}
		a.addResourceOrganization(&t)
		return t
	}
	for i := range a.snapshot.Principals {
		p := &a.snapshot.Principals[i]
		if p.Kind == User {
			all[onUsers].add(plain(p.ARN, p.Account))
			continue
		}
		all[onRoles].add(plain(p.ARN, p.Account))
		if trustsService(a.documents.read("trust policy of "+p.ARN, p.Trust)) {
			all[onPassed].add(plain(p.ARN, p.Account))
		}
	}
	for _, g := range a.snapshot.Groups {
		all[onGroups].add(plain(a.partition().New("iam", "", g.Account, "group/"+g.Name).String(), g.Account))
	}
	for _, of := range slices.Sorted(maps.Keys(a.snapshot.Managed)) {
		if account := arn.Of(of).Account; account != "aws" {
			all[onPolicies].add(plain(of, account))
		}
	}
	under := map[string][]string{} // secrets by the ARN of a key that opens a version, or is set
	for i := range a.snapshot.Secrets {
		s := &a.snapshot.Secrets[i]
		for _, k := range guard.CopiesOf(s.Facts).Keys() {
			under[k.ARN] = append(under[k.ARN], s.Facts.ARN)
		}
		all[onSecrets].add(a.secretTarget(s), s.Facts.ARN)
		if function := s.Facts.RotationLambdaARN; function != "" {
			all[onFunctions].add(plain(function, arn.Of(function).Account), s.Facts.ARN)
		}
	}
	for i := range a.snapshot.Keys {
		k := &a.snapshot.Keys[i]
		if len(under[k.Facts.ARN]) == 0 {
			continue
		}
		t := policy.Target{ARN: k.Facts.ARN, Account: k.Facts.Account, Kind: policy.ResourceKey, Policy: a.changingPolicy(k), Grants: grantsOf(*k)}
		a.addResourceOrganization(&t)
		addKey(&t, k.Facts, false)
		all[onKeys].add(t, under[k.Facts.ARN]...)
	}
	for _, c := range all {
		c.index = policy.NewIndex(c.targets)
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
