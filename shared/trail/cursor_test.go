package trail

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzCursor: the cursor accepts what encoding/json accepts and reads the same values, nesting and numbers that no
// event has excepted.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{
		`{}`, `[]`, `""`, `0`, `-0.1e-9`, `01`, `1.`, `-`, `1e`, `tru`, `nul`, `null`, `true`, `[1,]`, `{"a":1,}`, `{"a"}`,
		`{"a":{"b":[1,"x\n",null,true]},"a":2}`, `"\u12"`, `"\ud83d\ude00"`, `"\x"`, "\"\x01\"", "\"\xff\"", ` [ 1 , 2 ] `,
		`{"SecretString":"x","b":{"secretBinary":1}}`, `1e999`, `"\ud800"`, `{"a":1}}`, "\"\u2028\"",
		`false`, `[false,true]`, `trux`, `9`, `-9`, `[9]`, `{"a":9}`, `1e+5`, `1E-5`, `1e+`, `1e*5`, `{a":1}`, `{"x":{1":2}}`, "\"\x80\"", "\"a\x7f\x80b\"", `"\`, `"\"`, `"\u`, `"\u1`, `"\u1234`,
		`"\uzzzz"`, `"\u000/"`, `"\u000:"`, `"\u000@"`, `"\u000G"`, "\"\\u000`\"", `"\u000g"`, `"\u0AF9"`, `"\u0af0"`, `"\u00fa"`, `"\u00FA"`,
		strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth), "[" + strings.Repeat("[],", 100) + "[]]", strings.Repeat(`{"a":`, 70) + "1" + strings.Repeat("}", 70),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		c := cursor{buf: raw}
		c.skip()
		end := c.at
		rest := cursor{buf: raw, at: end}
		if rest.peek(); rest.err == nil && c.err == nil {
			c.fail("more follows")
		}
		valid := json.Valid(raw)
		if tooDeep(raw) {
			return
		}
		if (c.err == nil) != valid {
			t.Fatalf("valid %v, cursor says %v: %q", valid, c.err, raw)
		}
		if !valid {
			return
		}
		var want any
		if err := json.Unmarshal(raw, &want); err != nil {
			return // a number out of range
		}
		v := cursor{buf: raw}
		if got := v.value(); !reflect.DeepEqual(got, withoutSecrets(want)) || v.err != nil {
			t.Errorf("got %#v (%v), want %#v", got, v.err, want)
		}
	})
}

func tooDeep(raw []byte) bool {
	depth := 0
	for _, b := range raw {
		if b == '{' || b == '[' {
			depth++
		}
	}
	return depth > maxDepth
}

func withoutSecrets(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name := range v {
			if secretMember([]byte(name)) {
				delete(v, name)
				continue
			}
			v[name] = withoutSecrets(v[name])
		}
	case []any:
		for i := range v {
			v[i] = withoutSecrets(v[i])
		}
	}
	return value
}

func TestSecretInRequestID(t *testing.T) {
	const arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:shop/orders-db-Gh5jKl"
	tests := map[string]struct{ id, want string }{
		"a deletion":                 {"SecretDeleteMessage:" + arn + ":2026-06-09T08:30:00Z:Forced", arn},
		"a rotation with a UUID":     {"Rotation-" + arn + "-7ac47c8c-f328-423b-9698-6926dd1f293e", arn},
		"a rotation with a token":    {"Rotation-" + arn + "-terraform20260602080000000000000001", arn},
		"a rotation with no token":   {"Rotation-" + arn, ""},
		"another service's ARN":      {"x:arn:aws:kms:eu-central-1:111122223333:key/1:y", ""},
		"a resource of another kind": {"x:arn:aws:secretsmanager:eu-central-1:111122223333:policy:x:y", ""},
		"no ARN":                     {"9d096868-df22-440b-8b3b-9522fe9c7c87", ""},
		"an ARN and what follows":    {arn + ":2026-06-09T08:30:00Z", arn},
		"a deletion with no time":    {"SecretDeleteMessage:" + arn, arn},
		"a rotation with a time":     {"Rotation-" + arn + ":2026-06-09T08:30:00Z", arn},
		"a token that is too short":  {"Rotation-" + arn + "-terraform2026060208000000000000", ""},
		"the shortest token":         {"Rotation-" + arn + "-terraform20260602080000000000000", arn},
		"half an ARN":                {"Rotation-arn:aws:secretsmanager", ""},
	}
	for sentence, test := range tests {
		t.Run(sentence, func(t *testing.T) {
			if got := secretInRequestID(test.id); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
