package guard_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/guard"
)

func covers(pattern, resource string) bool {
	now := time.Unix(0, 0)
	w := guard.Waiver{Control: guard.SecretDefaultKey, Resource: pattern, Expires: now.Add(time.Hour)}
	return w.Covers(guard.SecretDefaultKey, resource, now)
}

func TestWildcardsMatchAsTheSameRegularExpression(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab*]{0,8}`).Draw(t, "pattern")
		resource := rapid.StringMatching(`[ab]{0,12}`).Draw(t, "resource")
		same := regexp.MustCompile("^" + strings.ReplaceAll(pattern, "*", ".*") + "$")
		if got, want := covers(pattern, resource), same.MatchString(resource); got != want {
			t.Errorf("%q on %q: got %v, want %v", pattern, resource, got, want)
		}
	})
}

// Names are the account's to choose; a waiver's pattern on one that is made for it must not keep the guard busy.
func TestAWildcardOnANameMadeForItEnds(t *testing.T) {
	pattern := "arn:aws:secretsmanager:*:secret:" + strings.Repeat("*/", 12) + "legacy"
	if covers(pattern, "arn:aws:secretsmanager:us-east-1:111122223333:secret:"+strings.Repeat("/", 500)+"-AbCdEf") {
		t.Error("matched")
	}
}
