package conformance

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/localaws"
)

const (
	replicaGuide = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/standalone-secret.html"
	troubleshoot = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/replicate-secrets_troubleshoot.html"
)

func replicaQuestions() []Question {
	return []Question{
		{ID: "secretsmanager.replica.own-key", Row: 24, Title: "Does UpdateSecret in a replica's own Region change the replica's key?", Document: replicaGuide, Need: NeedsRegion,
			Calls: calls(newSecret, describe, replicate, setKey),
			Choices: []Choice{
				{Answer: "changed", Meaning: "the fix for DL.SECRET.3 works"},
				{Answer: Refused, ByRefusal: true, Meaning: "the fix for DL.SECRET.3 has to be another: promote, or remove and add", Set: func(b *localaws.Behavior) { b.ReplicaKeyIsFixed = true }},
				{Answer: "unchanged", ByRefusal: true, Meaning: "the fix for DL.SECRET.3 succeeds and does nothing"},
			}, Assumed: "changed", Control: ownSetsKeyAfar, Play: replicaKeyInItsRegion},
		{ID: "secretsmanager.replica.promoted-key", Row: 30, Title: "Does a replica keep its key and its value when it is promoted?", Document: replicaGuide, Need: NeedsRegion,
			Calls: calls(newSecret, describe, read, replicate, promote),
			Choices: []Choice{
				{Answer: "kept", Meaning: "replicas can be moved by promotion without an outage"},
				{Answer: "default-key", Meaning: "a promoted replica has to be re-keyed"},
				{Answer: "unreadable", ByRefusal: true, Meaning: "a promotion is an outage: it must never be advised"},
			}, Assumed: "kept", Control: ownReadsAfar, Play: replicaPromoted},
		{ID: LayerReplica, Row: 21, Title: "Are the keys of replicas used with the caller's session, so that the KMS layer stops a replica without a key?", Document: encryption, Need: NeedsRegion,
			Calls:   calls(asRole, replicate),
			Choices: replicaLayerChoices(), Assumed: "fails-later", Control: mayReplicate, Play: layerReplica(bySession)},
		{ID: "secretsmanager.replica.writer", Row: 36, Title: "Does a replica follow a value whose writer may not decrypt with the primary's key?", Document: troubleshoot, Need: NeedsRegion,
			Calls: calls(asRole, replicate, put, versions),
			Choices: []Choice{
				{Answer: "fails-later", ByRefusal: true, Meaning: "a writer without kms:Decrypt leaves replicas behind, and the call does not say so"},
				{Answer: "follows", Meaning: "only who makes a replica needs kms:Decrypt", Set: func(b *localaws.Behavior) { b.ReplicaFollowsWriter = true }},
				{Answer: Refused, ByRefusal: true, Meaning: "a writer without kms:Decrypt cannot write what is replicated"},
			}, Assumed: "fails-later", Control: mayWriteReplicated, Play: replicaOfWriter},
		{ID: "secretsmanager.replica.retried", Row: 36, Title: "Does ReplicateSecretToRegions into a Region whose replica failed try again?", Document: troubleshoot, Need: NeedsRegion,
			Calls: calls(asRole, replicate),
			Choices: []Choice{
				{Answer: "tried", Meaning: "a failed replica is mended by the same call"},
				{Answer: Refused, ByRefusal: true, Meaning: "a failed replica has to be removed first", Set: func(b *localaws.Behavior) { b.FailedReplicaStays = true }},
			}, Assumed: "tried", Control: ownReplicates, Play: replicaRetried,
			Overruled: func(b localaws.Behavior) bool { return b.ReplicaKeysByService || openToAll(b) }},
	}
}

func replicaLayerChoices() []Choice {
	return []Choice{
		{Answer: Refused, ByRefusal: true, Meaning: "the KMS layer stops replicas without a key"},
		{Answer: "fails-later", ByRefusal: true, Meaning: "the KMS layer stops them, and the call does not say so"},
		{Answer: Passes, Meaning: "scp simulate calls this way closed, unless --conformance has this report; DL.SECRET.3 finds it", Set: func(b *localaws.Behavior) { b.ReplicaKeysByService = true }},
	}
}

// replicated makes the secret of this question with a replica in the second Region, in sync, under a key there; "" leaves
// it out.
func replicated(ctx context.Context, w *World, farKey string) error {
	secret, _, err := w.underA(ctx)
	if err != nil {
		return err
	}
	if err := w.own.Replicate(ctx, secret, w.second.Region(), farKey); err != nil {
		return err
	}
	return w.inSync(ctx, secret)
}

// replica is the secret of this question by its name in the second Region, where it is replicated under the AWS managed key, and a
// key of that Region.
func (w *World) replica(ctx context.Context) (name, farKey string, err error) {
	if farKey, err = w.farKey(); err != nil {
		return "", "", err
	}
	return w.own.Run().Name(w.what("s")), farKey, replicated(ctx, w, "")
}

// inSync waits for the end of replication, and errs unless the replica has what its primary has.
func (w *World) inSync(ctx context.Context, secret string) error {
	status, err := replicaStatus(ctx, w, secret)
	if err == nil && status != sandbox.InSync {
		err = w.missing(ctx, "the replica is "+status, true)
	}
	return err
}

// replicaStatus is the status of the replica in the second Region, once replication is over.
func replicaStatus(ctx context.Context, w *World, secret string) (string, error) {
	status := ""
	over, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		d, err := w.own.Describe(ctx, secret)
		status = d.Replicas[w.second.Region()].Status
		return status == sandbox.InSync || status == sandbox.Failed, err
	})
	if err == nil && !over {
		err = fmt.Errorf("the end of replication within %s: %w", w.patience.Change, errNotShown)
	}
	return status, err
}

func replicaKeyInItsRegion(ctx context.Context, w *World) (Answer, error) {
	name, key, err := w.replica(ctx)
	if err != nil {
		return "", err
	}
	err = w.second.SetKey(ctx, name, key)
	switch code := sandbox.Code(err); {
	case code == "InvalidParameterException", code == "InvalidRequestException":
		w.note("error", "%s", code)
		return Refused, nil
	case err != nil:
		return "", err
	}
	return w.settled(ctx, "unchanged", func(ctx context.Context) (Answer, error) {
		if err := w.second.SetKey(ctx, name, key); err != nil { // again: one call that did nothing is no answer
			return "", err
		}
		d, err := w.second.Describe(ctx, name)
		switch {
		case err != nil:
			return "", err
		case same(d.Key, key):
			return "changed", nil
		}
		return "unchanged", nil
	})
}

func replicaPromoted(ctx context.Context, w *World) (Answer, error) {
	key, err := w.farKey()
	if err != nil {
		return "", err
	}
	if err := replicated(ctx, w, key); err != nil {
		return "", err
	}
	name := w.own.Run().Name(w.what("s"))
	if err := w.second.Read(ctx, name); err != nil { // as long as it is a replica
		return "", err
	}
	if err := w.second.Promote(ctx, name); err != nil {
		return "", err
	}
	promoted, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		d, err := w.second.Describe(ctx, name)
		return d.PrimaryRegion != w.own.Region(), err
	})
	if err != nil || !promoted {
		return "", cmp.Or(err, fmt.Errorf("the promotion within %s: %w", w.patience.Change, errNotShown))
	}
	code := ""
	answer, err := w.settled(ctx, "unreadable", func(ctx context.Context) (Answer, error) {
		d, err := w.second.Describe(ctx, name)
		if err != nil {
			return "", err
		}
		read := w.second.Read(ctx, name)
		code = sandbox.Code(read)
		switch {
		case sandbox.Unavailable(read): // which says nothing of the replica
			return "", read
		case errorsOfReads[code] != "", sandbox.Gone(read):
			return "unreadable", nil
		case read != nil:
			return "", read
		case same(d.Key, key):
			return "kept", nil
		case d.Key == "":
			return "default-key", nil
		}
		return "", errUnexpected
	})
	if answer == "unreadable" {
		w.note("error of a read", "%s", code)
	}
	return answer, err
}

func layerReplica(by denier) func(context.Context, *World) (Answer, error) {
	return func(ctx context.Context, w *World) (Answer, error) { return replicaUnder(ctx, w, by, layer) }
}

// replicaOfWriter writes without the right to decrypt with the primary's key, and looks whether the replica follows.
func replicaOfWriter(ctx context.Context, w *World) (Answer, error) {
	a, err := w.keyA()
	if err != nil {
		return "", err
	}
	if err := replicated(ctx, w, ""); err != nil {
		return "", err
	}
	name := w.own.Run().Name(w.what("s"))
	written := ""
	refused, err := stopped(ctx, w, bySession, "writer", denyKey("kms:Decrypt", a), func(s *sandbox.Session) (err error) {
		written, err = s.Put(ctx, name)
		return err
	}, nil)
	if err != nil || refused {
		return Refused, err
	}
	switch follows, err := w.follows(ctx, name, written); {
	case err != nil:
		return "", err
	case !follows:
		return "fails-later", nil
	}
	return "follows", nil
}

// follows waits until the replica in the second Region has a version as its current one, or its replication has failed. That
// the primary calls a replica in sync may be of the time before the version was written.
func (w *World) follows(ctx context.Context, secret, version string) (bool, error) {
	failed := false
	over, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		there, err := w.second.Versions(ctx, secret)
		if sandbox.Gone(err) { // the replica itself is new
			return false, nil
		}
		if err != nil || slices.ContainsFunc(there, func(v sandbox.Version) bool { return v.ID == version && current(v) }) {
			return true, err
		}
		d, err := w.own.Describe(ctx, secret)
		failed = d.Replicas[w.second.Region()].Status == sandbox.Failed
		return failed, err
	})
	if err == nil && !over {
		err = fmt.Errorf("the version in the second Region within %s: %w", w.patience.Change, errNotShown)
	}
	return !failed, err
}

// replicaRetried lets a replication fail for want of a right, and asks for it again with every right.
func replicaRetried(ctx context.Context, w *World) (Answer, error) {
	secret, a, err := w.underA(ctx)
	if err != nil {
		return "", err
	}
	blind, err := w.without(ctx, "blind", denyKey("kms:Decrypt", a))
	if err != nil {
		return "", err
	}
	if err := blind.Replicate(ctx, secret, w.second.Region(), ""); err != nil {
		return "", err
	}
	if status, err := replicaStatus(ctx, w, secret); err != nil || status != sandbox.Failed {
		return "", errors.Join(errUnexpected, err)
	}
	refusal := w.own.Replicate(ctx, secret, w.second.Region(), "")
	refused := sandbox.Code(refusal) == "InvalidParameterException" || sandbox.Code(refusal) == "InvalidRequestException"
	if refusal != nil && !refused {
		return "", refusal
	}
	status := ""
	mended, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) { // that it failed is shown for a while
		d, err := w.own.Describe(ctx, secret)
		status = d.Replicas[w.second.Region()].Status
		return status == sandbox.InSync, err
	})
	switch {
	case err != nil || mended: // also where a refusal is of what the SDK sent again, for it goes on
		return "tried", err
	case refused && status == sandbox.Failed:
		w.note("error", "%s", sandbox.Code(refusal))
		return Refused, nil
	}
	return "", errUnexpected
}
