package notify_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/notify/notifytest"
)

// storyOf is a story of one notice.
func storyOf(n guard.Notice) notify.Story { return notify.Story{Notices: []guard.Notice{n}} }

func TestWhatIsCutIsMarkedWhereThereIsRoom(t *testing.T) {
	for limit, want := range map[int]string{-1: "", 2: "ab", 3: "abc", 4: "a...", 6: "abcdef"} {
		if got := notify.Clip("abcdef", limit); got != want {
			t.Errorf("%d characters: %q, want %q", limit, got, want)
		}
	}
	if got := notify.ASCII(" ~ü\x7f"); got != " ~??" {
		t.Errorf("ASCII %q", got)
	}
}

func TestASubjectWhoseRegionIsTooLongIsCut(t *testing.T) {
	n := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	n.Region = strings.Repeat("x", 200)
	if got := (notify.Message{Stories: []notify.Story{storyOf(n)}}).Subject(); len(got) != notify.MaxSubject || !strings.HasSuffix(got, "xxx...") {
		t.Errorf("%d characters: %q", len(got), got)
	}
}

func TestASubjectSaysWhichPartOfSeveralItIs(t *testing.T) {
	digest := notify.Message{Digest: true, Stories: []notify.Story{storyOf(notifytest.Opened(guard.SecretDefaultKey, "app", "cli"))}}
	for parts, want := range map[int]string{1: "", 2: " (1 of 2)"} {
		digest.Part, digest.Parts = 1, parts
		if got := digest.Subject(); got != "[Doublelock] HIGH: 1 resource still needs you"+want {
			t.Errorf("subject %q", got)
		}
	}
}

func TestACountSeparatesWhatNeedsYouFromWhatDoesNot(t *testing.T) {
	todo := storyOf(notifytest.Opened(guard.SecretDefaultKey, "app", "cli"))
	done := storyOf(notifytest.Resolved(guard.SecretNotSealed, "db"))
	moot := notifytest.Resolved(guard.SecretNotSealed, "old")
	moot.Finding.End = guard.EndMoot
	closed := storyOf(moot)
	for want, stories := range map[string][]notify.Story{
		"1 needs you, 1 is fine again, 1 closed": {todo, done, closed},
		"1 is fine again, 1 closed":              {done, closed},
		"1 needs you, 1 closed":                  {todo, closed},
		"2 resources need you":                   {todo, todo},
		"2 resources are fine again":             {done, done},
	} {
		if got := (notify.Message{Stories: stories}).Count(); got != want {
			t.Errorf("count %q, want %q", got, want)
		}
	}
}

// What a finding's end leaves is said as it is, and no more than is known.
func TestAClosingSaysWhatIsLeft(t *testing.T) {
	const title = "The secret is under the AWS managed key (DL.SECRET.1)"
	for sentence, c := range map[string]struct {
		end   guard.Ending
		state guard.LockState
		want  string
	}{
		"sealed":                            {guard.EndPassed, guard.StateSealed, "Resolved: " + title + ". There is nothing to do."},
		"under a CMK, not sealed":           {guard.EndPassed, guard.StateDual, "Resolved: " + title + ". Older copies still open with the previous key until two new versions are written."},
		"not proven":                        {guard.EndUnknown, guard.StateUnknown, "Closed: " + title + ", because the key is set. Whether older copies still open with the previous key could not be read: every sweep looks again."},
		"it is a replica now":               {guard.EndReplica, guard.StateSealed, "Closed: " + title + ", because the secret is a replica now. What fails of it is a finding of its primary."},
		"what failed is not there any more": {guard.EndRemoved, guard.StateDual, "Closed: " + title + ", because what failed is not among its labelled copies any more. What fails now is a finding of its own."},
		"it does not apply any more":        {guard.EndMoot, guard.StateDual, "Closed: " + title + ", because it does not apply any more. What fails now is a finding of its own."},
		"set back":                          {guard.EndPassed, guard.StateDrifted, "Closed: " + title + ", because it does not apply any more. What fails now is a finding of its own."},
		"never moved":                       {guard.EndPassed, guard.StateDefault, "Closed: " + title + ", because it does not apply any more. What fails now is a finding of its own."},
		"for a reason of a newer version":   {"quantum", guard.StateSealed, "Closed: " + title + ", by a newer version of Doublelock, for a reason that this one does not know."},
	} {
		n := notifytest.Resolved(guard.SecretDefaultKey, "app")
		n.State, n.Finding.End, n.Finding.Title = c.state, c.end, "The secret is under the AWS managed key"
		if diff := cmp.Diff(c.want, notify.Closing(n)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", sentence, diff)
		}
	}
}

func TestAMoveEndsWithTheSeal(t *testing.T) {
	for state, want := range map[guard.LockState]string{
		guard.StateSealed: "[Doublelock] DONE: app was moved to a CMK (111122223333 eu-central-1)",
		guard.StateDual:   "[Doublelock] MEDIUM: app was moved to a CMK: now seal it (111122223333 eu-central-1)",
	} {
		n := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
		n.Kind, n.State = guard.NoticeRekeyed, state
		if got := (notify.Message{Stories: []notify.Story{storyOf(n)}}).Subject(); got != want {
			t.Errorf("subject %q, want %q", got, want)
		}
	}
}

func TestAnIncidentSaysThatOtherAccountsWereNotLookedAt(t *testing.T) {
	notice := guard.Notice{Kind: guard.NoticeIncident}
	says := func(blast guard.BlastRadius) bool {
		notice.Blast = &blast
		details := notify.Details(notice)
		return slices.ContainsFunc(details, func(p guard.Passage) bool {
			return p.Text == "Whether other accounts have copies of these secrets could not be read: one there may still open."
		})
	}
	one := []guard.Affected{{Name: "x", Fate: guard.FateEveryCopy}}
	if !says(guard.BlastRadius{Stops: one}) || says(guard.BlastRadius{Stops: one, Elsewhere: guard.Listed}) || says(guard.BlastRadius{}) {
		t.Error("want it said of secrets whose copies in other accounts were not listed, and of no others")
	}
	if notice.Kind = guard.NoticeKeyRestored; says(guard.BlastRadius{Stops: one}) || len(notify.Details(guard.Notice{Kind: guard.NoticeIncident})) > 0 {
		t.Error("it is said of a key that can be used again, or of one whose secrets nobody looked for")
	}
}

func TestDetailsAreWholeSentences(t *testing.T) {
	const (
		own   = "arn:aws:kms:eu-central-1:111122223333:key/own"
		older = "arn:aws:kms:eu-central-1:111122223333:key/older"
	)
	noticed := func(kind guard.NoticeKind, detail string, move *guard.Move) guard.Notice {
		n := notifytest.Opened(guard.SecretNotSealed, "app", "cli")
		n.Kind, n.Detail, n.Move, n.Finding = kind, detail, move, nil
		return n
	}
	found := func(control guard.ControlID, subject guard.Subject) guard.Notice {
		n := notifytest.Opened(control, "app", "cli")
		n.Finding.Subject = subject
		return n
	}
	version := func(keys ...guard.Key) guard.Subject {
		return guard.Subject{Key: guard.Key{ARN: own, Manager: guard.ManagerCustomer}, Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSPREVIOUS"}, Keys: keys}}}
	}
	secret := noticed("", "", nil).Resource
	sought := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	incident := func(blast *guard.BlastRadius) guard.Notice {
		return guard.Notice{Kind: guard.NoticeIncident, At: sought, Blast: blast}
	}
	for sentence, c := range map[string]struct {
		notice guard.Notice
		want   []guard.Passage
	}{
		"a full stop is not doubled":     {noticed(guard.NoticeFailed, "it was refused.", nil), []guard.Passage{{Text: "It was refused."}}},
		"dots at the beginning are kept": {noticed(guard.NoticeFailed, "...and so on", nil), []guard.Passage{{Text: "...and so on."}}},
		"what follows a command is trimmed": {noticed(guard.NoticeUnproven, "", &guard.Move{Reason: "it cannot be read", Sought: sought}), []guard.Passage{
			{Text: "It cannot be read. It was looked for since 2026-11-20 08:00 UTC and is yours now: find out why it cannot be read, or set the previous key again with"},
			{Text: "doublelock migrate rollback --reason 'its versions were not proven' --secret " + secret, Paste: true},
			{Text: "Every sweep still looks."},
		}},
		"and what goes on after it stays in its sentence": {noticed(guard.NoticeSealDue, "", &guard.Move{}), []guard.Passage{
			{Text: "Write a new version to seal it, twice where AWSPREVIOUS counts: rotate it, or run"},
			{Text: "doublelock migrate seal " + secret, Paste: true},
			{Text: "with your own credentials."},
		}},
		"a key that its owner approved by an alias": {found(guard.SecretKeyUnapproved, guard.Subject{Key: guard.Key{ARN: older, SelfApproved: guard.ApprovedByAlias}}), []guard.Passage{{Text: "The secret is under " + older + ", which is approved by an alias that its owner can move."}}},
		"a key that its owner approved by a tag":    {found(guard.SecretKeyUnapproved, guard.Subject{Key: guard.Key{ARN: older, SelfApproved: guard.ApprovedByTag}}), []guard.Passage{{Text: "The secret is under " + older + ", which is approved by a tag that its owner can write."}}},
		"a key of which only the ARN is known":      {found(guard.SecretKeyUnapproved, guard.Subject{Key: guard.Key{ARN: older}}), []guard.Passage{{Text: "The secret is under " + older + ", which is not approved."}}},
		"a key of which only the state is known":    {found(guard.SecretKeyUnusable, guard.Subject{Key: guard.Key{State: guard.KeyMissing}}), []guard.Passage{{Text: "The secret is under a key that does not exist any more."}}},
		"a key that waits for its replicas":         {found(guard.SecretKeyUnusable, guard.Subject{Key: guard.Key{ARN: older, State: guard.KeyPendingReplicaDeletion, Window: 9}}), []guard.Passage{{Text: "The secret is under " + older + ", which is pending deletion (KMS deletes it 9 days after the last of its replica keys is deleted, for which no day is known): what it alone opens is lost for good then."}}},
		"an incident of such a key":                 {incident(&guard.BlastRadius{State: guard.KeyPendingReplicaDeletion, Window: 9}), []guard.Passage{{Text: "KMS deletes it 9 days after the last of its replica keys is deleted, for which no day is known, so not before 29 November 2026 08:00 UTC."}}},
		"one by an event's word":                    {incident(&guard.BlastRadius{Said: &guard.Said{State: guard.KeyPendingReplicaDeletion, At: sought.AddDate(0, 0, -1)}}), []guard.Passage{{Text: "KMS deletes it 7 days or more after the last of its replica keys is deleted, for which no day is known, so not before 26 November 2026 08:00 UTC."}}},
		"one of which part is not known":            {incident(&guard.BlastRadius{State: guard.KeyDisabled, Elsewhere: guard.Listed, Stops: []guard.Affected{{Fate: guard.FateUnreadReplica}}}), []guard.Passage{{Text: "Of what stops, or stops in part, 1 secret has another version, Region or account of which nobody knows whether it still opens."}}},
		"an older key by its ARN":                   {found(guard.SecretNotSealed, version(guard.Key{ARN: own, Manager: guard.ManagerCustomer}, guard.Key{ARN: older, Manager: guard.ManagerCustomer, State: guard.KeyEnabled})), []guard.Passage{{Text: "AWSPREVIOUS (version v1) still opens with " + older + "."}}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if diff := cmp.Diff(c.want, notify.Details(c.notice)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A change that was just taken back is not offered again; what is wrong besides is.
func TestAfterARollbackNoFixSetsTheKeyAgain(t *testing.T) {
	for control, offers := range map[guard.ControlID]bool{
		guard.SecretDefaultKey: false, guard.SecretKeyUnapproved: false, guard.SecretReplicaKey: false,
		guard.SecretNotSealed: true, guard.SecretKeyUnusable: true,
	} {
		back := notifytest.Opened(control, "app", "cli")
		back.Kind, back.Finding, back.Move = guard.NoticeRolledBack, nil, &guard.Move{Reason: "the app broke"}
		wrong := notifytest.Opened(control, "app", "cli")
		story := notify.Story{Notices: []guard.Notice{back, wrong}, Keys: notify.Keys{"eu-central-1": notifytest.Key, "eu-west-1": notifytest.Key}}
		if fix := story.FixFor(wrong); len(fix.Lines) > 0 != offers {
			t.Errorf("%s: fix %+v", control, fix)
		}
	}
}

// A label that does not move with new versions needs its own value again, or its version stays open.
func TestALabelThatStaysIsWrittenAgain(t *testing.T) {
	for sentence, c := range map[string]struct {
		rotation guard.Rotation
		labels   []string
		again    string // in the words of the fix; "" for none
	}{
		"a label of the owner's":              {guard.RotationOn, []string{"AWSCURRENT", "blue"}, "blue"},
		"two of them":                         {guard.RotationOff, []string{"blue", "green"}, "blue, green"},
		"what a rotation moves":               {guard.RotationOn, []string{"AWSPREVIOUS", "AWSPENDING"}, ""},
		"what was left of a rotation once on": {guard.RotationOff, []string{"AWSPENDING"}, "AWSPENDING"},
	} {
		n := notifytest.Opened(guard.SecretNotSealed, "app", "cli")
		n.Finding.Subject = guard.Subject{Rotation: c.rotation, Versions: []guard.Version{{ID: "v1", Stages: c.labels}}}
		fix := fixFor(n, nil)
		words := " The versions labelled " + c.again + " need their own values again, each from a file of its own."
		begins := strings.HasPrefix(fix.Say, "Rotate it twice") || strings.HasPrefix(fix.Say, "Write its value again twice")
		if !begins || strings.HasSuffix(fix.Say, words) != (c.again != "") || strings.Contains(fix.Say, "labelled") != (c.again != "") {
			t.Errorf("%s: %q", sentence, fix.Say)
		}
		var labels []string
		for _, line := range fix.Lines[2:] {
			_, label, _ := strings.Cut(line, "--version-stages ")
			labels = append(labels, strings.Fields(label)[0])
		}
		if got := strings.Join(labels, ", "); got != c.again {
			t.Errorf("%s: commands for %q, want %q", sentence, got, c.again)
		}
	}
}

func TestAKeyThatIsGoneIsNotSwitchedOn(t *testing.T) {
	const lost = "A deleted key cannot come back: put what was under it under another key and write the values again."
	gone := guard.Key{ARN: "arn:aws:kms:eu-west-1:111122223333:key/gone", State: guard.KeyMissing}
	off := guard.Key{ARN: "arn:aws:kms:eu-central-1:111122223333:key/off", State: guard.KeyDisabled}
	n := notifytest.Opened(guard.SecretKeyUnusable, "app", "cli")
	n.Finding.Subject = guard.Subject{Key: gone}
	if fix := fixFor(n, nil); fix.Say != lost || fix.Then != "" {
		t.Errorf("the only key: %+v", fix)
	}
	n.Finding.Subject = guard.Subject{Key: off, Replicas: []guard.Replica{{Region: "eu-west-1", Key: gone}}}
	if fix := fixFor(n, nil); strings.Contains(fix.Say, "deleted") || fix.Then != lost || len(fix.Lines) != 1 {
		t.Errorf("one of two: %+v", fix)
	}
}

// A finding has one word in a message, its last; what happened at the same secret besides is kept.
func TestAFailedMoveIsKeptBesideItsFinding(t *testing.T) {
	opened := notifytest.Opened(guard.SecretDefaultKey, "app", "cli")
	failed := opened
	failed.ID, failed.Kind, failed.Detail, failed.At = "failed", guard.NoticeFailed, "it was refused", opened.At.Add(time.Minute)
	m := notify.Compose(items(opened, failed), notifytest.Directory(), notifytest.KeyFor)[0]
	if len(m.Stories) != 1 || len(m.Stories[0].Notices) != 2 {
		t.Errorf("stories %+v", m.Stories)
	}
}

func TestHowUrgentANoticeIs(t *testing.T) {
	low := notifytest.Opened(guard.SecretForeignKey, "app", "")
	low.Finding.Severity = guard.SeverityLow
	none := guard.BlastRadius{State: guard.KeyEnabled}
	off, swept := guard.BlastRadius{State: guard.KeyDisabled}, time.Date(2026, 5, 1, 0, 0, 0, 0, time.UTC)
	for sentence, c := range map[string]struct {
		notice guard.Notice
		want   guard.Severity
	}{
		"a finding of low severity":                                       {low, guard.SeverityLow},
		"a key that is off, and nobody looked":                            {guard.Notice{Kind: guard.NoticeIncident}, guard.SeverityCritical},
		"a key that is off, and nothing could be seen":                    {guard.Notice{Kind: guard.NoticeIncident, Blast: &off}, guard.SeverityHigh},
		"a key that is off, and no sweep was whole":                       {guard.Notice{Kind: guard.NoticeIncident, Blast: &guard.BlastRadius{State: guard.KeyDisabled, Index: &guard.Indexed{}}}, guard.SeverityCritical},
		"a key that is off, and one in recovery needs it, and others may": {guard.Notice{Kind: guard.NoticeIncident, Blast: &guard.BlastRadius{State: guard.KeyDisabled, Index: &guard.Indexed{More: 1, Missed: 1}}}, guard.SeverityCritical},
		"a key that is off, and of all one in recovery needs it":          {guard.Notice{Kind: guard.NoticeIncident, At: swept, Blast: &guard.BlastRadius{State: guard.KeyDisabled, Index: &guard.Indexed{More: 1, Swept: swept}}}, guard.SeverityHigh},
		"a key that is off, and one may stop, too":                        {guard.Notice{Kind: guard.NoticeIncident, Blast: &guard.BlastRadius{State: guard.KeyDisabled, Stops: []guard.Affected{{Name: "a"}}, Unknown: []guard.Affected{{Name: "b"}}}}, guard.SeverityCritical},
		"a key that is on again, and is under nothing":                    {guard.Notice{Kind: guard.NoticeKeyRestored, Blast: &none}, guard.SeverityLow},
		"a key that will not be deleted, and is off":                      {guard.Notice{Kind: guard.NoticeKeyRestored, Blast: &off}, guard.SeverityHigh},
	} {
		if got := notify.SeverityOf(c.notice); got != c.want {
			t.Errorf("%s: %s, want %s", sentence, got, c.want)
		}
	}
}

func TestAHeadlineCountsWhatStops(t *testing.T) {
	stops, unknown := []guard.Affected{{Name: "a"}}, []guard.Affected{{Name: "b"}, {Name: "c"}}
	for want, blast := range map[string]*guard.BlastRadius{
		"Key k cannot be used":                                                 nil,
		"Key k is disabled: what stops could not be seen":                      {State: guard.KeyDisabled, Unknown: unknown},
		"Key k is disabled: 1 stops, 1 does not":                               {State: guard.KeyDisabled, Stops: stops, Remains: stops},
		"Key k is pending deletion: 1 stops, 0 do not, 2 unknown":              {State: guard.KeyPendingDeletion, Stops: stops, Unknown: unknown},
		"Key k is disabled: 1 stops, 0 do not, 1 unknown in part":              {State: guard.KeyDisabled, Stops: []guard.Affected{{Name: "a", Fate: guard.FateUnreadReplica}}},
		"Key k is disabled: 0 stop, 2 do not (1 for now)":                      {State: guard.KeyDisabled, Remains: []guard.Affected{{Name: "a"}, {Name: "b", Ends: []guard.End{{}}}}},
		"Key k is pending deletion: 1 stops in its recovery window, 2 unknown": {State: guard.KeyPendingDeletion, Unknown: unknown, Index: &guard.Indexed{Waiting: stops}},
		"Key k is pending deletion: 1 stops, 0 do not, 3 in recovery":          {State: guard.KeyPendingDeletion, Stops: stops, Index: &guard.Indexed{Waiting: stops, More: 2}},
	} {
		if got := notify.Headline(guard.Notice{Kind: guard.NoticeIncident, Name: "alias/k", Blast: blast}); got != want {
			t.Errorf("headline %q, want %q", got, want)
		}
	}
	n := notifytest.Opened(guard.SecretKeyUnusable, "app", "cli")
	n.Finding.Subject = guard.Subject{Key: guard.Key{State: guard.KeyMissing}}
	if got := notify.Headline(n); got != "The key of app cannot be used" {
		t.Errorf("headline %q", got)
	}
}

// A key that cannot be used, or will not be, is said to stop readers when it does, and no day before.
func TestAnUnusableKeyStopsReadersFromTheDayOnThatItDoes(t *testing.T) {
	const unused, readers = "The key of app cannot be used", "Readers fail now or at their next uncached read, and a deleted key takes the value with it."
	day := time.Date(2026, 9, 8, 0, 0, 0, 0, time.UTC)
	ends := guard.Key{ARN: "k", Manager: guard.ManagerCustomer, State: guard.KeyEnabled, ValidTo: day}
	off := guard.Key{ARN: "k", Manager: guard.ManagerCustomer, State: guard.KeyDisabled}
	for sentence, c := range map[string]struct {
		subject       guard.Subject
		headline, why string
	}{
		"its material expires":                     {guard.Subject{Key: ends, Reads: true, Until: day}, "app opens with no key from 2026-09-08 on", "What was written opens until 8 September 2026 00:00 UTC. Then readers fail at their next uncached read, unless the key material is imported again by then."},
		"that of the version's other key expires":  {guard.Subject{Key: off, Reads: true, Until: day}, unused, "What was written opens until 8 September 2026 00:00 UTC. Then readers fail at their next uncached read, unless the key material is imported again by then."},
		"it is disabled, and another key opens it": {guard.Subject{Key: off, Reads: true}, unused, "What was written still opens, with other keys: no reader fails. A new version cannot be written until the key is back."},
		"it is disabled, and there is no value":    {guard.Subject{Key: off, Empty: true}, unused, "It has no value yet, so no reader fails and nothing is lost: until the key is back none can be written."},
		"it is disabled":                           {guard.Subject{Key: off}, unused, readers},
		"it expires, and another key opens it":     {guard.Subject{Key: ends, Reads: true}, unused, "What was written still opens, with other keys: no reader fails. A new version cannot be written until the key is back."},
		"it expires, and opens nothing before":     {guard.Subject{Key: ends, Until: day}, unused, readers},
	} {
		n := notifytest.Opened(guard.SecretKeyUnusable, "app", "cli")
		n.Finding.Subject = c.subject
		if got := notify.Headline(n); got != c.headline {
			t.Errorf("%s: headline %q, want %q", sentence, got, c.headline)
		}
		if got := notify.Why(n); got != c.why {
			t.Errorf("%s: %q, want %q", sentence, got, c.why)
		}
	}
}
