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

// obstacles name what the roles that change the secret certainly lack, of the rights for every later step and for the way back, before
// the first step. Without those by which the versions are re-encrypted UpdateSecret answers success and re-encrypts nothing.
// Source: UpdateSecret API reference, KmsKeyId.
func (q Question) obstacles(s inventory.Secret) []string {
	var out []string
	if q.Tagger != "" && behind(q.Access.Snapshot(), q.Tagger) != nil && !s.Facts.IsReplica() {
		for _, call := range []string{"TagResource", "UntagResource"} {
			out = q.refused(out, q.Tagger, s, s.Facts.Region, call, map[string][]string{"aws:TagKeys": {guard.TagPrefix + "state"}})
		}
	}
	if q.Changer == "" || behind(q.Access.Snapshot(), q.Changer) == nil {
		return out
	}
	if s.Facts.RotationEnabled && !s.Facts.IsReplica() {
		out = q.refused(out, q.Changer, s, s.Facts.Region, "RotateSecret", nil)
	}
	if to := q.Target; to.Facts.ARN != "" && !to.Facts.Same(s.Facts.Key) {
		out = append(out, q.rekeying(s)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// rekeying is what the role lacks of what setting the key takes, in a copy what making it again takes as well, and setting it back.
func (q Question) rekeying(s inventory.Secret) []string {
	to := q.Target
	var out []string
	for _, action := range []string{generate, decrypt, encrypt} {
		out = q.lacks(out, to, action)
	}
	for _, c := range guard.CopiesOf(s.Facts).Here().List {
		if guard.ReEncrypted(c.Stages) && !c.Needs(to.Facts) {
			out = append(out, q.cannotOpen(c)...)
		}
	}
	out = q.refused(out, q.Changer, s, s.Facts.Region, "UpdateSecret", keyParameter(to.Facts))
	if s.Facts.IsReplica() {
		out = q.refused(out, q.Changer, s, s.Facts.PrimaryRegion, "RemoveRegionsFromReplication", nil)
		out = q.refused(out, q.Changer, s, s.Facts.PrimaryRegion, "ReplicateSecretToRegions",
			map[string][]string{"secretsmanager:AddReplicaRegions": {s.Facts.Region}, "secretsmanager:ForceOverwriteReplicaSecret": {"false"}})
	}
	if len(out) > 0 {
		return out // what mends it may open the way back as well
	}
	return q.goingBack(s)
}

// goingBack is what the role lacks for the way back, to a key that can be used: of another the plan says that there is none.
func (q Question) goingBack(s inventory.Secret) []string {
	const back = "going back would be refused: "
	from := s.Facts.Key
	if !from.CanDecrypt() || from.Manager == guard.ManagerUnknown {
		return nil
	}
	var out []string
	old := inventory.Key{Facts: from}
	if from.Manager == guard.ManagerCustomer {
		read := q.keyOf(from)
		if read == nil {
			return nil
		}
		old = *read
		out = q.refused(out, q.Changer, s, s.Facts.Region, "UpdateSecret", keyParameter(from))
	}
	for _, action := range []string{generate, encrypt} {
		out = q.lacks(out, old, action)
	}
	for i := range out {
		out[i] = back + out[i]
	}
	return out
}

// keyOf is a key with its policy and grants; nil where the snapshot does not have it.
func (q Question) keyOf(k guard.Key) *inventory.Key {
	keys := q.Access.Snapshot().Keys
	at := slices.IndexFunc(keys, func(read inventory.Key) bool { return read.Facts.Same(k) })
	if at < 0 {
		return nil
	}
	return &keys[at]
}

// keyParameter are the condition keys of a request that sets a key.
func keyParameter(k guard.Key) map[string][]string {
	return map[string][]string{"secretsmanager:KmsKeyArn": {k.ARN}, "secretsmanager:KmsKeyId": {k.ARN}}
}

// refused adds that a role may certainly not make a call about the secret, or its copy in a Region, with the policy that keeps it from it.
func (q Question) refused(out []string, role string, s inventory.Secret, region, call string, parameters map[string][]string) []string {
	d, err := q.Access.CallsIn(role, s.Facts.ARN, region, "secretsmanager:"+call, parameters)
	if err != nil || !denied(d.Answer) || s.Facts.PendingDeletion() {
		return out
	}
	return append(out, fmt.Sprintf("the role %s may not call %s on %s: %s", arn.Of(role).Base(), call, inRegion(s.Facts.ARN, region), d.Why))
}

// cannotOpen says why the role certainly cannot decrypt a copy that a re-key is to take along: it lacks the right on each key that
// opens it. None is lacking on the AWS managed key, and of a key that is not in the snapshot nobody knows.
func (q Question) cannotOpen(c guard.Copy) []string {
	var out []string
	for _, k := range c.Opening() {
		read := q.keyOf(k)
		if read == nil {
			return nil
		}
		lacking := q.lacks(nil, *read, decrypt)
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
	name := key.Facts.ARN
	if key.Facts.Manager == guard.ManagerAWS {
		name = "the AWS managed key"
	}
	return append(out, fmt.Sprintf("the role %s lacks %s on %s: %s", arn.Of(role).Base(), action, name, d.Why))
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
