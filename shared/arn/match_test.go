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
