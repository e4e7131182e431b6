package policy

import "strings"

// family is what an operator compares.
type family uint8

const (
	famString family = iota
	famFold          // strings, ignoring case
	famLike
	famNumber
	famDate
	famBool
	famBinary
	famIP
	famARN
	famNull
)

// relation is how it compares ordered values.
type relation uint8

const (
	equal relation = iota
	less
	lessEqual
	greater
	greaterEqual
)

// quantifier is its set operator.
type quantifier uint8

const (
	single quantifier = iota
	forAll
	forAny
)

// operator is a condition operator taken apart.
type operator struct {
	family     family
	relation   relation
	negated    bool
	ifExists   bool
	quantifier quantifier
}

// operators are all there are. Source: IAM User Guide, "IAM JSON policy elements: Condition operators".
var operators = map[string]operator{
	"stringequals":              {family: famString},
	"stringnotequals":           {family: famString, negated: true},
	"stringequalsignorecase":    {family: famFold},
	"stringnotequalsignorecase": {family: famFold, negated: true},
	"stringlike":                {family: famLike},
	"stringnotlike":             {family: famLike, negated: true},
	"numericequals":             {family: famNumber},
	"numericnotequals":          {family: famNumber, negated: true},
	"numericlessthan":           {family: famNumber, relation: less},
	"numericlessthanequals":     {family: famNumber, relation: lessEqual},
	"numericgreaterthan":        {family: famNumber, relation: greater},
	"numericgreaterthanequals":  {family: famNumber, relation: greaterEqual},
	"dateequals":                {family: famDate},
	"datenotequals":             {family: famDate, negated: true},
	"datelessthan":              {family: famDate, relation: less},
	"datelessthanequals":        {family: famDate, relation: lessEqual},
	"dategreaterthan":           {family: famDate, relation: greater},
	"dategreaterthanequals":     {family: famDate, relation: greaterEqual},
	"bool":                      {family: famBool},
	"binaryequals":              {family: famBinary},
	"ipaddress":                 {family: famIP},
	"notipaddress":              {family: famIP, negated: true},
	"arnequals":                 {family: famARN},
	"arnlike":                   {family: famARN},
	"arnnotequals":              {family: famARN, negated: true},
	"arnnotlike":                {family: famARN, negated: true},
	"null":                      {family: famNull},
}

// parseOperator reads an operator's name in any case, with its set operator and IfExists.
func parseOperator(name string) (operator, bool) {
	lower := strings.ToLower(name)
	var q quantifier
	if rest, ok := strings.CutPrefix(lower, "forallvalues:"); ok {
		q, lower = forAll, rest
	} else if rest, ok := strings.CutPrefix(lower, "foranyvalue:"); ok {
		q, lower = forAny, rest
	}
	base, ifExists := strings.CutSuffix(lower, "ifexists")
	op, ok := operators[base]
	if op.family == famNull && ifExists {
		return operator{}, false
	}
	op.quantifier, op.ifExists = q, ifExists
	return op, ok
}
