package guard_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/guard"
)

// A key that may not be described may be the AWS managed one, a customer's, or gone. Whatever is said holds for all three.
func TestAKeyThatMayNotBeDescribedLeavesUnknownWhatItDecides(t *testing.T) {
	unread, gone := guard.Key{ARN: otherKey.ARN, ID: otherKey.ID}, inState(otherKey, guard.KeyMissing)
	asManaged := otherKey
	asManaged.Manager = guard.ManagerAWS
	opens := func(versions ...[]guard.Key) guard.Secret {
		s := secret(ownKey)
		s.Versions = nil
		for i, keys := range versions {
			s.Versions = append(s.Versions, version("v"+string(rune('1'+i)), []string{"AWSCURRENT", "AWSPREVIOUS"}[i], keys...))
		}
		return s
	}
	replicated := func(keys ...guard.Key) guard.Secret {
		return with(opens([]guard.Key{ownKey}), func(s *guard.Secret) {
			s.Replicas = []guard.Replica{replicaIn("eu-west-1", ownKey, keys...)}
		})
	}
	both := replicated(ownKey, awsKey)
	both.Replicas[0].Versions = append(both.Replicas[0].Versions, version("v0", "AWSPREVIOUS", ownKey, unread))
	type keys = []guard.Key
	for sentence, c := range map[string]struct {
		secret  guard.Secret
		state   guard.LockState
		managed guard.Outcome // DL.SECRET.1
		older   guard.Outcome // DL.SECRET.2
		blind   string        // versions in DL.ORG.1, where neither says anything
	}{
		"beside the secret's own":                                 {opens(keys{ownKey, unread}), guard.StateUnknown, guard.Pass, guard.Fail, ""},
		"beside its own and the AWS managed one":                  {opens(keys{ownKey, awsKey, unread}), guard.StateDual, guard.Pass, guard.Fail, ""},
		"beside its own and another customer managed one":         {opens(keys{ownKey, centralKey, unread}), guard.StateDual, guard.Pass, guard.Fail, ""},
		"beside another customer managed one":                     {opens(keys{centralKey, unread}), guard.StateDual, guard.Pass, guard.Fail, ""},
		"beside the AWS managed one":                              {opens(keys{awsKey, unread}), guard.StateUnknown, guard.Unknown, guard.Unknown, "v1"},
		"alone":                                                   {opens(keys{unread}), guard.StateUnknown, guard.Unknown, guard.Unknown, "v1"},
		"beside one that is gone":                                 {opens(keys{inState(centralKey, guard.KeyMissing), unread}), guard.StateUnknown, guard.Unknown, guard.Unknown, "v1"},
		"beside its own, and another version is open":             {opens(keys{ownKey, unread}, keys{ownKey, awsKey}), guard.StateDual, guard.Pass, guard.Fail, ""},
		"alone, and another version is open":                      {opens(keys{unread}, keys{ownKey, awsKey}), guard.StateUnknown, guard.Unknown, guard.Unknown, "v1"},
		"alone, and another version has one lock":                 {opens(keys{unread}, keys{awsKey}), guard.StateDefault, guard.Fail, guard.NotApplicable, ""},
		"in a replica, beside its own":                            {replicated(ownKey, unread), guard.StateUnknown, guard.Pass, guard.Fail, ""},
		"in a replica, beside its own and the AWS managed one":    {replicated(ownKey, awsKey, unread), guard.StateDual, guard.Pass, guard.Fail, ""},
		"in a replica, beside its own, and another is open":       {both, guard.StateDual, guard.Pass, guard.Fail, ""},
		"in a replica, alone: it is under another key than named": {replicated(unread), guard.StateDual, guard.Pass, guard.Fail, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := guard.StateOf(c.secret, ""); got != c.state {
				t.Errorf("state %s, want %s", got, c.state)
			}
			for id, want := range map[guard.ControlID]guard.Outcome{guard.SecretDefaultKey: c.managed, guard.SecretNotSealed: c.older} {
				if v := verdict(t, id, c.secret); v.Outcome != want {
					t.Errorf("%s: %s, want %s: %s", id, v.Outcome, want, v.Describe())
				}
			}
			for _, is := range []guard.Key{asManaged, otherKey, gone} {
				if got := guard.StateOf(described(c.secret, unread, is), ""); c.state != guard.StateUnknown && got != c.state {
					t.Errorf("state %s, and %s where the key is %s %s", c.state, got, is.Manager, is.State)
				}
			}
			blind := guard.Unread(c.secret)
			var names []string
			for _, v := range blind.Versions {
				names = append(names, v.ID)
			}
			if got := strings.Join(names, ", "); got != c.blind || (blind.Blind == nil) != (c.blind == "") {
				t.Errorf("blind at %q, want %q: %+v", got, c.blind, blind.Blind)
			}
			if words := guard.Describe(guard.OrgCoverage, guard.Fail, blind); c.blind != "" && !strings.Contains(words, unread.ARN) {
				t.Errorf("the key is not named: %s", words)
			}
		})
	}
}

// described is a secret in which a key is described after all.
func described(s guard.Secret, unread, is guard.Key) guard.Secret {
	say := func(versions []guard.Version) []guard.Version {
		var said []guard.Version
		for _, v := range versions {
			var keys []guard.Key
			for _, k := range v.Keys {
				if k.ARN == unread.ARN {
					k = is
				}
				keys = append(keys, k)
			}
			v.Keys = keys
			said = append(said, v)
		}
		return said
	}
	s.Versions = say(s.Versions)
	replicas := s.Replicas
	s.Replicas = nil
	for _, r := range replicas {
		r.Versions = say(r.Versions)
		s.Replicas = append(s.Replicas, r)
	}
	return s
}
