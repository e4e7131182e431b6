package judge

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// Reason is why the second engine differs, and who is right.
type Reason struct {
	Name  string // what it does not know
	Right string // who is right, and by which document of AWS
	// blind is a decision as somebody takes it who does not know that; false where the decision has nothing of it. What is
	// explained so was tried: blind, our engine has to answer as the second one does.
	blind func(Decision) (Decision, bool)
	// refuses, where it is set, is what the second engine does not take at all: it answers an error.
	refuses func(Decision) bool
}

// Reasons are all that may explain a difference, each computed from the question.
var Reasons = []*Reason{
	{
		Name:  "grants of a KMS key",
		Right: "we: a grant allows what it names beside the key policy (KMS Developer Guide, grants; key access decisions)",
		blind: func(d Decision) (Decision, bool) {
			had := len(d.Grants) > 0
			d.Grants = nil
			return d, had
		},
	},
	{
		Name: "condition keys that go on after a prefix: kms:EncryptionContext:…, secretsmanager:ResourceTag/…",
		Right: "we: they hold what the request's encryption context and the secret's tags hold (KMS Developer Guide, condition keys; " +
			"Service Authorization Reference, Secrets Manager)",
		blind: func(d Decision) (Decision, bool) {
			context := maps.Clone(d.Request.Context)
			maps.DeleteFunc(context, func(key string, _ []string) bool { return beyond(strings.ToLower(key)) })
			had := len(context) < len(d.Request.Context)
			d.Request.Context = context
			return d, had
		},
	},
	{
		Name: "an allow of the resource's policy for the session or for everyone, beside a session policy that is silent",
		Right: "we: what is granted to the session is not limited by an implicit deny of its session policy (IAM User Guide, policy evaluation " +
			"for requests within a single account); that everyone includes the session so is live check 34",
		blind: sessionIsTheRole,
	},
	{
		Name:  "policies that belong to AWS",
		Right: "we: a policy of AWS, whose account is aws, is a resource type of DescribePolicy (Service Authorization Reference, AWS Organizations)",
		refuses: func(d Decision) bool {
			a := arn.Of(d.Request.Resource)
			return a.Service == "organizations" && a.Account == "aws"
		},
	},
}

// sessionIsTheRole is the decision with a resource policy that names the caller's role where it names the session, or
// everyone: an allow for the role is limited by a session policy.
func sessionIsTheRole(d Decision) (Decision, bool) {
	who := d.Request.Principal
	if who.Kind != policy.KindSession || len(d.Session) == 0 {
		return d, false
	}
	var document struct {
		Version   string
		Statement []map[string]any
	}
	if json.Unmarshal([]byte(d.Resource), &document) != nil {
		return d, false // of one statement that is no list: what AWS writes is a list
	}
	had := false
	for _, s := range document.Statement {
		of, _ := s["Principal"].(map[string]any)
		if s["Effect"] == "Allow" && (s["Principal"] == "*" || of["AWS"] == "*" || of["AWS"] == who.ARN) {
			s["Principal"], had = map[string]any{"AWS": who.Role}, true
		}
	}
	raw, err := json.Marshal(document)
	if err != nil {
		return d, false
	}
	d.Resource = string(raw)
	return d, had
}

// beyond reports whether the second engine drops or refuses a condition key (in lower case) that AWS knows.
func beyond(key string) bool {
	return strings.HasPrefix(key, "kms:encryptioncontext:") || strings.HasPrefix(key, "secretsmanager:resourcetag/")
}

// explain finds what makes the second engine differ: one reason, or all that the decision has something of.
func explain(d Decision, theirs Opinion) *Reason {
	whole := &Reason{}
	blindest, parts := d, 0
	for _, r := range Reasons {
		if r.refuses != nil && theirs.Error != "" && r.refuses(d) {
			return r
		}
		if r.blind == nil || theirs.Error != "" {
			continue
		}
		if blind, had := r.blind(d); had && explains(d, blind, theirs) {
			return r
		}
		if blind, had := r.blind(blindest); had {
			if parts++; parts > 1 {
				whole.Name, whole.Right = whole.Name+"; and ", whole.Right+"; and "
			}
			whole.Name, whole.Right, blindest = whole.Name+r.Name, whole.Right+r.Right, blind
		}
	}
	if parts > 1 && explains(d, blindest, theirs) { // each alone allows, so that without one of them it is still allowed
		return whole
	}
	return nil
}

// explains reports that our engine answers as the second one where it is as blind, and as it was recorded where it is not: or it
// is no difference of knowledge.
func explains(d, blind Decision, theirs Opinion) bool {
	return evaluate(blind) == theirs.Answer && evaluate(d) == d.Answer
}

// evaluate answers a decision anew.
func evaluate(d Decision) policy.Answer {
	read := func(texts []string) (list []*policy.Document) {
		for _, text := range texts {
			list = append(list, policy.Read("policy", []byte(text)))
		}
		return list
	}
	p := policy.Policies{Identity: read(d.Identity), Boundary: read(d.Boundary), Session: read(d.Session), Grants: d.Grants, ManagementPrincipal: d.ManagementPrincipal}
	if d.Resource != "" {
		p.Resource = policy.Read("policy", []byte(d.Resource))
	}
	for _, here := range d.SCPs {
		p.SCPs = append(p.SCPs, read(here))
	}
	for _, here := range d.RCPs {
		p.RCPs = append(p.RCPs, read(here))
	}
	return policy.Evaluate(d.Request, p).Answer
}
