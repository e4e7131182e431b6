package conformance

import (
	"context"
	"errors"
	"fmt"

	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/localaws"
)

// Answers about the condition keys of a request.
const (
	Absent   Answer = "absent"
	Text     Answer = "empty-text"
	Managed  Answer = "managed-key"
	Resolved Answer = "resolved"
	Raw      Answer = "as-sent"
	Refused  Answer = "refused"
	Passes   Answer = "passes"
)

const (
	keyCondition = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/auth-and-access_iam-policies.html"
	updateSecret = "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_UpdateSecret.html"
	encryption   = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/security-encryption.html"
)

func conditionQuestions() []Question {
	return []Question{
		{ID: "secretsmanager.empty-key.condition", Row: 1, Title: "Which secretsmanager:KmsKeyArn has an UpdateSecret with an empty key?", Document: keyCondition,
			Calls:   calls(asRole, setKey),
			Choices: emptyKeyChoices(), Assumed: Absent, Control: maySetKeys, Play: emptyKeyCondition(bySession)},
		{ID: "secretsmanager.alias.condition", Row: 2, Title: "Is an alias resolved to its key before secretsmanager:KmsKeyArn is compared?", Document: keyCondition,
			Calls:   calls(asRole, newAlias),
			Choices: aliasChoices(), Assumed: Resolved, Control: mayNameAlias, Play: aliasCondition(bySession)},
		{ID: LayerCreate, Row: 3, Title: "Does denying the AWS managed key by kms:ResourceAliases stop CreateSecret without a key?", Document: encryption,
			Calls:   calls(asRole),
			Choices: layerChoices("new secrets are stopped by the KMS layer"), Assumed: Refused, Control: mayCreate, Play: layerCreate},
		{ID: LayerEmpty, Row: 3, Title: "Does denying the AWS managed key by kms:ResourceAliases stop UpdateSecret with an empty key?", Document: encryption,
			Calls:   calls(asRole, setKey),
			Choices: layerChoices("going back to the AWS managed key is stopped by the KMS layer"), Assumed: Refused, Control: maySetKeys, Play: layerEmptyKey(bySession)},
		{ID: "secretsmanager.describe.missing", Row: 25, Title: "Does DescribeSecret of a name that does not exist answer otherwise to who may describe it than to who may not?", Document: "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_DescribeSecret.html",
			Calls: calls(asRole),
			Choices: []Choice{
				{Answer: "distinguishes", ByRefusal: true, Meaning: "a blind spot names the secret's own policy after ResourceNotFoundException"},
				{Answer: "always-not-found", Meaning: "ResourceNotFoundException proves no right: a blind spot must not name the secret's policy"},
				{Answer: "always-denied", ByRefusal: true, Meaning: "a secret that is gone looks like one that may not be seen"},
			}, Assumed: "distinguishes", Control: mayDescribe, Play: describeMissing},
		{ID: "sts.principal-arn.trust", Row: 15, Title: "Does aws:PrincipalArn in a trust policy hold the ARN of a session's role?", Document: "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html",
			Calls: calls(asRole),
			Choices: []Choice{
				{Answer: "role", Meaning: "the member roles trust the functions' roles"},
				{Answer: "session", ByRefusal: true, Meaning: "every account becomes a coverage finding: the trust policies have to name sessions", Set: func(b *localaws.Behavior) { b.TrustPrincipal = localaws.TrustPrincipalIsSession }},
				{Answer: "neither", ByRefusal: true, Meaning: "the member roles cannot be trusted by aws:PrincipalArn", Set: func(b *localaws.Behavior) { b.TrustPrincipal = localaws.TrustPrincipalIsAbsent }},
			}, Assumed: "role", Control: mayTakeRoles, Play: principalARN},
		{ID: "kms.everyone.session-policy", Row: 34, Title: "Does the policy of the AWS managed key, which allows everyone, let in a session whose session policy says nothing of KMS?", Document: "https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies.html",
			Calls: calls(asRole),
			Choices: []Choice{
				{Answer: Opens, Meaning: "who may read a secret under the AWS managed key opens it, whatever limits the session"},
				{Answer: Refused, ByRefusal: true, Meaning: "a session policy without KMS is a second lock also under the AWS managed key: can and readers name too many"},
			}, Assumed: Opens, Control: mayReadDefault, Play: everyoneLimited},
		{ID: "secretsmanager.version-stage.default", Row: 42, Title: "Which secretsmanager:VersionStage has a read that names no version?", Document: keyCondition,
			Calls: calls(asRole),
			Choices: []Choice{
				{Answer: "current", ByRefusal: true, Meaning: "a policy about AWSCURRENT counts for a read that names nothing"},
				{Answer: Absent, ByRefusal: true, Meaning: "a policy about AWSCURRENT does not count for a read that names nothing"},
			}, Assumed: "current", Control: mayRead, Play: defaultStage},
	}
}

func emptyKeyChoices() []Choice {
	return []Choice{
		{Answer: Absent, Meaning: "no condition on KmsKeyArn sees it: the KMS layer is the only preventive statement", Set: func(b *localaws.Behavior) { b.EmptyKey = localaws.EmptyKeyAbsent }},
		{Answer: Text, ByRefusal: true, Meaning: "a Deny on an empty KmsKeyArn prevents it", Set: func(b *localaws.Behavior) { b.EmptyKey = localaws.EmptyKeyText }},
		{Answer: Managed, ByRefusal: true, Meaning: "the approved list prevents it", Set: func(b *localaws.Behavior) { b.EmptyKey = localaws.EmptyKeyManaged }},
	}
}

func aliasChoices() []Choice {
	return []Choice{
		{Answer: Resolved, ByRefusal: true, Meaning: "the approved list by ARN pattern admits aliases of approved keys"},
		{Answer: Raw, ByRefusal: true, Meaning: "the approved list has to admit aliases, whose keys it cannot see", Set: func(b *localaws.Behavior) { b.RawKeyARN, b.NoAliasKeyARN = true, false }},
		{Answer: Absent, Meaning: "a key named by its alias looks like no key", Set: func(b *localaws.Behavior) { b.RawKeyARN, b.NoAliasKeyARN = false, true }},
	}
}

func layerChoices(refused string) []Choice {
	return []Choice{
		{Answer: Refused, ByRefusal: true, Meaning: refused},
		{Answer: Passes, Meaning: "the statement does not help: scp simulate calls this way closed, unless --conformance has this report", Set: func(b *localaws.Behavior) { b.NoManagedAliases = true }},
	}
}

const (
	keyIsPresent = `{"Null":{"secretsmanager:KmsKeyArn":"false"}}`
	keyIsKeyARN  = `{"StringLike":{"secretsmanager:KmsKeyArn":"arn:*:kms:*:*:key/*"}}`
	keyIsAlias   = `{"StringLike":{"secretsmanager:KmsKeyArn":["alias/*","arn:*:kms:*:*:alias/*"]}}`
	keyIsEmpty   = `{"StringEquals":{"secretsmanager:KmsKeyArn":""}}`
)

// stopped reports whether a call is refused where a statement denies it. Other errors are errors, as is a call that goes well and did
// not do what it is for; did looks, as whoever runs this, and nil is where an answer of the call shows it.
func stopped(ctx context.Context, w *World, by denier, name, statement string, call func(*sandbox.Session) error, did func() error) (is bool, err error) {
	session, release, err := by(ctx, w, name, statement)
	if release != nil {
		defer func() { err = errors.Join(err, release(context.WithoutCancel(ctx))) }()
	}
	if err != nil {
		return false, err
	}
	if err := call(session); err != nil && !sandbox.Denied(err) {
		return false, err
	} else if err != nil {
		return true, nil
	}
	if did != nil {
		err = did()
	}
	return false, err
}

func emptyKeyCondition(by denier) func(context.Context, *World) (Answer, error) {
	return func(ctx context.Context, w *World) (Answer, error) {
		secret, key, err := w.underA(ctx)
		if err != nil {
			return "", err
		}
		set := func(name, condition, to string) (bool, error) {
			return stopped(ctx, w, by, name, deny("secretsmanager:UpdateSecret", condition), func(s *sandbox.Session) error { return s.SetKey(ctx, secret, to) }, func() error {
				if to == "" {
					return w.lostKey(ctx, secret, key)
				}
				return w.hasKey(ctx, w.own, secret, to)
			})
		}
		if is, err := set("control", keyIsPresent, key); err != nil {
			return "", err
		} else if !is {
			return "", errNotEvaluated // this condition key
		}
		denied := func(name, condition string) (bool, error) {
			if err := w.own.SetKey(ctx, secret, key); err != nil { // back from the try before
				return false, err
			}
			return set(name, condition, "")
		}
		for _, try := range []struct {
			name, condition string
			otherwise       Answer
			next            bool // ask on when it is denied
		}{{"present", keyIsPresent, Absent, true}, {"key", keyIsKeyARN, "", false}, {"empty", keyIsEmpty, "", false}} {
			is, err := denied(try.name, try.condition)
			switch {
			case err != nil:
				return "", err
			case try.next && !is:
				return try.otherwise, nil
			case is && try.name == "key":
				return Managed, nil
			case is && try.name == "empty":
				return Text, nil
			}
		}
		return "", errUnexpected
	}
}

func aliasCondition(by denier) func(context.Context, *World) (Answer, error) {
	return func(ctx context.Context, w *World) (Answer, error) {
		key, err := w.keyA()
		if err != nil {
			return "", err
		}
		alias, err := w.own.CreateAlias(ctx, w.what("alias"), key)
		if err != nil {
			return "", err
		}
		for _, try := range []struct {
			name, condition string
			answer          Answer
		}{{"key", keyIsKeyARN, Resolved}, {"alias", keyIsAlias, Raw}} {
			is, err := stopped(ctx, w, by, try.name, deny("secretsmanager:CreateSecret", try.condition), func(s *sandbox.Session) error {
				return w.eventually(ctx, "create a secret under a new alias", func(ctx context.Context) error {
					_, err := s.CreateSecret(ctx, w.what(try.name), alias)
					if sandbox.Denied(err) {
						return &refusedNowError{err}
					}
					return err
				})
			}, func() error { return w.isThere(ctx, try.name) })
			if err != nil {
				return "", err
			}
			if is {
				return try.answer, nil
			}
		}
		return Absent, nil
	}
}

// refusedNowError keeps a refusal from being tried again. It is still one.
type refusedNowError struct{ err error }

func (r *refusedNowError) Error() string { return r.err.Error() }
func (r *refusedNowError) Unwrap() error { return r.err }

// layer is the statement that keeps callers from the AWS managed key of Secrets Manager.
const layer = `{"Effect":"Deny","Action":["kms:GenerateDataKey","kms:Encrypt"],"Resource":"*","Condition":{
	"ForAnyValue:StringEquals":{"kms:ResourceAliases":"alias/aws/secretsmanager"},"StringLike":{"kms:ViaService":"secretsmanager.*"}}}`

func layerCreate(ctx context.Context, w *World) (Answer, error) {
	return creates(ctx, w, layer, "")
}

// creates makes a secret under a key as somebody whom a statement binds.
func creates(ctx context.Context, w *World, statement, key string) (Answer, error) {
	return refusedOrNot(stopped(ctx, w, bySession, "create", statement, func(s *sandbox.Session) error {
		_, err := s.CreateSecret(ctx, w.what("new"), key)
		return err
	}, func() error { return w.isThere(ctx, "new") }))
}

// isThere errs unless a secret that was made is there, also for whoever did not make it.
func (w *World) isThere(ctx context.Context, what string) error {
	name := w.own.Run().Name(w.what(what))
	return w.eventually(ctx, "see a secret that was made", func(ctx context.Context) error {
		_, err := w.own.Describe(ctx, name)
		return err
	})
}

func refusedOrNot(refused bool, err error) (Answer, error) {
	switch {
	case err != nil:
		return "", err
	case refused:
		return Refused, nil
	}
	return Passes, nil
}

// setsManagedKey moves a secret to the AWS managed key, by a name of it or an empty key, as somebody whom a statement binds.
func setsManagedKey(ctx context.Context, w *World, by denier, statement, named string) (Answer, error) {
	secret, key, err := w.underA(ctx)
	if err != nil {
		return "", err
	}
	return refusedOrNot(stopped(ctx, w, by, "update", statement, func(s *sandbox.Session) error { return s.SetKey(ctx, secret, named) },
		func() error { return w.lostKey(ctx, secret, key) }))
}

func layerEmptyKey(by denier) func(context.Context, *World) (Answer, error) {
	return func(ctx context.Context, w *World) (Answer, error) {
		return setsManagedKey(ctx, w, by, layer, "")
	}
}

func describeMissing(ctx context.Context, w *World) (Answer, error) {
	missing := w.own.Run().Name(w.what("missing"))
	may, err := w.as(ctx, "may")
	if err != nil {
		return "", err
	}
	not, err := w.without(ctx, "not", deny("secretsmanager:DescribeSecret", ""))
	if err != nil {
		return "", err
	}
	_, first := may.Describe(ctx, missing)
	_, second := not.Describe(ctx, missing)
	w.note("who may", "%s", sandbox.Code(first))
	w.note("who may not", "%s", sandbox.Code(second))
	switch {
	case sandbox.Gone(first) && sandbox.Denied(second):
		return "distinguishes", nil
	case sandbox.Gone(first) && sandbox.Gone(second):
		return "always-not-found", nil
	case sandbox.Denied(first) && sandbox.Denied(second):
		return "always-denied", nil
	}
	return "", errors.Join(errUnexpected, first, second)
}

func principalARN(ctx context.Context, w *World) (Answer, error) {
	session, err := w.without(ctx, "s") // a double that evaluates nothing would let everybody in
	if err != nil {
		return "", err
	}
	c, err := w.ready()
	if err != nil {
		return "", err
	}
	p, account := w.own.Partition(), w.own.Account()
	in := map[Answer]bool{}
	for _, as := range []struct {
		answer  Answer
		pattern string
	}{{"role", c.role}, {"session", p.New("sts", "", account, "assumed-role/"+w.own.Run().Name("*")).String()}} {
		trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Principal":{"AWS":%[1]q},"Action":"sts:AssumeRole","Condition":{"ArnLike":{"aws:PrincipalArn":%[2]q}}},
			{"Effect":"Allow","Principal":{"AWS":%[1]q},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":%[3]q}}}]}`, p.Root(account), as.pattern, c.external)
		target, err := w.own.CreateRole(ctx, w.what(string(as.answer)), trust, "")
		if err != nil {
			return "", err
		}
		if err := w.eventually(ctx, "take the role with its external id", func(ctx context.Context) error { // it is there, and its policy counts
			_, err := session.Assume(ctx, target, w.sessionName("target"), "", c.external)
			return err
		}); err != nil {
			return "", err
		}
		err = w.eventually(ctx, "take the role", func(ctx context.Context) error {
			_, err := session.Assume(ctx, target, w.sessionName("target"), "", "")
			return err
		})
		if err != nil && !sandbox.Denied(err) && sandbox.Code(err) != "" {
			return "", err
		}
		in[as.answer] = err == nil
		w.note("trusted by the "+string(as.answer)+"'s ARN", "%t", err == nil)
		if err == nil {
			break
		}
	}
	switch {
	case in["role"]:
		return "role", nil
	case in["session"]:
		return "session", nil
	}
	return "neither", nil
}

// everyoneLimited reads what is under the AWS managed key in a session that may use no key. That such a session policy counts is seen by a
// secret under a key that does not let in everyone.
func everyoneLimited(ctx context.Context, w *World) (Answer, error) {
	c, err := w.ready()
	if err != nil {
		return "", err
	}
	if !c.enforced {
		return "", errNotEvaluated
	}
	closed, _, err := w.underA(ctx)
	if err != nil {
		return "", err
	}
	open, err := w.own.CreateSecret(ctx, w.what("open"), "")
	if err != nil {
		return "", err
	}
	session, err := w.own.Assume(ctx, c.role, w.sessionName(w.what("limited")), `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:*","Resource":"*"}]}`, c.external)
	if err != nil {
		return "", err
	}
	switch err := session.Read(ctx, closed); {
	case err == nil:
		return "", errNotEvaluated // on keys
	case !sandbox.Denied(err):
		return "", err
	}
	switch err := session.Read(ctx, open); {
	case sandbox.Denied(err):
		return Refused, nil
	case err != nil:
		return "", err
	}
	return Opens, nil
}

// defaultStage reads where AWSCURRENT is denied, and where no stage is.
func defaultStage(ctx context.Context, w *World) (Answer, error) {
	secret, _, err := w.underA(ctx)
	if err != nil {
		return "", err
	}
	for _, try := range []struct {
		answer    Answer
		condition string
	}{{"current", `{"StringEquals":{"secretsmanager:VersionStage":"AWSCURRENT"}}`}, {Absent, `{"Null":{"secretsmanager:VersionStage":"true"}}`}} {
		refused, err := stopped(ctx, w, bySession, string(try.answer), deny("secretsmanager:GetSecretValue", try.condition), func(s *sandbox.Session) error { return s.Read(ctx, secret) }, nil)
		if err != nil {
			return "", err
		}
		if refused {
			return try.answer, nil
		}
	}
	return "", errNotEvaluated // this condition key
}
