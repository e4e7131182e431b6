package trail

import (
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// secretRef turns an id as found into where to look: an ARN says so itself, a name lives where the event happened.
func secretRef(id, account, region string) guard.SecretRef {
	if id == "" {
		return guard.SecretRef{}
	}
	a := arn.Of(id)
	account, region = orElse(a.Account, account), orElse(a.Region, region)
	return guard.SecretRef{Account: account, Region: region, ID: id}
}

func keyRef(id, account, region string) guard.KeyRef {
	if id == "" {
		return guard.KeyRef{}
	}
	a := arn.Of(id)
	account, region = orElse(a.Account, account), orElse(a.Region, region)
	return guard.KeyRef{Account: account, Region: region, ID: id}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// secretInRequestID finds the ARN in the requestID of a service event: "SecretDeleteMessage:<arn>:<time>:…" or
// "Rotation-<arn>-<token>". It answers "" when it is not clear where the ARN ends.
func secretInRequestID(id string) string {
	start := strings.Index(id, "arn:")
	if start < 0 {
		return ""
	}
	a := arn.Of(id[start:])
	kind, name := a.Split()
	if a.Service != secretsManager || kind != "secret" {
		return ""
	}
	name, _, followed := strings.Cut(name, ":")
	if !followed && strings.HasPrefix(id, "Rotation-") {
		if name = withoutToken(name); name == "" {
			return ""
		}
	}
	a.Resource = kind + ":" + name
	return a.String()
}

// withoutToken cuts "-<token>" off: a client request token is a UUID or some other 32 to 64 characters.
func withoutToken(s string) string {
	const uuid = len("-7ac47c8c-f328-423b-9698-6926dd1f293e")
	if len(s) > uuid && strings.Count(s[len(s)-uuid:], "-") == 5 && s[len(s)-uuid] == '-' {
		return s[:len(s)-uuid]
	}
	if i := strings.LastIndexByte(s, '-'); i >= 0 && len(s)-i-1 >= 32 {
		return s[:i]
	}
	return ""
}

// resourceInMessage is what an access-denied message names after "on resource: ". It is where to look when the record
// names nothing else, and nothing is decided by it: the look that follows is fresh.
func resourceInMessage(message string) string {
	_, rest, found := strings.Cut(message, " on resource: ")
	if !found {
		return ""
	}
	resource, _, _ := strings.Cut(rest, " ")
	return resource
}
