package keyreview

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/trail"
)

// Use is one use of a key that was recorded.
type Use struct {
	Key string // ARN
	// Principal is the ARN of a role or user, of a session that of its role; the account where the record names no more, as of most
	// callers of other accounts; the name of a service that called for itself; "" where the record does not say.
	Principal string
	Action    string // one of seenActions: kms:Decrypt, …
	Via       string // what kms:ViaService held; "" where the key was used directly
}

// seenActions are those whose callers keep them: what gets at what a key protects, hands it on or changes it.
var seenActions = slices.Concat(openActions, manageActions, []string{grant, "kms:RevokeGrant", "kms:Verify", "kms:VerifyMac", "kms:GetPublicKey", "kms:EnableKey",
	"kms:CancelKeyDeletion", "kms:EnableKeyRotation", "kms:DisableKeyRotation", "kms:RotateKeyOnDemand", "kms:ImportKeyMaterial", "kms:GetParametersForImport",
	"kms:CreateAlias", "kms:TagResource", "kms:UntagResource", "kms:UpdateKeyDescription", "kms:UpdatePrimaryRegion"})

// UsesOf are the uses that a record is of: a call to KMS that succeeded and is one of seenActions. ReEncrypt is one of its source and one
// of its destination. All others are none.
func UsesOf(c trail.Change) []Use {
	u := Use{Principal: user(c), Action: "kms:" + c.EventName}
	if c.EventSource != "kms.amazonaws.com" || c.ErrorCode != "" {
		return nil
	}
	if service, through := strings.CutSuffix(c.Actor.InvokedBy, ".amazonaws.com"); through && c.Actor.Type != "AWSService" {
		u.Via = arn.PartitionOf(c.Region).Regional(service, c.Region)
	}
	var uses []Use
	add := func(key, action string) {
		if u.Key, u.Action = key, action; key != "" {
			uses = append(uses, u)
		}
	}
	switch {
	case c.EventName == "ReEncrypt":
		from, to := reEncrypted(c)
		add(from, "kms:ReEncryptFrom")
		add(to, "kms:ReEncryptTo")
	case slices.Contains(seenActions, u.Action):
		add(keyARN(c.Key.ID, c), u.Action)
	}
	return uses
}

// user is who used a key, as far as the record says.
// Source: CloudTrail User Guide, "CloudTrail userIdentity element".
func user(c trail.Change) string {
	switch {
	case c.Actor.PrincipalARN() != "":
		return c.Actor.PrincipalARN()
	case c.Actor.Type == "AWSService":
		return c.Actor.InvokedBy
	default:
		return c.Actor.Account
	}
}

// reEncrypted are the keys that a ReEncrypt took from and put under. A record with one key alone is of one side (that of another account
// is in the record that account gets), or of both where a ciphertext stays under its key: what the request names tells them apart, and a
// key that it names by an alias is taken for both, for nobody who was seen is to be dropped.
func reEncrypted(c trail.Change) (from, to string) {
	one, other := keyARN(c.Key.ID, c), keyARN(c.SecondKey.ID, c)
	if other != "" {
		return one, other
	}
	source, destination := requested(c, "sourceKeyId"), requested(c, "destinationKeyId")
	if one == "" { // no resources: what the request names, where that is a key
		return source, destination
	}
	if source == "" || source == one {
		from = one
	}
	if destination == "" || destination == one {
		to = one
	}
	if from == "" && to == "" {
		return one, one
	}
	return from, to
}

// requested is the ARN of the key that a member of the request names by ARN or id; "" where it names an alias, or nothing.
func requested(c trail.Change, member string) string {
	id, _ := c.Request[member].(string)
	if strings.HasPrefix(arn.Of(id).Resource, "alias/") {
		return ""
	}
	return keyARN(id, c)
}

// keyARN completes the id of a key by where the call was; "" for an alias by its name alone.
func keyARN(id string, c trail.Change) string {
	switch {
	case id == "" || arn.Is(id):
		return id
	case strings.HasPrefix(id, "alias/"):
		return ""
	}
	return arn.PartitionOf(c.Region).New("kms", c.Region, c.Account, "key/"+id).String()
}
