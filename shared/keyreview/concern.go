package keyreview

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// concerns says whether a use is one of a key, and whether that is certain. An alias counts for the key that has it now; where it may have been
// given to that after the use, or no key has it, for all that could have had it.
func (r *review) concerns(k *inventory.Key, u Use) (is, certain bool) {
	if u.Key == k.Facts.ARN {
		return true, true
	}
	if u.Secret.ID != "" {
		if !slices.ContainsFunc(r.snapshot.Secrets, func(s inventory.Secret) bool { return named(s.Facts, u.Secret) }) {
			there := u.Secret.Region == "" || u.Secret.Region == k.Facts.Region
			return there && u.Secret.ID != anySecret, false // of a secret that is not held, so that its key may be any
		}
		return slices.ContainsFunc(r.under[k.Facts.ARN], func(s *inventory.Secret) bool { return named(s.Facts, u.Secret) }), false
	}
	if arn.Alias(u.Key) == "" {
		return wild(u.Key) && arn.Match(u.Key, k.Facts.ARN), false
	}
	if !arn.Match(u.Key, alias(k, arn.Of(u.Key).Resource)) {
		return false, false
	}
	if !u.Last.IsZero() && u.Last.Before(k.CreatedAt.Truncate(time.Second)) {
		return false, false
	}
	return has(k, u.Key) || k.Facts.Aliases == nil || !slices.ContainsFunc(r.snapshot.Keys, func(k inventory.Key) bool { return hadAlready(&k, u) }), false
}

// hadAlready reports whether a key had the alias that a use names when that was made first.
func hadAlready(k *inventory.Key, u Use) bool {
	return slices.ContainsFunc(k.Facts.Aliases, func(name string) bool {
		since := k.AliasesSet[name]
		return arn.Match(u.Key, alias(k, name)) && !wild(u.Key) && !since.IsZero() && !u.First.IsZero() && !u.First.Before(since.Truncate(time.Second))
	})
}

// named reports whether a record names a secret, or may be about any of the account and Region: by its ARN, without the characters at its end too, or by its name, in any Region: it may be a replica's record.
// Source: Secrets Manager API Reference, PutSecretValue, SecretId: "we recommend that you specify a complete ARN rather than a partial one".
func named(s guard.Secret, by guard.SecretRef) bool {
	switch {
	case by.Account != "" && by.Account != s.Account:
		return false
	case by.ID == anySecret:
		return by.Region == "" || by.Region == s.Region
	}
	if arn.Is(by.ID) {
		return arn.Of(by.ID).Resource == arn.Of(s.ARN).Resource || arn.Of(by.ID).Resource == "secret:"+s.Name
	}
	return by.ID == s.Name
}

// alias is the ARN that an alias of a key has, or would have.
func alias(k *inventory.Key, resource string) string {
	at := arn.Of(k.Facts.ARN)
	at.Resource = resource
	return at.String()
}

// has reports whether a key has an alias that an ARN, or a pattern of one, names.
func has(k *inventory.Key, named string) bool {
	return slices.ContainsFunc(k.Facts.Aliases, func(name string) bool { return arn.Match(named, alias(k, name)) })
}

// successor is the unique id of whoever has the name now of somebody who was seen and is gone. It may do the same work: what the former one
// used is not taken from the name without a person.
func (r *review) successor(u Use) (id string, former bool) {
	for i := range r.snapshot.Principals {
		if p := &r.snapshot.Principals[i]; p.ARN == u.Principal {
			return p.UniqueID, p.Former(u.ID, u.Last)
		}
	}
	return "", false
}

// another says what shows that a symmetric key is used for something else than secrets, whose users no secret tells of; "" where nothing does:
// its grants, as Secrets Manager makes none, or where no secret is or was under it, its last use.
// Source: KMS API Reference, GetKeyLastUsage: the last cryptographic operation alone.
func (r *review) another(k *inventory.Key) string {
	if !k.Facts.Symmetric() {
		return ""
	}
	if k.GrantsUnread != "" {
		return "its grants could not be read: " + k.GrantsUnread
	}
	if of := slices.IndexFunc(k.Grants, forService); of >= 0 {
		return "grant " + k.Grants[of].ID + " is one that a service makes, for " + k.Grants[of].Grantee
	}
	if len(r.touched[k.Facts.ARN]) > 0 {
		return ""
	}
	const none = "no secret is known to be under it, and "
	switch {
	case k.UseUnread != "":
		return none + "its last use could not be read: " + k.UseUnread
	case k.Use.At.IsZero() && k.Use.Since.IsZero():
		return none + "its last use is not known"
	case !k.Use.At.IsZero():
		return none + "it was used on " + k.Use.At.Format(time.DateOnly) + " (" + cmp.Or(k.Use.Operation, "by an operation that is not known") + ")"
	}
	if tracked := r.now.Sub(k.Use.Since); (k.CreatedAt.IsZero() || k.CreatedAt.Before(k.Use.Since)) && tracked < longEnough {
		return none + "AWS keeps track of its use only since " + k.Use.Since.Format(time.DateOnly)
	}
	if services := serving(k); len(services) > 0 {
		return none + "its policy is for " + strings.Join(services, " and ")
	}
	return ""
}

// longEnough is how long a key that is older has to be without use on record before that says that nothing uses it.
const longEnough = 90 * day

// forService reports whether a grant is such as services make to use the key for their resources: to a service or a role of its own, or for
// something that an encryption context names that is no secret.
// Source: KMS Developer Guide, "How Amazon EBS uses AWS KMS", "Monitoring grants"; Secrets Manager User Guide, "Encryption context".
func forService(g inventory.Grant) bool {
	p, err := policy.ParsePrincipal(g.Grantee)
	if err == nil && (p.Kind == policy.KindService || p.ServiceLinked() || strings.HasPrefix(p.Name, "aws:")) {
		return true
	}
	for _, context := range []map[string]string{g.Equals, g.Subset} {
		for name := range context {
			if name != "SecretARN" && name != "SecretVersionId" {
				return true
			}
		}
	}
	return false
}

// serving are the services other than Secrets Manager that a key policy lets use the key, for themselves or for who calls them.
func serving(k *inventory.Key) []string {
	d, err := policy.Parse(k.Facts.ARN, []byte(k.Policy))
	if err != nil {
		return nil
	}
	var out []string
	for _, s := range d.Statements {
		if s.Effect != policy.Allow {
			continue
		}
		if s.Principal != nil {
			out = append(out, s.Principal.Service...)
		}
		for _, c := range s.Conditions {
			for _, like := range draw([]policy.Condition{c}, arn.Example, viaService) {
				if service, _, _ := strings.Cut(like.value, "."); service != secretsManager && !wild(service) && !keepsOut(c) {
					out = append(out, like.value)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// granted is that somebody made the grants that are there, as far as it is known: anybody of the account may have.
func granted(k *inventory.Key) []Use {
	if len(k.Grants) == 0 {
		return nil
	}
	return []Use{{Key: k.Facts.ARN, Principal: k.Facts.Account, Action: grant, Maybe: true}}
}

// lastUse is the last use of a symmetric key where that was for no secret: none is or was under it, or Secrets Manager does not call that
// operation. The key says no more of it, so that it may have been anybody of the account.
func (r *review) lastUse(k *inventory.Key) []Use {
	action := "kms:" + k.Use.Operation
	if !k.Facts.Symmetric() || k.Use.At.IsZero() || k.Use.Operation == "" || len(r.touched[k.Facts.ARN]) > 0 && slices.Contains(useActions, action) {
		return nil
	}
	actions := []string{action}
	if k.Use.Operation == "ReEncrypt" {
		actions = []string{reEncryptFrom, reEncryptTo}
	}
	var out []Use
	for _, action := range actions {
		out = append(out, Use{Key: k.Facts.ARN, Principal: k.Facts.Account, Action: action, Last: k.Use.At, Maybe: true})
	}
	return out
}
