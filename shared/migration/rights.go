package migration

import (
	"fmt"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// obstacles name what keeps the change itself from taking: the key it comes from cannot be used, or the role that
// changes the key certainly lacks a right. UpdateSecret answers success without re-encrypting then. Source: UpdateSecret
// API reference, KmsKeyId.
func (q Question) obstacles(s inventory.Secret) []string {
	from, to := s.Facts.Key, q.Target
	if q.Replica || to.Facts.ARN == "" || to.Facts.Same(from) {
		return nil
	}
	if from.Manager == guard.ManagerCustomer && !from.CanDecrypt() && from.State != guard.KeyStateUnknown {
		return []string{fmt.Sprintf("its key %s is in state %s, so nothing can be re-encrypted: enable it first", from.ARN, from.State)}
	}
	if q.Changer == "" || behind(q.Access.Snapshot(), q.Changer) == nil {
		return nil
	}
	var out []string
	for _, action := range []string{"kms:GenerateDataKey", decrypt, "kms:Encrypt"} {
		out = q.lacks(out, to, action)
	}
	if from.Manager != guard.ManagerCustomer {
		return out
	}
	for _, old := range q.Access.Snapshot().Keys {
		if old.Facts.ARN == from.ARN {
			out = q.lacks(out, old, decrypt)
		}
	}
	return out
}

// lacks adds what the role certainly lacks, with the policy, statement or level of the organization that it lacks it by.
func (q Question) lacks(out []string, key inventory.Key, action string) []string {
	role := q.Changer
	d, err := q.Access.AllowsWith(role, q.Secret, key, action)
	if err != nil || !denied(d.Answer) {
		return out
	}
	return append(out, fmt.Sprintf("the role %s lacks %s on %s: %s", arn.Of(role).Base(), action, key.Facts.ARN, d.Why))
}

func inRegion(of, region string) string { return arn.Of(of).In(region).String() }

// undoOf says before anything is done what can be undone how. from is the key that the secret is under.
func (f *Facts) undoOf(i Item, from guard.Key) []string {
	first, begun := f.Begun[i.Secret]
	switch {
	case i.Target == "" || i.Target != from.ARN:
	case begun && first.KeyID != i.From.KeyID:
		return append([]string{
			"the key stays as it is, " + from.ARN + "; a migration set it before, and rollback sets " + beforeKey(&first) + " again",
			"after a new version: it opens with the new key alone, so going back needs the right to decrypt with that key, or a new version",
		}, undoOfRest(i)...)
	case f.Begun == nil:
		return append([]string{"the key stays as it is, " + from.ARN + ": whether a migration set it, and from which key, could not be read"}, undoOfRest(i)...)
	default:
		return append([]string{"the key stays as it is, " + from.ARN + ": there is none to set back"}, undoOfRest(i)...)
	}
	back := i.From.KeyID // its own, though we may not look at it
	switch {
	case i.From.Customer:
		back = i.From.ARN
	case from.Manager == guard.ManagerAWS || back == "":
		back = "the AWS managed key"
	}
	if begun {
		back = beforeKey(&first)
	}
	out := []string{
		"until the first new version: UpdateSecret sets " + back + " again, and the tags as they were; the copies under the new key stay beside it",
		"after a new version: it opens with the new key alone, so going back needs the right to decrypt with that key, or a new version",
	}
	if i.From.Customer && i.From.State != guard.KeyEnabled {
		out = append(out, "not at all, as long as the key it comes from is "+string(i.From.State))
	}
	return append(out, undoOfRest(i)...)
}

func undoOfRest(i Item) []string {
	var out []string
	if i.Seal == SealRotate {
		out = append(out, "a rotation changes the credential itself: that is not undone")
	}
	for _, r := range i.Replicas {
		out = append(out, "the copy in "+r.Region+" gets its key, and back, where it is: interruption "+r.Interruption)
	}
	return out
}
