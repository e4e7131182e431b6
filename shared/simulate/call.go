package simulate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/trail"
)

// The event sources of the services whose condition keys are in the record.
const (
	secretsManagerHost = "secretsmanager" + principalSuffix
	kmsHost            = "kms" + principalSuffix
	principalSuffix    = ".amazonaws.com" // of a service as CloudTrail names it, in every partition
)

// Call is one request that was made, or could be.
type Call struct {
	Name    string // where it comes from: file:line, or the name of a row
	Request policy.Request
	Tool    string // what made it: terraform, cloudformation, console, …; "" when not known
	Service string // service that called on the principal's behalf; ""
	At      time.Time
	EventID string
	Error   string // why it failed then; "" when it succeeded

	// NoResource: what it was about is not known, so a policy on certain resources may or may not be about it. Request.Resource is a
	// pattern of what it may be, of a key that manager has, if that is known.
	NoResource bool
	manager    guard.KeyManager

	// Alias is the key argument where it is an alias: the key has an ARN, which the record does not have.
	Alias string

	keyAlias string // ARN of the alias by which a call to KMS names its key; ""

	uses         uses // of keys, by a call to Secrets Manager
	rcps         reach
	home         string // account that the record is of; "" for that of the resource
	ownKey       bool   // its key is a customer's
	unsureSuffix bool   // it names its secret without the six characters at the end of the ARN
	unsureMFA    bool   // the session had no MFA: whether it has the condition key for it is not known
	unsureRole   bool   // the role behind the session has a path that the record does not have
	unsurePath   bool   // so does the role or user that it is about

	// Of a principal of another account than the record: whether SCPs of the organization bind it is not known, or, in a variant,
	// they do not.
	unsureBound, outside bool

	parametersKnown bool // the record has all those of the call

	needs []need // other permissions that the call takes
}

// reach says whether RCPs of the organization bind a resource.
// Source: AWS Organizations User Guide, "Resource control policies": those of member accounts, and no AWS managed key of KMS. Whether a call
// that makes its resource is one on it is not said there.
type reach int

const (
	bind    reach = iota
	mayBind       // an account that is not known to be one of ours, a resource that is not there yet
	bindNot       // what AWS manages
)

// FromTrail makes a call of a recorded event. It answers false for what is no call to an API: service events, and
// calls by somebody the record does not name.
func FromTrail(r trail.Record) (Call, bool) {
	c := r.Change
	service, isService := strings.CutSuffix(c.EventSource, principalSuffix)
	if !isService || c.DetailType != "AWS API Call via CloudTrail" || c.EventName == "" {
		return Call{}, false
	}
	principal, known := principalOf(c)
	if !known {
		return Call{}, false
	}
	call := Call{Name: position(r), Tool: trail.Tool(c.UserAgent), Service: c.Actor.InvokedBy, At: c.Time, EventID: c.EventID, Error: c.ErrorCode}
	call.Request = policy.Request{Principal: principal, Action: prefixOf(service) + ":" + actionOf(c.EventName), Context: context(c)}
	call.unsureBound = principal.Account != "" && principal.Account != c.Account
	call.Request.Open = true // what CloudTrail does not record is not known
	d := r.Details()
	call.details(c, d)
	call.addResource(c, d)
	switch c.EventSource {
	case secretsManagerHost:
		call.addSecretKeys(c)
		call.uses = usesOf(call.Request.Action, call.Request.Resource, c.Request)
	case kmsHost:
		call.addKeyKeys(c)
	}
	request := d.Request
	if request == nil { // of a Record without Raw
		request = c.Request
	}
	if text(request["omitted"]) == "true" {
		request = nil
	}
	call.parametersKnown = request != nil && !c.Lacks("requestParameters")
	if !call.parametersKnown {
		call.withoutParameters()
	}
	call.addParameters(request)
	call.addNeeds(c, request)
	return call, true
}

// withoutParameters leaves open what parameters a call had beside those that are there: CloudTrail omits large ones, and an export may
// omit any.
// Source: CloudTrail User Guide, "CloudTrail record contents", requestParameters.
func (call *Call) withoutParameters() {
	delete(call.Request.Context, "kms:EncryptionContextKeys")
	call.Request.Absent = nil
	call.uses.current, call.uses.anyKey = nil, true
}

// prefixOf is the prefix of a service's actions, where it is not the name of its endpoint.
func prefixOf(service string) string {
	switch service {
	case "monitoring":
		return "cloudwatch"
	case "tagging":
		return "tag"
	case "cloudcontrolapi":
		return "cloudformation"
	case "email":
		return "ses"
	case "iotdata":
		return "iot"
	}
	return service
}

// actionOf is the action behind an event name: some services add the version of their API to it.
func actionOf(event string) string {
	if i := strings.IndexAny(event, "0123456789"); i > 0 && len(event)-i >= 8 {
		return event[:i]
	}
	return event
}

// principalOf is the caller. Where a record has no ARN of it, as the owner of a resource gets them of callers from other accounts, or
// an export left it out, it is somebody of an account, or anybody.
// Source: CloudTrail User Guide, "CloudTrail userIdentity element", type AWSAccount.
func principalOf(c trail.Change) (policy.Principal, bool) {
	if c.Actor.Type == "AWSService" {
		return policy.Principal{Kind: policy.KindService, Name: c.Actor.InvokedBy}, c.Actor.InvokedBy != ""
	}
	p, err := policy.ParsePrincipal(c.Actor.ARN)
	account := c.Actor.Account
	switch {
	case err == nil && c.Actor.RoleARN != "":
		p.Role, p.PathSure = c.Actor.RoleARN, true
		return p, true
	case err == nil && p.Kind != policy.KindAnonymous:
		return p, true
	case slices.Contains(anonymous, strings.ToLower(account)):
		return policy.Principal{Kind: policy.KindAnonymous}, true
	case account != "" && slices.Contains(withoutARN, c.Actor.Type):
		return policy.Principal{Kind: policy.KindSomebody, Account: account, Name: "somebody in account " + account}, true
	case c.Lacks("userIdentity"):
		return policy.Principal{Kind: policy.KindSomebody, Account: account}, true
	}
	return policy.Principal{}, false
}

// withoutARN are the types of callers that have an account and need not have an ARN; anonymous is what stands for the account of
// one that did not sign its request.
var (
	withoutARN = []string{"AWSAccount", "Role", "IAMUser", "AssumedRole", "FederatedUser", "Root", "Unknown", ""}
	anonymous  = []string{"anonymous", "anonymous_principal"}
)

func position(r trail.Record) string {
	if r.Index > 0 {
		return r.Name + ":" + itoa(r.Line) + " record " + itoa(r.Index)
	}
	return r.Name + ":" + itoa(r.Line)
}

// context are the global condition keys that the record has.
func context(c trail.Change) map[string][]string {
	out := map[string][]string{
		"aws:RequestedRegion": {c.Region},
		"aws:ViaAWSService":   {"false"},
		"aws:UserAgent":       one(c.UserAgent),
		"aws:SourceIp":        one(address(c.SourceIP)),
	}
	if !c.Time.IsZero() {
		out["aws:CurrentTime"] = []string{c.Time.UTC().Format(time.RFC3339)}
		out["aws:EpochTime"] = []string{itoa(int(c.Time.Unix()))}
	}
	for member, keys := range map[string][]string{"awsRegion": {"aws:RequestedRegion"}, "userAgent": {"aws:UserAgent"}, "sourceIPAddress": {"aws:SourceIp"}} {
		if c.Lacks(member) {
			for _, key := range keys {
				delete(out, key)
			}
		}
	}
	if c.Lacks("userIdentity") || c.Lacks("userIdentity.invokedBy") {
		delete(out, "aws:ViaAWSService")
	}
	if c.Actor.InvokedBy != "" {
		out["aws:ViaAWSService"] = []string{"true"}
		for _, key := range []string{"aws:CalledVia", "aws:CalledViaFirst", "aws:CalledViaLast"} {
			out[key] = one(c.Actor.InvokedBy)
		}
	}
	return out
}

// address is the source address, "" where the record names a service instead.
func address(source string) string {
	if strings.Contains(source, principalSuffix) || source == "AWS Internal" {
		return ""
	}
	return source
}

// one is a value, or an absent key.
func one(value string) []string {
	if value == "" {
		return []string{}
	}
	return []string{value}
}

// addResource finds what the call was about, under the ARN that AWS authorises.
func (call *Call) addResource(c trail.Change, d trail.Details) {
	call.Request.ResourceAccount, call.home = c.Account, c.Account
	switch {
	case c.EventSource == secretsManagerHost:
		call.Request.Resource = secretARN(c.Secret)
		call.unsureSuffix = !suffixed(c.Secret.ID)
	case c.EventSource == kmsHost:
		call.Request.Resource = keyARN(c.Key)
	case arn.Is(c.Resource()):
		call.Request.Resource = c.Resource()
	default:
		call.Request.Resource = call.named(c, d.Request)
		if call.Request.Resource == "" && !c.Lacks("requestParameters") { // another may have been named, too
			call.Request.Resource = ownARN(strings.TrimSuffix(c.EventSource, principalSuffix), d.Request)
		}
	}
	owner := arn.Of(call.Request.Resource).Account
	if call.Request.Resource == "" {
		call.Request.Resource, call.NoResource = "*", !TakesNoResource(call.Request.Action)
		if c.EventSource == kmsHost && call.NoResource {
			owner = call.unnamedKey(c)
		}
	}
	if owner != "" && owner != c.Account && c.Account != "" {
		call.Request.ResourceAccount, call.rcps = owner, mayBind
	}
	switch {
	case call.Request.Action == "secretsmanager:CreateSecret", call.Request.Action == "kms:CreateKey":
		call.rcps = mayBind
	case c.EventSource == kmsHost && strings.Contains(cmp.Or(text(d.Request["keyId"]), c.Key.ID), "alias/aws/"):
		call.rcps = bindNot
	}
}

// unnamedKey makes it a call about a key that its record does not name, or by an alias. KMS uses no key of another Region.
func (call *Call) unnamedKey(c trail.Change) (owner string) {
	at := arn.PartitionOf(c.Region).New("kms", c.Region, "*", "key/*")
	if c.Key.ID == "" {
		call.Request.Unknown, call.rcps = []string{"aws:ResourceAccount", "aws:ResourceOrgID", "aws:ResourceOrgPaths"}, mayBind
	} else {
		owner = cmp.Or(arn.Of(c.Key.ID).Account, c.Account)
		at.Account = owner
		if call.keyAlias = c.Key.ID; !arn.Is(call.keyAlias) {
			call.keyAlias = at.Partition.New("kms", c.Region, owner, c.Key.ID).String()
		}
	}
	call.Request.Resource = at.String()
	return owner
}

// suffixed reports whether an id of a secret is an ARN with the six characters that AWS adds to the name.
// Source: Secrets Manager API Reference, SecretId: a name, or an ARN, which may lack them.
func suffixed(id string) bool {
	cut := len(id) - suffixLength
	return arn.Is(id) && cut > 0 && id[cut] == '-'
}

// suffixLength is that of the hyphen and the characters that AWS adds to a secret's name in its ARN.
const suffixLength = len("-AbCdEf")

// named is the resource of a call to IAM, CloudFormation or EventBridge, which names it without an ARN; "" where it does not.
func (call *Call) named(c trail.Change, request map[string]any) string {
	partition := arn.PartitionOf(c.Region)
	switch strings.TrimSuffix(c.EventSource, principalSuffix) {
	case "iam":
		for parameter, kind := range map[string]string{"roleName": "role/", "userName": "user/"} {
			name := text(request[parameter])
			if name == "" {
				continue
			}
			path := strings.TrimPrefix(text(request["path"]), "/")
			// only a call that makes it gives it a path, or none
			call.unsurePath = !strings.HasPrefix(c.EventName, "Create") || path == "" && c.Lacks("requestParameters")
			return partition.New("iam", "", c.Account, kind+path+name).String()
		}
	case "sts":
		return cmp.Or(text(request["roleArn"]), text(request["targetPrincipal"]))
	case "cloudtrail":
		name := cmp.Or(text(request["name"]), text(request["trailName"]))
		if name == "" || arn.Is(name) {
			return name
		}
		return partition.New("cloudtrail", c.Region, c.Account, "trail/"+name).String()
	case "cloudformation":
		name := text(request["stackName"])
		if name == "" || arn.Is(name) {
			return name
		}
		call.NoResource = true // its ARN has an id, which nobody chooses
		return partition.New("cloudformation", c.Region, c.Account, "stack/"+name+"/*").String()
	case "events":
		name := cmp.Or(text(request["rule"]), text(request["name"]))
		if name == "" || !strings.Contains(c.EventName, "Rule") && !strings.Contains(c.EventName, "Targets") {
			return ""
		}
		bus := text(request["eventBusName"])
		switch {
		case bus == "" && c.Lacks("requestParameters"):
			call.NoResource, name = true, "*"+name
		case bus != "" && bus != "default":
			if arn.Is(bus) {
				bus = arn.Of(bus).Base()
			}
			name = bus + "/" + name
		}
		return partition.New("events", c.Region, c.Account, "rule/"+name).String()
	}
	return ""
}

// ownARN is the one ARN of its own service among the parameters of a call; "" where there are several, or none.
func ownARN(service string, request map[string]any) string {
	found := ""
	for _, value := range request {
		id := text(value)
		switch {
		case arn.Of(id).Service != prefixOf(service) || id == found:
		case found != "":
			return ""
		default:
			found = id
		}
	}
	return found
}

func secretARN(s guard.SecretRef) string {
	switch {
	case s.ID == "":
		return ""
	case arn.Is(s.ID):
		return s.ID
	}
	return arn.PartitionOf(s.Region).New("secretsmanager", s.Region, s.Account, "secret:"+s.ID).String()
}

// keyARN is "" for an alias: which key it was is not in the record.
func keyARN(k guard.KeyRef) string {
	switch {
	case k.ID == "" || strings.Contains(k.ID, "alias/"):
		return ""
	case arn.Is(k.ID):
		return k.ID
	}
	return arn.PartitionOf(k.Region).New("kms", k.Region, k.Account, "key/"+k.ID).String()
}
