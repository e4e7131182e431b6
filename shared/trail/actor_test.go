package trail_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/trail"
	"github.com/google/go-cmp/cmp"
)

func TestActor(t *testing.T) {
	tests := map[string]struct {
		identity  string
		want      trail.Actor
		printed   string
		principal string
	}{
		"root of an account": {
			identity:  `{"type":"Root","principalId":"111122223333","arn":"arn:aws:iam::111122223333:root","accountId":"111122223333"}`,
			want:      trail.Actor{Type: "Root", ARN: "arn:aws:iam::111122223333:root", Account: "111122223333", Name: "root"},
			printed:   "arn:aws:iam::111122223333:root",
			principal: "arn:aws:iam::111122223333:root",
		},
		"an IAM user in the console": {
			identity:  `{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/maria","accountId":"111122223333","userName":"maria","sessionContext":{"attributes":{"mfaAuthenticated":"false"}}}`,
			want:      trail.Actor{Type: "IAMUser", ARN: "arn:aws:iam::111122223333:user/maria", Account: "111122223333", Name: "maria"},
			printed:   "arn:aws:iam::111122223333:user/maria",
			principal: "arn:aws:iam::111122223333:user/maria",
		},
		"an assumed role with a path": {
			identity: `{"type":"AssumedRole","principalId":"AROA:s","arn":"arn:aws:sts::111122223333:assumed-role/app/s","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/team/app","userName":"app"}}}`,
			want: trail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/app/s", Account: "111122223333",
				Name: "app", SessionName: "s", RoleARN: "arn:aws:iam::111122223333:role/team/app"},
			printed:   "arn:aws:sts::111122223333:assumed-role/app/s",
			principal: "arn:aws:iam::111122223333:role/team/app",
		},
		"an assumed role whose issuer is empty": {
			identity: `{"type":"AssumedRole","principalId":"AROA:s","arn":"arn:aws:sts::111122223333:assumed-role/app/s","accountId":"111122223333","sessionContext":{"sessionIssuer":{}},"invokedBy":"secretsmanager.amazonaws.com"}`,
			want: trail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::111122223333:assumed-role/app/s", Account: "111122223333",
				Name: "app", SessionName: "s", InvokedBy: "secretsmanager.amazonaws.com"},
			printed:   "arn:aws:sts::111122223333:assumed-role/app/s",
			principal: "arn:aws:iam::111122223333:role/app",
		},
		"an assumed role without an ARN": {
			identity: `{"type":"AssumedRole","principalId":"AROA:s","accountId":"111122223333","sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/app","userName":"app"}}}`,
			want: trail.Actor{Type: "AssumedRole", Account: "111122223333", Name: "app", SessionName: "s",
				RoleARN: "arn:aws:iam::111122223333:role/app"},
			printed:   "111122223333/app",
			principal: "arn:aws:iam::111122223333:role/app",
		},
		"a federated user": {
			identity: `{"type":"FederatedUser","principalId":"111122223333:joe","arn":"arn:aws:sts::111122223333:federated-user/joe","accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/broker","userName":"broker"}}}`,
			want: trail.Actor{Type: "FederatedUser", ARN: "arn:aws:sts::111122223333:federated-user/joe", Account: "111122223333",
				Name: "broker", SessionName: "joe"},
			printed:   "arn:aws:sts::111122223333:federated-user/joe",
			principal: "arn:aws:sts::111122223333:federated-user/joe",
		},
		"a web identity": {
			identity: `{"type":"WebIdentityUser","principalId":"token.actions.githubusercontent.com:sts.amazonaws.com:repo","userName":"repo:shop/api:ref","identityProvider":"token.actions.githubusercontent.com"}`,
			want:     trail.Actor{Type: "WebIdentityUser", Name: "repo:shop/api:ref"},
			printed:  "repo:shop/api:ref",
		},
		"a caller in another account": {
			identity: `{"type":"AWSAccount","principalId":"AIDAEXAMPLE","accountId":"222233334444"}`,
			want:     trail.Actor{Type: "AWSAccount", Account: "222233334444", Name: "AIDAEXAMPLE"},
			printed:  "222233334444/AIDAEXAMPLE",
		},
		"a service": {
			identity: `{"type":"AWSService","invokedBy":"config.amazonaws.com"}`,
			want:     trail.Actor{Type: "AWSService", InvokedBy: "config.amazonaws.com"},
			printed:  "config.amazonaws.com",
		},
		"a service event has no type": {
			identity: `{"accountId":"111122223333","invokedBy":"AWS Internal"}`,
			want:     trail.Actor{Account: "111122223333", InvokedBy: "AWS Internal"},
			printed:  "AWS Internal",
		},
		"an Identity Center user": {
			identity: `{"type":"IdentityCenterUser","accountId":"111122223333","onBehalfOf":{"userId":"544894e8-80c1-707f-60e3-3ba6510dfac1","identityStoreArn":"arn:aws:identitystore::111122223333:identitystore/d-9067642ac7"},"credentialId":"x"}`,
			want:     trail.Actor{Type: "IdentityCenterUser", Account: "111122223333", Name: "544894e8-80c1-707f-60e3-3ba6510dfac1"},
			printed:  "IdentityCenterUser 544894e8-80c1-707f-60e3-3ba6510dfac1",
		},
		"a directory": {
			identity: `{"type":"Directory","userName":"joe"}`,
			want:     trail.Actor{Type: "Directory", Name: "joe"},
			printed:  "joe",
		},
		"only an account": {
			identity: `{"type":"Unknown","accountId":"222233334444"}`,
			want:     trail.Actor{Type: "Unknown", Account: "222233334444"},
			printed:  "222233334444",
		},
		"nobody": {identity: `{}`},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			got, err := trail.Decode([]byte(`{"eventSource":"secretsmanager.amazonaws.com","eventName":"PutSecretValue","userIdentity":` + test.identity + `}`))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got.Actor); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if got.Actor.String() != test.printed {
				t.Errorf("printed %q, want %q", got.Actor, test.printed)
			}
			if got.Actor.PrincipalARN() != test.principal {
				t.Errorf("principal %q, want %q", got.Actor.PrincipalARN(), test.principal)
			}
		})
	}
}

func TestActorOwn(t *testing.T) {
	tests := map[string]struct {
		arn  string
		want bool
	}{
		"our session of our role":                 {"arn:aws:sts::111122223333:assumed-role/doublelock-change/doublelock-remediate", true},
		"a session that only calls itself ours":   {"arn:aws:sts::111122223333:assumed-role/Admin/doublelock-remediate", false},
		"a role with our prefix that is not ours": {"arn:aws:sts::111122223333:assumed-role/doublelock-ops/doublelock-detect", false},
		"a person in our role":                    {"arn:aws:sts::111122223333:assumed-role/doublelock-change/mallory", false},
		"a user that calls itself ours":           {"arn:aws:iam::111122223333:user/doublelock-remediate", false},
		"a role that ends in the words of a role": {"arn:aws:sts::111122223333:assumed-role/x:assumed-role/doublelock-a/doublelock-b", false},
		"nobody": {"", false},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			if got := (trail.Actor{ARN: test.arn}).Own(); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestActorRoles(t *testing.T) {
	linked := trail.Actor{RoleARN: "arn:aws:iam::111122223333:role/aws-service-role/rds.amazonaws.com/AWSServiceRoleForRDS"}
	if !linked.ServiceLinked() {
		t.Error("a service-linked role is not recognized")
	}
	if (trail.Actor{RoleARN: "arn:aws:iam::111122223333:role/app"}).ServiceLinked() {
		t.Error("a common role is taken for a service-linked one")
	}
	person := trail.Actor{ARN: "arn:aws:sts::111122223333:assumed-role/AWSReservedSSO_Read_Only_0123456789abcdef/maria"}
	if got := person.PermissionSet(); got != "Read_Only" {
		t.Errorf("permission set %q", got)
	}
	if got := (trail.Actor{ARN: pipeline}).PermissionSet(); got != "" {
		t.Errorf("permission set %q of a common role", got)
	}
}

func TestTool(t *testing.T) {
	tests := map[string]struct{ agent, want string }{
		"Terraform's provider":      {"APN/1.0 HashiCorp/1.0 Terraform/1.12.1 (+https://www.terraform.io) terraform-provider-aws/6.4.0 aws-sdk-go-v2/1.36.5", "terraform"},
		"OpenTofu":                  {"APN/1.0 OpenTofu/1.9.0 aws-sdk-go-v2/1.36.5", "terraform"},
		"Pulumi on Terraform's":     {"APN/1.0 Pulumi/1.0 PulumiAwsClassic/7.0 terraform-provider-aws/6.4.0 aws-sdk-go-v2/1.36.5", "pulumi"},
		"CloudFormation":            {"cloudformation.amazonaws.com", "cloudformation"},
		"CloudFormation by name":    {"AWS CloudFormation", "cloudformation"},
		"the CDK's command line":    {"aws-cdk/2.1148.1 aws-sdk-js/3.800.0", "cdk"},
		"a browser":                 {"Mozilla/5.0 (X11; Linux x86_64)", "console"},
		"the console itself":        {"console.amazonaws.com", "console"},
		"the command line":          {"aws-cli/2.31.4 md/awscrt#0.27.6 md/Botocore#2.0", "cli"},
		"Python":                    {"Boto3/1.40.1 md/Botocore#1.40.1", "sdk"},
		"Go":                        {"aws-sdk-go-v2/1.47.7 os/linux", "sdk"},
		"Java":                      {"aws-sdk-java/2.32.4", "sdk"},
		"KMS for Secrets Manager":   {"secretsmanager.amazonaws.com", ""},
		"AWS itself":                {"AWS Internal", ""},
		"nothing":                   {"", ""},
		"something of somebody's":   {"stratus-red-team_0a05817a", ""},
		"an SDK for Rust":           {"aws-sdk-rust/1.3.7 os/linux", "sdk"},
		"a browser behind the SDK":  {"aws-sdk-js/3.800.0 ua/2.1 Mozilla/5.0", "sdk"},
		"a sign-in":                 {"signin.amazonaws.com", "console"},
		"Terraform's other product": {"HashiCorp-terraform-exec/0.17.3", "terraform"},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			if got := trail.Tool(test.agent); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
