package conformance

import (
	"context"
	"errors"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/localaws"
)

// choice is the statement that keeps callers from choosing the AWS managed key of Secrets Manager, and not from using it: it is
// about the calls by which Secrets Manager tries a key that is set.
const choice = `{"Effect":"Deny","Action":"kms:GenerateDataKey","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionContext:SecretVersionId":"RequestToValidateKeyAccess"},
	"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/aws/secretsmanager"},"StringLike":{"kms:ViaService":"secretsmanager.*"}}}`

const choiceRow = 39

// managedKey is the alias of the AWS managed key of Secrets Manager.
const managedKey = "alias/aws/secretsmanager"

// Questions about that statement, and about the KMS layer, for scp simulate.
const (
	ChoiceNamed   = "kms.choice.named"
	ChoiceMoved   = "kms.choice.moved"
	ChoiceEmpty   = "kms.choice.empty-key"
	ChoiceReplica = "kms.choice.replica"
	ChoiceWrite   = "kms.choice.write"

	ChoiceNewReplica = "kms.choice.new-replica"

	LayerCreate  = "kms.layer.create"
	LayerEmpty   = "kms.layer.empty-key"
	LayerReplica = "kms.layer.replica"
	LayerSCP     = "organizations.scp.kms-layer"
)

func choiceQuestions() []Question {
	return []Question{
		{ID: ChoiceNamed, Row: choiceRow, Title: "Does denying the trial of the AWS managed key (RequestToValidateKeyAccess) stop CreateSecret that names it?", Document: encryption,
			Calls: calls(asRole),
			Choices: []Choice{
				{Answer: Refused, ByRefusal: true, Meaning: "doublelock-choice stops new secrets that name the AWS managed key"},
				{Answer: Passes, Meaning: "the AWS managed key is not tried, and doublelock-choice does not help", Set: func(b *localaws.Behavior) { b.ManagedKeyUntried = true }},
			}, Assumed: Refused, Control: mayNameManagedKey, Play: choiceNamed},
		{ID: ChoiceMoved, Row: choiceRow, Title: "Does denying the trial of the AWS managed key stop UpdateSecret that names it?", Document: encryption,
			Calls: calls(asRole, setKey),
			Choices: []Choice{
				{Answer: Refused, ByRefusal: true, Meaning: "doublelock-choice stops moves to the AWS managed key by its name"},
				{Answer: Passes, Meaning: "a move to the AWS managed key is not tried, and doublelock-choice does not help", Set: func(b *localaws.Behavior) { b.ManagedKeyUntried = true }},
			}, Assumed: Refused, Control: mayMoveToManagedKey, Play: choiceMoved},
		{ID: ChoiceEmpty, Row: choiceRow, Title: "Does denying the trial of the AWS managed key stop UpdateSecret with an empty key?", Document: encryption,
			Calls: calls(asRole, setKey),
			Choices: []Choice{
				{Answer: Refused, ByRefusal: true, Meaning: "doublelock-choice stops going back to the AWS managed key"},
				{Answer: Passes, Meaning: "an empty key is not tried, and doublelock-choice does not help", Set: func(b *localaws.Behavior) { b.EmptyKeyUntried = true }},
			}, Assumed: Refused, Control: maySetKeys, Play: choiceEmpty},
		{ID: ChoiceReplica, Row: choiceRow, Title: "Does denying the trial of the AWS managed key stop a replica without a key?", Document: encryption, Need: NeedsRegion,
			Calls: calls(asRole, replicate),
			Choices: []Choice{
				{Answer: Passes, Meaning: "doublelock-choice does not stop replicas; DL.SECRET.3 finds them"},
				{Answer: "fails-later", ByRefusal: true, Meaning: "doublelock-choice stops them, and the call does not say so", Set: func(b *localaws.Behavior) { b.ReplicaKeysTried = true }},
				{Answer: Refused, ByRefusal: true, Meaning: "doublelock-choice stops replicas without a key"},
			}, Assumed: Passes, Control: mayReplicate, Play: choiceReplica},
		{ID: ChoiceNewReplica, Row: choiceRow, Title: "Does denying the trial of the AWS managed key stop CreateSecret with a replica without a key?", Document: encryption, Need: NeedsRegion,
			Calls: calls(asRole, replicate),
			Choices: []Choice{
				{Answer: Passes, Meaning: "doublelock-choice does not stop new secrets with such replicas; DL.SECRET.3 finds them"},
				{Answer: "fails-later", ByRefusal: true, Meaning: "doublelock-choice stops them, and the call does not say so", Set: func(b *localaws.Behavior) { b.ReplicaKeysTried = true }},
				{Answer: Refused, ByRefusal: true, Meaning: "doublelock-choice stops new secrets with a replica without a key"},
			}, Assumed: Passes, Control: mayCreateReplicated, Play: choiceNewReplica},
		{ID: ChoiceWrite, Row: choiceRow, Title: "Does a new value of a secret under the AWS managed key pass where the trial of that key is denied?", Document: encryption,
			Calls: calls(asRole, put),
			Choices: []Choice{
				{Answer: Passes, Meaning: "doublelock-choice leaves secrets that are not migrated alone"},
				{Answer: Refused, ByRefusal: true, Meaning: "doublelock-choice stops writes of secrets that are not migrated: it must wait for the backlog, as doublelock-kms does"},
			}, Assumed: Passes, Control: mayWrite, Play: choiceWrite},
	}
}

func choiceNamed(ctx context.Context, w *World) (Answer, error) {
	return creates(ctx, w, choice, managedKey)
}

func choiceMoved(ctx context.Context, w *World) (Answer, error) {
	return setsManagedKey(ctx, w, bySession, choice, managedKey)
}

func choiceEmpty(ctx context.Context, w *World) (Answer, error) {
	return setsManagedKey(ctx, w, bySession, choice, "")
}

func choiceWrite(ctx context.Context, w *World) (Answer, error) {
	secret, err := w.secret(ctx, "")
	if err != nil {
		return "", err
	}
	return refusedOrNot(stopped(ctx, w, bySession, "write", choice, func(s *sandbox.Session) error {
		_, err := s.Put(ctx, secret)
		return err
	}, nil))
}

func choiceReplica(ctx context.Context, w *World) (answer Answer, err error) {
	return replicaUnder(ctx, w, bySession, choice)
}

func choiceNewReplica(ctx context.Context, w *World) (Answer, error) {
	a, err := w.keyA()
	if err != nil {
		return "", err
	}
	return replicaBecomes(ctx, w, bySession, choice, func(s *sandbox.Session) (string, error) {
		return s.CreateReplicated(ctx, w.what("s"), a, w.second.Region())
	})
}

// replicaUnder makes a replica without a key as somebody whom a statement binds, and looks what becomes of it.
func replicaUnder(ctx context.Context, w *World, by denier, statement string) (answer Answer, err error) {
	secret, _, err := w.underA(ctx)
	if err != nil {
		return "", err
	}
	return replicaBecomes(ctx, w, by, statement, func(s *sandbox.Session) (string, error) {
		return secret, s.Replicate(ctx, secret, w.second.Region(), "")
	})
}

// replicaBecomes lets somebody whom a statement binds make a replica, and looks what becomes of it.
func replicaBecomes(ctx context.Context, w *World, by denier, statement string, replicate func(*sandbox.Session) (secret string, err error)) (answer Answer, err error) {
	session, release, err := by(ctx, w, "replicate", statement)
	if release != nil {
		defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	}
	if err != nil {
		return "", err
	}
	secret, err := replicate(session)
	switch {
	case sandbox.Denied(err):
		return Refused, nil
	case err != nil:
		return "", err
	}
	status, err := replicaStatus(ctx, w, secret)
	switch {
	case err != nil:
		return "", err
	case status == sandbox.Failed:
		return "fails-later", nil
	}
	return Passes, nil
}
