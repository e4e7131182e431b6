package cloudformation

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// resolverOf is a resolver with a parameter, a list, a mapping, conditions and two resources that exist.
func resolverOf(t testing.TB) *resolver {
	t.Helper()
	read, err := readTemplate([]byte(`{
		"Parameters": {"Stage": {"Type": "String", "Default": "prod"}, "Zones": {"Type": "CommaDelimitedList", "Default": "a, b"},
			"Count": {"Type": "Number", "Default": 3}},
		"Mappings": {"Sizes": {"prod": {"Memory": 512, "Names": ["x", "y"]}}},
		"Conditions": {
			"IsProd": {"Fn::Equals": [{"Ref": "Stage"}, "prod"]},
			"IsHome": {"Fn::Equals": [{"Ref": "AWS::Region"}, "us-east-1"]},
			"Both": {"Fn::And": [{"Condition": "IsProd"}, {"Condition": "IsHome"}]},
			"Neither": {"Fn::Not": [{"Fn::Or": [{"Condition": "IsProd"}, {"Condition": "IsHome"}]}]},
			"Itself": {"Fn::Not": [{"Condition": "Itself"}]}
		},
		"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}, "Topic": {"Type": "AWS::SNS::Topic"}}
	}`))
	if err != nil {
		t.Fatal(err)
	}
	r := newResolver(read, map[string]string{"Shared": "exported"})
	if err := r.setParameters(nil, pseudoParameters(Stack{Name: "S", Account: "111122223333", Region: "us-east-1"})); err != nil {
		t.Fatal(err)
	}
	r.physical["Queue"] = "https://queue"
	r.attributes["Queue"] = map[string]any{"Arn": "arn:queue", "Deep.Er": "deep"}
	return r
}

func parse(t testing.TB, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestResolve(t *testing.T) {
	for name, test := range map[string]struct{ value, want string }{
		"Ref of a parameter":                     {`{"Ref":"Stage"}`, `"prod"`},
		"Ref of a number is text":                {`{"Ref":"Count"}`, `"3"`},
		"Ref of a list":                          {`{"Ref":"Zones"}`, `["a","b"]`},
		"Ref of a resource":                      {`{"Ref":"Queue"}`, `"https://queue"`},
		"Ref of a pseudo parameter":              {`{"Ref":"AWS::AccountId"}`, `"111122223333"`},
		"a key Ref beside others is no function": {`{"Ref":"Stage","x":1}`, `{"Ref":"Stage","x":1}`},
		"NoValue leaves a property out":          {`{"a":{"Ref":"AWS::NoValue"},"b":1}`, `{"b":1}`},
		"NoValue leaves a list item out":         {`["a",{"Ref":"AWS::NoValue"}]`, `["a"]`},
		"numbers stay numbers":                   {`{"numeric":["=",5]}`, `{"numeric":["=",5]}`},
		"GetAtt as a list":                       {`{"Fn::GetAtt":["Queue","Arn"]}`, `"arn:queue"`},
		"GetAtt as text":                         {`{"Fn::GetAtt":"Queue.Arn"}`, `"arn:queue"`},
		"GetAtt of an attribute with a dot":      {`{"Fn::GetAtt":["Queue","Deep.Er"]}`, `"deep"`},
		"Join":                                   {`{"Fn::Join":["",["arn:",{"Ref":"AWS::Partition"},":iam::",{"Ref":"AWS::AccountId"},":root"]]}`, `"arn:aws:iam::111122223333:root"`},
		"Join of a list parameter":               {`{"Fn::Join":["-",{"Ref":"Zones"}]}`, `"a-b"`},
		"Sub of text":                            {`{"Fn::Sub":"${AWS::Region}/${Stage}/${Queue}/${Queue.Arn}"}`, `"us-east-1/prod/https://queue/arn:queue"`},
		"Sub with values":                        {`{"Fn::Sub":["${x}-${Stage}",{"x":{"Ref":"Count"}}]}`, `"3-prod"`},
		"Sub keeps literals":                     {`{"Fn::Sub":"${!aws:username} $5 $"}`, `"${aws:username} $5 $"`},
		"Select":                                 {`{"Fn::Select":[1,{"Fn::Split":[":",{"Fn::GetAtt":["Queue","Arn"]}]}]}`, `"queue"`},
		"Select with an index of text":           {`{"Fn::Select":["0",["a","b"]]}`, `"a"`},
		"If takes the branch that holds":         {`{"Fn::If":["IsProd","yes","no"]}`, `"yes"`},
		"If does not look at the other branch":   {`{"Fn::If":["Neither",{"Ref":"Nobody"},"no"]}`, `"no"`},
		"If with NoValue":                        {`{"a":{"Fn::If":["Both",{"Ref":"AWS::NoValue"},1]}}`, `{}`},
		"FindInMap":                              {`{"Fn::FindInMap":["Sizes",{"Ref":"Stage"},"Memory"]}`, `512`},
		"ImportValue":                            {`{"Fn::ImportValue":"Shared"}`, `"exported"`},
		"Base64":                                 {`{"Fn::Base64":"hi"}`, `"aGk="`},
		"GetAZs of here":                         {`{"Fn::Select":[0,{"Fn::GetAZs":""}]}`, `"us-east-1a"`},
		"a policy's Condition is no function":    {`{"Condition":{"StringEquals":{"a":"b"}}}`, `{"Condition":{"StringEquals":{"a":"b"}}}`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := resolverOf(t).resolve(parse(t, test.value), "Properties")
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(got)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestResolveNamesTheProperty(t *testing.T) {
	for value, want := range map[string]string{
		`{"a":[{"Ref":"Nobody"}]}`:                          "Properties.a[0]: Ref: no parameter and no created resource is called Nobody",
		`{"Ref":7}`:                                         "Properties: Ref: takes a name",
		`{"a":{"Fn::GetAtt":["Topic","Arn"]}}`:              "Properties.a: Fn::GetAtt: Topic.Arn: no such resource was created",
		`{"a":{"Fn::GetAtt":["Queue","Colour"]}}`:           "Properties.a: Fn::GetAtt: Queue.Colour: AWS::SQS::Queue has no such attribute here",
		`{"a":{"Fn::GetAtt":["Queue"]}}`:                    "Properties.a: Fn::GetAtt: takes a resource and an attribute",
		`{"a":{"Fn::Transform":{}}}`:                        "Properties.a: Fn::Transform: not known here",
		`{"a":{"Fn::Select":[2,["x"]]}}`:                    "Properties.a: Fn::Select: index 2 of a list of 1",
		`{"a":{"Fn::Join":["",[{"x":1}]]}}`:                 "Properties.a: Fn::Join: the list has something that is not text",
		`{"a":{"Fn::ImportValue":"Missing"}}`:               "Properties.a: Fn::ImportValue: no stack of this account and Region exports Missing",
		`{"a":{"Fn::FindInMap":["Sizes","dev","M"]}}`:       "Properties.a: Fn::FindInMap: no dev.M in mapping Sizes",
		`{"a":{"Fn::If":["Nope",1,2]}}`:                     "Properties.a: Fn::If: condition Nope: no such condition",
		`{"a":{"Fn::If":["Itself",1,2]}}`:                   "Properties.a: Fn::If: condition Itself: condition Itself: needs itself",
		`{"a":{"Fn::Sub":"${Zones}"}}`:                      "Properties.a: Fn::Sub: ${Zones} is not text",
		`{"a":{"Fn::Sub":"${Zones"}}`:                       "Properties.a: Fn::Sub: ${ without }",
		`{"a":{"Fn::Sub":["x"]}}`:                           "Properties.a: Fn::Sub: takes text, or text and a mapping",
		`{"a":{"Fn::Join":[",",{"Ref":"Nobody"}]}}`:         "Properties.a[1]: Ref: no parameter and no created resource is called Nobody",
		strings.Repeat(`[`, 300) + strings.Repeat(`]`, 300): "nested too deep",
	} {
		_, err := resolverOf(t).resolve(parse(t, value), "Properties")
		if err == nil || err.Error() != want {
			t.Errorf("%.60s:\n got %v\nwant %s", value, err, want)
		}
	}
}

func TestParameters(t *testing.T) {
	read := template{Parameters: map[string]templateParameter{
		"Size": {Type: "String", AllowedValues: []any{"small", "large"}},
	}}
	for name, test := range map[string]struct {
		given map[string]string
		want  string
	}{
		"missing without default": {nil, "parameter Size: no value and no default"},
		"not allowed":             {map[string]string{"Size": "huge"}, `parameter Size: "huge" is not among small, large`},
		"unknown":                 {map[string]string{"Size": "small", "Colour": "red"}, "parameter Colour: the template has none of that name"},
	} {
		err := newResolver(read, nil).setParameters(test.given, nil)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", name, err, test.want)
		}
	}
}

// FuzzResolve feeds any JSON to the resolver: it must answer or err, and an answer has no function left that it knows.
func FuzzResolve(f *testing.F) {
	for _, seed := range []string{
		`{"Fn::Sub":["${a}${Queue.Arn}${!x}",{"a":{"Ref":"Zones"}}]}`, `{"Fn::If":["Both",{"Ref":"AWS::NoValue"},[1,{"Ref":"Stage"}]]}`,
		`{"Fn::Select":[0,{"Fn::Split":["",""]}]}`, `{"Fn::Join":["",{"Fn::GetAZs":""}]}`, `{"Fn::FindInMap":["Sizes","prod","Names"]}`,
		`{"Fn::If":["Itself",1,2]}`, `{"Fn::GetAtt":"Queue.Deep.Er"}`, `{"Fn::Base64":{"Fn::ImportValue":"Shared"}}`, `{"Ref":["x"]}`, `[null,{"Fn::":{}}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		decoder := json.NewDecoder(strings.NewReader(text))
		decoder.UseNumber()
		var value any
		if decoder.Decode(&value) != nil {
			return
		}
		references(value, map[string]bool{})
		resolved, err := resolverOf(t).resolve(value, "Properties")
		if err != nil {
			return
		}
		if _, err := json.Marshal(resolved); err != nil {
			t.Fatalf("%s resolves to what is no JSON: %v", text, err)
		}
		if left, ok := leftOver(resolved); ok {
			t.Fatalf("%s resolves to something with %s in it", text, left)
		}
	})
}

// leftOver finds a function that was not called. Fn::FindInMap answers literals only, so none can appear later.
func leftOver(value any) (string, bool) {
	switch v := value.(type) {
	case map[string]any:
		if name, _, ok := intrinsic(v); ok {
			return name, true
		}
		for _, item := range v {
			if left, ok := leftOver(item); ok {
				return left, true
			}
		}
	case []any:
		for _, item := range v {
			if left, ok := leftOver(item); ok {
				return left, true
			}
		}
	}
	return "", false
}
