package policy

import (
	"net/netip"
	"strings"
	"time"
)

// test is a condition ready to evaluate.
type test struct {
	operator
	key         string // lower case
	name        string // as written
	multivalued bool
	values      []operand
}

// operand is one value of a condition, read as its operator wants it.
type operand struct {
	pattern pattern
	arn     *arnPattern
	number  decimal
	date    time.Time
	network netip.Prefix
	binary  string
	truth   bool
	bad     bool // not a value of the operator's kind
}

func compileTest(c Condition, variables bool) test {
	op, _ := parseOperator(c.Operator)
	key := strings.ToLower(c.Key)
	t := test{operator: op, key: key, name: c.Key, multivalued: isMultivalued(key), values: make([]operand, len(c.Values))}
	for i, raw := range c.Values {
		t.values[i] = compileOperand(op, raw, variables)
	}
	return t
}

func compileOperand(op operator, raw string, variables bool) operand {
	var o operand
	var ok bool
	switch op.family {
	case famString, famFold:
		o.pattern, ok = compile(raw, flavour{variables: variables}), true
	case famLike:
		o.pattern, ok = compile(raw, flavour{wild: true, variables: variables}), true
	case famARN:
		arn := compileARN(raw, variables)
		o.arn, ok = &arn, !arn.bad
	case famNumber:
		o.number, ok = parseDecimal(raw)
	case famDate:
		o.date, ok = parseDate(raw)
	case famBool:
		o.pattern = compile(raw, flavour{variables: variables})
		o.truth, ok = parseBool(raw)
		ok = ok || o.pattern.parts != nil
	case famNull:
		o.truth, ok = parseBool(raw)
	case famIP:
		o.network, ok = parseNetwork(raw)
	case famBinary:
		o.binary, ok = parseBinary(raw)
	}
	o.bad = !ok || o.pattern.bad
	return o
}

// outcome is a truth, or "AWS does not say": a value that is not of the operator's kind, a plain operator on a
// multivalued key. Such an Allow is not given and such a Deny not ruled out.
type outcome uint8

const (
	outNo outcome = iota
	outMaybe
	outYes
	outUndefined
	outUnmatched // a policy variable without a value: it matches nothing, and what its negation does AWS does not say
)

func (o outcome) truth(effect Effect) truth {
	switch {
	case o < outUndefined:
		return truth(o)
	case effect == Deny:
		return maybe
	}
	return no
}

// outcomeOrder makes either an or and both an and: what is undefined counts little, for an Allow is not given on it.
var outcomeOrder = [...]uint8{outNo: 0, outUnmatched: 1, outUndefined: 2, outMaybe: 3, outYes: 4}

func either(a, b outcome) outcome {
	if outcomeOrder[b] > outcomeOrder[a] {
		return b
	}
	return a
}

func both(a, b outcome) outcome {
	if outcomeOrder[b] < outcomeOrder[a] {
		return b
	}
	return a
}

func (o outcome) not() outcome {
	switch o {
	case outYes:
		return outNo
	case outNo:
		return outYes
	case outUnmatched:
		return outUndefined
	}
	return o
}

// settled turns a match that a missing variable made impossible into none.
func (o outcome) settled() outcome {
	if o == outUnmatched {
		return outNo
	}
	return o
}

// eval evaluates one condition. reason receives the keys that made the outcome maybe or undefined.
func (t *test) eval(c *context, reason *reasons) outcome {
	values, known := c.lookup(t.key)
	switch {
	case t.family == famNull:
		return t.evalNull(known, reason)
	case known == keyUnknown:
		reason.missing(t.name)
		return outMaybe
	case known == keyAbsent:
		return t.evalAbsent()
	case t.quantifier == single && (t.multivalued || len(values) > 1):
		reason.note(t.name + " is multivalued and needs ForAnyValue or ForAllValues")
		return outUndefined
	}
	return t.evalPresent(c, values, reason)
}

func (t *test) evalNull(known presence, reason *reasons) outcome {
	if known == keyUnknown {
		reason.missing(t.name)
		return outMaybe
	}
	for i := range t.values {
		if !t.values[i].bad && t.values[i].truth == (known == keyAbsent) {
			return outYes
		}
	}
	return outNo
}

// evalAbsent decides without the key: positive operators fail, negated ones hold, and so do IfExists and ForAllValues.
// Source: IAM User Guide, "Condition operators" and "Set operators for multivalued context keys".
func (t *test) evalAbsent() outcome {
	switch {
	case t.ifExists || t.quantifier == forAll:
		return outYes
	case t.quantifier == forAny:
		return outNo
	}
	if t.negated {
		return outYes
	}
	return outNo
}

func (t *test) evalPresent(c *context, values []string, reason *reasons) outcome {
	if len(values) == 1 || t.quantifier == single {
		return t.evalValue(c, values[0], reason)
	}
	result := outYes
	if t.quantifier == forAny {
		result = outNo
	}
	for _, value := range values {
		if t.quantifier == forAll {
			result = both(result, t.evalValue(c, value, reason))
		} else {
			result = either(result, t.evalValue(c, value, reason))
		}
	}
	return result
}

// evalValue compares one value of the request with all of the policy: any may match, or none may if negated.
func (t *test) evalValue(c *context, value string, reason *reasons) outcome {
	result := outNo
	if t.negated {
		result = outYes
	}
	for i := range t.values {
		one := t.values[i].compare(t, c, value, reason)
		switch {
		case t.negated:
			result = both(result, one.not())
		default:
			result = either(result, one)
		}
	}
	return result.settled()
}

// compare matches one value of the request with one of the policy, before negation.
func (o *operand) compare(t *test, c *context, value string, reason *reasons) outcome {
	if o.bad {
		reason.note("a value of " + t.name + " is not one that the operator can compare")
		return outUndefined
	}
	match, ok := false, true
	switch t.family {
	case famString, famFold, famLike:
		return o.pattern.match(c, value, t.family == famFold, reason)
	case famARN:
		return o.arn.match(c, value, reason)
	case famBool:
		return o.compareBool(c, value, reason)
	case famNumber:
		var number decimal
		number, ok = parseDecimal(value)
		match = t.relation.holds(number.compare(o.number))
	case famDate:
		var date time.Time
		date, ok = parseDate(value)
		match = t.relation.holds(date.Compare(o.date))
	case famIP:
		var address netip.Addr
		address, ok = parseAddress(value)
		match = ok && o.network.Contains(address)
	case famBinary:
		var binary string
		binary, ok = parseBinary(value)
		match = binary == o.binary
	}
	if !ok {
		reason.note("the request's " + t.name + " is not a value that the operator can compare")
		return outUndefined
	}
	return outcome(truthOf(match))
}

func (o *operand) compareBool(c *context, value string, reason *reasons) outcome {
	got, ok := parseBool(value)
	if !ok {
		return outNo
	}
	if o.pattern.parts == nil {
		return outcome(truthOf(got == o.truth))
	}
	text, out := o.pattern.expand(c, reason)
	if out != outYes {
		return out
	}
	want, ok := parseBool(text)
	return outcome(truthOf(ok && got == want))
}

func (r relation) holds(order int) bool {
	switch r {
	case less:
		return order < 0
	case lessEqual:
		return order <= 0
	case greater:
		return order > 0
	case greaterEqual:
		return order >= 0
	}
	return order == 0
}
