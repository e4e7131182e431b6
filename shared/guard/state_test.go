package guard_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
)

func TestLockStateFollowsTheKeysThatOpenIt(t *testing.T) {
	for sentence, c := range map[string]struct {
		secret guard.Secret
		was    guard.LockState
		want   guard.LockState
	}{
		"a secret nobody gave a key is default":                       {secret(awsKey, awsKey), "", guard.StateDefault},
		"a default secret that was default stays default":             {secret(awsKey, awsKey), guard.StateDefault, guard.StateDefault},
		"a default secret that was sealed has drifted":                {secret(awsKey, awsKey), guard.StateSealed, guard.StateDrifted},
		"a default secret that was dual has drifted":                  {secret(awsKey, awsKey), guard.StateDual, guard.StateDrifted},
		"a drifted secret stays drifted":                              {secret(awsKey, awsKey), guard.StateDrifted, guard.StateDrifted},
		"a re-keyed secret whose copy opens with both keys is dual":   {secret(ownKey, ownKey, awsKey), guard.StateDefault, guard.StateDual},
		"a re-keyed secret that was never re-encrypted is default":    {secret(ownKey, awsKey), guard.StateDefault, guard.StateDefault},
		"one that was never re-encrypted under another CMK is dual":   {secret(ownKey, otherKey), guard.StateDefault, guard.StateDual},
		"a secret moved between two customer keys is dual":            {secret(otherKey, otherKey, ownKey), guard.StateSealed, guard.StateDual},
		"a secret whose every labelled version has the key is sealed": {secret(ownKey, ownKey), guard.StateDual, guard.StateSealed},
		"an old copy without a label does not count": {with(secret(ownKey, ownKey), func(s *guard.Secret) {
			s.Versions = append(s.Versions, guard.Version{ID: "v0", Keys: []guard.Key{awsKey}})
		}), "", guard.StateSealed},
		"an old copy without a label does not hide one that has a label": {with(secret(ownKey), func(s *guard.Secret) {
			s.Versions = []guard.Version{{ID: "v0", Keys: []guard.Key{awsKey}}, {ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{ownKey, awsKey}}}
		}), "", guard.StateDual},
		"an older version with a label counts": {with(secret(ownKey, ownKey), func(s *guard.Secret) {
			s.Versions = append(s.Versions, guard.Version{ID: "v0", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{ownKey, awsKey}})
		}), "", guard.StateDual},
		"a secret without a value under a customer key is sealed": {with(secret(ownKey), func(s *guard.Secret) {
			s.Versions = nil
		}), "", guard.StateSealed},
		"a labelled version that lists no key is unknown":    {secret(ownKey), "", guard.StateUnknown},
		"a version under a key nobody could read is unknown": {secret(ownKey, ownKey, guard.Key{}), "", guard.StateUnknown},
		"versions that could not be read make it unknown": {with(secret(ownKey), func(s *guard.Secret) {
			s.Versions, s.VersionsUnread = nil, true
		}), guard.StateSealed, guard.StateUnknown},
		"a key whose metadata could not be read is unknown": {secret(guard.Key{ARN: ownKey.ARN}, ownKey), guard.StateSealed, guard.StateUnknown},
		"a secret with an owning service is foreign": {with(secret(ownKey, ownKey), func(s *guard.Secret) {
			s.OwningService = "rds"
		}), "", guard.StateForeign},
		"a secret with an exclamation mark in its name is foreign": {with(secret(awsKey, awsKey), func(s *guard.Secret) {
			s.Name = "events!connection/x"
		}), "", guard.StateForeign},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := guard.StateOf(c.secret, c.was); got != c.want {
				t.Errorf("StateOf = %q, want %q", got, c.want)
			}
		})
	}
}

func TestForeignServiceIsReadFromTheNameWhenAWSDoesNotSay(t *testing.T) {
	s := guard.Secret{Name: "rds!db-1234"}
	if got := s.ForeignService(); got != "rds" {
		t.Errorf("ForeignService = %q, want rds", got)
	}
	if got := (guard.Secret{Name: "plain"}).ForeignService(); got != "" {
		t.Errorf("ForeignService of a customer's secret = %q, want none", got)
	}
}
