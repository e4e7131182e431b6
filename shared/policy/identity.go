package policy

import (
	"cmp"
	"slices"
	"strings"
)

// identity is one name in a Principal element.
type identity struct {
	kind    identityKind
	account string
	name    string // role, user or federated-user name, session as role/session, service, provider
	arn     string
}

type identityKind uint8

const (
	identityOther      identityKind = iota // an ARN that names no principal we know; matches only itself
	identityEveryone                       // *
	identityAccount                        // an account, by id or root ARN: everyone whom the account lets
	identityUser                           //
	identityRole                           // every session of a role
	identitySession                        //
	identityFedUser                        //
	identityService                        //
	identityFederated                      //
	identityCanonical                      // an account by its canonical id, which no request here carries
	identityUniqueRole                     // a role by its unique id, as AWS writes one that was named and then deleted
	identityUniqueUser                     // likewise a user
)

func awsIdentity(name string) identity {
	switch {
	case name == "*":
		return identity{kind: identityEveryone}
	case isAccount(name):
		return identity{kind: identityAccount, account: name}
	}
	switch {
	case uniqueID(name, "AROA"):
		return identity{kind: identityUniqueRole, name: name}
	case uniqueID(name, "AIDA"):
		return identity{kind: identityUniqueUser, name: name}
	}
	p, err := parsePrincipalARN(name)
	if err != nil {
		return identity{kind: identityOther}
	}
	kinds := map[PrincipalKind]identityKind{KindRoot: identityAccount, KindUser: identityUser, KindRole: identityRole,
		KindSession: identitySession, KindFederatedUser: identityFedUser, KindFederated: identityFederated}
	id := identity{kind: kinds[p.Kind], account: p.Account, name: p.Name, arn: name}
	if p.Kind == KindSession {
		id.name = p.Name + "/" + p.Session
	}
	return id
}

// uniqueID tells a unique id by its prefix. Source: IAM User Guide, "Understanding unique ID prefixes".
func uniqueID(name, prefix string) bool {
	return strings.HasPrefix(name, prefix) && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == ""
}

// grade is how closely a principal is named; it decides which implicit denies an Allow overrules.
// Source: IAM User Guide, "Policy evaluation for requests within a single account".
type grade uint8

const (
	gradeNone     grade = iota
	gradeAccount        // by its account: the account's IAM policies decide
	gradeRole           // by its role, or by the user behind a federated user: boundary and session policy still limit
	gradeEveryone       // as everyone: whether boundary and session policy limit, no page says
	gradeDirect         // itself: nothing but an explicit deny limits
	grades              // how many there are
)

// naming is how certainly a statement names a principal, by grade.
type naming [grades]truth

func (n naming) any() truth {
	return max(n[gradeAccount], n[gradeRole], n[gradeEveryone], n[gradeDirect])
}

// names reports how the identity names the principal. Role and user names are unique in an account whatever their
// path, so paths are compared only where both are known. What is not certain: a unique id, where that of the principal is not
// known, and the canonical id of an account, which nothing here tells.
func (id *identity) names(p *Principal) (grade, truth) {
	if p.Kind == KindSomebody {
		return id.mayName(p)
	}
	switch id.kind {
	case identityEveryone:
		return gradeEveryone, yes
	case identityAccount:
		if p.Account == id.account {
			if p.Kind == KindRoot {
				return gradeDirect, yes
			}
			return gradeAccount, yes
		}
	case identityUser:
		if p.Kind == KindUser && (p.ARN == id.arn || samePathless(id, p, p.ARN)) {
			return gradeDirect, yes
		}
		if p.Kind == KindFederatedUser && id.account == p.Account {
			return gradeRole, p.isSessionOf(id.arn)
		}
	case identityRole:
		if (p.Kind == KindRole || p.Kind == KindSession) && (p.Role == id.arn || samePathless(id, p, p.Role)) {
			return gradeRole, yes
		}
	case identitySession:
		return gradeDirect, truthOf(p.Kind == KindSession && p.ARN == id.arn)
	case identityFedUser:
		return gradeDirect, truthOf(p.Kind == KindFederatedUser && p.ARN == id.arn)
	case identityService:
		if p.Kind == KindService && p.Name == "" {
			return gradeDirect, maybe // any of them
		}
		return gradeDirect, truthOf(p.Kind == KindService && p.Name == id.name)
	case identityFederated:
		if p.signedInBy(id) {
			return gradeDirect, maybe
		}
		return gradeDirect, truthOf(p.Kind == KindFederated && (p.Name == id.name || p.Name == id.arn))
	case identityUniqueRole:
		if p.Kind == KindRole || p.Kind == KindSession {
			return gradeRole, p.hasUniqueID(id.name)
		}
	case identityUniqueUser:
		if p.Kind == KindUser {
			return gradeDirect, p.hasUniqueID(id.name)
		}
		if p.Kind == KindFederatedUser {
			return gradeRole, maybe // the id of the user behind it is not known
		}
	case identityCanonical:
		if p.signed() {
			return gradeAccount, maybe
		}
	}
	return gradeNone, no
}

// mayName is names for a population: whoever may be in it may be named.
func (id *identity) mayName(p *Principal) (grade, truth) {
	closest := gradeDirect
	switch id.kind {
	case identityEveryone:
		return gradeEveryone, yes
	case identityAccount:
		if p.Account == id.account {
			return gradeAccount, yes
		}
		closest = gradeAccount
	case identityRole:
		closest = gradeRole
	case identityUniqueRole:
		return gradeRole, maybe
	case identityUniqueUser:
		return gradeDirect, maybe
	case identityCanonical:
		return gradeAccount, maybe
	case identityFederated:
		if p.signedInBy(id) {
			return gradeDirect, maybe
		}
		return gradeNone, no
	case identityService, identityOther:
		return gradeNone, no
	}
	if p.outside(id.account) {
		return gradeNone, no
	}
	return closest, maybe
}

// signedInBy reports whether sessions of the principal may be what an identity provider signed in. Which of a role's sessions a
// policy that names the provider means is on the page of Principal; how it counts beside the role's own policies is not.
func (p *Principal) signedInBy(id *identity) bool {
	return slices.ContainsFunc(p.Providers, func(provider string) bool { return provider == id.name || provider == id.arn })
}

// isSessionOf says whether a federated user's credentials are of the user: of which one they are may not be known.
func (p *Principal) isSessionOf(user string) truth {
	if p.User == "" {
		return maybe
	}
	return truthOf(p.User == user)
}

func (p *Principal) hasUniqueID(name string) truth {
	id, _, _ := strings.Cut(p.UniqueID, ":")
	if id == "" {
		return maybe
	}
	return truthOf(id == name)
}

// samePathless compares account and name where one side's path is not known.
func samePathless(id *identity, p *Principal, arn string) bool {
	if id.account != p.Account || id.name != p.Name {
		return false
	}
	return p.Kind == KindSession && strings.HasSuffix(arn, ":role/"+p.Name)
}

// naming says how a statement's Principal or NotPrincipal stands to the request's principal.
func (s *Statement) naming(p *Principal, bounded bool, reason *reasons) naming {
	switch {
	case s.Principal != nil:
		return s.Principal.names(p, reason)
	case s.NotPrincipal == nil:
		return naming{gradeDirect: yes}
	case s.Effect == Deny && bounded:
		return naming{gradeDirect: yes} // a NotPrincipal deny catches every principal with a boundary, named or not
	case s.Effect == Deny && p.signed():
		return naming{gradeDirect: s.NotPrincipal.spares(p, reason).not()}
	}
	return naming{gradeDirect: s.NotPrincipal.names(p, reason).any().not()}
}

func (set *PrincipalSet) names(p *Principal, reason *reasons) naming {
	var out naming
	for i := range set.identities {
		g, named := set.identities[i].names(p)
		out[g] = max(out[g], named)
		if named == maybe {
			reason.note(set.identities[i].doubt(p))
		}
	}
	out[gradeNone] = no
	return out
}

// doubt says why it is not known whether the identity is the principal.
func (id *identity) doubt(p *Principal) string {
	switch id.kind {
	case identityUniqueRole, identityUniqueUser:
		return "whether " + id.name + " is the unique id of " + p.String() + " is not known"
	case identityCanonical:
		return "whether " + id.name + " is the canonical id of account " + p.Account + " is not known"
	case identityFederated:
		return "whether " + cmp.Or(id.arn, id.name) + " signed the session in, and what that gives it, is not known"
	}
	return "whether " + p.String() + " is " + cmp.Or(id.arn, id.account, id.name) + ", or has its credentials, is not known"
}

// spares says whether NotPrincipal in a Deny excepts a principal with credentials of its own. It has to name the principal and its
// account, and of a session also the role, or the user, that it is of; where it names fewer, the guide leaves open what happens: it asks for
// role and account, and says that the session, which its name tells apart, is validated after both.
// Source: IAM User Guide, "NotPrincipal": without the account the statement "might deny access to the entire account".
func (set *PrincipalSet) spares(p *Principal, reason *reasons) truth {
	var self, account, session, neighbour truth
	for i := range set.identities {
		id := &set.identities[i]
		_, named := id.names(p)
		switch {
		case id.kind == identityEveryone:
			return yes
		case id.kind == identityAccount || id.kind == identityCanonical:
			account = max(account, named)
		case (id.kind == identitySession || id.kind == identityFedUser) && named == yes:
			session = yes
		case named != no:
			self = max(self, named)
		case id.account == p.Account:
			neighbour = yes
		}
	}
	if p.Kind == KindRoot {
		return account
	}
	switch {
	case self == no && session == no && (account == no || neighbour == yes):
		return no // the guide's example: Bob and the account are named, and everybody else in it is denied
	case self == yes && account == yes && (session == yes || !p.session()):
		return yes
	}
	reason.note("NotPrincipal names " + p.String() + " and its account only in part, and AWS does not say what it denies then")
	return maybe
}

// everyone reports whether the set is "*" alone.
func (set *PrincipalSet) everyone() bool {
	return set != nil && len(set.identities) == 1 && set.identities[0].kind == identityEveryone
}
