package simulate

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
)

// Probe is a known way to put a secret, or a new value of one, under the AWS managed key, or to approve a key oneself; or an
// honest call that must keep working.
type Probe struct {
	Name   string
	Honest bool
	Note   string // what AWS's documentation leaves open, or whom a denial hits
	call   Call
	then   []Call // what it does next; who is stopped at one call is stopped
}

// Passage is how a probe fares.
type Passage struct {
	Probe     Probe
	Open      policy.Answer // Allowed: it gets through; Unknown: AWS does not document what decides
	Statement string        // what stops it; ""
	Step      string        // at which call to KMS; "" where it is stopped itself
	Why       string
	Asked     string // what AWS answered, where that decides; ""
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
	all := append(probes(account, region), approvalProbes(account, region, approvals)...)
	if len(t.rcps) > 0 {
		all = append(all, foreigners(account, region)...)
	}
	for _, probe := range all {
		out = append(out, t.pass(probe))
	}
	return out
}

func (t *Trial) pass(probe Probe) Passage {
	p := Passage{Probe: probe, Open: policy.Allowed}
	worst := t.Try(probe.call)
	for _, call := range probe.then {
		if v := t.Try(call); severity[v.Outcome] > severity[worst.Outcome] {
			worst = v
		}
	}
	switch worst.Outcome {
	case Denied:
		p.Open = policy.ExplicitlyDenied
	case Unknown:
		p.Open = policy.Unknown
	default:
		p.Asked = worst.Asked
		return p
	}
	p.Asked, p.Statement, p.Step, p.Why = worst.Asked, worst.Statement, worst.Step, worst.Decision.Why
	return p
}

// scene makes the requests of probes.
type scene struct {
	account, region string
	partition       arn.Partition
}

func probes(account, region string) []Probe {
	s := scene{account, region, arn.PartitionOf(region)}
	managed, own, foreign := s.key(account, "aws-managed-key"), s.key(account, "11112222-3333-4444-5555-666677778888"), s.key(stranger, "1")
	named := func(id, key string) map[string][]string {
		return map[string][]string{"secretsmanager:KmsKeyId": {id}, "secretsmanager:KmsKeyArn": {key}}
	}
	sets := func(key keyName) uses { return uses{named: &key, writes: surely} }
	on := func(key keyName) uses { return uses{current: &key, writes: surely} }
	ours, theirs, aws := keyName{id: own, customer: true}, keyName{id: foreign, customer: true}, keyName{}
	byAlias, byARN := keyName{id: guard.DefaultKeyAlias}, keyName{id: managed, managed: true}
	replicated := func(u uses) uses {
		u.replicas = []replica{{region: region}}
		return u
	}
	emptied := s.secret("UpdateSecret", "app/db", nil, sets(aws))
	emptied.Request.Unknown = append(emptied.Request.Unknown, "secretsmanager:KmsKeyArn", "secretsmanager:KmsKeyId")
	replica := map[string][]string{"secretsmanager:AddReplicaRegions": {region}}
	withReplica := map[string][]string{"secretsmanager:KmsKeyId": {own}, "secretsmanager:KmsKeyArn": {own}, "secretsmanager:AddReplicaRegions": {region}}
	return []Probe{
		{Name: "create without a key", call: s.secret("CreateSecret", "app/db", nil, on(aws))},
		{Name: "create with the default alias", call: s.secret("CreateSecret", "app/db", named(guard.DefaultKeyAlias, managed), sets(byAlias))},
		{Name: "create with the default alias's ARN", call: s.secret("CreateSecret", "app/db", named(s.arn("kms", account, guard.DefaultKeyAlias), managed), sets(byAlias))},
		{Name: "create with the managed key's own ARN", call: s.secret("CreateSecret", "app/db", named(managed, managed), sets(byARN))},
		{Name: "move to the default alias", call: s.secret("UpdateSecret", "app/db", named(guard.DefaultKeyAlias, managed), sets(byAlias))},
		{Name: "move to the managed key's own ARN", call: s.secret("UpdateSecret", "app/db", named(managed, managed), sets(byARN))},
		{Name: `move by an empty key ("")`, Note: "which condition keys an empty key sets is not documented", call: emptied},
		{Name: "create with a replica that names no key", Note: "no condition key sees a replica's key", call: s.secret("CreateSecret", "app/db", withReplica, replicated(sets(ours)))},
		{Name: "add a replica that names no key", Note: "no condition key sees a replica's key", call: s.secret("ReplicateSecretToRegions", "app/db", replica, replicated(uses{current: &ours, reads: true}))},
		{Name: "new value of a secret that is still on the managed key", call: s.secret("PutSecretValue", "app/db", nil, on(aws))},
		{Name: "create with a key of a stranger's account", call: s.secret("CreateSecret", "app/db", named(foreign, foreign), sets(theirs))},
		{Name: "create with a key of the account", Honest: true, call: s.secret("CreateSecret", "app/db", named(own, own), sets(ours))},
		{Name: "update without naming a key", Honest: true, call: s.secret("UpdateSecret", "app/db", nil, on(ours))},
		{Name: "new value under a key of the account", Honest: true, call: s.secret("PutSecretValue", "app/db", nil, on(ours))},
		{Name: "move to a key of the account", Honest: true, call: s.secret("UpdateSecret", "app/db", named(own, own), sets(ours))},
		{Name: "read a secret", Honest: true, call: s.secret("GetSecretValue", "app/db", nil, uses{current: &ours, reads: true})},
		{Name: "read a secret that is still on the managed key", Honest: true, call: s.secret("GetSecretValue", "app/db", nil, uses{current: &aws, reads: true})},
		{Name: "a secret that RDS creates and owns", Honest: true, Note: "made with the caller's rights; MasterUserSecretKmsKeyId names its key",
			call: s.secret("CreateSecret", "rds!db-1", nil, on(aws))},
		{Name: "one that RDS creates with a key of the account", Honest: true, call: s.secret("CreateSecret", "rds!db-1", named(own, own), sets(ours))},
	}
}

// approvalProbes are the ways to a key that is approved by name, as somebody who may not approve; and what an approver, and
// anybody with names of his own, must still be able to do.
func approvalProbes(account, region string, approvals preventive.Approvals) []Probe {
	s := scene{account, region, arn.PartitionOf(region)}
	by := func(name string, steps []policy.Request, role string) Probe {
		var calls []Call
		for _, step := range steps {
			step.Principal = s.principal()
			if role != "" {
				step.Principal = policy.Principal{Kind: policy.KindRole, ARN: role, Role: role, Account: account, Name: arn.Of(role).Base()}
			}
			calls = append(calls, Call{Request: step})
		}
		return Probe{Name: name, Honest: role != "", call: calls[0], then: calls[1:]}
	}
	var out, honest []Probe
	writes := approvals.Writes(account, region)
	for _, w := range writes {
		out = append(out, by(w.Name, w.Steps, ""))
	}
	if len(writes) == 0 {
		return nil
	}
	for _, pattern := range approvals.Approvers.Managers {
		if role, mine := preventive.Instance(pattern, account, region); mine {
			honest = append(honest, by(writes[0].Name+", as "+pattern, writes[0].Steps, role))
		}
	}
	own := preventive.Approvals{Aliases: []string{"alias/doublelock-own"}, Tags: map[string]string{"doublelock-own": "yes"}}
	names := strings.NewReplacer("the approved alias/doublelock-own", "another alias", "the approving tag doublelock-own", "another tag")
	for _, w := range own.Writes(account, region) {
		if !strings.HasSuffix(w.Name, "with others") {
			free := by(names.Replace(w.Name), w.Steps, "")
			free.Honest = true
			honest = append(honest, free)
		}
	}
	return append(out, honest...)
}

// foreigners are ways in from another organization, where a resource policy lets it in. No SCP of ours binds it.
func foreigners(account, region string) []Probe {
	s := scene{account, region, arn.PartitionOf(region)}
	from := func(c Call) Call {
		c.Request.Principal = policy.Principal{Kind: policy.KindRole, Account: stranger, Name: "anybody", ARN: s.partition.Role(stranger, "anybody"), Role: s.partition.Role(stranger, "anybody"), OrganizationID: "o-stranger"}
		return c
	}
	service := s.secret("GetSecretValue", "app/db", map[string][]string{"aws:SourceAccount": {stranger}, "aws:SourceOrgID": {"o-stranger"}}, uses{})
	service.Request.Principal = policy.Principal{Kind: policy.KindService, Name: "appflow" + principalSuffix}
	silent := s.secret("GetSecretValue", "app/db", nil, uses{})
	silent.Request.Principal = service.Request.Principal
	silent.Request.Unknown = append(silent.Request.Unknown, "aws:SourceAccount", "aws:SourceOrgID")
	ours := s.secret("GetSecretValue", "app/db", nil, uses{})
	return []Probe{
		{Name: "a stranger whom the secret's policy lets in reads it", call: from(ours)},
		{Name: "a stranger whom it lets in moves the secret", call: from(s.secret("UpdateSecret", "app/db", nil, uses{}))},
		{Name: "a stranger whom it lets in changes the policy", call: from(s.secret("PutResourcePolicy", "app/db", nil, uses{}))},
		{Name: "a service reads it for a stranger, and sends aws:SourceAccount", call: service},
		{Name: "a service that may send none reads it for a stranger", Note: "which services send aws:SourceAccount is in each one's documentation; name it in the secret's policy", call: silent},
	}
}

// stranger is an account of another organization.
const stranger = "999999999999"

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

func (s scene) secret(action, name string, context map[string][]string, u uses) Call {
	c := map[string][]string{"aws:RequestedRegion": {s.region}, "aws:SecureTransport": {"true"}}
	for key, values := range context {
		c[key] = values
	}
	return Call{uses: u, Request: policy.Request{Principal: s.principal(), Action: "secretsmanager:" + action, Resource: s.arn("secretsmanager", s.account, "secret:"+name+"-AbCdEf"),
		ResourceAccount: s.account, Context: c, Open: true, Absent: slices.Clone(parameters)}}
}
