package policy_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/policy"
)

const (
	stsReference      = "https://docs.aws.amazon.com/STS/latest/APIReference/API_"
	userGuide         = "https://docs.aws.amazon.com/IAM/latest/UserGuide/"
	conditionsPage    = userGuide + "reference_policies_elements_condition_operators.html"
	setsPage          = userGuide + "reference_policies_condition-single-vs-multi-valued-context-keys.html"
	notPrincipalPage  = userGuide + "reference_policies_elements_notprincipal.html"
	principalPage     = userGuide + "reference_policies_elements_principal.html"
	federationPage    = userGuide + "id_credentials_temp_control-access_getfederationtoken.html"
	viaServicePage    = "https://docs.aws.amazon.com/kms/latest/developerguide/conditions-kms.html"
	everythingAllowed = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`
)

func allows(principal, condition string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":` + principal + `,"Action":"*","Resource":"*"` + condition + `}}`
}

// What the sessions of sts:GetFederationToken, sts:AssumeRole and sts:AssumeRoot can do, by the page of AWS that says it.
func TestWhatASessionMayDo(t *testing.T) {
	t.Parallel()
	const (
		fay  = "arn:aws:sts::" + account + ":federated-user/fay"
		ana  = "arn:aws:iam::" + account + ":user/ana"
		root = "arn:aws:iam::" + account + ":root"
		read = "secretsmanager:GetSecretValue"
	)
	full, nothing := documents(everythingAllowed), documents(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}`)
	named, everyone, user := documents(allows(`{"AWS":"`+fay+`"}`, ""))[0], documents(allows(`"*"`, ""))[0], documents(allows(`{"AWS":"`+ana+`"}`, ""))[0]
	none := policy.Policies{Identity: full, NoSession: true}
	with := func(p policy.Policies, resource *policy.Document) policy.Policies { p.Resource = resource; return p }
	for sentence, c := range map[string]struct {
		who, action string
		policies    policy.Policies
		want        policy.Answer
		source      string
	}{
		"a federated user, of whose session policy nothing is said":     {fay, read, policy.Policies{Identity: full}, policy.Unknown, stsReference + "GetFederationToken.html"},
		"a federated user without a session policy":                     {fay, read, none, policy.ImplicitlyDenied, stsReference + "GetFederationToken.html"},
		"a federated user with one that allows":                         {fay, read, policy.Policies{Identity: full, Session: full}, policy.Allowed, stsReference + "GetFederationToken.html"},
		"a federated user with one that does not":                       {fay, read, policy.Policies{Identity: full, Session: nothing}, policy.ImplicitlyDenied, stsReference + "GetFederationToken.html"},
		"a federated user whose user has nothing":                       {fay, read, policy.Policies{Identity: nothing}, policy.ImplicitlyDenied, federationPage},
		"a federated user whom a policy names, without session policy":  {fay, read, with(none, named), policy.Allowed, stsReference + "GetFederationToken.html"},
		"a federated user whom a policy names":                          {fay, read, policy.Policies{Resource: named}, policy.Allowed, federationPage},
		"a federated user among everyone, without session policy":       {fay, read, with(none, everyone), policy.Unknown, stsReference + "GetFederationToken.html"},
		"a federated user whose user a policy names, without a session": {fay, read, with(policy.Policies{NoSession: true}, user), policy.ImplicitlyDenied, stsReference + "GetFederationToken.html"},
		"a federated user whose user a policy may name":                 {fay, read, with(policy.Policies{Session: full}, user), policy.Unknown, federationPage},
		"a federated user who assumes a role":                           {fay, "sts:AssumeRole", policy.Policies{Identity: full, Session: full}, policy.ImplicitlyDenied, stsReference + "GetFederationToken.html"},
		"a federated user who asks who it is":                           {fay, "sts:GetCallerIdentity", none, policy.Allowed, stsReference + "GetCallerIdentity.html"},
		"a federated user who calls IAM, from the console or not":       {fay, "iam:GetUser", policy.Policies{Identity: full, Session: full}, policy.Unknown, stsReference + "GetFederationToken.html"},
		"a role that gets a federation token":                           {app, "sts:GetFederationToken", policy.Policies{Identity: full}, policy.ImplicitlyDenied, stsReference + "AssumeRole.html"},
		"a role that gets a session token":                              {appRole, "sts:GetSessionToken", policy.Policies{Identity: full}, policy.ImplicitlyDenied, stsReference + "AssumeRole.html"},
		"a role that assumes another":                                   {app, "sts:AssumeRole", policy.Policies{Identity: full}, policy.Allowed, stsReference + "AssumeRole.html"},
		"a user who gets a federation token":                            {ana, "sts:GetFederationToken", policy.Policies{Identity: full}, policy.Allowed, stsReference + "GetFederationToken.html"},
		"a root user within the policy of its task":                     {root, read, policy.Policies{Session: full}, policy.Allowed, stsReference + "AssumeRoot.html"},
		"a root user beyond the policy of its task":                     {root, read, policy.Policies{Session: nothing}, policy.ImplicitlyDenied, stsReference + "AssumeRoot.html"},
		"a root user under an SCP that does not allow":                  {root, read, policy.Policies{SCPs: [][]*policy.Document{nothing}}, policy.ImplicitlyDenied, "https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps.html"},
		"a role among everyone, beside a session policy":                {app, read, with(policy.Policies{Session: nothing}, everyone), policy.Allowed, principalPage},
		"a role among everyone, beside a boundary":                      {app, read, with(policy.Policies{Boundary: nothing}, everyone), policy.Allowed, principalPage},
	} {
		got := policy.Evaluate(policy.Request{Principal: mustPrincipal(t, c.who), Action: c.action, Resource: secret, ResourceAccount: account}, c.policies)
		if got.Answer != c.want || got.Why == "" || got.Answer == policy.Unknown && len(got.Notes)+len(got.Missing) == 0 {
			t.Errorf("%s: %s, want %s (%s): %s", sentence, got.Answer, c.want, c.source, got.Why)
		}
	}
}

// What no page decides is unknown, in an Allow and in a Deny.
func TestConditionsThatNoPageDecides(t *testing.T) {
	t.Parallel()
	for sentence, c := range map[string]struct {
		condition string
		context   map[string][]string
		open      bool
		source    string
	}{
		"ForAllValues with Null, without the key":      {`"ForAllValues:Null":{"aws:TagKeys":"true"}`, nil, true, conditionsPage},
		"ForAllValues with Null":                       {`"ForAllValues:Null":{"aws:TagKeys":"false"}`, map[string][]string{"aws:TagKeys": {"a"}}, true, conditionsPage},
		"ForAnyValue with Null":                        {`"ForAnyValue:Null":{"aws:TagKeys":"true"}`, nil, true, conditionsPage},
		"ForAnyValue with Null, of a key of one value": {`"ForAnyValue:Null":{"aws:SourceVpce":"true"}`, nil, true, setsPage},
		"Null": {`"Null":{"aws:TagKeys":"true"}`, nil, false, conditionsPage},
		"ForAnyValue with IfExists, without the key":       {`"ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":"a"}`, nil, true, setsPage},
		"ForAnyValue with IfExists, with it":               {`"ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":"a"}`, map[string][]string{"aws:TagKeys": {"a"}}, false, setsPage},
		"ForAllValues with IfExists, without the key":      {`"ForAllValues:StringEqualsIfExists":{"aws:TagKeys":"a"}`, nil, false, setsPage},
		"ForAnyValue with a negated IfExists, without key": {`"ForAnyValue:StringNotLikeIfExists":{"aws:TagKeys":"a"}`, nil, true, setsPage},
		"a condition without values":                       {`"StringEquals":{"aws:SourceVpce":[]}`, map[string][]string{"aws:SourceVpce": {"a"}}, true, conditionsPage},
		"no condition":                                     {``, nil, false, conditionsPage},
	} {
		for _, effect := range []string{"Allow", "Deny"} {
			d := documents(everythingAllowed, `{"Version":"2012-10-17","Statement":{"Effect":"`+effect+`","Action":"*","Resource":"*","Condition":{`+c.condition+`}}}`)
			if effect == "Allow" {
				d = d[1:]
			}
			got := policy.Evaluate(policy.Request{Principal: mustPrincipal(t, app), Action: "secretsmanager:GetSecretValue", Resource: secret, Context: c.context}, policy.Policies{Identity: d})
			if open := got.Answer == policy.Unknown; open != c.open || open && len(got.Notes) == 0 {
				t.Errorf("%s, in an %s: %s, unknown is %t (%s): %s", sentence, effect, got.Answer, c.open, c.source, got.Why)
			}
		}
	}
}

// A key with one of two values decides what both decide alike; of China's kms:ViaService no page says which it is.
func TestAKeyWithOneOfSomeValues(t *testing.T) {
	t.Parallel()
	const standard, china = "secretsmanager.cn-north-1.amazonaws.com", "secretsmanager.cn-north-1.amazonaws.com.cn"
	for sentence, c := range map[string]struct {
		condition string
		want      policy.Answer
	}{
		"one of them":                 {`"StringEquals":{"kms:ViaService":"` + standard + `"}`, policy.Unknown},
		"the other":                   {`"StringEquals":{"KMS:viaservice":"` + china + `"}`, policy.Unknown},
		"both":                        {`"StringEquals":{"kms:ViaService":["` + standard + `","` + china + `"]}`, policy.Allowed},
		"a pattern of both":           {`"StringLike":{"kms:ViaService":"secretsmanager.*"}`, policy.Allowed},
		"a pattern of one":            {`"StringLike":{"kms:ViaService":"*.cn"}`, policy.Unknown},
		"neither":                     {`"StringEquals":{"kms:ViaService":"s3.cn-north-1.amazonaws.com"}`, policy.ImplicitlyDenied},
		"all but one":                 {`"StringNotEquals":{"kms:ViaService":"` + china + `"}`, policy.Unknown},
		"all but both":                {`"StringNotEquals":{"kms:ViaService":["` + standard + `","` + china + `"]}`, policy.ImplicitlyDenied},
		"all but another":             {`"StringNotEquals":{"kms:ViaService":"s3.cn-north-1.amazonaws.com"}`, policy.Allowed},
		"that it is there":            {`"Null":{"kms:ViaService":"false"}`, policy.Allowed},
		"that it is not there":        {`"Null":{"kms:ViaService":"true"}`, policy.ImplicitlyDenied},
		"a variable that is not both": {`"StringEquals":{"aws:SourceVpce":"${kms:ViaService}"}`, policy.Unknown},
	} {
		d := documents(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{` + c.condition + `}}}`)
		r := policy.Request{Principal: mustPrincipal(t, app), Action: "kms:Decrypt", Resource: key, Context: map[string][]string{"aws:SourceVpce": {standard}},
			OneOf: map[string][]string{"kms:ViaService": {standard, china}}}
		p := policy.Policies{Identity: d, Resource: documents(allows(`{"AWS":"`+account+`"}`, ""))[0]}
		got := policy.Evaluate(r, p)
		if got.Answer != c.want || got.Answer == policy.Unknown && !slices.Contains(got.Missing, "kms:ViaService") && !strings.Contains(got.Why, "iaService") && !strings.Contains(got.Why, "viaservice") {
			t.Errorf("%s: %s, want %s (%s): %s", sentence, got.Answer, c.want, viaServicePage, got.Why)
		}
		index := policy.NewIndex([]policy.Target{
			{ARN: key, Account: account, Policy: p.Resource, Context: r.Context, OneOf: r.OneOf},
			{ARN: key, Account: account, Policy: p.Resource, Context: map[string][]string{"aws:SourceVpce": {standard}, "kms:ViaService": {standard}}},
		})
		if answer := index.Ask(r, p).Answer(0); answer != c.want {
			t.Errorf("%s: the index says %s, want %s", sentence, answer, c.want)
		}
		var seen []policy.Answer
		for _, value := range []string{standard, china} {
			r.OneOf, r.Context = nil, map[string][]string{"aws:SourceVpce": {standard}, "kms:ViaService": {value}}
			seen = append(seen, policy.Evaluate(r, p).Answer)
		}
		if same := seen[0] == seen[1]; same != (c.want != policy.Unknown) || same && seen[0] != c.want {
			t.Errorf("%s: %s, but with either value %s", sentence, c.want, seen)
		}
	}
}
