package simulate

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
)

// Probe is a known way to put a secret, or a new value of one, under the AWS managed key, or to approve a key oneself; or an
// honest call that must keep working. It takes all of its steps: who is stopped at one is stopped.
type Probe struct {
	Name   string
	Honest bool
	Note   string // what AWS's documentation leaves open
	steps  []policy.Request
}

// Passage is how a probe fares.
type Passage struct {
	Probe     Probe
	Open      policy.Answer // Allowed: it gets through; Unknown: AWS does not document what decides
	Statement string        // what stops it; ""
	Why       string
}

// Bad reports whether the answer is not what one wants: a bypass that is not certainly closed, or an honest call
// that is not certainly open.
func (p Passage) Bad() bool {
	if p.Probe.Honest {
		return p.Open != policy.Allowed
	}
	return p.Open == policy.Allowed || p.Open == policy.Unknown
}

// Probe tries every probe as a role of a member account in a Region. Where aliases or tags approve keys, writing those is
// among them.
func (t *Trial) Probe(account, region string, approvals preventive.Approvals) []Passage {
	var out []Passage
	for _, probe := range append(probes(account, region), approvalProbes(account, region, approvals)...) {
		out = append(out, t.pass(probe))
	}
	return out
}

func (t *Trial) pass(probe Probe) Passage {
	p := Passage{Probe: probe, Open: policy.Allowed}
	for _, step := range probe.steps {
		v := t.Try(Call{Request: step})
		switch v.Outcome {
		case Denied:
			p.Open, p.Statement, p.Why = policy.ExplicitlyDenied, v.Statement, v.Decision.Why
			return p
		case Unknown:
			p.Open, p.Statement, p.Why = policy.Unknown, v.Statement, v.Decision.Why
		}
	}
	return p
}

// scene makes the requests of probes.
type scene struct {
	account, region string
	partition       arn.Partition
}

func probes(account, region string) []Probe {
	s := scene{account, region, arn.PartitionOf(region)}
	managed, own, foreign := s.key(account, "aws-managed-key"), s.key(account, "11112222-3333-4444-5555-666677778888"), s.key("999999999999", "1")
	named := func(id, key string) map[string][]string {
		return map[string][]string{"secretsmanager:KmsKeyId": {id}, "secretsmanager:KmsKeyArn": {key}}
	}
	replica := map[string][]string{"secretsmanager:AddReplicaRegions": {region}}
	emptied := s.secret("UpdateSecret", "app/db", nil)
	emptied.Unknown = append(emptied.Unknown, "secretsmanager:KmsKeyArn", "secretsmanager:KmsKeyId")
	write := s.managedKeyUse()
	withReplica := map[string][]string{"secretsmanager:KmsKeyId": {own}, "secretsmanager:KmsKeyArn": {own}, "secretsmanager:AddReplicaRegions": {region}}
	return []Probe{
		{Name: "create without a key", steps: []policy.Request{s.secret("CreateSecret", "app/db", nil), write}},
		{Name: "create with the default alias", steps: []policy.Request{s.secret("CreateSecret", "app/db", named(defaultAlias, managed)), write}},
		{Name: "create with the default alias's ARN", steps: []policy.Request{s.secret("CreateSecret", "app/db", named(s.arn("kms", account, defaultAlias), managed)), write}},
		{Name: "create with the managed key's own ARN", steps: []policy.Request{s.secret("CreateSecret", "app/db", named(managed, managed)), write}},
		{Name: "move to the default alias", steps: []policy.Request{s.secret("UpdateSecret", "app/db", named(defaultAlias, managed)), write}},
		{Name: "move to the managed key's own ARN", steps: []policy.Request{s.secret("UpdateSecret", "app/db", named(managed, managed)), write}},
		{Name: `move by an empty key ("")`, Note: "which condition keys an empty key sets is not documented", steps: []policy.Request{emptied, write}},
		{Name: "create with a replica that names no key", Note: "no condition key sees a replica's key", steps: []policy.Request{s.secret("CreateSecret", "app/db", withReplica), write}},
		{Name: "add a replica that names no key", Note: "no condition key sees a replica's key", steps: []policy.Request{s.secret("ReplicateSecretToRegions", "app/db", replica), write}},
		{Name: "new value of a secret that is still on the managed key", steps: []policy.Request{s.secret("PutSecretValue", "app/db", nil), write}},
		{Name: "create with a key of a stranger's account", steps: []policy.Request{s.secret("CreateSecret", "app/db", named(foreign, foreign))}},
		{Name: "create with a key of the account", Honest: true, steps: []policy.Request{s.secret("CreateSecret", "app/db", named(own, own))}},
		{Name: "update without naming a key", Honest: true, steps: []policy.Request{s.secret("UpdateSecret", "app/db", nil)}},
		{Name: "move to a key of the account", Honest: true, steps: []policy.Request{s.secret("UpdateSecret", "app/db", named(own, own))}},
		{Name: "read a secret", Honest: true, steps: []policy.Request{s.secret("GetSecretValue", "app/db", nil)}},
		{Name: "a secret that RDS creates and owns", Honest: true, steps: []policy.Request{s.secret("CreateSecret", "rds!db-1", nil)}},
	}
}

// approvalProbes are the ways to a key that is approved by name, as somebody who may not approve; and what an approver, and
// anybody with names of his own, must still be able to do.
func approvalProbes(account, region string, approvals preventive.Approvals) []Probe {
	s := scene{account, region, arn.PartitionOf(region)}
	by := func(steps []policy.Request, role string) []policy.Request {
		steps = slices.Clone(steps)
		for i := range steps {
			steps[i].Principal = s.principal()
			if role != "" {
				steps[i].Principal = policy.Principal{Kind: policy.KindRole, ARN: role, Role: role, Account: account, Name: arn.Of(role).Base()}
			}
		}
		return steps
	}
	var out, honest []Probe
	writes := approvals.Writes(account, region)
	for _, w := range writes {
		out = append(out, Probe{Name: w.Name, steps: by(w.Steps, "")})
	}
	if len(writes) == 0 {
		return nil
	}
	for _, pattern := range approvals.Approvers.Managers {
		if role, mine := preventive.Instance(pattern, account, region); mine {
			honest = append(honest, Probe{Name: writes[0].Name + ", as " + pattern, Honest: true, steps: by(writes[0].Steps, role)})
		}
	}
	own := preventive.Approvals{Aliases: []string{"alias/doublelock-own"}, Tags: map[string]string{"doublelock-own": "yes"}}
	names := strings.NewReplacer("the approved alias/doublelock-own", "another alias", "the approving tag doublelock-own", "another tag")
	for _, w := range own.Writes(account, region) {
		if !strings.HasSuffix(w.Name, "with others") {
			honest = append(honest, Probe{Name: names.Replace(w.Name), Honest: true, steps: by(w.Steps, "")})
		}
	}
	return append(out, honest...)
}

// symmetric is the spec of the AWS managed key, and the algorithm that it is used with.
const symmetric = "SYMMETRIC_DEFAULT"

func (s scene) arn(service, account, resource string) string {
	return s.partition.New(service, s.region, account, resource).String()
}

func (s scene) key(account, id string) string { return s.arn("kms", account, "key/"+id) }

func (s scene) principal() policy.Principal {
	role := s.partition.Role(s.account, "anybody")
	return policy.Principal{Kind: policy.KindRole, ARN: role, Role: role, Account: s.account, Name: "anybody"}
}

func (s scene) secret(action, name string, context map[string][]string) policy.Request {
	c := map[string][]string{"aws:RequestedRegion": {s.region}, "aws:SecureTransport": {"true"}}
	for key, values := range context {
		c[key] = values
	}
	return policy.Request{Principal: s.principal(), Action: "secretsmanager:" + action, Resource: s.arn("secretsmanager", s.account, "secret:"+name+"-AbCdEf"),
		ResourceAccount: s.account, Context: c, Open: true, Absent: slices.Clone(parameters)}
}

// managedKeyUse is the call to KMS that Secrets Manager makes, with the caller's rights, to write under its managed key.
func (s scene) managedKeyUse() policy.Request {
	return policy.Request{Principal: s.principal(), Action: "kms:GenerateDataKey", Resource: s.key(s.account, "aws-managed-key"), ResourceAccount: s.account,
		Context: map[string][]string{"aws:RequestedRegion": {s.region}, "aws:ViaAWSService": {"true"}, "kms:CallerAccount": {s.account},
			"kms:ViaService": {s.partition.Regional("secretsmanager", s.region)}, "kms:ResourceAliases": {defaultAlias},
			"kms:KeySpec": {symmetric}, "kms:KeyUsage": {"ENCRYPT_DECRYPT"}, "kms:KeyOrigin": {"AWS_KMS"}, "kms:MultiRegion": {"false"},
			"kms:MultiRegionKeyType": {}, "kms:EncryptionAlgorithm": {symmetric}},
		Open: true}
}
