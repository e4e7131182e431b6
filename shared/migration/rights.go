package migration

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// obstacles name what the role that changes the key certainly lacks, of the rights by which the versions that a re-key takes along
// are re-encrypted. UpdateSecret answers success without re-encrypting then. Source: UpdateSecret API reference, KmsKeyId.
func (q Question) obstacles(s inventory.Secret) []string {
	to := q.Target
	if q.Replica || to.Facts.ARN == "" || to.Facts.Same(s.Facts.Key) || q.Changer == "" || behind(q.Access.Snapshot(), q.Changer) == nil {
		return nil
	}
	var out []string
	for _, action := range []string{"kms:GenerateDataKey", decrypt, "kms:Encrypt"} {
		out = q.lacks(out, to, action)
	}
	for _, c := range guard.CopiesOf(s.Facts).Here().List {
		if guard.ReEncrypted(c.Stages) && !c.Needs(to.Facts) {
			out = append(out, q.cannotOpen(c)...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// cannotOpen says why the role certainly cannot decrypt a copy that a re-key is to take along: it lacks the right on each key that
// opens it. None is lacking on the AWS managed key, and of a key that is not in the snapshot nobody knows.
func (q Question) cannotOpen(c guard.Copy) []string {
	var out []string
	for _, k := range c.Opening() {
		at := slices.IndexFunc(q.Access.Snapshot().Keys, func(old inventory.Key) bool { return old.Facts.Same(k) })
		if at < 0 {
			return nil
		}
		lacking := q.lacks(nil, q.Access.Snapshot().Keys[at], decrypt)
		if len(lacking) == 0 {
			return nil
		}
		out = append(out, lacking...)
	}
	return out
}

// closedCopies say of each labelled version that no key opens now, in the primary and in its replicas, that a re-key cannot take it
// along, whatever key the secret names.
func closedCopies(s guard.Secret) []string {
	var out []string
	copies := guard.CopiesOf(s).Labelled()
	for _, c := range copies.List {
		at := copies.Locations[c.Location]
		name := strings.Join(c.Stages, ", ")
		switch {
		case at.Kind == guard.LocationReplica && at.Listing == guard.Listed:
			name += " in " + at.Region
		case at.Kind != guard.LocationPrimary:
			continue
		}
		if life := c.Life(); life.Opens == guard.OpensNo {
			out = append(out, name+" opens with no key now, so it cannot be re-encrypted: "+closedBy(c, life, " first"))
		}
	}
	return out
}

// closedBy says which keys keep a copy closed, and what is to be done, before or besides what comes next.
func closedBy(c guard.Copy, life guard.Life, next string) string {
	if life.Gone {
		return "none of its keys exists any more; its owner writes that value again, or takes the label away"
	}
	var states []string
	mend := "bring one of them back"
	for _, k := range c.Keys {
		state := fmt.Sprintf("its key %s is in state %s", k.ARN, k.State)
		if k.State == guard.KeyMissing {
			state = "its key " + k.ARN + " does not exist any more"
		}
		switch way := k.Mend(); {
		case len(c.Keys) == 1:
			mend = way
		case way != "":
			state += " (" + way + ")"
		}
		states = append(states, state)
	}
	out := strings.Join(states, ", ") + ": " + mend + next
	if !life.Lost.IsZero() {
		out += "; the value is lost for good from " + life.Lost.UTC().Format(time.RFC3339) + " on"
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
