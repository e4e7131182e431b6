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
}

// contextOperations are the operations that take an encryption context; constraints bind only these.
var contextOperations = []string{"decrypt", "encrypt", "generatedatakey", "generatedatakeywithoutplaintext",
	"generatedatakeypair", "generatedatakeypairwithoutplaintext", "reencryptfrom", "reencryptto"}

// allows says whether the grant gives the operation, and how closely it names the principal.
func (g *Grant) allows(c *context, operation string, reason *reasons) (grade, truth) {
	p := &c.request.Principal
	if operation == "retiregrant" && g.Retiring != "" {
		if named := granteeGrade(g.Retiring, p); named != gradeNone {
			return named, yes
		}
	}
	if !slices.ContainsFunc(g.Operations, func(o string) bool { return strings.EqualFold(o, operation) }) {
		return gradeNone, no
	}
	named := granteeGrade(g.Grantee, p)
	if named == gradeNone {
		return gradeNone, no
	}
	result := g.source(c, reason)
	if slices.Contains(contextOperations, operation) {
		result = min(result, g.constraint(c, reason))
	}
	return named, result
}

// source compares aws:SourceArn with what the grant demands.
func (g *Grant) source(c *context, reason *reasons) truth {
	if g.SourceARN == "" {
		return yes
	}
	got, known := c.lookup("aws:sourcearn")
	if known == keyUnknown {
		reason.missing("aws:SourceArn")
		return maybe
	}
	return truthOf(known == keyPresent && slices.Contains(got, g.SourceARN))
}

func granteeGrade(name string, p *Principal) grade {
	if isService(name) {
		id := identity{kind: identityService, name: name}
		return id.names(p)
	}
	id := awsIdentity(name)
	return id.names(p)
}

const encryptionContextPrefix = "kms:encryptioncontext:"

// constraint compares the encryption context of the request with what the grant demands.
func (g *Grant) constraint(c *context, reason *reasons) truth {
	result := yes
	for _, wanted := range []map[string]string{g.EncryptionContextEquals, g.EncryptionContextSubset} {
		for key, value := range wanted {
			got, known := c.lookup(encryptionContextPrefix + strings.ToLower(key))
			switch {
			case known == keyUnknown:
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
// be known to be there without its value being known.
func (g *Grant) nothingElse(c *context, reason *reasons) truth {
	wanted := func(key string) bool {
		return slices.ContainsFunc(mapKeys(g.EncryptionContextEquals), func(k string) bool { return strings.EqualFold(k, key) })
	}
	for name := range c.request.Context {
		if key, ok := strings.CutPrefix(strings.ToLower(name), encryptionContextPrefix); ok && !wanted(key) {
			return no
		}
	}
	if keys, known := c.lookup("kms:encryptioncontextkeys"); known == keyPresent && !containsAll(keys, wanted) {
		return no
	}
	for _, name := range c.request.Unknown {
		key, ok := strings.CutPrefix(strings.ToLower(name), encryptionContextPrefix)
		if ok && !wanted(key) || strings.HasSuffix(name, "*") && c.flaggedUnknown(encryptionContextPrefix+"\x00") {
			reason.missing("kms:EncryptionContext")
			return maybe
		}
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
