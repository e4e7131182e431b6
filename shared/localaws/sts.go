package localaws

import (
	"net/http"
	"strings"
	"time"
)

func stsOperations() map[string]operation {
	return map[string]operation{
		"GetCallerIdentity": getCallerIdentity,
		"AssumeRole":        assumeRole,
	}
}

// getCallerIdentity needs no permission, as in AWS.
func getCallerIdentity(c *call) (any, error) {
	return struct {
		Arn, UserId, Account string //nolint:revive // AWS's own names
	}{c.Caller.ARN, c.Caller.PrincipalID, c.Caller.Account}, nil
}

type assumeRoleInput struct {
	RoleArn, RoleSessionName, Policy, ExternalId string //nolint:revive // AWS's own names
	DurationSeconds                              int
}

type credentialsXML struct{ AccessKeyId, SecretAccessKey, SessionToken, Expiration string } //nolint:revive // AWS's own names

type assumedRoleXML struct{ AssumedRoleId, Arn string } //nolint:revive // AWS's own names

type assumeRoleOutput struct {
	Credentials      credentialsXML
	AssumedRoleUser  assumedRoleXML
	PackedPolicySize int
}

func assumeRole(c *call) (any, error) {
	var in assumeRoleInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if len(in.RoleSessionName) < 2 || len(in.RoleSessionName) > 64 {
		return nil, &apiError{Code: "ValidationError", Message: "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint: Member must have length between 2 and 64"}
	}
	accountID, found := c.aws.roleByARN(in.RoleArn)
	if found == nil {
		// AWS does not tell a missing role from one that does not trust the caller.
		return nil, accessDenied(c, "sts:AssumeRole", in.RoleArn, "")
	}
	c.resources = []resource{{ARN: found.arn, Type: "AWS::IAM::Role", Account: accountID}}
	conditions := map[string][]string{"sts:RoleSessionName": {in.RoleSessionName}}
	if in.ExternalId != "" {
		conditions["sts:ExternalId"] = []string{in.ExternalId}
	}
	err := c.authorize(access{Action: "sts:AssumeRole", Resource: found.arn, ResourcePolicy: found.trust, ResourceMustAllow: true,
		Owner: accountID, Context: conditions})
	if err != nil {
		return nil, err
	}
	made := c.aws.issue(roleCaller(accountID, found, in.RoleSessionName), in.Policy)
	return assumeRoleOutput{
		Credentials:     credentialsXML{made.AccessKeyID, made.secret, made.token, iso(c.aws.expiration(in.DurationSeconds))},
		AssumedRoleUser: assumedRoleXML{made.PrincipalID, made.ARN},
	}, nil
}

// expiration is on the wall clock even where Options.Now is not: SDKs compare it with theirs, and would assume the
// role again for every call if it were in the past.
func (a *AWS) expiration(seconds int) time.Time {
	if seconds == 0 {
		seconds = 3600
	}
	now := a.options.Now()
	if wall := time.Now(); wall.After(now) {
		now = wall
	}
	return now.Add(time.Duration(seconds) * time.Second)
}

// roleByARN finds a role by its ARN (with path), and the account it is in; nil when there is none.
func (a *AWS) roleByARN(arn string) (string, *identity) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || !strings.HasPrefix(parts[5], "role/") {
		return "", nil
	}
	acct, ok := a.accounts[parts[4]]
	if !ok {
		return "", nil
	}
	found, ok := acct.roles[nameOf(arn)]
	if !ok || found.arn != arn {
		return "", nil
	}
	return acct.ID, found
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

func (a *AWS) userCaller(accountID string, u *identity) caller {
	return caller{Account: accountID, ARN: u.arn, PrincipalID: u.id}
}

func rootCaller(accountID string) caller {
	return caller{Account: accountID, ARN: "arn:aws:iam::" + accountID + ":root", PrincipalID: accountID}
}

// isRoot reports whether the caller is an account's root user.
func (c caller) isRoot() bool { return strings.HasSuffix(c.ARN, ":root") }

func accessDenied(c *call, action, resource, why string) error {
	code := "AccessDeniedException"
	if c.aws.table[c.Service].protocol == awsQuery {
		code = "AccessDenied"
	}
	message := "User: " + c.Caller.ARN + " is not authorized to perform: " + action
	if resource != "" && resource != "*" {
		message += " on resource: " + resource
	}
	if why != "" {
		message += " " + why
	}
	status := http.StatusBadRequest
	if code == "AccessDenied" {
		status = http.StatusForbidden
	}
	return &apiError{Code: code, Message: message, Status: status}
}
