package localaws

import (
	"cmp"
	"encoding/hex"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/policy"
)

// kmsGrant allows a principal some operations on one key.
type kmsGrant struct {
	id, name, grantee, retiring, issuer string
	operations                          []string
	equals, subset                      map[string]string // encryption context constraints
	created                             time.Time
}

// policyGrants are the grants of a key as the policy language knows them.
func (k *kmsKey) policyGrants() []policy.Grant {
	var out []policy.Grant
	for _, g := range k.grants {
		out = append(out, policy.Grant{ID: g.id, Grantee: g.grantee, Retiring: g.retiring, Operations: g.operations,
			EncryptionContextEquals: g.equals, EncryptionContextSubset: g.subset})
	}
	return out
}

func kmsGrantOperations() map[string]operation {
	return map[string]operation{
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

func createGrant(c *call) (any, error) {
	var in grantInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.key(in.KeyId, map[string][]string{"kms:GrantOperations": in.Operations, "kms:GranteePrincipal": {in.GranteePrincipal}})
	if err != nil {
		return nil, err
	}
	if err := k.usable(); err != nil {
		return nil, err
	}
	if len(in.Operations) == 0 || in.GranteePrincipal == "" {
		return nil, &apiError{Code: "ValidationException", Message: "1 validation error detected: GranteePrincipal and Operations must not be empty"}
	}
	for _, g := range k.grants {
		if in.Name != "" && g.name == in.Name && g.grantee == in.GranteePrincipal && slices.Equal(g.operations, in.Operations) {
			return reply{"GrantId": g.id, "GrantToken": g.id}, nil
		}
	}
	made := &kmsGrant{id: hex.EncodeToString(c.aws.bytes(32)), name: in.Name, grantee: in.GranteePrincipal, retiring: in.RetiringPrincipal,
		issuer: c.Caller.Account, operations: in.Operations, created: c.Now}
	if in.Constraints != nil {
		made.equals, made.subset = in.Constraints.EncryptionContextEquals, in.Constraints.EncryptionContextSubset
	}
	k.grants = append(k.grants, made)
	return reply{"GrantId": made.id, "GrantToken": made.id}, nil
}

func listGrants(c *call) (any, error) {
	var in grantInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.key(in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	items := []any{}
	for _, g := range k.grants {
		if (in.GrantId == "" || g.id == in.GrantId) && (in.GranteePrincipal == "" || g.grantee == in.GranteePrincipal) {
			items = append(items, g.show(k))
		}
	}
	return kmsPage(c, "Grants", items, 50)
}

func (g *kmsGrant) show(k *kmsKey) reply {
	out := reply{"KeyId": k.arn, "GrantId": g.id, "GranteePrincipal": g.grantee, "IssuingAccount": "arn:aws:iam::" + g.issuer + ":root",
		"Operations": g.operations, "CreationDate": epoch(g.created), "Name": g.name}
	if g.retiring != "" {
		out["RetiringPrincipal"] = g.retiring
	}
	if g.equals != nil || g.subset != nil {
		out["Constraints"] = grantConstraints{g.equals, g.subset}
	}
	return out
}

func (k *kmsKey) dropGrant(id string) error {
	at := slices.IndexFunc(k.grants, func(g *kmsGrant) bool { return g.id == id })
	if at < 0 {
		return &apiError{Code: "NotFoundException", Message: "Grant ID " + id + " not found"}
	}
	k.grants = slices.Delete(k.grants, at, at+1)
	return nil
}

func revokeGrant(c *call) (any, error) {
	var in grantInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.key(in.KeyId, nil)
	if err != nil {
		return nil, err
	}
	return nil, k.dropGrant(in.GrantId)
}

// retireGrant is for the retiring principal and the grantee that may retire; others need kms:RetireGrant.
func retireGrant(c *call) (any, error) {
	var in grantInput
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	k, err := c.aws.findKey(c.location, in.KeyId)
	if err != nil {
		return nil, err
	}
	id := cmp.Or(in.GrantId, in.GrantToken)
	for _, g := range k.grants {
		own := g.retiring == c.Caller.ARN || g.retiring == c.Caller.RoleARN && g.retiring != "" ||
			g.grantee == cmp.Or(c.Caller.RoleARN, c.Caller.ARN) && slices.Contains(g.operations, "RetireGrant")
		if g.id == id && own {
			c.resources = []resource{{ARN: k.arn, Type: "AWS::KMS::Key", Account: k.at.Account}}
			return nil, k.dropGrant(id)
		}
	}
	if err := c.onKey(k, "kms:RetireGrant", nil); err != nil {
		return nil, err
	}
	return nil, k.dropGrant(id)
}
