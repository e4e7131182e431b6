package conformance

import (
	"context"
	"errors"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/localaws"
)

// shownQuestions ask what the primary says of its replicas.
func shownQuestions() []Question {
	return []Question{
		{ID: "secretsmanager.replica.own-key-shown", Row: 24, Title: "Does DescribeSecret of the primary show the key of a replica that was set in the replica's own Region?", Document: replicaGuide, Need: NeedsRegion,
			Calls: calls(newSecret, describe, replicate, setKey),
			Choices: []Choice{
				{Answer: "shown", Meaning: "the primary says which key a replica is under: one call is enough"},
				{Answer: "not-shown", ByRefusal: true, Meaning: "the primary names the key of before: DL.SECRET.3 has to ask the replica's own Region, and is unknown where that is not guarded"},
			}, Assumed: "shown", Control: ownSetsKeyAfar, Play: replicaKeyShown,
			Overruled: func(b localaws.Behavior) bool { return b.ReplicaKeyIsFixed }},
	}
}

// replicaKeyShown sets a replica's key where it is, and waits until its primary shows it.
func replicaKeyShown(ctx context.Context, w *World) (Answer, error) {
	name, key, err := w.replica(ctx)
	if err != nil {
		return "", err
	}
	if err := w.second.SetKey(ctx, name, key); err != nil {
		return "", err
	}
	there, err := w.second.Describe(ctx, name)
	if err != nil || !same(there.Key, key) { // nothing was set that could be shown
		return "", errors.Join(errUnexpected, err)
	}
	shown, err := sandbox.Until(ctx, w.patience.Change, func(ctx context.Context) (bool, error) {
		d, err := w.own.Describe(ctx, name)
		return same(d.Replicas[w.second.Region()].Key, key), err
	})
	switch {
	case err != nil:
		return "", err
	case shown:
		return "shown", nil
	}
	return "not-shown", nil
}
