package cloudformation

import (
	"context"
)

func keyMakers() map[string]maker {
	return map[string]maker{"AWS::KMS::Key": makeKey, "AWS::KMS::Alias": makeAlias}
}

type keyProperties struct {
	Description, KeySpec, KeyUsage, Origin    string
	KeyPolicy                                 jsonText
	EnableKeyRotation, MultiRegion            truth
	BypassPolicyLockoutSafetyCheck            truth
	Enabled                                   *truth
	RotationPeriodInDays, PendingWindowInDays *number
	Tags                                      []tag
}

func (p keyProperties) input() map[string]any {
	tags := make([]map[string]string, len(p.Tags))
	for i, t := range p.Tags {
		tags[i] = map[string]string{"TagKey": t.Key, "TagValue": t.Value}
	}
	in := map[string]any{"Tags": tags, "MultiRegion": bool(p.MultiRegion),
		"BypassPolicyLockoutSafetyCheck": bool(p.BypassPolicyLockoutSafetyCheck)}
	for key, value := range map[string]string{"Description": p.Description, "KeySpec": p.KeySpec, "KeyUsage": p.KeyUsage,
		"Origin": p.Origin, "Policy": string(p.KeyPolicy)} {
		if value != "" {
			in[key] = value
		}
	}
	return in
}

func makeKey(_ context.Context, c *creation) (made, error) {
	var p keyProperties
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	out, err := c.call("kms", "CreateKey", p.input())
	if err != nil {
		return made{}, err
	}
	id := answer(out, "KeyMetadata.KeyId")
	days := number(30)
	if p.PendingWindowInDays != nil {
		days = *p.PendingWindowInDays
	}
	c.onRemoval("kms", "ScheduleKeyDeletion", map[string]any{"KeyId": id, "PendingWindowInDays": int64(days)})
	if p.EnableKeyRotation {
		in := map[string]any{"KeyId": id}
		if p.RotationPeriodInDays != nil {
			in["RotationPeriodInDays"] = int64(*p.RotationPeriodInDays)
		}
		if _, err := c.call("kms", "EnableKeyRotation", in); err != nil {
			return made{}, err
		}
	}
	if p.Enabled != nil && !*p.Enabled {
		if _, err := c.call("kms", "DisableKey", map[string]any{"KeyId": id}); err != nil {
			return made{}, err
		}
	}
	return made{id: id, attributes: map[string]any{"KeyId": id, "Arn": answer(out, "KeyMetadata.Arn")}}, nil
}

func makeAlias(_ context.Context, c *creation) (made, error) {
	var p struct{ AliasName, TargetKeyId string } //nolint:revive // AWS's own names
	if err := c.into(&p); err != nil {
		return made{}, err
	}
	if _, err := c.call("kms", "CreateAlias", map[string]any{"AliasName": p.AliasName, "TargetKeyId": p.TargetKeyId}); err != nil {
		return made{}, err
	}
	c.onRemoval("kms", "DeleteAlias", map[string]any{"AliasName": p.AliasName})
	return made{id: p.AliasName, attributes: map[string]any{"AliasName": p.AliasName}}, nil
}
