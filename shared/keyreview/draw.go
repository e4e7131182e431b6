package keyreview

import (
	"slices"
	"strconv"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// What a policy compares callers with says who might get in: an example of each pattern, of an account or organization that is not
// approved, is asked about. Examples show that somebody is let in for certain; that nobody is, the engine says of symbolic callers.

// drawn is one value of a condition with an example that it fits.
type drawn struct {
	value, example string
}

// conditionsOf are the conditions of one Allow of a policy and of all its Denies.
func conditionsOf(d *policy.Document, allow policy.Statement) []policy.Condition {
	out := slices.Clone(allow.Conditions)
	for _, s := range d.Statements {
		if s.Effect == policy.Deny {
			out = append(out, s.Conditions...)
		}
	}
	return out
}

// draw gives an example of each value that conditions on the keys compare with, where there is one.
func draw(conditions []policy.Condition, example func(value string) string, keys ...string) []drawn {
	var out []drawn
	for _, c := range conditions {
		if !slices.ContainsFunc(keys, func(key string) bool { return strings.EqualFold(key, c.Key) }) || strings.EqualFold(c.Operator, "Null") {
			continue
		}
		for _, value := range c.Values {
			if found := (drawn{value, example(value)}); found.example != "" && !slices.Contains(out, found) {
				out = append(out, found)
			}
		}
	}
	return out
}

// wild reports whether a value has wildcards.
func wild(value string) bool { return strings.ContainsAny(value, "*?") }

const accountDigits = 12

// account is an account that a pattern matches and that is not approved; "" where there is none.
func (r *review) account(k *inventory.Key, pattern string) string {
	for digit := range 10 {
		text := strings.ReplaceAll(pattern, "?", strconv.Itoa(digit))
		if before, after, found := strings.Cut(text, "*"); found {
			after = strings.ReplaceAll(after, "*", "")
			text = before + strings.Repeat(strconv.Itoa(digit), max(0, accountDigits-len(before)-len(after))) + after
		}
		if isAccount(text) && !slices.Contains(r.insiders(k), text) {
			return text
		}
	}
	return ""
}

func isAccount(text string) bool {
	return len(text) == accountDigits && strings.Trim(text, "0123456789") == ""
}

// insiders are the accounts that may use a key.
func (r *review) insiders(k *inventory.Key) []string {
	return append([]string{k.Facts.Account}, r.std.Approved...)
}

// foreignRole is the ARN of a role that a pattern matches, of an account that is not approved; "" where there is none. As text a pattern
// may run over the account: into the path of a role, which may hold colons. Source: IAM User Guide, "IAM and AWS STS quotas".
func (r *review) foreignRole(k *inventory.Key, pattern string) string {
	head := arn.Of(k.Facts.ARN).Partition.Role(stranger, "")
	literal, rest, _ := strings.Cut(pattern, "*")
	examples := []string{r.inComponents(k, pattern), r.inComponents(k, pattern+":role/x")}
	for _, beginning := range []string{strings.TrimSuffix(head, ":role/"), strings.TrimSuffix(head, "/"), head, head + "x", head + "x/"} {
		if strings.HasPrefix(beginning, literal) {
			examples = append(examples, beginning+arn.Example(rest))
		}
	}
	for _, example := range examples {
		p, err := policy.ParsePrincipal(example)
		if err == nil && arn.Match(pattern, example) && isAccount(p.Account) && !slices.Contains(r.insiders(k), p.Account) && p.Name != "" {
			return example
		}
	}
	return ""
}

// inComponents is a role that a pattern matches component by component; "" where it does not have that many.
func (r *review) inComponents(k *inventory.Key, pattern string) string {
	of := arn.Of(pattern)
	if of.Resource == "" {
		return ""
	}
	if wild(string(of.Partition)) {
		of.Partition = arn.Of(k.Facts.ARN).Partition
	}
	if wild(of.Service) {
		of.Service = "iam"
	}
	if wild(of.Region) {
		of.Region = ""
	}
	if of.Account = r.account(k, of.Account); of.Account == "" {
		return ""
	}
	if wild(of.Resource[:1]) {
		of.Resource = "role/x" + strings.TrimPrefix(of.Resource, "*")
	}
	return arn.Example(of.String())
}
