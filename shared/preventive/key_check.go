package preventive

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/policy"
)

// attempt is one use of the key that must, or must not, be possible.
type attempt struct {
	what    string
	who     string
	action  string
	secret  string // through Secrets Manager for this secret; "" is a direct call
	allowed bool
}

// check asks the engine whether the policy lets in whom it should, and nobody else. Every caller's own policies allow
// everything, so that only the key policy is tried.
func (r KeyRequest) check(d Document) error {
	text, err := d.JSON()
	if err != nil {
		return err
	}
	parsed, err := policy.Parse("key policy", []byte(text))
	if err != nil {
		return fmt.Errorf("check key policy: %w", err)
	}
	var errs []error
	for _, problem := range parsed.Check(policy.TypeKey, []byte(text)) {
		errs = append(errs, fmt.Errorf("check key policy: %s", problem.Message))
	}
	for _, a := range r.attempts() {
		if got := r.try(parsed, a); got.Answer == policy.Allowed != a.allowed || got.Answer == policy.Unknown {
			errs = append(errs, fmt.Errorf("check key policy: %s (%s): %s", a.what, a.who, got.Why))
		}
	}
	return errors.Join(errs...)
}

func (r KeyRequest) attempts() []attempt {
	secret, other := r.exampleSecret(), r.arn("secretsmanager", "secret:somebody-elses-ZyXwVu")
	outsider := r.partition().Role("000000000000", "anybody")
	admin := r.root(r.Account)
	if len(r.Admins) > 0 {
		admin = r.Admins[0]
	}
	all := []attempt{
		{"an administrator manages", admin, "kms:PutKeyPolicy", "", true},
		{"an administrator must not decrypt", admin, "kms:Decrypt", secret, r.uses(admin)},
		{"a stranger must not decrypt", outsider, "kms:Decrypt", secret, false},
		{"a stranger must not manage", outsider, "kms:PutKeyPolicy", "", false},
	}
	users := append(append([]string(nil), r.Readers...), r.Writers...)
	for _, account := range r.Accounts {
		users = append(users, r.partition().Role(account, "app"))
	}
	for _, who := range users {
		all = append(all,
			attempt{"a user reads through Secrets Manager", who, "kms:Decrypt", secret, true},
			attempt{"a user must not decrypt directly", who, "kms:Decrypt", "", false},
			attempt{"a user must not hand the key on", who, "kms:CreateGrant", secret, false})
		if len(r.Secrets) > 0 && !strings.Contains(strings.Join(r.Secrets, " "), ":secret:*") {
			all = append(all, attempt{"a user must not read other secrets", who, "kms:Decrypt", other, false})
		}
	}
	return all
}

// uses reports whether an administrator is a user as well: named as one, or of an account whose IAM may name it.
func (r KeyRequest) uses(admin string) bool {
	return slices.Contains(r.Readers, admin) || slices.Contains(r.Writers, admin) || slices.Contains(r.Accounts, accountsOf([]string{admin})[0])
}

// exampleSecret is a secret that the policy is about.
func (r KeyRequest) exampleSecret() string {
	if len(r.Secrets) > 0 {
		return strings.NewReplacer("*", "x", "?", "x").Replace(r.Secrets[0])
	}
	return r.arn("secretsmanager", "secret:app/db-AbCdEf")
}

func (r KeyRequest) arn(service, resource string) string {
	return r.partition().New(service, r.Region, r.Account, resource).String()
}

func (r KeyRequest) try(d *policy.Document, a attempt) policy.Decision {
	p, err := policy.ParsePrincipal(a.who)
	if err != nil {
		return policy.Decision{Answer: policy.Unknown, Why: err.Error()}
	}
	context := map[string][]string{"aws:RequestedRegion": {r.Region}}
	if a.secret != "" {
		context["kms:ViaService"] = []string{r.viaService()}
		context["kms:EncryptionContext:SecretARN"] = []string{a.secret}
	}
	everything := policy.MustParse("any IAM policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	return policy.Evaluate(
		policy.Request{Principal: p, Action: a.action, Resource: r.arn("kms", "key/new"), ResourceAccount: r.Account, Context: context},
		policy.Policies{Identity: []*policy.Document{everything}, Resource: d, ResourceKind: policy.ResourceKey})
}
