package localaws

import (
	"net/http"
	"time"
)

// credential is what an access key id stands for.
type credential struct {
	caller
	secret, token string
	sessionPolicy string
	issued        time.Time
}

// authenticate finds who signed with an access key id. Signatures themselves are not checked: the network is loopback,
// and the key id is what decides.
func (a *AWS) authenticate(p protocol, key, token string) (caller, error) {
	a.lock()
	defer a.unlock()
	found, ok := a.credentials[key]
	if !ok || found.token != token {
		return caller{}, badCredentials(p)
	}
	return found.caller, nil
}

func badCredentials(p protocol) error {
	code := "UnrecognizedClientException"
	if p == awsQuery {
		code = "InvalidClientTokenId"
	}
	return &apiError{Code: code, Message: "The security token included in the request is invalid.", Status: http.StatusForbidden}
}

// issue makes credentials for a caller. The state lock must be held.
func (a *AWS) issue(who caller, sessionPolicy string) *credential {
	prefix := "AKIA"
	if who.SessionName != "" {
		prefix = "ASIA"
	}
	made := &credential{caller: who, sessionPolicy: sessionPolicy, issued: a.options.Now().UTC()}
	made.AccessKeyID = prefix + a.letters(9, upperAlnum) + "EXAMPLE"
	made.secret = a.letters(33, mixedAlnum) + "EXAMPLE"
	if who.SessionName != "" {
		made.token = "local" + a.letters(59, mixedAlnum)
	}
	a.credentials[made.AccessKeyID] = made
	return made
}

func roleCaller(accountID string, r *identity, session string) caller {
	return caller{Account: accountID, ARN: "arn:aws:sts::" + accountID + ":assumed-role/" + r.name + "/" + session,
		RoleARN: r.arn, SessionName: session, PrincipalID: r.id + ":" + session}
}

func userCaller(accountID string, u *identity) caller {
	return caller{Account: accountID, ARN: u.arn, PrincipalID: u.id}
}

func rootCaller(accountID string) caller {
	return caller{Account: accountID, ARN: "arn:aws:iam::" + accountID + ":root", PrincipalID: accountID}
}

// isRoot reports whether the caller is an account's root user.
func (c caller) isRoot() bool { return c.ARN == "arn:aws:iam::"+c.Account+":root" }
