package guard_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

func TestWhatANoticeSaysOfAMigration(t *testing.T) {
	words := func(text string) guard.Passage { return guard.Passage{Text: text} }
	paste := func(text string) guard.Passage { return guard.Passage{Text: text, Paste: true} }
	identity := guard.Statement{Where: "identity policy of r", JSON: `{"a":1}`}
	key := guard.Statement{Where: "key policy of k", JSON: `{"b":2}`}
	for sentence, c := range map[string]struct {
		kind guard.NoticeKind
		move guard.Move
		want []guard.Passage
	}{
		"a secret that went back": {guard.NoticeRolledBack, guard.Move{Reason: "r was refused", Previous: "k"}, []guard.Passage{words("back under k: r was refused")}},
		"a secret that went back to the AWS managed key": {guard.NoticeRolledBack, guard.Move{Reason: "r was refused"},
			[]guard.Passage{words("back under the AWS managed key: r was refused")}},
		"a secret that went back, with copies that could not be read": {guard.NoticeRolledBack, guard.Move{Reason: "the previous key was set", Unproven: true},
			[]guard.Passage{words("the previous key was set. Whether its readers open it as before is not known. Every sweep looks again")}},
		"a change that is looked for": {guard.NoticeUnproven, guard.Move{Reason: "k is set", ProveBy: now},
			[]guard.Passage{words("k is set. Whether older copies still open with the previous key alone is not known. Every sweep looks again until 2026-09-01 12:00 UTC; then it is yours")}},
		"a reader that lacks a right, and went back": {guard.NoticeReaderLost,
			guard.Move{Reason: "one UpdateSecret", Reader: &guard.LostReader{Principal: "r", Right: "kms:Decrypt on k", Answer: "rollback"}},
			[]guard.Passage{words("r read the secret before and was refused: it lacks kms:Decrypt on k. The secret was set back (one UpdateSecret)")}},
		"a reader that the secret or its key refused, and nothing was done": {guard.NoticeReaderLost,
			guard.Move{Reason: "a version is under the new key alone", Reader: &guard.LostReader{Principal: "r", Answer: "page"}},
			[]guard.Passage{words("r read the secret before and was refused, by the secret or by its key. Nothing was changed (a version is under the new key alone). A person decides")}},
		"a reader that two statements help": {guard.NoticeReaderLost,
			guard.Move{Reason: "until it is sealed", Reader: &guard.LostReader{Principal: "r", Right: "x", Answer: "grant"}, Remedies: []guard.Remedy{{Principal: "r", Statements: []guard.Statement{identity, key}}}},
			[]guard.Passage{words("r read the secret before and was refused: it lacks x; add to the identity policy of r:"), paste(`{"a":1}`), words("and to the key policy of k:"), paste(`{"b":2}`),
				words("both as they are printed, because one alone does not help. Access was restored by a grant (until it is sealed)")}},
		"a move that failed": {guard.NoticeFailed, guard.Move{Reason: "AWS refused it"}, []guard.Passage{words("AWS refused it")}},
		"a notice of a lost reader that does not say which": {guard.NoticeReaderLost, guard.Move{Reason: "AWS refused it"}, []guard.Passage{words("AWS refused it")}},
		"a move that would break a reader, for which nothing helps": {guard.NoticeFailed, guard.Move{Breaks: []string{"r loses it"}},
			[]guard.Passage{words("it was not moved, because readers would break: r loses it")}},
		"a move that would break a reader, which a statement helps": {guard.NoticeFailed,
			guard.Move{Breaks: []string{"r loses it"}, Remedies: []guard.Remedy{{Principal: "r", Statements: []guard.Statement{key}}}},
			[]guard.Passage{words("it was not moved, because readers would break: r loses it. For r: add to the key policy of k:"), paste(`{"b":2}`), words("as it is printed.")}},
		"a move that would break more readers than there is room for": {guard.NoticeFailed, guard.Move{Breaks: []string{"r loses it"}, More: 2},
			[]guard.Passage{words("it was not moved, because readers would break: r loses it. And for 2 more: doublelock migrate plan, then doublelock migrate show --fixes.")}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(c.want, guard.Notice{Kind: c.kind, Move: &c.move}.Passages()); diff != "" {
				t.Errorf("passages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestANoticeWithoutAMigrationSaysItsDetailAlone(t *testing.T) {
	if diff := cmp.Diff([]guard.Passage{{Text: "it is back"}}, guard.Notice{Kind: guard.NoticeRekeyed, Detail: "it is back"}.Passages()); diff != "" {
		t.Errorf("passages (-want +got):\n%s", diff)
	}
	if got := (guard.Notice{Kind: guard.NoticeRekeyed}).Passages(); len(got) > 0 {
		t.Errorf("without a detail it says %v", got)
	}
	detailed := guard.Notice{Kind: guard.NoticeFailed, Detail: "as it was said before", Move: &guard.Move{Reason: "AWS refused it"}}
	if diff := cmp.Diff([]guard.Passage{{Text: "AWS refused it"}}, detailed.Passages()); diff != "" {
		t.Errorf("with both (-want +got):\n%s", diff)
	}
}

func TestARemedyIsEmptyOnlyWithoutAStatementAndADecision(t *testing.T) {
	for sentence, c := range map[string]struct {
		remedy guard.Remedy
		empty  bool
	}{
		"nothing":     {guard.Remedy{Principal: "r"}, true},
		"a statement": {guard.Remedy{Statements: []guard.Statement{{JSON: "{}"}}}, false},
		"a decision":  {guard.Remedy{Decide: "move it"}, false},
	} {
		if got := c.remedy.Empty(); got != c.empty {
			t.Errorf("%s: empty is %v", sentence, got)
		}
	}
}

// How a finding ended is what became of the copies that failed.
func TestAFindingEndsByWhatBecameOfTheCopiesThatFailed(t *testing.T) {
	lost := inState(otherKey, guard.KeyDisabled)
	copies := func(replicas ...guard.Replica) guard.Secret {
		return with(secret(ownKey, ownKey), func(s *guard.Secret) { s.Replicas = replicas })
	}
	labelled := func(label string, key guard.Key) guard.Secret {
		r := replicaIn("eu-west-1", ownKey)
		r.Versions = append(r.Versions, version("v0", label, key))
		return copies(r)
	}
	abroad := func(key guard.Key) guard.Secret {
		return with(copies(), func(s *guard.Secret) {
			inAnotherAccount(key)(s)
			s.Elsewhere.Copies[0].Account = "444455556666"
		})
	}
	for sentence, c := range map[string]struct {
		control       guard.ControlID
		before, after guard.Secret
		stored        bool // before findings had a subject
		want          guard.Ending
	}{
		"the replica's key is enabled":                        {guard.SecretKeyUnusable, copies(replicaIn("eu-west-1", lost)), copies(replicaIn("eu-west-1", otherKey)), false, guard.EndPassed},
		"the replica is under another key":                    {guard.SecretKeyUnusable, copies(replicaIn("eu-west-1", lost)), copies(replicaIn("eu-west-1", ownKey)), false, guard.EndMoved},
		"the replica with a disabled key is gone":             {guard.SecretKeyUnusable, copies(replicaIn("eu-west-1", lost)), copies(), false, guard.EndRemoved},
		"one with such a key is gone, and one is enabled":     {guard.SecretKeyUnusable, copies(replicaIn("eu-west-1", lost), replicaIn("eu-west-2", lost)), copies(replicaIn("eu-west-2", otherKey)), false, guard.EndPassed},
		"one with such a key is gone, and one moved":          {guard.SecretKeyUnusable, copies(replicaIn("eu-west-1", lost), replicaIn("eu-west-2", lost)), copies(replicaIn("eu-west-2", ownKey)), false, guard.EndMoved},
		"a version there has no label any more":               {guard.SecretKeyUnusable, labelled("eu", lost), labelled("", lost), false, guard.EndRemoved},
		"a version there opens with its key again":            {guard.SecretKeyUnusable, labelled("eu", lost), labelled("eu", otherKey), false, guard.EndPassed},
		"a version there was re-encrypted":                    {guard.SecretKeyUnusable, labelled("eu", lost), labelled("eu", centralKey), false, guard.EndMoved},
		"a replica with a version under a lost key is gone":   {guard.SecretKeyUnusable, labelled("eu", lost), copies(), false, guard.EndRemoved},
		"a copy in another account with a lost key is gone":   {guard.SecretKeyUnusable, abroad(lost), copies(), false, guard.EndRemoved},
		"a copy in another account is under another key":      {guard.SecretKeyUnusable, abroad(lost), abroad(centralKey), false, guard.EndMoved},
		"the key of a copy in another account is enabled":     {guard.SecretKeyUnusable, abroad(lost), abroad(otherKey), false, guard.EndPassed},
		"a copy in another account under the AWS managed key": {guard.SecretReplicaKey, abroad(awsKey), abroad(centralKey), false, guard.EndPassed},
		"the replica under the AWS managed key was re-keyed":  {guard.SecretReplicaKey, copies(replicaIn("eu-west-1", awsKey)), copies(replicaIn("eu-west-1", otherKey)), false, guard.EndPassed},
		"the replica under the AWS managed key is gone":       {guard.SecretReplicaKey, copies(replicaIn("eu-west-1", awsKey)), copies(), false, guard.EndRemoved},
		"which replica it was is not known":                   {guard.SecretReplicaKey, copies(replicaIn("eu-west-1", awsKey)), copies(replicaIn("eu-west-1", otherKey)), true, guard.EndPassed},
	} {
		t.Run(sentence, func(t *testing.T) {
			rec := look(guard.Record{}, c.before, guard.ModeNotify, now)
			if c.stored {
				rec.Findings[0].Subject = guard.Subject{}
			}
			rec = look(rec, c.after, guard.ModeNotify, now.Add(time.Minute))
			at := slices.IndexFunc(rec.Findings, func(f guard.Finding) bool { return f.Control == c.control })
			if f := rec.Findings[at]; f.Status != guard.FindingResolved || f.End != c.want {
				t.Errorf("it is %s and ended %q, want %q", f.Status, f.End, c.want)
			}
		})
	}
}
