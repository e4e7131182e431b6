package policy

import "strings"

// identity is one name in a Principal element.
type identity struct {
	kind    identityKind
	account string
	name    string // role, user or federated-user name, session as role/session, service, provider
	arn     string
}

type identityKind uint8

const (
	identityOther     identityKind = iota // an ARN that names no principal we know; matches only itself
	identityEveryone                      // *
	identityAccount                       // an account, by id or root ARN: everyone whom the account lets
	identityUser                          //
	identityRole                          // every session of a role
	identitySession                       //
	identityFedUser                       //
	identityService                       //
	identityFederated                     //
	identityCanonical                     // an account by its canonical id, which no request here carries
)

func awsIdentity(name string) identity {
	switch {
	case name == "*":
		return identity{kind: identityEveryone}
	case isAccount(name):
		return identity{kind: identityAccount, account: name}
	}
	p, err := parsePrincipalARN(name)
	if err != nil {
		return identity{kind: identityOther, arn: name}
	}
	kinds := map[PrincipalKind]identityKind{KindRoot: identityAccount, KindUser: identityUser, KindRole: identityRole,
		KindSession: identitySession, KindFederatedUser: identityFedUser, KindFederated: identityFederated}
	id := identity{kind: kinds[p.Kind], account: p.Account, name: p.Name, arn: name}
	if p.Kind == KindSession {
		id.name = p.Name + "/" + p.Session
	}
	return id
}

// grade is how closely a principal is named; it decides which implicit denies an Allow overrules.
// Source: IAM User Guide, "Policy evaluation for requests within a single account".
type grade uint8

const (
	gradeNone    grade = iota
	gradeAccount       // by its account: the account's IAM policies decide
	gradeRole          // by its role, or by the user behind a federated user: boundary and session policy still limit
	gradeDirect        // itself, or as everyone: nothing but an explicit deny limits
)

// names reports how the identity names the principal. Role and user names are unique in an account whatever their
// path, so paths are compared only where both are known.
func (id *identity) names(p *Principal) grade {
	switch id.kind {
	case identityEveryone:
		return gradeDirect
	case identityAccount:
		if p.Account == id.account {
			if p.Kind == KindRoot {
				return gradeDirect
			}
			return gradeAccount
		}
	case identityUser:
		if p.Kind == KindUser && (p.ARN == id.arn || samePathless(id, p, p.ARN)) {
			return gradeDirect
		}
		if p.Kind == KindFederatedUser && p.User == id.arn && id.arn != "" {
			return gradeRole
		}
	case identityRole:
		if (p.Kind == KindRole || p.Kind == KindSession) && (p.Role == id.arn || samePathless(id, p, p.Role)) {
			return gradeRole
		}
	case identitySession:
		if p.Kind == KindSession && p.ARN == id.arn {
			return gradeDirect
		}
	case identityFedUser:
		if p.Kind == KindFederatedUser && p.ARN == id.arn {
			return gradeDirect
		}
	case identityService:
		if p.Kind == KindService && p.Name == id.name {
			return gradeDirect
		}
	case identityFederated:
		if p.Kind == KindFederated && (p.Name == id.name || p.Name == id.arn) {
			return gradeDirect
		}
	case identityOther:
		if id.arn != "" && (p.ARN == id.arn || p.uniquePrefix() == id.arn) {
			return gradeDirect
		}
	}
	return gradeNone
}

// samePathless compares account and name where one side's path is not known.
func samePathless(id *identity, p *Principal, arn string) bool {
	if id.account != p.Account || id.name != p.Name {
		return false
	}
	return p.Kind == KindSession && strings.HasSuffix(arn, ":role/"+p.Name)
}

// uniquePrefix is the AIDA…/AROA… part of the unique id.
func (p *Principal) uniquePrefix() string {
	id, _, _ := strings.Cut(p.UniqueID, ":")
	return id
}

// naming says how a statement's Principal or NotPrincipal stands to the request's principal.
func (s *Statement) naming(p *Principal, bounded bool) (grade, truth) {
	switch {
	case s.Principal != nil:
		g := s.Principal.grade(p)
		if g == gradeNone && s.Effect == Deny && s.Principal.unsure(p) {
			return gradeDirect, maybe
		}
		return g, truthOf(g != gradeNone)
	case s.NotPrincipal != nil:
		if s.Effect == Deny && bounded {
			return gradeDirect, yes // a NotPrincipal deny catches every principal with a boundary, named or not
		}
		if s.NotPrincipal.grade(p) != gradeNone {
			return gradeNone, no
		}
		if s.NotPrincipal.unsure(p) {
			return gradeDirect, maybe
		}
		return gradeDirect, yes
	}
	return gradeDirect, yes
}

func (set *PrincipalSet) grade(p *Principal) grade {
	best := gradeNone
	for i := range set.names {
		best = max(best, set.names[i].names(p))
	}
	return best
}

// everyone reports whether the set is "*" alone.
func (set *PrincipalSet) everyone() bool {
	return set != nil && len(set.names) == 1 && set.names[0].kind == identityEveryone
}

// unsure reports whether the set names accounts by canonical id, one of which could be the principal's. An Allow is
// not given on such a guess, a Deny not ruled out.
func (set *PrincipalSet) unsure(p *Principal) bool {
	return len(set.CanonicalUser) > 0 && p.signed()
}
