package sandbox

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
)

// aliasPrefix begins the name of every alias.
const aliasPrefix = "alias/"

// WaitingDays is how long a key waits for its deletion: the least that KMS allows.
const WaitingDays = 7

func (s *Session) kms() *kms.Client { return session.Client(s.c, s.at(), kms.NewFromConfig) }

// CreateKey makes a symmetric key and answers its ARN. Its description is the name that it is found by.
func (s *Session) CreateKey(ctx context.Context, what string) (string, error) {
	name, err := s.intend(Key, what)
	if err != nil {
		return "", err
	}
	out, err := s.kms().CreateKey(ctx, &kms.CreateKeyInput{Description: &name, Tags: []types.Tag{{TagKey: aws.String(TagKey), TagValue: aws.String(string(s.run))}}})
	if err != nil {
		return "", session.Fail(err, "create key %s", name)
	}
	return inAnswer(aws.ToString(orZero(out.KeyMetadata).Arn), "create key %s", name)
}

// DisableKey switches a key off.
func (s *Session) DisableKey(ctx context.Context, key string) error {
	_, err := s.kms().DisableKey(ctx, &kms.DisableKeyInput{KeyId: aws.String(arn.Of(key).Name())})
	return session.Fail(err, "disable key %s", key)
}

// Enabled reports whether a key can be used.
func (s *Session) Enabled(ctx context.Context, key string) (bool, error) {
	out, err := s.kms().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &key})
	if err != nil {
		return false, session.Fail(err, "describe key %s", key)
	}
	state, err := inAnswer(string(orZero(out.KeyMetadata).KeyState), "describe key %s", key)
	return state == string(types.KeyStateEnabled), err
}

// TryKey uses a key of the run's in each way in which Secrets Manager does, without it.
func (s *Session) TryKey(ctx context.Context, key string) error {
	made, err := s.kms().GenerateDataKey(ctx, &kms.GenerateDataKeyInput{KeyId: &key, KeySpec: types.DataKeySpecAes256})
	if err != nil {
		return session.Fail(err, "make a data key under key %s", key)
	}
	if _, err := s.kms().Encrypt(ctx, &kms.EncryptInput{KeyId: &key, Plaintext: []byte("conformance")}); err != nil {
		return session.Fail(err, "encrypt with key %s", key)
	}
	_, err = s.kms().Decrypt(ctx, &kms.DecryptInput{KeyId: &key, CiphertextBlob: made.CiphertextBlob})
	return session.Fail(err, "decrypt with key %s", key)
}

// Used reports whether KMS shows a use of a key. It shows one up to an hour later (KMS API reference, GetKeyLastUsage).
func (s *Session) Used(ctx context.Context, key string) (bool, error) {
	out, err := s.kms().GetKeyLastUsage(ctx, &kms.GetKeyLastUsageInput{KeyId: aws.String(arn.Of(key).Name())})
	if err != nil {
		return false, session.Fail(err, "get last use of key %s", key)
	}
	return out.KeyLastUsage != nil, nil
}

// CreateAlias makes an alias of a key and answers its name.
func (s *Session) CreateAlias(ctx context.Context, what, key string) (string, error) {
	name, err := s.intend(Alias, what)
	if err != nil {
		return "", err
	}
	_, err = s.kms().CreateAlias(ctx, &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &key})
	return name, session.Fail(err, "create alias %s", name)
}

// MoveAlias lets an alias lead to another key.
func (s *Session) MoveAlias(ctx context.Context, alias, key string) error {
	_, err := s.kms().UpdateAlias(ctx, &kms.UpdateAliasInput{AliasName: &alias, TargetKeyId: &key})
	return session.Fail(err, "move alias %s", alias)
}

// KeyOf is the ARN of the key that an id, ARN or alias leads to.
func (s *Session) KeyOf(ctx context.Context, id string) (string, error) {
	out, err := s.kms().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &id})
	if err != nil {
		return "", session.Fail(err, "describe key %s", id)
	}
	return inAnswer(aws.ToString(orZero(out.KeyMetadata).Arn), "describe key %s", id)
}

// GrantDecrypt lets a principal decrypt with a key what has an encryption context, and answers the grant's id.
func (s *Session) GrantDecrypt(ctx context.Context, key, grantee string, having map[string]string) (string, error) {
	out, err := s.kms().CreateGrant(ctx, &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: &grantee, Operations: []types.GrantOperation{types.GrantOperationDecrypt},
		Constraints: &types.GrantConstraints{EncryptionContextSubset: having}})
	if err != nil {
		return "", session.Fail(err, "grant the use of key %s", key)
	}
	return inAnswer(aws.ToString(out.GrantId), "grant the use of key %s", key)
}

// Granted reports whether a key has a grant.
func (s *Session) Granted(ctx context.Context, key, grant string) (bool, error) {
	out, err := s.kms().ListGrants(ctx, &kms.ListGrantsInput{KeyId: &key, GrantId: &grant})
	if err != nil {
		return false, session.Fail(err, "list grants of key %s", key)
	}
	return slices.ContainsFunc(out.Grants, func(g types.GrantListEntry) bool { return aws.ToString(g.GrantId) == grant }), nil
}

// removeKey schedules the deletion of the key with that description. Where there is none, each key that may not be described may be it.
func (s *Session) removeKey(ctx context.Context, name string) error {
	found, waits := false, false
	err := s.eachKey(ctx, func(id string, state types.KeyState, description string) error {
		switch {
		case description != name:
			return nil
		case state == types.KeyStatePendingDeletion:
			waits = true
			return nil
		}
		found = true
		ours, err := s.ourKey(ctx, id, name)
		if err != nil {
			return err
		}
		if !ours {
			return notOurs(Key, name)
		}
		_, err = s.kms().ScheduleKeyDeletion(ctx, &kms.ScheduleKeyDeletionInput{KeyId: &id, PendingWindowInDays: aws.Int32(WaitingDays)})
		return session.Fail(err, "schedule the deletion of key %s", name)
	})
	switch _, unseen := errors.AsType[*UnseenError](err); {
	case unseen && !found && !waits, err != nil && !unseen:
		return err
	case !found:
		return errNothing
	}
	return nil
}

// ourKey reports whether a key has the tag of the run that a name is of.
func (s *Session) ourKey(ctx context.Context, id, name string) (bool, error) {
	out, err := s.kms().ListResourceTags(ctx, &kms.ListResourceTagsInput{KeyId: &id})
	if err != nil {
		return false, session.Fail(err, "list tags of key %s", id)
	}
	for _, tag := range out.Tags {
		if aws.ToString(tag.TagKey) == TagKey && s.run.owns(name, aws.ToString(tag.TagValue)) {
			return true, nil
		}
	}
	return false, nil
}

// UnseenError says which keys could not be looked at: nobody knows whether a run made them.
type UnseenError struct {
	Keys []string // ids
	err  error    // of the first
}

func (u *UnseenError) Error() string {
	const named = 3
	keys := strings.Join(u.Keys[:min(named, len(u.Keys))], ", ")
	if more := len(u.Keys) - named; more > 0 {
		keys += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("it takes kms:DescribeKey on %s to see whether a run made it: %v", keys, u.err)
}

func (u *UnseenError) Unwrap() error { return u.err }

// eachKey calls do with every customer managed key whose description begins as the names of runs do. The error is an UnseenError where
// all others were seen.
func (s *Session) eachKey(ctx context.Context, do func(id string, state types.KeyState, description string) error) error {
	var unseen UnseenError
	pages := kms.NewListKeysPaginator(s.kms(), &kms.ListKeysInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return session.Fail(err, "list keys")
		}
		for _, entry := range page.Keys {
			out, err := s.kms().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: entry.KeyId})
			switch err := session.Fail(err, "describe key"); {
			case Denied(err):
				unseen.Keys, unseen.err = append(unseen.Keys, aws.ToString(entry.KeyId)), cmp.Or(unseen.err, err)
				continue
			case Gone(err):
				continue
			case err != nil:
				return err
			}
			key := orZero(out.KeyMetadata)
			description := aws.ToString(key.Description)
			if key.KeyManager != types.KeyManagerTypeCustomer || !strings.HasPrefix(description, Prefix) {
				continue
			}
			if err := do(aws.ToString(key.KeyId), key.KeyState, description); err != nil {
				return err
			}
		}
	}
	if len(unseen.Keys) > 0 {
		return &unseen
	}
	return nil
}

func (s *Session) findKeys(ctx context.Context) ([]string, error) {
	var names []string
	err := s.eachKey(ctx, func(_ string, state types.KeyState, description string) error {
		if state != types.KeyStatePendingDeletion && s.run.of(description) {
			names = append(names, description)
		}
		return nil
	})
	return names, err
}

// removeAlias removes an alias that leads to one of the run's keys, or to a key that waits for its deletion.
func (s *Session) removeAlias(ctx context.Context, name string) error {
	out, err := s.kms().DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: &name})
	if err != nil {
		return session.Fail(err, "describe key of alias %s", name)
	}
	key, err := inAnswer(aws.ToString(orZero(out.KeyMetadata).KeyId), "describe key of alias %s", name)
	if err != nil {
		return err
	}
	ours, err := s.ourKey(ctx, key, strings.TrimPrefix(name, aliasPrefix))
	if err != nil {
		return err
	}
	if !ours {
		return fmt.Errorf("%w, for its key is another's", notOurs(Alias, name))
	}
	_, err = s.kms().DeleteAlias(ctx, &kms.DeleteAliasInput{AliasName: &name})
	return session.Fail(err, "delete alias %s", name)
}

func (s *Session) findAliases(ctx context.Context) ([]string, error) {
	var names []string
	pages := kms.NewListAliasesPaginator(s.kms(), &kms.ListAliasesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list aliases")
		}
		for _, alias := range page.Aliases {
			if bare, _ := strings.CutPrefix(aws.ToString(alias.AliasName), aliasPrefix); s.run.of(bare) {
				names = append(names, aws.ToString(alias.AliasName))
			}
		}
	}
	return names, nil
}
