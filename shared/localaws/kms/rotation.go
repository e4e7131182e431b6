package kms

import (
	"time"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

func rotationOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"EnableKeyRotation":    ofUsableKey(enableKeyRotation),
		"DisableKeyRotation":   ofUsableKey(disableKeyRotation),
		"GetKeyRotationStatus": ofRotatingKey(getKeyRotationStatus),
		"ListKeyRotations":     ofRotatingKey(listKeyRotations),
		"RotateKeyOnDemand":    ofUsableKey(rotateKeyOnDemand),
	}
}

const mostOnDemandRotations = 25

// catchUp does the automatic rotations that have come due. Disabled keys skip theirs.
func (k *Key) catchUp(now time.Time) {
	for k.rotationDays > 0 && !k.nextRotation().After(now) {
		k.rotationFrom = k.nextRotation()
		if k.state == keyEnabled {
			k.rotations = append(k.rotations, rotation{k.rotationFrom, "AUTOMATIC"})
		}
	}
}

func (k *Key) nextRotation() time.Time { return k.rotationFrom.AddDate(0, 0, k.rotationDays) }

// ofRotatingKey is an operation on a key that can rotate, with the rotations that have come due.
func ofRotatingKey(do func(c *core.Call, k *Key) (any, error)) core.Operation {
	return func(c *core.Call) (any, error) {
		var in keyInput
		if err := c.Decode(&in); err != nil {
			return nil, err
		}
		k, err := authorizedKey(c, in.KeyId, nil)
		if err != nil {
			return nil, err
		}
		if k.spec != symmetricSpec {
			return nil, &core.Error{Code: "UnsupportedOperationException", Message: "You cannot rotate the key material of an asymmetric key."}
		}
		k.catchUp(c.Now)
		return do(c, k)
	}
}

// ofUsableKey is one that AWS refuses on a key that is not enabled.
func ofUsableKey(do func(c *core.Call, k *Key) (any, error)) core.Operation {
	return ofRotatingKey(func(c *core.Call, k *Key) (any, error) {
		if err := k.Usable(); err != nil {
			return nil, err
		}
		return do(c, k)
	})
}

func enableKeyRotation(c *core.Call, k *Key) (any, error) {
	var in struct{ RotationPeriodInDays int }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if in.RotationPeriodInDays == 0 {
		in.RotationPeriodInDays = 365
	}
	if in.RotationPeriodInDays < 90 || in.RotationPeriodInDays > 2560 {
		return nil, &core.Error{Code: "ValidationException", Message: "1 validation error detected: Value at 'rotationPeriodInDays' failed to satisfy constraint: Member must have value between 90 and 2560"}
	}
	k.rotationDays, k.rotationFrom = in.RotationPeriodInDays, c.Now
	return nil, nil
}

func disableKeyRotation(_ *core.Call, k *Key) (any, error) {
	k.rotationDays = 0
	return nil, nil
}

func getKeyRotationStatus(_ *core.Call, k *Key) (any, error) {
	out := core.Reply{"KeyId": k.ARN, "KeyRotationEnabled": k.rotationDays > 0}
	if k.rotationDays > 0 {
		out["RotationPeriodInDays"], out["NextRotationDate"] = k.rotationDays, core.Epoch(k.nextRotation())
	}
	return out, nil
}

func listKeyRotations(c *core.Call, k *Key) (any, error) {
	items := []any{}
	for _, done := range k.rotations {
		items = append(items, core.Reply{"KeyId": k.ARN, "RotationDate": core.Epoch(done.at), "RotationType": done.kind})
	}
	return page(c, "Rotations", items, 1000)
}

func rotateKeyOnDemand(c *core.Call, k *Key) (any, error) {
	done := 0
	for _, r := range k.rotations {
		if r.kind == "ON_DEMAND" {
			done++
		}
	}
	if done >= mostOnDemandRotations {
		return nil, &core.Error{Code: "LimitExceededException", Message: "You have reached the number of on-demand rotations for " + k.ARN + "."}
	}
	k.rotations = append(k.rotations, rotation{c.Now, "ON_DEMAND"})
	return core.Reply{"KeyId": k.ARN}, nil
}

// Elapse ends the waiting periods of a location that are over and rotates the keys that are due. The state lock
// must be held.
func Elapse(a *core.AWS, at core.Location) {
	for _, id := range core.SortedKeys(keysAt(a, at).keys) {
		if k := livingKey(a, at, id); k != nil {
			k.catchUp(a.Options.Now())
		}
	}
}
