package policy_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/doublelock/doublelock/shared/policy"
)

const fullAccess = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`

const typicalRole = `{"Version":"2012-10-17","Statement":[
	{"Sid":"Logs","Effect":"Allow","Action":["logs:CreateLogStream","logs:PutLogEvents"],"Resource":"arn:aws:logs:*:*:log-group:/aws/lambda/*"},
	{"Sid":"Queue","Effect":"Allow","Action":["sqs:ReceiveMessage","sqs:DeleteMessage"],"Resource":"arn:aws:sqs:eu-west-1:111122223333:orders"},
	{"Sid":"Secrets","Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:pay/*"},
	{"Sid":"Key","Effect":"Allow","Action":["kms:Decrypt","kms:DescribeKey"],"Resource":"arn:aws:kms:eu-west-1:111122223333:key/*",
	 "Condition":{"StringLike":{"kms:ViaService":"secretsmanager.*.amazonaws.com"},"StringEquals":{"kms:EncryptionContext:SecretARN":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:pay/db-AbCdEf"}}},
	{"Sid":"Table","Effect":"Allow","Action":["dynamodb:GetItem","dynamodb:Query"],"Resource":"arn:aws:dynamodb:eu-west-1:111122223333:table/orders"}]}`

const typicalKeyPolicy = `{"Version":"2012-10-17","Id":"key-default-1","Statement":[
	{"Sid":"Enable IAM User Permissions","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"kms:*","Resource":"*"},
	{"Sid":"Admin","Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:role/key-admin"},"Action":["kms:Put*","kms:Describe*","kms:Disable*","kms:ScheduleKeyDeletion"],"Resource":"*"},
	{"Sid":"Use","Effect":"Allow","Principal":{"AWS":["arn:aws:iam::111122223333:role/app","arn:aws:iam::111122223333:role/rotate"]},"Action":["kms:Decrypt","kms:GenerateDataKey"],"Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.eu-west-1.amazonaws.com"}}},
	{"Sid":"Org","Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*","Condition":{"StringNotEquals":{"aws:PrincipalOrgID":"o-ours"}}}]}`

const typicalSCP = `{"Version":"2012-10-17","Statement":[
	{"Sid":"Regions","Effect":"Deny","NotAction":["iam:*","sts:*","organizations:*"],"Resource":"*","Condition":{"StringNotEquals":{"aws:RequestedRegion":["eu-west-1","eu-central-1"]}}},
	{"Sid":"Keys","Effect":"Deny","Action":["kms:DisableKey","kms:ScheduleKeyDeletion"],"Resource":"*","Condition":{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/BreakGlass*"}}}]}`

func mustPrincipal(tb testing.TB, arn string) policy.Principal {
	tb.Helper()
	p, err := policy.ParsePrincipal(arn)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// BenchmarkRoleAgainstKeyPolicy is one evaluation, with its explanation; it has to stay under 20 µs and 50 allocations.
func BenchmarkRoleAgainstKeyPolicy(b *testing.B) {
	full, scp := policy.MustParse("FullAWSAccess", fullAccess), policy.MustParse("guardrails", typicalSCP)
	policies := policy.Policies{
		Identity: []*policy.Document{policy.MustParse("app", typicalRole)},
		SCPs:     [][]*policy.Document{{full, scp}, {full}, {full}},
		Resource: policy.MustParse("key policy", typicalKeyPolicy),
	}
	request := policy.Request{
		Principal: mustPrincipal(b, "arn:aws:sts::111122223333:assumed-role/app/run-1"), Action: "kms:Decrypt", Resource: key, ResourceAccount: account,
		Context: map[string][]string{
			"aws:RequestedRegion": {"eu-west-1"}, "aws:PrincipalOrgID": {"o-ours"}, "kms:ViaService": {"secretsmanager.eu-west-1.amazonaws.com"},
			"kms:EncryptionContext:SecretARN": {secret}, "aws:SourceIp": {"203.0.113.9"}, "aws:SecureTransport": {"true"},
		},
	}
	if d := policy.Evaluate(request, policies); d.Answer != policy.Allowed {
		b.Fatal(d.Why)
	}
	b.ReportAllocs()
	for b.Loop() {
		policy.Evaluate(request, policies)
	}
}

// estate is an account of roles and secrets: some of each ten roles may read all secrets, the others those of their
// team; one secret in fifty has a resource policy; forty keys protect them, half of which delegate to IAM.
type estate struct {
	roles    []policy.Principal
	identity [][]*policy.Document
	scps     [][]*policy.Document
	secrets  *policy.Index
	keys     *policy.Index
}

func newEstate(tb testing.TB, roles, secrets, administrators int) estate {
	full := policy.MustParse("FullAWSAccess", fullAccess)
	e := estate{scps: [][]*policy.Document{{full, policy.MustParse("guardrails", typicalSCP)}, {full}, {full}}}
	boundary := strings.NewReplacer("pay/db-AbCdEf", "*", `"StringEquals":{"kms:EncryptionContext:SecretARN":"arn:aws:secretsmanager:eu-west-1:111122223333:secret:*"}`, `"Bool":{"aws:SecureTransport":"true"}`)
	for i := range roles {
		team := fmt.Sprintf("secret:team%03d/", i%200)
		if i%10 < administrators {
			team = "secret:"
		}
		text := strings.ReplaceAll(boundary.Replace(typicalRole), "secret:pay/", team)
		e.roles = append(e.roles, mustPrincipal(tb, fmt.Sprintf("arn:aws:iam::%s:role/role%04d", account, i)))
		e.identity = append(e.identity, []*policy.Document{policy.MustParse("inline", text)})
	}
	keyPolicies := make([]*policy.Document, 40)
	for i := range keyPolicies {
		text := strings.ReplaceAll(typicalKeyPolicy, "role/app", fmt.Sprintf("role/role%04d", i))
		if i%2 == 0 {
			text = strings.ReplaceAll(text, ":root", ":role/key-admin")
		}
		keyPolicies[i] = policy.MustParse("key policy", text)
	}
	context := map[string][]string{"aws:RequestedRegion": {"eu-west-1"}, "aws:PrincipalOrgID": {"o-ours"}, "aws:SecureTransport": {"true"}}
	var secretTargets, keyTargets []policy.Target
	for i := range secrets {
		arn := fmt.Sprintf("arn:aws:secretsmanager:eu-west-1:%s:secret:team%03d/s%05d-AbCdEf", account, i%200, i)
		target := policy.Target{ARN: arn, Account: account, Context: context}
		if i%50 == 0 {
			target.Policy = policy.MustParse("secret policy", fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::%s:role/role%04d"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}}`, account, i%roles))
		}
		secretTargets = append(secretTargets, target)
		keyTargets = append(keyTargets, policy.Target{
			ARN: fmt.Sprintf("arn:aws:kms:eu-west-1:%s:key/%08d-12ab-34cd-56ef-1234567890ab", account, i%40), Account: account, Policy: keyPolicies[i%40],
			Context: map[string][]string{
				"aws:RequestedRegion": {"eu-west-1"}, "aws:PrincipalOrgID": {"o-ours"}, "aws:SecureTransport": {"true"},
				"kms:ViaService": {"secretsmanager.eu-west-1.amazonaws.com"}, "kms:EncryptionContext:SecretARN": {arn},
			},
		})
	}
	e.secrets, e.keys = policy.NewIndex(secretTargets), policy.NewIndex(keyTargets)
	return e
}

// readable counts the secrets that each role opens with both locks, on all processors.
func (e estate) readable() int {
	work := make(chan int)
	var total int
	var mu sync.Mutex
	var wait sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wait.Go(func() {
			for role := range work {
				count := e.opens(role)
				mu.Lock()
				total += count
				mu.Unlock()
			}
		})
	}
	for role := range e.roles {
		work <- role
	}
	close(work)
	wait.Wait()
	return total
}

func (e estate) opens(role int) int {
	policies := policy.Policies{Identity: e.identity[role], SCPs: e.scps}
	secrets := e.secrets.Ask(policy.Request{Principal: e.roles[role], Action: "secretsmanager:GetSecretValue"}, policies)
	keys := e.keys.Ask(policy.Request{Principal: e.roles[role], Action: "kms:Decrypt"}, policies)
	count := 0
	for i := range secrets.Candidates() {
		if secrets.Answer(i) == policy.Allowed && keys.Answer(i) == policy.Allowed {
			count++
		}
	}
	return count
}

func TestIndexFindsEveryReadableSecretOfAnEstate(t *testing.T) {
	t.Parallel()
	e := newEstate(t, 40, 400, 1)
	want := 0
	for role := range e.roles {
		policies := policy.Policies{Identity: e.identity[role], SCPs: e.scps}
		secrets := e.secrets.Ask(policy.Request{Principal: e.roles[role], Action: "secretsmanager:GetSecretValue"}, policies)
		keys := e.keys.Ask(policy.Request{Principal: e.roles[role], Action: "kms:Decrypt"}, policies)
		for i := range e.secrets.Targets() {
			if secrets.Decision(i).Answer == policy.Allowed && keys.Decision(i).Answer == policy.Allowed {
				want++
			}
		}
	}
	if got := e.readable(); got != want || want == 0 {
		t.Errorf("the index finds %d readable secrets, one by one there are %d", got, want)
	}
}

// BenchmarkReadableSecrets asks for all secrets that each of 1,000 roles can open among 10,000: both locks of ten
// million pairs. It has to stay under 10 s and 1 GB on two processors.
func BenchmarkReadableSecrets(b *testing.B) {
	e := newEstate(b, 1000, 10000, 1)
	b.ReportAllocs()
	for b.Loop() {
		if e.readable() == 0 {
			b.Fatal("nobody reads anything")
		}
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	b.ReportMetric(float64(memory.Sys)/(1<<20), "MB-system")
}

// BenchmarkReadableSecretsOfAdministrators is the worst case: every role may read every secret, so that no pair can
// be left out.
func BenchmarkReadableSecretsOfAdministrators(b *testing.B) {
	e := newEstate(b, 1000, 10000, 10)
	b.ReportAllocs()
	for b.Loop() {
		if e.readable() == 0 {
			b.Fatal("nobody reads anything")
		}
	}
}
