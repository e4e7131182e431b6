package localaws

import (
	"slices"
	"strconv"
	"time"
)

func kmsStateOperations() map[string]operation {
	return map[string]operation{
		"EnableKey":           enableKey,
		"DisableKey":          disableKey,
		"ScheduleKeyDeletion": scheduleKeyDeletion,
		"CancelKeyDeletion":   cancelKeyDeletion,
	}
}

// usable answers why a key cannot be used now, nil when it can.
func (k *kmsKey) usable() error {
	switch k.state {
	case keyEnabled:
		return nil
	case keyDisabled:
		return &apiError{Code: "DisabledException", Message: k.arn + " is disabled."}
	}
	if err := k.notPendingDeletion(); err != nil {
		return err
	}
	return &apiError{Code: "KMSInvalidStateException", Message: k.arn + " is pending import."}
}

func (k *kmsKey) notPendingDeletion() error {
	switch k.state {
	case keyPendingDeletion:
		return &apiError{Code: "KMSInvalidStateException", Message: k.arn + " is pending deletion."}
	case keyPendingReplicaDeletion:
		return &apiError{Code: "KMSInvalidStateException", Message: k.arn + " is pending replica deletion."}
	}
	return nil
}

// idleDays is what kms:TrailingDaysWithoutKeyUsage holds.
func (k *kmsKey) idleDays(now time.Time) []string {
	since := k.created
	if k.last.at.After(since) {
		since = k.last.at
	}
	return []string{strconv.Itoa(int(now.Sub(since).Hours() / 24))}
}

// keyForState finds the key of a call that changes its state.
func (c *call) keyForState(id string, context map[string][]string) (*kmsKey, error) {
	found, err := c.aws.findKey(c.location, id)
	if err != nil {
		return nil, err
	}
	if context == nil {
		context = map[string][]string{}
	}
	context["kms:TrailingDaysWithoutKeyUsage"] = found.idleDays(c.Now)
	return c.ownKey(id, context)
}

func enableKey(c *call) (any, error) {
	return nil, c.switchKey(keyEnabled)
}

func disableKey(c *call) (any, error) {
	return nil, c.switchKey(keyDisabled)
}

func (c *call) switchKey(to string) error {
	var in keyInput
	if err := c.decode(&in); err != nil {
		return err
	}
	k, err := c.keyForState(in.KeyId, nil)
	if err != nil {
		return err
	}
	if err := k.notPendingDeletion(); err != nil {
		return err
	}
	k.state = to
	return nil
}

func scheduleKeyDeletion(c *call) (any, error) {
	var in struct {
		KeyId               string
		PendingWindowInDays int
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if in.PendingWindowInDays == 0 {
		in.PendingWindowInDays = 30
	}
	k, err := c.keyForState(in.KeyId, map[string][]string{"kms:ScheduleKeyDeletionPendingWindowInDays": {strconv.Itoa(in.PendingWindowInDays)}})
	if err != nil {
		return nil, err
	}
	if in.PendingWindowInDays < 7 || in.PendingWindowInDays > 30 {
		return nil, &apiError{Code: "ValidationException", Message: "1 validation error detected: Value at 'pendingWindowInDays' failed to satisfy constraint: Member must have value between 7 and 30"}
	}
	if err := k.notPendingDeletion(); err != nil {
		return nil, err
	}
	k.window = in.PendingWindowInDays
	out := reply{"KeyId": k.arn, "PendingWindowInDays": k.window}
	if len(k.replicas) > 0 { // the primary waits until its last replica is gone
		k.state = keyPendingReplicaDeletion
	} else {
		k.state, k.deletion = keyPendingDeletion, c.Now.AddDate(0, 0, k.window)
		c.aws.forgetReplica(k)
		out["DeletionDate"] = epoch(k.deletion)
	}
	out["KeyState"] = k.state
	return out, nil
}

// forgetReplica starts the primary's own waiting period when a replica's deletion was the last thing it waited for.
func (a *AWS) forgetReplica(k *kmsKey) {
	if !k.multiRegion || k.primary == k.at {
		return
	}
	primary := a.livingKey(k.primary, k.id)
	if primary == nil || primary.state != keyPendingReplicaDeletion {
		return
	}
	for _, at := range primary.replicas {
		if other := a.livingKey(at, k.id); other != nil && other.deletion.IsZero() {
			return
		}
	}
	primary.state, primary.deletion = keyPendingDeletion, k.deletion.AddDate(0, 0, primary.window)
}

func cancelKeyDeletion(c *call) (any, error) {
	var in keyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.ownKey(in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{keyPendingDeletion, keyPendingReplicaDeletion}, k.state) {
		return nil, &apiError{Code: "KMSInvalidStateException", Message: k.arn + " is not pending deletion."}
	}
	k.state, k.deletion, k.window = keyDisabled, time.Time{}, 0
	return reply{"KeyId": k.arn}, nil
}
