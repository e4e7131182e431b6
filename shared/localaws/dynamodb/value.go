package dynamodb

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// value is a DynamoDB attribute value. Values are never changed once made.
type value struct {
	kind string           // S N B BOOL NULL M L SS NS BS
	text string           // S; N in canonical form; B as raw bytes
	yes  bool             // BOOL
	m    map[string]value // M
	l    []value          // L
	set  []string         // SS, NS and BS, sorted; NS in canonical form
}

// item is a set of attributes.
type item map[string]value

func invalid(format string, args ...any) error {
	return &core.Error{Code: "ValidationException", Message: fmt.Sprintf(format, args...)}
}

// UnmarshalJSON reads {"S":"text"} and the like.
func (v *value) UnmarshalJSON(raw []byte) error {
	var by map[string]json.RawMessage
	if err := json.Unmarshal(raw, &by); err != nil {
		return err
	}
	if len(by) != 1 {
		return invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
	}
	for kind, body := range by {
		v.kind = kind
		return v.decodeInput(body)
	}
	return nil
}

func (v *value) decodeInput(body []byte) error {
	switch v.kind {
	case "S":
		return json.Unmarshal(body, &v.text)
	case "N":
		var text string
		if err := json.Unmarshal(body, &text); err != nil {
			return err
		}
		var err error
		v.text, err = canonical(text)
		return err
	case "B":
		var b []byte
		err := json.Unmarshal(body, &b)
		v.text = string(b)
		return err
	case "BOOL":
		return json.Unmarshal(body, &v.yes)
	case "NULL":
		var yes bool
		if err := json.Unmarshal(body, &yes); err != nil || !yes {
			return invalid("One or more parameter values were invalid: Null attribute value types must have the value of true")
		}
		return nil
	case "M":
		return json.Unmarshal(body, &v.m)
	case "L":
		return json.Unmarshal(body, &v.l)
	case "SS", "NS", "BS":
		return v.readSet(body)
	}
	return invalid("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
}

func (v *value) readSet(body []byte) error {
	var all []string
	if err := json.Unmarshal(body, &all); err != nil {
		return err
	}
	if len(all) == 0 {
		names := map[string]string{"SS": "string", "NS": "number", "BS": "binary"}
		return invalid("One or more parameter values were invalid: An %s set  may not be empty", names[v.kind])
	}
	for i, text := range all {
		var err error
		switch v.kind {
		case "NS":
			all[i], err = canonical(text)
		case "BS":
			var b []byte
			b, err = base64.StdEncoding.DecodeString(text)
			all[i] = string(b)
		}
		if err != nil {
			return err
		}
	}
	v.set = sortedSet(v.kind, all)
	if len(v.set) != len(all) {
		return invalid("One or more parameter values were invalid: Input collection %v contains duplicates.", all)
	}
	return nil
}

// sortedSet sorts and drops repetitions.
func sortedSet(kind string, all []string) []string {
	all = slices.Clone(all)
	slices.SortFunc(all, func(x, y string) int {
		if kind == "NS" {
			return compareNumbers(x, y)
		}
		return strings.Compare(x, y)
	})
	return slices.Compact(all)
}

// MarshalJSON writes what UnmarshalJSON reads.
func (v value) MarshalJSON() ([]byte, error) {
	var body any
	switch v.kind {
	case "S", "N":
		body = v.text
	case "B":
		body = []byte(v.text)
	case "BOOL":
		body = v.yes
	case "NULL":
		body = true
	case "M":
		body = v.m
	case "L":
		body = v.l
	case "BS":
		list := make([][]byte, len(v.set))
		for i, b := range v.set {
			list[i] = []byte(b)
		}
		body = list
	default:
		body = v.set
	}
	inner, err := marshalPlain(body)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, `{%q:%s}`, v.kind, inner), nil
}

func marshalPlain(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimRight(out.Bytes(), "\n"), err
}

// canonical checks a number and writes it without exponent, leading or trailing zeros. DynamoDB keeps 38 digits.
func canonical(text string) (string, error) {
	bad := invalid("A value provided cannot be converted into a number")
	mantissa, exponent, scaled := strings.Cut(strings.ToLower(strings.TrimSpace(text)), "e")
	if !scaled {
		exponent = "0"
	}
	power, err := strconv.Atoi(exponent)
	if err != nil || power > 400 || power < -400 || strings.Trim(mantissa, "+-.0123456789") != "" {
		return "", bad
	}
	r, ok := new(big.Rat).SetString(mantissa)
	if !ok || len(mantissa) > 400 {
		return "", bad
	}
	scale := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(power, -power))), nil))
	if power < 0 {
		r.Quo(r, scale)
	} else {
		r.Mul(r, scale)
	}
	return writeNumber(r)
}

// writeNumber writes a decimal fraction, within DynamoDB's range and precision.
func writeNumber(r *big.Rat) (string, error) {
	locations, exact := r.FloatPrec()
	if !exact {
		return "", invalid("A value provided cannot be converted into a number")
	}
	text := r.FloatString(locations)
	digits := strings.Trim(strings.ReplaceAll(strings.TrimLeft(text, "-"), ".", ""), "0")
	whole, _, _ := strings.Cut(strings.TrimLeft(text, "-"), ".")
	switch {
	case len(digits) > 38:
		return "", invalid("Attempting to store more than 38 significant digits in a Number")
	case len(whole) > 126:
		return "", invalid("Number overflow. Attempting to store a number with magnitude larger than supported range")
	case locations > 168:
		return "", invalid("Number underflow. Attempting to store a number with magnitude smaller than supported range")
	}
	return text, nil
}

func rational(text string) *big.Rat {
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return new(big.Rat) // canonical text always reads
	}
	return r
}

func compareNumbers(x, y string) int {
	a, errA := strconv.ParseInt(x, 10, 64)
	b, errB := strconv.ParseInt(y, 10, 64)
	if errA == nil && errB == nil {
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		}
		return 0
	}
	return rational(x).Cmp(rational(y))
}

// compare orders two values of the same scalar kind; ok is false for others.
func (v value) compare(other value) (order int, ok bool) {
	if v.kind != other.kind {
		return 0, false
	}
	switch v.kind {
	case "N":
		return compareNumbers(v.text, other.text), true
	case "S", "B":
		return strings.Compare(v.text, other.text), true
	}
	return 0, false
}

func (v value) equal(other value) bool {
	if v.kind != other.kind {
		return false
	}
	switch v.kind {
	case "M":
		return maps.EqualFunc(v.m, other.m, value.equal)
	case "L":
		return slices.EqualFunc(v.l, other.l, value.equal)
	case "SS", "NS", "BS":
		return slices.Equal(v.set, other.set)
	}
	return v.text == other.text && v.yes == other.yes
}

// length is what size() answers; ok is false for kinds that have none.
func (v value) length() (n int, ok bool) {
	switch v.kind {
	case "S", "B":
		return len(v.text), true
	case "M":
		return len(v.m), true
	case "L":
		return len(v.l), true
	case "SS", "NS", "BS":
		return len(v.set), true
	}
	return 0, false
}

// bytes is what the value counts towards the size of an item (DynamoDB Developer Guide, "Item sizes and formats").
func (v value) bytes() int {
	switch v.kind {
	case "N":
		return numberBytes(v.text)
	case "BOOL", "NULL":
		return 1
	case "M":
		return 3 + len(v.m) + item(v.m).bytes()
	case "L":
		n := 3 + len(v.l)
		for _, e := range v.l {
			n += e.bytes()
		}
		return n
	case "SS", "BS", "NS":
		n := 0
		for _, e := range v.set {
			if v.kind == "NS" {
				n += numberBytes(e)
			} else {
				n += len(e)
			}
		}
		return n
	}
	return len(v.text)
}

func numberBytes(text string) int {
	digits := len(strings.Trim(strings.ReplaceAll(strings.TrimLeft(text, "-"), ".", ""), "0"))
	return (digits+1)/2 + 1
}

func (i item) bytes() int {
	n := 0
	for name, v := range i {
		n += len(name) + v.bytes()
	}
	return n
}
