package main

import (
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"

	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
)

// duty is one of the roles by which the hub enters an account.
type duty struct {
	id, name, does string
	callers        []string // role ARNs or patterns of the hub's account
	may            []preventive.Statement
}

// duties are the roles that the hub's functions take, one per duty.
func duties(c settings.Config) []duty {
	n := namesOf(c)
	change := []preventive.Statement{changeSecrets(), rotateSecrets(), notForeign(), useKeys(), startRotation()}
	if c.Migration.RescueGrants {
		change = append(change, rescueReaders(len(c.Keys.Approved.Accounts)+len(c.Keys.Approved.ARNs) > 0))
	}
	all := []duty{
		{"ReadRole", settings.RoleRead, "describes secrets and keys", slices.Clone(c.Operations.Roles),
			[]preventive.Statement{readSecrets(), readKeys(), readAccount(), readDeadLetters(), readRotators(c)}},
		{"TagRole", settings.RoleTag, "writes its tags on secrets", nil,
			[]preventive.Statement{tagSecrets()}},
		{"ChangeRole", settings.RoleChange, "re-keys secrets", nil,
			change},
	}
	if len(c.Operations.Operators) > 0 {
		all[0].callers = append(all[0].callers, n.role(n.account, settings.RoleOperator))
	}
	for i, d := range all {
		for _, w := range workers {
			if slices.Contains(w.Enters, d.name) {
				all[i].callers = append(all[i].callers, n.role(n.account, w.id()))
			}
		}
	}
	return all
}

// role trusts the callers of a duty, inside the organization and under our session names. It names them in a
// condition and not as principals: IAM would turn a principal into an id that a re-created role no longer has, and
// refuse a role that does not exist yet.
func (d duty) role(n names) role {
	return role{
		Name: d.name, Description: "Doublelock " + d.does, May: append(slices.Clone(d.may), noValues()),
		Trust: trust("AWS", n.root(), preventive.Condition{
			"ArnLike":      {"aws:PrincipalArn": d.callers},
			"StringEquals": {"aws:PrincipalOrgID": {n.org}},
			"StringLike":   {"sts:RoleSessionName": {settings.SessionPrefix + "*"}},
		}),
	}
}

// noValues is in every role of ours: whatever else is ever attached, no value can be read.
func noValues() preventive.Statement {
	return preventive.Statement{
		Sid: "NoValues", Effect: "Deny", Resource: preventive.Values{"*"},
		Action: preventive.Values{"secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue"},
	}
}

// anySecret is every secret of the account and Region the statement is evaluated in.
func anySecret() []string {
	return []string{awsSub("arn:${AWS::Partition}:secretsmanager:*:${AWS::AccountId}:secret:*")}
}

// anyKey is every key of any account: an approved key may be in a central one, whose policy has the other lock.
func anyKey() []string { return []string{awsSub("arn:${AWS::Partition}:kms:*:*:key/*")} }

func readSecrets() preventive.Statement {
	return allow("ReadSecrets", []string{
		"secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy", "secretsmanager:ListSecretVersionIds",
	}, anySecret(), nil)
}

func readKeys() preventive.Statement {
	return allow("ReadKeys", []string{
		"kms:DescribeKey", "kms:GetKeyLastUsage", "kms:GetKeyPolicy", "kms:GetKeyRotationStatus", "kms:ListGrants",
		"kms:ListKeyRotations", "kms:ListResourceTags",
	}, anyKey(), nil)
}

// readAccount are the reads that have no resource to name, or look at the whole account: lists, who reads (CloudTrail,
// IAM), which Regions the account has, whether we still see (trails, rules), and in the management account the organization.
func readAccount() preventive.Statement {
	return allow("ReadAccount", []string{
		"account:ListRegions",
		"cloudtrail:DescribeTrails", "cloudtrail:GetTrailStatus", "cloudtrail:LookupEvents",
		"events:DescribeRule", "events:ListTargetsByRule",
		"iam:GetAccountAuthorizationDetails",
		"kms:ListAliases", "kms:ListKeys",
		"organizations:DescribeOrganization", "organizations:DescribePolicy",
		"organizations:ListAccounts", "organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent",
		"organizations:ListPolicies", "organizations:ListPoliciesForTarget", "organizations:ListRoots", "organizations:ListTargetsForPolicy",
		"secretsmanager:ListSecrets",
	}, []string{"*"}, nil)
}

// readDeadLetters sees whether events were lost on the way to the hub.
func readDeadLetters() preventive.Statement {
	return allow("ReadDeadLetters", []string{"sqs:GetQueueAttributes", "sqs:GetQueueUrl"},
		[]string{awsSub("arn:${AWS::Partition}:sqs:*:${AWS::AccountId}:" + forwardDLQ)}, nil)
}

// tagSecrets may write and remove the guard's own tags and no others.
func tagSecrets() preventive.Statement {
	return allow("TagSecrets", []string{"secretsmanager:TagResource", "secretsmanager:UntagResource"}, anySecret(), preventive.Condition{
		"ForAllValues:StringLike": {"aws:TagKeys": {"doublelock:*"}},
		"Null":                    {"aws:TagKeys": {"false"}},
	})
}

// changeSecrets may set keys, and replace a replica whose key AWS refuses to change where it is.
func changeSecrets() preventive.Statement {
	return allow("ChangeSecrets", []string{
		"secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds", "secretsmanager:RemoveRegionsFromReplication",
		"secretsmanager:ReplicateSecretToRegions", "secretsmanager:UpdateSecret",
	}, anySecret(), nil)
}

// rotateSecrets starts the rotation that is configured, and configures none: a request that names a function would hand
// the value to it.
func rotateSecrets() preventive.Statement {
	return allow("RotateSecrets", []string{"secretsmanager:RotateSecret"}, anySecret(), preventive.Condition{
		"Null": {"secretsmanager:RotationLambdaARN": {"true"}},
	})
}

// notForeign keeps the change role from what another AWS service owns.
func notForeign() preventive.Statement {
	return preventive.Statement{
		Sid: "NotForeign", Effect: "Deny",
		Action:   preventive.Values{"secretsmanager:RotateSecret", "secretsmanager:UpdateSecret"},
		Resource: preventive.Values{awsSub("arn:${AWS::Partition}:secretsmanager:*:*:secret:*!*")},
	}
}

// useKeys is what Secrets Manager does with its caller's permissions while it re-keys, and only through it.
func useKeys() preventive.Statement {
	return allow("UseKeys", []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"}, anyKey(), preventive.Condition{
		"StringLike": {"kms:ViaService": {"secretsmanager.*"}},
	})
}

// startRotation is what RotateSecret asks of its caller for the rotation function (API reference, RotateSecret): only as
// Secrets Manager asks it with the caller's session, never by calling a function directly.
func startRotation() preventive.Statement {
	return allow("StartRotation", []string{"lambda:InvokeFunction"},
		[]string{awsSub("arn:${AWS::Partition}:lambda:*:${AWS::AccountId}:function:*")},
		preventive.Condition{"Bool": {"aws:ViaAWSService": {"true"}}})
}

// awsSub fills the pseudo parameters of CloudFormation into a string.
func awsSub(s string) string { return *awscdk.Fn_Sub(&s, nil) }

// readRotators finds the role of a rotation function, which is a reader of what it rotates. Lambda shows a function's
// environment variables with it, so only functions that are named as rotating are read; where the role stays unknown, the
// pre-flight blocks.
func readRotators(c settings.Config) preventive.Statement {
	patterns := c.Operations.RotationFunctions
	if len(patterns) == 0 {
		patterns = []string{"SecretsManager*"} // the prefix that the console and AWS's templates give
	}
	var functions []string
	for _, pattern := range patterns {
		functions = append(functions, awsSub("arn:${AWS::Partition}:lambda:*:${AWS::AccountId}:function:"+pattern))
	}
	return allow("ReadRotators", []string{"lambda:GetFunctionConfiguration"}, functions, nil)
}

// rescueReaders gives a reader that lost access after the seal its read back, by a grant that allows decrypting and
// nothing else, one secret at a time (a constraint on the encryption context), to a role or user, and not through a service
// that would grant for others. Readers are of the key's own account, but where keys of one account are approved for others.
// A grant names this role as the one that may retire it, which takes no right of the role's own (KMS API reference,
// RetireGrant): it ends no grant of others.
func rescueReaders(keysForOthers bool) preventive.Statement {
	account := "${AWS::AccountId}"
	if keysForOthers {
		account = "*"
	}
	return allow("RescueReaders", []string{"kms:CreateGrant"}, anyKey(), preventive.Condition{
		"BoolIfExists":              {"kms:GrantIsForAWSResource": {"false"}},
		"ForAllValues:StringEquals": {"kms:GrantOperations": {"Decrypt"}},
		"Null":                      {"kms:GrantOperations": {"false"}},
		"StringEquals":              {"kms:GrantConstraintType": {"EncryptionContextSubset"}},
		"StringLike": {"kms:GranteePrincipal": {
			awsSub("arn:${AWS::Partition}:iam::" + account + ":role/*"), awsSub("arn:${AWS::Partition}:iam::" + account + ":user/*"),
		}},
	})
}
