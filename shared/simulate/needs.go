package simulate

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/trail"
)

// need is a permission that a call takes beside its own.
type need struct {
	call   Call
	unsure string // why it may not take it; ""
}

// permission is the same request, authorized for another action and resource.
func (call *Call) permission(action, resource string) Call {
	out := Call{Name: call.Name, At: call.At, unsureMFA: call.unsureMFA, unsureRole: call.unsureRole, unsureBound: call.unsureBound, home: call.home}
	out.Request = call.Request
	out.Request.Action, out.Request.Resource = action, resource
	if resource == "" {
		out.Request.Resource, out.NoResource = "*", true
	} else if account := arn.Of(resource).Account; account != "" {
		out.Request.ResourceAccount = account
		if account != call.home && call.home != "" {
			out.rcps = mayBind
		}
	}
	if resource == call.Request.Resource {
		out.unsureSuffix = call.unsureSuffix
	}
	if action == "secretsmanager:CreateSecret" || action == "kms:CreateKey" {
		out.rcps = mayBind
	}
	if out.Request.Context = maps.Clone(call.Request.Context); out.Request.Context == nil {
		out.Request.Context = map[string][]string{}
	}
	sameService := strings.HasPrefix(action, "kms:") && strings.HasPrefix(call.Request.Action, "kms:")
	maps.DeleteFunc(out.Request.Context, func(key string, _ []string) bool {
		return !strings.HasPrefix(key, "aws:") && (!sameService || key != viaService && key != "kms:CallerAccount")
	})
	if !sameService {
		out.Request.OneOf = nil
	}
	out.Request.Absent, out.Request.Unknown = nil, nil
	return out
}

// byService is a call that a service makes with the session of its caller.
func (call *Call) byService(action, resource string) Call {
	out := call.permission(action, resource)
	maps.DeleteFunc(out.Request.Context, func(key string, _ []string) bool {
		return key != "aws:RequestedRegion" && !slices.Contains(ofTheSession, strings.ToLower(key))
	})
	out.Request.OneOf = nil
	out.Request.Context["aws:ViaAWSService"] = []string{"true"}
	return out
}

func (call *Call) take(c Call, unsure string) { call.needs = append(call.needs, need{c, unsure}) }

// addNeeds adds the permissions that the documentation of a recorded call names beside its own.
func (call *Call) addNeeds(c trail.Change, request map[string]any) {
	call.addSecretsOfServices(c, request)
	call.addDependents(c, request)
	switch service, name, _ := strings.Cut(call.Request.Action, ":"); service {
	case "secretsmanager":
		call.addSecretNeeds(name, c, request)
	case "kms":
		call.addKeyNeeds(name, c, request)
	}
}

// addSecretNeeds: Secrets Manager API Reference, "Required permissions" of AssociateCrossAccountReplica, BatchGetSecretValue and RotateSecret. What
// a call's condition keys say, tags and replicas, is in withParts.
func (call *Call) addSecretNeeds(name string, c trail.Change, request map[string]any) {
	switch name {
	case "CreateSecret": // what is known of them is in withParts
		for key, action := range map[string]string{"aws:TagKeys": "secretsmanager:TagResource", "secretsmanager:AddReplicaRegions": "secretsmanager:ReplicateSecretToRegions"} {
			if !call.parametersKnown && call.Request.Context[key] == nil {
				part := call.permission(action, call.Request.Resource)
				part.NoResource = call.NoResource
				call.take(part, "whether the secret was made with tags or replicas is not in the record")
			}
		}
	case "BatchGetSecretValue":
		ids := texts(request["secretIdList"])
		for _, id := range ids {
			ref := c.Secret
			ref.ID, ref.Account, ref.Region = id, c.Account, c.Region
			read := call.readOf(secretARN(ref))
			read.unsureSuffix = !suffixed(id)
			call.take(read, "")
		}
		if len(ids) == 0 { // filters, or what is not said: of all that the caller may list and read there
			unsure := ""
			if !call.parametersKnown {
				unsure = "which secrets were read is not said"
			}
			call.take(call.permission("secretsmanager:ListSecrets", "*"), unsure)
			read := call.readOf(arn.PartitionOf(c.Region).New("secretsmanager", c.Region, c.Account, "secret:*").String())
			read.NoResource = true
			call.take(read, unsure)
		}
	case "RotateSecret":
		unsure, function := "", text(request["rotationLambdaARN"])
		if function == "" {
			unsure = "which function rotates the secret, if one does, is not said by the call"
		}
		call.take(call.permission("lambda:InvokeFunction", function), unsure)
		call.passesRole(c, text(request["externalSecretRotationRoleArn"]), "whether rotation takes iam:PassRole for the role of an external secret is not documented")
	case "AssociateCrossAccountReplica":
		read := call.readOf(call.Request.Resource)
		read.NoResource, read.unsureSuffix = call.NoResource, call.unsureSuffix
		call.take(read, "")
		call.take(call.permission("secretsmanager:AcceptCrossAccountReplication", text(request["crossAccountReplicaARN"])), "")
		call.passesRole(c, text(request["replicationRoleARN"]), "")
	}
}

// passesRole adds that a call hands a role to Secrets Manager, where it names one, or may have.
func (call *Call) passesRole(c trail.Change, role, unsure string) {
	if role == "" && call.parametersKnown {
		return
	}
	pass := call.permission(passRole, role)
	if pass.Request.Context["iam:PassedToService"] = []string{secretsManagerHost}; role == "" {
		pass.Request.Resource, unsure = arn.PartitionOf(c.Region).New("iam", "", c.Account, "role/*").String(), "whether the call handed over a role is not said"
	}
	call.take(pass, unsure)
}

func (call *Call) readOf(secret string) Call {
	read := call.permission("secretsmanager:GetSecretValue", secret)
	read.uses = uses{reads: true}
	return read
}

// addKeyNeeds: KMS Developer Guide, "AWS KMS permissions": what is authorized on an alias or a second key, too.
func (call *Call) addKeyNeeds(name string, c trail.Change, request map[string]any) {
	key := func(id string) string {
		ref := c.Key
		ref.ID, ref.Account, ref.Region = id, cmp.Or(arn.Of(id).Account, c.Account), cmp.Or(arn.Of(id).Region, c.Region)
		return keyARN(ref)
	}
	switch name {
	case "CreateAlias", "UpdateAlias", "DeleteAlias":
		call.take(call.permission("kms:"+name, c.Alias), "")
		if name == "UpdateAlias" {
			call.take(call.permission("kms:"+name, ""), "which key the alias led to before is not in its record")
		}
	case "ReEncrypt":
		for way, end := range map[string]string{"From": "source", "To": "destination"} {
			one := call.permission("kms:ReEncrypt"+way, key(text(request[end+"KeyId"])))
			addEncryption(one.Request.Context, request[end+"EncryptionContext"], text(request[end+"EncryptionAlgorithm"]))
			call.take(one, "")
		}
	case "CreateKey", "ReplicateKey":
		created := call.permission("kms:CreateKey", "*")
		if region := text(request["replicaRegion"]); name == "ReplicateKey" && region != "" {
			created.Request.Context["aws:RequestedRegion"] = []string{region}
			call.take(created, "")
		}
		if len(call.Request.Context["aws:TagKeys"]) > 0 {
			tag := created
			tag.Request.Action = "kms:TagResource"
			call.take(tag, "")
		}
	}
}

// withParts are the permissions that a call takes for what its condition keys say.
// Source: Secrets Manager API Reference, CreateSecret: "If you include tags in the secret, you also need secretsmanager:TagResource.
// To add replica Regions, you must also have secretsmanager:ReplicateSecretToRegions."
func (call *Call) withParts() []need {
	out := slices.Clone(call.needs)
	if call.Request.Action != "secretsmanager:CreateSecret" {
		return out
	}
	r := call.Request
	if len(r.Context["aws:TagKeys"]) > 0 {
		tag := call.permission("secretsmanager:TagResource", r.Resource)
		tag.NoResource = call.NoResource
		out = append(out, need{tag, ""})
	}
	if regions := r.Context["secretsmanager:AddReplicaRegions"]; len(regions) > 0 {
		replicate := call.permission("secretsmanager:ReplicateSecretToRegions", r.Resource)
		replicate.NoResource = call.NoResource
		for _, key := range []string{"secretsmanager:AddReplicaRegions", "secretsmanager:ForceOverwriteReplicaSecret"} {
			replicate.Request.Context[key] = r.Context[key]
		}
		if r.Context["secretsmanager:ForceOverwriteReplicaSecret"] == nil {
			replicate.Request.Context["secretsmanager:ForceOverwriteReplicaSecret"] = []string{}
		}
		out = append(out, need{replicate, ""})
	}
	return out
}

// managedPasswords are the parameters by which a database's password becomes a secret of the service's, each with the one that
// names its key. The service makes it with the rights of its caller.
// Source: RDS User Guide (also of DocumentDB) and Redshift Management Guide, "Permissions required for Secrets Manager integration".
var managedPasswords = map[string]string{
	"manageMasterUserPassword": "masterUserSecretKmsKeyId",     // RDS, Aurora, DocumentDB
	"manageMasterPassword":     "masterPasswordSecretKmsKeyId", // Redshift
	"manageAdminPassword":      "adminPasswordSecretKmsKeyId",  // Redshift Serverless
}

// ownSecrets are patterns of the names of the secrets that services make for such a password.
var ownSecrets = map[string]string{"rds": "rds!*", "redshift": "redshift!*", "redshift-serverless": "redshift!*"}

// addSecretsOfServices adds what a service does to secrets in the name of its caller.
func (call *Call) addSecretsOfServices(c trail.Change, request map[string]any) {
	service := strings.TrimSuffix(c.EventSource, principalSuffix)
	name, said := cmp.Or(ownSecrets[service], service+"!*"), false
	for parameter, keyed := range managedPasswords {
		if text(request[parameter]) != "true" {
			continue
		}
		unsure := ""
		if strings.HasPrefix(c.EventName, "Modify") || strings.HasPrefix(c.EventName, "Update") {
			unsure = "whether the service managed the password before is not in the record"
		}
		said = true
		call.addOwnSecret(c, name, text(request[keyed]), unsure)
	}
	if !call.parametersKnown && c.MayKeepPassword() && !said {
		call.addOwnSecret(c, name, "", "whether the service keeps the password in a secret is not in the record")
	}
	switch {
	case text(request["rotateMasterUserPassword"]) == "true":
		call.take(call.onOwnSecret("secretsmanager:RotateSecret", c, ownSecrets["rds"]), "")
	case service == "appflow" && (c.EventName == "CreateConnectorProfile" || c.EventName == "UpdateConnectorProfile"),
		service == "events" && c.EventName == "CreateConnection": // AmazonEventBridgeFullAccess has the rights, and so has a service-linked role
		call.addOwnSecret(c, service+"!*", text(request["kmsKeyIdentifier"]), undocumented)
	case service == "events" && c.EventName == "UpdateConnection":
		for _, action := range []string{"secretsmanager:UpdateSecret", "secretsmanager:PutSecretValue"} {
			call.take(call.onOwnSecret(action, c, "events!*"), undocumented)
		}
	}
}

// owningService is the tag of a secret that belongs to a service. Source: Secrets Manager User Guide, "Secrets managed by other
// AWS services".
const owningService = "aws:secretsmanager:owningService"

// undocumented is said of what a service does to its secret.
const undocumented = "whether the service makes its secret with the rights of its caller is not documented"

// onOwnSecret is what a service does to a secret of its own, of whose name a pattern is known.
func (call *Call) onOwnSecret(action string, c trail.Change, name string) Call {
	out := call.byService(action, arn.PartitionOf(c.Region).New("secretsmanager", c.Region, c.Account, "secret:"+name).String())
	out.NoResource = true
	return out
}

// addOwnSecret adds that a service creates and tags a secret of its own under a key, the AWS managed one where none is named.
func (call *Call) addOwnSecret(c trail.Change, name, key, unsure string) {
	create, tag := call.onOwnSecret("secretsmanager:CreateSecret", c, name), call.onOwnSecret("secretsmanager:TagResource", c, name)
	r := &create.Request
	r.Absent = slices.DeleteFunc(slices.Clone(parameters), func(key string) bool { return strings.HasPrefix(key, "aws:") })
	r.Unknown = []string{"secretsmanager:Name", "secretsmanager:Description"}
	if key != "" {
		create.uses.named = &keyName{id: key}
		create.chooses(key, c)
		r.Context["secretsmanager:KmsKeyId"] = []string{key}
	}
	create.uses.does(r.Action, r.Resource)
	if key == "" && !call.parametersKnown { // the one that names it may not be among those that are there
		create.uses.current, create.uses.anyKey = nil, true
		r.Absent = slices.DeleteFunc(r.Absent, func(key string) bool { return key == "secretsmanager:KmsKeyId" })
		r.Unknown = append(r.Unknown, "secretsmanager:KmsKeyId")
	}
	for _, c := range []Call{create, tag} {
		c.Request.Context["aws:TagKeys"] = []string{owningService}
	}
	call.take(create, unsure)
	call.take(tag, unsure)
	if key != "" && !strings.Contains(key, guard.DefaultKeyAlias) {
		for _, action := range []string{"kms:DescribeKey", "kms:CreateGrant"} {
			ref := c.Key
			ref.ID, ref.Account, ref.Region = key, cmp.Or(arn.Of(key).Account, c.Account), c.Region
			on := call.byService(action, keyARN(ref))
			if on.NoResource {
				on.Request.Resource = arn.PartitionOf(c.Region).New("kms", c.Region, ref.Account, "key/*").String()
			}
			call.take(on, unsure)
		}
	}
}

// rotationRole is the role of a rotation function, of which only the account is known.
func rotationRole(at location) policy.Principal {
	role := at.partition.Role(at.account, "rotation")
	return policy.Principal{Kind: policy.KindRole, Account: at.account, Name: "rotation", ARN: role, Role: role}
}
