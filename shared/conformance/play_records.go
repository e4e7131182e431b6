package conformance

import (
	"context"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/trail"
)

const (
	trailEntries = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/cloudtrail_log_entries.html"
)

// validation stands for a version where Secrets Manager only checks a key (user guide, encryption).
const validation = "RequestToValidateKeyAccess"

func recordQuestions() []Question {
	return []Question{
		{ID: "secretsmanager.empty-key.described", Row: 1, Title: "What does DescribeSecret show after an UpdateSecret with an empty key?", Document: updateSecret,
			Calls: calls(newSecret, describe, setKey),
			Choices: []Choice{
				{Answer: Absent, Meaning: "a secret without a key is under the AWS managed one"},
				{Answer: "shown", Meaning: "a secret that went back shows the AWS managed key, whose manager is asked of KMS"},
			}, Assumed: Absent, Play: emptyKeyDescribed},
		{ID: "secretsmanager.empty-key.recorded", Row: 1, Title: `What is kmsKeyId in CloudTrail's record of an UpdateSecret with an empty key?`, Document: trailEntries, Trail: true,
			Calls: calls(asRole, setKey, lookup),
			Choices: []Choice{
				{Answer: Text, Meaning: "the event says where to look, and Describe what is true"},
				{Answer: Absent, Meaning: "the event looks like a change of the description; it leads to a Describe all the same"},
				{Answer: Managed, Meaning: "the event names the AWS managed key"},
			}, Assumed: Text, Play: emptyKeyRecorded},
		{ID: "secretsmanager.alias.recorded", Row: 8, Title: "Does CloudTrail record the key of CreateSecret as the caller wrote it?", Document: trailEntries, Trail: true,
			Calls: calls(asRole, newAlias, lookup),
			Choices: []Choice{
				{Answer: Raw, Meaning: "the event's key is never used to decide"},
				{Answer: Resolved, Meaning: "the event's key could be believed; it is not"},
				{Answer: Absent, Meaning: "the event has no key, whatever was asked for"},
			}, Assumed: Raw, Play: aliasRecorded},
		{ID: "kms.validation.recorded", Row: 31, Title: "Which calls to KMS does CloudTrail record when Secrets Manager validates a key (RequestToValidateKeyAccess)?", Document: encryption, Trail: true,
			Calls: calls(asRole, setKey, put, read, lookup),
			Choices: []Choice{
				{Answer: "both", Meaning: "a validation is no read of the secret, and is not counted as one"},
				{Answer: "generate-only", Meaning: "the same; a caller without kms:Decrypt can set the key"},
				{Answer: "decrypt-only", Meaning: "the same"},
				{Answer: "none", Meaning: "a key that was set leaves no trace in KMS"},
			}, Assumed: "both", Play: validationRecorded},
	}
}

func emptyKeyDescribed(ctx context.Context, w *World) (Answer, error) {
	secret, key, err := w.underA(ctx)
	if err != nil {
		return "", err
	}
	if err := w.own.SetKey(ctx, secret, ""); err != nil {
		return "", err
	}
	d, err := w.own.Describe(ctx, secret)
	switch {
	case err != nil:
		return "", err
	case d.Key == "":
		return Absent, nil
	case same(d.Key, key):
		return "", errUnexpected
	}
	return "shown", nil
}

// succeeded is the event of a call that went well.
func succeeded(name string) func([]trail.Change) bool {
	return func(events []trail.Change) bool {
		return slices.ContainsFunc(events, func(e trail.Change) bool { return e.EventName == name && e.ErrorCode == "" })
	}
}

// recordedKey is kmsKeyId of a call that a session made, and whether it is there at all.
func recordedKey(ctx context.Context, w *World, session, call string, do func(*sandbox.Session) error) (key string, there bool, err error) {
	as, err := w.as(ctx, session)
	if err != nil {
		return "", false, err
	}
	since := w.now()
	if err := do(as); err != nil {
		return "", false, err
	}
	events, err := w.recorded(ctx, session, since, time.Now(), succeeded(call))
	if err != nil {
		return "", false, err
	}
	for _, e := range events {
		if e.EventName == call && e.ErrorCode == "" {
			value, there := e.Request["kmsKeyId"]
			key, _ := value.(string)
			return key, there, nil
		}
	}
	return "", false, errNotShown
}

func emptyKeyRecorded(ctx context.Context, w *World) (Answer, error) {
	secret, _, err := w.underA(ctx)
	if err != nil {
		return "", err
	}
	key, there, err := recordedKey(ctx, w, "s", "UpdateSecret", func(s *sandbox.Session) error { return s.SetKey(ctx, secret, "") })
	switch {
	case err != nil:
		return "", err
	case !there:
		return Absent, nil
	case key == "":
		return Text, nil
	}
	return Managed, nil
}

func aliasRecorded(ctx context.Context, w *World) (Answer, error) {
	a, err := w.keyA()
	if err != nil {
		return "", err
	}
	alias, err := w.own.CreateAlias(ctx, w.what("alias"), a)
	if err != nil {
		return "", err
	}
	key, there, err := recordedKey(ctx, w, "s", "CreateSecret", func(s *sandbox.Session) error {
		return w.eventually(ctx, "create a secret under a new alias", func(ctx context.Context) error {
			_, err := s.CreateSecret(ctx, w.what("s"), alias)
			return err
		})
	})
	switch {
	case err != nil:
		return "", err
	case !there:
		return Absent, nil
	case key == alias:
		return Raw, nil
	case same(key, a):
		return Resolved, nil
	}
	return "", errUnexpected
}

func validationRecorded(ctx context.Context, w *World) (Answer, error) {
	secret, _, b, err := w.underAOfTwo(ctx)
	if err != nil {
		return "", err
	}
	as, err := w.as(ctx, "s")
	if err != nil {
		return "", err
	}
	since := w.now()
	if err := as.SetKey(ctx, secret, b); err != nil {
		return "", err
	}
	if _, err := as.Put(ctx, secret); err != nil {
		return "", err
	}
	if err := as.Read(ctx, secret); err != nil {
		return "", err
	}
	both := false // were shown, which nothing later takes back
	events, err := w.recorded(ctx, "s", since, time.Now(), func(events []trail.Change) bool {
		tried, used := usesOfKey(events)
		both = both || tried["GenerateDataKey"] && tried["Decrypt"]
		return succeeded("UpdateSecret")(events) && (both || used["GenerateDataKey"] && used["Decrypt"])
	})
	if err != nil {
		return "", err
	}
	switch tried, _ := usesOfKey(events); {
	case tried["GenerateDataKey"] && tried["Decrypt"]:
		return "both", nil
	case tried["GenerateDataKey"]:
		return "generate-only", nil
	case tried["Decrypt"]:
		return "decrypt-only", nil
	}
	return "none", nil
}

// usesOfKey are the calls to KMS by which Secrets Manager tried a key, and those by which it wrote and read a version: that these are
// shown is what makes an absence of the others one.
func usesOfKey(events []trail.Change) (tried, used map[string]bool) {
	tried, used = map[string]bool{}, map[string]bool{}
	for _, e := range events {
		switch context, _ := e.Request["encryptionContext"].(map[string]any); context["SecretVersionId"] {
		case nil:
		case validation:
			tried[e.EventName] = true
		default:
			used[e.EventName] = true
		}
	}
	return tried, used
}
