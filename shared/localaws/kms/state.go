package kms

import (
	"slices"
	"strconv"
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

func stateOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"EnableKey":           enableKey,
		"DisableKey":          disableKey,
		"ScheduleKeyDeletion": scheduleKeyDeletion,
		"CancelKeyDeletion":   cancelKeyDeletion,
	}
}

// Usable answers why a key cannot be used now, nil when it can.
func (k *Key) Usable() error {
	switch k.stateNow() {
	case keyEnabled:
		return nil
	case keyUnavailable:
		return &core.Error{Code: "KMSInvalidStateException", Message: k.ARN + " is unavailable."}
	case keyDisabled:
		return &core.Error{Code: "DisabledException", Message: k.ARN + " is disabled."}
	}
	if err := k.notPendingDeletion(); err != nil {
		return err
	}
	return &core.Error{Code: "KMSInvalidStateException", Message: k.ARN + " is pending import."}
}

func (k *Key) notPendingDeletion() error {
	switch k.state {
	case keyPendingDeletion:
		return &core.Error{Code: "KMSInvalidStateException", Message: k.ARN + " is pending deletion."}
	case keyPendingReplicaDeletion:
		return &core.Error{Code: "KMSInvalidStateException", Message: k.ARN + " is pending replica deletion."}
	}
	return nil
}

// idleDays is what kms:TrailingDaysWithoutKeyUsage holds.
func (k *Key) idleDays(now time.Time) []string {
	since := k.created
	if k.last.at.After(since) {
		since = k.last.at
	}
	return []string{strconv.Itoa(int(now.Sub(since).Hours() / 24))}
}

// keyForState finds the key of a call that changes its state.
func keyForState(c *core.Call, id string, context map[string][]string) (*Key, error) {
	found, err := FindKey(c.AWS, c.Location, id)
	if err != nil {
		return nil, err
	}
	if context == nil {
		context = map[string][]string{}
	}
	if !c.AWS.Options.Behavior.NoTrailingDays {
		context["kms:TrailingDaysWithoutKeyUsage"] = found.idleDays(c.Now)
	}
	return ownKey(c, id, context)
}

func enableKey(c *core.Call) (any, error) {
	return nil, switchKey(c, keyEnabled)
}

func disableKey(c *core.Call) (any, error) {
	return nil, switchKey(c, keyDisabled)
}

func switchKey(c *core.Call, to string) error {
	var in keyInput
	if err := c.Decode(&in); err != nil {
		return err
	}
	k, err := keyForState(c, in.KeyId, nil)
	if err != nil {
		return err
	}
	if err := k.notPendingDeletion(); err != nil {
		return err
	}
	if now := k.stateNow(); now != keyEnabled && now != keyDisabled {
		return &core.Error{Code: "KMSInvalidStateException", Message: k.ARN + " is in the state " + now + "."}
	}
	k.state = to
	return nil
}

func scheduleKeyDeletion(c *core.Call) (any, error) {
	var in struct {
		KeyId               string
		PendingWindowInDays int
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if in.PendingWindowInDays == 0 {
		in.PendingWindowInDays = 30
	}
	k, err := keyForState(c, in.KeyId, map[string][]string{"kms:ScheduleKeyDeletionPendingWindowInDays": {strconv.Itoa(in.PendingWindowInDays)}})
	if err != nil {
		return nil, err
	}
	if in.PendingWindowInDays < 7 || in.PendingWindowInDays > 30 {
		return nil, &core.Error{Code: "ValidationException", Message: "1 validation error detected: Value at 'pendingWindowInDays' failed to satisfy constraint: Member must have value between 7 and 30"}
	}
	if err := k.notPendingDeletion(); err != nil {
		return nil, err
	}
	k.window = in.PendingWindowInDays
	out := core.Reply{"KeyId": k.ARN, "PendingWindowInDays": k.window}
	if k.hasReplicas(c.AWS) { // the primary waits until its last replica is gone
		k.state = keyPendingReplicaDeletion
	} else {
		k.state, k.deletion = keyPendingDeletion, c.Now.AddDate(0, 0, k.window)
		out["DeletionDate"] = core.Epoch(k.deletion)
	}
	out["KeyState"] = k.state
	return out, nil
}

// followReplicas starts a primary's own waiting period when its last replica is deleted, not when that is scheduled.
// Source: API reference, ScheduleKeyDeletion: "When the last of its replicas keys is deleted (not just scheduled)".
func (k *Key) followReplicas(a *core.AWS) {
	if k.state != keyPendingReplicaDeletion {
		return
	}
	if !k.hasReplicas(a) {
		k.state, k.deletion = keyPendingDeletion, k.replicaGone.AddDate(0, 0, k.window)
	}
}

// hasReplicas reports whether a replica of a primary is not deleted yet.
func (k *Key) hasReplicas(a *core.AWS) bool {
	return slices.ContainsFunc(k.replicas, func(at core.Location) bool { return livingKey(a, at, k.id) != nil })
}

func cancelKeyDeletion(c *core.Call) (any, error) {
	var in keyInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := ownKey(c, in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]string{keyPendingDeletion, keyPendingReplicaDeletion}, k.state) {
		return nil, &core.Error{Code: "KMSInvalidStateException", Message: k.ARN + " is not pending deletion."}
	}
	k.state, k.deletion, k.window = keyDisabled, time.Time{}, 0
	if k.material == nil {
		k.state = keyPendingImport
	}
	return core.Reply{"KeyId": k.ARN}, nil
}
