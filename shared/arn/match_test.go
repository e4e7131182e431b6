package arn_test

import (
	"testing"

	"github.com/doublelock/doublelock/shared/arn"
)

func TestMatch(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"a*c", "abbc", true},
		{"a*c", "abbcd", false},
		{"a*b*c", "axxbyybzzc", true},
		{"a?c", "abc", true},
		{"a?c", "ac", false},
		{"a?*", "a", false},
		{"**", "anything", true},
		{"arn:aws:iam::*:role/BreakGlass*", "arn:aws:iam::111122223333:role/BreakGlassOps", true},
		{"arn:aws:iam::*:role/BreakGlass*", "arn:aws:iam::111122223333:role/other/BreakGlass", false},
	}
	for _, tt := range tests {
		if got := arn.Match(tt.pattern, tt.text); got != tt.want {
			t.Errorf("Match(%q, %q) = %t", tt.pattern, tt.text, got)
		}
	}
}

func TestAWildcardOfAnARNEndsWithItsPart(t *testing.T) {
	const pattern = "arn:*:iam::*:role/KeyManager"
	for text, want := range map[string]bool{
		"arn:aws:iam::111122223333:role/KeyManager":                 true,
		"arn:aws-cn:iam::111122223333:role/KeyManager":              true,
		"arn:aws:iam::111122223333:role/x:role/KeyManager":          false,
		"arn:aws:iam::111122223333:user/x:role/KeyManager":          false,
		"arn:aws:iam::111122223333:role/x:iam::222:role/KeyManager": false,
		"arn:aws:iam:us-east-1:111122223333:role/KeyManager":        false,
		"arn:aws:sts::111122223333:role/KeyManager":                 false,
		"arn:aws:iam::111122223333:role/KeyManager2":                false,
		"*": false,
		"":  false,
	} {
		if got := arn.Like(pattern, text); got != want {
			t.Errorf("Like(%q, %q) = %t", pattern, text, got)
		}
	}
	if arn.Like("arn:*:*:*:*:*", "") || arn.Like("*", "arn:aws:iam::111122223333:role/KeyManager") || !arn.Like("arn:*:*:*:*:*", "arn:aws:iam::111122223333:role/KeyManager") ||
		arn.Like("arn:aws:iam::1*:role/*", "arn:aws:iam::222222222222:role/a") || arn.Like("arn:aws:iam::*:role/*", "arn:aws-cn:iam::222222222222:role/a") {
		t.Error("a part is not compared with its own, or what is no ARN is like one")
	}
}
