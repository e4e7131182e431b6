package inventory

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// settledBy says how an action of a service whose actions are all listed is known not to open more.
type settledBy int

const (
	byNature settledBy = iota // it reads, uses, takes away, or writes what nobody decides by
	byPowers                  // Powers says so, resource by resource
	byStores                  // it switches the keys of a custom key store
	bySource                  // it sets a source identity
	byTaking                  // it takes a role, which Reach follows inside the snapshot
	byTags                    // it takes one with tags: likewise, and nothing follows where no policy decides by them
	byItself                  // of which nothing is known
)

type listedAction struct {
	name string
	by   settledBy
}

func list(by settledBy, names string) []listedAction {
	var out []listedAction
	for _, name := range strings.Fields(names) {
		out = append(out, listedAction{name, by})
	}
	return out
}

// everyAction are the services whose actions are all listed, so that a pattern over them can be judged. The drift alarm compares the
// lists with the Service Authorization Reference.
// Source: Service Authorization Reference, AWS Secrets Manager, AWS KMS and AWS STS.
var everyAction = map[string][]listedAction{
	"secretsmanager": slices.Concat(
		list(byNature, `AcceptCrossAccountReplication BatchGetSecretValue CreateSecret DeleteSecret DescribeSecret DisassociateCrossAccountReplica GetRandomPassword GetResourcePolicy
			GetSecretValue ListResourcePolicies ListSecretVersionIds ListSecrets PutSecretValue RemoveRegionsFromReplication
			ValidateResourcePolicy`),
		list(byPowers, `AssociateCrossAccountReplica CancelRotateSecret DeleteResourcePolicy PutResourcePolicy ReplicateSecretToRegions RestoreSecret RotateSecret
			StopReplicationToReplica TagResource UntagResource UpdateSecret UpdateSecretVersionStage`)), // RotateSecret runs a function that exists, with the function's own role
	"kms": slices.Concat(
		list(byNature, `CreateCustomKeyStore CreateKey Decrypt DeleteCustomKeyStore DeleteImportedKeyMaterial DeriveSharedSecret DescribeCustomKeyStores DescribeKey
			DisableKey DisableKeyRotation DisconnectCustomKeyStore EnableKeyRotation Encrypt GenerateDataKey GenerateDataKeyPair
			GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom GetKeyLastUsage GetKeyPolicy GetKeyRotationStatus
			GetParametersForImport GetPublicKey ListAliases ListGrants ListKeyPolicies ListKeyRotations ListKeys ListResourceTags
			ListRetirableGrants ReEncryptFrom ReEncryptTo RetireGrant RevokeGrant RotateKeyOnDemand ScheduleKeyDeletion Sign SynchronizeMultiRegionKey
			UpdateKeyDescription UpdatePrimaryRegion Verify VerifyMac`),
		list(byPowers, `CancelKeyDeletion CreateAlias CreateGrant DeleteAlias EnableKey ImportKeyMaterial PutKeyPolicy ReplicateKey TagResource UntagResource
			UpdateAlias`),
		list(byStores, `ConnectCustomKeyStore UpdateCustomKeyStore`)),
	"sts": slices.Concat(
		list(byNature, `AssumeRoleWithSAML AssumeRoleWithWebIdentity DecodeAuthorizationMessage GetAccessKeyInfo GetCallerIdentity
			GetServiceBearerToken GetSessionToken`), // with a token of somebody's, no policy of the caller's own is asked
		list(byTaking, `AssumeRole`),
		list(byTags, `TagSession`),
		list(bySource, `SetSourceIdentity SetContext`),
		list(byItself, `AssumeRoot GetDelegatedAccessToken GetFederationToken GetWebIdentityToken TagGetWebIdentityToken`)),
}

// powerful are the actions of other services that Powers and Reach judge, resource by resource.
var powerful = func() []string {
	var out []string
	for _, row := range powers {
		for _, action := range row.actions {
			if action != "lambda:UpdateFunctionCode" && action != "lambda:UpdateFunctionConfiguration" { // of rotation functions alone
				out = append(out, strings.ToLower(action))
			}
		}
	}
	return out
}()

// reading are patterns of actions that read. What they read may hold the credentials of somebody; that is not asked.
var reading = []string{
	"*:describe*", "*:list*", "*:get*", "*:batchget*", "*:batchdescribe*", "*:lookup*", "*:search*", "*:view*", "*:query*", "*:scan*",
	"*:filterlogevents", "*:estimate*", "*:preview*", "*:head*", "iam:generate*", "iam:simulate*", "logs:startquery", "logs:stopquery",
	"logs:startlivetail", "logs:testmetricfilter", "logs:unmask", "cloudformation:detect*", "cloudformation:validate*", "ecr:batchcheck*",
	"access-analyzer:validate*", "access-analyzer:check*", "config:select*", "config:deliver*", "dynamodb:partiqlselect", "dynamodb:conditioncheckitem",
	"athena:startqueryexecution", "athena:stopqueryexecution", "cognito-idp:admingetuser", "cognito-idp:adminlist*", "organizations:describe*",
	"organizations:list*", "support:*", "health:*", "trustedadvisor:describe*", "ce:*", "pricing:*", "tag:get*",
}

// writing are patterns of actions that write data, or send it, or call what others run. They take no role but one that iam:PassRole
// gave, and change no policy of IAM, Secrets Manager or KMS. The channel of the agent of Amazon ECS (ecs:Poll) is none: it hands out the
// credentials of tasks.
var writing = []string{
	"s3:*", "s3express:*", "s3-object-lambda:*", "dynamodb:*", "sqs:*", "sns:*", "logs:*", "cloudwatch:*", "xray:*", "kinesis:*", "firehose:put*",
	"lambda:invokefunction", "lambda:invokeasync", "lambda:invokefunctionurl", "states:startexecution", "states:startsyncexecution",
	"states:stopexecution", "states:sendtask*", "events:putevents", "execute-api:*", "appsync:graphql", "apigateway:get", "aps:remotewrite",
	"es:eshttp*", "aoss:apiaccessall", "rds-db:connect", "rds-data:*", "redshift-data:*", "cassandra:select", "cassandra:modify", "timestream:writerecords",
	"timestream:select", "bedrock:invoke*", "bedrock:converse*", "polly:*", "translate:*", "comprehend:detect*", "textract:detect*", "textract:analyze*",
	"rekognition:detect*", "ses:send*", "mobiletargeting:send*", "elasticfilesystem:client*", "elasticache:connect", "dax:*", "cloudfront:createinvalidation",
	"codeguru-profiler:*", "ssmmessages:*", "ec2messages:*", "ssm:updateinstanceinformation", "ssm:putinventory", "ssm:putcomplianceitems",
	"ssm:putconfigurepackageresult", "ssm:updateassociationstatus", "ssm:updateinstanceassociationstatus",
	"ecs:submit*", "ecs:discoverpollendpoint", "applicationinsights:*", "autoscaling:setinstancehealth", "autoscaling:completelifecycleaction",
	"elasticloadbalancing:registertargets", "elasticloadbalancing:deregistertargets", "iam:createservicelinkedrole",
}

// handing are actions that are named like reading and hand out credentials: of a role, of a machine, or to run something on it. AppConfig serves
// the value of a secret, which it reads by the role of a configuration profile.
// Source: Service Authorization Reference; the drift alarm looks for others. AppConfig API Reference, CreateConfigurationProfile, RetrievalRoleArn.
var handing = []string{
	"aidevops:getaccesstoken", "amplifybackend:gettoken", "appconfig:getconfiguration", "appconfig:getlatestconfiguration", "bedrock-agentcore:getresource*", "bedrock-agentcore:getworkload*",
	"cloudwatch:getspacecredentials*", "cloudshell:*", "codecatalyst:*", "codeconnections:get*token", "codestar-connections:get*token",
	"cognito-identity:getcredentialsforidentity", "cognito-identity:getopenidtoken*", "cognito-idp:gettokensfromrefreshtoken", "connect:getfederationtoken",
	"datazone:get*credentials", "datazone:getiamportalloginurl", "ec2:getpassworddata", "elasticmapreduce:getclustersessioncredentials",
	"elasticmapreduce:get*presignedurl", "elasticmapreduce:getsessionendpoint", "emr-containers:getmanagedendpointsessioncredentials",
	"emr-serverless:getsessionendpoint", "emr-serverless:getdashboard*", "athena:getsessionendpoint", "finspace-api:getprogrammaticaccesscredentials",
	"glue:getsessionendpoint", "iot:getconnection", "license-manager:getaccesstoken", "lightsail:getinstanceaccessdetails",
	"lightsail:getrelationaldatabasemasteruserpassword", "lightsail:downloaddefaultkeypair", "quicksight:getsessionembedurl", "ssm:getaccesstoken",
	"gamelift:getcomputeaccess", "gamelift:getinstanceaccess", "codepipeline:get*jobdetails", "drs:getchannelcommandsfordrs", "mgn:getchannelcommandsformgn",
	"codestar:getextendedaccess", "route53globalresolver:getaccesstoken", "opensearch:viewloginpage", "states:getactivitytask", "sso:getrolecredentials",
}

// handsOutCredentials reports whether a pattern may be one of those, or says in its name that it is.
func handsOutCredentials(action string) bool {
	_, name, _ := strings.Cut(action, ":")
	for _, word := range []string{"credential", "accesstoken", "password", "presigned"} {
		if strings.Contains(name, word) && name != "getcredentialreport" && name != "getaccountpasswordpolicy" {
			return true
		}
	}
	return slices.ContainsFunc(handing, func(one string) bool {
		return arn.Match(one, action) || strings.Contains(action, "*") && arn.Match(action, strings.ReplaceAll(one, "*", "x"))
	})
}

// within reports whether whatever a pattern can be is of one of the patterns of a list, none of which has a "?".
func within(action string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return arn.Match(p, action) })
}

// ActionsOf are the actions of a service all of whose actions are listed; nil for any other.
func ActionsOf(service string) []string {
	var out []string
	for _, each := range everyAction[service] {
		out = append(out, each.name)
	}
	return out
}

// ReadsOnly reports whether an action, service:Name, counts as one that reads and hands out nobody's credentials.
func ReadsOnly(action string) bool {
	action = strings.ToLower(action)
	service, name, _ := strings.Cut(action, ":")
	if everyAction[service] != nil {
		return slices.ContainsFunc(everyAction[service], func(each listedAction) bool {
			return each.by == byNature && strings.EqualFold(each.name, name)
		})
	}
	return policy.IsService(service) && within(action, reading) && !handsOutCredentials(action)
}
