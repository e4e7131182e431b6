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

// UseOf is the use that a record is of: a call to KMS that succeeded, by somebody it names, and that gets at what a key protects or
// speaks in its name. It answers false for all others.
func UseOf(c trail.Change) (Use, bool) {
	u := Use{Key: c.Key.ID, Principal: c.Actor.PrincipalARN(), Action: "kms:" + c.EventName}
	if c.EventSource != "kms.amazonaws.com" || c.ErrorCode != "" || u.Key == "" || u.Principal == "" || !slices.Contains(openActions, u.Action) {
		return Use{}, false
	}
	if !arn.Is(u.Key) {
		u.Key = arn.PartitionOf(c.Key.Region).New("kms", c.Key.Region, c.Key.Account, "key/"+u.Key).String()
	}
	if service, through := strings.CutSuffix(c.Actor.InvokedBy, ".amazonaws.com"); through {
		u.Via = arn.PartitionOf(c.Region).Regional(service, c.Region)
	}
	return u, true
}
