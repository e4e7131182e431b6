package policy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Request is one authorization question.
type Request struct {
	Principal       Principal
	Action          string // service:Name, in any case
	Resource        string // ARN; "*" for actions that have no resource
	Pattern         bool   // Resource holds wildcards, or policy variables: whether some resource that it matches is allowed
	ResourceAccount string // 12 digits; "" takes the account in the ARN, or the principal's where that has none

	// Context holds the condition keys of the request, in any case; one without values is known to be absent. Keys that follow
	// from the principal, the resource's account and the action are added, unless given.
	Context map[string][]string

	// OneOf holds keys, in any case, that the request has with one of these values, of which it is not known which it is. A key that is in
	// Context as well is not looked for here.
	OneOf map[string][]string

	// AtLeast holds keys, in any case, that the request has with these values, and perhaps with more. A key that is in Context or OneOf as well
	// is not looked for here.
	AtLeast map[string][]string

	// Open says that Context is not complete: a key in none of these fields is unknown, unless it is declared (KeyOf) that such
	// requests never have it. Otherwise a key in none of them is absent.
	Open bool
	// Unknown lists keys that the request may have with values not known here. A trailing * takes all keys with the prefix; "*"
	// alone, or a whole namespace such as "kms:*", does not take those that follow from the principal.
	Unknown []string
	// Absent lists keys that the request does not have unless they are in Context; a trailing * takes all with the prefix.
	Absent []string
}

// CheckUnknown refuses an unknown key that is empty, or that Context has a value for: it would not be unknown.
func (r *Request) CheckUnknown() error {
	for _, key := range r.Unknown {
		if key == "" {
			return errors.New(`a key is empty: name a condition key, or "*" for all that are not in context`)
		}
		for given := range r.Context {
			if strings.EqualFold(given, key) {
				return fmt.Errorf("%s has a value in context: leave it out of one of them", key)
			}
		}
	}
	return nil
}

// presence is what is known of a condition key.
type presence uint8

const (
	keyAbsent  presence = iota
	keyPresent          // with its values
	keyBegins           // there, and only how its value begins is known
	keyEither           // there, with one of its values
	keyAtLeast          // there, with its values and perhaps more
	keyExcept           // there, and none of its values; one that ends in / is a beginning
	keyOther            // likewise, or not there
	keyHidden           // there, with a value that is not known
	keyUnknown          // there or not
)

// contextKey is a condition key that a policy names, with what is declared of it.
type contextKey struct {
	name string // lower case
	row  *declaration
}

func contextKeyOf(name string) contextKey {
	name = strings.ToLower(name)
	return contextKey{name: name, row: keyRow(name)}
}

func (k contextKey) multivalued() bool { return k.row != nil && k.row.many }

// context answers look-ups of condition keys for one request.
type context struct {
	request *Request
	service string // of the action, lower case
	action  string
	account string // of the resource
	asked   glob   // of a request about a pattern
	lowered bool   // the request's context has only keys in lower case
	buffer  [1]string
}

// lookup finds a key. A key without values is absent: AWS treats an empty set as null.
func (c *context) lookup(key contextKey) ([]string, presence) {
	if values, ok := c.given(key.name); ok {
		if len(values) == 0 {
			return nil, keyAbsent
		}
		return values, keyPresent
	}
	switch values, _ := c.find(c.request.OneOf, key.name); {
	case len(values) == 1:
		return values, keyPresent
	case len(values) > 1:
		return values, keyEither
	}
	if values, _ := c.find(c.request.AtLeast, key.name); len(values) > 0 {
		return values, keyAtLeast
	}
	flagged := listedIn(c.request.Unknown, key.name)
	if flagged == byName {
		if c.declared(key) == Always {
			return nil, keyHidden
		}
		return nil, keyUnknown
	}
	if values, known := c.request.Principal.except(key.name, c.service); known != keyAbsent {
		return values, known
	}
	value, known := c.derived(key.name)
	switch {
	case known == keyPresent || known == keyBegins:
		c.buffer[0] = value
		return c.buffer[:], known
	case known == keyHidden:
		return nil, keyHidden
	case flagged == notListed && (!c.request.Open || listedIn(c.request.Absent, key.name) != notListed):
		return nil, keyAbsent
	}
	switch c.declared(key) {
	case Never:
		return nil, keyAbsent
	case Always:
		return nil, keyHidden
	}
	return nil, keyUnknown
}

// declared is how often a request like this has the key.
func (c *context) declared(key contextKey) Presence {
	return key.row.carried(c.service, c.action, c.request.Principal.Kind)
}

func (c *context) given(key string) ([]string, bool) { return c.find(c.request.Context, key) }

func (c *context) find(keys map[string][]string, key string) ([]string, bool) {
	if values, ok := keys[key]; ok || c.lowered {
		return values, ok
	}
	for name, values := range keys {
		if len(name) == len(key) && strings.EqualFold(name, key) {
			return values, true
		}
	}
	return nil, false
}

// lowerKeys is a context with its keys in lower case: the same where they are.
func lowerKeys(context map[string][]string) map[string][]string {
	lower := true
	for name := range context {
		lower = lower && strings.ToLower(name) == name
	}
	if lower {
		return context
	}
	out := make(map[string][]string, len(context))
	for name, values := range context {
		out[strings.ToLower(name)] = values
	}
	return out
}

// listing is how a list of keys has one.
type listing uint8

const (
	notListed   listing = iota
	byNamespace         // by "*", or by a whole namespace such as "aws:*"
	byName              // by its name, or by a longer prefix
)

func listedIn(list []string, key string) listing {
	found := notListed
	for _, name := range list {
		prefix, wild := strings.CutSuffix(name, "*")
		switch {
		case !wild && strings.EqualFold(name, key):
			return byName
		case !wild || len(key) < len(prefix) || !strings.EqualFold(key[:len(prefix)], prefix):
		case prefix == "" || strings.IndexByte(prefix, ':') == len(prefix)-1:
			found = byNamespace
		default:
			return byName
		}
	}
	return found
}

// derived answers the keys that follow from who asks for what; absent where nothing follows.
// Source: IAM User Guide, "AWS global condition context keys" and the table of principal key values.
func (c *context) derived(key string) (string, presence) {
	p := &c.request.Principal
	if tag, ok := strings.CutPrefix(key, "aws:principaltag/"); ok {
		return p.tag(tag)
	}
	switch key {
	case "aws:principalarn":
		return p.conditionARN()
	case "aws:principalaccount":
		switch {
		case p.Kind == KindAnonymous:
			return "anonymous", keyPresent
		case p.signed():
			return there(p.Account)
		}
	case "aws:principalorgid":
		return ifKnown(p.OrganizationID)
	case "aws:principalorgpaths":
		return ifKnown(p.OrganizationPath)
	case "aws:principaltype":
		return p.conditionType()
	case "aws:username":
		if p.Kind == KindUser {
			return there(p.Name)
		}
	case "aws:userid":
		return p.userID()
	case "aws:principalisawsservice":
		if p.Kind != KindAnonymous {
			return strconv.FormatBool(p.Kind == KindService), keyPresent
		}
	case "aws:principalservicename":
		if p.Kind == KindService {
			return there(p.Name)
		}
	case "aws:resourceaccount":
		return ifKnown(c.account)
	case "kms:calleraccount":
		if c.service == "kms" {
			return ifKnown(p.Account)
		}
	}
	return "", keyAbsent
}

// ifKnown is a key whose value is known where it is not "".
func ifKnown(value string) (string, presence) {
	if value == "" {
		return "", keyAbsent
	}
	return value, keyPresent
}

// there is a key that is always there, whose value may not be known.
func there(value string) (string, presence) {
	if value == "" {
		return "", keyHidden
	}
	return value, keyPresent
}

// conditionARN is aws:PrincipalArn: for a session the ARN of its role.
func (p *Principal) conditionARN() (string, presence) {
	switch p.Kind {
	case KindRole, KindSession:
		return there(p.Role)
	case KindUser, KindRoot, KindFederatedUser:
		return there(p.ARN)
	case KindSomebody:
		return "", keyHidden
	}
	return "", keyAbsent
}

// except is what the principal's account and organization are not, where it is not known what they are.
func (p *Principal) except(key, service string) ([]string, presence) {
	switch p.Kind {
	case KindSomebody:
	case KindService:
		return p.exceptSource(key, service)
	default:
		return nil, keyAbsent
	}
	switch key {
	case "aws:principalaccount":
		if p.Account == "" {
			return p.NotAccounts, keyExcept
		}
	case "kms:calleraccount":
		if p.Account == "" && service == "kms" {
			return p.NotAccounts, keyExcept
		}
	case "aws:principalorgid":
		if p.OrganizationID == "" {
			return p.NotOrganizations, keyOther
		}
	case "aws:principalorgpaths":
		switch {
		case p.OrganizationPath != "":
		case p.OrganizationID != "":
			return []string{p.OrganizationID + "/"}, keyBegins
		default:
			return beginnings(p.NotOrganizations), keyOther
		}
	}
	return nil, keyAbsent
}

// exceptSource is what the source for which a service asks is not. What it encrypts for a source it names in the encryption context, by
// the source's ARN or account. The service itself is of no account that is asked about.
// Source: IAM User Guide, "The confused deputy problem"; CloudWatch Logs User Guide, "Encrypt log data in CloudWatch Logs using AWS KMS";
// CloudTrail User Guide, "Configure AWS KMS key policies for CloudTrail".
func (p *Principal) exceptSource(key, service string) ([]string, presence) {
	if key == "aws:principalaccount" && p.NotAccounts != nil {
		return p.NotAccounts, keyOther
	}
	if p.NotSources == nil && p.NotSourceOrganizations == nil {
		return nil, keyAbsent
	}
	switch key {
	case "aws:sourceaccount", "aws:sourceowner", "aws:sourcearn":
		return p.NotSources, keyOther
	case "aws:sourceorgid":
		return p.NotSourceOrganizations, keyOther
	case "aws:sourceorgpaths":
		return beginnings(p.NotSourceOrganizations), keyOther
	}
	if service == "kms" && (key == "kms:calleraccount" || strings.HasPrefix(key, "kms:encryptioncontext:")) {
		return p.NotSources, keyOther
	}
	return nil, keyAbsent
}

// beginnings is how the paths of organizations begin.
func beginnings(organizations []string) []string {
	paths := make([]string, len(organizations))
	for i, id := range organizations {
		paths[i] = id + "/"
	}
	return paths
}

func (p *Principal) conditionType() (string, presence) {
	switch p.Kind {
	case KindRoot:
		return "Account", keyPresent
	case KindUser:
		return "User", keyPresent
	case KindFederatedUser:
		return "FederatedUser", keyPresent
	case KindRole, KindSession:
		return "AssumedRole", keyPresent
	case KindAnonymous:
		return "Anonymous", keyPresent
	case KindSomebody:
		return "", keyHidden
	}
	return "", keyAbsent
}

// userID is aws:userid: of a role, all of whose sessions are meant, only how it begins is known.
func (p *Principal) userID() (string, presence) {
	id, session, found := strings.Cut(p.UniqueID, ":")
	switch p.Kind {
	case KindUser:
		return there(p.UniqueID)
	case KindRoot:
		return there(p.Account)
	case KindFederatedUser:
		return there(p.Account + ":" + p.Name)
	case KindRole, KindSession:
		if !found {
			session = p.Session
		}
		switch {
		case id == "":
			return "", keyHidden
		case session == "":
			return id + ":", keyBegins
		}
		return id + ":" + session, keyPresent
	case KindSomebody:
		return "", keyHidden
	}
	return ifKnown(p.UniqueID)
}

func (p *Principal) tag(key string) (string, presence) {
	for name, value := range p.Tags {
		if strings.EqualFold(name, key) {
			return value, keyPresent
		}
	}
	return "", keyAbsent
}
