package core

import (
	"encoding/json"
	"net/url"
	"testing"
)

func FuzzDecodeForm(f *testing.F) {
	for _, seed := range []string{"Action=CreateRole&RoleName=a&Tags.member.1.Key=k&Tags.member.1.Value=v", "A.entry.1.key=x&A.entry.1.value=y", "MaxItems=9", "Tags.1.Key=%", "=&=&."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		form, err := url.ParseQuery(text)
		if err != nil {
			return
		}
		var in struct {
			RoleName string
			MaxItems int
			Flag     bool
			Tags     []tagXML
			A        map[string]string
			Inner    *struct{ B []string }
		}
		if err := decodeForm(form, &in); err != nil {
			return
		}
		if form.Has("RoleName") && in.RoleName != form.Get("RoleName") {
			t.Errorf("RoleName is %q, want %q", in.RoleName, form.Get("RoleName"))
		}
	})
}

func FuzzFormOf(f *testing.F) {
	f.Add(`{"RoleName":"a","Tags":[{"Key":"k","Value":"v"}],"A":{"x":"y"},"MaxItems":3}`)
	f.Fuzz(func(t *testing.T, text string) {
		form, err := formOf([]byte(text))
		if err != nil {
			return
		}
		var fields struct{ RoleName string }
		if json.Unmarshal([]byte(text), &fields) == nil && fields.RoleName != "" && form.Has("RoleName") && form.Get("RoleName") == "" {
			t.Errorf("RoleName %q got lost in %v", fields.RoleName, form)
		}
	})
}

func FuzzScope(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=AKID/20260901/us-east-1/kms/aws4_request, SignedHeaders=host, Signature=00")
	f.Add("Credential=")
	f.Add("Credential=a/b/c/d/e/f")
	f.Fuzz(func(t *testing.T, header string) {
		key, region, service, err := scope(header)
		if err != nil && key+region+service != "" {
			t.Errorf("an error, but also %q %q %q", key, region, service)
		}
	})
}

func FuzzPageToken(f *testing.F) {
	f.Add(PageToken(0))
	f.Add(PageToken(100))
	f.Add("nonsense")
	f.Fuzz(func(t *testing.T, token string) {
		from, err := PageStart(token)
		if err != nil {
			return
		}
		if again, err := PageStart(PageToken(from)); err != nil || again != from {
			t.Errorf("%q is %d, and then %d (%v)", token, from, again, err)
		}
	})
}
