package trail

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// judge says what a CloudTrail record asks of us, and what it is about.
func (f *fields) judge(c *Change, service string) {
	if service == "" {
		c.Reason = "not a service we watch"
		return
	}
	c.Request = readObject(f.request)
	row := findCall(service, c.EventName)
	f.about(c, service)
	switch {
	case row == nil:
		c.Reason = "not a call we know"
	case c.ErrorCode != "" && row.rule != ruleServiceEvents:
		judgeFailed(c, row)
	case !brings(row.rule, c.DetailType):
		c.Reason = "delivered as " + c.DetailType + ", which this call never is"
	case row.kind == Tamper, row.kind == PolicyBinds:
		judgeTamper(c, row)
	default:
		judgeSucceeded(c, row)
	}
}

func judgeSucceeded(c *Change, row *call) {
	c.Kind, c.Rule, c.Reason = row.kind, row.rule, row.reason
	switch {
	case row.kind == LookAtSecret && c.Secret.ID == "":
		c.Kind, c.Reason = Ignored, "names no secret"
	case (row.kind == LookAtKey || row.kind == KeyLifecycle) && c.Key.ID == "" && c.Alias == "" && c.Store == "":
		c.Kind, c.Reason = Ignored, "names no key"
	case row.reads && row.service == kms:
		c.Read = c.Secret.ID != "" && !validatesKey(c.Request)
		if c.Read {
			c.Reason = "successful read through Secrets Manager: evidence of a reader"
		}
	default:
		c.Read = row.reads
	}
}

func judgeFailed(c *Change, row *call) {
	c.Reason = "failed with " + c.ErrorCode + ", nothing changed"
	switch row.failed {
	case failedAttempt:
		if !c.Denied() || c.DetailType != apiCall {
			return
		}
		c.Kind, c.Rule, c.Reason = AttemptDenied, ruleAttempts, attemptReason(c)
	case failedRead:
		judgeFailedRead(c, row)
	case failedNothing:
	}
}

func judgeFailedRead(c *Change, row *call) {
	c.Reason = "failed with " + c.ErrorCode
	if !oneOf(deniedReadCodes, c.ErrorCode) || c.DetailType != apiCall {
		return
	}
	if row.service == kms && c.Actor.InvokedBy != secretsManagerHost {
		c.Reason += ", but not through Secrets Manager"
		return
	}
	c.Kind, c.Rule, c.Reason = DeniedRead, ruleDeniedReads, deniedReadReason(c, row)
}

// deniedReadReason goes by the code and by who was called. A read that Secrets Manager denied may lack the secret or its
// key, and InvalidRequestException is what it answers for a secret pending deletion as well: Describe says which.
func deniedReadReason(c *Change, row *call) string {
	switch {
	case c.Denied() && row.service == kms:
		return "the reader may use the secret but not its key"
	case c.Denied():
		return "the reader was denied" + quoted(c.ErrorMessage)
	case c.ErrorCode == invalidRequest:
		return "no value was given (" + c.ErrorCode + "): the secret is pending deletion, or its key cannot be used"
	default:
		return "the key could not be used (" + c.ErrorCode + ")"
	}
}

// ByKey reports that a denied read was, or may have been, refused because of what the key is, and not only because of who asked.
// A denial says it in its text alone: Secrets Manager's "Access to KMS is not allowed", and KMS's of a key that "does not exist".
// Only a look says what is so.
func (c Change) ByKey() bool {
	return c.Kind == DeniedRead && (!c.Denied() || strings.Contains(c.ErrorMessage, "Access to KMS") || strings.Contains(c.ErrorMessage, "does not exist"))
}

func attemptReason(c *Change) string {
	outcome := "nothing changed"
	switch c.EventName {
	case "CreateSecret":
		outcome = "no secret exists"
	case "ReplicateSecretToRegions":
		outcome = "no replica exists"
	}
	return "denied, " + outcome + quoted(c.ErrorMessage)
}

// quoted is what AWS's message says of a denial, as a quotation for people: without who called what, which the event says
// already. No code reads it.
func quoted(message string) string {
	why := message
	if _, resource, found := strings.Cut(message, " on resource: "); found {
		_, why, _ = strings.Cut(resource, " ")
	}
	if why = strings.TrimPrefix(why, "because "); why == "" {
		return ""
	}
	if len(why) > maxQuoted {
		why = strings.ToValidUTF8(why[:maxQuoted], "") + "…"
	}
	return ": " + strconv.Quote(why)
}

// maxQuoted is how many bytes of a message are repeated.
const maxQuoted = 240

func judgeTamper(c *Change, row *call) {
	for _, name := range []string{"name", "trailName", "rule", "eventBusName", "policyId", "policyType", "accountId", "servicePrincipal"} {
		if c.Target = member(c.Request, name); c.Target != "" {
			break
		}
	}
	if c.Target == "" && oneOf([]string{"LeaveOrganization", "DeleteOrganization"}, c.EventName) {
		c.Target = c.Account // it names nobody: it is the caller's account, or what that manages
	}
	switch {
	case row.rule == ruleTamperRules && !ours(c.Request):
		c.Reason = "not one of our rules"
		return
	case c.deployedBy(stackSets):
		c.Rule, c.Reason = row.rule, "StackSets deployed it"
		return
	case c.EventName == "DisableAWSServiceAccess" && c.Target != "" && !oneOf(trusted, c.Target):
		c.Rule, c.Reason = row.rule, "not a service that we stand on"
		return
	}
	from, to := c.Moved()
	if strings.HasPrefix(from, rootPrefix) {
		c.Kind, c.Rule, c.Reason = PolicyBinds, row.rule, "an account was moved out of the root, whose policies bind it as before: nothing was taken from it"
		return
	}
	c.Kind, c.Rule, c.Reason = row.kind, row.rule, row.reason
	if c.deployedBy(cdk) {
		c.Reason += "; CloudFormation did it with CDK's role: in the accounts of the hub and of the management that is our own deployment"
	}
	if from != "" && to != "" {
		c.Reason = "an account was moved from " + from + " to " + to + ": what is attached to the first may bind it no more"
	}
}

// rootPrefix begins the id of an organization's root.
const rootPrefix = "r-"

// ours reports whether a call to EventBridge is about one of our rules, or about the hub's bus and what is on it.
func ours(request map[string]any) bool {
	return slices.ContainsFunc([]string{"name", "rule", "eventBusName"}, func(name string) bool {
		of := member(request, name)
		return of == busName || strings.HasPrefix(of, SessionPrefix) || strings.HasSuffix(of, busEnding)
	})
}

// deployedBy reports whether CloudFormation wrote a rule or its targets with a role. A rule that is switched off was not deployed.
// Source: CloudTrail User Guide, userIdentity, invokedBy: what a service sets, and no caller.
func (c *Change) deployedBy(role string) bool {
	return oneOf(deploying, c.EventName) && c.Actor.InvokedBy == "cloudformation.amazonaws.com" && member(c.Request, "state") != "DISABLED" &&
		arn.Match(role, arn.Of(c.Actor.PrincipalARN()).Resource)
}

// The roles by which CloudFormation deploys us: StackSets' in members, where SCPs keep its name; CDK's in the accounts of the hub and of
// the management, and in any other whatever anybody there deploys.
const (
	stackSets = "role/stacksets-exec-*"
	cdk       = "role/cdk-*-cfn-exec-role-*"
)

// DeployedByCDK reports whether CDK's role wrote a rule of ours, which is our own deployment in the accounts where we are deployed so.
func (c Change) DeployedByCDK() bool { return c.Kind == Tamper && c.deployedBy(cdk) }

// deploying are the calls by which a stack writes rules and targets.
var deploying = []string{"PutRule", "PutTargets"}

// trusted are the services whose access to the organization we stand on.
// Source: Organizations User Guide, "AWS services that you can use with AWS Organizations", CloudTrail and CloudFormation StackSets.
var trusted = []string{"cloudtrail.amazonaws.com", "member.org.stacksets.cloudformation.amazonaws.com", "stacksets.cloudformation.amazonaws.com"}

// about fills in the secret and the key.
func (f *fields) about(c *Change, service string) {
	switch service {
	case secretsManager:
		c.Secret = secretRef(f.secretID(c), c.Account, c.Region)
	case kms:
		c.Key = keyRef(f.keyID(c), c.Account, c.Region)
		if row := findCall(service, c.EventName); row != nil && row.kind == KeyLifecycle {
			c.Store, c.KeyState = member(c.Request, "customKeyStoreId"), guard.KeyState(f.response.keyState.String())
		}
		c.SecondKey = keyRef(f.secondKeyARN.String(), c.Account, c.Region)
		if oneOf(aliasCalls, c.EventName) {
			c.Alias = guard.AliasNamed(orElse(f.aliasARN.String(), member(c.Request, "aliasName")), c.Account, c.Region)
		}
		c.Secret = secretRef(secretInContext(c.Request), c.Account, c.Region)
	}
}

// aliasCalls are those that change what an alias leads to.
var aliasCalls = []string{"CreateAlias", "UpdateAlias", "DeleteAlias"}

// secretID follows the order that tells most: the response, what the service adds, an ARN in the request, an ARN
// among the resources or in the request ID, and last the name the caller used.
func (f *fields) secretID(c *Change) string {
	asked := orElse(member(c.Request, "secretId"), onlyID(c.Request))
	switch {
	case f.response.arn.present():
		return f.response.arn.String()
	case arn.Is(f.additional.secretID.String()):
		return f.additional.secretID.String()
	case f.additional.arn.present():
		return f.additional.arn.String()
	case arn.Is(asked):
		return asked
	case f.secretARN.present():
		return f.secretARN.String()
	}
	if bytes.Contains(f.requestID.bytes(), []byte("arn:")) {
		if id := secretInRequestID(f.requestID.String()); id != "" {
			return id
		}
	}
	for _, id := range []string{asked, member(c.Request, "name"), f.additional.secretID.String()} {
		if id != "" {
			return id
		}
	}
	return resourceInMessage(c.ErrorMessage)
}

// onlyID is the secret of a batch that asked for one; a batch of more is followed by a record for each.
func onlyID(request map[string]any) string {
	listed, ok := request["secretIdList"].([]any)
	if !ok || len(listed) != 1 {
		return ""
	}
	id, _ := listed[0].(string)
	return id
}

// keyID prefers resources, then the response; the request holds whatever the caller used. Records of denied KMS
// calls have neither, but the message names the key.
func (f *fields) keyID(c *Change) string {
	switch {
	case f.response.key.present():
		return f.response.key.String() // CreateKey, ReplicateKey: the new key
	case f.keyARN.present():
		return f.keyARN.String()
	case f.response.keyID.present():
		return f.response.keyID.String()
	case f.additional.keyID.present():
		return f.additional.keyID.String()
	}
	for _, name := range []string{"keyId", "targetKeyId"} {
		if id := member(c.Request, name); id != "" {
			return id
		}
	}
	if f.aliasARN.present() && !oneOf(aliasCalls, c.EventName) {
		return f.aliasARN.String()
	}
	named := resourceInMessage(c.ErrorMessage)
	if kind, _ := arn.Of(named).Split(); kind == "key" {
		return named
	}
	return ""
}

// secretInContext is the secret that Secrets Manager called KMS for.
func secretInContext(request map[string]any) string {
	context, _ := request["encryptionContext"].(map[string]any)
	return member(context, "SecretARN")
}

// validatesKey reports whether Secrets Manager only tried the key out; no value was read.
func validatesKey(request map[string]any) bool {
	context, _ := request["encryptionContext"].(map[string]any)
	return member(context, "SecretVersionId") == "RequestToValidateKeyAccess"
}

func member(object map[string]any, name string) string {
	s, _ := object[name].(string)
	return s
}

// readObject reads requestParameters or responseElements, nil when it is not an object.
func readObject(raw []byte) map[string]any {
	if len(raw) == 0 || raw[0] != '{' {
		return nil
	}
	c := cursor{buf: raw}
	object, _ := c.value().(map[string]any)
	return object
}

// secretMember names the members that could hold a secret's value. CloudTrail leaves them out; we do not rely on it.
func secretMember(name []byte) bool {
	return bytes.EqualFold(name, []byte("secretString")) || bytes.EqualFold(name, []byte("secretBinary"))
}
