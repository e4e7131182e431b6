package migration

import (
	"cmp"
	"slices"

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
	if s.KeyID != j.Before.KeyID {
		out = append(out, awscli.OnSecret("update-secret", j.Secret, "--kms-key-id", j.Before.KeyID))
	}
	in := func(region string) func(guard.Replica) bool {
		return func(r guard.Replica) bool { return r.Region == region }
	}
	for _, c := range j.Copies {
		was, now := slices.IndexFunc(j.Before.Replicas, in(c.Region)), slices.IndexFunc(s.Replicas, in(c.Region))
		if !c.changed() || was < 0 || now < 0 && c.Removed.IsZero() || now >= 0 && s.Replicas[now].KeyID == j.Before.Replicas[was].KeyID {
			continue
		}
		if c.Removed.IsZero() {
			out = append(out, awscli.OnSecret("update-secret", inRegion(j.Secret, c.Region), "--kms-key-id", j.Before.Replicas[was].KeyID))
			continue
		}
		if now >= 0 {
			out = append(out, awscli.OnSecret("remove-regions-from-replication", j.Secret, "--remove-replica-regions", c.Region))
		}
		to := "Region=" + c.Region
		if key := j.Before.Replicas[was].KeyID; key != "" {
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

// is reports that a secret is under the key that was recorded. The text that named the key then may name another one now.
func (b *Before) is(s guard.Secret) bool {
	if b.KeyARN != "" && s.Key.ARN != "" {
		return s.Key.ARN == b.KeyARN
	}
	return s.KeyID == b.KeyID
}
