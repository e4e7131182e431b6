package core

import (
	"net/http"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
)

// credential is what an access key id stands for.
type credential struct {
	Caller
	secret, token string
	sessionPolicy string
	expires       time.Time // on the wall clock; zero: never
}

// authenticate finds who signed with an access key id. Signatures themselves are not checked: the network is loopback,
// and the key id is what decides.
func (a *AWS) authenticate(p Protocol, key, token string) (Caller, error) {
	a.Lock()
	defer a.Unlock()
	found, ok := a.credentials[key]
	if !ok || found.token != token {
		return Caller{}, badCredentials(p)
	}
	return found.Caller, nil
}

func badCredentials(p Protocol) error {
	code := "UnrecognizedClientException"
	if p == Query {
		code = "InvalidClientTokenId"
	}
	return &Error{Code: code, Message: "The security token included in the request is invalid.", Status: http.StatusForbidden}
}

// issue makes credentials for a caller. The state lock must be held.
func (a *AWS) issue(who Caller, sessionPolicy string) *credential {
	prefix := "AKIA"
	if who.SessionName != "" {
		prefix = "ASIA"
	}
	made := &credential{Caller: who, sessionPolicy: sessionPolicy}
	made.issued = a.Options.Now().UTC()
	made.AccessKeyID = prefix + a.Letters(9, UpperAlnum) + "EXAMPLE"
	made.secret = a.Letters(33, MixedAlnum) + "EXAMPLE"
	if who.SessionName != "" {
		made.token = "local" + a.Letters(59, MixedAlnum)
	}
	a.credentials[made.AccessKeyID] = made
	return made
}

// issueUntil is issue for credentials that end. Those that ended an hour ago are forgotten: no client sends them any more.
// The state lock must be held.
func (a *AWS) issueUntil(who Caller, sessionPolicy string, expires time.Time) *credential {
	for len(a.sessions) > 0 && time.Since(a.sessions[0].expires) > time.Hour {
		delete(a.credentials, a.sessions[0].AccessKeyID)
		a.sessions[0] = nil
		a.sessions = a.sessions[1:]
	}
	made := a.issue(who, sessionPolicy)
	made.expires = expires
	a.sessions = append(a.sessions, made)
	return made
}

// WithKey gives a caller an access key of its own for an hour, which its records then name. The state lock must be held.
func (a *AWS) WithKey(who Caller) Caller { return a.issueUntil(who, "", a.expiration(0)).Caller }

// RoleCaller is a session of a role.
func RoleCaller(accountID string, r *Identity, session string) Caller {
	own := arn.Of(r.arn).Partition.New("sts", "", accountID, "assumed-role/"+r.name+"/"+session)
	return Caller{Account: accountID, ARN: own.String(),
		RoleARN: r.arn, SessionName: session, PrincipalID: r.id + ":" + session}
}

func userCaller(accountID string, u *Identity) Caller {
	return Caller{Account: accountID, ARN: u.arn, PrincipalID: u.id}
}

func rootCaller(p arn.Partition, accountID string) Caller {
	return Caller{Account: accountID, ARN: p.Root(accountID), PrincipalID: accountID}
}

// isRoot reports whether the caller is an account's root user.
func (c Caller) isRoot() bool { return arn.Of(c.ARN).Resource == "root" }
