package policy

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// test is a condition ready to evaluate.
type test struct {
	operator
	key    contextKey
	name   string // as written
	values []operand
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
	t := test{operator: op, key: contextKeyOf(c.Key), name: c.Key, values: make([]operand, len(c.Values))}
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
	o.bad = !ok
	return o
}

// patterns are what may hold policy variables: a text, or the parts of an ARN.
func (o *operand) patterns() []*pattern {
	all := []*pattern{&o.pattern}
	if o.arn != nil {
		for i := range o.arn.components {
			all = append(all, &o.arn.components[i])
		}
	}
	return all
}

// What AWS's documents do not decide (a value that is not of the operator's kind, a plain operator on a multivalued key) is maybe,
// with a note: an Allow is not certain then, and neither is that it is not given.

// eval evaluates one condition. reason receives what made it maybe.
func (t *test) eval(c *context, reason *reasons) truth {
	values, known := c.lookup(t.key)
	switch {
	case len(t.values) == 0:
		reason.note("the condition on " + t.name + " has no values, and AWS does not say whether it matches then")
		return maybe
	case t.family == famNull:
		return t.evalNull(known, reason)
	case known == keyUnknown && c.request.Principal.Kind == KindService && t.aboutOthers(&c.request.Principal):
		return t.evalOther(reason)
	case known == keyUnknown || known == keyHidden && !t.aboutOthers(&c.request.Principal):
		reason.missing(t.name)
		return maybe
	case known == keyAbsent:
		return t.evalAbsent(reason)
	case known == keyEither:
		return t.evalEither(c, values, reason)
	case t.quantifier == single && (t.key.multivalued() || known == keyPresent && len(values) > 1 || known == keyAtLeast):
		reason.note(t.name + " is multivalued and needs ForAnyValue or ForAllValues")
		return maybe
	case known == keyAtLeast:
		return t.evalAtLeast(c, values, reason)
	case known >= keyExcept:
		return t.evalExcept(c, values, known, reason)
	}
	return t.evalPresent(c, values, known == keyBegins, reason)
}

// aboutOthers reports whether all ARNs that a test of aws:PrincipalArn names are of accounts that the principal is not of.
func (t *test) aboutOthers(p *Principal) bool {
	if t.key.name != "aws:principalarn" {
		return false
	}
	for i := range t.values {
		account := t.values[i].account(false)
		if account == "" || !p.outside(account) {
			return false
		}
	}
	return true
}

// account is the account of every ARN that the operand matches; "" where they may be of several. The ARN operators compare each
// component by itself; to the others an ARN is text, and a wildcard before the account may run over it and into the path of a role, which
// may hold colons. That of a source may not: a wildcard that is a whole component of such an ARN is that component.
// Source: IAM User Guide, "Amazon Resource Name (ARN) condition operators", and "IAM and AWS STS quotas" for the characters of paths; that
// AWS writes sources so: CloudTrail User Guide, "Configure AWS KMS key policies for CloudTrail".
func (o *operand) account(source bool) string {
	var account string
	switch {
	case o.bad:
		return ""
	case o.arn != nil:
		account = o.arn.components[4].raw
	default:
		parts := strings.SplitN(o.pattern.raw, ":", 6)
		if len(parts) < 5 || parts[0] != "arn" {
			return ""
		}
		for _, part := range parts[1:4] {
			if strings.ContainsAny(part, "*?$") && (!source || part != "*") {
				return ""
			}
		}
		account = parts[4]
	}
	if len(account) < 12 || !isAccount(account[:12]) {
		return ""
	}
	return account[:12] // whatever follows: an account has no more digits
}

// evalExcept decides where it is known which values the key does not have: none of those that the policy names, or perhaps one.
func (t *test) evalExcept(c *context, not []string, known presence, reason *reasons) truth {
	matched := no
	for i := range t.values {
		if known != keyHidden && !t.values[i].isOneOf(c, not) && !t.values[i].isOfOneOf(not) {
			matched = maybe
		}
	}
	if t.negated {
		matched = matched.not()
	}
	if known == keyOther && t.evalAbsent(reason) != matched {
		matched = maybe
	}
	if matched == maybe {
		reason.missing(t.name)
	}
	return matched
}

// evalOther decides where a key is either absent or has a value that the policy does not name.
func (t *test) evalOther(reason *reasons) truth {
	matched := truthOf(t.negated)
	if t.evalAbsent(reason) != matched {
		reason.missing(t.name)
		return maybe
	}
	return matched
}

// isOneOf reports whether all texts that the operand matches are among the values, or begin as one that ends in /.
func (o *operand) isOneOf(c *context, values []string) bool {
	g := o.pattern.glob
	if o.pattern.parts != nil {
		text, complete := o.pattern.expand(c, &reasons{})
		if complete != yes {
			return false
		}
		g = newGlob(text)
	}
	return slices.ContainsFunc(values, func(value string) bool {
		if strings.HasSuffix(value, "/") {
			return strings.HasPrefix(g.prefix, value)
		}
		return g.kind == globExact && g.text == value
	})
}

// isOfOneOf reports whether all ARNs that the operand matches, of sources of a service's requests, are of the accounts.
func (o *operand) isOfOneOf(accounts []string) bool {
	account := o.account(true)
	return account != "" && slices.Contains(accounts, account)
}

func (t *test) evalNull(known presence, reason *reasons) truth {
	switch {
	case t.quantifier != single: // no page has the operator with a set operator
		reason.note("AWS does not say what Null with a set operator asks of " + t.name)
		return maybe
	case known == keyUnknown || known == keyOther:
		reason.missing(t.name)
		return maybe
	}
	result := no
	for i := range t.values {
		switch {
		case t.values[i].bad:
			reason.note("a value of " + t.name + " is neither true nor false")
			result = max(result, maybe)
		case t.values[i].truth == (known == keyAbsent):
			return yes
		}
	}
	return result
}

// evalAbsent decides without the key: positive operators fail, negated ones hold, and so do IfExists and ForAllValues. ForAnyValue is false
// without the key, and IfExists true: of both together no page says which.
// Source: IAM User Guide, "Condition operators" and "Set operators for multivalued context keys".
func (t *test) evalAbsent(reason *reasons) truth {
	switch {
	case t.ifExists && t.quantifier == forAny:
		reason.note("AWS does not say whether ForAnyValue with IfExists matches without " + t.name)
		return maybe
	case t.ifExists || t.quantifier == forAll:
		return yes
	}
	return truthOf(t.negated && t.quantifier != forAny)
}

// evalEither decides where the key has one of some values: as all of them would.
func (t *test) evalEither(c *context, values []string, reason *reasons) truth {
	result := t.evalWhole(c, values[:1], reason)
	for i := 1; i < len(values) && result != maybe; i++ {
		if t.evalWhole(c, values[i:i+1], reason) != result {
			reason.missing(t.name)
			if t.key.name == "aws:currenttime" || t.key.name == "aws:epochtime" {
				reason.note("the answer is another from some date on")
			} else {
				reason.note(t.name + " is " + strings.Join(values, " or ") + ", and AWS does not say which")
			}
			result = maybe
		}
	}
	return result
}

// evalAtLeast decides where the key has some values and perhaps more: one that matches is enough for ForAnyValue, and one that does not is for
// ForAllValues.
func (t *test) evalAtLeast(c *context, values []string, reason *reasons) truth {
	result := t.evalPresent(c, values, false, reason)
	if result == truthOf(t.quantifier == forAny) {
		return result
	}
	reason.missing(t.name)
	return maybe
}

func (t *test) evalWhole(c *context, value []string, reason *reasons) truth {
	if t.quantifier == single && t.key.multivalued() {
		reason.note(t.name + " is multivalued and needs ForAnyValue or ForAllValues")
		return maybe
	}
	return t.evalPresent(c, value, false, reason)
}

func (t *test) evalPresent(c *context, values []string, begins bool, reason *reasons) truth {
	if len(values) == 1 || t.quantifier == single {
		return t.evalValue(c, values[0], begins, reason)
	}
	result := truthOf(t.quantifier != forAny)
	for _, value := range values {
		if t.quantifier == forAll {
			result = min(result, t.evalValue(c, value, begins, reason))
		} else {
			result = max(result, t.evalValue(c, value, begins, reason))
		}
	}
	return result
}

// evalValue compares one value of the request with all of the policy: any may match, or none may if negated. Of a value that
// begins so, the rest is not known.
func (t *test) evalValue(c *context, value string, begins bool, reason *reasons) truth {
	result := no
	for i := range t.values {
		if result = max(result, t.values[i].compare(t, c, value, begins, reason)); result == yes {
			break
		}
	}
	if t.negated {
		return result.not()
	}
	return result
}

// compare matches one value of the request with one of the policy, before negation.
func (o *operand) compare(t *test, c *context, value string, begins bool, reason *reasons) truth {
	if o.bad {
		reason.note("a value of " + t.name + " is not one that the operator can compare")
		return maybe
	}
	match, ok := false, true
	switch t.family {
	case famString, famFold, famLike:
		if begins {
			return o.pattern.matchBeginning(value, t, reason)
		}
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
	if !ok || begins {
		reason.note("the request's " + t.name + " is not a value that the operator can compare")
		return maybe
	}
	return truthOf(match)
}

func (o *operand) compareBool(c *context, value string, reason *reasons) truth {
	got, ok := parseBool(value)
	if !ok {
		return no
	}
	if o.pattern.parts == nil {
		return truthOf(got == o.truth)
	}
	text, complete := o.pattern.expand(c, reason)
	if complete != yes {
		return complete
	}
	want, ok := parseBool(text)
	return truthOf(ok && got == want)
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
