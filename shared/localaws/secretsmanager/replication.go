package secretsmanager

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// replicate makes a replica in each Region, under the key given for it or the AWS managed key there. What goes wrong
// shows in the replica's status, not in the call. A replica that failed is made anew.
func replicate(c *core.Call, s *secret, regions []replicaRegion, force bool) {
	for _, add := range regions {
		at := core.Location{Account: s.at.Account, Region: add.Region}
		r := &secret{at: at, name: s.name, keyID: add.KmsKeyId, primary: s, created: c.Now, status: statusInProgress,
			versions: map[string]*secretVersion{}, stages: map[string]string{}}
		r.arn = secretARN(at, s.name) + s.arn[len(s.arn)-suffixLength:]
		if failed := s.replicaIn(add.Region); failed != nil {
			s.forget(failed)
			if failed.registered(c.AWS) {
				dropSecret(c.AWS, failed)
			}
		}
		s.replicas = append(s.replicas, r)
		replicationEvent(c.After, c.AWS, r, "ReplicationStarted")
		eventually(c, func(after func(func())) {
			if !slices.Contains(s.replicas, r) { // its Region was removed
				return
			}
			err := r.register(c.AWS, force)
			if err == nil && c.AWS.Options.Behavior.ReplicaKeysTried {
				err = validateKey(c, r, r.key())
			}
			if err == nil {
				err = r.copyVersions(c, true)
			}
			r.replicated(c.AWS, err)
			replicationEvent(after, c.AWS, r, endOf(err))
		})
	}
	slices.SortFunc(s.replicas, func(x, y *secret) int { return strings.Compare(x.at.Region, y.at.Region) })
}

// follow brings the copies of a secret what it has and they have not. A replica that could not be made stays as it is.
func follow(c *core.Call, s *secret) {
	followAbroad(c, s)
	for _, r := range s.replicas {
		if !r.registered(c.AWS) {
			continue
		}
		before := r.status
		r.status, r.message = statusInProgress, ""
		eventually(c, func(after func(func())) {
			if !slices.Contains(s.replicas, r) {
				return
			}
			err := r.copyVersions(c, !c.AWS.Options.Behavior.ReplicaFollowsWriter)
			r.replicated(c.AWS, err)
			if r.status != before {
				replicationEvent(after, c.AWS, r, endOf(err))
			}
		})
	}
}

// registered reports whether a replica is there for those who ask in its Region.
func (s *secret) registered(a *core.AWS) bool { return secretsAt(a, s.at).byName[s.name] == s }

// register puts a replica into its Region, where its name is free or may be overwritten.
func (s *secret) register(a *core.AWS, force bool) error {
	if taken := living(a, secretsAt(a, s.at).byName[s.name]); taken != nil {
		if !force {
			return &core.Error{Code: "ResourceExistsException", Message: "Secret name simultaneously exists in region " + s.at.Region + "."}
		}
		dropSecret(a, taken)
	}
	addSecret(a, s)
	return nil
}

// copyVersions brings a replica the labelled versions that it lacks, and then the labels. Secrets Manager decrypts a version with
// the primary's key before it encrypts it with the replica's, both with the rights of the caller who wrote (user guide,
// "Troubleshoot replication"), or by itself where Behavior says so. The error is that of the first version that could not be
// copied: labels stay where they are then, and only versions without any get theirs.
func (s *secret) copyVersions(c *core.Call, decrypt bool) error {
	if c.AWS.Options.Behavior.ReplicaKeysByService {
		alone := *c
		alone.Caller = core.ServiceCaller(s.at.Account, servicePrincipal)
		c = &alone
	}
	var failed error
	for _, id := range s.primary.versionIDs {
		if s.versions[id] != nil || len(s.primary.stagesOf(id)) == 0 {
			continue
		}
		failed = firstError(failed, s.copyVersion(c, s.primary.versions[id], decrypt))
	}
	if failed == nil {
		s.stages = maps.Clone(s.primary.stages)
		return nil
	}
	before := maps.Clone(s.stages)
	for stage, id := range s.primary.stages {
		if _, held := before[stage]; !held && s.versions[id] != nil && !slices.Contains(slices.Collect(maps.Values(before)), id) {
			s.stages[stage] = id
		}
	}
	return failed
}

func (s *secret) copyVersion(c *core.Call, v *secretVersion, decrypt bool) error {
	if decrypt {
		if _, err := openVersion(c, s.primary, v); err != nil {
			return err
		}
	}
	mirrored := &secretVersion{id: v.id, created: v.created, text: v.text, binary: v.binary}
	if err := seal(c, s, mirrored); err != nil {
		return err
	}
	s.addVersion(mirrored)
	return nil
}

// replicated is the end of a replication. A replica with no version that can be used is removed from its Region, and stays listed
// as failed (user guide, "Troubleshoot replication").
func (s *secret) replicated(a *core.AWS, err error) {
	if err == nil {
		s.status, s.message = statusInSync, "Replication succeeded"
		return
	}
	s.status, s.message = statusFailed, "Replication failed: "+core.AsError(err).Message
	if len(s.versionIDs) == 0 && s.registered(a) {
		dropSecret(a, s)
	}
}

func endOf(err error) string {
	if err != nil {
		return "ReplicationFailed"
	}
	return "ReplicationSucceeded"
}

// replicationEvent records what became of a replication, in the primary's Region.
func replicationEvent(after func(func()), a *core.AWS, r *secret, name string) {
	primary := r.primary
	after(func() {
		a.Happened(primary.at, core.ServiceEvent{Source: "secretsmanager", Name: name, Extra: map[string]any{"SecretId": primary.arn, "replicaRegion": r.at.Region}})
	})
}

// replications are those that have begun and not ended, the first to end first.
type replications struct{ pending []replication }

type replication struct {
	due time.Time
	end func(after func(func()))
}

func replicationsOf(a *core.AWS) *replications {
	return core.Global(a, func() *replications { return &replications{} })
}

// eventually ends a replication: within the call that begins it, or after Faults.Replication. What end does with after happens
// when the call has been recorded.
func eventually(c *core.Call, end func(after func(func()))) {
	if c.AWS.Options.Faults.Replication <= 0 {
		end(c.After)
		return
	}
	all := replicationsOf(c.AWS)
	all.pending = append(all.pending, replication{c.AWS.Options.Now().Add(c.AWS.Options.Faults.Replication), end})
}

// catchUp ends the replications that are due. The state lock must be held.
func catchUp(a *core.AWS) {
	for all := replicationsOf(a); len(all.pending) > 0 && !a.Options.Now().Before(all.pending[0].due); {
		first := all.pending[0]
		all.pending = all.pending[1:]
		first.end(func(f func()) { f() })
	}
}

// caughtUp are operations that see every replication that is due.
func caughtUp(all map[string]core.Operation) map[string]core.Operation {
	for name, run := range all {
		all[name] = func(c *core.Call) (any, error) {
			catchUp(c.AWS)
			return run(c)
		}
	}
	return all
}
