package secretsmanager

import (
	"cmp"
	"maps"
	"slices"
	"strconv"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

const (
	statusInSync     = "InSync"
	statusInProgress = "InProgress"
	statusFailed     = "Failed"
)

type replicationStatus struct {
	Region           string
	KmsKeyId         string `json:",omitempty"`
	Status           string
	StatusMessage    string   `json:",omitempty"`
	LastAccessedDate *float64 `json:",omitempty"`
}

// replicationStatus lists the replicas, sorted by Region. A status other than "" is answered instead of the one that is
// already known, for answers that come before replication is done.
func (s *secret) replicationStatus(instead string) []replicationStatus {
	var out []replicationStatus
	for _, r := range s.replicas {
		one := replicationStatus{Region: r.at.Region, KmsKeyId: r.key(), Status: cmp.Or(instead, r.status), StatusMessage: r.message, LastAccessedDate: core.Epoch(day(r.accessed))}
		if instead != "" {
			one.StatusMessage = ""
		}
		out = append(out, one)
	}
	return out
}

func replicaConditions(add []replicaRegion, force bool) map[string][]string {
	if len(add) == 0 {
		return nil
	}
	var regions []string
	for _, r := range add {
		regions = append(regions, r.Region)
	}
	return map[string][]string{"secretsmanager:AddReplicaRegions": regions, "secretsmanager:ForceOverwriteReplicaSecret": {strconv.FormatBool(force)}}
}

func replicateSecret(c *core.Call) (any, error) {
	var in struct {
		SecretId                    string
		AddReplicaRegions           []replicaRegion
		ForceOverwriteReplicaSecret bool
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := secretToChange(c, in.SecretId, replicaConditions(in.AddReplicaRegions, in.ForceOverwriteReplicaSecret))
	if err != nil {
		return nil, err
	}
	if err := checkRegions(c, s.at.Region, in.AddReplicaRegions); err != nil {
		return nil, err
	}
	for _, add := range in.AddReplicaRegions {
		if r := s.replicaIn(add.Region); r != nil && (r.status != statusFailed || c.AWS.Options.Behavior.FailedReplicaStays) {
			return nil, secretParameter("The secret is already replicated to region " + add.Region + ".")
		}
	}
	replicate(c, s, in.AddReplicaRegions, in.ForceOverwriteReplicaSecret)
	return secretOutput{ARN: s.arn, ReplicationStatus: s.replicationStatus(statusInProgress)}, nil
}

// checkRegions refuses a replica beside its primary, two in one Region, and one where AWS has no Region.
func checkRegions(c *core.Call, home string, add []replicaRegion) error {
	seen := map[string]bool{home: true}
	for _, one := range add {
		if seen[one.Region] || !c.AWS.HasRegion(one.Region) {
			return secretParameter("Invalid replica region.")
		}
		seen[one.Region] = true
	}
	return nil
}

func (s *secret) replicaIn(region string) *secret {
	for _, r := range s.replicas {
		if r.at.Region == region {
			return r
		}
	}
	return nil
}

func removeReplicas(c *core.Call) (any, error) {
	var in struct {
		SecretId             string
		RemoveReplicaRegions []string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := secretToChange(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	for _, region := range in.RemoveReplicaRegions {
		r := s.replicaIn(region)
		if r == nil {
			return nil, secretParameter("The secret has no replica in region " + region + ".")
		}
		s.forget(r)
		if r.registered(c.AWS) {
			dropSecret(c.AWS, r)
		}
	}
	return secretOutput{ARN: s.arn, ReplicationStatus: s.replicationStatus("")}, nil
}

func (s *secret) forget(r *secret) {
	s.replicas = slices.DeleteFunc(s.replicas, func(other *secret) bool { return other == r })
}

// stopReplication is called in the replica's Region and makes the replica a secret of its own.
func stopReplication(c *core.Call) (any, error) {
	var in secretIDInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := authorizedSecret(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	switch {
	case s.origin != nil:
		if err := s.standAlone(c); err != nil {
			return nil, err
		}
		return secretOutput{ARN: s.arn}, nil
	case s.primary == nil:
		return nil, invalidRequest("This operation can only be performed on a replica secret.")
	}
	s.promote(c)
	return secretOutput{ARN: s.arn}, nil
}

func (s *secret) promote(c *core.Call) {
	beforeChange(c, s)
	from := s.primary
	from.forget(s)
	s.description, s.kind, s.policy, s.changed = from.description, from.kind, from.policy, c.Now
	s.tags = maps.Clone(from.tags)
	s.primary, s.status, s.message = nil, "", ""
}
