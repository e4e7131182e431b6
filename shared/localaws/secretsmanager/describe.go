package secretsmanager

import (
	"maps"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// secretEntry is a secret as ListSecrets and DescribeSecret show it.
type secretEntry struct {
	ARN               string
	Name              string
	Description       string         `json:",omitempty"`
	KmsKeyId          string         `json:",omitempty"`
	OwningService     string         `json:",omitempty"`
	PrimaryRegion     string         `json:",omitempty"`
	Type              string         `json:",omitempty"`
	RotationEnabled   *bool          `json:",omitempty"`
	RotationLambdaARN string         `json:",omitempty"`
	RotationRules     *rotationRules `json:",omitempty"`

	ExternalSecretRotationRoleArn  string           `json:",omitempty"`
	ExternalSecretRotationMetadata []rotationDetail `json:",omitempty"`

	CreatedDate            *float64            `json:",omitempty"`
	LastChangedDate        *float64            `json:",omitempty"`
	LastAccessedDate       *float64            `json:",omitempty"`
	LastRotatedDate        *float64            `json:",omitempty"`
	NextRotationDate       *float64            `json:",omitempty"`
	DeletedDate            *float64            `json:",omitempty"`
	Tags                   []secretTag         `json:",omitempty"`
	VersionIdsToStages     map[string][]string `json:",omitempty"`
	SecretVersionsToStages map[string][]string `json:",omitempty"` // its name in ListSecrets
	ReplicationStatus      []replicationStatus `json:",omitempty"`

	CrossAccountPrimary  *crossAccountPrimary  `json:",omitempty"`
	CrossAccountReplicas []crossAccountReplica `json:",omitempty"`
}

type secretIDInput struct{ SecretId string }

func describeSecret(c *core.Call) (any, error) {
	var in secretIDInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := authorizedSecret(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	out := s.entry()
	out.VersionIdsToStages, out.SecretVersionsToStages = out.SecretVersionsToStages, nil
	if s.primary == nil {
		out.ReplicationStatus = s.replicationStatus("")
	}
	s.showAccounts(out)
	return out, nil
}

// entry is the secret's metadata. The AWS managed key is left out when it was never named, as AWS does.
func (s *secret) entry() *secretEntry {
	main := s.main()
	out := &secretEntry{ARN: s.arn, Name: s.name, Description: main.description, KmsKeyId: s.keyID, OwningService: main.owning, Type: main.kind,
		CreatedDate: core.Epoch(s.created), LastChangedDate: core.Epoch(main.changed), LastAccessedDate: core.Epoch(day(s.accessed)), DeletedDate: core.Epoch(s.removal)}
	if s.primary != nil || len(s.replicas) > 0 {
		out.PrimaryRegion = main.at.Region
	}
	for _, key := range slices.Sorted(maps.Keys(main.tags)) {
		out.Tags = append(out.Tags, secretTag{key, main.tags[key]})
	}
	main.rotation.show(out)
	out.LastRotatedDate = core.Epoch(main.rotated)
	if len(s.stages) > 0 {
		out.SecretVersionsToStages = make(map[string][]string, 2)
		for stage, id := range s.stages {
			out.SecretVersionsToStages[id] = append(out.SecretVersionsToStages[id], stage)
		}
		for _, stages := range out.SecretVersionsToStages {
			slices.Sort(stages)
		}
	}
	return out
}

// day cuts a time to its day, the precision of last accesses.
func day(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Truncate(24 * time.Hour)
}

// staleView is what ListSecrets shows of a secret until it catches up; entry is nil for one not seen yet.
type staleView struct {
	entry *secretEntry
	until time.Time
}

func (v *staleView) holds(now time.Time) bool { return v != nil && now.Before(v.until) }

// beforeChange keeps what ListSecrets shows for a while yet.
func beforeChange(c *core.Call, s *secret) {
	var shown *secretEntry
	if !s.created.Equal(c.Now) {
		shown = s.entry()
	}
	rememberView(c.AWS, s, shown)
}

func rememberView(a *core.AWS, s *secret, shown *secretEntry) {
	now := a.Options.Now()
	if a.Options.Faults.ListStaleness <= 0 || s.stale.holds(now) {
		return // a view that is stale already stays the one shown
	}
	s.stale = &staleView{entry: shown, until: now.Add(a.Options.Faults.ListStaleness)}
}
