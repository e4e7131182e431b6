package inventory_test

import (
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// A policy that names a session lets in that one alone: of the role that is certain where somebody chooses the name of its sessions.
// Source: IAM User Guide, "AWS JSON policy elements: Principal", role session principals; "IAM and AWS STS condition context keys",
// sts:RoleSessionName.
func TestASessionThatAPolicyNamesOpensForItsRoleWhereSomebodyChoosesItsName(t *testing.T) {
	const session = "arn:aws:sts::111122223333:assumed-role/probe/bob"
	trust := func(principal, action, condition string) string {
		return document(`{"Effect":"Allow","Principal":` + principal + `,"Action":"` + action + `","Condition":{` + condition + `}}`)
	}
	for sentence, tt := range map[string]struct {
		trust string
		want  policy.Answer
	}{
		"a service names them":         {trust(`{"Service":"ecs-tasks.amazonaws.com"}`, "sts:AssumeRole", ""), may},
		"instances do":                 {trust(`{"Service":"ec2.amazonaws.com"}`, "sts:AssumeRole", ""), may},
		"whoever takes it":             {trust(`{"AWS":"111122223333"}`, "sts:AssumeRole", ""), yes},
		"another role":                 {trust(`{"AWS":"`+roleARN(data, "pipeline")+`"}`, "sts:AssumeRole", ""), yes},
		"a service or a person":        {trust(`{"Service":"ec2.amazonaws.com","AWS":"111122223333"}`, "sts:*", ""), yes},
		"a SAML provider":              {trust(`{"Federated":"arn:aws:iam::111122223333:saml-provider/Okta"}`, "sts:AssumeRoleWithSAML", ""), yes},
		"a web identity":               {trust(`{"Federated":"accounts.google.com"}`, "sts:AssumeRoleWithWebIdentity", ""), yes},
		"it is one of the names":       {trust(`{"AWS":"111122223333"}`, "sts:AssumeRole", `"StringEquals":{"sts:RoleSessionName":["ann","bob"]}`), yes},
		"it is like the names":         {trust(`{"AWS":"111122223333"}`, "sts:AssumeRole", `"StringLike":{"sts:RoleSessionName":"b*"}`), yes},
		"it is none of the names":      {trust(`{"AWS":"111122223333"}`, "sts:AssumeRole", `"StringEquals":{"sts:RoleSessionName":"ann"}`), may},
		"the name is the user's":       {trust(`{"AWS":"111122223333"}`, "sts:AssumeRole", `"StringEquals":{"sts:RoleSessionName":"${aws:username}"}`), may},
		"tags alone":                   {trust(`{"AWS":"111122223333"}`, "sts:TagSession", ""), may},
		"the trust policy is not read": {"{", may},
		"nobody is let in":             {document(`{"Effect":"Deny","Principal":"*","Action":"sts:*"}`), may},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			probe := role(shop, "probe")
			probe.Trust = tt.trust
			s.Principals = append(s.Principals, probe)
			s.Secrets[0].Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + session + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
			s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)
			access := inventory.Prepare(s)
			r, can := bothAnswers(t, access, roleARN(shop, "probe"), secretARN("shop/db"))
			if r.Answer != tt.want || can != tt.want || r.As != "session bob" {
				t.Errorf("explain %s as %q, can %s, want %s: %s", r.Answer, r.As, can, tt.want, r.Why())
			}
			if tt.want == may && !strings.Contains(r.SecretLock.Why, "only as session bob") {
				t.Error(r.SecretLock.Why)
			}
			if of, can := bothAnswers(t, access, session, secretARN("shop/db")); of.Answer != yes || can != yes {
				t.Errorf("the session itself: %s, %s", of.Answer, can)
			}
		})
	}
}

func bothAnswers(t *testing.T, access *inventory.Access, who, secret string) (inventory.Reader, policy.Answer) {
	t.Helper()
	r, err := access.Explain(who, secret)
	if err != nil {
		t.Fatal(err)
	}
	can, err := access.Can(who)
	if err != nil {
		t.Fatal(err)
	}
	return r, answerIn(can, secret)
}

// A user opens what one of its federated sessions opens that a policy names.
// Source: STS API Reference, GetFederationToken; IAM User Guide, "AWS JSON policy elements: Principal", AWS STS federated user session
// principals.
func TestAUserOpensWhatItsFederatedSessionOpens(t *testing.T) {
	const user, fay = "arn:aws:iam::111122223333:user/probe", "arn:aws:sts::111122223333:federated-user/fay"
	for sentence, tt := range map[string]struct {
		statement string
		want      policy.Answer
	}{
		"it may get the session":                {allow("sts:GetFederationToken", fay), yes},
		"it may get any":                        {allow("sts:*", "*"), yes},
		"it may get another":                    {allow("sts:GetFederationToken", "arn:aws:sts::111122223333:federated-user/joe"), no},
		"it may get none":                       {allow("sts:AssumeRole", "*"), no},
		"it may get it from somewhere, perhaps": {`{"Effect":"Allow","Action":"sts:GetFederationToken","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}`, may},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			s.Principals = append(s.Principals, inventory.Principal{ARN: user, Kind: inventory.User, Account: shop, Inline: map[string]string{"inline": document(tt.statement)}})
			s.Secrets[0].Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + fay + `"},"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
			s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":{"AWS":"` + fay + `"},"Action":"kms:Decrypt","Resource":"*"}`)
			r, can := bothAnswers(t, inventory.Prepare(s), user, secretARN("shop/db"))
			if r.Answer != tt.want || can != tt.want {
				t.Errorf("explain %s, can %s, want %s: %s", r.Answer, can, tt.want, r.Why())
			}
		})
	}
}

// A role that an identity provider signs in to may open what a policy gives to whom the provider signed in, and no other does.
func TestARoleMayOpenWhatAPolicyGivesToItsIdentityProvider(t *testing.T) {
	const okta = `{"Federated":"arn:aws:iam::111122223333:saml-provider/Okta"}`
	for sentence, tt := range map[string]struct {
		secret, key string // principals
		want        policy.Answer
	}{
		"in the secret's policy": {okta, `"*"`, may},
		"in the key's policy":    {`"*"`, okta, may},
		"in both":                {okta, okta, may},
		"of another provider":    {`{"Federated":"arn:aws:iam::111122223333:saml-provider/Other"}`, `"*"`, no},
	} {
		t.Run(sentence, func(t *testing.T) {
			s := acme()
			probe := role(shop, "probe")
			probe.Trust = document(`{"Effect":"Allow","Principal":` + okta + `,"Action":"sts:AssumeRoleWithSAML"}`)
			s.Principals = append(s.Principals, probe, role(shop, "other"))
			s.Secrets[0].Policy = document(`{"Effect":"Allow","Principal":` + tt.secret + `,"Action":"secretsmanager:GetSecretValue","Resource":"*"}`)
			s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":` + tt.key + `,"Action":"kms:Decrypt","Resource":"*"}`)
			access := inventory.Prepare(s)
			if r, can := bothAnswers(t, access, roleARN(shop, "probe"), secretARN("shop/db")); r.Answer != tt.want || can != tt.want {
				t.Errorf("explain %s, can %s, want %s: %s", r.Answer, can, tt.want, r.Why())
			}
			if r, can := bothAnswers(t, access, roleARN(shop, "other"), secretARN("shop/db")); r.Answer != no || can != no {
				t.Errorf("a role without the provider: explain %s, can %s: %s", r.Answer, can, r.Why())
			}
		})
	}
}

// Whoever reads may go through a service that reads for him: a policy that asks for that leaves the answer open, and one that asks
// for the opposite does not.
// Source: IAM User Guide, "AWS global condition context keys", aws:ViaAWSService.
func TestAReaderMayGoThroughAService(t *testing.T) {
	const who = `"Principal":{"AWS":"arn:aws:iam::111122223333:role/probe"},"Action":"secretsmanager:GetSecretValue","Resource":"*"`
	for sentence, tt := range map[string]struct {
		policy string
		want   policy.Answer
	}{
		"only through one":          {document(`{"Effect":"Allow",` + who + `,"Condition":{"Bool":{"aws:ViaAWSService":"true"}}}`), may},
		"only directly":             {document(`{"Effect":"Allow",` + who + `,"Condition":{"Bool":{"aws:ViaAWSService":"false"}}}`), yes},
		"denied directly":           {document(`{"Effect":"Allow",`+who+`}`, `{"Effect":"Deny",`+who+`,"Condition":{"Bool":{"aws:ViaAWSService":"false"}}}`), may},
		"denied through one":        {document(`{"Effect":"Allow",`+who+`}`, `{"Effect":"Deny",`+who+`,"Condition":{"Bool":{"aws:ViaAWSService":"true"}}}`), yes},
		"denied both ways":          {document(`{"Effect":"Allow",`+who+`}`, `{"Effect":"Deny",`+who+`,"Condition":{"Bool":{"aws:ViaAWSService":["true","false"]}}}`), no},
		"without a word about that": {document(`{"Effect":"Allow",` + who + `}`), yes},
	} {
		s := acme()
		s.Principals = append(s.Principals, role(shop, "probe"))
		s.Secrets[0].Policy = tt.policy
		s.Keys[0].Policy = document(`{"Effect":"Allow","Principal":"*","Action":"kms:Decrypt","Resource":"*"}`)
		if r, can := bothAnswers(t, inventory.Prepare(s), roleARN(shop, "probe"), secretARN("shop/db")); r.Answer != tt.want || can != tt.want {
			t.Errorf("%s: explain %s, can %s, want %s: %s", sentence, r.Answer, can, tt.want, r.Why())
		}
	}
}
