package secretsmanager

import (
	"maps"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/localaws/kms"
	"github.com/doublelock/doublelock/shared/localaws/messaging"
)

// Statuses of cross-account replication beside those of replicas (user guide, "Monitor cross-account replication").
const (
	statusPending  = "Pending"  // the copy waits for its primary; the copy alone shows it
	statusDetached = "Detached" // one of the two accounts has stopped it
)

// ReplicaRestriction of AssociateCrossAccountReplica.
const (
	sameOrganization = "SameOrg"
	noRestriction    = "NoRestriction"
)

// crossAccountPolicy is the name of the policy that Secrets Manager puts on a copy, beside the owner's own.
const crossAccountPolicy = "cross-account-replication"

const (
	accept    = "secretsmanager:AcceptCrossAccountReplication"
	associate = "AssociateCrossAccountReplica"
)

// accountCopy is the copy of a secret in another account, as its primary knows it. A primary has at most one.
type accountCopy struct {
	replica         *secret
	role            string // that Secrets Manager replicates as; "" is whoever writes
	status, message string
}

// origin is the primary of a copy in another account, as the copy knows it.
type origin struct {
	arn             string
	primary         *secret // nil until its owner has associated the copy, and when it is detached
	status, message string
	policy          string // what Secrets Manager lets the primary's account do
}

func crossAccountOperations() map[string]core.Operation {
	return map[string]core.Operation{
		associate:                         associateReplica,
		"DisassociateCrossAccountReplica": disassociateReplica,
		"ListResourcePolicies":            listSecretPolicies,
	}
}

type crossAccountPrimary struct {
	PrimarySecretARN, ReplicationStatus string
	StatusMessage                       string `json:",omitempty"`
}

type crossAccountReplica struct {
	ReplicaSecretARN   string
	ReplicationRoleARN string `json:",omitempty"`
	ReplicationStatus  string
	StatusMessage      string `json:",omitempty"`
}

// showAccounts adds what DescribeSecret says of other accounts; ListSecrets says nothing.
func (s *secret) showAccounts(out *secretEntry) {
	if s.origin != nil {
		out.CrossAccountPrimary = &crossAccountPrimary{s.origin.arn, s.origin.status, s.origin.message}
	}
	if s.elsewhere != nil {
		out.CrossAccountReplicas = []crossAccountReplica{{s.elsewhere.replica.arn, s.elsewhere.role, s.elsewhere.status, s.elsewhere.message}}
	}
}

// checkOrigin refuses what a copy of another account's secret cannot be made with (API reference, CreateSecret,
// CrossAccountPrimaryARN).
func checkOrigin(c *core.Call, in *createSecretInput) error {
	at, resource, ok := c.AWS.Locate(in.CrossAccountPrimaryARN, "secretsmanager")
	switch {
	case !ok || resource == "" || at.Region != c.Region || at.Account == c.Account:
		return secretParameter("The primary secret must be one of another account in the same Region and partition.")
	case in.SecretString != nil, in.SecretBinary != nil, in.Description != "", len(in.AddReplicaRegions) > 0, in.Type != "":
		return secretParameter("You can't include SecretString, SecretBinary, Description, AddReplicaRegions, or Type with CrossAccountPrimaryARN.")
	}
	if k, err := kms.FindKey(c.AWS, c.Location, given(in.KmsKeyId)); err != nil || k.Manager == "AWS" {
		return secretParameter("You must specify a customer managed KMS key with CrossAccountPrimaryARN.")
	}
	return nil
}

// newOrigin is what a copy knows before its primary's owner has associated it. What the policy says AWS does not document.
func newOrigin(primary string) *origin {
	from := arn.Of(primary)
	return &origin{arn: primary, status: statusPending, policy: `{"Version":"2012-10-17","Statement":[{"Sid":"AcceptCrossAccountReplication","Effect":"Allow","Principal":{"AWS":"` +
		from.Partition.Root(from.Account) + `"},"Action":"` + accept + `","Resource":"*"}]}`}
}

// notItsOwn refuses to write the value of a copy: it comes from the primary.
func (s *secret) notItsOwn() error {
	if s.origin != nil {
		return invalidRequest("You can't perform this operation on a cross-account replica secret. Its value is that of the primary secret.")
	}
	return nil
}

type associateInput struct{ SecretId, CrossAccountReplicaARN, ReplicaRestriction, ReplicationRoleARN string }

type associateOutput struct {
	ARN, CrossAccountReplicaARN string
	ReplicationStatus           string `json:",omitempty"`
}

func associateReplica(c *core.Call) (any, error) {
	var in associateInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := primaryOf(c, in)
	if err != nil {
		return nil, err
	}
	r, err := acceptedBy(c, s, in)
	if err != nil {
		return nil, err
	}
	if err := mayReplicate(c, s, r, in.ReplicationRoleARN); err != nil {
		return nil, err
	}
	s.elsewhere = &accountCopy{replica: r, role: in.ReplicationRoleARN}
	r.origin.primary = s
	followAbroad(c, s)
	return associateOutput{ARN: s.arn, CrossAccountReplicaARN: r.arn, ReplicationStatus: s.elsewhere.status}, nil
}

// primaryOf is the secret that is to be copied, where the caller owns it and may read it.
func primaryOf(c *core.Call, in associateInput) (*secret, error) {
	s, err := secretToChange(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	if err := c.Authorize(core.Access{Action: "secretsmanager:GetSecretValue", Resource: s.arn, ResourcePolicy: s.policy, Owner: s.at.Account, Context: secretContext(s, in.SecretId, nil)}); err != nil {
		return nil, err
	}
	switch {
	case s.at.Account != c.Caller.Account:
		return nil, invalidRequest("You must call this operation from the account that owns the primary secret.")
	case s.origin != nil:
		return nil, invalidRequest("A cross-account replica secret can't be replicated to another account.")
	case s.elsewhere != nil && s.elsewhere.status != statusDetached && s.elsewhere.replica.arn != in.CrossAccountReplicaARN:
		return nil, &core.Error{Code: "LimitExceededException", Message: "A primary secret can have at most one cross-account replica."}
	}
	return s, nil
}

// acceptedBy is the copy, where its owner has made it for this primary and lets it be linked. Secrets Manager asks for the right
// to accept with the caller's identity.
func acceptedBy(c *core.Call, s *secret, in associateInput) (*secret, error) {
	at, _, ok := c.AWS.Locate(in.CrossAccountReplicaARN, "secretsmanager")
	if !ok || at.Region != s.at.Region || at.Account == s.at.Account {
		return nil, secretParameter("The replica secret must be one of another account in the same Region and partition.")
	}
	if in.ReplicaRestriction != noRestriction && !c.AWS.SameOrganization(s.at.Account, at.Account) {
		return nil, invalidRequest("The replica secret's account is not in the organization of the primary secret's.")
	}
	r := findSecret(c.AWS, c.Location, in.CrossAccountReplicaARN)
	on := core.Access{Action: accept, Resource: in.CrossAccountReplicaARN, Owner: at.Account}
	if r != nil && r.origin != nil {
		on.ResourcePolicy = r.origin.policy
	}
	if err := c.Authorize(on); err != nil {
		return nil, err
	}
	switch {
	case r == nil:
		return nil, secretNotFound()
	case r.origin == nil || r.origin.arn != s.arn || !r.removal.IsZero():
		return nil, invalidRequest("The replica secret is not a cross-account replica of the primary secret.")
	}
	return r, nil
}

// replicator is who replicates a secret to another account: the role that was named when the copy was associated, or the caller
// who writes.
func replicator(c *core.Call, s *secret, role string) (core.Caller, error) {
	if role == "" {
		return c.Caller, nil
	}
	who, err := messaging.ServiceRole(c.AWS, servicePrincipal, role, s.arn)
	if err != nil {
		return core.Caller{}, err
	}
	return c.AWS.WithKey(who), nil
}

// mayReplicate checks, without a use of the keys, that whoever is to replicate may decrypt with the primary's key and encrypt
// with the copy's, and that the caller may hand over the role.
func mayReplicate(c *core.Call, s, r *secret, role string) error {
	if role != "" {
		on := core.Access{Action: "iam:PassRole", Resource: role, Context: map[string][]string{"iam:PassedToService": {servicePrincipal}}}
		if err := c.Authorize(on); err != nil {
			return err
		}
	}
	who, err := replicator(c, s, role)
	if err != nil {
		return err
	}
	for _, use := range []struct {
		of     *secret
		action string
	}{{s, "Decrypt"}, {r, "Encrypt"}} {
		k, err := kms.FindKey(c.AWS, use.of.at, use.of.key())
		if err != nil {
			return keyError(err, "EncryptionFailure")
		}
		asked := &core.Call{AWS: c.AWS, Location: core.Location{Account: who.Account, Region: c.Region}, Service: "kms", Operation: use.action, Caller: who, Now: c.Now,
			UserAgent: servicePrincipal, SourceIP: servicePrincipal, Via: servicePrincipal}
		if err := kms.AuthorizeKey(asked, k, "kms:"+use.action, map[string][]string{"kms:EncryptionContext:SecretARN": {use.of.arn}}); err != nil {
			return keyError(err, "EncryptionFailure")
		}
		if err := k.Usable(); err != nil {
			return keyError(err, "EncryptionFailure")
		}
	}
	return nil
}

// followAbroad brings the copy in another account what the primary has and it has not, and records how that ended in both
// accounts.
func followAbroad(c *core.Call, s *secret) {
	to := s.elsewhere
	if to == nil || to.replica.origin == nil || to.replica.origin.primary != s {
		return
	}
	to.say(statusInProgress, "")
	eventually(c, func(after func(func())) {
		if s.elsewhere != to || to.replica.origin == nil || to.replica.origin.primary != s { // detached meanwhile
			return
		}
		err := to.copyVersions(c, s)
		if err == nil {
			to.say(statusInSync, "")
		} else {
			to.say(statusFailed, core.AsError(err).Message)
		}
		after(func() {
			for _, end := range []*secret{s, to.replica} {
				c.AWS.Happened(end.at, core.ServiceEvent{Source: "secretsmanager", Name: endOf(err), Extra: map[string]any{"SecretId": end.arn}})
			}
		})
	})
}

func (a *accountCopy) say(status, message string) {
	a.status, a.message = status, message
	a.replica.origin.status, a.replica.origin.message = status, message
}

// copyVersions decrypts each version that the copy lacks with the primary's key, and encrypts it with the copy's (user guide,
// "How Secrets Manager authorizes cross-account replication").
func (a *accountCopy) copyVersions(c *core.Call, s *secret) error {
	r := a.replica
	if r.gone || !r.removal.IsZero() {
		return secretNotFound()
	}
	who, err := replicator(c, s, a.role)
	if err != nil {
		return err
	}
	by := *c
	by.Caller = who
	key, err := kms.FindKey(c.AWS, r.at, r.key())
	if err != nil {
		return keyError(err, "EncryptionFailure")
	}
	for _, id := range s.versionIDs {
		if r.versions[id] != nil || len(s.stagesOf(id)) == 0 {
			continue
		}
		v := s.versions[id]
		dataKey, err := openVersion(&by, s, v)
		if err != nil {
			return err
		}
		made, err := keyCall(&by, r.at.Region, "Encrypt", kms.CryptoInput{KeyId: key.ARN, Plaintext: dataKey, EncryptionContext: r.context(id)})
		if err != nil {
			return keyError(err, "EncryptionFailure")
		}
		r.addVersion(&secretVersion{id: id, created: v.created, text: v.text, binary: v.binary, copies: []sealedCopy{copyOf(c.AWS, made)}})
	}
	r.stages = maps.Clone(s.stages)
	return nil
}

func disassociateReplica(c *core.Call) (any, error) {
	var in associateInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := secretToChange(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	if s.elsewhere == nil || s.elsewhere.replica.arn != in.CrossAccountReplicaARN {
		return nil, invalidRequest("The replica secret is not a cross-account replica of the primary secret.")
	}
	if from := s.elsewhere.replica.origin; from != nil && from.primary == s {
		from.primary, from.status, from.message = nil, statusDetached, ""
	}
	s.elsewhere = nil
	return associateOutput{ARN: s.arn, CrossAccountReplicaARN: in.CrossAccountReplicaARN}, nil
}

// standAlone makes a copy from another account a secret of its own.
func (s *secret) standAlone(c *core.Call) error {
	if err := c.Authorize(core.Access{Action: "secretsmanager:DeleteResourcePolicy", Resource: s.arn, ResourcePolicy: s.policy, Owner: s.at.Account, Context: secretContext(s, s.arn, nil)}); err != nil {
		return err
	}
	changes(c, s)
	if primary := s.origin.primary; primary != nil && primary.elsewhere != nil {
		primary.elsewhere.status, primary.elsewhere.message = statusDetached, ""
	}
	s.origin = nil
	return nil
}

type policySummary struct{ PolicyName string }

// policies are the policies of a secret by name: the owner's own, and that of Secrets Manager on a copy from another account.
func (s *secret) policies() map[string]string {
	all := map[string]string{}
	if s.main().policy != "" {
		all[defaultPolicy] = s.main().policy
	}
	if s.origin != nil {
		all[crossAccountPolicy] = s.origin.policy
	}
	return all
}

func listSecretPolicies(c *core.Call) (any, error) {
	var in struct {
		SecretId, NextToken string
		MaxResults          int
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := authorizedSecret(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	all := []policySummary{}
	for _, name := range slices.Sorted(maps.Keys(s.policies())) {
		all = append(all, policySummary{name})
	}
	slices.SortStableFunc(all, func(x, y policySummary) int { // the default first, then by name
		switch {
		case x.PolicyName == defaultPolicy:
			return -1
		case y.PolicyName == defaultPolicy:
			return 1
		}
		return 0
	})
	from, to, next, err := core.Page(len(all), in.NextToken, in.MaxResults, secretsPage)
	if err != nil {
		return nil, err
	}
	return struct {
		ResourcePolicies []policySummary
		NextToken        string `json:",omitempty"`
	}{all[from:to], next}, nil
}
