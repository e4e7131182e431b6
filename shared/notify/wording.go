package notify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// MaxSubject is how many ASCII characters SNS takes as the subject of an e-mail (SNS Publish, Subject).
const MaxSubject = 100

// Subject is the one-line gist: severity, what, where. At most MaxSubject printable ASCII characters.
func (m Message) Subject() string {
	severity := strings.ToUpper(string(m.Severity()))
	switch todo, done, closed := m.tally(); {
	case todo > 0:
	case closed > 0:
		severity = "CLOSED"
	case done > 0:
		severity = "DONE"
	}
	if len(m.Stories) == 1 && !m.Digest {
		lead := m.Stories[0].Lead()
		where := " (" + lead.Account + " " + lead.Region + ")"
		start := "[Doublelock] " + severity + ": "
		room := MaxSubject - len(start) - len(ASCII(where))
		return start + Clip(ASCII(HeadlineWithin(lead, room)), max(room, 0)) + Clip(ASCII(where), MaxSubject-len(start))
	}
	part := ""
	if m.Parts > 1 {
		part = fmt.Sprintf(" (%d of %d)", m.Part, m.Parts)
	}
	return Clip(ASCII(fmt.Sprintf("[Doublelock] %s: %s%s", severity, m.Count(), part)), MaxSubject)
}

// tally counts the stories by what they leave to do: something, nothing because all is well, or nothing here.
func (m Message) tally() (todo, done, closed int) {
	for _, s := range m.Stories {
		switch {
		case slices.ContainsFunc(s.Notices, func(n guard.Notice) bool { return closingOf(n) == notClosed }):
			todo++
		case slices.ContainsFunc(s.Notices, func(n guard.Notice) bool { return closingOf(n) == closedOnly }):
			closed++
		default:
			done++
		}
	}
	return todo, done, closed
}

// Count says how many resources need something and how many do not.
func (m Message) Count() string {
	todo, done, closed := m.tally()
	switch {
	case m.Digest:
		return guard.Count(todo, "resource still needs you", "resources still need you")
	case done+closed == 0:
		return guard.Count(todo, "resource needs you", "resources need you")
	case todo+closed == 0:
		return guard.Count(done, "resource is fine again", "resources are fine again")
	}
	var parts []string
	if todo > 0 {
		parts = append(parts, guard.Count(todo, "needs", "need")+" you")
	}
	if done > 0 {
		parts = append(parts, guard.Count(done, "is", "are")+" fine again")
	}
	if closed > 0 {
		parts = append(parts, fmt.Sprint(closed, " closed"))
	}
	return strings.Join(parts, ", ")
}

// Headline says in one line what a notice is about.
func Headline(n guard.Notice) string { return HeadlineWithin(n, 0) }

// HeadlineWithin is Headline with the name cut so that the line has at most room characters; 0 cuts nothing. Names
// are cut before words are: half a sentence says less than half a name.
func HeadlineWithin(n guard.Notice, room int) string {
	before, after := phrase(n)
	name := Name(n)
	if n.Kind == guard.NoticeIncident || n.Kind == guard.NoticeKeyRestored {
		name = strings.TrimPrefix(name, "alias/")
	}
	if room > 0 {
		name = Clip(name, max(room-len([]rune(before))-len([]rune(after)), 8))
	}
	return before + name + after
}

// Name is how people call the resource: its name, else its ARN. One line, whatever came in.
func Name(n guard.Notice) string {
	if n.Name != "" {
		return OneLine(n.Name)
	}
	if n.Resource != "" {
		return OneLine(n.Resource)
	}
	return "a resource without a name"
}

func phrase(n guard.Notice) (before, after string) {
	switch n.Kind {
	case guard.NoticeOpened:
		return opened(n)
	case guard.NoticeResolved:
		return resolved(n)
	case guard.NoticeRekeyed:
		if n.State == guard.StateSealed {
			return "", " was moved to a CMK"
		}
		return "", " was moved to a CMK: now seal it"
	case guard.NoticeUnproven:
		return "", " is under a CMK, not proven yet"
	case guard.NoticeFailed:
		if n.Back {
			return "", " could not be set back"
		}
		return "", " could not be moved to a CMK"
	case guard.NoticeAttention:
		return "", " needs a look by its owner"
	case guard.NoticeReaderLost:
		return "A reader lost ", ""
	case guard.NoticeRolledBack:
		return "", " is under its previous key again"
	case guard.NoticeSealDue:
		return "", " waits for a new version"
	case guard.NoticeIncident:
		return "Key ", incident(n)
	case guard.NoticeKeyRestored:
		return "Key ", restored(n)
	case guard.NoticeDeniedRead:
		return "A read of ", " was denied"
	case guard.NoticeTampered:
		return "", " was tampered with"
	default:
		return "", ": " + OneLine(strings.ReplaceAll(string(n.Kind), "_", " "))
	}
}

func opened(n guard.Notice) (before, after string) {
	if n.Finding == nil {
		return "", " needs you"
	}
	switch subject := n.Finding.Subject; n.Finding.Control {
	case guard.SecretDefaultKey:
		switch {
		case len(subject.Versions) > 0:
			return "A version of ", " is under the AWS managed key alone"
		case n.State == guard.StateDrifted:
			return "", " is back under the AWS managed key"
		}
		return "", " is under the AWS managed key"
	case guard.SecretNotSealed:
		return "", " is re-keyed but not sealed"
	case guard.SecretReplicaKey:
		if onlyFailed(subject) {
			return "Replication of ", " failed"
		}
		return "A replica of ", " is under the AWS managed key"
	case guard.SecretKeyUnusable:
		switch {
		case onlyAliases(subject):
			return "The key alias of ", " is gone"
		case subject.Reads && !subject.Until.IsZero() && onlyEnding(subject):
			return "", " opens with no key from " + subject.Until.UTC().Format(time.DateOnly) + " on"
		case onlyReplicas(subject):
			return "A replica's key of ", " cannot be used"
		case subject.Key.ARN == "" && len(subject.Versions) > 0:
			return "A version of ", " opens with no key that lasts"
		}
		return "The key of ", " cannot be used"
	case guard.SecretKeyUnapproved:
		switch {
		case onlyReplicas(subject):
			return "A replica of ", " is under a key that is not approved"
		case subject.Key.ARN == "" && len(subject.Versions) > 0:
			if slices.ContainsFunc(subject.Versions, func(v guard.Version) bool { opening, _ := v.Opening(); return len(opening) > 0 }) {
				return "A version of ", " opens with a key that is not approved"
			}
			return "A version of ", " is under a key that is not approved"
		}
		return "", " is under a key that is not approved"
	case guard.SecretForeignKey:
		return "", " (service-owned) uses the AWS managed key"
	case guard.SecretOutside:
		return "A copy of ", " is outside the organization"
	default:
		return OneLine(n.Finding.Title) + ": ", ""
	}
}

func incident(n guard.Notice) string {
	if n.Blast == nil {
		return " cannot be used"
	}
	counts := n.Blast.Counts()
	if n.Blast.Said != nil {
		return saidOf(*n.Blast, counts)
	}
	text := " is " + stateWord(n.Blast.State) + ": "
	switch {
	case counts.Judged() == 0 && counts.Waiting > 0:
		text += guard.Count(counts.Waiting, "stops in its recovery window", "stop in their recovery windows")
	case counts.Judged() == 0:
		return text + "what stops could not be seen"
	default:
		text += counts.Brief()
		if counts.Waiting > 0 {
			text += fmt.Sprintf(", %d in recovery", counts.Waiting)
		}
	}
	if counts.Unknown > 0 {
		text += fmt.Sprintf(", %d unknown", counts.Unknown)
	}
	return text + counts.UnsureWords()
}

// saidOf is what an event says of a key whose state could not be read.
func saidOf(b guard.BlastRadius, counts guard.Tally) string {
	text := " was " + stateWord(b.Said.State) + " by an event: "
	if counts.Unknown == 0 {
		return text + counts.Brief()
	}
	return text + guard.Count(counts.Unknown, "may stop", "may stop")
}

func restored(n guard.Notice) string {
	switch {
	case n.Blast != nil && n.Blast.Said != nil && n.Blast.Said.State.Usable():
		return " was " + stateWord(n.Blast.Said.State) + " by an event, and its state could not be read"
	case n.Blast == nil || n.Blast.State.Usable():
		return " can be used again"
	default:
		return " will not be deleted, and is " + stateWord(n.Blast.State) + " still"
	}
}

func stateWord(s guard.KeyState) string {
	switch s {
	case guard.KeyDisabled:
		return "disabled"
	case guard.KeyPendingDeletion, guard.KeyPendingReplicaDeletion:
		return "pending deletion"
	case guard.KeyMissing:
		return "missing"
	case guard.KeyEnabled:
		return "enabled"
	case guard.KeyStateUnknown:
		return "in an unknown state"
	default:
		return "in state " + string(s)
	}
}

// onlyReplicas reports whether the secret's own key and versions are fine.
func onlyReplicas(s guard.Subject) bool {
	return len(s.Replicas) > 0 && s.Key.ARN == "" && len(s.Versions) == 0
}

// onlyAliases reports that all that is wrong is that aliases are gone by which keys are named: what was written opens as it did.
func onlyAliases(s guard.Subject) bool {
	keys := keysNamed(s)
	return len(keys) > 0 && len(s.Versions) == 0 && !slices.ContainsFunc(keys, func(k guard.Key) bool { return !k.AliasGone() })
}

// onlyEnding reports that each key that is named can be used until its imported material expires.
func onlyEnding(s guard.Subject) bool {
	return !slices.ContainsFunc(keysNamed(s), func(k guard.Key) bool { return !expires(k) })
}

// keysNamed are the keys that the secret and its copies name, of those in the subject.
func keysNamed(s guard.Subject) []guard.Key {
	var keys []guard.Key
	if s.Key.State != "" {
		keys = append(keys, s.Key)
	}
	for _, r := range s.Replicas {
		keys = append(keys, r.Key)
	}
	for _, e := range s.Elsewhere {
		keys = append(keys, e.Key)
	}
	return keys
}

// onlyFailed reports that nothing is wrong in other locations than that replication did not come there.
func onlyFailed(s guard.Subject) bool {
	failed := 0
	for _, r := range s.Replicas {
		if managed(r) {
			return false
		}
		failed++
	}
	for _, e := range s.Elsewhere {
		if e.Key.Manager == guard.ManagerAWS {
			return false
		}
		failed++
	}
	return failed > 0 && len(s.Versions) == 0
}

func managed(r guard.Replica) bool { return r.Key.Manager == guard.ManagerAWS }

// ToolName is a tool as people write it; "" when it is not known.
func ToolName(tool string) string {
	switch strings.ToLower(tool) {
	case "terraform":
		return "Terraform"
	case "cloudformation":
		return "CloudFormation"
	case "cdk":
		return "AWS CDK"
	case "pulumi":
		return "Pulumi"
	case "console":
		return "the console"
	case "cli":
		return "the AWS CLI"
	case "sdk":
		return "an AWS SDK"
	default:
		return OneLine(tool)
	}
}

// Why says in a sentence or two why a notice matters.
func Why(n guard.Notice) string {
	switch n.Kind {
	case guard.NoticeIncident:
		return "Readers fail at their next uncached read. What still opens does so with another key: its own, that of another copy, or that of a replica. Switching this key off does not stop it."
	case guard.NoticeKeyRestored:
		if n.Blast != nil && !n.Blast.Now().Usable() {
			return "A key whose deletion was canceled stays disabled until somebody enables it: its readers fail until then."
		}
		return "It can take KMS some minutes until every read succeeds again."
	case guard.NoticeUnproven:
		return "The key is set. Until it is proven that every version carries it, an older copy may open with the previous key alone, and switching the new key off may not stop every read."
	case guard.NoticeFailed:
		if n.Back {
			return "The secret may still be under the new key: readers that cannot use it stay shut out until it is set back or they may."
		}
		return "The secret is as it was: the change was not made, or did not take."
	case guard.NoticeAttention:
		return "What its migration left behind and what is true of the secret differ, or cannot be compared. Nothing is changed until somebody has looked."
	case guard.NoticeReaderLost:
		if ofSession(n) {
			return "Its other sessions read on. Who starts sessions with a policy of their own can have a read refused whenever they like: that moves nothing back."
		}
		return "It read the secret before it was moved to a CMK, and is refused now."
	case guard.NoticeRolledBack:
		if n.Move != nil && n.Move.Unproven {
			return "Its previous key is set. Whether its readers open it as before the move could not be read."
		}
		if n.Move != nil && n.Move.Again {
			return "Readers open it as before the move. It is moved again when every reader would keep access."
		}
		return "Readers open it as before the move. Nothing moves it again by itself."
	case guard.NoticeRekeyed, guard.NoticeSealDue:
		return "Older copies still open with the previous key until a new version is written."
	case guard.NoticeTampered:
		return "Doublelock stands on it: without trail, rules and policies the guard sees nothing, and nothing is what an intruder wants it to see."
	case guard.NoticeDeniedRead:
		return "A reader that cannot open a secret is an application about to fail, or somebody trying what opens."
	}
	if n.Finding == nil {
		return ""
	}
	control, _ := guard.ControlByID(n.Finding.Control)
	if s := n.Finding.Subject; n.Finding.Control == guard.SecretKeyUnusable {
		switch {
		case s.Empty:
			return "It has no value yet, so no reader fails and nothing is lost: until the key is back none can be written."
		case s.Reads && s.Until.IsZero():
			return "What was written still opens, with other keys: no reader fails. A new version cannot be written until the key is back."
		case s.Reads:
			return "What was written opens until " + day(s.Until) + ". Then readers fail at their next uncached read, unless the key material is imported again by then."
		}
	}
	return control.Why
}
