package trail

import (
	"bytes"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
)

// arnParts are the fields of arn:partition:service:region:account:resource that say where to look.
type arnParts struct{ partition, service, region, account, resource string }

func parseARN(s string) (arnParts, bool) {
	rest, found := strings.CutPrefix(s, "arn:")
	if !found {
		return arnParts{}, false
	}
	var p arnParts
	for _, field := range []*string{&p.partition, &p.service, &p.region, &p.account} {
		if *field, rest, found = strings.Cut(rest, ":"); !found {
			return arnParts{}, false
		}
	}
	p.resource = rest
	return p, rest != ""
}

func isARN(b []byte) bool { return bytes.HasPrefix(b, []byte("arn:")) }

// secretRef turns an id as found into where to look: an ARN says so itself, a name lives where the event happened.
func secretRef(id, account, region string) guard.SecretRef {
	if id == "" {
		return guard.SecretRef{}
	}
	if p, ok := parseARN(id); ok {
		account, region = orElse(p.account, account), orElse(p.region, region)
	}
	return guard.SecretRef{Account: account, Region: region, ID: id}
}

func keyRef(id, account, region string) guard.KeyRef {
	if id == "" {
		return guard.KeyRef{}
	}
	if p, ok := parseARN(id); ok {
		account, region = orElse(p.account, account), orElse(p.region, region)
	}
	return guard.KeyRef{Account: account, Region: region, ID: id}
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// secretInRequestID finds the ARN in the requestID of a service event: "SecretDeleteMessage:<arn>:<time>:…" or
// "Rotation-<arn>-<token>". It answers "" when it cannot tell where the ARN ends.
func secretInRequestID(id string) string {
	start := strings.Index(id, "arn:")
	if start < 0 {
		return ""
	}
	arn, tail := id[start:], ""
	if i := nthIndex(arn, ':', 7); i >= 0 {
		arn, tail = arn[:i], arn[i:]
	}
	p, ok := parseARN(arn)
	if !ok || p.service != "secretsmanager" || !strings.HasPrefix(p.resource, "secret:") {
		return ""
	}
	if tail == "" && strings.HasPrefix(id, "Rotation-") {
		return withoutToken(arn)
	}
	return arn
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

func nthIndex(s string, b byte, n int) int {
	for i := 0; i < len(s); i++ {
		if s[i] == b {
			if n--; n == 0 {
				return i
			}
		}
	}
	return -1
}

// resourceInMessage is what an access-denied message names after "on resource: ".
func resourceInMessage(message string) string {
	_, rest, found := strings.Cut(message, " on resource: ")
	if !found {
		return ""
	}
	resource, _, _ := strings.Cut(rest, " ")
	return resource
}
