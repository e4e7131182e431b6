package guard_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

func TestBlastSaysWhatStopsAndWhatDoesNot(t *testing.T) {
	off := inState(ownKey, guard.KeyDisabled)
	named := func(name string, s guard.Secret) guard.Secret {
		s.Name, s.ARN = name, "arn:aws:secretsmanager:us-east-1:111122223333:secret:"+name+"-abcdef"
		return s
	}
	radius := guard.Blast(off, []guard.Secret{
		named("sealed", secret(off, off)),
		named("dual", secret(off, off, awsKey)),
		named("dual-with-live-cmk", secret(off, off, otherKey)),
		named("dual-with-dead-cmk", secret(off, off, inState(otherKey, guard.KeyDisabled))),
		named("dual-with-unread-cmk", secret(off, off, guard.Key{ARN: otherKey.ARN})),
		named("never-re-encrypted", secret(off, awsKey)),
		named("moved-on", secret(otherKey, otherKey, off)),
		named("elsewhere", secret(otherKey, otherKey)),
		named("no-value", with(secret(off), func(s *guard.Secret) { s.Versions = nil })),
		named("unread", with(secret(off), func(s *guard.Secret) { s.VersionsUnread = true })),
	})
	names := func(list []guard.Affected) []string {
		var out []string
		for _, a := range list {
			if a.Describe() == "" {
				t.Errorf("%s has no why", a.Name)
			}
			out = append(out, a.Name)
		}
		return out
	}
	if diff := cmp.Diff([]string{"dual-with-dead-cmk", "no-value", "sealed"}, names(radius.Stops)); diff != "" {
		t.Errorf("stops (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"dual", "dual-with-live-cmk", "moved-on", "never-re-encrypted"}, names(radius.Remains)); diff != "" {
		t.Errorf("remains (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"dual-with-unread-cmk", "unread"}, names(radius.Unknown)); diff != "" {
		t.Errorf("unknown (-want +got):\n%s", diff)
	}
}

func TestMissingTagsNeverUsesUpTheOwnersTags(t *testing.T) {
	want := map[string]string{guard.TagState: "dual", guard.TagControls: "none", guard.TagSince: "x"}
	full := map[string]string{}
	for i := range 48 {
		full[string(rune('A'+i))] = "v"
	}
	for sentence, c := range map[string]struct {
		have map[string]string
		want int
	}{
		"nothing there yet":                    {map[string]string{"Owner": "a"}, 3},
		"one value differs":                    {map[string]string{guard.TagState: "default", guard.TagControls: "none", guard.TagSince: "x"}, 1},
		"everything is right":                  {want, 0},
		"48 tags leave no room for 3, so none": {full, 0},
	} {
		if got := guard.MissingTags(c.have, want); len(got) != c.want {
			t.Errorf("%s: writes %v, want %d tags", sentence, got, c.want)
		}
	}
}
