package pattern_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/localaws/pattern"
)

// TestMatch is the truth table: each pattern with events that match and events that do not.
func TestMatch(t *testing.T) {
	for sentence, c := range map[string]struct {
		pattern string
		yes, no []string
	}{
		"an exact string matches itself, by case and type": {
			`{"a":["x","7"]}`, []string{`{"a":"x"}`, `{"a":"7"}`, `{"a":"x","b":1}`},
			[]string{`{"a":"X"}`, `{"a":7}`, `{"a":"xx"}`, `{}`, `{"b":"x"}`, `{"a":{"x":"x"}}`},
		},
		"numbers are equal by value": {
			`{"a":[5, 3.018e2, 111122223333]}`, []string{`{"a":5}`, `{"a":5.0}`, `{"a":301.8}`, `{"a":111122223333}`},
			[]string{`{"a":"5"}`, `{"a":5.1}`, `{"a":-5}`},
		},
		"null is a value and not the same as absent": {
			`{"a":[null]}`, []string{`{"a":null}`, `{"a":[1,null]}`}, []string{`{}`, `{"a":""}`, `{"a":"null"}`},
		},
		"the empty string matches only itself": {
			`{"a":[""]}`, []string{`{"a":""}`}, []string{`{"a":null}`, `{}`, `{"a":" "}`},
		},
		"booleans match booleans": {
			`{"a":[true]}`, []string{`{"a":true}`}, []string{`{"a":false}`, `{"a":"true"}`, `{"a":1}`},
		},
		"several fields all have to match": {
			`{"a":["x"],"b":{"c":["y"]}}`, []string{`{"a":"x","b":{"c":"y"}}`},
			[]string{`{"a":"x"}`, `{"b":{"c":"y"}}`, `{"a":"x","b":{"c":"z"}}`, `{"a":"x","b":"y"}`},
		},
		"prefix": {
			`{"a":[{"prefix":"ab"}]}`, []string{`{"a":"ab"}`, `{"a":"abc"}`}, []string{`{"a":"a"}`, `{"a":"Abc"}`, `{"a":1}`, `{}`},
		},
		"an empty prefix matches every string": {
			`{"a":[{"prefix":""}]}`, []string{`{"a":""}`, `{"a":"x"}`}, []string{`{"a":1}`, `{"a":null}`},
		},
		"prefix that ignores case": {
			`{"a":[{"prefix":{"equals-ignore-case":"éb"}}]}`, []string{`{"a":"ÉBC"}`, `{"a":"éb"}`}, []string{`{"a":"é"}`, `{"a":"ebc"}`, `{"a":3}`},
		},
		"suffix": {
			`{"a":[{"suffix":".png"}]}`, []string{`{"a":".png"}`, `{"a":"x.png"}`}, []string{`{"a":"x.PNG"}`, `{"a":"png"}`, `{"a":"x.png "}`},
		},
		"suffix that ignores case": {
			`{"a":[{"suffix":{"equals-ignore-case":".PNG"}}]}`, []string{`{"a":"x.png"}`, `{"a":".pNg"}`}, []string{`{"a":"png"}`, `{"a":true}`},
		},
		"equals-ignore-case": {
			`{"a":[{"equals-ignore-case":"Alice"}]}`, []string{`{"a":"ALICE"}`, `{"a":"alice"}`}, []string{`{"a":"alic"}`, `{"a":"alicee"}`, `{}`},
		},
		"a wildcard is any text between its parts": {
			`{"a":[{"wildcard":"dir/*/x*.png"}]}`, []string{`{"a":"dir/b/x.png"}`, `{"a":"dir//x1.png"}`, `{"a":"dir/b/c/x/x.png"}`},
			[]string{`{"a":"dir/x.png"}`, `{"a":"dir/b/x.jpg"}`, `{"a":"1dir/b/x.png"}`, `{"a":5}`},
		},
		"a wildcard's ends do not overlap": {
			`{"a":[{"wildcard":"aba*ba"}]}`, []string{`{"a":"ababa"}`, `{"a":"abaxba"}`}, []string{`{"a":"aba"}`, `{"a":"abba"}`},
		},
		"a wildcard takes escaped stars and backslashes as they are": {
			`{"a":[{"wildcard":"a\\*b\\\\*"}]}`, []string{`{"a":"a*b\\"}`, `{"a":"a*b\\c"}`}, []string{`{"a":"axb\\"}`, `{"a":"a*b"}`},
		},
		"a wildcard without stars is exact": {
			`{"a":[{"wildcard":"ab"}]}`, []string{`{"a":"ab"}`}, []string{`{"a":"abc"}`},
		},
		"anything-but a string needs the field": {
			`{"a":[{"anything-but":"x"}]}`, []string{`{"a":"y"}`, `{"a":1}`, `{"a":null}`, `{"a":["x","y"]}`},
			[]string{`{"a":"x"}`, `{}`, `{"a":[]}`, `{"a":["x"]}`, `{"a":{"b":"y"}}`},
		},
		"anything-but a number": {
			`{"a":[{"anything-but":123}]}`, []string{`{"a":124}`, `{"a":"123"}`}, []string{`{"a":123}`, `{"a":123.0}`},
		},
		"anything-but a list of strings": {
			`{"a":[{"anything-but":["x","y"]}]}`, []string{`{"a":"z"}`, `{"a":5}`}, []string{`{"a":"x"}`, `{"a":"y"}`},
		},
		"anything-but a list of numbers": {
			`{"a":[{"anything-but":[100,200]}]}`, []string{`{"a":300}`, `{"a":"100"}`}, []string{`{"a":100}`, `{"a":2e2}`},
		},
		"anything-but a prefix": {
			`{"a":[{"anything-but":{"prefix":"init"}}]}`, []string{`{"a":"run"}`, `{"a":5}`}, []string{`{"a":"initial"}`, `{}`},
		},
		"anything-but a list of prefixes": {
			`{"a":[{"anything-but":{"prefix":["a","b"]}}]}`, []string{`{"a":"c"}`}, []string{`{"a":"ax"}`, `{"a":"b"}`},
		},
		"anything-but a suffix": {
			`{"a":[{"anything-but":{"suffix":".png"}}]}`, []string{`{"a":"x.gif"}`}, []string{`{"a":"x.png"}`, `{}`},
		},
		"anything-but a list of suffixes": {
			`{"a":[{"anything-but":{"suffix":[".png",".gif"]}}]}`, []string{`{"a":"x.jpg"}`}, []string{`{"a":"x.png"}`, `{"a":"x.gif"}`},
		},
		"anything-but ignoring case": {
			`{"a":[{"anything-but":{"equals-ignore-case":"init"}}]}`, []string{`{"a":"initx"}`}, []string{`{"a":"INIT"}`},
		},
		"anything-but a list ignoring case": {
			`{"a":[{"anything-but":{"equals-ignore-case":["a","b"]}}]}`, []string{`{"a":"c"}`, `{"a":1}`}, []string{`{"a":"A"}`, `{"a":"B"}`},
		},
		"anything-but a wildcard": {
			`{"a":[{"anything-but":{"wildcard":"*/lib/*"}}]}`, []string{`{"a":"/src/x"}`}, []string{`{"a":"/lib/x"}`},
		},
		"anything-but a list of wildcards": {
			`{"a":[{"anything-but":{"wildcard":["*/lib/*","*/bin/*"]}}]}`, []string{`{"a":"/src/x"}`}, []string{`{"a":"/lib/x"}`, `{"a":"/bin/"}`},
		},
		"numeric equality": {
			`{"a":[{"numeric":["=",3.018e2]}]}`, []string{`{"a":301.8}`}, []string{`{"a":301}`, `{"a":"301.8"}`, `{}`},
		},
		"numeric range with one open end": {
			`{"a":[{"numeric":[">",0,"<=",5]}]}`, []string{`{"a":5}`, `{"a":0.1}`}, []string{`{"a":0}`, `{"a":5.1}`, `{"a":"3"}`},
		},
		"numeric with one bound": {
			`{"a":[{"numeric":["<",10]}]}`, []string{`{"a":9.99}`, `{"a":-4}`}, []string{`{"a":10}`, `{"a":-6e9}`},
		},
		"numeric at least": {
			`{"a":[{"numeric":[">=",10]}]}`, []string{`{"a":10}`}, []string{`{"a":9}`},
		},
		"an IPv4 block": {
			`{"a":[{"cidr":"10.0.0.0/24"}]}`, []string{`{"a":"10.0.0.0"}`, `{"a":"10.0.0.255"}`},
			[]string{`{"a":"10.0.1.0"}`, `{"a":"secretsmanager.amazonaws.com"}`, `{"a":"10.0.0"}`, `{"a":"::ffff:10.0.0.1"}`},
		},
		"an IPv6 block": {
			`{"a":[{"cidr":"2001:db8::/32"}]}`, []string{`{"a":"2001:db8::1"}`, `{"a":"2001:DB8:1::"}`}, []string{`{"a":"2001:db9::"}`, `{"a":"10.0.0.1"}`},
		},
		"exists true asks for a leaf": {
			`{"a":{"b":[{"exists":true}]}}`, []string{`{"a":{"b":1}}`, `{"a":{"b":null}}`, `{"a":{"b":[0]}}`, `{"a":{"b":""}}`},
			[]string{`{"a":{}}`, `{}`, `{"a":{"b":{"c":1}}}`, `{"a":{"b":[]}}`, `{"a":null}`},
		},
		"exists false asks for no leaf": {
			`{"a":{"b":[{"exists":false}]}}`, []string{`{"a":{}}`, `{}`, `{"a":{"b":{"c":1}}}`, `{"a":{"b":[]}}`, `{"a":null}`, `{"a":"b"}`},
			[]string{`{"a":{"b":1}}`, `{"a":{"b":null}}`},
		},
		"exists false beside a value means absent or that value": {
			`{"a":[{"exists":false},{"suffix":"alias/aws/secretsmanager"}]}`, []string{`{}`, `{"a":"alias/aws/secretsmanager"}`}, []string{`{"a":"alias/mine"}`, `{"a":null}`},
		},
		"$or takes either branch and the rest": {
			`{"s":["x"],"$or":[{"a":[1]},{"b":[2],"c":[3]}]}`, []string{`{"s":"x","a":1}`, `{"s":"x","b":2,"c":3}`},
			[]string{`{"a":1}`, `{"s":"x"}`, `{"s":"x","b":2}`},
		},
		"two $or at different depths are both asked": {
			`{"$or":[{"a":[1]},{"b":[1]}],"d":{"$or":[{"x":[1]},{"y":[1]}]}}`, []string{`{"a":1,"d":{"y":1}}`, `{"b":1,"d":{"x":1}}`},
			[]string{`{"a":1}`, `{"d":{"x":1}}`},
		},
		"$or inside $or": {
			`{"$or":[{"a":[1]},{"b":[1],"$or":[{"c":[1]},{"d":[1]}]}]}`, []string{`{"a":1}`, `{"b":1,"d":1}`}, []string{`{"b":1}`, `{"c":1}`},
		},
		"an array matches by any of its elements": {
			`{"a":["x"]}`, []string{`{"a":["y","x"]}`, `{"a":[["x"]]}`}, []string{`{"a":["y"]}`, `{"a":[]}`},
		},
		"fields of an array of objects match within one element": {
			`{"a":{"k":["owner"],"v":["me"]}}`, []string{`{"a":[{"k":"team","v":"us"},{"k":"owner","v":"me"}]}`, `{"a":{"k":"owner","v":"me"}}`},
			[]string{`{"a":[{"k":"owner","v":"you"},{"k":"team","v":"me"}]}`},
		},
		"elements of nested arrays are kept apart": {
			`{"a":{"b":{"x":[1],"y":[2]}}}`, []string{`{"a":[{"b":[{"x":1},{"x":1,"y":2}]}]}`},
			[]string{`{"a":[{"b":[{"x":1},{"y":2}]}]}`, `{"a":[{"b":[{"x":1}]},{"b":[{"y":2}]}]}`},
		},
		"arrays of different fields are independent": {
			`{"a":{"x":[1]},"b":{"y":[2]}}`, []string{`{"a":[{"x":0},{"x":1}],"b":[{"y":2}]}`}, []string{`{"a":[{"x":0}],"b":[{"y":2}]}`},
		},
		"exists false looks at the element matched so far": {
			`{"a":{"k":["owner"],"v":[{"exists":false}]}}`, []string{`{"a":[{"k":"owner"},{"k":"team","v":"us"}]}`}, []string{`{"a":[{"k":"owner","v":"me"}]}`},
		},
		"dotted names are steps": {
			`{"a.b":["x"]}`, []string{`{"a":{"b":"x"}}`, `{"a.b":"x"}`}, []string{`{"a":"x"}`},
		},
		"any of several operators in one list": {
			`{"a":[{"prefix":"x"},{"numeric":[">",3]},null]}`, []string{`{"a":"xy"}`, `{"a":4}`, `{"a":null}`}, []string{`{"a":"y"}`, `{"a":3}`},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p, err := pattern.Compile([]byte(c.pattern))
			if err != nil {
				t.Fatal(err)
			}
			check(t, p, c.yes, true)
			check(t, p, c.no, false)
		})
	}
}

func check(t *testing.T, p *pattern.Pattern, events []string, want bool) {
	t.Helper()
	for _, event := range events {
		got, err := p.MatchJSON([]byte(event))
		if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: match = %v, want %v", event, got, want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	var many []string
	for i := range 11 {
		many = append(many, fmt.Sprintf(`"f%d":{"$or":[{"a":[1]},{"b":[1]}]}`, i))
	}
	for sentence, c := range map[string]struct{ pattern, reason string }{
		"no JSON":                              {`{"a":[1]`, "not JSON"},
		"text after the pattern":               {`{"a":[1]} x`, "unexpected text"},
		"no object":                            {`["a"]`, "Filter is not an object"},
		"an empty pattern":                     {`{}`, "Empty objects are not allowed"},
		"an empty object":                      {`{"a":{}}`, "Empty objects are not allowed"},
		"an empty list":                        {`{"a":[]}`, "Empty arrays are not allowed"},
		"a bare value":                         {`{"source":"aws.kms"}`, `"source" must be an object or an array`},
		"a list in a list":                     {`{"a":[["x"]]}`, "Match value must be String"},
		"an unknown operator":                  {`{"a":[{"contains":"x"}]}`, "Unrecognized match type contains"},
		"an operator without a name":           {`{"a":[{}]}`, "Match expression name not found"},
		"two operators in one expression":      {`{"a":[{"prefix":"a","suffix":"b"}]}`, "Only one key allowed"},
		"the same operator twice":              {`{"a":[{"prefix":"a","prefix":"b"}]}`, "Only one key allowed"},
		"the same field twice":                 {`{"a":[1],"a":[2]}`, "cannot be allowed multiple times"},
		"a prefix that is no string":           {`{"a":[{"prefix":5}]}`, "prefix match pattern must be a string"},
		"a prefix with another operator":       {`{"a":[{"prefix":{"wildcard":"x"}}]}`, "Unsupported prefix pattern"},
		"a suffix list":                        {`{"a":[{"suffix":["x"]}]}`, "suffix match pattern must be a string"},
		"exists with text":                     {`{"a":[{"exists":"true"}]}`, "either true or false"},
		"two stars together":                   {`{"a":[{"wildcard":"a**b"}]}`, "Consecutive wildcard"},
		"a wildcard with a lone backslash":     {`{"a":[{"wildcard":"a\\b"}]}`, "Invalid escape"},
		"a wildcard that ends in a backslash":  {`{"a":[{"wildcard":"a\\"}]}`, "Invalid escape"},
		"anything-but nothing":                 {`{"a":[{"anything-but":[]}]}`, "either all values"},
		"anything-but mixed":                   {`{"a":[{"anything-but":[1,"x"]}]}`, "mixed type"},
		"anything-but null":                    {`{"a":[{"anything-but":null}]}`, "must be an array or single"},
		"anything-but a list with a boolean":   {`{"a":[{"anything-but":["x",true]}]}`, "not supported"},
		"anything-but an empty prefix":         {`{"a":[{"anything-but":{"prefix":""}}]}`, "Null prefix/suffix"},
		"anything-but a number's prefix":       {`{"a":[{"anything-but":{"prefix":1}}]}`, "must be a string"},
		"anything-but exists":                  {`{"a":[{"anything-but":{"exists":true}}]}`, "Unsupported anything-but"},
		"anything-but with no operator":        {`{"a":[{"anything-but":{}}]}`, "name not found"},
		"numeric without a list":               {`{"a":[{"numeric":5}]}`, "must be an array"},
		"an empty numeric":                     {`{"a":[{"numeric":[]}]}`, "Invalid member"},
		"numeric with an unknown operator":     {`{"a":[{"numeric":["!=",5]}]}`, "Unrecognized numeric range operator"},
		"numeric against text":                 {`{"a":[{"numeric":["<","5"]}]}`, "must be numeric"},
		"numeric without a bound":              {`{"a":[{"numeric":["<"]}]}`, "must be numeric"},
		"a range from above":                   {`{"a":[{"numeric":["<",5,">",1]}]}`, "Too many elements"},
		"a range that is empty":                {`{"a":[{"numeric":[">",5,"<",5]}]}`, "Bottom must be less than top"},
		"a range with two lower bounds":        {`{"a":[{"numeric":[">",1,">",2]}]}`, "Bad numeric range operator"},
		"a range of three":                     {`{"a":[{"numeric":[">",1,"<",5,"<",6]}]}`, "Too many elements"},
		"numeric out of bounds":                {`{"a":[{"numeric":["<",6e9]}]}`, "between -5.0E9 and 5.0E9"},
		"a block without a slash":              {`{"a":[{"cidr":"10.0.0.1"}]}`, "one '/' required"},
		"a block of nonsense":                  {`{"a":[{"cidr":"10.0.0.0/99"}]}`, "Malformed CIDR"},
		"$or that is no list":                  {`{"$or":{"a":[1]}}`, "must be an Array"},
		"$or of one":                           {`{"$or":[{"a":[1]}]}`, "at least 2"},
		"$or of values":                        {`{"$or":[1,2]}`, "Only JSON object"},
		"$or over an operator":                 {`{"$or":[{"prefix":["x"]},{"b":[1]}]}`, "reserved"},
		"$or that repeats a field of the rest": {`{"a":[1],"$or":[{"a":[2]},{"b":[3]}]}`, "cannot be allowed multiple times"},
		"more combinations than 1,000":         {"{" + strings.Join(many, ",") + "}", "more than 1000 combinations"},
		"more than 2,048 characters":           {`{"a":["` + strings.Repeat("é", 2040) + `"]}`, "more than 2048"},
		"a number beyond all bounds":           {`{"a":[1e999]}`, "out of range"},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := pattern.Compile([]byte(c.pattern))
			if err == nil || !strings.Contains(err.Error(), c.reason) {
				t.Errorf("err = %v, want one with %q", err, c.reason)
			}
		})
	}
}

func TestMatchJSONRefusesWhatIsNoEvent(t *testing.T) {
	p, err := pattern.Compile([]byte(`{"a":[1]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range []string{``, `null`, `[]`, `{"a":`, `"a"`} {
		if _, err := p.MatchJSON([]byte(event)); err == nil {
			t.Errorf("%q: no error", event)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`{"a":["x",5,null,true,{"prefix":"p"},{"exists":false}]}`,
		`{"$or":[{"a":[{"numeric":[">",0,"<=",5]}]},{"b":[{"cidr":"10.0.0.0/8"}]}]}`,
		`{"a":{"b":[{"anything-but":{"wildcard":["*x*"]}}]}}`, `{"a":[{"suffix":{"equals-ignore-case":"É"}}]}`,
	} {
		f.Add([]byte(seed), []byte(`{"a":[{"b":1},{"b":"x"}],"c":null}`))
	}
	f.Fuzz(func(t *testing.T, raw, event []byte) {
		p, err := pattern.Compile(raw)
		if err != nil {
			return
		}
		if len(event) > 4096 {
			return
		}
		first, err := p.MatchJSON(event)
		again, errAgain := p.MatchJSON(event)
		if first != again || (err == nil) != (errAgain == nil) {
			t.Errorf("match of %s against %s is not stable", event, raw)
		}
	})
}
