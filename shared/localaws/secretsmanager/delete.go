package secretsmanager

import (
	"strconv"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

type deleteSecretInput struct {
	SecretId                   string
	RecoveryWindowInDays       *int
	ForceDeleteWithoutRecovery bool
}

func deleteSecret(c *core.Call) (any, error) {
	var in deleteSecretInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	context := map[string][]string{"secretsmanager:ForceDeleteWithoutRecovery": {strconv.FormatBool(in.ForceDeleteWithoutRecovery)}}
	if in.RecoveryWindowInDays != nil {
		context["secretsmanager:RecoveryWindowInDays"] = []string{strconv.Itoa(*in.RecoveryWindowInDays)}
	}
	s, err := secretToDelete(c, in, context)
	if err != nil {
		return nil, err
	}
	if s == nil { // deleting by force what is not there is fine
		return secretOutput{ARN: secretARN(c.Location, in.SecretId), Name: in.SecretId, DeletionDate: core.Epoch(c.Now)}, nil
	}
	if in.ForceDeleteWithoutRecovery {
		dropSecret(c.AWS, s)
		c.After(func() { deletionEvents(c.AWS, s, "Forced") })
		return secretOutput{ARN: s.arn, Name: s.name, DeletionDate: core.Epoch(c.Now)}, nil
	}
	s.removal, s.window = c.Now, 30
	if in.RecoveryWindowInDays != nil {
		s.window = *in.RecoveryWindowInDays
	}
	return secretOutput{ARN: s.arn, Name: s.name, DeletionDate: core.Epoch(c.Now.AddDate(0, 0, s.window))}, nil
}

func (in deleteSecretInput) check() error {
	switch {
	case in.RecoveryWindowInDays != nil && in.ForceDeleteWithoutRecovery:
		return secretParameter("You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.")
	case in.RecoveryWindowInDays != nil && (*in.RecoveryWindowInDays < 7 || *in.RecoveryWindowInDays > 30):
		return secretParameter("The RecoveryWindowInDays value must be between 7 and 30 days (inclusive).")
	}
	return nil
}

// secretToDelete is nil without an error where there is nothing to delete by force.
func secretToDelete(c *core.Call, in deleteSecretInput, context map[string][]string) (*secret, error) {
	found := findSecret(c.AWS, c.Location, in.SecretId)
	err := onSecret(c, found, in.SecretId, context)
	if found == nil {
		if api := core.AsError(err); in.ForceDeleteWithoutRecovery && api.Code == "ResourceNotFoundException" {
			return nil, nil
		}
		return nil, err
	}
	switch {
	case err != nil:
		return nil, err
	case in.ForceDeleteWithoutRecovery && !found.removal.IsZero(): // may shorten the window
	default:
		if err := changeable(c, found); err != nil {
			return nil, err
		}
	}
	if found.foreignTo(c.Caller) {
		return nil, managedElsewhere(found)
	}
	if found.elsewhere != nil && found.elsewhere.status != statusDetached {
		return nil, invalidRequest("You can't delete secret " + found.arn + " that still has a cross-account replica.")
	}
	if len(found.replicas) > 0 {
		var regions []string
		for _, r := range found.replicas {
			regions = append(regions, r.at.Region)
		}
		return nil, secretParameter("You can't delete secret " + found.arn + " that still has replica regions [" + strings.Join(regions, ", ") + "].")
	}
	return found, nil
}

// purge is the end of a recovery window.
func purge(a *core.AWS, s *secret, how string) {
	dropSecret(a, s)
	deletionEvents(a, s, how)
}

// deletionEvents are what Secrets Manager records when a secret is gone for good.
func deletionEvents(a *core.AWS, s *secret, how string) {
	id := "SecretDeleteMessage:" + s.arn + ":" + a.Options.Now().UTC().Truncate(time.Minute).Format("2006-01-02T15:04:05Z")
	if how != "" {
		id += ":" + how
	}
	for _, name := range []string{"StartSecretVersionDelete", "EndSecretVersionDelete"} {
		a.Happened(s.at, core.ServiceEvent{Source: "secretsmanager", Name: name, RequestID: id, Extra: map[string]any{"ARN": s.arn, "Name": s.name}})
	}
}

func restoreSecret(c *core.Call) (any, error) {
	var in secretIDInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	s, err := authorizedSecret(c, in.SecretId, nil)
	if err != nil {
		return nil, err
	}
	if s.primary != nil {
		return nil, changeable(c, s)
	}
	if !s.removal.IsZero() {
		beforeChange(c, s)
		s.removal, s.window, s.changed = time.Time{}, 0, c.Now
		c.After(func() {
			c.AWS.Happened(s.at, core.ServiceEvent{Source: "secretsmanager", Name: "CancelSecretVersionDelete", Extra: map[string]any{"ARN": s.arn, "Name": s.name}})
		})
	}
	return secretOutput{ARN: s.arn, Name: s.name}, nil
}
