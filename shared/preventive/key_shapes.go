package preventive

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// Shape is what a key is for.
type Shape string

const (
	ShapeApp     Shape = "app"     // the secrets of one application, read by its roles
	ShapeVendor  Shape = "vendor"  // one secret, read by one role of somebody else
	ShapeCentral Shape = "central" // the secrets of several accounts, whose IAM says who reads
)

// Shapes lists them.
func Shapes() []Shape { return []Shape{ShapeApp, ShapeVendor, ShapeCentral} }

// KeyRequest says for whom a key policy is written. All principals are ARNs of roles or users.
type KeyRequest struct {
	Shape    Shape
	Account  string   // owner of the key
	Region   string   // of key and secrets
	Admins   []string // who manage the key; none: whoever IAM in the account lets
	Readers  []string // app and vendor: who read
	Writers  []string // app and vendor: who create, write and rotate
	Secrets  []string // ARN patterns (*, ?) of the secrets; app may leave them out
	Accounts []string // central: whose secrets may be under the key
}

// Validate says what is missing, or does not fit the shape.
func (r KeyRequest) Validate() error {
	var errs []error
	need := func(ok bool, text string) {
		if !ok {
			errs = append(errs, errors.New(text))
		}
	}
	need(slices.Contains(Shapes(), r.Shape), fmt.Sprintf("shape %q: use app, vendor or central", r.Shape))
	need(isAccount(r.Account), fmt.Sprintf("account %q is not 12 digits", r.Account))
	need(r.Region != "", "no Region")
	for _, who := range slices.Concat(r.Admins, r.Readers, r.Writers) {
		p, err := policy.ParsePrincipal(who)
		need(err == nil && (p.Kind == policy.KindRole || p.Kind == policy.KindUser) && !strings.ContainsAny(who, "*?"), fmt.Sprintf("%q is not the ARN of a role or user", who))
	}
	for _, secret := range r.Secrets {
		need(arn.Of(secret).Service == "secretsmanager", fmt.Sprintf("%q is not the ARN of a secret", secret))
	}
	if isAccount(r.Account) && r.Region != "" {
		errs = append(errs, r.elsewhere()...)
	}
	for _, admin := range r.Admins {
		need(!slices.Contains(r.Readers, admin) && !slices.Contains(r.Writers, admin),
			fmt.Sprintf("%s is named as administrator and as reader or writer: whoever manages the key must not decrypt; name another administrator, or none", admin))
	}
	for _, account := range r.Accounts {
		need(isAccount(account), fmt.Sprintf("account %q is not 12 digits", account))
	}
	need(r.Shape == ShapeCentral || len(r.Writers) > 0, "no writer: nobody could put a secret under the key")
	switch r.Shape {
	case ShapeApp:
		need(len(r.Readers) > 0, "an application's key needs a reader")
	case ShapeVendor:
		need(len(r.Readers) == 1 && len(r.Secrets) == 1, "a vendor's key needs one reader and one secret")
	case ShapeCentral:
		need(len(r.Accounts) > 0, "a central key needs the accounts that use it")
		need(len(r.Readers)+len(r.Writers)+len(r.Secrets) == 0, "a central key takes accounts, not readers, writers or secrets: their IAM names those")
	}
	return inOneLine(errs)
}

// elsewhere are the principals and secrets that a key of this account and Region could not serve.
func (r KeyRequest) elsewhere() []error {
	var errs []error
	for _, who := range slices.Concat(r.Admins, r.Readers, r.Writers) {
		if at := arn.Of(who); at.Service == "iam" && at.Partition != r.partition() {
			errs = append(errs, fmt.Errorf("%s is of partition %s and the key of %s: name a principal of %s", who, at.Partition, r.partition(), r.partition()))
		}
	}
	for _, admin := range r.Admins {
		if at := arn.Of(admin); at.Service == "iam" && at.Account != r.Account {
			errs = append(errs, fmt.Errorf("%s is of account %s and the key of %s: AWS takes key policies from its own account alone; name an administrator there", admin, at.Account, r.Account))
		}
	}
	for _, secret := range r.Secrets {
		at, own := arn.Of(secret), r.partition().New("secretsmanager", r.Region, r.Account, "")
		here := arn.Match(string(at.Partition), string(own.Partition)) && arn.Match(at.Region, own.Region) && arn.Match(at.Account, own.Account)
		if at.Service == "secretsmanager" && !here {
			errs = append(errs, fmt.Errorf("%s is not of %s, %s, where the key is: name secrets of that account and Region", secret, r.Account, r.Region))
		}
	}
	return errs
}

// inOneLine joins errors for people who see them behind a command.
func inOneLine(errs []error) error {
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	if len(texts) == 0 {
		return nil
	}
	return errors.New(strings.Join(texts, "; "))
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// KeyPolicy writes the least that a key's users need: managing and using apart, use only through Secrets Manager. With it
// come sentences about who can do what, each of which the policy engine has just proven for the principals of r.
func KeyPolicy(r KeyRequest) (Document, []string, error) {
	if err := r.Validate(); err != nil {
		return Document{}, nil, fmt.Errorf("write key policy: %w", err)
	}
	statements := []Statement{r.administration()}
	switch r.Shape {
	case ShapeCentral:
		statements = append(statements, r.use("UseByAccounts", r.roots(), SecretsUse, r.Accounts))
	default:
		statements = append(statements, r.use("Read", r.Readers, Values{"kms:Decrypt"}, accountsOf(r.Readers)),
			r.use("Write", r.Writers, SecretsUse, accountsOf(r.Writers)))
	}
	d := NewDocument(statements...)
	proven, err := r.check(d)
	return d, proven, err
}

func (r KeyRequest) administration() Statement {
	who := Values(r.Admins)
	if len(who) == 0 {
		who = Values{r.root(r.Account)}
	}
	return Statement{Sid: "Administration", Effect: "Allow", Principal: Principal{"AWS": who}, Action: KeyAdministration, Resource: Values{"*"},
		Why: "Who manages the key cannot use it."}
}

func (r KeyRequest) use(sid string, who []string, actions Values, accounts []string) Statement {
	s := Statement{Sid: sid, Effect: "Allow", Principal: Principal{"AWS": Values(who)}, Action: actions, Resource: Values{"*"},
		Condition: Condition{"StringEquals": {"kms:CallerAccount": Values(accounts), "kms:ViaService": r.partition().ViaService("secretsmanager", r.Region)}},
		Why:       "Only while Secrets Manager acts for them."}
	if len(r.Secrets) > 0 {
		s.Action = slices.DeleteFunc(slices.Clone(actions), func(action string) bool { return action == "kms:DescribeKey" }) // it has no encryption context
		s.Condition["StringLike"] = map[string]Values{"kms:EncryptionContext:SecretARN": Values(r.Secrets)}
	}
	return s
}

func (r KeyRequest) root(account string) string {
	return r.partition().Root(account)
}

func (r KeyRequest) partition() arn.Partition { return arn.PartitionOf(r.Region) }

func (r KeyRequest) roots() []string {
	var out []string
	for _, account := range r.Accounts {
		out = append(out, r.root(account))
	}
	return out
}

func accountsOf(principals []string) []string {
	var out []string
	for _, who := range principals {
		if p, err := policy.ParsePrincipal(who); err == nil && !slices.Contains(out, p.Account) {
			out = append(out, p.Account)
		}
	}
	return out
}
