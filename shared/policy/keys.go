package policy

import "strings"

// Presence says how often the requests of a kind carry a condition key.
type Presence uint8

const (
	Unheard   Presence = iota // nobody has declared the key: nothing follows
	Never                     // AWS documents that such requests do not have it
	Sometimes                 // they may have it
	Always                    // they have it, whatever its value
)

// KeyOf says what is declared of a condition key, in any case, in requests for an action (service:Name) by a kind of principal.
func KeyOf(key, action string, kind PrincipalKind) Presence {
	service, name, _ := strings.Cut(strings.ToLower(action), ":")
	return keyRow(strings.ToLower(key)).carried(service, name, kind)
}

// Multivalued reports whether AWS classifies a key, in any case, as one of many values: such keys need a set operator and are no
// policy variables.
func Multivalued(key string) bool { return isMultivalued(strings.ToLower(key)) }

// DeclaredKeys are the condition keys that are declared, as AWS writes them; one that goes on ends in / or :.
func DeclaredKeys() []string {
	out := make([]string, len(declared))
	for i := range declared {
		out[i] = declared[i].name
	}
	return out
}

// kinds is a set of kinds of principals.
type kinds uint8

const (
	users          kinds = 1 << iota // IAM users
	roles                            // sessions of roles, one or any
	roots                            // root users
	federatedUsers                   // sessions of sts:GetFederationToken
	identities                       // SAML or OIDC identities without a role
	services                         // AWS services for themselves
	anonymous                        // unsigned requests

	temporary = roles | federatedUsers // their credentials always end
	people    = users | roots | temporary
	signed    = people | services
	everybody = signed | identities | anonymous
)

var kindBits = map[PrincipalKind]kinds{KindUser: users, KindRole: roles, KindSession: roles, KindRoot: roots, KindFederatedUser: federatedUsers,
	KindFederated: identities, KindService: services, KindAnonymous: anonymous, KindSomebody: people}

// declaration is what AWS documents of one condition key. The zero value of a set means all of it.
type declaration struct {
	name string // as AWS writes it; one that goes on ends in / or :
	many bool   // multivalued

	never  kinds // principals whose requests never have it
	always kinds // principals whose requests always have it, where the service's own rows do not say less

	on      map[string]actions // by service: the only actions that have it; a service that is not listed says nothing
	own     bool               // of one service, whose actions alone have it: those in on
	certain actions            // of those, the ones that always have it
}

// actions is a set of names of actions, in lower case.
type actions map[string]bool

func listed(names ...string) actions {
	set := actions{}
	for _, list := range names {
		for name := range strings.FieldsSeq(list) {
			set[strings.ToLower(name)] = true
		}
	}
	return set
}

// carried says how often requests for an action of a service (both in lower case) have the key.
func (d *declaration) carried(service, action string, kind PrincipalKind) Presence {
	if d == nil {
		return Unheard
	}
	by := kindBits[kind]
	if by != 0 && by&^d.never == 0 {
		return Never
	}
	only, restricted := d.on[service]
	switch {
	case d.own && !restricted:
		return Never
	case restricted && !knownActions[service][action]:
		return Sometimes // an action that is newer than the table
	case restricted && !only[action]:
		return Never
	case d.certain[action] && d.own, by != 0 && by&^d.always == 0:
		return Always
	}
	return Sometimes
}

// rows finds a declaration: by the whole name, or by the part up to the last / or : that a declared name ends in.
var rows = indexed(declared)

func indexed(list []declaration) map[string]*declaration {
	out := make(map[string]*declaration, len(list))
	for i := range list {
		out[strings.ToLower(list[i].name)] = &list[i]
	}
	return out
}

// keyRow finds what is declared of a key, in lower case; nil for one that nobody declared.
func keyRow(key string) *declaration {
	if found := rows[key]; found != nil {
		return found
	}
	for i := range len(key) {
		if key[i] == '/' || key[i] == ':' {
			if found := rows[key[:i+1]]; found != nil {
				return found
			}
		}
	}
	return nil
}

func isMultivalued(key string) bool {
	row := keyRow(key)
	return row != nil && row.many
}
