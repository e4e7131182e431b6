package preventive

import (
	"fmt"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
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

// claim is a sentence about a policy that its attempts prove, all of them.
type claim struct {
	says     string
	attempts []attempt
}

// check asks the engine whether the policy lets in whom it should, and nobody else, and returns the sentences that are
// proven. Every caller's own policies allow everything, so that only the key policy is tried; what else a request may have is not
// known, and a sentence that rests on that is not proven.
func (r KeyRequest) check(d Document) ([]string, error) {
	text, err := d.JSON()
	if err != nil {
		return nil, err
	}
	parsed, err := policy.Parse("key policy", []byte(text))
	if err != nil {
		return nil, fmt.Errorf("check key policy: %w", err)
	}
	var errs []error
	for _, problem := range parsed.Check(policy.TypeKey, []byte(text)) {
		errs = append(errs, fmt.Errorf("check key policy: %s", problem.Message))
	}
	var proven []string
	for _, c := range r.claims(parsed) {
		for _, a := range c.attempts {
			if got := r.try(parsed, a); got.Answer == policy.Unknown || got.Answer == policy.Allowed != a.allowed {
				errs = append(errs, fmt.Errorf("check key policy: %s (%s): %s", a.what, a.who, got.Why))
			}
		}
		proven = append(proven, c.says)
	}
	return proven, inOneLine(errs)
}

// claims are what is to be proven, for each principal that the request names.
func (r KeyRequest) claims(d *policy.Document) []claim {
	var all []claim
	for _, admin := range r.administrators() {
		all = append(all, r.administrator(d, admin))
	}
	for _, who := range r.users() {
		all = append(all, r.user(d, who))
	}
	return append(all, r.strangers())
}

// administrators are those that are named, else whoever IAM lets: the account's root stands for them.
func (r KeyRequest) administrators() []string {
	if len(r.Admins) > 0 {
		return r.Admins
	}
	return []string{r.root(r.Account)}
}

// users are who read or write; of an account whose IAM names them, one role stands for all.
func (r KeyRequest) users() []string {
	var all []string
	for _, who := range slices.Concat(r.Readers, r.Writers) {
		if !slices.Contains(all, who) {
			all = append(all, who)
		}
	}
	for _, account := range r.Accounts {
		all = append(all, r.partition().Role(account, "app"))
	}
	return all
}

func (r KeyRequest) administrator(d *policy.Document, admin string) claim {
	name := admin
	if len(r.Admins) == 0 {
		name = "whoever IAM in " + r.Account + " lets"
	}
	c := claim{attempts: []attempt{
		{"an administrator manages", admin, "kms:PutKeyPolicy", "", true},
		{"an administrator must not decrypt directly", admin, "kms:Decrypt", "", false},
	}}
	// A central key is used by accounts, whose IAM may let their administrators use it, too.
	viaIAM := slices.Contains(r.Accounts, accountsOf([]string{admin})[0])
	for _, secret := range r.exampleSecrets() {
		c.attempts = append(c.attempts, attempt{"an administrator must not decrypt", admin, "kms:Decrypt", secret, viaIAM})
	}
	switch {
	case viaIAM:
		c.says = fmt.Sprintf("%s manages, and decrypts through Secrets Manager only where IAM in %s lets it", name, accountsOf([]string{admin})[0])
	case len(r.Admins) == 0 && slices.ContainsFunc(r.users(), func(who string) bool { return r.allowed(d, who, "kms:PutKeyPolicy") }):
		c.says = name + " manages, and cannot decrypt by that; a reader or writer that IAM lets manage does both (--admin parts them)"
	default:
		c.says = name + " manages, and cannot decrypt"
	}
	return c
}

func (r KeyRequest) user(d *policy.Document, who string) claim {
	name := who
	if len(r.Accounts) > 0 {
		name = "whoever IAM in " + accountsOf([]string{who})[0] + " lets"
	}
	c := claim{says: name + " decrypts through Secrets Manager alone", attempts: []attempt{
		{"a user must not decrypt directly", who, "kms:Decrypt", "", false},
	}}
	for _, secret := range r.exampleSecrets() {
		c.attempts = append(c.attempts,
			attempt{"a user reads through Secrets Manager", who, "kms:Decrypt", secret, true},
			attempt{"a user must not hand the key on", who, "kms:CreateGrant", secret, false})
	}
	other := r.arn("secretsmanager", "secret:somebody-elses-ZyXwVu")
	if len(r.Secrets) > 0 && !slices.ContainsFunc(r.Secrets, func(pattern string) bool { return arn.Match(pattern, other) }) {
		c.says += ", of these secrets alone"
		c.attempts = append(c.attempts, attempt{"a user must not read other secrets", who, "kms:Decrypt", other, false})
	}
	if !r.allowed(d, who, "kms:PutKeyPolicy") {
		c.says += ", and cannot manage"
		c.attempts = append(c.attempts, attempt{"a user must not manage", who, "kms:PutKeyPolicy", "", false})
	}
	return c
}

// strangers are somebody of an account that has nothing to do with the key and, where users are named, somebody of the
// account that owns it.
func (r KeyRequest) strangers() claim {
	outsider := r.partition().Role("000000000000", "anybody")
	c := claim{says: "nobody of another account decrypts or manages", attempts: []attempt{{"a stranger must not manage", outsider, "kms:PutKeyPolicy", "", false}}}
	strangers := []string{outsider}
	if len(r.Accounts) == 0 {
		c.says = "nobody else decrypts, and nobody of another account manages"
		strangers = append(strangers, r.partition().Role(r.Account, "somebody-else"))
		if len(r.Admins) > 0 {
			c.says = "nobody else decrypts or manages"
			c.attempts = append(c.attempts, attempt{"a stranger must not manage", strangers[1], "kms:PutKeyPolicy", "", false})
		}
	}
	for _, who := range strangers {
		for _, secret := range append(r.exampleSecrets(), "") {
			c.attempts = append(c.attempts, attempt{"a stranger must not decrypt", who, "kms:Decrypt", secret, false})
		}
	}
	return c
}

func (r KeyRequest) allowed(d *policy.Document, who, action string) bool {
	return r.try(d, attempt{who: who, action: action}).Answer != policy.ImplicitlyDenied
}

// exampleSecrets are secrets that the policy is about, one of each pattern.
func (r KeyRequest) exampleSecrets() []string {
	var all []string
	for _, pattern := range r.Secrets {
		all = append(all, arn.Example(pattern))
	}
	if len(all) == 0 {
		return []string{r.arn("secretsmanager", "secret:app/db-AbCdEf")}
	}
	return all
}

func (r KeyRequest) arn(service, resource string) string {
	return r.partition().New(service, r.Region, r.Account, resource).String()
}

func (r KeyRequest) try(d *policy.Document, a attempt) policy.Decision {
	p, err := policy.ParsePrincipal(a.who)
	if err != nil {
		return policy.Decision{Answer: policy.Unknown, Why: err.Error()}
	}
	context := map[string][]string{"aws:RequestedRegion": {r.Region}, "aws:SecureTransport": {"true"}}
	absent := []string{"kms:ViaService"} // of a direct call
	var oneOf map[string][]string
	if a.secret != "" {
		oneOf = map[string][]string{"kms:ViaService": r.partition().ViaService("secretsmanager", r.Region)}
		context["kms:EncryptionContext:SecretARN"] = []string{a.secret}
		absent = nil
	}
	everything := policy.MustParse("any IAM policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	return policy.Evaluate(
		policy.Request{Principal: p, Action: a.action, Resource: r.arn("kms", "key/new"), ResourceAccount: r.Account, Context: context, OneOf: oneOf, Absent: absent, Open: true},
		policy.Policies{Identity: []*policy.Document{everything}, Resource: d, ResourceKind: policy.ResourceKey})
}
