package keyreview

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/trail"
)

// Use is one use of a key that was recorded.
type Use struct {
	Key       string // ARN
	Principal string // ARN of a role or user, of a session that of its role
	Action    string // one of openActions: kms:Decrypt, …
	Via       string // what kms:ViaService held; "" where the key was used directly
}

// UsesOf are the uses that a record is of: a call to KMS that succeeded, by somebody it names, and that gets at what a key protects or
// speaks in its name. ReEncrypt is one of its source and one of its destination. All others are none.
func UsesOf(c trail.Change) []Use {
	u := Use{Principal: c.Actor.PrincipalARN(), Action: "kms:" + c.EventName}
	if c.EventSource != "kms.amazonaws.com" || c.ErrorCode != "" || u.Principal == "" {
		return nil
	}
	if service, through := strings.CutSuffix(c.Actor.InvokedBy, ".amazonaws.com"); through {
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
	case slices.Contains(openActions, u.Action):
		add(keyARN(c.Key.ID, c), u.Action)
	}
	return uses
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
