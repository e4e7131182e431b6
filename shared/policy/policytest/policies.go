package policytest

import (
	"strings"

	"github.com/doublelock/doublelock/shared/policy"
)

func readPolicies(o object) (policy.Policies, error) {
	var p policy.Policies
	var err error
	if p.Identity, err = o.documents("identityPolicies"); err != nil {
		return p, err
	}
	if p.Boundary, err = o.documents(o.pick("permissionBoundaries", "permissionBoundaryPolicies")); err != nil {
		return p, err
	}
	if p.Session, err = o.documents("sessionPolicy"); err != nil {
		return p, err
	}
	p.NoSession = p.Session != nil && len(p.Session) == 0
	if p.Endpoint, err = o.documents("vpcEndpointPolicies"); err != nil {
		return p, err
	}
	if p.SCPs, err = o.levels("serviceControlPolicies"); err != nil {
		return p, err
	}
	if p.RCPs, err = o.levels("resourceControlPolicies"); err != nil {
		return p, err
	}
	if value := o.fields["resourcePolicy"]; value != nil {
		if p.Resource, err = o.named("resourcePolicy", value); err != nil {
			return p, err
		}
	}
	if p.Grants, err = readGrants(o); err != nil {
		return p, err
	}
	return p, readManagement(o, &p)
}

// readManagement reads whose account is the organization's management account: "principal", "resource" or "both".
func readManagement(o object, p *policy.Policies) error {
	if o.fields["managementAccount"] == nil {
		return nil
	}
	whose, err := o.text("managementAccount")
	if err != nil {
		return err
	}
	p.ManagementPrincipal = whose == "principal" || whose == "both"
	p.ManagementResource = whose == "resource" || whose == "both"
	if !p.ManagementPrincipal && !p.ManagementResource {
		return o.fail("managementAccount", "%q is none of principal, resource and both", whose)
	}
	return nil
}

// levels reads [{orgIdentifier, policies}], one entry per level from the root of the organization down.
func (o object) levels(field string) ([][]*policy.Document, error) {
	list, err := o.list(field)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	out := make([][]*policy.Document, 0, len(list))
	for i, value := range list {
		level, err := o.item(field, i, value)
		if err != nil {
			return nil, err
		}
		if err := level.only("orgIdentifier", "policies"); err != nil {
			return nil, err
		}
		documents, err := level.documents("policies")
		if err != nil {
			return nil, err
		}
		if id, ok := level.fields["orgIdentifier"].(string); ok {
			for _, d := range documents {
				d.Name = id + "/" + d.Name
			}
		}
		out = append(out, documents)
	}
	return out, nil
}

// readGrants reads KMS grants, with the field names of kms:ListGrants or the same in lower camel case.
func readGrants(o object) ([]policy.Grant, error) {
	list, err := o.list("grants")
	if err != nil {
		return nil, err
	}
	var out []policy.Grant
	for i, value := range list {
		item, err := o.item("grants", i, value)
		if err != nil {
			return nil, err
		}
		grant, err := readGrant(item.lowered())
		if err != nil {
			return nil, err
		}
		out = append(out, grant)
	}
	return out, nil
}

// lowered writes the object's field names in lower camel case, as the rest of the case.
func (o object) lowered() object {
	fields := make(map[string]any, len(o.fields))
	for name, value := range o.fields {
		fields[strings.ToLower(name[:min(1, len(name))])+name[min(1, len(name)):]] = value
	}
	o.fields = fields
	return o
}

func readGrant(o object) (policy.Grant, error) {
	g := policy.Grant{ID: o.path}
	if err := o.only("grantId", "name", "keyId", "creationDate", "issuingAccount", "granteePrincipal",
		"granteeServicePrincipal", "retiringPrincipal", "retiringServicePrincipal", "operations", "constraints"); err != nil {
		return g, err
	}
	var err error
	if g.Grantee, err = o.text(o.pick("granteePrincipal", "granteeServicePrincipal")); err != nil {
		return g, err
	}
	if o.fields["operations"] == nil {
		return g, o.fail("operations", "is missing")
	}
	if g.Operations, err = o.texts("operations"); err != nil {
		return g, err
	}
	if id, ok := o.fields["grantId"].(string); ok {
		g.ID = id
	}
	if retiring := o.pick("retiringPrincipal", "retiringServicePrincipal"); o.fields[retiring] != nil {
		if g.Retiring, err = o.text(retiring); err != nil {
			return g, err
		}
	}
	return g, readConstraints(o, &g)
}

func readConstraints(o object, g *policy.Grant) error {
	if o.fields["constraints"] == nil {
		return nil
	}
	c, err := o.object("constraints")
	if err != nil {
		return err
	}
	c = c.lowered()
	if err = c.only("encryptionContextEquals", "encryptionContextSubset", "sourceArn"); err != nil {
		return err
	}
	if g.EncryptionContextEquals, err = c.pairs("encryptionContextEquals"); err != nil {
		return err
	}
	if g.EncryptionContextSubset, err = c.pairs("encryptionContextSubset"); err != nil {
		return err
	}
	if c.fields["sourceArn"] != nil {
		g.SourceARN, err = c.text("sourceArn")
	}
	return err
}
