package preventive

import (
	"fmt"

	"github.com/doublelock/doublelock/shared/settings"
)

// Perimeter is the name of the resource control policy.
const Perimeter = "doublelock-perimeter"

// RCPs renders the resource control policy for the stages with perimeter; none where no stage has it. RCPs bind the resources of an
// account whoever asks for them, so they stop those whom no SCP reaches. They do not bind AWS managed keys, the management account's
// resources, and service-linked roles. It errs on a policy over MaxDeployed, which is what AWS takes of an RCP, too.
// Source: AWS Organizations User Guide, "Resource control policies".
func RCPs(c settings.Config) ([]SCP, error) {
	l := layer{Perimeter, "Secrets and keys stay in the organization.", []Statement{OutsideOrganization(c), ForOutsiders(c), ForeignChange(c)}, []settings.Part{
		part("organization.partners", c.Organization.Partners...),
	}}
	rcps, err := l.attach(targets(c, func(w settings.RolloutStage) bool { return w.Perimeter }))
	for i := range rcps {
		rcps[i].Kind = ResourceControl
	}
	return rcps, err
}

// Policies are the SCPs, and after them the RCPs.
func Policies(c settings.Config) ([]SCP, error) {
	scps, err := SCPs(c)
	if err != nil {
		return nil, err
	}
	rcps, err := RCPs(c)
	if err != nil {
		return nil, fmt.Errorf("render RCPs: %w", err)
	}
	return append(scps, rcps...), nil
}

// everybody is whom a statement of an RCP is about: it takes no other Principal.
var everybody = Principal{"*": nil}

// OutsideOrganization denies every use of secrets and customer managed keys to principals of other organizations, but for the
// partners. IfExists: who has no organization is outside as well.
// Source: AWS Organizations User Guide, "Resource control policy examples".
func OutsideOrganization(c settings.Config) Statement {
	none := map[string]Values{"aws:PrincipalOrgID": {c.Organization.ID}}
	if len(c.Organization.Partners) > 0 {
		none["aws:PrincipalAccount"] = c.Organization.Partners
	}
	return Statement{
		Sid: "OutsideOrganization", Effect: "Deny", Principal: everybody,
		Action:   Values{"kms:*", "secretsmanager:*"},
		Resource: Values{"*"},
		Condition: Condition{
			"BoolIfExists":            {"aws:PrincipalIsAWSService": {"false"}},
			"StringNotEqualsIfExists": none,
		},
		Why: "A resource policy or a grant that lets a stranger in is a door that no SCP sees.",
	}
}

// ForOutsiders denies AWS services the use of secrets and keys for somebody else's resource. Null: a service that does not say
// for whom it calls is not stopped.
func ForOutsiders(c settings.Config) Statement {
	return Statement{
		Sid: "ForOutsiders", Effect: "Deny", Principal: everybody,
		Action:   Values{"kms:*", "secretsmanager:*"},
		Resource: Values{"*"},
		Condition: Condition{
			"Bool":                    {"aws:PrincipalIsAWSService": {"true"}},
			"Null":                    {"aws:SourceAccount": {"false"}},
			"StringNotEqualsIfExists": {"aws:SourceOrgID": {c.Organization.ID}},
		},
		Why: "A service that a resource policy lets in acts for whoever has a resource in it.",
	}
}

// ForeignChange denies the partners, too, what changes who opens a secret and with which key.
func ForeignChange(c settings.Config) Statement {
	return Statement{
		Sid: "ForeignChange", Effect: "Deny", Principal: everybody,
		Action: Values{
			"kms:CreateGrant", "kms:PutKeyPolicy", "secretsmanager:DeleteResourcePolicy", "secretsmanager:DeleteSecret", "secretsmanager:PutResourcePolicy",
			"secretsmanager:ReplicateSecretToRegions", "secretsmanager:UpdateSecret",
		},
		Resource: Values{"*"},
		Condition: Condition{
			"BoolIfExists":            {"aws:PrincipalIsAWSService": {"false"}},
			"StringNotEqualsIfExists": {"aws:PrincipalOrgID": {c.Organization.ID}},
		},
		Why: "Who may read a secret from outside has no business with its key and its policy.",
	}
}
