package policy

import (
	"strings"
	"time"
)

// Versions of the policy language. A document without a Version is of the old one, which knows no policy variables.
const (
	Version2008 = "2008-10-17"
	Version2012 = "2012-10-17"
)

// Effect is what a statement does to a request that it matches.
type Effect string

const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Document is one parsed policy. Make it with Parse or New: a Document written by hand matches nothing.
type Document struct {
	Name       string // how explanations call it
	Version    string // "" where the document has none
	ID         string
	Statements []Statement
	Size       int // characters that count against IAM's quotas: all but white space

	broken error // why it could not be parsed; such a document makes answers unknown
	shape  shape
}

// shape is what decides where a document can be attached.
type shape struct {
	principal   bool // some statement says whom it is about
	noPrincipal bool // some does not
	noResource  bool // some says neither whom nor what it is about
	notEveryone bool // some says whom it is about other than by "*"
}

// Broken stands for a document that exists but could not be read or parsed; every answer it could have changed is
// unknown and names it.
func Broken(name string, err error) *Document { return &Document{Name: name, broken: err} }

// Read parses a document, or returns one that is Broken.
func Read(name string, raw []byte) *Document {
	d, err := Parse(name, raw)
	if err != nil {
		return Broken(name, err)
	}
	return d
}

// Err says why a Broken document could not be parsed; nil for one that could.
func (d *Document) Err() error { return d.broken }

// Statement is one statement of a document. Exactly one of Actions and NotActions is set, at most one of Resources and
// NotResources, and at most one of Principal and NotPrincipal.
type Statement struct {
	SID          string
	Effect       Effect
	Principal    *PrincipalSet
	NotPrincipal *PrincipalSet
	Actions      []string
	NotActions   []string
	Resources    []string
	NotResources []string
	Conditions   []Condition // all must hold
	Line         int         // where it starts in the text; 1 is the first line

	actions    []actionPattern
	resources  []pattern
	conditions []test
}

// Condition is one key under one operator; any of its values may match (none may, for a negated operator).
type Condition struct {
	Operator string // as written, e.g. ForAnyValue:StringLikeIfExists
	Key      string // as written, e.g. kms:ViaService
	Values   []string
}

// PrincipalSet is the value of a Principal or NotPrincipal element.
type PrincipalSet struct {
	All           bool // the bare "*"
	AWS           []string
	Service       []string
	Federated     []string
	CanonicalUser []string

	identities []identity
}

// Type says what a document is attached to, which decides what it may contain.
type Type string

const (
	TypeIdentity Type = "identity policy"
	TypeBoundary Type = "permissions boundary"
	TypeSession  Type = "session policy"
	TypeSCP      Type = "service control policy"
	TypeRCP      Type = "resource control policy"
	TypeResource Type = "resource policy"
	TypeKey      Type = "key policy"
	TypeTrust    Type = "trust policy"
	TypeEndpoint Type = "VPC endpoint policy"
)

// namesPrincipals reports whether statements of a document of this type must say whom they are about.
func (p Type) namesPrincipals() bool {
	switch p {
	case TypeRCP, TypeResource, TypeKey, TypeTrust, TypeEndpoint:
		return true
	}
	return false
}

// usable reports whether AWS could have accepted the document as one of a type; where it could not, what the document does
// there is unknown.
func (d *Document) usable(policyType Type) bool {
	return d.broken == nil && d.misplaced(policyType) == ""
}

// misplaced says why the document cannot be attached as one of a type; "" if it can.
func (d *Document) misplaced(policyType Type) string {
	named := policyType.namesPrincipals()
	switch {
	case d.shape.principal && !named:
		return "it names a Principal"
	case d.shape.noPrincipal && named:
		return "a statement names no Principal"
	case d.shape.noResource && !named:
		return "a statement has no Resource"
	case d.shape.notEveryone && policyType == TypeRCP:
		return "the Principal of an RCP is \"*\""
	}
	return ""
}

// ConditionKeys are the keys by which the document decides: those of its conditions, as written, and those of its policy variables.
func (d *Document) ConditionKeys() []string {
	var out []string
	add := func(p *pattern) {
		for _, part := range p.parts {
			if part.key.name != "" {
				out = append(out, part.key.name)
			}
		}
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		for j := range s.resources {
			add(&s.resources[j])
		}
		for j := range s.conditions {
			out = append(out, s.conditions[j].name)
			for k := range s.conditions[j].values {
				for _, p := range s.conditions[j].values[k].patterns() {
					add(p)
				}
			}
		}
	}
	return out
}

// Dates are the moments at which a decision of the document may change by itself: those that its conditions compare
// aws:CurrentTime or aws:EpochTime with.
func (d *Document) Dates() []time.Time {
	var out []time.Time
	for i := range d.Statements {
		for _, c := range d.Statements[i].Conditions {
			if !strings.EqualFold(c.Key, "aws:CurrentTime") && !strings.EqualFold(c.Key, "aws:EpochTime") {
				continue
			}
			for _, value := range c.Values {
				if date, ok := parseDate(value); ok {
					out = append(out, date)
				}
			}
		}
	}
	return out
}
