package migration

import (
	"cmp"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/awscli"
	"github.com/doublelock/doublelock/shared/guard"
)

// BackCommands are the command lines of the AWS CLI that make the calls of going back, with a secret as it was just looked
// at: of its key and its copies, in their order. Our own tags are set back too. None: everything is as it was.
func (j Job) BackCommands(s guard.Secret) []string {
	if j.Before == nil || !j.goingBack() && !j.Moved(s) {
		return nil
	}
	var out []string
	if !j.Before.is(s) || notBack(s, j.Before).Again {
		out = append(out, awscli.OnSecret("update-secret", j.Secret, "--kms-key-id", j.Before.key()))
	}
	in := func(region string) func(guard.Replica) bool {
		return func(r guard.Replica) bool { return r.Region == region }
	}
	for _, c := range j.Copies {
		was, now := slices.IndexFunc(j.Before.Replicas, in(c.Region)), slices.IndexFunc(s.Replicas, in(c.Region))
		if !c.changed() || was < 0 || now < 0 && c.Removed.IsZero() || now >= 0 && sameKey(s.Replicas[now], j.Before.Replicas[was]) {
			continue
		}
		if c.Removed.IsZero() {
			out = append(out, awscli.OnSecret("update-secret", inRegion(j.Secret, c.Region), "--kms-key-id", keyOf(j.Before.Replicas[was])))
			continue
		}
		if now >= 0 {
			out = append(out, awscli.OnSecret("remove-regions-from-replication", j.Secret, "--remove-replica-regions", c.Region))
		}
		to := "Region=" + c.Region
		if key := keyOf(j.Before.Replicas[was]); key != "" {
			to += ",KmsKeyId=" + key
		}
		out = append(out, awscli.OnSecret("replicate-secret-to-regions", j.Secret, "--add-replica-regions", to))
	}
	return out
}

// request says who asked for going back, and why.
func (p Pending) request() string {
	return "going back was asked for by " + cmp.Or(p.By, "somebody") + " (" + cmp.Or(p.Why, "no reason is known") + ")" + p.since()
}

// since says who asked for it since.
func (p Pending) since() (text string) {
	for _, r := range p.Also {
		text += "; and by " + cmp.Or(r.By, "somebody") + " (" + r.Why + ")"
	}
	return text
}

// askAgain keeps what somebody asks for that was asked for already, where it is somebody else or another reason.
func (j *Job) askAgain(r Request) {
	p := j.Pending
	if !j.goingBack() || p.By == r.By && p.Why == r.Why {
		return
	}
	if !slices.ContainsFunc(p.Also, func(have Request) bool { return have.By == r.By && have.Why == r.Why }) {
		p.Also = append(slices.Clip(p.Also), r)
	}
}

// is reports that a secret is under the key that was recorded.
func (b *Before) is(s guard.Secret) bool { return sameNamed(s.KeyID, s.Key.ARN, b.KeyID, b.KeyARN) }

// key is the key that was recorded, as UpdateSecret takes it.
func (b *Before) key() string { return exact(b.KeyID, b.KeyARN) }

func sameKey(a, b guard.Replica) bool { return sameNamed(a.KeyID, a.Key.ARN, b.KeyID, b.Key.ARN) }

// keyOf is the key of a replica, as UpdateSecret and ReplicateSecretToRegions take it.
func keyOf(r guard.Replica) string { return exact(r.KeyID, r.Key.ARN) }

// sameNamed compares two keys by ARN where both are known: the text that named one then may name another one now.
func sameNamed(id, keyARN, otherID, otherARN string) bool {
	if keyARN != "" && otherARN != "" {
		return keyARN == otherARN
	}
	return id == otherID
}

// exact is a key by what cannot move: an alias may have moved since, but none of AWS's own.
func exact(id, keyARN string) string {
	if alias := arn.Alias(id); keyARN == "" || alias == "" || strings.HasPrefix(alias, "alias/aws/") {
		return id
	}
	return keyARN
}
