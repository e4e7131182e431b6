package policy

import (
	"slices"
	"strings"
)

// Grant is a KMS grant, as kms:ListGrants lists it.
type Grant struct {
	ID         string
	Grantee    string   // ARN of a user, role, session, federated user or account, or a service principal
	Retiring   string   // who may retire it; "" for none
	Operations []string // Decrypt, GenerateDataKey, …

	// EncryptionContextEquals and EncryptionContextSubset must equal, or be part of, the request's encryption context.
	// Keys know no case, values do. Source: KMS API Reference, GrantConstraints.
	EncryptionContextEquals map[string]string
	EncryptionContextSubset map[string]string

	SourceARN string // aws:SourceArn that the request must have; "" for no such constraint

	// Older: it was made before whoever has the grantee's name now. Whether it gives him anything no page says.
	Older bool
}

// contextOperations are the operations that take an encryption context; constraints bind only these.
var contextOperations = []string{"decrypt", "encrypt", "generatedatakey", "generatedatakeywithoutplaintext",
	"generatedatakeypair", "generatedatakeypairwithoutplaintext", "reencryptfrom", "reencryptto"}

// allows says whether the grant gives the operation, and how closely it names the principal.
func (g *Grant) allows(c *context, operation string, reason *reasons) (grade, truth) {
	p := &c.request.Principal
	if operation == "retiregrant" && g.Retiring != "" {
		if g, named := grantee(g.Retiring, p, reason); named != no {
			return g, named
		}
	}
	if !slices.ContainsFunc(g.Operations, func(o string) bool { return strings.EqualFold(o, operation) }) {
		return gradeNone, no
	}
	closest, named := grantee(g.Grantee, p, reason)
	if named == no {
		return gradeNone, no
	}
	if g.Older {
		reason.note("grant " + g.ID + " was made before " + p.String() + " was, for another of that name, and AWS does not say whether it counts")
		named = maybe
	}
	result := min(named, g.source(c, reason))
	if slices.Contains(contextOperations, operation) {
		result = min(result, g.constraint(c, reason))
	}
	return closest, result
}

// source compares aws:SourceArn with what the grant demands.
func (g *Grant) source(c *context, reason *reasons) truth {
	if g.SourceARN == "" {
		return yes
	}
	got, known := c.lookup(sourceARN)
	if known == keyUnknown || known == keyHidden {
		reason.missing("aws:SourceArn")
		return maybe
	}
	return truthOf(known == keyPresent && slices.Contains(got, g.SourceARN))
}

// grantee says how closely, and how certainly, a grant's principal is the request's.
func grantee(name string, p *Principal, reason *reasons) (grade, truth) {
	id := identity{kind: identityService, name: name}
	if !isService(name) {
		id = awsIdentity(name)
	}
	closest, named := id.names(p)
	if named == maybe {
		reason.note(id.doubt(p))
	}
	return closest, named
}

const encryptionContextPrefix = "kms:encryptioncontext:"

// The keys that constraints ask for.
var (
	sourceARN             = contextKeyOf("aws:SourceArn")
	encryptionContext     = keyRow(encryptionContextPrefix)
	encryptionContextKeys = contextKeyOf("kms:EncryptionContextKeys")
)

// constraint compares the encryption context of the request with what the grant demands.
func (g *Grant) constraint(c *context, reason *reasons) truth {
	result := yes
	for _, wanted := range []map[string]string{g.EncryptionContextEquals, g.EncryptionContextSubset} {
		for key, value := range wanted {
			got, known := c.lookup(contextKey{name: encryptionContextPrefix + strings.ToLower(key), row: encryptionContext})
			switch {
			case known == keyUnknown || known == keyHidden || known == keyEither || known == keyAtLeast:
				reason.missing("kms:EncryptionContext:" + key)
				result = min(result, maybe)
			case known == keyAbsent || len(got) != 1 || got[0] != value:
				return no
			}
		}
	}
	if len(g.EncryptionContextEquals) > 0 {
		result = min(result, g.nothingElse(c, reason))
	}
	return result
}

// nothingElse reports whether the request's encryption context has no pair beyond those that must be equal. A pair may
// be known to be there without its value being known, and in an open request without being named.
func (g *Grant) nothingElse(c *context, reason *reasons) truth {
	wanted := func(key string) bool {
		return slices.ContainsFunc(mapKeys(g.EncryptionContextEquals), func(k string) bool { return strings.EqualFold(k, key) })
	}
	for name := range c.request.Context {
		if key, ok := strings.CutPrefix(strings.ToLower(name), encryptionContextPrefix); ok && !wanted(key) {
			return no
		}
	}
	if keys, known := c.lookup(encryptionContextKeys); known == keyPresent {
		return truthOf(containsAll(keys, wanted))
	}
	for _, name := range c.request.Unknown {
		if key, ok := strings.CutPrefix(strings.ToLower(name), encryptionContextPrefix); ok && !wanted(key) {
			reason.missing("kms:EncryptionContext")
			return maybe
		}
	}
	if _, other := c.lookup(contextKey{name: encryptionContextPrefix + "\x00", row: encryptionContext}); other == keyUnknown {
		reason.missing("kms:EncryptionContext")
		return maybe
	}
	return yes
}

func containsAll(keys []string, wanted func(string) bool) bool {
	return !slices.ContainsFunc(keys, func(key string) bool { return !wanted(key) })
}

func mapKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	return keys
}
