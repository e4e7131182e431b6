package migration

import (
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// lackingRights names what the role that changes the key certainly lacks. UpdateSecret answers success without
// re-encrypting when one of these is missing. Source: UpdateSecret API reference, KmsKeyId.
func (f *Facts) lackingRights(s inventory.Secret, to inventory.Key) []string {
	if f.Changer == nil || to.Facts.ARN == "" || to.Facts.Same(s.Facts.Key) {
		return nil
	}
	role := f.Changer(s.Facts.Account)
	if role == "" || behind(f.Access.Snapshot(), role) == nil {
		return nil
	}
	var out []string
	for _, action := range []string{"kms:GenerateDataKey", decrypt, "kms:Encrypt"} {
		out = f.lacks(out, role, s, to, action)
	}
	if s.Facts.Key.Manager == guard.ManagerCustomer {
		if old, known := f.resolve(s.Facts.Key.ARN, s.Facts.Account, s.Facts.Region); known && old.Facts.CanDecrypt() {
			out = f.lacks(out, role, s, *old, decrypt)
		}
	}
	return out
}

func (f *Facts) lacks(out []string, role string, s inventory.Secret, key inventory.Key, action string) []string {
	d, err := f.Access.AllowsWith(role, s.Facts.ARN, key, action)
	if err != nil || !denied(d.Answer) {
		return out
	}
	return append(out, fmt.Sprintf("the role %s lacks %s on %s", role[strings.LastIndexByte(role, '/')+1:], action, key.Facts.ARN))
}

func inRegion(arn, region string) string {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) == 6 {
		parts[3] = region
	}
	return strings.Join(parts, ":")
}

// undoOf says before anything is done what can be undone.
func undoOf(i Item) []string {
	back := "the AWS managed key"
	if i.From.Customer {
		back = i.From.ARN
	}
	out := []string{
		"until the first new version: UpdateSecret sets " + back + " again, and the tags as they were; the copies under the new key stay beside it",
		"after a new version: it opens with the new key alone, so going back needs the right to decrypt with that key, or a new version",
	}
	if i.From.Customer && i.From.State != guard.KeyEnabled {
		out = append(out, "not at all, as long as the key it comes from is "+string(i.From.State))
	}
	if i.Seal == SealRotate {
		out = append(out, "a rotation changes the credential itself: that is not undone")
	}
	for _, r := range i.Replicas {
		out = append(out, "the copy in "+r.Region+" is removed and made again in both directions: "+r.Interruption)
	}
	return out
}
