package preventive_test

// scpRequest is one request and what the SCPs of a stage must answer to it. The caller's own policy allows everything.
type scpRequest struct {
	name     string
	stage    string // "done" has every layer, "guarded" all but the KMS layer, "own" approves keys of the own account
	by       string // principal, as an ARN
	action   string
	on       string // resource ARN
	context  map[string]any
	expected string
	exempt   bool // the management account, to which no SCP applies
}

const (
	allowed = "Allowed"
	denied  = "ExplicitlyDenied"

	admin      = "arn:aws:sts::333333333333:assumed-role/AWSReservedSSO_AdministratorAccess_0123456789abcdef/ada@example.com"
	pipeline   = "arn:aws:sts::333333333333:assumed-role/ci-terraform/run-42"
	rootUser   = "arn:aws:iam::333333333333:root"
	user       = "arn:aws:iam::333333333333:user/bob"
	breakGlass = "arn:aws:sts::333333333333:assumed-role/BreakGlassSecurity/eve"
	linkedRole = "arn:aws:iam::333333333333:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"

	secret  = "arn:aws:secretsmanager:us-east-1:333333333333:secret:app/db-AbCdEf"
	rds     = "arn:aws:secretsmanager:us-east-1:333333333333:secret:rds!cluster-0a1b2c3d-AbCdEf"
	ownKey  = "arn:aws:kms:us-east-1:333333333333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	central = "arn:aws:kms:us-east-1:222222222222:key/2234abcd-12ab-34cd-56ef-1234567890ab"
	mrk     = "arn:aws:kms:us-east-1:222222222222:key/mrk-1234abcd12ab34cd56ef1234567890ab"
	foreign = "arn:aws:kms:us-east-1:999999999999:key/9934abcd-12ab-34cd-56ef-1234567890ab"
	managed = "arn:aws:kms:us-east-1:333333333333:key/aaaaabcd-12ab-34cd-56ef-1234567890ab"

	create    = "secretsmanager:CreateSecret"
	updating  = "secretsmanager:UpdateSecret"
	replicate = "secretsmanager:ReplicateSecretToRegions"
)

// under is the context of a request that names a key: the ARN it resolves to, and what the caller wrote.
func under(arn, written string) map[string]any {
	return map[string]any{"secretsmanager:KmsKeyArn": arn, "secretsmanager:KmsKeyId": written}
}

func to(regions ...string) map[string]any {
	return map[string]any{"secretsmanager:AddReplicaRegions": regions}
}

func through(service, alias string) map[string]any {
	return map[string]any{"kms:ViaService": service + ".us-east-1.amazonaws.com", "kms:ResourceAliases": []string{alias}}
}

func aliasARN(region, name string) string {
	return "arn:aws:kms:" + region + ":333333333333:alias/" + name
}

func tags(keys ...string) map[string]any { return map[string]any{"aws:TagKeys": keys} }

func unused(days string) map[string]any {
	return map[string]any{"kms:TrailingDaysWithoutKeyUsage": days}
}

func merged(all ...map[string]any) map[string]any {
	out := map[string]any{}
	for _, m := range all {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// scpRequests are tried against the SCPs before these are attached anywhere.
var scpRequests = []scpRequest{
	// Creating: no key, the AWS managed key however it is named, keys here and elsewhere.
	{"create without a key", "guarded", admin, create, secret, nil, denied, false},
	{"create without a key by a pipeline", "guarded", pipeline, create, secret, nil, denied, false},
	{"create without a key by the root user of a member", "guarded", rootUser, create, secret, nil, denied, false},
	{"create without a key by an IAM user", "guarded", user, create, secret, nil, denied, false},
	{"create with the default alias", "guarded", admin, create, secret, under(managed, "alias/aws/secretsmanager"), denied, false},
	{"create with the default alias as an ARN", "guarded", admin, create, secret,
		under(managed, "arn:aws:kms:us-east-1:333333333333:alias/aws/secretsmanager"), denied, false},
	{"create with the default key by its id", "guarded", admin, create, secret, under(managed, "aaaaabcd-12ab-34cd-56ef-1234567890ab"), denied, false},
	{"create with the default key by its ARN", "guarded", admin, create, secret, under(managed, managed), denied, false},
	{"create with a CMK here where only the central account is approved", "guarded", admin, create, secret, under(ownKey, ownKey), denied, false},
	{"create with a CMK of the central account", "guarded", admin, create, secret, under(central, central), allowed, false},
	{"create with a CMK of the central account by alias ARN", "guarded", pipeline, create, secret,
		under(central, "arn:aws:kms:us-east-1:222222222222:alias/secrets"), allowed, false},
	{"create with a multi-Region CMK of the central account", "guarded", admin, create, secret, under(mrk, mrk), allowed, false},
	{"create with a stranger's CMK", "guarded", admin, create, secret, under(foreign, foreign), denied, false},
	// The same where keys of the own account are approved: an SCP cannot tell the managed key's ARN from theirs.
	{"own keys: create with a CMK here", "own", admin, create, secret, under(ownKey, ownKey), allowed, false},
	{"own keys: create with a CMK here by alias", "own", admin, create, secret, under(ownKey, "alias/app"), allowed, false},
	{"own keys: create with the default alias", "own", admin, create, secret, under(managed, "alias/aws/secretsmanager"), denied, false},
	{"own keys: create with the default key by its ARN passes here and stops at KMS", "own", admin, create, secret, under(managed, managed), allowed, false},
	{"own keys: create with a stranger's CMK", "own", admin, create, secret, under(foreign, foreign), denied, false},
	{"own keys: create without a key", "own", admin, create, secret, nil, denied, false},
	// Updating: most updates name no key and must pass.
	{"update without a key", "guarded", pipeline, updating, secret, nil, allowed, false},
	{"update with the default alias", "guarded", admin, updating, secret, under(managed, "alias/aws/secretsmanager"), denied, false},
	{"update with the default key by its ARN", "guarded", admin, updating, secret, under(managed, managed), denied, false},
	{"update with an empty key passes here and stops at KMS", "guarded", admin, updating, secret, map[string]any{"secretsmanager:KmsKeyId": ""}, allowed, false},
	{"update with a CMK of the central account", "guarded", admin, updating, secret, under(central, central), allowed, false},
	{"update with a CMK here where only the central account is approved", "guarded", admin, updating, secret, under(ownKey, "alias/app"), denied, false},
	{"update with a stranger's CMK", "guarded", admin, updating, secret, under(foreign, foreign), denied, false},
	{"a new value", "guarded", pipeline, "secretsmanager:PutSecretValue", secret, nil, allowed, false},
	{"a read", "guarded", pipeline, "secretsmanager:GetSecretValue", secret, nil, allowed, false},
	{"a delete", "guarded", pipeline, "secretsmanager:DeleteSecret", secret, nil, allowed, false},
	// Secrets of other AWS services keep their own ways.
	{"a service's secret without a key", "guarded", admin, create, rds, nil, allowed, false},
	{"a service's secret with the default alias", "guarded", admin, create, rds, under(managed, "alias/aws/secretsmanager"), allowed, false},
	{"an update of a service's secret with a stranger's CMK", "guarded", admin, updating, rds, under(foreign, foreign), allowed, false},
	// Who is exempt, and who only looks so.
	{"break-glass creates without a key", "guarded", breakGlass, create, secret, nil, allowed, false},
	{"break-glass creates with the default alias", "guarded", breakGlass, create, secret, under(managed, "alias/aws/secretsmanager"), allowed, false},
	{"a role with break-glass inside its name", "guarded", "arn:aws:iam::333333333333:role/NotBreakGlass", create, secret, nil, denied, false},
	{"a role with break-glass behind a path", "guarded", "arn:aws:iam::333333333333:role/team/BreakGlass", create, secret, nil, denied, false},
	{"a user called break-glass", "guarded", "arn:aws:iam::333333333333:user/BreakGlass", create, secret, nil, denied, false},
	{"the management account creates without a key", "guarded", "arn:aws:iam::111111111111:role/Admin", create,
		"arn:aws:secretsmanager:us-east-1:111111111111:secret:app-AbCdEf", nil, allowed, true},
	{"our change role takes a re-key back", "guarded", "arn:aws:sts::333333333333:assumed-role/doublelock-change/doublelock-remediate", updating, secret,
		under(managed, "alias/aws/secretsmanager"), allowed, false},
	{"our change role creates without a key", "guarded", "arn:aws:sts::333333333333:assumed-role/doublelock-change/doublelock-remediate", create, secret, nil, denied, false},
	// Replicas: their keys cannot be seen, their Regions can.
	{"replicate to a guarded Region", "guarded", admin, replicate, secret, to("eu-west-1"), allowed, false},
	{"replicate to a Region nobody watches", "guarded", admin, replicate, secret, to("ap-southeast-2"), denied, false},
	{"replicate to both", "guarded", admin, replicate, secret, to("eu-west-1", "ap-southeast-2"), denied, false},
	{"create with a replica in a Region nobody watches", "guarded", admin, create, secret, merged(under(central, central), to("ap-southeast-2")), denied, false},
	{"create with a replica in a guarded Region", "guarded", admin, create, secret, merged(under(central, central), to("eu-west-1")), allowed, false},
	// The KMS layer: whatever way a write takes to the managed key.
	{"KMS: a data key under the default key", "done", admin, "kms:GenerateDataKey", managed, through("secretsmanager", "alias/aws/secretsmanager"), denied, false},
	{"KMS: a data key without plaintext under the default key", "done", admin, "kms:GenerateDataKeyWithoutPlaintext", managed,
		through("secretsmanager", "alias/aws/secretsmanager"), denied, false},
	{"KMS: encrypting under the default key", "done", admin, "kms:Encrypt", managed, through("secretsmanager", "alias/aws/secretsmanager"), denied, false},
	{"KMS: opening a leftover under the default key, to move it", "done", admin, "kms:Decrypt", managed, through("secretsmanager", "alias/aws/secretsmanager"), allowed, false},
	{"KMS: a data key under a CMK", "done", admin, "kms:GenerateDataKey", ownKey, through("secretsmanager", "alias/app"), allowed, false},
	{"KMS: another service's managed key", "done", admin, "kms:GenerateDataKey", managed, through("s3", "alias/aws/s3"), allowed, false},
	{"KMS: break-glass", "done", breakGlass, "kms:GenerateDataKey", managed, through("secretsmanager", "alias/aws/secretsmanager"), allowed, false},
	{"KMS: a stage whose backlog is not migrated", "guarded", admin, "kms:GenerateDataKey", managed, through("secretsmanager", "alias/aws/secretsmanager"), allowed, false},
	// Tampering.
	{"an admin disables a forward rule", "guarded", admin, "events:DisableRule", "arn:aws:events:us-east-1:333333333333:rule/doublelock-secret-changes", nil, denied, false},
	{"an admin empties a forward rule", "guarded", admin, "events:RemoveTargets", "arn:aws:events:us-east-1:333333333333:rule/doublelock-key-lifecycle", nil, denied, false},
	{"an admin disables a rule of the hub's bus", "guarded", "arn:aws:sts::222222222222:assumed-role/Admin/eve", "events:DisableRule",
		"arn:aws:events:us-east-1:222222222222:rule/doublelock/doublelock-detect", nil, denied, false},
	{"an admin deletes the member stack", "guarded", admin, "cloudformation:DeleteStack",
		"arn:aws:cloudformation:us-east-1:333333333333:stack/StackSet-doublelock-member-0123/4567", nil, denied, false},
	{"StackSets deletes the member stack", "guarded", "arn:aws:sts::333333333333:assumed-role/stacksets-exec-0123456789abcdef/deploy",
		"cloudformation:DeleteStack", "arn:aws:cloudformation:us-east-1:333333333333:stack/StackSet-doublelock-member-0123/4567", nil, allowed, false},
	{"an admin deletes a stack of their own", "guarded", admin, "cloudformation:DeleteStack",
		"arn:aws:cloudformation:us-east-1:333333333333:stack/app/4567", nil, allowed, false},
	{"an admin disables a rule of their own", "guarded", admin, "events:DisableRule", "arn:aws:events:us-east-1:333333333333:rule/nightly", nil, allowed, false},
	{"StackSets changes a forward rule", "guarded", "arn:aws:sts::333333333333:assumed-role/stacksets-exec-0123456789abcdef/deploy", "events:PutRule",
		"arn:aws:events:us-east-1:333333333333:rule/doublelock-secret-changes", nil, allowed, false},
	{"the CDK role of a member changes a forward rule", "guarded",
		"arn:aws:sts::333333333333:assumed-role/cdk-hnb659fds-cfn-exec-role-333333333333-us-east-1/AWSCloudFormation", "events:PutRule",
		"arn:aws:events:us-east-1:333333333333:rule/doublelock-secret-changes", nil, denied, false},
	{"the CDK role of the hub changes a rule there", "guarded",
		"arn:aws:sts::222222222222:assumed-role/cdk-hnb659fds-cfn-exec-role-222222222222-us-east-1/AWSCloudFormation", "events:PutRule",
		"arn:aws:events:us-east-1:222222222222:rule/doublelock/doublelock-secret-changes", nil, allowed, false},
	{"an admin opens a member role to themselves", "guarded", admin, "iam:UpdateAssumeRolePolicy", "arn:aws:iam::333333333333:role/doublelock-change", nil, denied, false},
	{"an admin makes a role that looks like StackSets", "guarded", admin, "iam:CreateRole", "arn:aws:iam::333333333333:role/stacksets-exec-evil", nil, denied, false},
	{"an admin makes a role with the name of a deploy role", "guarded", admin, "iam:CreateRole", "arn:aws:iam::333333333333:role/OrgDeploy", nil, denied, false},
	{"an admin opens a deploy role to themselves", "guarded", admin, "iam:UpdateAssumeRolePolicy", "arn:aws:iam::333333333333:role/OrgDeploy", nil, denied, false},
	{"a deploy role changes itself", "guarded", "arn:aws:sts::333333333333:assumed-role/OrgDeploy/ci", "iam:PutRolePolicy",
		"arn:aws:iam::333333333333:role/OrgDeploy", nil, allowed, false},
	{"an admin makes a break-glass role", "guarded", admin, "iam:CreateRole", "arn:aws:iam::333333333333:role/BreakGlassBob", nil, denied, false},
	{"an admin makes a role", "guarded", admin, "iam:CreateRole", "arn:aws:iam::333333333333:role/app", nil, allowed, false},
	{"an owner removes the guard's tag", "guarded", pipeline, "secretsmanager:UntagResource", secret, tags("doublelock:state"), denied, false},
	{"an owner asks for more", "guarded", pipeline, "secretsmanager:TagResource", secret, tags("doublelock:mode"), allowed, false},
	{"an owner writes their own tags", "guarded", pipeline, "secretsmanager:TagResource", secret, tags("Owner", "environment"), allowed, false},
	{"the guard tags", "guarded", "arn:aws:sts::333333333333:assumed-role/doublelock-tag/doublelock-detect", "secretsmanager:TagResource", secret,
		tags("doublelock:state", "doublelock:since"), allowed, false},
	{"an admin disables a key in use", "guarded", admin, "kms:DisableKey", ownKey, unused("3"), denied, false},
	{"an admin schedules the deletion of a key in use", "guarded", admin, "kms:ScheduleKeyDeletion", ownKey, unused("89"), denied, false},
	{"an admin disables a key that was not used for long", "guarded", admin, "kms:DisableKey", ownKey, unused("90"), allowed, false},
	{"an admin disables a key that was never used", "guarded", admin, "kms:DisableKey", ownKey, nil, allowed, false},
	{"a break-glass role disables a key in use", "guarded", "arn:aws:sts::333333333333:assumed-role/BreakGlassOps/alice",
		"kms:DisableKey", ownKey, unused("0"), allowed, false},
	{"a role with a name of ours disables a key in use", "guarded", "arn:aws:sts::333333333333:assumed-role/doublelock-change/doublelock-remediate",
		"kms:DisableKey", ownKey, unused("0"), denied, false},
	// Approval: nobody who is judged writes the alias or the tag that approves a key. "next" has that layer alone.
	{"approval: an admin makes an approved alias", "approving", admin, "kms:CreateAlias", aliasARN("us-east-1", "approved/app"), nil, denied, false},
	{"approval: an admin makes one of ours in another Region", "approving", admin, "kms:CreateAlias", aliasARN("eu-west-1", "doublelock/secrets"), nil, denied, false},
	{"approval: an admin moves an approved alias", "approving", pipeline, "kms:UpdateAlias", aliasARN("us-east-1", "central"), nil, denied, false},
	{"approval: the root user moves an approved alias", "next", rootUser, "kms:UpdateAlias", aliasARN("us-east-1", "central"), nil, denied, false},
	{"approval: an IAM user removes an approved alias", "next", user, "kms:DeleteAlias", aliasARN("us-east-1", "central"), nil, denied, false},
	{"approval: an admin makes an alias of their own", "approving", admin, "kms:CreateAlias", aliasARN("us-east-1", "central-app"), nil, allowed, false},
	{"approval: an admin points an alias at their own key", "approving", admin, "kms:UpdateAlias", ownKey, nil, allowed, false},
	{"approval: an admin tags a key as approved", "next", admin, "kms:TagResource", ownKey, tags("approved"), denied, false},
	{"approval: among other tags", "approving", pipeline, "kms:TagResource", ownKey, tags("team", "approved-by"), denied, false},
	{"approval: an admin takes the tag away", "approving", admin, "kms:UntagResource", ownKey, tags("approved"), denied, false},
	{"approval: an admin tags a key with their own tag", "approving", admin, "kms:TagResource", ownKey, tags("Approved", "team"), allowed, false},
	{"approval: an admin tags a key that is being created", "next", admin, "kms:CreateKey", "*", tags("approved"), denied, false},
	{"approval: an admin creates a key", "next", admin, "kms:CreateKey", "*", tags("team"), allowed, false},
	{"approval: CloudFormation for an admin", "approving", admin, "kms:CreateAlias", aliasARN("us-east-1", "approved/app"), map[string]any{"aws:CalledVia": []string{"cloudformation.amazonaws.com"}}, denied, false},
	{"approval: break-glass approves nothing", "approving", breakGlass, "kms:CreateAlias", aliasARN("us-east-1", "central"), nil, denied, false},
	{"approval: break-glass tags nothing", "approving", breakGlass, "kms:TagResource", ownKey, tags("approved"), denied, false},
	{"approval: our change role approves nothing", "approving", "arn:aws:sts::333333333333:assumed-role/doublelock-change/doublelock-remediate", "kms:UpdateAlias",
		aliasARN("us-east-1", "doublelock/secrets"), nil, denied, false},
	{"approval: a manager makes the alias", "approving", "arn:aws:sts::333333333333:assumed-role/KeyManager/ana", "kms:CreateAlias", aliasARN("us-east-1", "central"), nil, allowed, false},
	{"approval: a manager tags", "next", "arn:aws:sts::333333333333:assumed-role/KeyManager/ana", "kms:TagResource", ownKey, tags("approved"), allowed, false},
	{"approval: a role with the manager's name behind a path", "next", "arn:aws:iam::333333333333:role/team/KeyManager", "kms:TagResource", ownKey, tags("approved"), denied, false},
	{"approval: StackSets makes the key of the account", "next", "arn:aws:sts::333333333333:assumed-role/stacksets-exec-0123456789abcdef/deploy", "kms:CreateAlias",
		aliasARN("us-east-1", "doublelock/secrets"), nil, allowed, false},
	{"approval: StackSets tags the key of the account", "next", "arn:aws:sts::333333333333:assumed-role/stacksets-exec-0123456789abcdef/deploy", "kms:CreateKey",
		"*", tags("approved"), allowed, false},
	{"approval: an admin makes a manager", "next", admin, "iam:CreateRole", "arn:aws:iam::333333333333:role/KeyManager", nil, denied, false},
	{"approval: a manager opens itself to others", "next", "arn:aws:sts::333333333333:assumed-role/KeyManager/ana", "iam:UpdateAssumeRolePolicy", "arn:aws:iam::333333333333:role/KeyManager", nil, denied, false},
	{"approval: an admin makes a role that looks like StackSets", "next", admin, "iam:CreateRole", "arn:aws:iam::333333333333:role/stacksets-exec-evil", nil, denied, false},
	{"approval: a deploy role makes a manager", "next", "arn:aws:sts::333333333333:assumed-role/OrgDeploy/ci", "iam:CreateRole", "arn:aws:iam::333333333333:role/KeyManager", nil, allowed, false},
	{"approval: the management account is not held", "next", "arn:aws:iam::111111111111:role/Admin", "kms:CreateAlias",
		"arn:aws:kms:us-east-1:111111111111:alias/central", nil, allowed, true},
	{"a service-linked role creates without a key", "guarded", linkedRole, create, secret, nil, allowed, false},
}
