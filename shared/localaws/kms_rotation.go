package localaws

import "time"

func kmsRotationOperations() map[string]operation {
	return map[string]operation{
		"EnableKeyRotation":    enableKeyRotation,
		"DisableKeyRotation":   disableKeyRotation,
		"GetKeyRotationStatus": getKeyRotationStatus,
		"ListKeyRotations":     listKeyRotations,
		"RotateKeyOnDemand":    rotateKeyOnDemand,
	}
}

const mostOnDemandRotations = 25

// catchUp does the automatic rotations that have come due. Disabled keys skip theirs.
func (k *kmsKey) catchUp(now time.Time) {
	for k.rotationDays > 0 && !k.nextRotation().After(now) {
		k.rotationFrom = k.nextRotation()
		if k.state == keyEnabled {
			k.rotations = append(k.rotations, rotation{k.rotationFrom, "AUTOMATIC"})
		}
	}
}

func (k *kmsKey) nextRotation() time.Time { return k.rotationFrom.AddDate(0, 0, k.rotationDays) }

func (c *call) rotatingKey(id string) (*kmsKey, error) {
	k, err := c.key(id, nil)
	if err != nil {
		return nil, err
	}
	if k.spec != "SYMMETRIC_DEFAULT" {
		return nil, &apiError{Code: "UnsupportedOperationException", Message: "You cannot rotate the key material of an asymmetric key."}
	}
	k.catchUp(c.Now)
	return k, nil
}

func enableKeyRotation(c *call) (any, error) {
	var in struct {
		KeyId                string
		RotationPeriodInDays int
	}
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.rotatingKey(in.KeyId)
	if err != nil {
		return nil, err
	}
	if err := k.usable(); err != nil {
		return nil, err
	}
	if in.RotationPeriodInDays == 0 {
		in.RotationPeriodInDays = 365
	}
	if in.RotationPeriodInDays < 90 || in.RotationPeriodInDays > 2560 {
		return nil, &apiError{Code: "ValidationException", Message: "1 validation error detected: Value at 'rotationPeriodInDays' failed to satisfy constraint: Member must have value between 90 and 2560"}
	}
	k.rotationDays, k.rotationFrom = in.RotationPeriodInDays, c.Now
	return nil, nil
}

func disableKeyRotation(c *call) (any, error) {
	var in keyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.rotatingKey(in.KeyId)
	if err != nil {
		return nil, err
	}
	if err := k.usable(); err != nil {
		return nil, err
	}
	k.rotationDays = 0
	return nil, nil
}

func getKeyRotationStatus(c *call) (any, error) {
	var in keyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.rotatingKey(in.KeyId)
	if err != nil {
		return nil, err
	}
	out := reply{"KeyId": k.arn, "KeyRotationEnabled": k.rotationDays > 0}
	if k.rotationDays > 0 {
		out["RotationPeriodInDays"], out["NextRotationDate"] = k.rotationDays, epoch(k.nextRotation())
	}
	return out, nil
}

func listKeyRotations(c *call) (any, error) {
	var in keyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.rotatingKey(in.KeyId)
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, done := range k.rotations {
		items = append(items, reply{"KeyId": k.arn, "RotationDate": epoch(done.at), "RotationType": done.kind})
	}
	return kmsPage(c, "Rotations", items, 1000)
}

func rotateKeyOnDemand(c *call) (any, error) {
	var in keyInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.rotatingKey(in.KeyId)
	if err != nil {
		return nil, err
	}
	if err := k.usable(); err != nil {
		return nil, err
	}
	done := 0
	for _, r := range k.rotations {
		if r.kind == "ON_DEMAND" {
			done++
		}
	}
	if done >= mostOnDemandRotations {
		return nil, &apiError{Code: "LimitExceededException", Message: "You have reached the number of on-demand rotations for " + k.arn + "."}
	}
	k.rotations = append(k.rotations, rotation{c.Now, "ON_DEMAND"})
	return reply{"KeyId": k.arn}, nil
}

// elapseKeys ends the waiting periods of a location that are over and rotates the keys that are due. The state lock
// must be held.
func elapseKeys(a *AWS, at location) {
	for _, id := range sortedKeys(keysAt(a, at).keys) {
		if k := a.livingKey(at, id); k != nil {
			k.catchUp(a.options.Now())
		}
	}
}
