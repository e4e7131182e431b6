package simulate

import (
	"errors"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// withoutResource are the actions of Secrets Manager and KMS that are about no resource: AWS authorizes them on "*".
// Source: Service Authorization Reference, Secrets Manager and KMS.
var withoutResource = []string{
	"secretsmanager:BatchGetSecretValue", "secretsmanager:GetRandomPassword", "secretsmanager:ListSecrets",
	"kms:ConnectCustomKeyStore", "kms:CreateCustomKeyStore", "kms:CreateKey", "kms:DeleteCustomKeyStore", "kms:DescribeCustomKeyStores",
	"kms:DisconnectCustomKeyStore", "kms:GenerateRandom", "kms:ListAliases", "kms:ListKeys", "kms:ListRetirableGrants", "kms:UpdateCustomKeyStore",
}

// TakesNoResource reports whether an action of Secrets Manager or KMS is about none. Of those of other services it is not known.
func TakesNoResource(action string) bool {
	return slices.ContainsFunc(withoutResource, func(known string) bool { return strings.EqualFold(known, action) })
}

// documents are SCPs and RCPs.
type documents [2][]*policy.Document

// bounds are the candidates as they are about a resource of which only a pattern is known. What they do to any resource of that pattern
// lies between the two: kindest is where each statement that may be about it is so if it allows, harshest where it is if it denies.
type bounds struct {
	kindest, harshest documents
	spared            documents // kindest, without exemptions of principals
}

// unnamed is a resource that nobody named.
type unnamed struct {
	pattern string
	manager guard.KeyManager // of a key, where that is known
}

// boundsOf are computed once for each pattern.
func (t *Trial) boundsOf(u unnamed) (*bounds, error) {
	if found, is := t.bounds.Load(u); is {
		return found.(*bounds), nil
	}
	b := &bounds{}
	written := documents{t.scps, t.rcps}
	var problems [6]error
	for i := range written {
		b.kindest[i], problems[i] = t.about(u, policy.Allow, written[i])
		b.harshest[i], problems[2+i] = t.about(u, policy.Deny, written[i])
		b.spared[i], problems[4+i] = t.about(u, policy.Allow, t.strict[i])
	}
	if err := errors.Join(problems[:]...); err != nil {
		return nil, err
	}
	t.bounds.Store(u, b)
	return b, nil
}

// about makes the statements of documents be about everything or nothing: those of one effect wherever they may be about the resource, all
// others only where they surely are.
func (t *Trial) about(u unnamed, where policy.Effect, written []*policy.Document) ([]*policy.Document, error) {
	out := make([]*policy.Document, len(written))
	for i, d := range written {
		if out[i] = d; !slices.ContainsFunc(d.Statements, func(s policy.Statement) bool { return !slices.Equal(s.Resources, []string{"*"}) }) {
			continue
		}
		var err error
		out[i], err = rewrite(d, func(s policy.Statement) policy.Statement {
			may, surely := t.matches(u, s.Resources)
			if s.Resources == nil {
				may, surely = t.matches(u, s.NotResources)
				may, surely = !surely, !may
			}
			s.Resources, s.NotResources = nil, []string{"*"}
			if surely || may && s.Effect == where {
				s.Resources, s.NotResources = []string{"*"}, nil
			}
			return s
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// matches reports whether one of some patterns may be of the resource, and whether one surely is.
func (t *Trial) matches(u unnamed, patterns []string) (may, surely bool) {
	for _, pattern := range patterns {
		if known, is := t.options.Keys[pattern]; is && u.manager != "" && known.Manager != "" && known.Manager != u.manager {
			continue
		}
		may = may || u.pattern == "*" || overlap(variables(pattern), u.pattern)
		surely = surely || covers(pattern, u.pattern)
	}
	return may, surely
}

// variables puts a wildcard for each policy variable.
func variables(pattern string) string {
	for {
		before, rest, found := strings.Cut(pattern, "${")
		_, after, closed := strings.Cut(rest, "}")
		if !found || !closed {
			return pattern
		}
		pattern = before + "*" + after
	}
}

// overlap reports whether some text matches both patterns, the second of which leaves open what has no colon: ids, names and accounts.
func overlap(a, b string) bool {
	next := make([]bool, len(b)+1) // whether what follows in a and from here on in b does
	for i := len(a); i >= 0; i-- {
		row := make([]bool, len(b)+1)
		for j := len(b); j >= 0; j-- {
			switch endA, endB := i == len(a), j == len(b); {
			case endA && endB:
				row[j] = true
			case !endA && a[i] == '*':
				row[j] = next[j] || !endB && row[j+1]
			case !endB && b[j] == '*':
				row[j] = row[j+1] || !endA && a[i] != ':' && next[j]
			case !endA && !endB:
				row[j] = (a[i] == b[j] || a[i] == '?' || b[j] == '?') && next[j+1]
			}
		}
		next = row
	}
	return next[0]
}

// covers reports whether a pattern matches all that another one does: so it is where it matches that one with nothing for each "*", and with
// more characters that it does not name than it has wildcards of one.
func covers(pattern, other string) bool {
	unheard := strings.Repeat("\x00", len(pattern)+1)
	return arn.Match(pattern, strings.ReplaceAll(other, "*", "")) && arn.Match(pattern, strings.ReplaceAll(other, "*", unheard))
}
