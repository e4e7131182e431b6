package localaws_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
)

const (
	stranger = "999999999999" // of no organization

	// staysInside keeps resources to the organization.
	staysInside = `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":["secretsmanager:*","kms:*","sqs:*","sts:AssumeRole"],"Resource":"*",` +
		`"Condition":{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-exampleorg"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}}]}`
)

// resourceControls switches RCPs on.
func (r *testbed) resourceControls() {
	r.t.Helper()
	if _, err := r.org(payer).EnablePolicyType(r.t.Context(), &organizations.EnablePolicyTypeInput{RootId: r.rootID(), PolicyType: orgtypes.PolicyTypeResourceControlPolicy}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *testbed) rootID() *string {
	r.t.Helper()
	roots, err := r.org(payer).ListRoots(r.t.Context(), &organizations.ListRootsInput{})
	if err != nil {
		r.t.Fatal(err)
	}
	return roots.Roots[0].Id
}

func (r *testbed) newRCP(name, content string) (*string, error) {
	r.t.Helper()
	made, err := r.org(payer).CreatePolicy(r.t.Context(), &organizations.CreatePolicyInput{Name: &name, Description: aws.String(""),
		Content: &content, Type: orgtypes.PolicyTypeResourceControlPolicy})
	if err != nil {
		return nil, err
	}
	return made.Policy.PolicySummary.Id, nil
}

// fence attaches an RCP to a root, OU or account.
func (r *testbed) fence(target, content string) {
	r.t.Helper()
	id, err := r.newRCP("fence", content)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.org(payer).AttachPolicy(r.t.Context(), &organizations.AttachPolicyInput{PolicyId: id, TargetId: &target}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *testbed) queues(account, principal string) *sqs.Client {
	return sqs.NewFromConfig(r.config(account, principal, east))
}

// lets is a resource policy that lets a whole account do everything.
func lets(account string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"*","Resource":"*"}]}`
}

// An RCP binds the resources of an account, whoever comes.
func TestResourceControlPolicies(t *testing.T) {
	for name, test := range map[string]struct {
		at      string                        // where the policy is attached: root, guarded, or the account
		comes   string                        // principal's account
		as      string                        // "" is an administrator
		owner   string                        // of the resources
		call    func(*testbed, visitor) error // what is tried
		denied  bool                          // with an explicit deny in a resource control policy
		setting func(*testbed)
	}{
		"a foreign read of a secret is denied":              {at: "guarded", comes: stranger, owner: guarded, call: readsIt, denied: true},
		"a foreign change of its policy is denied":          {at: "guarded", comes: stranger, owner: guarded, call: changesPolicy, denied: true},
		"a foreign use of a key is denied":                  {at: "guarded", comes: stranger, owner: guarded, call: encrypts, denied: true},
		"a foreign session of a role is denied":             {at: "guarded", comes: stranger, owner: guarded, call: assumes, denied: true},
		"a foreign message for a queue is denied":           {at: "guarded", comes: stranger, owner: guarded, call: sends, denied: true},
		"on the root it reaches every OU":                   {at: "root", comes: stranger, owner: open, call: readsIt, denied: true},
		"on the account it reaches that":                    {at: guarded, comes: stranger, owner: guarded, call: readsIt, denied: true},
		"another account of the organization comes in":      {at: "guarded", comes: open, owner: guarded, call: readsIt},
		"its own people do":                                 {at: "guarded", comes: guarded, owner: guarded, call: readsIt},
		"it is not about accounts beside the OU":            {at: "guarded", comes: stranger, owner: open, call: readsIt},
		"it never binds the management account's resources": {at: "root", comes: stranger, owner: payer, call: readsIt},
		"it never binds a service-linked role":              {at: "guarded", comes: stranger, as: "role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS/x", owner: guarded, call: readsIt},
		"switched off it binds nobody":                      {at: "guarded", comes: stranger, owner: guarded, call: readsIt, setting: switchedOff},
		"an account that was moved away is not under it":    {at: "guarded", comes: stranger, owner: guarded, call: readsIt, setting: movedAway},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestbed(t)
			r.resourceControls()
			target := map[string]string{"root": *r.rootID(), "guarded": r.units["guarded"], guarded: guarded}[test.at]
			r.fence(target, staysInside)
			if test.setting != nil {
				test.setting(r)
			}
			to := r.shares(test.owner, test.comes)
			to.account, to.principal = test.comes, test.as
			if to.principal == "" {
				to.principal = admin
			}
			err := test.call(r, to)
			if !test.denied {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !strings.HasPrefix(code(err), "AccessDenied") {
				t.Fatalf("got %v, want a refusal", err)
			}
			if !strings.HasSuffix(message(err), "with an explicit deny in a resource control policy") && !strings.Contains(message(err), "sts:AssumeRole") { // STS gives no reasons
				t.Errorf("got %v", err)
			}
		})
	}
}

// visitor is who comes from outside, and the resources that let him in.
type visitor struct{ account, principal, secret, key, role, queue string }

// shares makes a secret under a key, a role and a queue that all let an account in.
func (r *testbed) shares(owner, account string) visitor {
	r.t.Helper()
	policy := lets(account)
	own := strings.Replace(policy, `"arn:aws:iam::`+account+`:root"`, `["arn:aws:iam::`+account+`:root","arn:aws:iam::`+owner+`:root"]`, 1)
	out := visitor{key: r.key(owner, east, keyPolicy(own)), role: "arn:aws:iam::" + owner + ":role/Shared"}
	sm := r.secrets(owner, admin, east)
	out.secret = r.create(sm, "shared/db", under(out.key))
	if _, err := sm.PutResourcePolicy(r.t.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: &out.secret, ResourcePolicy: &policy}); err != nil {
		r.t.Fatal(err)
	}
	r.AddRole(owner, "Shared", strings.Replace(strings.Replace(policy, `"Action":"*"`, `"Action":"sts:AssumeRole"`, 1), `,"Resource":"*"`, "", 1))
	made, err := r.queues(owner, admin).CreateQueue(r.t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("shared"), Attributes: map[string]string{"Policy": policy}})
	if err != nil {
		r.t.Fatal(err)
	}
	out.queue = *made.QueueUrl
	return out
}

func readsIt(r *testbed, o visitor) error {
	_, err := r.secrets(o.account, o.principal, east).GetSecretValue(r.t.Context(), &secretsmanager.GetSecretValueInput{SecretId: &o.secret})
	return err
}

func changesPolicy(r *testbed, o visitor) error {
	_, err := r.secrets(o.account, o.principal, east).PutResourcePolicy(r.t.Context(), &secretsmanager.PutResourcePolicyInput{SecretId: &o.secret, ResourcePolicy: aws.String(lets(o.account))})
	return err
}

func encrypts(r *testbed, o visitor) error {
	_, err := r.keys(o.account, o.principal, east).Encrypt(r.t.Context(), &kms.EncryptInput{KeyId: &o.key, Plaintext: []byte("x")})
	return err
}

func assumes(r *testbed, o visitor) error {
	_, err := r.sts(o.account, o.principal).AssumeRole(r.t.Context(), &sts.AssumeRoleInput{RoleArn: &o.role, RoleSessionName: aws.String("stranger")})
	return err
}

func sends(r *testbed, o visitor) error {
	_, err := r.queues(o.account, o.principal).SendMessage(r.t.Context(), &sqs.SendMessageInput{QueueUrl: &o.queue, MessageBody: aws.String("x")})
	return err
}

func switchedOff(r *testbed) {
	r.t.Helper()
	if _, err := r.org(payer).DisablePolicyType(r.t.Context(), &organizations.DisablePolicyTypeInput{RootId: r.rootID(), PolicyType: orgtypes.PolicyTypeResourceControlPolicy}); err != nil {
		r.t.Fatal(err)
	}
}

func movedAway(r *testbed) {
	r.t.Helper()
	if _, err := r.org(payer).MoveAccount(r.t.Context(), &organizations.MoveAccountInput{AccountId: aws.String(guarded),
		SourceParentId: aws.String(r.units["guarded"]), DestinationParentId: aws.String(r.units["open"])}); err != nil {
		r.t.Fatal(err)
	}
}

// A key that AWS manages is not bound; the secret under it is.
func TestAResourceControlPolicyLeavesKeysOfAWSAlone(t *testing.T) {
	r := newTestbed(t)
	r.resourceControls()
	r.fence(r.units["guarded"], `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"kms:*","Resource":"*"}]}`)
	sm := r.secrets(guarded, admin, east)
	if got := r.read(sm, r.create(sm, "under/aws")); got != "first" {
		t.Errorf("under the AWS managed key: read %s", got)
	}
	if _, err := r.keys(guarded, admin, east).CreateKey(t.Context(), &kms.CreateKeyInput{}); !strings.HasSuffix(message(err), "with an explicit deny in a resource control policy") {
		t.Errorf("a key of their own: got %v", err)
	}
}

func TestTheTypeOfResourceControlPolicies(t *testing.T) {
	r := newTestbed(t)
	target := r.units["guarded"]
	attached := func() (names []string) {
		of, err := r.org(payer).ListPoliciesForTarget(t.Context(), &organizations.ListPoliciesForTargetInput{TargetId: &target, Filter: orgtypes.PolicyTypeResourceControlPolicy})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range of.Policies {
			names = append(names, *p.Name)
		}
		return names
	}
	attach := func(id *string) error {
		_, err := r.org(payer).AttachPolicy(t.Context(), &organizations.AttachPolicyInput{PolicyId: id, TargetId: &target})
		return err
	}
	first, err := r.newRCP("first", staysInside)
	if err != nil {
		t.Fatal(err)
	}
	if err := attach(first); code(err) != "PolicyTypeNotEnabledException" {
		t.Errorf("before it is switched on: got %v", err)
	}
	if got := attached(); len(got) > 0 {
		t.Errorf("before it is switched on %v are attached", got)
	}
	r.resourceControls()
	if diff := cmp.Diff([]string{"RCPFullAWSAccess"}, attached()); diff != "" {
		t.Errorf("when it is switched on (-want +got):\n%s", diff)
	}
	if err := attach(first); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"RCPFullAWSAccess", "first"}, attached()); diff != "" {
		t.Errorf("attached (-want +got):\n%s", diff)
	}
	for _, name := range []string{"second", "third", "fourth"} {
		id, err := r.newRCP(name, staysInside)
		if err != nil {
			t.Fatal(err)
		}
		if err := attach(id); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	fifth, err := r.newRCP("fifth", staysInside)
	if err != nil {
		t.Fatal(err)
	}
	if err := attach(fifth); code(err) != "ConstraintViolationException" {
		t.Errorf("the sixth with AWS's own: got %v", err)
	}
	if _, err := r.org(payer).DetachPolicy(t.Context(), &organizations.DetachPolicyInput{PolicyId: aws.String("p-RCPFullAWSAccess"), TargetId: &target}); code(err) != "ConstraintViolationException" {
		t.Errorf("detaching AWS's own: got %v", err)
	}
	for name, content := range map[string]string{
		"one that allows":              `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"kms:*","Resource":"*"}]}`,
		"one that names a principal":   lets(stranger),
		"one without a principal":      `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"kms:*","Resource":"*"}]}`,
		"one about every service":      `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"*"}]}`,
		"one that is no policy at all": `{"Statement":[]`,
	} {
		if _, err := r.newRCP(name, content); code(err) != "MalformedPolicyDocumentException" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := r.newRCP("long", staysInside+strings.Repeat(" ", 5121-len(staysInside))); code(err) != "ConstraintViolationException" {
		t.Errorf("5,121 characters: got %v", err)
	}
	if _, err := r.newRCP("full", staysInside+strings.Repeat(" ", 5120-len(staysInside))); err != nil {
		t.Errorf("5,120 characters: got %v", err)
	}
	switchedOff(r)
	r.resourceControls()
	if diff := cmp.Diff([]string{"RCPFullAWSAccess"}, attached()); diff != "" {
		t.Errorf("switched off and on again (-want +got):\n%s", diff)
	}
}

// A service that acts for somebody else's resource is stopped where the policy says so.
func TestAResourceControlPolicyStopsServicesThatActForStrangers(t *testing.T) {
	r := newTestbed(t)
	r.resourceControls()
	r.fence(r.units["guarded"], `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"sqs:*","Resource":"*","Condition":{`+
		`"Bool":{"aws:PrincipalIsAWSService":"true"},"Null":{"aws:SourceAccount":"false"},"StringNotEqualsIfExists":{"aws:SourceOrgID":"o-exampleorg"}}}]}`)
	for name, test := range map[string]struct {
		account string
		want    int
	}{
		"of an account of the organization it delivers": {open, 1},
		"of a stranger it does not":                     {stranger, 0},
	} {
		t.Run(name, func(t *testing.T) {
			name := "from-" + test.account
			made, err := r.queues(guarded, admin).CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: map[string]string{
				"Policy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"sns.amazonaws.com"},"Action":"sqs:SendMessage","Resource":"*"}]}`}})
			if err != nil {
				t.Fatal(err)
			}
			topic, err := r.AsPrincipal(test.account, admin, east, "sns", "CreateTopic", map[string]any{"Name": "news"})
			if err != nil {
				t.Fatal(err)
			}
			subscribe := map[string]any{"TopicArn": topic["TopicArn"], "Protocol": "sqs", "Endpoint": "arn:aws:sqs:" + east + ":" + guarded + ":" + name}
			if _, err := r.AsPrincipal(test.account, admin, east, "sns", "Subscribe", subscribe); err != nil {
				t.Fatal(err)
			}
			if _, err := r.AsPrincipal(test.account, admin, east, "sns", "Publish", map[string]any{"TopicArn": topic["TopicArn"], "Message": "hello"}); err != nil {
				t.Fatal(err)
			}
			if err := r.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			got, err := r.queues(guarded, admin).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: made.QueueUrl})
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Messages) != test.want {
				t.Errorf("%d messages, want %d", len(got.Messages), test.want)
			}
		})
	}
}
