package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/policy"
)

var errUnread = errors.New("not read")

func TestWhatIsDeclaredOfAKey(t *testing.T) {
	t.Parallel()
	const read, decrypt = "secretsmanager:GetSecretValue", "kms:Decrypt"
	for sentence, c := range map[string]struct {
		key, action string
		kind        policy.PrincipalKind
		want        policy.Presence
	}{
		"a global key that is always there":                     {"aws:CurrentTime", read, policy.KindRole, policy.Always},
		"in any case":                                           {"AWS:currenttime", "SecretsManager:getsecretvalue", policy.KindAnonymous, policy.Always},
		"a global key that is there sometimes":                  {"aws:SourceIp", read, policy.KindUser, policy.Sometimes},
		"a key of services, of a role":                          {"aws:SourceArn", read, policy.KindRole, policy.Never},
		"a key of services, of a service":                       {"aws:SourceArn", read, policy.KindService, policy.Sometimes},
		"the name of a user":                                    {"aws:username", read, policy.KindUser, policy.Always},
		"the name of a role":                                    {"aws:username", read, policy.KindRole, policy.Never},
		"the name of somebody":                                  {"aws:username", read, policy.KindSomebody, policy.Sometimes},
		"the id of somebody":                                    {"aws:userid", read, policy.KindSomebody, policy.Always},
		"a key of services, of somebody":                        {"aws:SourceArn", read, policy.KindSomebody, policy.Never},
		"a tag of the principal":                                {"aws:PrincipalTag/team", read, policy.KindRole, policy.Sometimes},
		"a tag of the root user":                                {"aws:PrincipalTag/team", read, policy.KindRoot, policy.Never},
		"a key that goes on after a colon":                      {"kms:EncryptionContext:SecretARN", decrypt, policy.KindRole, policy.Sometimes},
		"a key that goes on after a colon, of another action":   {"kms:EncryptionContext:SecretARN", "kms:DescribeKey", policy.KindRole, policy.Never},
		"a tag with a slash and a colon":                        {"secretsmanager:ResourceTag/a:b/c", read, policy.KindRole, policy.Sometimes},
		"nothing after the prefix":                              {"kms:EncryptionContext:", decrypt, policy.KindRole, policy.Sometimes},
		"a fact about the key":                                  {"kms:KeySpec", decrypt, policy.KindRole, policy.Always},
		"a fact about the key to be":                            {"kms:KeySpec", "kms:CreateKey", policy.KindRole, policy.Sometimes},
		"a fact about the key, of a call that has none":         {"kms:KeySpec", "kms:ListKeys", policy.KindRole, policy.Never},
		"a fact about the key, of another service":              {"kms:KeySpec", read, policy.KindRole, policy.Never},
		"a key of a service, of an action that is newer":        {"kms:KeySpec", "kms:NewNextYear", policy.KindRole, policy.Sometimes},
		"a parameter that is required":                          {"secretsmanager:SecretId", read, policy.KindRole, policy.Always},
		"a parameter of another action":                         {"secretsmanager:KmsKeyId", read, policy.KindRole, policy.Never},
		"tags in a request that takes none":                     {"aws:TagKeys", read, policy.KindRole, policy.Never},
		"tags in a request of a service that is not declared":   {"aws:TagKeys", "s3:PutObject", policy.KindRole, policy.Sometimes},
		"a key of a service that nobody declared":               {"kms:NewNextYear", decrypt, policy.KindRole, policy.Unheard},
		"a global key that nobody declared":                     {"aws:NewNextYear", decrypt, policy.KindRole, policy.Unheard},
		"a key of a service that is not declared":               {"s3:prefix", read, policy.KindRole, policy.Unheard},
		"a key that only begins like one that goes on":          {"kms:EncryptionContextual", decrypt, policy.KindRole, policy.Unheard},
		"a key that only begins like one that ends":             {"aws:CurrentTime/zone", decrypt, policy.KindRole, policy.Unheard},
		"the time of an unsigned request":                       {"aws:CurrentTime", read, policy.KindAnonymous, policy.Always},
		"the time of a request by an identity without a role":   {"aws:CurrentTime", "sts:AssumeRoleWithSAML", policy.KindFederated, policy.Always},
		"the id of an unsigned request, of which AWS says both": {"aws:userid", read, policy.KindAnonymous, policy.Sometimes},
	} {
		if got := policy.KeyOf(c.key, c.action, c.kind); got != c.want {
			t.Errorf("%s: %s in %s by a %s is %d, want %d", sentence, c.key, c.action, c.kind, got, c.want)
		}
	}
	for key, want := range map[string]bool{"aws:PrincipalOrgPaths": true, "AWS:TagKeys": true, "aws:PrincipalOrgID": false, "x:y": false} {
		if got := policy.Multivalued(key); got != want {
			t.Errorf("%s takes many values: %t", key, got)
		}
	}
}

// What the IAM User Guide says under Availability of the global keys that do not come with every request, by who asks.
func TestWhoseRequestsHaveAKey(t *testing.T) {
	t.Parallel()
	kinds := []policy.PrincipalKind{policy.KindUser, policy.KindRole, policy.KindSession, policy.KindRoot, policy.KindFederatedUser,
		policy.KindFederated, policy.KindService, policy.KindAnonymous, policy.KindSomebody}
	presence := map[byte]policy.Presence{'-': policy.Never, 'o': policy.Sometimes, '+': policy.Always}
	for row, keys := range map[string]string{ // in the order of the kinds
		"+++++oo-+": "aws:PrincipalArn",
		"+++++oo++": "aws:PrincipalAccount aws:PrincipalType",
		"oooooo--o": "aws:PrincipalOrgID aws:PrincipalOrgPaths aws:SignInSessionArn",
		"ooo-oo--o": "aws:PrincipalTag/team",
		"+++++o+-+": "aws:PrincipalIsAWSService",
		"------+--": "aws:PrincipalServiceName aws:PrincipalServiceNamesList",
		"+++++ooo+": "aws:userid",
		"+-------o": "aws:username",
		"---o----o": "aws:AssumedRoot",
		"o++o+oo-o": "aws:TokenIssueTime",
		"ooooooo-o": "aws:MultiFactorAuthPresent aws:MultiFactorAuthAge aws:CalledVia aws:CalledViaFirst aws:CalledViaLast aws:CalledViaAWSMCP",
		"-oo--o--o": "aws:FederatedProvider aws:SourceIdentity saml:sub",
		"-oo-----o": "aws:ChatbotSourceArn aws:Ec2InstanceSourceVpc aws:Ec2InstanceSourcePrivateIPv4 ec2:RoleDelivery ec2:SourceInstanceArn " +
			"glue:CredentialIssuingService glue:RoleAssumedBy identitystore:UserId lambda:SourceFunctionArn ssm:SourceInstanceArn",
		"------o--": "aws:SourceAccount aws:SourceArn aws:SourceOrgID aws:SourceOrgPaths aws:SourceOwner",
		"+++++++++": "aws:CurrentTime aws:EpochTime aws:RequestedRegion aws:SecureTransport aws:UserAgent",
		"ooooooooo": "aws:SourceIp aws:SourceVpce aws:ViaAWSService aws:ResourceAccount aws:referer",
	} {
		for key := range strings.FieldsSeq(keys) {
			for i, kind := range kinds {
				if got := policy.KeyOf(key, "s3:GetObject", kind); got != presence[row[i]] {
					t.Errorf("%s in requests of a %s is %d, want %d", key, kind, got, presence[row[i]])
				}
			}
		}
	}
}

// What a request's context lacks is unknown where a name of the list is the key's, or its beginning before a star.
func TestAKeyIsUnknownByItsNameOrItsBeginning(t *testing.T) {
	t.Parallel()
	identity := documents(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:SourceVpce":"vpce-1"}}}}`)
	for listed, want := range map[string]policy.Answer{
		"aws:SourceVpce":         policy.Unknown,
		"AWS:sourcevpce":         policy.Unknown,
		"aws:SourceV*":           policy.Unknown,
		"aws:*":                  policy.Unknown,
		"*":                      policy.Unknown,
		"aws:Source":             policy.ImplicitlyDenied,
		"aws:SourceVpceAndMore":  policy.ImplicitlyDenied,
		"aws:SourceVpceAndMore*": policy.ImplicitlyDenied,
		"aws:SourceI*":           policy.ImplicitlyDenied,
	} {
		r := policy.Request{Principal: appPrincipal(t), Action: "secretsmanager:GetSecretValue", Resource: secret, ResourceAccount: account, Unknown: []string{listed}}
		if got := policy.Evaluate(r, policy.Policies{Identity: identity}); got.Answer != want {
			t.Errorf("%s: %s, want %s: %s", listed, got.Answer, want, got.Why)
		}
	}
}

// Of somebody only is known what it is not, and what the rest of the world may be.
func TestWhatSomebodyMayBe(t *testing.T) {
	t.Parallel()
	world := policy.Principal{Kind: policy.KindSomebody, NotAccounts: []string{account}, NotOrganizations: []string{"o-ours"}}
	partner := policy.Principal{Kind: policy.KindSomebody, NotAccounts: []string{account}, OrganizationID: "o-partner"}
	unit := partner
	unit.OrganizationPath = "o-partner/r-1/ou-2/"
	vendor := policy.Principal{Kind: policy.KindSomebody, Account: other}
	const may, no = policy.Unknown, policy.ImplicitlyDenied
	for sentence, c := range map[string]struct {
		who       policy.Principal
		principal string // "" is everybody
		condition string // of the Allow
		want      policy.Answer
	}{
		"everybody":                              {world, "", ``, may},
		"our account":                            {world, `{"AWS":"111122223333"}`, ``, no},
		"another account":                        {world, `{"AWS":"444455556666"}`, ``, may},
		"the vendor's own account":               {vendor, `{"AWS":"444455556666"}`, ``, may},
		"the vendor is not of ours":              {vendor, `{"AWS":"111122223333"}`, ``, no},
		"a role of ours":                         {world, `{"AWS":"arn:aws:iam::111122223333:role/app"}`, ``, no},
		"a role of another account":              {world, `{"AWS":"arn:aws:iam::444455556666:role/app"}`, ``, may},
		"a session of the vendor":                {vendor, `{"AWS":"arn:aws:sts::444455556666:assumed-role/app/1"}`, ``, may},
		"a unique id":                            {world, `{"AWS":"AROAEXAMPLEID12345678"}`, ``, may},
		"a user's unique id":                     {world, `{"AWS":"AIDAEXAMPLEID12345678"}`, ``, may},
		"a service":                              {world, `{"Service":"backup.amazonaws.com"}`, ``, no},
		"a canonical id":                         {world, `{"CanonicalUser":"79a59d"}`, ``, may},
		"our organization":                       {world, "", `"StringEquals":{"aws:PrincipalOrgID":"o-ours"}`, no},
		"our organization, or none":              {world, "", `"StringEqualsIfExists":{"aws:PrincipalOrgID":"o-ours"}`, may},
		"another organization":                   {world, "", `"StringEquals":{"aws:PrincipalOrgID":"o-partner"}`, may},
		"one that only begins like ours":         {world, "", `"StringEquals":{"aws:PrincipalOrgID":"o-ours2"}`, may},
		"organizations like ours":                {world, "", `"StringLike":{"aws:PrincipalOrgID":"o-ours*"}`, may},
		"ours, or the partner's":                 {world, "", `"StringEquals":{"aws:PrincipalOrgID":["o-ours","o-partner"]}`, may},
		"the partner's organization":             {partner, "", `"StringEquals":{"aws:PrincipalOrgID":"o-partner"}`, may},
		"ours is not the partner's":              {partner, "", `"StringEquals":{"aws:PrincipalOrgID":"o-ours"}`, no},
		"our paths":                              {world, "", `"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-ours/*"}`, no},
		"paths of ours, with a plain operator":   {world, "", `"StringLike":{"aws:PrincipalOrgPaths":"o-ours/*"}`, may},
		"other paths":                            {world, "", `"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-partner/*"}`, may},
		"paths of the partner":                   {partner, "", `"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-partner/*"}`, may},
		"paths of ours, not of the partner":      {partner, "", `"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-ours/*"}`, no},
		"another unit of the partner":            {unit, "", `"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-partner/r-1/ou-3/*"}`, no},
		"our account, by condition":              {world, "", `"StringEquals":{"aws:PrincipalAccount":"111122223333"}`, no},
		"another account, by condition":          {world, "", `"StringEquals":{"aws:PrincipalAccount":"444455556666"}`, may},
		"our account, whose value is a variable": {world, "", `"StringEquals":{"aws:PrincipalAccount":"${aws:PrincipalTag/a}"}`, may},
		"our account, among bad values":          {world, "", `"NumericEquals":{"aws:PrincipalAccount":"x"}`, may},
		"another account than the vendor's":      {vendor, "", `"StringEquals":{"aws:PrincipalAccount":"111122223333"}`, no},
		"no account":                             {world, "", `"Null":{"aws:PrincipalAccount":"true"}`, no},
		"no organization":                        {world, "", `"Null":{"aws:PrincipalOrgID":"true"}`, may},
		"our account, by its key in KMS alone":   {world, "", `"StringEquals":{"kms:CallerAccount":"111122223333"}`, no},
		"our roles, by their ARN":                {world, "", `"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"}`, no},
		"our roles, as text":                     {world, "", `"StringLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/*"}`, no},
		"our roles, however they go on":          {world, "", `"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333*:role/app"}`, no},
		"our roles, of any partition":            {world, "", `"ArnLike":{"aws:PrincipalArn":"arn:*:iam::111122223333:role/app"}`, no},
		"the same as text, which a path may end": {world, "", `"StringLike":{"aws:PrincipalArn":"arn:*:iam::111122223333:role/app"}`, may},
		"text that ends like a role of ours":     {world, "", `"StringLike":{"aws:PrincipalArn":"*:111122223333:role/app"}`, may},
		"accounts that begin like ours":          {world, "", `"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::11112222*:role/app"}`, may},
		"the account of the resource":            {world, "", `"StringEquals":{"aws:PrincipalAccount":"${aws:ResourceAccount}"}`, no},
		"the resource of the caller's account":   {world, "", `"StringEquals":{"aws:ResourceAccount":"${aws:PrincipalAccount}"}`, no},
		"roles of any account":                   {world, "", `"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/*"}`, may},
		"text that is no ARN":                    {world, "", `"StringLike":{"aws:PrincipalArn":"*"}`, may},
		"our roles, or others":                   {world, "", `"ArnLike":{"aws:PrincipalArn":["arn:aws:iam::111122223333:role/*","arn:aws:iam::444455556666:role/*"]}`, may},
		"an ARN that is none":                    {world, "", `"ArnLike":{"aws:PrincipalArn":"111122223333"}`, may},
		"our roles, as the source":               {world, "", `"ArnLike":{"aws:SourceArn":"arn:aws:iam::111122223333:role/*"}`, no},
		"an ARN in a key that is always there":   {world, "", `"StringLike":{"aws:UserAgent":"arn:aws:iam::111122223333:role/*"}`, may},
		"an ARN in another key":                  {world, "", `"ArnLike":{"aws:NewArn":"arn:aws:iam::111122223333:role/*"}`, may},
	} {
		principal := c.principal
		if principal == "" {
			principal = `"*"`
		}
		resource := policy.MustParse("p", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":`+principal+`,"Action":"*","Resource":"*","Condition":{`+c.condition+`}}}`)
		own := policy.Broken("their own", errUnread)
		r := policy.Request{Principal: c.who, Action: "secretsmanager:GetSecretValue", Resource: secret, ResourceAccount: account, Open: true}
		got := policy.Evaluate(r, policy.Policies{Identity: []*policy.Document{own}, Resource: resource})
		if got.Answer != c.want {
			t.Errorf("%s: %s, want %s: %s", sentence, got.Answer, c.want, got.Why)
		}
	}
	caller := policy.MustParse("p", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:CallerAccount":"`+account+`"}}}}`)
	for name, who := range map[string]policy.Principal{"the world": world, "the vendor": vendor} {
		r := policy.Request{Principal: who, Action: "kms:Decrypt", Resource: key, ResourceAccount: account, Open: true}
		if got := policy.Evaluate(r, policy.Policies{Identity: []*policy.Document{policy.Broken("their own", errUnread)}, Resource: caller}); got.Answer != no {
			t.Errorf("%s is %s by kms:CallerAccount: %s", name, got.Answer, got.Why)
		}
	}
}

// A service asks for a source: where it is not one of ours, what names ours is not about it.
func TestForWhomAServiceAsks(t *testing.T) {
	t.Parallel()
	foreign := policy.Principal{Kind: policy.KindService, Name: "logs.amazonaws.com", NotAccounts: []string{account}, NotSources: []string{account}, NotSourceOrganizations: []string{"o-ours"}}
	const may, no, yes = policy.Unknown, policy.ImplicitlyDenied, policy.Allowed
	for condition, want := range map[string]policy.Answer{
		`"StringEquals":{"aws:SourceAccount":"111122223333"}`:                                                                 no,
		`"StringEquals":{"aws:SourceAccount":["111122223333","444455556666"]}`:                                                may,
		`"StringLike":{"aws:SourceAccount":"1111*"}`:                                                                          may,
		`"StringEqualsIfExists":{"aws:SourceAccount":"111122223333"}`:                                                         may,
		`"StringNotEquals":{"aws:SourceAccount":"444455556666"}`:                                                              may,
		`"StringNotEquals":{"aws:SourceAccount":"111122223333"}`:                                                              yes,
		`"Null":{"aws:SourceAccount":"false"}`:                                                                                may,
		`"StringEquals":{"aws:SourceAccount":"${aws:ResourceAccount}"}`:                                                       no,
		`"StringEquals":{"aws:SourceOrgID":"o-ours"}`:                                                                         no,
		`"StringEquals":{"aws:SourceOrgID":"o-partner"}`:                                                                      may,
		`"ForAnyValue:StringLike":{"aws:SourceOrgPaths":"o-ours/*"}`:                                                          no,
		`"ForAnyValue:StringLike":{"aws:SourceOrgPaths":"o-ours*"}`:                                                           may,
		`"ForAllValues:StringLike":{"aws:SourceOrgPaths":"o-ours/*"}`:                                                         may,
		`"ArnLike":{"aws:SourceArn":"arn:aws:logs:*:111122223333:*"}`:                                                         no,
		`"StringLike":{"aws:SourceArn":"arn:aws:logs:*:111122223333:*"}`:                                                      no,
		`"ArnLike":{"aws:SourceArn":"arn:aws:logs:*:*:*"}`:                                                                    may,
		`"ArnLike":{"aws:SourceArn":"arn:aws:logs:*:1111222233*:*"}`:                                                          may,
		`"StringLike":{"aws:SourceArn":"arn:aws:logs*111122223333:*"}`:                                                        may,
		`"ArnLike":{"aws:SourceArn":"arn:aws:s3:::bucket"}`:                                                                   may,
		`"ArnLikeIfExists":{"aws:SourceArn":"arn:aws:logs:*:111122223333:*"}`:                                                 may,
		`"ArnLike":{"kms:EncryptionContext:aws:logs:arn":"arn:aws:logs:eu-west-1:111122223333:*"}`:                            no,
		`"ArnLike":{"kms:EncryptionContext:aws:logs:arn":"arn:aws:logs:eu-west-1:*:*"}`:                                       may,
		`"StringEquals":{"kms:EncryptionContext:aws:dynamodb:subscriberId":"111122223333"}`:                                   no,
		`"StringEquals":{"kms:EncryptionContext:app":"shop"}`:                                                                 may,
		`"StringEquals":{"kms:CallerAccount":"111122223333"}`:                                                                 no,
		`"StringEquals":{"aws:PrincipalAccount":"111122223333"}`:                                                              no,
		`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::111122223333:role/app"}`:                                                 no,
		`"StringEquals":{"aws:PrincipalOrgID":"o-ours"}`:                                                                      no,
		`"Bool":{"aws:PrincipalIsAWSService":"true"}`:                                                                         yes,
		`"StringEquals":{"aws:PrincipalServiceName":"logs.amazonaws.com"}`:                                                    yes,
		`"StringEquals":{"aws:SourceAccount":"111122223333"},"ArnLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}`:                 no,
		`"StringEquals":{"aws:PrincipalServiceName":"logs.amazonaws.com","aws:SourceVpce":"vpce-1"}`:                          may,
		`"StringEquals":{"aws:PrincipalServiceName":"logs.amazonaws.com","aws:SourceAccount":"111122223333"}`:                 no,
		`"StringEquals":{"kms:CallerAccount":"111122223333","kms:ViaService":"secretsmanager.eu-west-1.amazonaws.com"}`:       no,
		`"StringEquals":{"aws:SourceArn":"arn:aws:cloudtrail:eu-west-1:111122223333:trail/org"}`:                              no,
		`"StringLike":{"kms:EncryptionContext:aws:cloudtrail:arn":"arn:aws:cloudtrail:*:111122223333:trail/*"}`:               no,
		`"StringLike":{"kms:EncryptionContext:aws:cloudtrail:arn":["arn:aws:cloudtrail:*:111122223333:trail/*","arn:aws:*"]}`: may,
	} {
		d := policy.MustParse("p", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{`+condition+`}}}`)
		r := policy.Request{Principal: foreign, Action: "kms:Decrypt", Resource: key, ResourceAccount: account, Open: true}
		if got := policy.Evaluate(r, policy.Policies{Resource: d, ResourceKind: policy.ResourceKey}); got.Answer != want {
			t.Errorf("%s: %s, want %s: %s", condition, got.Answer, want, got.Why)
		}
	}
	d := policy.MustParse("p", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:SourceAccount":"111122223333"}}}}`)
	foreign.NotSources, foreign.NotSourceOrganizations = nil, nil
	r := policy.Request{Principal: foreign, Action: "kms:Decrypt", Resource: key, ResourceAccount: account, Open: true}
	if got := policy.Evaluate(r, policy.Policies{Resource: d, ResourceKind: policy.ResourceKey}); got.Answer != may {
		t.Errorf("a service of whose source nothing is known: %s, want %s", got.Answer, may)
	}
}
