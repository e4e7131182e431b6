package core

import (
	"time"

	"github.com/doublelock/doublelock/shared/arn"
)

func stsOperations() map[string]Operation {
	return map[string]Operation{
		"GetCallerIdentity": getCallerIdentity,
		"AssumeRole":        assumeRole,
	}
}

// getCallerIdentity needs no permission, as in AWS.
func getCallerIdentity(c *Call) (any, error) {
	return struct {
		Arn, UserId, Account string
	}{c.Caller.ARN, c.Caller.PrincipalID, c.Caller.Account}, nil
}

type assumeRoleInput struct {
	RoleArn, RoleSessionName, Policy, ExternalId string
	DurationSeconds                              int
}

type credentialsXML struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string }

type assumedRoleXML struct{ AssumedRoleId, Arn string }

type assumeRoleOutput struct {
	Credentials      credentialsXML
	AssumedRoleUser  assumedRoleXML
	PackedPolicySize int
}

func assumeRole(c *Call) (any, error) {
	var in assumeRoleInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if len(in.RoleSessionName) < 2 || len(in.RoleSessionName) > 64 {
		return nil, &Error{Code: "ValidationError", Message: "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint: Member must have length between 2 and 64"}
	}
	accountID, found := c.AWS.RoleByARN(in.RoleArn)
	if found == nil {
		// AWS does not distinguish a missing role from one that does not trust the caller.
		return nil, accessDenied(c, "sts:AssumeRole", in.RoleArn, "")
	}
	c.Resources = []Resource{{ARN: found.arn, Type: "AWS::IAM::Role", Account: accountID}}
	conditions := map[string][]string{"sts:RoleSessionName": {in.RoleSessionName}}
	if in.ExternalId != "" {
		conditions["sts:ExternalId"] = []string{in.ExternalId}
	}
	c.trustPrincipal(conditions)
	err := c.Authorize(Access{Action: "sts:AssumeRole", Resource: found.arn, ResourcePolicy: found.Trust, ResourceMustAllow: true,
		Owner: accountID, Context: conditions})
	if err != nil {
		return nil, err
	}
	expires := c.AWS.expiration(in.DurationSeconds)
	made := c.AWS.issueUntil(RoleCaller(accountID, found, in.RoleSessionName), in.Policy, expires)
	return assumeRoleOutput{
		Credentials:     credentialsXML{made.AccessKeyID, made.secret, made.token, ISO(expires)},
		AssumedRoleUser: assumedRoleXML{made.PrincipalID, made.ARN},
	}, nil
}

// trustPrincipal sets aws:PrincipalArn where Behavior says that it is not what policies elsewhere see.
func (c *Call) trustPrincipal(conditions map[string][]string) {
	switch how := c.AWS.Options.Behavior.TrustPrincipal; {
	case c.Caller.RoleARN == "": // no session
	case how == TrustPrincipalIsSession:
		conditions["aws:PrincipalArn"] = []string{c.Caller.ARN}
	case how == TrustPrincipalIsAbsent:
		conditions["aws:PrincipalArn"] = nil
	}
}

// expiration is on the wall clock even where Options.Now is not: SDKs compare it with theirs, and would assume the
// role again for every call if it were in the past.
func (a *AWS) expiration(seconds int) time.Time {
	if seconds == 0 {
		seconds = 3600
	}
	now := a.Options.Now()
	if wall := time.Now(); wall.After(now) {
		now = wall
	}
	return now.Add(time.Duration(seconds) * time.Second)
}

// RoleByARN finds a role by its ARN (with path), and the account it is in; nil when there is none.
func (a *AWS) RoleByARN(roleARN string) (string, *Identity) {
	parsed := arn.Of(roleARN)
	acct, ok := a.accounts[parsed.Account]
	if !ok {
		return "", nil
	}
	found, ok := acct.roles[parsed.Base()]
	if !ok || found.arn != roleARN {
		return "", nil
	}
	return acct.ID, found
}
