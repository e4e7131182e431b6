package secretsmanager

import (
	"maps"
	"slices"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

const (
	mostVersions = 100
	mostStages   = 20
)

// stagesOf are a version's labels, sorted.
func (s *secret) stagesOf(id string) []string {
	var out []string
	for stage, version := range s.stages {
		if version == id {
			out = append(out, stage)
		}
	}
	slices.Sort(out)
	return out
}

func (s *secret) addVersion(v *secretVersion) {
	s.versions[v.id] = v
	s.versionIDs = append(s.versionIDs, v.id)
}

// makeRoom drops the oldest versions without a label when there are too many.
func (s *secret) makeRoom() error {
	for at := 0; len(s.versionIDs) >= mostVersions && at < len(s.versionIDs); {
		id := s.versionIDs[at]
		if len(s.stagesOf(id)) > 0 {
			at++
			continue
		}
		s.versionIDs = slices.Delete(s.versionIDs, at, at+1)
		delete(s.versions, id)
	}
	if len(s.versionIDs) >= mostVersions {
		return &core.Error{Code: "LimitExceededException", Message: "You have reached the limit of 100 versions of a secret."}
	}
	return nil
}

// moveStage puts a label on a version. When AWSCURRENT moves, the version it leaves becomes AWSPREVIOUS.
func moveStage(c *core.Call, s *secret, stage, id string) {
	before, had := s.stages[stage]
	if had && before == id {
		return
	}
	s.stages[stage] = id
	if stage == stageCurrent && had {
		s.stages[stagePrevious] = before
	}
	if stage != stagePending && stage != stagePrevious {
		c.After(func() { labelUpdated(c.AWS, s, stage, id) })
	}
}

// labelUpdated is Secrets Manager's own event, which needs no trail.
func labelUpdated(a *core.AWS, s *secret, stage, id string) {
	a.Emit(s.at, map[string]any{
		"version": "0", "id": a.UUID(), "detail-type": "Secret Label Updated", "source": "aws.secretsmanager", "account": s.at.Account,
		"time": core.ISO(a.Options.Now()), "region": s.at.Region, "resources": []any{s.arn},
		"detail": map[string]any{"name": s.name, "labelUpdated": stage, "versionId": id},
	})
}

type putSecretValueInput struct {
	SecretId, ClientRequestToken string
	SecretString                 *string
	SecretBinary                 []byte
	VersionStages                []string
}

func putSecretValue(c *core.Call) (any, error) {
	var in putSecretValueInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := firstError(checkValue(in.SecretString, in.SecretBinary), checkToken(in.ClientRequestToken)); err != nil {
		return nil, err
	}
	if in.SecretString == nil && in.SecretBinary == nil {
		return nil, invalidRequest("You must provide either SecretString or SecretBinary.")
	}
	if len(in.VersionStages) == 0 {
		in.VersionStages = []string{stageCurrent}
	}
	s, err := secretToChange(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	if err := s.notItsOwn(); err != nil {
		return nil, err
	}
	version := &secretVersion{id: versionID(c, in.ClientRequestToken), created: c.Now, text: in.SecretString, binary: in.SecretBinary}
	if err := writeVersion(c, s, version, in.VersionStages); err != nil {
		return nil, err
	}
	return secretOutput{ARN: s.arn, Name: s.name, VersionId: version.id, VersionStages: s.stagesOf(version.id)}, nil
}

// writeVersion adds a version under the secret's key alone, with its labels, and brings the replicas along. Writing
// the same version again changes nothing.
func writeVersion(c *core.Call, s *secret, v *secretVersion, stages []string) error {
	if found := s.versions[v.id]; found != nil {
		if !found.holds(v.text, v.binary) {
			return &core.Error{Code: "ResourceExistsException", Message: "You can't modify an existing version, you can only create a new version."}
		}
		return nil
	}
	if err := s.makeRoom(); err != nil {
		return err
	}
	if s.labelsWith(stages) > mostStages {
		return &core.Error{Code: "LimitExceededException", Message: "You have reached the limit of 20 staging labels."}
	}
	if err := seal(c, s, v); err != nil {
		return err
	}
	if len(s.stages) == 0 && !slices.Contains(stages, stageCurrent) {
		stages = append(slices.Clone(stages), stageCurrent) // the first version is always current
	}
	s.addVersion(v)
	for _, stage := range stages {
		moveStage(c, s, stage, v.id)
	}
	follow(c, s)
	return nil
}

// labelsWith is how many labels the secret has with some more.
func (s *secret) labelsWith(more []string) int {
	all := maps.Clone(s.stages)
	for _, stage := range more {
		all[stage] = ""
	}
	return len(all)
}

type versionEntry struct {
	VersionId        string
	VersionStages    []string `json:",omitempty"`
	KmsKeyIds        []string `json:",omitempty"`
	CreatedDate      *float64 `json:",omitempty"`
	LastAccessedDate *float64 `json:",omitempty"`
}

type versionsOutput struct {
	ARN, Name string
	NextToken string `json:",omitempty"`
	Versions  []versionEntry
}

func listSecretVersionIDs(c *core.Call) (any, error) {
	var in struct {
		SecretId          string
		IncludeDeprecated bool
		MaxResults        int
		NextToken         string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := authorizedSecret(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	all := []versionEntry{}
	for _, id := range slices.Backward(s.versionIDs) {
		if stages := s.stagesOf(id); len(stages) > 0 || in.IncludeDeprecated {
			all = append(all, s.versions[id].show(stages, c.AWS.Options.Behavior.OldestKeyListedFirst))
		}
	}
	from, to, next, err := core.Page(len(all), in.NextToken, in.MaxResults, secretsPage)
	if err != nil {
		return nil, err
	}
	return versionsOutput{ARN: s.arn, Name: s.name, NextToken: next, Versions: all[from:to]}, nil
}

func (v *secretVersion) show(stages []string, oldestFirst bool) versionEntry {
	out := versionEntry{VersionId: v.id, VersionStages: stages, CreatedDate: core.Epoch(v.created), LastAccessedDate: core.Epoch(day(v.accessed))}
	for _, sealed := range v.copies {
		name := sealed.keyARN
		if sealed.aws {
			name = defaultKeyName
		}
		out.KmsKeyIds = append(out.KmsKeyIds, name)
	}
	if oldestFirst {
		slices.Reverse(out.KmsKeyIds)
	}
	return out
}

func updateSecretVersionStage(c *core.Call) (any, error) {
	var in struct{ SecretId, VersionStage, MoveToVersionId, RemoveFromVersionId string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := secretToChange(c, in.SecretId, map[string][]string{"secretsmanager:VersionStage": {in.VersionStage}})
	if err != nil {
		return nil, err
	}
	if err := s.notItsOwn(); err != nil {
		return nil, err
	}
	holder, held := s.stages[in.VersionStage]
	switch {
	case in.MoveToVersionId != "" && s.versions[in.MoveToVersionId] == nil:
		return nil, &core.Error{Code: "ResourceNotFoundException", Message: "Secrets Manager can't find the specified secret version."}
	case held && holder != in.MoveToVersionId && in.RemoveFromVersionId != holder:
		return nil, secretParameter("The parameter RemoveFromVersionId can't be empty. Staging label " + in.VersionStage + " is currently attached to version " + holder +
			", so you must explicitly reference that version in RemoveFromVersionId.")
	case in.MoveToVersionId == "" && in.VersionStage == stageCurrent:
		return nil, secretParameter("You can't remove the staging label AWSCURRENT without moving it to another version.")
	case in.MoveToVersionId != "":
		moveStage(c, s, in.VersionStage, in.MoveToVersionId)
	default:
		delete(s.stages, in.VersionStage)
	}
	follow(c, s)
	return secretOutput{ARN: s.arn, Name: s.name}, nil
}
