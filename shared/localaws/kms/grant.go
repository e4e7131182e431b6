package kms

import (
	"cmp"
	"encoding/hex"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/localaws/core"
	"github.com/doublelock/doublelock/shared/policy"
)

// grant allows a principal some operations on one key.
type grant struct {
	id, name, grantee, retiring, issuer string
	operations                          []string
	equals, subset                      map[string]string // encryption context constraints
	created                             time.Time
}

// policyGrants are the grants of a key as the policy language knows them, with or without those that an encryption context
// limits.
func (k *Key) policyGrants(withoutContext bool) []policy.Grant {
	var out []policy.Grant
	for _, g := range k.grants {
		if withoutContext && len(g.equals)+len(g.subset) > 0 {
			continue
		}
		out = append(out, policy.Grant{ID: g.id, Grantee: g.grantee, Retiring: g.retiring, Operations: g.operations,
			EncryptionContextEquals: g.equals, EncryptionContextSubset: g.subset})
	}
	return out
}

func grantOperations() map[string]core.Operation {
	return map[string]core.Operation{
		"CreateGrant": createGrant,
		"ListGrants":  listGrants,
		"RevokeGrant": revokeGrant,
		"RetireGrant": retireGrant,
	}
}

type grantConstraints struct {
	EncryptionContextEquals map[string]string `json:",omitempty"`
	EncryptionContextSubset map[string]string `json:",omitempty"`
}

type grantInput struct {
	KeyId, GrantId, GranteePrincipal, RetiringPrincipal, Name, GrantToken string
	Operations                                                            []string
	Constraints                                                           *grantConstraints
}

// conditions are what policies see of CreateGrant, which nobody here calls for a service.
func (in grantInput) conditions() map[string][]string {
	out := map[string][]string{"kms:GrantOperations": in.Operations, "kms:GranteePrincipal": {in.GranteePrincipal}, "kms:GrantIsForAWSResource": {"false"}}
	switch c := in.Constraints; {
	case c == nil:
	case len(c.EncryptionContextEquals) > 0:
		out["kms:GrantConstraintType"] = []string{"EncryptionContextEquals"}
	case len(c.EncryptionContextSubset) > 0:
		out["kms:GrantConstraintType"] = []string{"EncryptionContextSubset"}
	}
	return out
}

func createGrant(c *core.Call) (any, error) {
	var in grantInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := authorizedKey(c, in.KeyId, in.conditions())
	if err != nil {
		return nil, err
	}
	if err := k.Usable(); err != nil {
		return nil, err
	}
	if len(in.Operations) == 0 || in.GranteePrincipal == "" {
		return nil, &core.Error{Code: "ValidationException", Message: "1 validation error detected: GranteePrincipal and Operations must not be empty"}
	}
	for _, g := range k.grants {
		if in.Name != "" && g.name == in.Name && g.grantee == in.GranteePrincipal && slices.Equal(g.operations, in.Operations) {
			return core.Reply{"GrantId": g.id, "GrantToken": g.id}, nil
		}
	}
	made := &grant{id: hex.EncodeToString(randomBytes(c.AWS, 32)), name: in.Name, grantee: in.GranteePrincipal, retiring: in.RetiringPrincipal,
		issuer: c.Caller.Account, operations: in.Operations, created: c.Now}
	if in.Constraints != nil {
		made.equals, made.subset = in.Constraints.EncryptionContextEquals, in.Constraints.EncryptionContextSubset
	}
	k.grants = append(k.grants, made)
	return core.Reply{"GrantId": made.id, "GrantToken": made.id}, nil
}

func listGrants(c *core.Call) (any, error) {
	var in grantInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := authorizedKey(c, in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, g := range k.grants {
		if (in.GrantId == "" || g.id == in.GrantId) && (in.GranteePrincipal == "" || g.grantee == in.GranteePrincipal) {
			items = append(items, g.show(k))
		}
	}
	return page(c, "Grants", items, 50)
}

func (g *grant) show(k *Key) core.Reply {
	out := core.Reply{"KeyId": k.ARN, "GrantId": g.id, "GranteePrincipal": g.grantee, "IssuingAccount": arn.Of(k.ARN).Partition.Root(g.issuer),
		"Operations": g.operations, "CreationDate": core.Epoch(g.created), "Name": g.name}
	if g.retiring != "" {
		out["RetiringPrincipal"] = g.retiring
	}
	if g.equals != nil || g.subset != nil {
		out["Constraints"] = grantConstraints{g.equals, g.subset}
	}
	return out
}

func (k *Key) dropGrant(id string) error {
	at := slices.IndexFunc(k.grants, func(g *grant) bool { return g.id == id })
	if at < 0 {
		return &core.Error{Code: "NotFoundException", Message: "Grant ID " + id + " not found"}
	}
	k.grants = slices.Delete(k.grants, at, at+1)
	return nil
}

func revokeGrant(c *core.Call) (any, error) {
	var in grantInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := authorizedKey(c, in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	return nil, k.dropGrant(in.GrantId)
}

// retireGrant is for the retiring principal and the grantee that may retire; others need kms:RetireGrant.
func retireGrant(c *core.Call) (any, error) {
	var in grantInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	k, err := FindKey(c.AWS, c.Location, in.KeyId)
	if err != nil {
		return nil, err
	}
	id := cmp.Or(in.GrantId, in.GrantToken)
	for _, g := range k.grants {
		own := g.retiring == c.Caller.ARN || g.retiring == c.Caller.RoleARN && g.retiring != "" ||
			g.grantee == cmp.Or(c.Caller.RoleARN, c.Caller.ARN) && slices.Contains(g.operations, "RetireGrant")
		if g.id == id && own {
			c.Resources = []core.Resource{{ARN: k.ARN, Type: keyType, Account: k.At.Account}}
			return nil, k.dropGrant(id)
		}
	}
	if err := AuthorizeKey(c, k, "kms:RetireGrant", nil); err != nil {
		return nil, err
	}
	return nil, k.dropGrant(id)
}
