package policy

import (
	"slices"
	"strings"
)

// Request is one authorization question.
type Request struct {
	Principal       Principal
	Action          string // service:Name, in any case
	Resource        string // ARN; "*" for actions that have no resource
	ResourceAccount string // 12 digits; "" takes the account in the ARN, or the principal's where that has none

	// Context holds the condition keys of the request, in any case. Keys that follow from the principal, the resource's
	// account and the action are added, unless given.
	Context map[string][]string

	// Unknown lists condition keys that the request may have with values not known here; a key in neither Context nor
	// Unknown is absent. A trailing * takes all keys with the prefix, "*" alone all that are not in Context.
	Unknown []string
}

// presence is what is known of a condition key.
type presence uint8

const (
	keyAbsent presence = iota
	keyPresent
	keyUnknown
)

// context answers look-ups of condition keys for one request.
type context struct {
	request *Request
	service string // of the action, lower case
	account string // of the resource
	lowered bool   // the request's context has only keys in lower case
	buffer  [1]string
}

// lookup finds a key, given in lower case. A key without values is absent: AWS treats an empty set as null.
func (c *context) lookup(key string) ([]string, presence) {
	if values, ok := c.given(key); ok {
		if len(values) == 0 {
			return nil, keyAbsent
		}
		return values, keyPresent
	}
	if c.flaggedUnknown(key) {
		return nil, keyUnknown
	}
	if value, ok := c.derived(key); ok {
		c.buffer[0] = value
		return c.buffer[:], keyPresent
	}
	return nil, keyAbsent
}

func (c *context) given(key string) ([]string, bool) {
	if values, ok := c.request.Context[key]; ok || c.lowered {
		return values, ok
	}
	for name, values := range c.request.Context {
		if len(name) == len(key) && strings.EqualFold(name, key) {
			return values, true
		}
	}
	return nil, false
}

// lowerKeys is a context with its keys in lower case.
func lowerKeys(context map[string][]string) map[string][]string {
	out := make(map[string][]string, len(context))
	for name, values := range context {
		out[strings.ToLower(name)] = values
	}
	return out
}

func (c *context) flaggedUnknown(key string) bool {
	for _, name := range c.request.Unknown {
		prefix, wild := strings.CutSuffix(name, "*")
		if wild && len(key) >= len(prefix) && strings.EqualFold(key[:len(prefix)], prefix) || strings.EqualFold(name, key) {
			return true
		}
	}
	return false
}

// derived answers the keys that follow from who asks for what.
// Source: IAM User Guide, "AWS global condition context keys" and the table of principal key values.
func (c *context) derived(key string) (string, bool) {
	p := &c.request.Principal
	if tag, ok := strings.CutPrefix(key, "aws:principaltag/"); ok {
		return p.tag(tag)
	}
	switch key {
	case "aws:principalarn":
		return p.conditionARN()
	case "aws:principalaccount":
		return p.Account, p.Account != "" && p.signed()
	case "aws:principalorgid":
		return p.OrganizationID, p.OrganizationID != ""
	case "aws:principalorgpaths":
		return p.OrganizationPath, p.OrganizationPath != ""
	case "aws:principaltype":
		return p.conditionType()
	case "aws:username":
		return p.Name, p.Kind == KindUser
	case "aws:userid":
		return p.userID()
	case "aws:principalisawsservice":
		return map[bool]string{true: "true", false: "false"}[p.Kind == KindService], p.Kind != KindAnonymous
	case "aws:principalservicename":
		return p.Name, p.Kind == KindService
	case "aws:resourceaccount":
		return c.account, c.account != ""
	case "kms:calleraccount":
		return p.Account, c.service == "kms" && p.Account != ""
	}
	return "", false
}

// conditionARN is aws:PrincipalArn: for a session the ARN of its role.
func (p *Principal) conditionARN() (string, bool) {
	switch p.Kind {
	case KindRole, KindSession:
		return p.Role, p.Role != ""
	case KindUser, KindRoot, KindFederatedUser:
		return p.ARN, p.ARN != ""
	}
	return "", false
}

func (p *Principal) conditionType() (string, bool) {
	switch p.Kind {
	case KindRoot:
		return "Account", true
	case KindUser:
		return "User", true
	case KindFederatedUser:
		return "FederatedUser", true
	case KindRole, KindSession:
		return "AssumedRole", true
	case KindAnonymous:
		return "Anonymous", true
	}
	return "", false
}

func (p *Principal) userID() (string, bool) {
	switch {
	case p.UniqueID != "":
		return p.UniqueID, true
	case p.Kind == KindRoot:
		return p.Account, true
	case p.Kind == KindFederatedUser:
		return p.Account + ":" + p.Name, true
	}
	return "", false
}

func (p *Principal) tag(key string) (string, bool) {
	for name, value := range p.Tags {
		if strings.EqualFold(name, key) {
			return value, true
		}
	}
	return "", false
}

// isMultivalued reports whether AWS classifies a key (in lower case) as multivalued: such keys need a set operator and
// are no policy variables. Source: IAM User Guide, global condition keys; Service Authorization Reference, ArrayOf… keys.
func isMultivalued(key string) bool { return slices.Contains(multivaluedKeys, key) }

var multivaluedKeys = []string{
	"aws:calledvia", "aws:principalorgpaths", "aws:principalservicenameslist", "aws:resourceorgpaths", "aws:sourceorgpaths",
	"aws:tagkeys", "aws:vpceorgpaths", "kms:encryptioncontextkeys", "kms:grantoperations", "kms:resourcealiases",
	"secretsmanager:addreplicaregions", "dynamodb:attributes", "dynamodb:leadingkeys", "sts:transitivetagkeys",
	"cloudformation:resourcetypes", "iam:resourcetagkeys",
}
