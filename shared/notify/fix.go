package notify

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// Fix is what an owner does about a notice, in the order in which it is done and shown.
type Fix struct {
	Say   string   // the way out, in a sentence or two
	First string   // what has to be true before Lines; "" when nothing has
	In    string   // where Lines go: "Terraform", "a shell", …
	Lines []string // code or commands, ready to paste
	Then  string   // what is left to do afterwards; "" when nothing is
	Next  *Fix     // another way, or what is to be done besides, shown after Then; nil when there is none
}

// Parts are the fix and what comes after it.
func (f Fix) Parts() []Fix {
	parts := []Fix{f}
	for f.Next != nil {
		f = *f.Next
		parts = append(parts, f)
	}
	return parts
}

// Keys names the key to put a secret under, by Region: an ARN or alias.
type Keys map[string]string

// in is the key for a Region, "" where none is named or the one that is belongs to another Region.
func (k Keys) in(region string) string {
	key := k[region]
	if home := arn.Of(key).Region; home != "" && home != region {
		return ""
	}
	return key
}

const (
	firstRights = "First: every reader needs kms:Decrypt on the new key, and whoever writes new versions kms:GenerateDataKey. Whoever runs this needs both and kms:Encrypt: without that AWS accepts the change and re-encrypts nothing."
	drifted     = "It was under a CMK before: find out who set it back and why, and remove that cause before anything else. "
	firstRead   = "First: every reader needs kms:Decrypt on the key of the secret, or it loses access with the first of these commands."
	onPurpose   = "If it was not on purpose, bring it back; if it was, leave it off and rotate what the secrets hold."
)

// FixFor says how the owner of the story's resource gets rid of what one of its notices reports, in the tool they used.
func (s Story) FixFor(n guard.Notice) Fix {
	keys := s.Keys
	switch n.Kind {
	case guard.NoticeRekeyed:
		return afterRekey(n, keys, s.rotation())
	case guard.NoticeUnproven:
		return Fix{Say: "Change nothing for now. Doublelock looks again with every sweep, until it is proven or handed to you: then doublelock migrate status says what is missing, and doublelock migrate rollback sets the previous key again."}
	case guard.NoticeFailed:
		if n.Back {
			return Fix{Say: "Give every reader kms:Decrypt on the key that the secret is under, or remove the cause that is named above and go back again with doublelock migrate rollback."}
		}
		return Fix{Say: "First remove the cause that is named above. Where it names readers, give each of them that right before anything else: a move without it takes the secret from them. In remediate mode the move is tried again by itself; a migration is planned again with doublelock migrate plan."}
	case guard.NoticeAttention:
		return Fix{Say: "Do what is said above. doublelock migrate status shows how far the migration is, doublelock migrate plan begins it anew, and doublelock migrate rollback sets the previous key again."}
	case guard.NoticeIncident, guard.NoticeKeyRestored:
		return incidentFix(n)
	case guard.NoticeReaderLost:
		if ofSession(n) {
			return Fix{Say: "Find out who started the session, and with which policy of its own. If it is to read, let that policy allow kms:Decrypt on the key of the secret."}
		}
		return Fix{Say: "Give the reader kms:Decrypt on the key of the secret."}
	case guard.NoticeRolledBack:
		if n.Move != nil && n.Move.Again {
			return Fix{Say: "Give the reader that was refused kms:Decrypt on the key that the secret was moved to, or say that it stays back with doublelock migrate rollback."}
		}
		return Fix{Say: "First remove the cause that is named above; where a reader was refused, give it kms:Decrypt on the key that the secret was moved to. Then plan the move again with doublelock migrate plan."}
	case guard.NoticeSealDue:
		return sealFix(n.Resource, guard.Subject{Rotation: s.rotation()})
	case guard.NoticeDeniedRead:
		return Fix{Say: "If the reader is yours, give it secretsmanager:GetSecretValue on the secret and kms:Decrypt on its key; if not, call the security team."}
	case guard.NoticeTampered:
		return Fix{Say: "If nobody planned it, undo it now, and find out what else they did."}
	case guard.NoticeOpened:
		return s.findingFix(n, keys)
	default:
		return Fix{}
	}
}

func (s Story) findingFix(n guard.Notice, keys Keys) Fix {
	if n.Finding == nil {
		return Fix{}
	}
	if s.setBack() && setsKey(n.Finding.Control) {
		return Fix{} // it is the change that was just taken back
	}
	if n.Finding.Subject.Service != "" && n.Finding.Control != guard.SecretKeyUnusable { // its service alone changes it, and writes its value
		return Fix{Say: generalFix(n)}
	}
	switch subject := n.Finding.Subject; n.Finding.Control {
	case guard.SecretDefaultKey:
		if len(subject.Versions) > 0 {
			return sealFix(n.Resource, subject)
		}
		return primaryFix(n, keys)
	case guard.SecretKeyUnapproved:
		return unapprovedFix(n, keys)
	case guard.SecretNotSealed:
		return sealFix(n.Resource, subject)
	case guard.SecretReplicaKey:
		if len(subject.Replicas)+len(subject.Elsewhere) == 0 && len(subject.Versions) > 0 { // under a key of its own, and an older copy is not
			return sealFix(n.Resource, subject)
		}
		return replicaFix(n, keys)
	case guard.SecretKeyUnusable:
		return unusableFix(n)
	case guard.OrgCoverage:
		return blindFix(n)
	default:
		return Fix{Say: generalFix(n)}
	}
}

// setBack reports that the story's secret was just set back under its previous key.
func (s Story) setBack() bool {
	return slices.ContainsFunc(s.Notices, func(n guard.Notice) bool { return n.Kind == guard.NoticeRolledBack })
}

// setsKey reports whether a control's fix puts the secret or its replicas under another key.
func setsKey(c guard.ControlID) bool {
	return c == guard.SecretDefaultKey || c == guard.SecretKeyUnapproved || c == guard.SecretReplicaKey
}

// generalFix is what the control itself says.
func generalFix(n guard.Notice) string {
	control, _ := guard.ControlByID(n.Finding.Control)
	return control.FixFor(n.Finding.Subject)
}

// rotation says whether the secret rotates, where one of the story's findings knows.
func (s Story) rotation() guard.Rotation {
	for _, n := range s.Notices {
		if n.Finding != nil && n.Finding.Subject.Rotation != "" {
			return n.Finding.Subject.Rotation
		}
	}
	return ""
}

// primaryFix puts the secret itself under the key of its Region.
func primaryFix(n guard.Notice, keys Keys) Fix {
	fix := Fix{Say: generalFix(n)}
	key := keys.in(n.Region)
	if key == "" {
		fix.First = "doublelock.yaml names no key for this Region: ask the security team for one."
		return fix
	}
	fix.First, fix.In, fix.Lines = firstRights, "a shell", []string{updateSecret(n.Resource, key)}
	if n.State == guard.StateDrifted {
		fix.First = drifted + firstRights
	}
	if where, line, ok := codeLine(n, key); ok {
		fix.In, fix.Lines = where, []string{line}
	}
	fix.Then = "Afterwards write two new versions: until then the older copies still open with the previous key. You get the commands when the key is set."
	if n.Finding.Subject.Empty {
		fix.Then = "The secret has no value yet: whatever is written afterwards opens with that key alone."
	}
	return fix
}

// unapprovedFix moves the copies that are under a wrong key, and no other.
func unapprovedFix(n guard.Notice, keys Keys) Fix {
	subject := n.Finding.Subject
	switch {
	case subject.Key.ARN == "" && len(subject.Versions) > 0: // the next version is under an approved key
		fix := sealFix(n.Resource, subject)
		if len(subject.Replicas) > 0 {
			fix.Next = nextTo(fix.Next, replicaFix(n, keys))
		}
		return fix
	case len(subject.Replicas) == 0:
		return primaryFix(n, keys)
	case subject.Key.ARN == "":
		return replicaFix(n, keys)
	default:
		fix := copiesFix(n, keys, append([]string{n.Region}, replicaRegions(n)...))
		if again, failed := retryFix(n, keys); failed {
			fix.Next = nextTo(fix.Next, again)
		}
		return fix
	}
}

// nextTo is a fix after the others.
func nextTo(first *Fix, last Fix) *Fix {
	if first == nil {
		return &last
	}
	after := *first
	after.Next = nextTo(after.Next, last)
	return &after
}

// replicaFix sets the keys of the replicas that are there, and has those tried again whose replication failed.
func replicaFix(n guard.Notice, keys Keys) Fix {
	regions := replicaRegions(n)
	again, failed := retryFix(n, keys)
	switch {
	case !failed:
		return copiesFix(n, keys, regions)
	case len(regions) == 0:
		return again
	default:
		fix := copiesFix(n, keys, regions)
		fix.Next = nextTo(fix.Next, again)
		return fix
	}
}

// replicaRegions are those of the replicas that are there.
func replicaRegions(n guard.Notice) []string {
	var regions []string
	for _, r := range n.Finding.Subject.Replicas {
		if !r.Failed() {
			regions = append(regions, r.Region)
		}
	}
	return regions
}

// copiesFix sets the key of each copy in place, in its own Region. A replica is never removed: its readers would fail,
// and nothing here could make it again.
func copiesFix(n guard.Notice, keys Keys, regions []string) Fix {
	fix := Fix{Say: generalFix(n)}
	var without []string
	for _, region := range regions {
		if key := keys.in(region); key != "" {
			fix.Lines = append(fix.Lines, updateSecret(arn.Of(n.Resource).In(region).String(), key))
			continue
		}
		without = append(without, OneLine(region))
	}
	if len(fix.Lines) > 0 {
		fix.First, fix.In = firstRights, "a shell"
		fix.Then = "AWS documents that a replica's key changes in place; it is not proved on a live account. If AWS refuses, nothing has changed: leave the replica alone, because taking its Region out of replication stops its readers, and plan that with the security team. Afterwards write two new versions of the primary, so that the older copies there close too, and keep your code in step."
	}
	if len(without) > 0 {
		fix.First = strings.TrimSpace(fix.First + " doublelock.yaml names no key for " + strings.Join(without, ", ") + ": ask the security team for one.")
	}
	return fix
}

// sealFix writes the versions that close the older copies: two, and one for each label that does not move with them.
func sealFix(secret string, s guard.Subject) Fix {
	const why = "the first new version seals AWSCURRENT, the second pushes the older copy out of AWSPREVIOUS"
	const value = "Put the value into a file without a newline at its end and name that file in place of " + valueFile + ": as it is printed the command fails and changes nothing. For a binary value: --secret-binary fileb://" + valueFile + "."
	const byUs = "Or let doublelock migrate seal do it, with your own credentials: it shows the value to nobody."
	fix := Fix{First: firstRead, In: "a shell"}
	switch s.Rotation {
	case guard.RotationOn:
		fix.Say = "Rotate it twice, the second time when the first rotation has ended and every reader works with the new value: " + why + "."
		fix.Lines = rotateTwice(secret)
	case guard.RotationOff:
		fix.Say = "Write its value again twice: " + why + ". " + value
		fix.Lines = putTwice(secret)
		fix.Then = "Delete the file. " + byUs
	default:
		fix.Say = "Rotate it twice, the second time when the first rotation has ended: " + why + ". If AWS answers that it has no rotation, nothing has changed."
		fix.Lines = rotateTwice(secret)
		fix.Next = &Fix{Say: "Without a rotation write its value again twice. " + value, In: "a shell", Lines: putTwice(secret), Then: "Delete the file. " + byUs}
	}
	if labels := stayingLabels(s); len(labels) > 0 {
		fix.Say += " The versions labelled " + strings.Join(labels, ", ") + " need their own values again, each from a file of its own."
		for _, label := range labels {
			fix.Lines = append(fix.Lines, putUnder(label, secret))
		}
	}
	return fix
}

// stayingLabels are the labels of open versions that new versions do not take away: AWSPENDING is a rotation's to move.
func stayingLabels(s guard.Subject) []string {
	var labels []string
	for _, v := range s.Versions {
		for _, label := range v.Stages {
			moves := label == "AWSCURRENT" || label == "AWSPREVIOUS" || label == "AWSPENDING" && s.Rotation == guard.RotationOn
			if !moves {
				labels = append(labels, OneLine(label))
			}
		}
	}
	return labels
}

// unusableFix brings back each key that cannot be used.
func unusableFix(n guard.Notice) Fix {
	subject := n.Finding.Subject
	keys := keysNamed(subject)
	var aliases []string
	for _, k := range keys {
		if k.AliasGone() {
			aliases = append(aliases, OneLine(k.ID))
		}
	}
	if onlyAliases(subject) {
		return Fix{Say: aliasAgain(aliases)}
	}
	keys = slices.DeleteFunc(keys, guard.Key.AliasGone)
	for _, v := range subject.Versions {
		keys = append(keys, v.Keys...)
	}
	ending := slices.ContainsFunc(keys, expires)
	again := importAgain + ", or move the secret to a key whose material does not expire and write two new versions."
	if subject.Service != "" {
		again = importAgain + ", or choose a key whose material does not expire in " + OneLine(subject.Service) + ", which owns the secret."
	}
	if keys = slices.DeleteFunc(keys, expires); ending && len(keys) == 0 {
		return Fix{Say: again}
	}
	fix := bringBackFix(keys, n.Account)
	if ending {
		fix.Then = strings.TrimSpace(fix.Then + " " + again)
	}
	if len(aliases) > 0 {
		fix.Then = strings.TrimSpace(fix.Then + " " + aliasAgain(aliases))
	}
	return fix
}

// aliasAgain is what to do about aliases that are gone. Which key they are to lead to nobody but their owner knows.
func aliasAgain(aliases []string) string {
	return "Make " + strings.Join(aliases, ", ") + " again, for the key that opens the current version, or set another key where it is named. Nothing that was written is lost."
}

const importAgain = "Import the same key material again before that day, without an expiry date or with a later one"

// expires reports whether a key can be used until its imported material ends.
func expires(k guard.Key) bool { return k.State.Usable() && !k.ValidTo.IsZero() }

func incidentFix(n guard.Notice) Fix {
	switch {
	case n.Blast == nil:
		return Fix{Say: onPurpose}
	case n.Blast.Now().Usable():
		return Fix{}
	}
	keys := []guard.Key{{ARN: n.Resource, State: n.Blast.Now(), Store: n.Blast.Store}}
	for _, a := range slices.Concat(n.Blast.Stops, n.Blast.Unknown) { // this key brings back nothing that readers ask for first
		for _, k := range a.Apart {
			if k.Unusable() && !slices.ContainsFunc(keys, k.Same) && len(keys) < maxKeys {
				keys = append(keys, k)
			}
		}
	}
	return bringBackFix(keys, n.Account)
}

// maxKeys bounds the keys of one fix.
const maxKeys = 5

// Rest says how to list the secrets of an incident that a message has no room for, and by which command.
func Rest(n guard.Notice) (say, line string) {
	return "Whatever stops fails " + string(guard.SecretKeyUnusable) + " in the list that this command prints with credentials of account " + n.Account +
		", with the versions that do not open. Run it in each other account and Region, too, that has secrets under the key.", "doublelock audit --region " + shellWord(n.Region)
}

// bringBackFix is for keys of one secret or one incident. KMS switches keys on in their own account only.
func bringBackFix(keys []guard.Key, account string) Fix {
	fix := Fix{Say: onPurpose}
	var elsewhere, gone, byHand, other []string
	for _, k := range keys {
		lines := bringBack(k)
		switch {
		case k.State == guard.KeyMissing:
			gone = append(gone, k.ARN)
		case len(lines) == 0 && k.Mend() != "":
			byHand = append(byHand, fmt.Sprintf("%s is %s: %s.", k.ARN, stateWord(k.State), k.Mend()))
		case len(lines) == 0:
			other = append(other, fmt.Sprintf("%s is %s", k.ARN, stateWord(k.State)))
		case arn.Of(k.ARN).Account != account && !slices.Contains(elsewhere, arn.Of(k.ARN).Account):
			elsewhere = append(elsewhere, arn.Of(k.ARN).Account)
		}
		for _, line := range lines {
			if !slices.Contains(fix.Lines, line) {
				fix.Lines = append(fix.Lines, line)
			}
		}
	}
	if len(fix.Lines) > 0 {
		fix.In = "a shell"
	}
	if len(elsewhere) > 0 {
		fix.First = "These work in the key's own account only: " + strings.Join(elsewhere, ", ") + "."
	}
	if len(gone) > 0 {
		const lost = "A deleted key cannot come back: put what was under it under another key and write the values again."
		if fix.Then = lost; len(gone) == len(keys) {
			fix.Say, fix.Then = lost, ""
		}
	}
	if len(byHand) > 0 {
		fix.Then = strings.TrimSpace(fix.Then + " To enable it is refused in this state. " + strings.Join(byHand, " "))
	}
	if len(other) > 0 {
		fix.Then = strings.TrimSpace(fix.Then + " No command here brings back a key in this state: " + strings.Join(other, ", ") + ".")
	}
	return fix
}

// blindFix lets the guard look again.
func blindFix(n guard.Notice) Fix {
	fix := Fix{Say: generalFix(n)}
	if b := n.Finding.Subject.Blind; b != nil && b.Cause == guard.CauseItsPolicy {
		role := arn.PartitionOf(n.Region).Role(n.Account, guard.ReadRole)
		fix.In = "the resource policy of the secret"
		fix.Lines = []string{fmt.Sprintf(`"ArnNotLike": {"aws:PrincipalArn": %q}`, role)}
		fix.Next = &Fix{
			Say: "The statement is one with Effect Deny, an action of Secrets Manager, and a Principal or a Condition that the role falls under. Doublelock may not read the policy; whoever may prints it with this command.",
			In:  "a shell", Lines: []string{onSecret("get-resource-policy", n.Resource, " --query ResourcePolicy --output text")},
		}
	}
	return fix
}

// afterRekey says what is left to the owner once the guard has moved a secret: seal it, and keep the code in step.
func afterRekey(n guard.Notice, keys Keys, rotates guard.Rotation) Fix {
	where, line, fromCode := codeLine(n, keys.in(n.Region))
	const inStep = "Keep your code in step, or its next run shows a difference."
	switch {
	case n.State == guard.StateSealed && fromCode:
		return Fix{Say: inStep, In: where, Lines: []string{line}}
	case n.State == guard.StateSealed:
		return Fix{}
	}
	fix := sealFix(n.Resource, guard.Subject{Rotation: rotates})
	if fromCode {
		last := &fix
		for last.Next != nil {
			last = last.Next
		}
		last.Next = &Fix{Say: inStep, In: where, Lines: []string{line}}
	}
	return fix
}

// ofSession reports a reader whose role may read, and one of whose sessions was refused.
func ofSession(n guard.Notice) bool {
	return n.Move != nil && n.Move.Reader != nil && n.Move.Reader.Answer == "session"
}
