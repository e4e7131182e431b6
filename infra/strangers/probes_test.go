package strangers_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge"
	eventbridgetypes "github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

// The list of cuts may only shrink: each row is tried, and one that ministack has no need of any more has to go.
func TestEachCutIsStillNeeded(t *testing.T) {
	t.Parallel() // most of its time it waits
	w := organize(t, start(t))
	for _, c := range cuts(t) {
		t.Run(c.String(), func(t *testing.T) {
			switch needed := w.needs(t, c); {
			case errors.Is(needed, errUntried):
				t.Skip(needed)
			case needed != nil:
				t.Error(needed)
			}
		})
	}
}

var errUntried = errors.New("tried by the journey")

// needs answers nil when ministack still does what a row says.
func (w *world) needs(t *testing.T, c cut) error {
	t.Helper()
	switch last := c.Path; {
	case c.Type == call:
		return errUntried
	case c.Type == conditions:
		return w.refusesConditions(t)
	case len(last) == 0:
		return w.refusesType(t, c.Type)
	case last[len(last)-1] == "events:source":
		return w.refusesPublishing(t)
	case last[len(last)-1] == "aws:ResourceOrgID":
		return w.refusesEntry(t, "", fmt.Sprintf(`"Condition":{"StringEquals":{"aws:ResourceOrgID":"%s"}},`, w.organization))
	case last[len(last)-1] == "aws:PrincipalOrgID":
		return w.refusesEntry(t, fmt.Sprintf(`"Condition":{"StringEquals":{"aws:PrincipalOrgID":"%s"}},`, w.organization), "")
	case last[len(last)-1] == "aws:PrincipalArn":
		return w.refusesEntry(t, fmt.Sprintf(`"Condition":{"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::%s:role/*"}},`, w.security), "")
	case c.Becomes != "":
		return w.refusesAliases(t)
	}
	return fmt.Errorf("%s: no probe tries it", c)
}

func (w *world) refusesType(t *testing.T, resource string) error {
	t.Helper()
	client := cloudformation.NewFromConfig(w.as(w.security, home))
	body := fmt.Sprintf(`{"Resources":{"One":{"Type":%q}}}`, resource)
	_, err := client.CreateStack(w.alive, &cloudformation.CreateStackInput{StackName: aws.String("probe"), TemplateBody: &body})
	if err == nil || !strings.Contains(err.Error(), resource) {
		return fmt.Errorf("CloudFormation answers %w to a %s: strike it if it is known now", errors.Join(err, errLearned), resource)
	}
	return nil
}

var errLearned = errors.New("what it did not before")

func (w *world) refusesConditions(t *testing.T) error {
	t.Helper()
	const body = `{"Conditions":{"Here":{"Fn::Equals":[{"Ref":"AWS::Region"},"` + home + `"]}},"Resources":{
		"Always":{"Type":"AWS::SQS::Queue"},"Here":{"Type":"AWS::SQS::Queue","Condition":"Here"}}}`
	w.create(t, w.security, home, "probe-conditions", body)
	client := cloudformation.NewFromConfig(w.as(w.security, home))
	out := must(client.DescribeStackResources(w.alive, &cloudformation.DescribeStackResourcesInput{StackName: aws.String("probe-conditions")}))(t)
	if len(out.StackResources) != 1 {
		return fmt.Errorf("%w: it makes %d of two resources where AWS makes both", errLearned, len(out.StackResources))
	}
	return nil
}

// refusesPublishing puts an event on a bus, with a right that is bound to its source; without the bond it may.
func (w *world) refusesPublishing(t *testing.T) error {
	t.Helper()
	publish := func(bond string) error {
		cfg := w.become(t, w.security, "publisher", `{"Effect":"Allow","Action":"events:PutEvents",`+bond+`"Resource":"*"}`)
		_, err := eventbridge.NewFromConfig(cfg).PutEvents(w.alive, &eventbridge.PutEventsInput{Entries: []eventbridgetypes.PutEventsRequestEntry{
			{Source: aws.String("doublelock"), DetailType: aws.String("Probe"), Detail: aws.String("{}")}}})
		return err
	}
	if err := publish(""); err != nil {
		t.Fatal(err)
	}
	return denied(publish(`"Condition":{"Null":{"events:source":"false"}},`))
}

// refusesEntry assumes a role in another account of the organization, by a trust and a right of which one is bound to it;
// without the bond it may.
func (w *world) refusesEntry(t *testing.T, trusted, allowed string) error {
	t.Helper()
	enter := func(trusted, allowed string) error {
		w.role(t, w.notified, "entered", w.security, trusted, `{"Effect":"Allow","Action":"sqs:ListQueues","Resource":"*"}`)
		cfg := w.become(t, w.security, "enterer", `{"Effect":"Allow","Action":"sts:AssumeRole",`+allowed+`"Resource":"*"}`)
		_, err := sts.NewFromConfig(cfg).AssumeRole(w.alive, &sts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::" + w.notified + ":role/entered"), RoleSessionName: aws.String("probe")})
		return err
	}
	if err := enter("", ""); err != nil {
		t.Fatal(err)
	}
	return denied(enter(trusted, allowed))
}

// refusesAliases looks at a key by its alias, with a right on every key.
func (w *world) refusesAliases(t *testing.T) error {
	t.Helper()
	keys := kms.NewFromConfig(w.as(w.security, home))
	key := must(keys.CreateKey(w.alive, &kms.CreateKeyInput{}))(t).KeyMetadata
	must(keys.CreateAlias(w.alive, &kms.CreateAliasInput{AliasName: aws.String("alias/probe"), TargetKeyId: key.KeyId}))(t)
	cfg := w.become(t, w.security, "looker", `{"Effect":"Allow","Action":"kms:DescribeKey","Resource":"arn:aws:kms:*:*:key/*"}`)
	must(kms.NewFromConfig(cfg).DescribeKey(w.alive, &kms.DescribeKeyInput{KeyId: key.KeyId}))(t)
	_, err := kms.NewFromConfig(cfg).DescribeKey(w.alive, &kms.DescribeKeyInput{KeyId: aws.String("alias/probe")})
	return denied(err)
}

// denied answers nil when a call was refused that AWS allows.
func denied(err error) error {
	var answer smithy.APIError
	if errors.As(err, &answer) && strings.HasPrefix(answer.ErrorCode(), "AccessDenied") {
		return nil
	}
	return fmt.Errorf("allowed, as by AWS: strike it (%w)", errors.Join(err, errLearned))
}

// become makes a role with one right and returns a session of it.
func (w *world) become(t *testing.T, account, name, statement string) aws.Config {
	t.Helper()
	w.role(t, account, name, account, "", statement)
	out := must(sts.NewFromConfig(w.as(account, home)).AssumeRole(w.alive, &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::" + account + ":role/" + name), RoleSessionName: aws.String("probe")}))(t).Credentials
	cfg := w.as(account, home)
	cfg.Credentials = credentials.NewStaticCredentialsProvider(*out.AccessKeyId, *out.SecretAccessKey, *out.SessionToken)
	return cfg
}

// role makes, or makes over, a role that an account trusts.
func (w *world) role(t *testing.T, account, name, trusts, condition, statement string) {
	t.Helper()
	client := iam.NewFromConfig(w.as(account, home))
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole",%s"Principal":{"AWS":"arn:aws:iam::%s:root"}}]}`, condition, trusts)
	if _, err := client.CreateRole(w.alive, &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}); err != nil {
		must(client.UpdateAssumeRolePolicy(w.alive, &iam.UpdateAssumeRolePolicyInput{RoleName: &name, PolicyDocument: &trust}))(t)
	}
	must(client.PutRolePolicy(w.alive, &iam.PutRolePolicyInput{RoleName: &name, PolicyName: aws.String("one"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[` + statement + `]}`)}))(t)
}
