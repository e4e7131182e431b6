package guard_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

func TestEvaluateFailsTheControlsThatApply(t *testing.T) {
	central := guard.Standard{Approved: guard.Approved{Accounts: []string{"444455556666"}}}
	abroad := with(secret(ownKey, ownKey), inAnotherAccount(centralKey))
	for sentence, c := range map[string]struct {
		secret  guard.Secret
		std     guard.Standard
		fails   []guard.ControlID
		unknown []guard.ControlID
		detail  string // part of the first failing detail
	}{
		"a sealed secret under its account's key passes everything": {secret: secret(ownKey, ownKey)},
		"a default secret fails 1 only": {
			secret: secret(awsKey, awsKey), fails: []guard.ControlID{guard.SecretDefaultKey}, detail: "AWS managed key",
		},
		"a dual secret fails 2": {
			secret: secret(ownKey, ownKey, awsKey), fails: []guard.ControlID{guard.SecretNotSealed}, detail: "1 labelled version still opens with the previous key",
		},
		"a silent re-key names the rights that may be missing": {
			secret: secret(ownKey, awsKey), fails: []guard.ControlID{guard.SecretDefaultKey}, detail: "kms:Encrypt",
		},
		"a replica on the AWS managed key fails 3 and names the Region": {
			secret: with(secret(ownKey, ownKey), func(s *guard.Secret) {
				s.PrimaryRegion = s.Region
				s.Replicas = []guard.Replica{replicaIn("eu-west-1", awsKey), replicaIn("us-west-2", ownKey)}
			}),
			fails: []guard.ControlID{guard.SecretReplicaKey}, detail: "eu-west-1",
		},
		"a replica that names the AWS managed key, whose copy opens with a dying key alone, fails 4 as well": {
			secret: with(secret(ownKey, ownKey), func(s *guard.Secret) {
				s.Replicas = []guard.Replica{replicaIn("eu-west-1", awsKey)}
				s.Replicas[0].Versions = []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{inState(ownKey, guard.KeyPendingDeletion)}}}
			}),
			fails: []guard.ControlID{guard.SecretReplicaKey, guard.SecretKeyUnusable}, detail: "PendingDeletion",
		},
		"a replica that names the AWS managed key, of whose copies nobody knows, leaves open what they are under": {
			secret: with(secret(ownKey, ownKey), func(s *guard.Secret) {
				s.Replicas = []guard.Replica{{Region: "eu-west-1", Key: awsKey, Status: "InSync"}}
			}),
			fails: []guard.ControlID{guard.SecretReplicaKey}, detail: "eu-west-1",
			unknown: []guard.ControlID{guard.SecretNotSealed, guard.SecretKeyUnusable, guard.SecretKeyUnapproved},
		},
		"a replica whose key cannot be read is unknown, not fine": {
			secret: with(secret(ownKey, ownKey), func(s *guard.Secret) {
				s.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: "x", Status: "InSync"}}
			}),
			unknown: []guard.ControlID{guard.SecretNotSealed, guard.SecretReplicaKey, guard.SecretKeyUnusable, guard.SecretKeyUnapproved},
		},
		"a replica whose key cannot be read is unknown though another's is fine": {
			secret: with(secret(ownKey, ownKey), func(s *guard.Secret) {
				s.Replicas = []guard.Replica{{Region: "eu-west-1", KeyID: "x", Status: "InSync"}, replicaIn("us-west-2", ownKey)}
			}),
			unknown: []guard.ControlID{guard.SecretNotSealed, guard.SecretReplicaKey, guard.SecretKeyUnusable, guard.SecretKeyUnapproved},
		},
		"a copy outside the organization fails 7": {
			secret: abroad, std: members(false), fails: []guard.ControlID{guard.SecretOutside}, detail: "has a copy outside the organization, in account 444455556666",
		},
		"a copy in another account of the organization passes":    {secret: abroad, std: members(true)},
		"a copy in an account of which nobody knows is unknown":   {secret: abroad, std: guard.Standard{Approved: members(true).Approved}, unknown: []guard.ControlID{guard.SecretOutside}},
		"copies in other accounts that nobody listed are unknown": {secret: with(secret(ownKey, ownKey), func(s *guard.Secret) { s.Elsewhere = guard.Elsewhere{} }), unknown: []guard.ControlID{guard.SecretOutside}},
		"a copy that is outside fails though its replication failed": {secret: with(abroad, func(s *guard.Secret) {
			s.Elsewhere.Copies = slices.Clone(s.Elsewhere.Copies)
			s.Elsewhere.Copies[0].Status = "Detached"
		}), std: members(false), fails: []guard.ControlID{guard.SecretOutside}, unknown: []guard.ControlID{guard.SecretReplicaKey}},
		"a disabled key fails 4": {
			secret: secret(inState(ownKey, guard.KeyDisabled), inState(ownKey, guard.KeyDisabled)),
			fails:  []guard.ControlID{guard.SecretKeyUnusable}, detail: "Disabled",
		},
		"a key pending deletion fails 4": {
			secret: secret(inState(ownKey, guard.KeyPendingDeletion), ownKey), fails: []guard.ControlID{guard.SecretKeyUnusable},
		},
		"a missing key fails 4": {
			secret: secret(inState(ownKey, guard.KeyMissing), ownKey), fails: []guard.ControlID{guard.SecretKeyUnusable}, detail: "does not exist",
		},
		"a disabled key of a replica fails 4": {
			secret: with(secret(ownKey, ownKey), func(s *guard.Secret) {
				s.Replicas = []guard.Replica{replicaIn("eu-west-1", inState(otherKey, guard.KeyDisabled))}
			}),
			fails: []guard.ControlID{guard.SecretKeyUnusable}, detail: "replica in eu-west-1",
		},
		"the central key account's key is fine when approved":               {secret: secret(centralKey, centralKey), std: central},
		"another account's key is not fine when nothing approves it":        {secret: secret(centralKey, centralKey), fails: []guard.ControlID{guard.SecretKeyUnapproved}},
		"the own account's key is not fine when only the central one is":    {secret: secret(ownKey, ownKey), std: central, fails: []guard.ControlID{guard.SecretKeyUnapproved}},
		"a key approved by an ARN pattern passes":                           {secret: secret(otherKey, otherKey), std: approve(guard.Approved{ARNs: []string{"arn:aws:kms:*:111122223333:key/*"}})},
		"a key approved by alias is unknown while its aliases are not read": {secret: secret(ownKey, ownKey), std: approve(guard.Approved{Aliases: []string{"alias/app"}}), unknown: []guard.ControlID{guard.SecretKeyUnapproved}},
		"an account and an ARN that are approved approve no other key": {
			secret: secret(ownKey, ownKey), std: approve(guard.Approved{Accounts: []string{"444455556666"}, ARNs: []string{centralKey.ARN}}),
			fails: []guard.ControlID{guard.SecretKeyUnapproved},
		},
		"an ARN and an alias that are approved approve no other key": {
			secret: secret(tagged(ownKey, "team", "a"), ownKey), std: approve(guard.Approved{ARNs: []string{centralKey.ARN}, Aliases: []string{"alias/app"}}),
			unknown: []guard.ControlID{guard.SecretKeyUnapproved},
		},
		"an alias and a tag that are approved approve no other key": {
			secret: secret(tagged(ownKey, "team", "a"), ownKey), std: approve(guard.Approved{Aliases: []string{"alias/app"}, Tags: map[string]string{"team": "b"}}),
			unknown: []guard.ControlID{guard.SecretKeyUnapproved},
		},
		"a key without the approved tag fails 5": {
			secret: secret(tagged(ownKey, "team", "a"), ownKey), std: approve(guard.Approved{Tags: map[string]string{"team": "b"}}),
			fails: []guard.ControlID{guard.SecretKeyUnapproved},
		},
		"a key with the approved tag passes": {secret: secret(tagged(ownKey, "team", "b"), ownKey), std: approve(protected(guard.Approved{Tags: map[string]string{"team": "b"}}, true))},
		"a service-owned secret on the AWS managed key fails 6 with RDS's own fix": {
			secret: with(secret(awsKey, awsKey), func(s *guard.Secret) { s.Name, s.OwningService = "rds!db-1", "rds" }),
			fails:  []guard.ControlID{guard.SecretForeignKey}, detail: "owned by rds",
		},
		"a service-owned secret under a customer key passes": {
			secret: with(secret(ownKey, ownKey), func(s *guard.Secret) { s.OwningService = "rds" }),
		},
		"a secret pending deletion fails nothing": {
			secret: with(secret(awsKey, awsKey), func(s *guard.Secret) { s.DeletedAt = now }),
		},
		"a replica is judged through its primary": {
			secret: with(secret(awsKey, awsKey), func(s *guard.Secret) { s.PrimaryRegion = "eu-west-1" }),
		},
		"a key nobody could read leaves everything unknown": {
			secret:  secret(guard.Key{ARN: ownKey.ARN}),
			unknown: []guard.ControlID{guard.SecretDefaultKey, guard.SecretNotSealed, guard.SecretKeyUnusable, guard.SecretKeyUnapproved},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			var fails, unknown []guard.ControlID
			detail := ""
			for _, v := range guard.Evaluate(c.secret, c.std, now) {
				switch v.Outcome {
				case guard.Fail:
					fails = append(fails, v.Control.ID)
					detail += v.Describe()
					if v.Fix() == "" || v.Describe() == "" {
						t.Errorf("%s fails without a detail or a fix", v.Control.ID)
					}
				case guard.Unknown:
					unknown = append(unknown, v.Control.ID)
					if v.Describe() == "" {
						t.Errorf("%s is unknown without saying what was not read", v.Control.ID)
					}
				}
			}
			if diff := cmp.Diff(c.fails, fails); diff != "" {
				t.Errorf("fails (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.unknown, unknown); diff != "" {
				t.Errorf("unknown (-want +got):\n%s", diff)
			}
			if !strings.Contains(detail, c.detail) {
				t.Errorf("detail %q does not say %q", detail, c.detail)
			}
		})
	}
}

func TestForeignFindingCarriesTheServicesOwnFix(t *testing.T) {
	for service, part := range map[string]string{"rds": "manage-master-user-password", "events": "update-connection", "pcs": "in pcs"} {
		s := with(secret(awsKey, awsKey), func(s *guard.Secret) { s.Name = service + "!x" })
		for _, v := range guard.Evaluate(s, guard.Standard{}, now) {
			if v.Outcome == guard.Fail && !strings.Contains(v.Fix(), part) {
				t.Errorf("%s: fix %q does not say %q", service, v.Fix(), part)
			}
		}
	}
}

// members says of the account of a copy whether it is of the organization. The keys of both accounts are approved.
func members(is bool) guard.Standard {
	return guard.Standard{Approved: guard.Approved{Accounts: []string{"111122223333", "444455556666"}}, Members: map[string]bool{"444455556666": is}}
}

func approve(a guard.Approved) guard.Standard { return guard.Standard{Approved: a} }

// protected says of the account of ownKey whether an SCP keeps its people from approving keys.
func protected(a guard.Approved, is bool) guard.Approved {
	a.Protected = map[string]bool{ownKey.Account: is}
	return a
}

func tagged(k guard.Key, name, value string) guard.Key {
	k.Tags = map[string]string{name: value}
	return k
}

func BenchmarkEvaluate(b *testing.B) {
	s := secret(ownKey, ownKey, awsKey)
	std := approve(guard.Approved{Accounts: []string{"444455556666"}})
	b.ReportAllocs()
	for b.Loop() {
		guard.Evaluate(s, std, now)
	}
}

// Twenty copies: five versions, each in the primary and in three replicas, which list them themselves. Each opens with the
// location's own key, as of a secret that is sealed, or with two more, so that most controls fail and list all of them; or with two of
// which none lasts, so that each is listed as closing as well.
func BenchmarkEvaluateTwentyCopies(b *testing.B) {
	ends := expiring(otherKey, now.AddDate(0, 0, 9))
	for name, keys := range map[string][]guard.Key{"sealed": {ownKey}, "worst": {ownKey, otherKey, awsKey}, "ending": {inState(ownKey, guard.KeyDisabled), ends, inState(centralKey, guard.KeyDisabled)}} {
		b.Run(name, func(b *testing.B) {
			own := keys[0]
			s := secret(own)
			s.Versions = nil
			for i := range 5 {
				s.Versions = append(s.Versions, guard.Version{ID: fmt.Sprint("v", i), Stages: []string{fmt.Sprint("label-", i)}, Keys: slices.Clone(keys)})
			}
			s.Versions[0].Stages = []string{"AWSCURRENT"}
			for _, region := range []string{"eu-west-1", "eu-west-2", "us-west-2"} {
				replica := replicaIn(region, own)
				replica.Versions = nil
				for _, v := range s.Versions {
					v.Keys = slices.Clone(keys)
					replica.Versions = append(replica.Versions, v)
				}
				s.Replicas = append(s.Replicas, replica)
			}
			if n := len(guard.CopiesOf(s).List); n != 20 {
				b.Fatalf("%d copies", n)
			}
			std := approve(guard.Approved{Accounts: []string{"444455556666"}})
			b.ReportAllocs()
			for b.Loop() {
				guard.Evaluate(s, std, now)
			}
		})
	}
}

// Of a replica whose primary cannot be seen its own Region says what it can: what is wrong there, and never that all is well.
func TestAReplicaIsMeasuredByWhatItsOwnRegionSays(t *testing.T) {
	replica := func(key guard.Key, versions ...guard.Version) guard.Secret {
		return with(secret(key), func(s *guard.Secret) { s.PrimaryRegion, s.Versions = "eu-west-1", versions })
	}
	current, older := version("v1", "AWSCURRENT", ownKey), version("v0", "AWSPREVIOUS", awsKey)
	for sentence, c := range map[string]struct {
		secret   guard.Secret
		want     guard.Outcome // of SecretReplicaKey
		named    int           // replicas in its subject
		versions int
		state    guard.LockState
	}{
		"under the AWS managed key":       {replica(awsKey, version("v1", "AWSCURRENT", awsKey)), guard.Fail, 1, 0, guard.StateDefault},
		"an older version is":             {replica(ownKey, current, older), guard.Fail, 0, 1, guard.StateDefault},
		"under a customer managed key":    {replica(ownKey, current), guard.Unknown, 1, 0, guard.StateUnknown},
		"pending deletion":                {with(replica(awsKey, current), func(s *guard.Secret) { s.DeletedAt = now }), guard.NotApplicable, 0, 0, ""},
		"of a secret that a service owns": {with(replica(awsKey, version("v1", "AWSCURRENT", awsKey)), func(s *guard.Secret) { s.OwningService = "rds" }), guard.NotApplicable, 0, 0, guard.StateForeign},
	} {
		for _, v := range guard.EvaluateReplica(c.secret, guard.Standard{}, now) {
			switch v.Control.ID {
			case guard.SecretReplicaKey:
				if v.Outcome != c.want || len(v.Subject.Replicas) != c.named || len(v.Subject.Versions) != c.versions || (v.Subject.Blind != nil) != (c.want == guard.Unknown) {
					t.Errorf("%s: %s, %+v", sentence, v.Outcome, v.Subject)
				}
			case guard.SecretDefaultKey, guard.SecretOutside:
				if v.Outcome != guard.NotApplicable {
					t.Errorf("%s: %s of %s, which primaries are asked", sentence, v.Outcome, v.Control.ID)
				}
			}
		}
		if got := guard.ReplicaState(c.secret); c.state != "" && got != c.state {
			t.Errorf("%s: %s, want %s", sentence, got, c.state)
		}
	}
}

// The next version alone opens with the AWS managed key where every version that is there was looked at, and none does.
func TestOnlyTheNextVersionIsUnderTheAWSManagedKeyWhereNoneThatIsThereIs(t *testing.T) {
	named := func(versions ...guard.Version) guard.Secret {
		return with(secret(awsKey), func(s *guard.Secret) { s.Versions = versions })
	}
	current, older := version("v1", "AWSCURRENT", ownKey), version("v0", "AWSPREVIOUS", awsKey)
	for sentence, c := range map[string]struct {
		secret guard.Secret
		want   bool
	}{
		"none is":                  {named(current), true},
		"an older one is":          {named(current, older), false},
		"of one no key is listed":  {named(current, version("v0", "AWSPREVIOUS")), false},
		"there is none":            {named(), false},
		"they could not be listed": {with(named(), func(s *guard.Secret) { s.VersionsUnread = true }), false},
		"and are known of before":  {with(named(current), func(s *guard.Secret) { s.VersionsUnread = true }), false},
	} {
		v := verdict(t, guard.SecretDefaultKey, c.secret)
		if v.Outcome != guard.Fail || v.Subject.Next != c.want {
			t.Errorf("%s: %s, next %v", sentence, v.Outcome, v.Subject.Next)
		}
	}
}
