package arn_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/arn"
)

func TestParse(t *testing.T) {
	tests := map[string]struct {
		text       string
		want       arn.ARN
		kind, name string
		base       string
	}{
		"a secret": {
			"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db-AbCdEf",
			arn.ARN{Partition: "aws", Service: "secretsmanager", Region: "eu-west-1", Account: "111122223333", Resource: "secret:app/db-AbCdEf"},
			"secret", "app/db-AbCdEf", "db-AbCdEf",
		},
		"a key in China": {
			"arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd",
			arn.ARN{Partition: "aws-cn", Service: "kms", Region: "cn-north-1", Account: "111122223333", Resource: "key/1234abcd"},
			"key", "1234abcd", "1234abcd",
		},
		"a session, which has no Region": {
			"arn:aws:sts::111122223333:assumed-role/Deploy/alice@example.com",
			arn.ARN{Partition: "aws", Service: "sts", Account: "111122223333", Resource: "assumed-role/Deploy/alice@example.com"},
			"assumed-role", "Deploy/alice@example.com", "alice@example.com",
		},
		"a queue, whose resource is its name": {
			"arn:aws:sqs:eu-west-1:111122223333:doublelock-detect",
			arn.ARN{Partition: "aws", Service: "sqs", Region: "eu-west-1", Account: "111122223333", Resource: "doublelock-detect"},
			"", "doublelock-detect", "doublelock-detect",
		},
		"a bucket, which has neither": {
			"arn:aws:s3:::logs", arn.ARN{Partition: "aws", Service: "s3", Resource: "logs"}, "", "logs", "logs",
		},
		"a resource with colons": {
			"arn:aws:logs:eu-west-1:111122223333:log-group:/aws/x:*",
			arn.ARN{Partition: "aws", Service: "logs", Region: "eu-west-1", Account: "111122223333", Resource: "log-group:/aws/x:*"},
			"log-group", "/aws/x:*", "x:*",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := arn.Parse(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
			if got.String() != tt.text || !arn.Is(tt.text) {
				t.Errorf("String() = %q, Is = %t", got, arn.Is(tt.text))
			}
			if got != arn.Of(tt.text) {
				t.Errorf("Of = %#v", arn.Of(tt.text))
			}
			if service, kind := arn.Kind([]byte(tt.text)); string(service) != tt.want.Service || string(kind) != tt.kind {
				t.Errorf("Kind() = %q, %q", service, kind)
			}
			kind, name := got.Split()
			if kind != tt.kind || name != tt.name || got.Name() != tt.name || got.Base() != tt.base {
				t.Errorf("Split() = %q, %q; Base() = %q", kind, name, got.Base())
			}
		})
	}
}

func TestWhatIsNoARN(t *testing.T) {
	for _, text := range []string{"", "arn", "arn:aws:iam", "alias/x", "ARN:aws:iam::111122223333:root", "111122223333"} {
		if _, err := arn.Parse(text); err == nil || arn.Is(text) {
			t.Errorf("%q: taken for an ARN", text)
		}
		if got := arn.Of(text); got != (arn.ARN{}) || got.String() != "" {
			t.Errorf("Of(%q) = %q, want the zero ARN", text, got)
		}
		if service, kind := arn.Kind([]byte(text)); service != nil || kind != nil {
			t.Errorf("Kind(%q) = %q, %q, want nothing", text, service, kind)
		}
	}
}

func TestSession(t *testing.T) {
	tests := map[string]struct{ text, role, session string }{
		"a session":                  {"arn:aws:sts::111122223333:assumed-role/Deploy/alice@example.com", "Deploy", "alice@example.com"},
		"a role without its session": {"arn:aws-cn:sts::111122223333:assumed-role/Deploy", "Deploy", ""},
		"a role":                     {"arn:aws:iam::111122223333:role/Deploy/alice", "", ""},
		"a role of that path":        {"arn:aws:iam::111122223333:assumed-role/Deploy/alice", "", ""},
		"no ARN":                     {"assumed-role/Deploy/alice", "", ""},
	}
	for name, tt := range tests {
		role, session, ok := arn.Of(tt.text).Session()
		if role != tt.role || session != tt.session || ok != (tt.role != "") {
			t.Errorf("%s: %q, %q, %t", name, role, session, ok)
		}
	}
}

func TestAKeyIsNamedByItsAliasAloneOrInAnARN(t *testing.T) {
	for named, want := range map[string]string{
		"alias/shop": "alias/shop",
		"arn:aws-cn:kms:cn-north-1:111122223333:alias/aws/secretsmanager": "alias/aws/secretsmanager",
		"arn:aws:kms:eu-west-1:111122223333:key/alias":                    "",
		"1234abcd-12ab-34cd-56ef-1234567890ab":                            "",
		"":                                                                "",
	} {
		if got := arn.Alias(named); got != want {
			t.Errorf("Alias(%q) = %q, want %q", named, got, want)
		}
	}
}

func TestOfCopiesNothing(t *testing.T) {
	for _, text := range []string{"arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db-AbCdEf", "1234abcd-12ab-34cd-56ef-1234567890ab"} {
		if n := testing.AllocsPerRun(100, func() { _, _ = arn.Of(text).Split() }); n != 0 {
			t.Errorf("%q: %v allocations", text, n)
		}
		b := []byte(text)
		if n := testing.AllocsPerRun(100, func() { _, _ = arn.Kind(b) }); n != 0 {
			t.Errorf("%q: %v allocations from a buffer", text, n)
		}
	}
}

func TestPartitions(t *testing.T) {
	tests := map[string]struct {
		partition arn.Partition
		via       string
	}{
		"eu-west-1":      {"aws", "secretsmanager.eu-west-1.amazonaws.com"},
		"us-east-1":      {"aws", "secretsmanager.us-east-1.amazonaws.com"},
		"ap-southeast-4": {"aws", "secretsmanager.ap-southeast-4.amazonaws.com"},
		"cn-north-1":     {"aws-cn", "secretsmanager.cn-north-1.amazonaws.com.cn"},
		"cn-northwest-1": {"aws-cn", "secretsmanager.cn-northwest-1.amazonaws.com.cn"},
		"us-gov-west-1":  {"aws-us-gov", "secretsmanager.us-gov-west-1.amazonaws.com"},
		"eusc-de-east-1": {"aws-eusc", "secretsmanager.eusc-de-east-1.amazonaws.eu"},
		"us-iso-east-1":  {"aws-iso", "secretsmanager.us-iso-east-1.c2s.ic.gov"},
		"us-isob-east-1": {"aws-iso-b", "secretsmanager.us-isob-east-1.sc2s.sgov.gov"},
		"eu-isoe-west-1": {"aws-iso-e", "secretsmanager.eu-isoe-west-1.cloud.adc-e.uk"},
		"us-isof-east-1": {"aws-iso-f", "secretsmanager.us-isof-east-1.csp.hci.ic.gov"},
	}
	for region, want := range tests {
		p := arn.PartitionOf(region)
		if p != want.partition || p.Regional("secretsmanager", region) != want.via || p.Service("events") != "events.amazonaws.com" {
			t.Errorf("%s: %q, %q, %q", region, p, p.Regional("secretsmanager", region), p.Service("events"))
		}
		if forms := p.ViaService("secretsmanager", region); forms[0] != want.via || len(forms) > 1 == strings.HasSuffix(want.via, ".amazonaws.com") {
			t.Errorf("%s: kms:ViaService may hold %q", region, forms)
		}
		if !arn.IsHost(want.via) || !arn.IsHost(p.Service("events")) || arn.IsHost(region) || arn.IsHost(p.Suffix()) {
			t.Errorf("%s: the hosts of %s are not told from other names", region, p)
		}
	}
}

func TestBuilding(t *testing.T) {
	p := arn.Partition("aws-us-gov")
	for got, want := range map[string]string{
		p.Role("111122223333", "app/reader"): "arn:aws-us-gov:iam::111122223333:role/app/reader",
		p.Root("111122223333"):               "arn:aws-us-gov:iam::111122223333:root",
		p.New("sns", "us-gov-west-1", "111122223333", "t").In("us-gov-east-1").String(): "arn:aws-us-gov:sns:us-gov-east-1:111122223333:t",
		arn.Partition("").New("iam", "", "*", "role/x").String():                        "arn:aws:iam::*:role/x",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:kms:eu-west-1:111122223333:key/1234")
	f.Add("arn:::::")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := arn.Parse(text)
		if err == nil && a != (arn.ARN{}) && a.String() != text {
			t.Errorf("%q became %q", text, a)
		}
		if of := arn.Of(text); of != a {
			t.Errorf("%q: Of reads %#v, Parse %#v", text, of, a)
		}
		service, kind := arn.Kind([]byte(text))
		if want, _ := a.Split(); string(service) != a.Service || string(kind) != want {
			t.Errorf("%q: Kind reads %q and %q", text, service, kind)
		}
	})
}

func TestARegionWithoutSecretsManagerHasNoKnownPartition(t *testing.T) {
	for region, want := range map[string]arn.Partition{
		"us-east-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc", "us-east-9": "", "": "",
	} {
		if got := arn.KnownPartition(region); got != want {
			t.Errorf("%q is in %q, want %q", region, got, want)
		}
	}
}
