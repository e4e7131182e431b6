package localaws_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	kmstypes "github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

// guard attaches an SCP to the guarded OU and returns its ARN.
func (r *testbed) guard(content string) string {
	r.t.Helper()
	org := r.org(payer)
	made, err := org.CreatePolicy(r.t.Context(), &organizations.CreatePolicyInput{Name: aws.String("guard"), Description: aws.String(""),
		Content: &content, Type: orgtypes.PolicyTypeServiceControlPolicy})
	if err != nil {
		r.t.Fatal(err)
	}
	_, err = org.AttachPolicy(r.t.Context(), &organizations.AttachPolicyInput{PolicyId: made.Policy.PolicySummary.Id, TargetId: aws.String(r.units["guarded"])})
	if err != nil {
		r.t.Fatal(err)
	}
	return *made.Policy.PolicySummary.Arn
}

const needsKey = `{"Version":"2012-10-17","Statement":[
{"Sid":"KeyMissing","Effect":"Deny","Action":"secretsmanager:CreateSecret","NotResource":"arn:aws:secretsmanager:*:*:secret:*!*","Condition":{"Null":{"secretsmanager:KmsKeyArn":"true"},"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/BreakGlass*"}}},
{"Sid":"DefaultAlias","Effect":"Deny","Action":["secretsmanager:CreateSecret","secretsmanager:UpdateSecret"],"Resource":"*","Condition":{"StringLike":{"secretsmanager:KmsKeyId":["alias/aws/secretsmanager","arn:*:kms:*:*:alias/aws/secretsmanager"]}}},
{"Sid":"NotApproved","Effect":"Deny","Action":["secretsmanager:CreateSecret","secretsmanager:UpdateSecret"],"Resource":"*","Condition":{"Null":{"secretsmanager:KmsKeyArn":"false"},"ArnNotLike":{"secretsmanager:KmsKeyArn":["arn:aws:kms:*:111122223333:key/*","arn:aws:kms:*:333344445555:key/*"]}}}]}`

func TestServiceControlPolicyGuardsCreateSecret(t *testing.T) {
	r := newTestbed(t)
	arn := r.guard(needsKey)
	own, foreign := r.key(guarded, east), r.key(open, east, keyPolicy(allowEveryone))
	if _, err := r.keys(guarded, admin, east).CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: &own}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		account, principal, key string
		denied                  bool
	}{
		"without a key it is denied":                   {guarded, admin, "", true},
		"with the AWS managed key by alias it is":      {guarded, admin, "alias/aws/secretsmanager", true},
		"with a key of an account not approved it is":  {guarded, admin, foreign, true},
		"with a key of the account it is not":          {guarded, admin, own, false},
		"with an alias of an approved key it is not":   {guarded, admin, "alias/app", false},
		"the root user of a member is bound as well":   {guarded, "root", "", true},
		"the break-glass role is not":                  {guarded, "role/BreakGlass/eve", "", false},
		"a service-linked role is never bound":         {guarded, "role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS/x", "", false},
		"an account in another OU is not":              {open, admin, "", false},
		"the management account is never bound by one": {payer, admin, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			in := &secretsmanager.CreateSecretInput{Name: aws.String("s-" + strings.ReplaceAll(name, " ", "-")), SecretString: aws.String("x")}
			if test.key != "" {
				in.KmsKeyId = &test.key
			}
			_, err := r.secrets(test.account, test.principal, east).CreateSecret(t.Context(), in)
			if !test.denied {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			want := " is not authorized to perform: secretsmanager:CreateSecret on resource: " + *in.Name + " with an explicit deny in a service control policy: " + arn
			if code(err) != "AccessDeniedException" || !strings.HasSuffix(message(err), want) || !strings.HasPrefix(message(err), "User: arn:aws:") {
				t.Errorf("got %v\nwant … %s", err, want)
			}
		})
	}
}

const allowEveryone = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"}]}`

func TestAnOpenQuestionAboutTheConditionKeysIsAnOption(t *testing.T) {
	for name, test := range map[string]struct {
		options func(*localaws.Options)
		deny    string // condition of a deny on UpdateSecret
		key     string
		denied  bool
	}{
		"an alias is resolved for KmsKeyArn":         {nil, `{"StringLike":{"secretsmanager:KmsKeyArn":"arn:aws:kms:*:*:key/*"}}`, "alias/app", true},
		"unless it is kept raw":                      {func(o *localaws.Options) { o.Behavior.RawKeyARN = true }, `{"StringLike":{"secretsmanager:KmsKeyArn":"arn:aws:kms:*:*:key/*"}}`, "alias/app", false},
		"KmsKeyId is always raw":                     {nil, `{"StringEquals":{"secretsmanager:KmsKeyId":"alias/app"}}`, "alias/app", true},
		"an empty key has no condition key":          {nil, `{"Null":{"secretsmanager:KmsKeyArn":"true"}}`, "", true},
		"unless it has an empty one":                 {func(o *localaws.Options) { o.Behavior.EmptyKey = localaws.EmptyKeyText }, `{"StringEquals":{"secretsmanager:KmsKeyArn":""}}`, "", true},
		"or that of the AWS managed key's ARN":       {func(o *localaws.Options) { o.Behavior.EmptyKey = localaws.EmptyKeyManaged }, `{"StringLike":{"secretsmanager:KmsKeyArn":"arn:aws:kms:*:*:key/*"}}`, "", true},
		"and then Null does not find it to be empty": {func(o *localaws.Options) { o.Behavior.EmptyKey = localaws.EmptyKeyManaged }, `{"Null":{"secretsmanager:KmsKeyArn":"true"}}`, "", false},
	} {
		t.Run(name, func(t *testing.T) {
			options := test.options
			if options == nil {
				options = func(*localaws.Options) {}
			}
			r := newTestbed(t, options)
			r.guard(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"secretsmanager:UpdateSecret","Resource":"*","Condition":` + test.deny + `}]}`)
			key := r.key(guarded, east)
			if _, err := r.keys(guarded, admin, east).CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/app"), TargetKeyId: &key}); err != nil {
				t.Fatal(err)
			}
			sm := r.secrets(guarded, admin, east)
			arn := r.create(sm, "a", under(key))
			_, err := sm.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &arn, KmsKeyId: &test.key})
			if got := code(err) == "AccessDeniedException"; got != test.denied {
				t.Errorf("denied %v (%v), want %v", got, err, test.denied)
			}
		})
	}
}

// The KMS layer: an SCP that forbids encrypting under the AWS managed key through Secrets Manager.
func TestServiceControlPolicyReachesForwardedKMSCalls(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(guarded, admin, east)
	old := r.create(sm, "old")
	key := r.key(guarded, east)
	r.guard(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":["kms:GenerateDataKey*","kms:Encrypt"],"Resource":"*","Condition":{` +
		`"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/aws/secretsmanager"},"StringLike":{"kms:ViaService":"secretsmanager.*.amazonaws.com"}}}]}`)
	if _, err := sm.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("new"), SecretString: aws.String("x")}); message(err) != "Access to KMS is not allowed" {
		t.Errorf("a value under the AWS managed key: got %v", err)
	}
	r.create(sm, "empty", noValue) // no value, no KMS call, no denial
	if got := r.read(sm, old); got != "first" {
		t.Errorf("reading stays possible: got %s", got)
	}
	r.rekey(sm, old, key)
	if _, err := sm.UpdateSecret(t.Context(), &secretsmanager.UpdateSecretInput{SecretId: &old, KmsKeyId: aws.String("")}); message(err) != "Access to KMS is not allowed" {
		t.Errorf("back to the AWS managed key: got %v", err)
	}
}

func TestWhyACallIsDenied(t *testing.T) {
	r := newTestbed(t)
	arn := r.create(r.secrets(open, admin, east), "prod/db")
	r.AddRole(open, "Bound", trustsAccount(open), allow("*"))
	if _, err := r.iam().CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("edge"), PolicyDocument: aws.String(allow("s3:*"))}); err != nil {
		t.Fatal(err)
	}
	edge := "arn:aws:iam::" + open + ":policy/edge"
	if _, err := r.iam().PutRolePermissionsBoundary(t.Context(), &iam.PutRolePermissionsBoundaryInput{RoleName: aws.String("Bound"), PermissionsBoundary: &edge}); err != nil {
		t.Fatal(err)
	}
	const denied = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"secretsmanager:DescribeSecret","Resource":"*"}]}`
	for name, test := range map[string]struct{ principal, id, want string }{
		"nothing allows it":           {r.role(open, "Nobody", allow("s3:*")), arn, "on resource: " + arn + " because no identity-based policy allows the secretsmanager:DescribeSecret action"},
		"the name is told as given":   {r.role(open, "Nobody", allow("s3:*")), "prod/db", "on resource: prod/db because no identity-based policy allows the secretsmanager:DescribeSecret action"},
		"a missing secret is no news": {r.role(open, "Nobody", allow("s3:*")), "none", "on resource: none because no identity-based policy allows the secretsmanager:DescribeSecret action"},
		"its own policy denies it":    {r.role(open, "Denied", denied), arn, "on resource: " + arn + " with an explicit deny in an identity-based policy"},
		"its boundary does not reach": {"role/Bound/x", arn, "on resource: " + arn + " because no permissions boundary allows the secretsmanager:DescribeSecret action"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.secrets(open, test.principal, east).DescribeSecret(t.Context(), &secretsmanager.DescribeSecretInput{SecretId: &test.id})
			want := "is not authorized to perform: secretsmanager:DescribeSecret " + test.want
			if code(err) != "AccessDeniedException" || !strings.HasSuffix(message(err), want) {
				t.Errorf("got  %v\nwant … %s", err, want)
			}
		})
	}
}

func trustsAccount(account string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"sts:AssumeRole"}]}`
}

// assume answers a configuration that signs as a role's session.
func (r *testbed) assume(account, principal string, in sts.AssumeRoleInput) (aws.Config, error) {
	out, err := r.sts(account, principal).AssumeRole(r.t.Context(), &in)
	if err != nil {
		return aws.Config{}, err
	}
	key := out.Credentials
	return aws.Config{Region: east, BaseEndpoint: &r.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(*key.AccessKeyId, *key.SecretAccessKey, *key.SessionToken)}, nil
}

func TestTagsAndReplicasNeedTheirOwnRights(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, r.role(open, "Creator", allow("secretsmanager:CreateSecret")), east)
	for name, test := range map[string]struct {
		change func(*secretsmanager.CreateSecretInput)
		want   string
	}{
		"plain":     {func(*secretsmanager.CreateSecretInput) {}, ""},
		"tagged":    {func(in *secretsmanager.CreateSecretInput) { in.Tags = tags("a", "b") }, "secretsmanager:TagResource"},
		"copied":    {intoWest(), "secretsmanager:ReplicateSecretToRegions"},
		"described": {func(in *secretsmanager.CreateSecretInput) { in.Description = aws.String("x") }, ""},
	} {
		in := &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String("x")}
		test.change(in)
		_, err := sm.CreateSecret(t.Context(), in)
		if (err == nil) != (test.want == "") || !strings.Contains(message(err), test.want) {
			t.Errorf("%s: got %v, want a denial of %q", name, err, test.want)
		}
	}
}

func TestADeletedRoleHasNoRightsLeft(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, r.role(open, "Gone", allow("*")), east)
	r.create(sm, "a")
	if _, err := r.iam().DeleteRolePolicy(t.Context(), &iam.DeleteRolePolicyInput{RoleName: aws.String("Gone"), PolicyName: aws.String("inline-1")}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.iam().DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("Gone")}); err != nil {
		t.Fatal(err)
	}
	if got := r.read(sm, "a"); got != "[AccessDeniedException]" {
		t.Errorf("got %s, want AccessDeniedException", got)
	}
}

func TestASessionPolicyNarrowsTheRole(t *testing.T) {
	r := newTestbed(t)
	arn := r.create(r.secrets(open, admin, east), "a")
	r.role(open, "Wide", allow("secretsmanager:*"))
	config, err := r.assume(open, admin, sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + open + ":role/Wide"), RoleSessionName: aws.String("narrow"),
		Policy: aws.String(allow("secretsmanager:DescribeSecret"))})
	if err != nil {
		t.Fatal(err)
	}
	sm := secretsmanager.NewFromConfig(config)
	r.describe(sm, arn)
	_, err = sm.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if want := "because no session policy allows the secretsmanager:GetSecretValue action"; !strings.HasSuffix(message(err), want) {
		t.Errorf("got %v, want … %s", err, want)
	}
}

func TestASecretsPolicyAllowsAndDenies(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "a")
	reader := r.secrets(open, r.role(open, "Reader", allow("s3:*")), east)
	put := func(text string) {
		t.Helper()
		if _, err := sm.PutResourcePolicy(t.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: &arn, ResourcePolicy: &text}); err != nil {
			t.Fatal(err)
		}
	}
	put(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + open + `:role/Reader"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)
	if got := r.read(reader, arn); got != "first" {
		t.Errorf("allowed by the secret's policy: got %s", got)
	}
	put(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`)
	_, err := sm.GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if !strings.HasSuffix(message(err), "with an explicit deny in a resource-based policy") {
		t.Errorf("denied by the secret's policy: got %v", err)
	}
	public := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	_, err = sm.PutResourcePolicy(t.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: &arn, ResourcePolicy: &public, BlockPublicPolicy: aws.Bool(true)})
	if code(err) != "PublicPolicyException" {
		t.Errorf("a public policy: got %v", err)
	}
	if _, err := sm.PutResourcePolicy(t.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: &arn, ResourcePolicy: aws.String("{}")}); code(err) != "MalformedPolicyDocumentException" {
		t.Errorf("no policy at all: got %v", err)
	}
}

func TestAPolicyIsTriedBeforeItIsSet(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "a")
	reader := `{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + open + `:role/Reader"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`
	for name, test := range map[string]struct {
		statements string
		want       []string
	}{
		"one reader":                  {reader, []string{}},
		"everybody":                   {`{"Effect":"Allow","Principal":"*","Action":"secretsmanager:GetSecretValue","Resource":"*"}`, []string{"This resource policy grants broad access to this secret."}},
		"nobody may change it again":  {reader + `,{"Effect":"Deny","Principal":"*","Action":"secretsmanager:PutResourcePolicy","Resource":"*"}`, []string{"This resource policy keeps you from changing it."}},
		"everybody, and nobody again": {`{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"*","Resource":"*"},{"Effect":"Deny","Principal":"*","Action":"secretsmanager:*","Resource":"*"}`, []string{"This resource policy grants broad access to this secret.", "This resource policy keeps you from changing it."}},
	} {
		t.Run(name, func(t *testing.T) {
			text := `{"Version":"2012-10-17","Statement":[` + test.statements + `]}`
			out, err := sm.ValidateResourcePolicy(t.Context(), &secretsmanager.ValidateResourcePolicyInput{SecretId: &arn, ResourcePolicy: &text})
			if err != nil {
				t.Fatal(err)
			}
			found := []string{}
			for _, e := range out.ValidationErrors {
				found = append(found, *e.ErrorMessage)
			}
			if diff := cmp.Diff(test.want, found); diff != "" || out.PolicyValidationPassed != (len(test.want) == 0) {
				t.Errorf("passed %t: %s", out.PolicyValidationPassed, diff)
			}
		})
	}
	none := "{}"
	if _, err := sm.ValidateResourcePolicy(t.Context(), &secretsmanager.ValidateResourcePolicyInput{ResourcePolicy: &none}); code(err) != "MalformedPolicyDocumentException" {
		t.Errorf("no policy at all, for no secret: got %v", err)
	}
	half := r.secrets(open, r.role(open, "Half", allow("secretsmanager:ValidateResourcePolicy")), east)
	if _, err := half.ValidateResourcePolicy(t.Context(), &secretsmanager.ValidateResourcePolicyInput{SecretId: &arn, ResourcePolicy: &none}); code(err) != "AccessDeniedException" {
		t.Errorf("without the right to set it: got %v", err)
	}
	now, err := sm.GetResourcePolicy(t.Context(), &secretsmanager.GetResourcePolicyInput{SecretId: &arn})
	if err != nil || now.ResourcePolicy != nil {
		t.Errorf("trying set %v, %v", aws.ToString(now.ResourcePolicy), err)
	}
}

func TestWhoMayUseAKey(t *testing.T) {
	only := func(role string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + open + `:role/` + role + `"},"Action":"kms:*","Resource":"*"}]}`
	}
	through := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.us-east-1.amazonaws.com","kms:CallerAccount":"` + open + `"}}}]}`
	secretOnly := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*","Condition":{"StringLike":{"kms:EncryptionContext:SecretARN":"arn:aws:secretsmanager:*:` + open + `:secret:prod/*"}}}]}`
	for name, test := range map[string]struct {
		key    string // policy; "" delegates to IAM
		role   string // what the reader's role allows about KMS
		grant  []kmstypes.GrantOperation
		bound  map[string]string // encryption context that the grant wants
		denied bool
	}{
		"IAM may, and the key delegates":                 {role: "kms:*"},
		"IAM may not":                                    {role: "s3:*", denied: true},
		"IAM may, but the key does not delegate":         {key: only("Other"), role: "kms:*", denied: true},
		"the key names the role":                         {key: only("Reader"), role: "s3:*"},
		"the key lets everybody through Secrets Manager": {key: through, role: "s3:*"},
		"the key looks at the secret's ARN":              {key: secretOnly, role: "s3:*"},
		"a grant is enough":                              {role: "s3:*", grant: []kmstypes.GrantOperation{"Decrypt"}},
		"a grant of something else is not":               {role: "s3:*", grant: []kmstypes.GrantOperation{"Encrypt"}, denied: true},
		"a grant for another context is not":             {role: "s3:*", grant: []kmstypes.GrantOperation{"Decrypt"}, bound: map[string]string{"SecretARN": "other"}, denied: true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestbed(t)
			key := r.key(open, east)
			owner := r.secrets(open, admin, east)
			arn := r.create(owner, "prod/db", under(key))
			reader := r.role(open, "Reader", allow("secretsmanager:GetSecretValue", test.role))
			if test.grant != nil {
				in := &kms.CreateGrantInput{KeyId: &key, GranteePrincipal: aws.String("arn:aws:iam::" + open + ":role/Reader"), Operations: test.grant}
				if test.bound != nil {
					in.Constraints = &kmstypes.GrantConstraints{EncryptionContextSubset: test.bound}
				}
				if _, err := r.keys(open, admin, east).CreateGrant(t.Context(), in); err != nil {
					t.Fatal(err)
				}
			}
			if test.key != "" {
				if _, err := r.keys(open, admin, east).PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: &key, Policy: &test.key, BypassPolicyLockoutSafetyCheck: true}); err != nil {
					t.Fatal(err)
				}
			}
			_, err := r.secrets(open, reader, east).GetSecretValue(t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn})
			if denied := message(err) == "Access to KMS is not allowed"; denied != test.denied || !denied && err != nil {
				t.Errorf("got %v, want denied %v", err, test.denied)
			}
		})
	}
}

func TestAssumeRole(t *testing.T) {
	r := newTestbed(t)
	trust := func(principal, condition string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + principal + `"},"Action":"sts:AssumeRole","Condition":{` + condition + `}}]}`
	}
	r.AddRole(open, "InOrg", trust("*", `"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg"}`), allow("*"))
	r.AddRole(open, "InOtherOrg", trust("*", `"StringEquals":{"aws:PrincipalOrgID":"o-someoneelse"}`), allow("*"))
	r.AddRole(open, "Hub", trust("arn:aws:iam::"+keyring+":role/Hub", `"StringLike":{"sts:RoleSessionName":"doublelock-*"}`), allow("*"))
	r.AddRole(open, "External", trust("arn:aws:iam::"+keyring+":root", `"StringEquals":{"sts:ExternalId":"agreed"}`), allow("*"))
	r.role(keyring, "Hub", allow("sts:AssumeRole"))
	for name, test := range map[string]struct {
		principal, role, session, external, want string
	}{
		"from inside the organization":         {admin, "InOrg", "x1", "", ""},
		"from another organization":            {admin, "InOtherOrg", "x1", "", "AccessDenied"},
		"by a role that the trust names":       {"role/Hub/h1", "Hub", "doublelock-detect", "", ""},
		"under a session name it does not":     {"role/Hub/h1", "Hub", "someone", "", "AccessDenied"},
		"by another role":                      {admin, "Hub", "doublelock-detect", "", "AccessDenied"},
		"with the external id":                 {admin, "External", "x1", "agreed", ""},
		"without the external id":              {admin, "External", "x1", "", "AccessDenied"},
		"a role that does not exist":           {admin, "Missing", "x1", "", "AccessDenied"},
		"a session name of one character":      {admin, "InOrg", "x", "", "ValidationError"},
		"by a role without the right to do so": {r.role(keyring, "Weak", allow("s3:*")), "InOrg", "x1", "", "AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			in := sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + open + ":role/" + test.role), RoleSessionName: &test.session}
			if test.external != "" {
				in.ExternalId = &test.external
			}
			config, err := r.assume(keyring, test.principal, in)
			if got := code(err); got != test.want {
				t.Fatalf("got %q (%v), want %q", got, err, test.want)
			}
			if test.want != "" {
				return
			}
			who, err := sts.NewFromConfig(config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
			if err != nil {
				t.Fatal(err)
			}
			if want := "arn:aws:sts::" + open + ":assumed-role/" + test.role + "/" + test.session; *who.Arn != want || *who.Account != open {
				t.Errorf("got %s of %s, want %s", *who.Arn, *who.Account, want)
			}
		})
	}
}

func TestUnknownCredentials(t *testing.T) {
	r := newTestbed(t)
	config := r.config(open, admin, east)
	config.Credentials = credentials.NewStaticCredentialsProvider("AKIANOBODY", "x", "")
	if _, err := secretsmanager.NewFromConfig(config).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}); code(err) != "UnrecognizedClientException" {
		t.Errorf("secretsmanager: got %v", err)
	}
	if _, err := sts.NewFromConfig(config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); code(err) != "InvalidClientTokenId" {
		t.Errorf("sts: got %v", err)
	}
	key := r.signers[open+admin]
	config.Credentials = credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "forged")
	if _, err := secretsmanager.NewFromConfig(config).ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}); code(err) != "UnrecognizedClientException" {
		t.Errorf("a key with another session's token: got %v", err)
	}
}
