package policy_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/policy"
)

const (
	anasArn   = "arn:aws:iam::111122223333:user/ana"
	theSecret = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"
	theKey    = "arn:aws:kms:eu-west-1:111122223333:key/0a1b2c3d-1111-4222-8333-444455556666"
)

// A statement that allows one call under a condition shows what the condition says of it.
func TestAConditionHoldsForWhatIsKnownOfTheCall(t *testing.T) {
	member := mustPrincipal(t, anasArn)
	member.OrganizationID, member.OrganizationPath = "o-example", "o-example/r-ab12/ou-ab12-shop/"
	tagged := mustPrincipal(t, anasArn)
	tagged.Tags = map[string]string{"team": "a"}
	role := mustPrincipal(t, "arn:aws:iam::111122223333:role/app")
	role.UniqueID = "AROAEXAMPLEID12345678"
	for sentence, c := range map[string]struct {
		condition string
		who       any // an ARN or a principal; ana if nil
		context   map[string][]string
		unknown   []string
		want      policy.Answer
	}{
		"seconds since the epoch that have passed":                   {`"DateGreaterThan":{"aws:CurrentTime":"1000000000"}`, nil, map[string][]string{"aws:CurrentTime": {"2020-01-01T00:00:00Z"}}, nil, policy.Allowed},
		"seconds since the epoch that are to come":                   {`"DateGreaterThan":{"aws:CurrentTime":"1900000000"}`, nil, map[string][]string{"aws:CurrentTime": {"2020-01-01T00:00:00Z"}}, nil, policy.ImplicitlyDenied},
		"seconds before the epoch":                                   {`"DateGreaterThan":{"aws:CurrentTime":"-1"}`, nil, map[string][]string{"aws:CurrentTime": {"1970-01-01T00:00:00Z"}}, nil, policy.Allowed},
		"parts of a second since the epoch":                          {`"DateEquals":{"aws:CurrentTime":"1000000000.5"}`, nil, map[string][]string{"aws:CurrentTime": {"2001-09-09T01:46:40.5Z"}}, nil, policy.Allowed},
		"four digits are a year":                                     {`"DateGreaterThan":{"aws:CurrentTime":"2006"}`, nil, map[string][]string{"aws:CurrentTime": {"2005-12-31T23:59:59Z"}}, nil, policy.ImplicitlyDenied},
		"four digits with a point may be seconds":                    {`"DateGreaterThan":{"aws:CurrentTime":"20.5"}`, nil, map[string][]string{"aws:CurrentTime": {"1970-01-01T00:00:21Z"}}, nil, policy.Unknown},
		"a number without a whole part":                              {`"NumericEquals":{"s3:max-keys":".5"}`, nil, map[string][]string{"s3:max-keys": {"0.5"}}, nil, policy.Allowed},
		"a point may be no number":                                   {`"NumericLessThan":{"s3:max-keys":"1"}`, nil, map[string][]string{"s3:max-keys": {"."}}, nil, policy.Unknown},
		"a word is no bool, so not false":                            {`"Bool":{"aws:SecureTransport":"false"}`, nil, map[string][]string{"aws:SecureTransport": {"no"}}, nil, policy.ImplicitlyDenied},
		"a bool from a variable":                                     {`"Bool":{"aws:SecureTransport":"${aws:MultiFactorAuthPresent}"}`, nil, map[string][]string{"aws:SecureTransport": {"true"}, "aws:MultiFactorAuthPresent": {"true"}}, nil, policy.Allowed},
		"another bool from a variable":                               {`"Bool":{"aws:SecureTransport":"${aws:MultiFactorAuthPresent}"}`, nil, map[string][]string{"aws:SecureTransport": {"true"}, "aws:MultiFactorAuthPresent": {"false"}}, nil, policy.ImplicitlyDenied},
		"a variable that is no bool":                                 {`"Bool":{"aws:SecureTransport":"${aws:username}"}`, nil, map[string][]string{"aws:SecureTransport": {"false"}}, nil, policy.ImplicitlyDenied},
		"a variable that the request does not have":                  {`"Bool":{"aws:SecureTransport":"${aws:MultiFactorAuthPresent}"}`, nil, map[string][]string{"aws:SecureTransport": {"false"}}, nil, policy.ImplicitlyDenied},
		"an ARN with a variable in the account":                      {`"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::${aws:PrincipalAccount}:user/ana"}`, nil, nil, nil, policy.Allowed},
		"an ARN with a variable, of somebody else":                   {`"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::${aws:PrincipalAccount}:user/ben"}`, nil, nil, nil, policy.ImplicitlyDenied},
		"an ARN that closes a bracket it did not open":               {`"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::1}1122223333:user/*"}`, nil, nil, nil, policy.ImplicitlyDenied},
		"the organization of the caller":                             {`"StringEquals":{"aws:PrincipalOrgID":"o-example"}`, member, nil, nil, policy.Allowed},
		"the organization of a caller that has none":                 {`"StringEquals":{"aws:PrincipalOrgID":"o-example"}`, nil, nil, nil, policy.ImplicitlyDenied},
		"a caller without an organization has no such key":           {`"Null":{"aws:PrincipalOrgID":"true"}`, nil, nil, nil, policy.Allowed},
		"the OU of the caller":                                       {`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"o-example/*/ou-ab12-shop/*"}`, member, nil, nil, policy.Allowed},
		"the OU of a caller that has none":                           {`"ForAnyValue:StringLike":{"aws:PrincipalOrgPaths":"*"}`, nil, nil, nil, policy.ImplicitlyDenied},
		"a federated user's id has its name":                         {`"StringEquals":{"aws:userid":"111122223333:bob"}`, "arn:aws:sts::111122223333:federated-user/bob", nil, nil, policy.Allowed},
		"a user has an id":                                           {`"Null":{"aws:userid":"true"}`, nil, nil, nil, policy.ImplicitlyDenied},
		"a user's id is not known by its name":                       {`"StringNotLike":{"aws:userid":"AIDABARRED"}`, nil, nil, nil, policy.Unknown},
		"kms:CallerAccount is KMS's alone":                           {`"StringEquals":{"kms:CallerAccount":"111122223333"}`, nil, nil, nil, policy.ImplicitlyDenied},
		"many values of a key that takes one":                        {`"StringEquals":{"aws:RequestedRegion":"eu-west-1"}`, nil, map[string][]string{"aws:RequestedRegion": {"eu-west-1", "us-east-1"}}, nil, policy.Unknown},
		"one value of a key that takes one":                          {`"StringEquals":{"aws:RequestedRegion":"eu-west-1"}`, nil, map[string][]string{"aws:RequestedRegion": {"eu-west-1"}}, nil, policy.Allowed},
		"one value of a key that takes many, without a set operator": {`"StringEquals":{"aws:TagKeys":"team"}`, nil, map[string][]string{"aws:TagKeys": {"team"}}, nil, policy.Unknown},
		"a default of a variable":                                    {`"StringEquals":{"aws:username":"${aws:PrincipalTag/x, 'a'}na"}`, nil, nil, nil, policy.Allowed},
		"an empty default of a variable":                             {`"StringEquals":{"aws:username":"ana${aws:PrincipalTag/x, ''}"}`, nil, nil, nil, policy.Allowed},
		"a default without a space":                                  {`"StringEquals":{"aws:username":"${aws:PrincipalTag/x,'a'}na"}`, nil, nil, nil, policy.Unknown},
		"a default that is not closed":                               {`"StringEquals":{"aws:username":"${aws:PrincipalTag/x, 'a_}na"}`, nil, nil, nil, policy.Unknown},
		"a default that is not opened":                               {`"StringEquals":{"aws:username":"${aws:PrincipalTag/x, _a'}na"}`, nil, nil, nil, policy.Unknown},
		"a default of one quote":                                     {`"StringEquals":{"aws:username":"ana${aws:PrincipalTag/x, '}"}`, nil, nil, nil, policy.Unknown},
		"a variable with two values":                                 {`"StringEquals":{"aws:username":"${aws:RequestedRegion}"}`, nil, map[string][]string{"aws:RequestedRegion": {"ana", "ben"}}, nil, policy.Unknown},
		"a variable that takes many values":                          {`"StringEquals":{"aws:username":"${aws:TagKeys}"}`, nil, map[string][]string{"aws:TagKeys": {"ana"}}, nil, policy.Unknown},
		"two variables":                                              {`"StringEquals":{"aws:RequestedRegion":"${aws:username}-${aws:PrincipalAccount}"}`, nil, map[string][]string{"aws:RequestedRegion": {"ana-111122223333"}}, nil, policy.Allowed},
		"an ARN that is unlike":                                      {`"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}`, nil, map[string][]string{"aws:SourceArn": {"arn:aws:s3:::b"}}, nil, policy.Allowed},
		"a word may be unlike an ARN":                                {`"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}`, nil, map[string][]string{"aws:SourceArn": {"word"}}, nil, policy.Unknown},
		"half an ARN may be unlike one":                              {`"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}`, nil, map[string][]string{"aws:SourceArn": {"arn:aws:s3::"}}, nil, policy.Unknown},
		"an ARN of an empty resource is one":                         {`"ArnNotLike":{"aws:SourceArn":"arn:aws:sns:*:*:*"}`, nil, map[string][]string{"aws:SourceArn": {"arn:aws:s3:::"}}, nil, policy.Allowed},
		"an address that is none":                                    {`"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, nil, map[string][]string{"aws:SourceIp": {"word"}}, nil, policy.Unknown},
		"an address with a zone":                                     {`"NotIpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, nil, map[string][]string{"aws:SourceIp": {"fe80::1%eth0"}}, nil, policy.Unknown},
		"a service has no account":                                   {`"Null":{"aws:PrincipalAccount":"true"}`, "lambda.amazonaws.com", nil, nil, policy.Allowed},
		"an unsigned request has the account anonymous":              {`"StringEquals":{"aws:PrincipalAccount":"anonymous"}`, "*", nil, nil, policy.Allowed},
		"an unsigned request has no other account":                   {`"StringEquals":{"aws:PrincipalAccount":"111122223333"}`, "*", nil, nil, policy.ImplicitlyDenied},
		"a user has an account":                                      {`"Null":{"aws:PrincipalAccount":"true"}`, nil, nil, nil, policy.ImplicitlyDenied},
		"a provider of identities has no account":                    {`"Null":{"aws:PrincipalAccount":"true"}`, "arn:aws:iam::111122223333:saml-provider/corp", nil, nil, policy.Allowed},
		"what follows a variable's default":                          {`"StringEquals":{"aws:RequestedRegion":"${aws:PrincipalTag/home, 'eu'}-west-1"}`, nil, map[string][]string{"aws:RequestedRegion": {"eu-west-1"}}, nil, policy.Allowed},
		"a variable's default and no more":                           {`"StringEquals":{"aws:RequestedRegion":"${aws:PrincipalTag/home, 'eu'}-west-1"}`, nil, map[string][]string{"aws:RequestedRegion": {"eux-west-1"}}, nil, policy.ImplicitlyDenied},
		"an ARN with a bad variable is not another's":                {`"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::${}:user/ben"}`, nil, nil, nil, policy.Allowed},
		"a bracket that closes nothing is a character of its part":   {`"ArnEquals":{"aws:SourceArn":"arn:aws:s3}:eu:1:x"}`, nil, map[string][]string{"aws:SourceArn": {"arn:aws:s3}:eu:1:x"}}, nil, policy.Allowed},
		"a variable that is not closed":                              {`"StringEquals":{"aws:username":"${aws:PrincipalAccount"}`, nil, nil, nil, policy.Unknown},
		"a key that nobody knows":                                    {`"StringEquals":{"aws:RequestedRegion":"eu-west-1"}`, nil, nil, []string{"aws:RequestedRegion"}, policy.Unknown},
		"a key that nobody knows, by its prefix":                     {`"StringEquals":{"aws:PrincipalTag/team":"a"}`, nil, nil, []string{"aws:PrincipalTag/*"}, policy.Unknown},
		"a prefix that is the whole key":                             {`"StringEquals":{"aws:RequestedRegion":"eu-west-1"}`, nil, nil, []string{"aws:RequestedRegion*"}, policy.Unknown},
		"a tag that a session may override":                          {`"StringEquals":{"aws:PrincipalTag/team":"a"}`, tagged, nil, []string{"aws:PrincipalTag/*"}, policy.Unknown},
		"a tag in a world of which nothing else is known":            {`"StringEquals":{"aws:PrincipalTag/team":"a"}`, tagged, nil, []string{"aws:*"}, policy.Allowed},
		"another key that is as long":                                {`"StringEquals":{"aws:username":"ana"}`, nil, nil, []string{"aws:usern_me"}, policy.Allowed},
		"how the id of a role's sessions begins":                     {`"StringLike":{"aws:userid":"AROAEXAMPLEID*"}`, role, nil, nil, policy.Allowed},
		"how it begins, in another case":                             {`"StringEqualsIgnoreCase":{"aws:userid":"aroaexampleid12345678:job"}`, role, nil, nil, policy.Unknown},
		"the id before any session, in another case":                 {`"StringEqualsIgnoreCase":{"aws:userid":"aroaexampleid12345678:"}`, role, nil, nil, policy.Unknown},
		"how another's begins, in any case":                          {`"StringEqualsIgnoreCase":{"aws:userid":"aroaother:job"}`, role, nil, nil, policy.ImplicitlyDenied},
		"how it begins, in another case where case counts":           {`"StringEquals":{"aws:userid":"aroaexampleid12345678:job"}`, role, nil, nil, policy.ImplicitlyDenied},
		"less than the id":                                           {`"StringEquals":{"aws:userid":"AROAEXAMPLEID12345678"}`, role, nil, nil, policy.ImplicitlyDenied},
		"the id before any session":                                  {`"StringEquals":{"aws:userid":"AROAEXAMPLEID12345678:"}`, role, nil, nil, policy.Unknown},
		"a pattern that goes on in the session's name":               {`"StringLike":{"aws:userid":"AROAEXAMPLEID12345678:job-*"}`, role, nil, nil, policy.Unknown},
		"any id":                     {`"StringLike":{"aws:userid":"*"}`, role, nil, nil, policy.Allowed},
		"an id with a variable":      {`"StringLike":{"aws:userid":"${aws:PrincipalAccount}*"}`, role, nil, nil, policy.Unknown},
		"an id with a bad variable":  {`"StringLike":{"aws:userid":"x${}*"}`, role, nil, nil, policy.Unknown},
		"an id as a number":          {`"NumericEquals":{"aws:userid":"7"}`, role, nil, nil, policy.Unknown},
		"the id as a variable":       {`"StringEquals":{"aws:RequestedRegion":"${aws:userid}"}`, role, map[string][]string{"aws:RequestedRegion": {"AROAEXAMPLEID12345678:job"}}, nil, policy.Unknown},
		"two values of a variable":   {`"StringNotLike":{"aws:username":"${aws:RequestedRegion}"}`, nil, map[string][]string{"aws:RequestedRegion": {"ben", "guy"}}, nil, policy.Unknown},
		"a prefix that is another's": {`"StringEquals":{"aws:RequestedRegion":"eu-west-1"}`, nil, nil, []string{"aws:RequestTag/*"}, policy.ImplicitlyDenied},
	} {
		t.Run(sentence, func(t *testing.T) {
			who := mustPrincipal(t, anasArn)
			switch given := c.who.(type) {
			case string:
				who = mustPrincipal(t, given)
			case policy.Principal:
				who = given
			}
			d := policy.MustParse("d", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*","Condition":{`+c.condition+`}}}`)
			got := policy.Evaluate(policy.Request{Principal: who, Action: "secretsmanager:GetSecretValue", Resource: theSecret, Context: c.context, Unknown: c.unknown}, policy.Policies{Resource: d})
			if got.Answer != c.want {
				t.Errorf("%s, want %s: %s", got.Answer, c.want, got.Why)
			}
		})
	}
}

// A grant's constraints bind to the pair: what is missing, more, or not known decides.
func TestAGrantAllowsWithinItsConstraints(t *testing.T) {
	const role, secret = "arn:aws:iam::111122223333:role/app", "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db-AbCdEf"
	pair := map[string]string{"SecretARN": secret}
	plain := policy.Grant{Grantee: role, Operations: []string{"Decrypt"}}
	from, equal, subset, retired := plain, plain, plain, plain
	from.SourceARN, equal.EncryptionContextEquals, subset.EncryptionContextSubset, retired.Retiring = secret, pair, pair, role
	for sentence, c := range map[string]struct {
		grant   policy.Grant
		action  string
		context map[string][]string
		unknown []string
		want    policy.Answer
	}{
		"an operation of the grant":                        {plain, "kms:Decrypt", nil, nil, policy.Allowed},
		"an operation that it does not list":               {plain, "kms:Encrypt", nil, nil, policy.ImplicitlyDenied},
		"retiring, by who may":                             {retired, "kms:RetireGrant", nil, nil, policy.Allowed},
		"retiring, by somebody that it does not name":      {plain, "kms:RetireGrant", nil, nil, policy.ImplicitlyDenied},
		"who may retire it may do nothing else by that":    {retired, "kms:Encrypt", nil, nil, policy.ImplicitlyDenied},
		"from the source":                                  {from, "kms:Decrypt", map[string][]string{"aws:SourceArn": {secret}}, nil, policy.Allowed},
		"from another source":                              {from, "kms:Decrypt", map[string][]string{"aws:SourceArn": {"arn:aws:s3:::b"}}, nil, policy.ImplicitlyDenied},
		"from no source":                                   {from, "kms:Decrypt", nil, nil, policy.ImplicitlyDenied},
		"from a source that nobody knows":                  {from, "kms:Decrypt", nil, []string{"aws:SourceArn"}, policy.Unknown},
		"with just the pair":                               {equal, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:SecretARN": {secret}}, nil, policy.Allowed},
		"with another value":                               {equal, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:SecretARN": {"x"}}, nil, policy.ImplicitlyDenied},
		"with two values":                                  {subset, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:SecretARN": {secret, "x"}}, nil, policy.ImplicitlyDenied},
		"without the pair":                                 {subset, "kms:Decrypt", nil, nil, policy.ImplicitlyDenied},
		"with one pair more than the grant has":            {equal, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:SecretARN": {secret}, "kms:EncryptionContext:Other": {"x"}}, nil, policy.ImplicitlyDenied},
		"with one pair more, where that is no matter":      {subset, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:SecretARN": {secret}, "kms:EncryptionContext:Other": {"x"}}, nil, policy.Allowed},
		"with the keys of the pair":                        {equal, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:SecretARN": {secret}, "kms:EncryptionContextKeys": {"SecretARN"}}, nil, policy.Allowed},
		"with the keys of one pair more":                   {equal, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:SecretARN": {secret}, "kms:EncryptionContextKeys": {"SecretARN", "Other"}}, nil, policy.ImplicitlyDenied},
		"with a pair more whose value nobody knows":        {equal, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:SecretARN": {secret}}, []string{"kms:EncryptionContext:Other"}, policy.Unknown},
		"with pairs that nobody knows":                     {equal, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:SecretARN": {secret}}, []string{"kms:EncryptionContext:*"}, policy.Unknown},
		"with something else that nobody knows":            {equal, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:SecretARN": {secret}}, []string{"aws:SourceVpc*"}, policy.Allowed},
		"with the pair's own name among what nobody knows": {equal, "kms:Decrypt", map[string][]string{"kms:EncryptionContext:SecretARN": {secret}}, []string{"kms:EncryptionContext:SecretARN"}, policy.Allowed},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := policy.Evaluate(policy.Request{Principal: mustPrincipal(t, role), Action: c.action, Resource: theKey, Context: c.context, Unknown: c.unknown},
				policy.Policies{Resource: policy.MustParse("key policy", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:user/nobody"},"Action":"kms:*","Resource":"*"}}`),
					ResourceKind: policy.ResourceKey, Grants: []policy.Grant{c.grant}})
			if got.Answer != c.want {
				t.Errorf("%s, want %s: %s", got.Answer, c.want, got.Why)
			}
		})
	}
}

func TestADenialHoldsOfARootUserByItsId(t *testing.T) {
	for id, want := range map[string]policy.Answer{"111122223333": policy.ExplicitlyDenied, "444455556666": policy.Allowed} {
		d := policy.MustParse("d", `{"Version":"2012-10-17","Statement":{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:userid":"`+id+`"}}}}`)
		got := policy.Evaluate(policy.Request{Principal: mustPrincipal(t, "arn:aws:iam::111122223333:root"), Action: "secretsmanager:GetSecretValue", Resource: theSecret}, policy.Policies{Resource: d})
		if got.Answer != want {
			t.Errorf("denied to %s: %s, want %s: %s", id, got.Answer, want, got.Why)
		}
	}
}

func TestAStatementNamesWhomItNames(t *testing.T) {
	const session = "arn:aws:sts::111122223333:assumed-role/app/job"
	federated := mustPrincipal(t, "arn:aws:sts::111122223333:federated-user/fay")
	federated.User = anasArn
	unique := mustPrincipal(t, session)
	unique.UniqueID = "AROAEXAMPLEID12345678:job"
	anySession := mustPrincipal(t, "arn:aws:iam::111122223333:role/app")
	anySession.UniqueID = "AROAEXAMPLEID12345678"
	for sentence, c := range map[string]struct {
		named string
		who   policy.Principal
		want  policy.Answer
	}{
		"a user":                                         {anasArn, mustPrincipal(t, anasArn), policy.Allowed},
		"another user":                                   {"arn:aws:iam::111122223333:user/ben", mustPrincipal(t, anasArn), policy.ImplicitlyDenied},
		"a user of the same name, with a path":           {"arn:aws:iam::111122223333:user/team/ana", mustPrincipal(t, anasArn), policy.ImplicitlyDenied},
		"the user behind a federated user":               {anasArn, federated, policy.Unknown}, // whether it has a session policy
		"another user than a federated user's":           {"arn:aws:iam::111122223333:user/ben", federated, policy.ImplicitlyDenied},
		"a federated user":                               {"arn:aws:sts::111122223333:federated-user/fay", federated, policy.Allowed},
		"another federated user":                         {"arn:aws:sts::111122223333:federated-user/guy", federated, policy.ImplicitlyDenied},
		"a session":                                      {session, mustPrincipal(t, session), policy.Allowed},
		"another session of the role":                    {"arn:aws:sts::111122223333:assumed-role/app/other", mustPrincipal(t, session), policy.ImplicitlyDenied},
		"the role of a session":                          {"arn:aws:iam::111122223333:role/app", mustPrincipal(t, session), policy.Allowed},
		"the role of a session, whose path is not known": {"arn:aws:iam::111122223333:role/team/app", mustPrincipal(t, session), policy.Allowed},
		"a role of the same name, with a path":           {"arn:aws:iam::111122223333:role/team/app", mustPrincipal(t, "arn:aws:iam::111122223333:role/app"), policy.ImplicitlyDenied},
		"a role by the id that a deleted one had":        {"AROADELETED0123456789", unique, policy.ImplicitlyDenied},
		"a role by an id, whose own is not known":        {"AROAEXAMPLEID12345678", mustPrincipal(t, session), policy.Unknown},
		"a role by its id":                               {"AROAEXAMPLEID12345678", unique, policy.Allowed},
		"every session of a role by the role's id":       {"AROAEXAMPLEID12345678", anySession, policy.Allowed},
		"a user by the id of a role":                     {"AROAEXAMPLEID12345678", mustPrincipal(t, anasArn), policy.ImplicitlyDenied},
		"a role by the id of a user":                     {"AIDAEXAMPLEID12345678", unique, policy.ImplicitlyDenied},
		"a user by the id of a user":                     {"AIDAEXAMPLEID12345678", mustPrincipal(t, anasArn), policy.Unknown},
		"the user behind a federated user by its id":     {"AIDAEXAMPLEID12345678", federated, policy.Unknown},
		"what is no principal":                           {"arn:aws:iam::111122223333:group/all", mustPrincipal(t, anasArn), policy.ImplicitlyDenied},
		"another role by its id":                         {"AROAEXAMPLEID00000000", unique, policy.ImplicitlyDenied},
	} {
		t.Run(sentence, func(t *testing.T) {
			d := policy.MustParse("d", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"`+c.named+`"},"Action":"*","Resource":"*"}}`)
			got := policy.Evaluate(policy.Request{Principal: c.who, Action: "secretsmanager:GetSecretValue", Resource: theSecret}, policy.Policies{Resource: d})
			if got.Answer != c.want {
				t.Errorf("%s, want %s: %s", got.Answer, c.want, got.Why)
			}
		})
	}
}

// An unknown answer says what would decide it: a key that is not given, or what AWS leaves open.
func TestWhatWouldDecideIsNamed(t *testing.T) {
	world := policy.Principal{Kind: policy.KindSomebody, NotAccounts: []string{account}, NotOrganizations: []string{"o-ours"}}
	for sentence, c := range map[string]struct {
		condition string
		who       policy.Principal
		context   map[string][]string
		grants    []policy.Grant
		missing   []string
		notes     int
	}{
		"a key that is not given":           {`"StringEquals":{"aws:SourceVpce":"vpce-1"}`, mustPrincipal(t, anasArn), nil, nil, []string{"aws:SourceVpce"}, 0},
		"a variable that is not given":      {`"StringEquals":{"aws:username":"${aws:SourceVpce}"}`, mustPrincipal(t, anasArn), nil, nil, []string{"aws:sourcevpce"}, 0},
		"a variable of several values":      {`"StringEquals":{"aws:username":"${aws:RequestedRegion}"}`, mustPrincipal(t, anasArn), map[string][]string{"aws:RequestedRegion": {"a", "b"}}, nil, nil, 1},
		"which organization somebody is of": {`"StringEquals":{"aws:PrincipalOrgID":"o-partner"}`, world, nil, nil, []string{"aws:PrincipalOrgID"}, 0},
		"whose unique id a grant names":     {`"StringEquals":{"aws:username":"nobody"}`, mustPrincipal(t, "arn:aws:iam::111122223333:role/app"), nil, []policy.Grant{{ID: "g", Grantee: "AROAEXAMPLEID12345678", Operations: []string{"Decrypt"}}}, nil, 1},
	} {
		d := policy.MustParse("d", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{`+c.condition+`}}}`)
		got := policy.Evaluate(policy.Request{Principal: c.who, Action: "kms:Decrypt", Resource: theKey, Context: c.context, Open: true},
			policy.Policies{Identity: documents(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), Resource: d, Grants: c.grants})
		if diff := cmp.Diff(c.missing, got.Missing); got.Answer != policy.Unknown || diff != "" || len(got.Notes) != c.notes {
			t.Errorf("%s: %s for want of %q, with notes %q", sentence, got.Answer, got.Missing, got.Notes)
		}
	}
	known := policy.MustParse("d", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-ours"},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`)
	got := policy.Evaluate(policy.Request{Principal: world, Action: "kms:Decrypt", Resource: theKey, Open: true}, policy.Policies{Identity: documents(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`), Resource: known})
	if diff := cmp.Diff([]string{"aws:SourceIp"}, got.Missing); diff != "" {
		t.Errorf("what is known of somebody is named as if it were not: %s", diff)
	}
}

// Where a statement names a principal certainly and, more closely, perhaps, the doubt is named; what is certain all the same is not.
func TestADoubtThatDecidesIsNamedAndNoOther(t *testing.T) {
	role := mustPrincipal(t, "arn:aws:iam::111122223333:role/app")
	closer := documents(`{"Statement":{"Effect":"Allow","Principal":{"AWS":["111122223333","AROAEXAMPLEID12345678"]},"Action":"*","Resource":"*"}}`)[0]
	got := policy.Evaluate(policy.Request{Principal: role, Action: "kms:Decrypt", Resource: theKey}, policy.Policies{Resource: closer})
	if got.Answer != policy.Unknown || len(got.Notes) != 1 {
		t.Errorf("%s with notes %q", got.Answer, got.Notes)
	}
	both := documents(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:username":["${aws:SourceVpce}","ana"]}}},
		{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}]}`)
	got = policy.Evaluate(policy.Request{Principal: mustPrincipal(t, anasArn), Action: "secretsmanager:GetSecretValue", Resource: theSecret, Open: true}, policy.Policies{Identity: both})
	if diff := cmp.Diff([]string{"aws:SourceIp"}, got.Missing); diff != "" {
		t.Errorf("%s: %s", got.Answer, diff)
	}
}

// AWS's own aliases are looked up, and changed by nobody.
func TestAliasesOfAWSAreNotChanged(t *testing.T) {
	const alias = "arn:aws:kms:eu-west-1:111122223333:alias/"
	for action, want := range map[string]policy.Answer{"kms:CreateAlias": policy.ImplicitlyDenied, "kms:UpdateAlias": policy.ImplicitlyDenied, "kms:DeleteAlias": policy.ImplicitlyDenied,
		"kms:DescribeKey": policy.Allowed, "example:DeleteAlias": policy.Allowed} {
		for name, want := range map[string]policy.Answer{"aws/secretsmanager": want, "awsome": policy.Allowed} {
			got := policy.Evaluate(policy.Request{Principal: mustPrincipal(t, anasArn), Action: action, Resource: alias + name},
				policy.Policies{Identity: documents(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)})
			if got.Answer != want {
				t.Errorf("%s on alias/%s: %s, want %s: %s", action, name, got.Answer, want, got.Why)
			}
		}
	}
}

// NotPrincipal in a Deny has to name a principal and its account; what it spares of whom it names in part AWS does not say.
func TestWhomNotPrincipalSpares(t *testing.T) {
	const (
		session   = "arn:aws:sts::111122223333:assumed-role/app/job"
		second    = "arn:aws:sts::111122223333:assumed-role/app/second"
		longer    = "arn:aws:sts::111122223333:assumed-role/app2/job"
		elsewhere = "arn:aws:sts::444455556666:assumed-role/app/job"
		role      = "arn:aws:iam::111122223333:role/app"
		fay       = "arn:aws:sts::111122223333:federated-user/fay"
		root      = "arn:aws:iam::111122223333:root"
	)
	for sentence, c := range map[string]struct {
		named []string
		who   string
		want  policy.Answer
	}{
		"nobody of the account":                       {[]string{"arn:aws:iam::444455556666:root"}, anasArn, policy.ExplicitlyDenied},
		"everybody":                                   {[]string{"*"}, anasArn, policy.Allowed},
		"a user and the account":                      {[]string{anasArn, root}, anasArn, policy.Allowed},
		"a user alone":                                {[]string{anasArn}, anasArn, policy.Unknown},
		"another user and the account":                {[]string{"arn:aws:iam::111122223333:user/Bob", root}, anasArn, policy.ExplicitlyDenied},
		"the account alone":                           {[]string{root}, anasArn, policy.Unknown},
		"the account and a user of another":           {[]string{root, "arn:aws:iam::444455556666:user/Bob"}, anasArn, policy.Unknown},
		"the account, to its root user":               {[]string{root}, root, policy.Allowed},
		"a user, to the root user":                    {[]string{anasArn}, root, policy.ExplicitlyDenied},
		"the role and the account":                    {[]string{role, root}, session, policy.Unknown},
		"the role and the account, to the role":       {[]string{role, root}, role, policy.Unknown},
		"a federated user and the account":            {[]string{fay, root}, fay, policy.Unknown},
		"a federated user, to another":                {[]string{fay, anasArn, root}, "arn:aws:sts::111122223333:federated-user/guy", policy.Unknown},
		"the role alone":                              {[]string{role}, session, policy.Unknown},
		"the session, the role and the account":       {[]string{session, role, root}, session, policy.Allowed},
		"another session, the role and the account":   {[]string{second, role, root}, session, policy.Unknown},
		"two sessions, the role and the account":      {[]string{second, session, role, root}, session, policy.Allowed},
		"another session and the account":             {[]string{second, root}, session, policy.ExplicitlyDenied},
		"the session and the account":                 {[]string{session, root}, session, policy.Unknown},
		"a role's session whose name begins the same": {[]string{longer, session, role, root}, session, policy.Allowed},
		"a session of that name in another account":   {[]string{elsewhere, session, role, root}, session, policy.Allowed},
		"a session, to a user of the account":         {[]string{session, anasArn, root}, anasArn, policy.Allowed},
		"a role by an id that may be its own":         {[]string{"AROAEXAMPLEID12345678", root}, session, policy.Unknown},
		"a service":                                   {[]string{"111122223333"}, "lambda.amazonaws.com", policy.ExplicitlyDenied},
	} {
		named, err := json.Marshal(c.named)
		if err != nil {
			t.Fatal(err)
		}
		d := policy.MustParse("d", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},{"Effect":"Deny","NotPrincipal":{"AWS":`+string(named)+`},"Action":"*","Resource":"*"}]}`)
		got := policy.Evaluate(policy.Request{Principal: mustPrincipal(t, c.who), Action: "secretsmanager:GetSecretValue", Resource: theSecret}, policy.Policies{Resource: d})
		if got.Answer != c.want {
			t.Errorf("%s: %s, want %s: %s", sentence, got.Answer, c.want, got.Why)
		}
	}
}

// Nobody knows whose a canonical id is: it denies perhaps, and lets in an account, which has to allow as well.
func TestACanonicalIdMayBeThePrincipals(t *testing.T) {
	const allow = `{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"},`
	for sentence, c := range map[string]struct {
		before, effect, named string
		want                  policy.Answer
	}{
		"it allows nobody":                    {"", "Allow", `{"CanonicalUser":"79a5"}`, policy.ImplicitlyDenied},
		"it may deny":                         {allow, "Deny", `{"CanonicalUser":"79a5"}`, policy.Unknown},
		"it may deny, beside somebody else":   {allow, "Deny", `{"AWS":"arn:aws:iam::111122223333:user/ben","CanonicalUser":"79a5"}`, policy.Unknown},
		"it is no matter beside who is meant": {allow, "Deny", `{"AWS":"` + anasArn + `","CanonicalUser":"79a5"}`, policy.ExplicitlyDenied},
		"somebody else alone is denied":       {allow, "Deny", `{"AWS":"arn:aws:iam::111122223333:user/ben"}`, policy.Allowed},
	} {
		d := policy.MustParse("d", `{"Statement":[`+c.before+`{"Effect":"`+c.effect+`","Principal":`+c.named+`,"Action":"*","Resource":"*"}]}`)
		got := policy.Evaluate(policy.Request{Principal: mustPrincipal(t, anasArn), Action: "secretsmanager:GetSecretValue", Resource: theSecret}, policy.Policies{Resource: d})
		if got.Answer != c.want {
			t.Errorf("%s: %s, want %s: %s", sentence, got.Answer, c.want, got.Why)
		}
	}
}

func TestAPatternMatchesWhatItSays(t *testing.T) {
	for sentence, c := range map[string]struct {
		action, resource string
		want             policy.Answer
	}{
		"every action of every service, written twice":       {"*:*", "*", policy.Allowed},
		"a question mark in a part of the ARN":               {"*", "arn:aws:secretsmanager:eu-west-?:111122223333:secret:db-AbCdEf", policy.Allowed},
		"a question mark is no colon":                        {"*", "arn:aws:secretsmanager:eu-west-1?111122223333:secret:db-AbCdEf", policy.ImplicitlyDenied},
		"a star at the end of an ARN that has too few parts": {"*", "arn:aws:secretsmanager:eu-*", policy.Allowed},
		"a star within a part ends with it":                  {"*", "arn:aws:secretsmanager:e*1:secret:db-AbCdEf", policy.ImplicitlyDenied},
	} {
		d := policy.MustParse("d", `{"Statement":{"Effect":"Allow","Action":"`+c.action+`","Resource":"`+c.resource+`"}}`)
		got := policy.Evaluate(policy.Request{Principal: mustPrincipal(t, anasArn), Action: "secretsmanager:GetSecretValue", Resource: theSecret}, policy.Policies{Identity: []*policy.Document{d}})
		if got.Answer != c.want {
			t.Errorf("%s: %s, want %s: %s", sentence, got.Answer, c.want, got.Why)
		}
	}
}

// Where a request does not say whose the resource is, its ARN does.
func TestTheAccountOfAResourceIsThatOfItsARN(t *testing.T) {
	all := policy.MustParse("all", `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`)
	for resource, want := range map[string]policy.Answer{
		theSecret: policy.Allowed,
		"arn:aws:secretsmanager:eu-west-1:444455556666:secret:db-AbCdEf": policy.ImplicitlyDenied,
		"arn:aws:s3:::bucket/object":                                     policy.Allowed, // has no account: the caller's
		"*":                                                              policy.Allowed,
		"arn:aws:secretsmanager:eu-west-1:444455556666": policy.Allowed, // is too short to have one
	} {
		got := policy.Evaluate(policy.Request{Principal: mustPrincipal(t, anasArn), Action: "secretsmanager:GetSecretValue", Resource: resource}, policy.Policies{Identity: []*policy.Document{all}})
		if got.Answer != want {
			t.Errorf("%s: %s, want %s: %s", resource, got.Answer, want, got.Why)
		}
	}
}
