package inventory

import (
	"slices"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

const (
	readSecret = "secretsmanager:GetSecretValue"
	current    = "AWSCURRENT"
)

// secretTarget is the first lock: the secret and what is attached to it.
func (a *Access) secretTarget(s *Secret) policy.Target {
	t := policy.Target{ARN: s.Facts.ARN, Account: s.Facts.Account, Policy: a.secretPolicy(s), Kind: policy.ResourcePlain}
	a.addResourceOrganization(&t)
	switch {
	case s.Facts.Type != "":
		t.Context["secretsmanager:resource/Type"] = []string{s.Facts.Type}
	case s.Facts.TypeRead: // by a snapshot of an older version it was not
		t.Absent = append(t.Absent, "secretsmanager:resource/Type")
	}
	t.Unknown = append(t.Unknown, viaAWSService) // the caller's choice
	t.Context["aws:RequestedRegion"] = []string{s.Facts.Region}
	t.Absent = append(t.Absent, "secretsmanager:resource/AllowRotationLambdaArn", "aws:ResourceTag/*", "secretsmanager:ResourceTag/*")
	if s.Facts.RotationLambdaARN != "" {
		t.Context["secretsmanager:resource/AllowRotationLambdaArn"] = []string{s.Facts.RotationLambdaARN}
	}
	if s.Facts.PrimaryRegion != "" {
		t.Context["secretsmanager:SecretPrimaryRegion"] = []string{s.Facts.PrimaryRegion}
	}
	for name, value := range s.Facts.Tags {
		t.Context["aws:ResourceTag/"+name] = []string{value}
		t.Context["secretsmanager:ResourceTag/"+name] = []string{value}
	}
	return t
}

// ownPolicyUnread is why whom a copy of another account's secret lets in is not known.
// Source: user guide, "Cross-account replication": the policy named cross-account-replication. What it says is on no page (live check 37).
const ownPolicyUnread = "it is a copy of a secret in another account, and Secrets Manager's own policy on it, cross-account-replication, is not read"

func (a *Access) secretPolicy(s *Secret) *policy.Document {
	name := s.Facts.ARN
	switch {
	case s.PolicyUnread != "":
		return missing(name, s.PolicyUnread)
	case s.Facts.CopyOf != "":
		return missing(name, ownPolicyUnread)
	case s.Policy == "":
		return nil
	}
	return a.documents.read(name, s.Policy)
}

// addResourceOrganization adds the RCPs that reach the resource's account, and the condition keys of both locks.
func (a *Access) addResourceOrganization(t *policy.Target) {
	t.Context = map[string][]string{"aws:SecureTransport": {"true"}}
	t.OneOf = map[string][]string{}
	if at := a.snapshot.TakenAt; !at.IsZero() {
		askedAt(t, append(a.later, at)...)
	}
	org := a.orgs[t.Account]
	if org == nil {
		switch {
		case a.organized() && a.noControls:
			return
		case a.organized():
			t.RCPs = unreadLevel("resource control policies", "account "+t.Account+" is not in the snapshot")
			return
		}
		t.Absent = append(t.Absent, "aws:ResourceOrgID", "aws:ResourceOrgPaths")
		return
	}
	t.RCPs, t.Management = org.rcps, org.management
	if id := a.snapshot.Organization.ID; id != "" {
		t.Context["aws:ResourceOrgID"] = []string{id}
		t.Context["aws:ResourceOrgPaths"] = []string{org.path}
	} else if !a.organized() {
		t.Absent = append(t.Absent, "aws:ResourceOrgID", "aws:ResourceOrgPaths")
	}
}

// ask evaluates one principal before one target.
func ask(w *asker, t *policy.Target, action string) policy.Decision {
	r := policy.Request{Principal: w.principal, Action: action, Resource: t.ARN, Pattern: t.Pattern, ResourceAccount: t.Account, Context: t.Context, OneOf: t.OneOf, Open: true,
		Unknown: slices.Concat(w.unknown, t.Unknown), Absent: slices.Concat(w.absent, t.Absent)}
	p := w.policies
	p.Resource, p.ResourceKind, p.RCPs, p.Grants = t.Policy, t.Kind, t.RCPs, t.Grants
	p.ManagementResource, p.AWSManagedKey = t.Management, t.AWSManagedKey
	return policy.Evaluate(r, p)
}

// closed says why nobody can read a secret now, whatever policies say; "" when it can be read.
func closed(s guard.Secret) string {
	if s.PendingDeletion() {
		return "the secret is scheduled for deletion"
	}
	return ""
}

func refused(why string) policy.Decision {
	return policy.Decision{Answer: policy.ImplicitlyDenied, Why: "not allowed: " + why}
}
