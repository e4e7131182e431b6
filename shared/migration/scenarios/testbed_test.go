package scenarios_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
)

const (
	farRegion  = "eu-west-1"
	secretName = "shop/db"
	rotator    = "arn:aws:lambda:eu-central-1:111122223333:function:rotate"
)

// testbed is a scenario built into a local AWS of its own.
type testbed struct {
	testing.TB
	*scenario
	aws    *localaws.AWS
	url    string
	now    *time.Time
	ou     string
	secret string            // ARN
	keys   map[string]string // ARN by name
	logins map[string]localaws.Credentials
	fill   *strings.Replacer
	made   []string // changes of the secret by our own sessions, in CloudTrail's order
	taken  bool     // what the drive takes away
	scp    *string  // that takes it
	owned  bool     // what its owner does was done
	halted int      // 0: nothing has gone wrong with others; then the rounds since
}

func newTestbed(t testing.TB, s *scenario, faults localaws.Faults) *testbed {
	t.Helper()
	now := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	w := &testbed{TB: t, scenario: s, now: &now, keys: map[string]string{}, logins: map[string]localaws.Credentials{}, fill: strings.NewReplacer()}
	w.aws = localaws.New(localaws.Options{Now: func() time.Time { return *w.now }, Seed: 1, Faults: faults, OnRecord: w.record, OnDecision: decided})
	url, stop, err := w.aws.Start()
	must(t, err)
	t.Cleanup(stop)
	w.url = url
	w.found()
	w.makeKeys()
	w.makeSecret()
	w.makeChanger()
	w.makeReaders()
	w.makeGrants()
	w.attachSCP("scp", s.SCP)
	return w
}

// record notes the changes that succeed. It runs inside the local AWS.
func (w *testbed) record(r localaws.Record) {
	identity, _ := r["userIdentity"].(map[string]any)
	arn, _ := identity["arn"].(string)
	name, _ := r["eventName"].(string)
	if strings.Contains(arn, ":assumed-role/doublelock-change/doublelock-") && r["errorCode"] == nil && changes[name] {
		if r["awsRegion"] != region {
			name += " in a replica's Region"
		}
		w.made = append(w.made, name)
	}
}

var changes = map[string]bool{"UpdateSecret": true, "RotateSecret": true, "RemoveRegionsFromReplication": true, "ReplicateSecretToRegions": true}

// settle is what happened before the plan: people read, some of them left, and keys changed state.
func (w *testbed) settle() {
	for _, name := range slices.Sorted(maps.Keys(w.Readers)) {
		r := w.Readers[name]
		if r.Seen && (r.Writes == "" || *r.Reads.Now) {
			if got := w.read(name); got != "" {
				w.Fatalf("%s is to be seen reading, and cannot: %s", name, got)
			}
		}
		if r.Seen && r.Writes != "" {
			if got := w.write(name); got != "" {
				w.Fatalf("%s is to be seen writing, and cannot: %s", name, got)
			}
		}
	}
	for name, r := range w.Readers {
		if r.Then != nil {
			w.aws.AddRole(w.account(r.Account), name, trustOf[r.Trust], w.document(r.Then, w.account(r.Account)))
		}
		if r.Deleted {
			client := iam.NewFromConfig(w.as(w.account(r.Account), "root", "us-east-1"))
			must(w, ignore(client.DeleteRolePolicy(w.Context(), &iam.DeleteRolePolicyInput{RoleName: &name, PolicyName: aws.String("inline-1")})))
			must(w, ignore(client.DeleteRole(w.Context(), &iam.DeleteRoleInput{RoleName: &name})))
		}
	}
	if w.Secret.Deleted {
		client := secretsmanager.NewFromConfig(w.as(w.account(w.Secret.Account), "root", region))
		must(w, ignore(client.DeleteSecret(w.Context(), &secretsmanager.DeleteSecretInput{SecretId: &w.secret, RecoveryWindowInDays: aws.Int64(7)})))
	}
	for name, k := range w.Keys {
		switch k.State {
		case "Disabled":
			w.kms(name, "DisableKey", nil)
		case "PendingDeletion":
			w.kms(name, "ScheduleKeyDeletion", map[string]any{"PendingWindowInDays": 7})
		}
	}
}

func (w *testbed) account(id string) string {
	if id == "" {
		return shop
	}
	return id
}

func (w *testbed) found() {
	w.aws.Organization("o-exampleorg", payer)
	w.ou = w.aws.AddOU("", "apps")
	w.aws.AddAccount("", hub, "security")
	w.aws.AddAccount(w.ou, shop, "shop")
	w.aws.AddAccount(w.ou, data, "data")
	for _, account := range []string{payer, hub, shop, data} {
		w.aws.AddRole(account, "doublelock-read", trustOfHub, policyText(may(`"*"`, "*"), blind))
		w.aws.AddRole(account, "doublelock-tag", trustOfHub, policyText(may(`["secretsmanager:TagResource","secretsmanager:UntagResource"]`, "*")))
		w.aws.AddRole(account, "Deployer", trustOfSelf, policyText(may(`["lambda:*","iam:PassRole"]`, "*")))
		w.aws.AddRole(account, "Owner", trustOfSelf, policyText(may(`["secretsmanager:*","kms:*"]`, "*"), blind))
	}
	w.aws.AddRole(hub, "operator", trustOfSelf, policyText(may(`"sts:AssumeRole"`, "*")))
}

// blind is what no role of ours and no owner may do here: they are no readers.
const blind = `{"Effect":"Deny","Action":["secretsmanager:GetSecretValue","secretsmanager:BatchGetSecretValue"],"Resource":"*"}`

// makeChanger makes the role that changes secrets, once there are keys that its policy can name.
func (w *testbed) makeChanger() {
	rights := []any{map[string]any{"Effect": "Allow", "Action": "*", "Resource": "*"}}
	if w.Changer != nil {
		rights = w.Changer
	}
	for _, account := range []string{payer, hub, shop, data} {
		w.aws.AddRole(account, "doublelock-change", trustOfHub, w.document(rights, account), policyText(blind))
	}
}

// document is a policy of words and statements.
func (w *testbed) document(statements []any, account string) string {
	return w.documentIn(statements, account, region)
}

func (w *testbed) documentIn(statements []any, account, region string) string {
	var list []string
	for _, s := range statements {
		text, err := statement(s, account, region, w.fill)
		if err != nil {
			w.Fatalf("%s: %v", w.file, err)
		}
		list = append(list, text)
	}
	return policyText(list...)
}

func (w *testbed) makeKeys() {
	for _, primary := range []bool{true, false} { // replicas of multi-Region keys come second
		for _, name := range slices.Sorted(maps.Keys(w.Keys)) {
			k := w.Keys[name]
			if (k.ReplicaOf == "") != primary {
				continue
			}
			account, in := w.account(k.Account), k.Region
			if in == "" {
				in = region
			}
			policy := w.documentIn(k.Policy, account, in)
			if !primary {
				made := w.service(account, region, "kms", "ReplicateKey", map[string]any{"KeyId": w.keys[k.ReplicaOf], "ReplicaRegion": in, "Policy": policy})
				w.keys[name] = arnIn(w, made, "ReplicaKeyMetadata")
				continue
			}
			var tags []map[string]string
			for key, value := range k.Tags {
				tags = append(tags, map[string]string{"TagKey": key, "TagValue": value})
			}
			made := w.service(account, in, "kms", "CreateKey", map[string]any{"Policy": policy, "MultiRegion": k.MultiRegion, "Tags": tags})
			w.keys[name] = arnIn(w, made, "KeyMetadata")
		}
	}
}

func arnIn(t testing.TB, made map[string]any, field string) string {
	t.Helper()
	metadata, _ := made[field].(map[string]any)
	arn, _ := metadata["Arn"].(string)
	if arn == "" {
		t.Fatalf("no ARN in %v", made)
	}
	return arn
}

// service calls as an AWS service, which may do everything.
func (w *testbed) service(account, region, service, operation string, in any) map[string]any {
	w.Helper()
	out, err := w.aws.As("cloudformation.amazonaws.com", account, region, service, operation, in)
	if err != nil {
		w.Fatalf("%s: %s %s: %v", w.file, service, operation, err)
	}
	return out
}

func (w *testbed) kms(key, operation string, in map[string]any) map[string]any {
	w.Helper()
	arn := w.keys[key]
	parts := strings.Split(arn, ":")
	input := map[string]any{"KeyId": arn}
	maps.Copy(input, in)
	return w.service(parts[4], parts[3], "kms", operation, input)
}

// key is what a file calls a key: one of its own, or as AWS does.
func (w *testbed) key(name string) string {
	if arn, found := w.keys[name]; found {
		return arn
	}
	return name
}

func (w *testbed) makeSecret() {
	s, account := w.Secret, w.account(w.Secret.Account)
	if s.Owner != "" {
		arn, err := w.aws.ServiceOwnedSecret(account, region, s.Owner, "cluster-1", w.key(s.Key))
		must(w, err)
		w.secret = arn
	} else {
		w.writeSecret(account)
	}
	fill := []string{"$(secret)", w.secret, "$(organization)", "o-exampleorg"}
	for name, arn := range w.keys {
		fill = append(fill, "$("+name+")", arn)
	}
	w.fill = strings.NewReplacer(fill...)
	client := secretsmanager.NewFromConfig(w.as(account, "role/Owner/o", region))
	if len(s.Policy) > 0 {
		text := w.document(s.Policy, account)
		must(w, ignore(client.PutResourcePolicy(w.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: &w.secret, ResourcePolicy: &text})))
	}
	if s.Moved != "" {
		must(w, ignore(client.UpdateSecret(w.Context(), &secretsmanager.UpdateSecretInput{SecretId: &w.secret, KmsKeyId: aws.String(w.key(s.Moved))})))
	}
	for in, key := range s.Replicas {
		w.service(account, region, "secretsmanager", "ReplicateSecretToRegions",
			map[string]any{"SecretId": w.secret, "AddReplicaRegions": []map[string]string{{"Region": in, "KmsKeyId": w.key(key)}}})
	}
}

func (w *testbed) writeSecret(account string) {
	s := w.Secret
	client := secretsmanager.NewFromConfig(w.as(account, "role/Owner/o", region))
	in := &secretsmanager.CreateSecretInput{Name: aws.String(secretName)}
	if s.Key != "" {
		in.KmsKeyId = aws.String(w.key(s.Key))
	}
	if s.Alias != "" {
		w.kmsAlias("CreateAlias", s.Key)
		in.KmsKeyId = aws.String(s.Alias)
	}
	for name, value := range s.Tags {
		in.Tags = append(in.Tags, secretTags(name, value)...)
	}
	made, err := client.CreateSecret(w.Context(), in)
	must(w, err)
	w.secret = *made.ARN
	versions := 1
	if s.Versions != nil {
		versions = *s.Versions
	}
	for range versions {
		w.put("not a real value")
	}
	for _, label := range s.Labels {
		must(w, ignore(client.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: &w.secret, SecretString: aws.String("labelled"), VersionStages: []string{label}})))
	}
	if s.Pending {
		must(w, ignore(client.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: &w.secret, SecretString: aws.String("not yet"), VersionStages: []string{"AWSPENDING"}})))
	}
}

// kmsAlias has the secret's alias name a key.
func (w *testbed) kmsAlias(operation, key string) {
	w.Helper()
	w.service(w.account(w.Secret.Account), region, "kms", operation, map[string]any{"AliasName": w.Secret.Alias, "TargetKeyId": w.key(key)})
}

// put writes a new version, as the owner does.
func (w *testbed) put(value string) {
	w.Helper()
	client := secretsmanager.NewFromConfig(w.as(w.account(w.Secret.Account), "role/Owner/o", region))
	must(w, ignore(client.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: &w.secret, SecretString: &value})))
}

func (w *testbed) makeReaders() {
	for _, name := range slices.Sorted(maps.Keys(w.Readers)) {
		w.makeReader(name, w.Readers[name])
	}
}

func (w *testbed) makeReader(name string, r person) {
	account := w.account(r.Account)
	client := iam.NewFromConfig(w.as(account, "root", "us-east-1"))
	if r.Kind == "user" {
		must(w, ignore(client.CreateUser(w.Context(), &iam.CreateUserInput{UserName: &name})))
		if len(r.May) > 0 {
			must(w, ignore(client.PutUserPolicy(w.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("own"), PolicyDocument: aws.String(w.document(r.May, account))})))
		}
		if len(r.Managed) > 0 {
			made, err := client.CreatePolicy(w.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("managed-" + name), PolicyDocument: aws.String(w.document(r.Managed, account))})
			must(w, err)
			must(w, ignore(client.AttachUserPolicy(w.Context(), &iam.AttachUserPolicyInput{UserName: &name, PolicyArn: made.Policy.Arn})))
		}
	} else {
		var policies []string
		if len(r.May) > 0 {
			policies = append(policies, w.document(r.May, account))
		}
		w.aws.AddRole(account, name, trustOf[r.Trust], policies...)
		for key, value := range r.Tags {
			must(w, ignore(client.TagRole(w.Context(), &iam.TagRoleInput{RoleName: &name, Tags: iamTags(key, value)})))
		}
	}
	if len(r.Boundary) > 0 {
		made, err := client.CreatePolicy(w.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("fence-" + name), PolicyDocument: aws.String(w.document(r.Boundary, account))})
		must(w, err)
		if r.Kind == "user" {
			must(w, ignore(client.PutUserPermissionsBoundary(w.Context(), &iam.PutUserPermissionsBoundaryInput{UserName: &name, PermissionsBoundary: made.Policy.Arn})))
		} else {
			must(w, ignore(client.PutRolePermissionsBoundary(w.Context(), &iam.PutRolePermissionsBoundaryInput{RoleName: &name, PermissionsBoundary: made.Policy.Arn})))
		}
	}
	if r.Rotates {
		arn := readerARN(account, name, r)
		must(w, ignore(lambda.NewFromConfig(w.as(account, "role/Deployer/d", region)).CreateFunction(w.Context(), &lambda.CreateFunctionInput{FunctionName: aws.String("rotate"),
			Role: &arn, Code: &lambdatypes.FunctionCode{ZipFile: []byte("x")}, Runtime: lambdatypes.RuntimeProvidedal2023, Handler: aws.String("bootstrap")})))
		w.aws.RotationFunction(rotator, arn)
		w.service(account, region, "secretsmanager", "RotateSecret", map[string]any{"SecretId": w.secret, "RotationLambdaARN": rotator,
			"RotationRules": map[string]any{"AutomaticallyAfterDays": 30}, "RotateImmediately": false})
	}
	w.logins[name] = w.login(account, name, r)
}

// trustOfWork lets a service start sessions, without tags of their own.
const trustOfWork = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["ecs-tasks.amazonaws.com","lambda.amazonaws.com"]},"Action":"sts:AssumeRole"}]}`

// trustOf is the trust policy of a role by who takes it.
var trustOf = map[string]string{
	"": trustOfWork, "people": trustOfSelf,
	"tagging":     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ecs-tasks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`,
	"deployments": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudformation.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	"provider": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Federated":"arn:aws:iam::111122223333:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"},` +
		`"Action":"sts:AssumeRoleWithWebIdentity"}]}`,
}

// login are the credentials that somebody reads with: a user's, or those of a session, perhaps with a policy of its own.
func (w *testbed) login(account, name string, r person) localaws.Credentials {
	if r.Kind == "user" {
		c, err := w.aws.Principal(account, "user/"+name)
		must(w, err)
		return c
	}
	in := map[string]any{"RoleArn": readerARN(account, name, r), "RoleSessionName": "task-1"}
	if len(r.Session) > 0 {
		in["Policy"] = w.document(r.Session, account)
	}
	if r.Trust != "" {
		c, err := w.aws.Principal(account, "role/"+name+"/task-1")
		must(w, err)
		return c
	}
	out, err := w.aws.As("ecs-tasks.amazonaws.com", account, region, "sts", "AssumeRole", in)
	must(w, err)
	c, _ := out["Credentials"].(map[string]any)
	return localaws.Credentials{AccessKeyID: fmt.Sprint(c["AccessKeyId"]), SecretAccessKey: fmt.Sprint(c["SecretAccessKey"]), SessionToken: fmt.Sprint(c["SessionToken"])}
}

func readerARN(account, name string, r person) string {
	if r.Kind == "user" {
		return "arn:aws:iam::" + account + ":user/" + name
	}
	return "arn:aws:iam::" + account + ":role/" + name
}

func (w *testbed) makeGrants() {
	for _, name := range slices.Sorted(maps.Keys(w.Keys)) {
		for _, g := range w.Keys[name].Grants {
			r := w.Readers[g.To]
			constraints := map[string]any{}
			for field, context := range map[string]map[string]string{"EncryptionContextSubset": g.Subset, "EncryptionContextEquals": g.Equals} {
				filled := map[string]string{}
				for key, value := range context {
					filled[key] = w.fill.Replace(value)
				}
				if len(filled) > 0 {
					constraints[field] = filled
				}
			}
			w.kms(name, "CreateGrant", map[string]any{"GranteePrincipal": readerARN(w.account(r.Account), g.To, r), "Operations": g.Operations, "Constraints": constraints})
		}
	}
}

// attachSCP puts an SCP on the OU of the accounts, and answers its id.
func (w *testbed) attachSCP(name string, statements []any) (id *string) {
	if len(statements) == 0 {
		return nil
	}
	client := organizations.NewFromConfig(w.as(payer, "root", "us-east-1"))
	text := w.document(statements, shop)
	made, err := client.CreatePolicy(w.Context(), &organizations.CreatePolicyInput{Name: &name, Description: aws.String("x"), Content: &text, Type: orgtypes.PolicyTypeServiceControlPolicy})
	must(w, err)
	id = made.Policy.PolicySummary.Id
	must(w, ignore(client.AttachPolicy(w.Context(), &organizations.AttachPolicyInput{PolicyId: id, TargetId: &w.ou})))
	return id
}

func (w *testbed) as(account, who, region string) aws.Config {
	w.Helper()
	c, err := w.aws.Principal(account, who)
	must(w, err)
	return w.config(c, region)
}

func (w *testbed) config(c localaws.Credentials, region string) aws.Config {
	return aws.Config{Region: region, BaseEndpoint: &w.url, Credentials: credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 8, time.Millisecond })
		}}
}

// read is the error code of what a reader gets, "" for the value.
func (w *testbed) read(name string) string {
	r := w.Readers[name]
	in, arn := r.Region, w.secret
	if in == "" {
		in = region
	}
	arn = strings.Replace(arn, ":"+region+":", ":"+in+":", 1)
	out, err := secretsmanager.NewFromConfig(w.config(w.logins[name], in)).GetSecretValue(w.Context(), &secretsmanager.GetSecretValueInput{SecretId: &arn, VersionStage: label(r.Asks)})
	if err == nil && aws.ToString(out.SecretString) == "" {
		return "no value"
	}
	return errorCode(err)
}

func label(of string) *string {
	if of == "" {
		return nil
	}
	return &of
}

// write is the error code of what somebody gets who writes a new version, "" for success.
func (w *testbed) write(name string) string {
	client := secretsmanager.NewFromConfig(w.config(w.logins[name], region))
	var err error
	if w.Readers[name].Writes == "update" {
		_, err = client.UpdateSecret(w.Context(), &secretsmanager.UpdateSecretInput{SecretId: &w.secret, SecretString: aws.String("updated")})
	} else {
		_, err = client.PutSecretValue(w.Context(), &secretsmanager.PutSecretValueInput{SecretId: &w.secret, SecretString: aws.String("put")})
	}
	return errorCode(err)
}

// writers are who writes, and whether they can.
func (w *testbed) writers() map[string]bool {
	out := map[string]bool{}
	for name, r := range w.Readers {
		if r.Writes != "" {
			out[name] = w.write(name) == ""
		}
	}
	return out
}

// busy are those that read between two visits: people who were never seen do not.
func (w *testbed) busy() {
	for name, r := range w.Readers {
		if r.Seen || r.Trust == "" || r.Trust == "provider" {
			w.read(name)
		}
	}
}

func (w *testbed) everybody() map[string]bool {
	out := map[string]bool{}
	for name := range w.Readers {
		out[name] = w.read(name) == ""
	}
	return out
}

// ref names the secret as adapters want it.
func (w *testbed) ref() guard.SecretRef {
	return guard.SecretRef{Account: w.account(w.Secret.Account), Region: region, ID: w.secret}
}
