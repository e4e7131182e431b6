package simulate

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/trail"
)

// secretContext are the parameters of Secrets Manager's calls that are condition keys.
// Source: Service Authorization Reference, Secrets Manager.
var secretContext = map[string]string{
	"secretId": "secretsmanager:SecretId", "name": "secretsmanager:Name", "description": "secretsmanager:Description",
	"type": "secretsmanager:Type", "kmsKeyId": "secretsmanager:KmsKeyId", "rotationLambdaARN": "secretsmanager:RotationLambdaARN",
	"externalSecretRotationRoleArn": "secretsmanager:ExternalSecretRotationRoleArn",
	"versionId":                     "secretsmanager:VersionId", "versionStage": "secretsmanager:VersionStage",
	"recoveryWindowInDays":        "secretsmanager:RecoveryWindowInDays",
	"forceDeleteWithoutRecovery":  "secretsmanager:ForceDeleteWithoutRecovery",
	"forceOverwriteReplicaSecret": "secretsmanager:ForceOverwriteReplicaSecret",
	"blockPublicPolicy":           "secretsmanager:BlockPublicPolicy", "rotateImmediately": "secretsmanager:RotateImmediately",
}

// parameters are the condition keys of Secrets Manager's parameters: a call that does not set one does not have its key.
// secretsmanager:ModifyRotationRules is none of them: what AWS counts as a change is in no record.
var parameters = parameterKeys()

func parameterKeys() []string {
	out := []string{"secretsmanager:AddReplicaRegions", "secretsmanager:KmsKeyArn", "aws:RequestTag/*", "aws:TagKeys"}
	for _, key := range secretContext {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

// addSecretKeys adds the condition keys of a call to Secrets Manager.
func (call *Call) addSecretKeys(c trail.Change) {
	r := &call.Request
	for parameter, key := range secretContext {
		if value := text(c.Request[parameter]); value != "" {
			r.Context[key] = []string{value}
		}
	}
	r.Absent = append(r.Absent, parameters...) // the record has all of them
	if regions := each(c.Request["addReplicaRegions"], "region"); len(regions) > 0 {
		r.Context["secretsmanager:AddReplicaRegions"] = regions
	}
	addTags(r.Context, c.Request["tags"], "key", "value")
	call.addChosenKey(c)
}

// addChosenKey adds what AWS makes of the key argument. An empty one means the AWS managed key; whether the condition
// keys are then absent, empty or filled in is not documented.
func (call *Call) addChosenKey(c trail.Change) {
	r := &call.Request
	given, found := c.Request["kmsKeyId"]
	if !found || given == nil {
		return
	}
	if id := text(given); id != "" {
		call.chooses(id, c)
		return
	}
	r.Unknown = append(r.Unknown, "secretsmanager:KmsKeyArn", "secretsmanager:KmsKeyId")
}

// chooses adds the key that an argument names.
func (call *Call) chooses(id string, c trail.Change) {
	r := &call.Request
	switch {
	case strings.Contains(id, "alias/"):
		call.Alias = id
	case arn.Is(id):
		r.Context["secretsmanager:KmsKeyArn"] = []string{id}
	default:
		r.Context["secretsmanager:KmsKeyArn"] = []string{arn.PartitionOf(c.Region).New("kms", c.Region, c.Account, "key/"+id).String()}
	}
}

// viaService is the condition key that names the service that calls KMS for somebody.
const viaService = "kms:ViaService"

// addKeyKeys adds the condition keys of a call to KMS.
func (call *Call) addKeyKeys(c trail.Change) {
	r := &call.Request
	switch service, found := arn.ServiceOf(c.Actor.InvokedBy); {
	case found && c.Actor.Type != "AWSService":
		r.OneOf = map[string][]string{viaService: arn.PartitionOf(c.Region).ViaService(service, c.Region)}
	case found || !c.Lacks("userIdentity") && !c.Lacks("userIdentity.invokedBy"):
		r.Context[viaService] = []string{}
	}
	r.Context["kms:CallerAccount"] = one(r.Principal.Account)
	if id := cmp.Or(text(c.Request["keyId"]), c.Key.ID); strings.HasSuffix(id, guard.DefaultKeyAlias) {
		r.Context["kms:ResourceAliases"] = []string{guard.DefaultKeyAlias}
	}
	addEncryption(r.Context, c.Request["encryptionContext"], "")
	addTags(r.Context, c.Request["tags"], "tagKey", "tagValue")
}

// addEncryption adds what a use of a key was authenticated with.
func addEncryption(context map[string][]string, pairs any, algorithm string) {
	if found, is := pairs.(map[string]any); is {
		for name, value := range found {
			context["kms:EncryptionContext:"+name] = []string{text(value)}
			context["kms:EncryptionContextKeys"] = append(context["kms:EncryptionContextKeys"], name)
		}
	}
	if algorithm != "" {
		context["kms:EncryptionAlgorithm"] = []string{algorithm}
	}
}

func addTags(context map[string][]string, tags any, key, value string) {
	list, _ := tags.([]any)
	for _, item := range list {
		pair, _ := item.(map[string]any)
		if name := text(pair[key]); name != "" {
			context["aws:RequestTag/"+name] = []string{text(pair[value])}
			context["aws:TagKeys"] = append(context["aws:TagKeys"], name)
		}
	}
}

// unnamedKey stands for the id of a key of which only the alias is known.
const unnamedKey = "00000000-0000-0000-0000-000000000000"

// withAlias adds the ARN of the key that an alias names: the one it is known to name, one of the right account and
// Region where the candidates ask for no more than that, or else one that is not known.
func (t *Trial) withAlias(call Call) Call {
	if call.Alias == "" {
		return call
	}
	alias := arn.Of(call.Alias)
	if alias == (arn.ARN{}) {
		region := ""
		if values := call.Request.Context["aws:RequestedRegion"]; len(values) == 1 {
			region = values[0]
		}
		alias = arn.PartitionOf(region).New("kms", region, call.Request.Principal.Account, call.Alias)
	}
	key := t.keyBehind(alias.String(), call.At)
	if key == "" && t.wholeAccounts {
		key = alias.Partition.New("kms", alias.Region, alias.Account, "key/"+unnamedKey).String()
	}
	if key == "" {
		call.Request.Unknown = append(slices.Clip(call.Request.Unknown), "secretsmanager:KmsKeyArn")
		return call
	}
	call.Request.Context = maps.Clone(call.Request.Context)
	call.Request.Context["secretsmanager:KmsKeyArn"] = []string{key}
	return call
}

// keyBehind is the ARN of the key that an alias led to at a time; "" where it is not known. One that was given to its key later led to another
// one before, or to none.
func (t *Trial) keyBehind(alias string, at time.Time) string {
	if !t.ledThen(alias, at) {
		return ""
	}
	return t.options.Aliases[alias]
}

// ledThen reports whether an alias led at a time where it is known to lead now.
func (t *Trial) ledThen(alias string, at time.Time) bool {
	since := t.options.Since[alias]
	return at.IsZero() || !since.IsZero() && !at.Before(since.Truncate(time.Second))
}

// aliasesThen are the aliases of a customer's key that it had at a time, as far as is known: those that were taken away since are in no
// listing.
func (t *Trial) aliasesThen(k usedKey, at time.Time) []string {
	return slices.DeleteFunc(slices.Clone(k.aliases), func(name string) bool {
		whole := arn.Of(k.arn)
		whole.Resource = name
		return name != k.calledBy && !t.ledThen(whole.String(), at)
	})
}

// asksForWholeAccounts reports whether no candidate sets the keys of one account and Region apart.
func asksForWholeAccounts(candidates []Candidate) bool {
	for _, c := range candidates {
		for _, s := range c.Document.Statements {
			for _, condition := range s.Conditions {
				if !strings.EqualFold(condition.Key, "secretsmanager:KmsKeyArn") || strings.EqualFold(condition.Operator, "Null") {
					continue
				}
				for _, value := range condition.Values {
					if value != "*" && !strings.HasSuffix(value, ":key/*") {
						return false
					}
				}
			}
		}
	}
	return true
}

// each collects one field of every object in a list.
func each(v any, field string) []string {
	list, _ := v.([]any)
	var out []string
	for _, item := range list {
		object, _ := item.(map[string]any)
		if value := text(object[field]); value != "" {
			out = append(out, value)
		}
	}
	return out
}

// text is a JSON value as a condition sees it.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

func itoa(n int) string { return strconv.Itoa(n) }
