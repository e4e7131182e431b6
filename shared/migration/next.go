package migration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/awscli"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/window"
)

// Action is what to do next with a secret, in AWS's own names where it is a call.
type Action string

const (
	DoNothing       Action = ""
	DoWait          Action = "wait"
	DoCheck         Action = "check" // ask for the readers again before the change
	DoRekey         Action = "UpdateSecret"
	DoLook          Action = "ListSecretVersionIds" // a change that was made is not proven yet
	DoHand          Action = "hand"                 // to the owner, what could not be proven in time
	DoRotate        Action = "RotateSecret"
	DoAsk           Action = "ask" // the owner, for a new version
	DoRekeyReplica  Action = "UpdateSecret in the replica's Region"
	DoRemoveReplica Action = "RemoveRegionsFromReplication"
	DoAddReplica    Action = "ReplicateSecretToRegions"
	DoMove          Action = "move" // only the phase changes
)

// Step is what Next decided.
type Step struct {
	Action Action
	Phase  Phase  // the phase to be in; "" is the one it is in
	Reason string // for people
	Until  time.Time
	Region string // of a replica
	Key    string // ARN, for UpdateSecret and replicas
	First  bool   // the first version under the new key alone was seen
	Flip   bool   // somebody moved the secret back

	Left    bool        // it was left to somebody who may take the role that changes secrets
	Refused *guard.Move // why an order of the hub is not carried out, for the owner; nil: it is

	back []string // of going back: its command lines
}

// Commands are the command lines of the AWS CLI that make the calls of the step, as --dry-run prints them; none where it
// makes none.
func (s Step) Commands(j Job) []string {
	if s.Action == doRollback {
		return s.back
	}
	if command := s.command(j); command != "" {
		return []string{command}
	}
	return nil
}

func (s Step) command(j Job) string {
	switch s.Action {
	case DoRekey:
		return awscli.OnSecret("update-secret", j.Secret, "--kms-key-id", s.Key)
	case DoRotate:
		return awscli.OnSecret("rotate-secret", j.Secret, "--rotate-immediately")
	case DoRekeyReplica:
		return awscli.OnSecret("update-secret", inRegion(j.Secret, s.Region), "--kms-key-id", s.Key)
	case DoRemoveReplica:
		return awscli.OnSecret("remove-regions-from-replication", j.Secret, "--remove-replica-regions", s.Region)
	case DoAddReplica:
		return awscli.OnSecret("replicate-secret-to-regions", j.Secret, "--add-replica-regions", "Region="+s.Region+",KmsKeyId="+s.Key)
	}
	return ""
}

// Seen is what is true of a job's secret now.
type Seen struct {
	Secret  guard.Secret
	Gone    bool
	Checked bool     // the readers were asked for just now
	Blocked []string // and these are in the way
	Unread  string   // when it is not known who used it, which the next visit may know; "": it is
	Ordered bool     // the hub has just decided that its own job may set the key
	Halted  string   // why its wave must not go on; "": it may
	At      time.Time
}

// looksAtMost is how often a change is looked at before it counts as one that did not take.
const looksAtMost = 3

// Next decides the next step. It is pure: the same job, facts and settings give the same step. In a wave that is halted nothing is
// begun that costs a reader its access; what puts a secret or its copies right goes on.
func Next(j Job, s Seen, rules Rules) Step {
	step := next(j, s, rules)
	if s.Halted != "" && (step.Action.seals() || step.Action == DoCheck && !j.between()) {
		return Step{Action: DoWait, Reason: s.Halted}
	}
	return step
}

// seals reports that an action sets a key, or has or asks for a new version under it.
func (a Action) seals() bool {
	return a == DoRekey || a == DoRotate || a == DoAsk || a == DoRekeyReplica || a == DoRemoveReplica
}

func next(j Job, s Seen, rules Rules) Step {
	switch {
	case j.Newer() != "":
		return Step{Action: DoNothing, Reason: j.Newer()}
	case !s.Gone && !s.Secret.PendingDeletion() && (!j.Phase.Resting() || j.between()) && j.third(s.Secret) != "":
		return nextOvertaken(j, s)
	case j.between():
		return nextStopped(j, s)
	case j.Phase == RolledBack && j.Again != nil:
		return nextAgain(j, s, rules)
	case j.Phase.Resting():
		return Step{Action: DoNothing, Reason: j.Reason}
	case s.Gone:
		return Step{Action: DoMove, Phase: Failed, Reason: deleted}
	case s.Secret.PendingDeletion():
		return Step{Action: DoMove, Phase: Blocked, Reason: "its deletion is scheduled"}
	case s.Secret.Foreign():
		return Step{Action: DoMove, Phase: Blocked, Reason: "owned by " + s.Secret.ForeignService()}
	case j.Pending != nil && j.Pending.Action == DoRekey:
		return proveRekey(j, s, rules)
	}
	if step, flipped := movedBack(j, s, rules); flipped {
		return step
	}
	switch j.Phase {
	case Planned:
		return nextPlanned(j, s, rules)
	case Unproven:
		return nextUnproven(j, s)
	case Rekeyed:
		return Step{Action: DoMove, Phase: Observing, Reason: "watching its readers"}
	case Observing:
		return nextObserving(j, s, rules)
	case Sealing:
		return nextSealing(j, s, rules)
	case Sealed:
		return Step{Action: DoNothing, Reason: "sealed"}
	}
	return Step{Action: DoNothing, Reason: "its phase is " + j.Phase.String()}
}

// standsFor is how long a job may stand between the two locks before people are notified that it does.
const standsFor = 72 * time.Hour

// nextStopped has a job go on that people had to help on, when what stopped it is gone, and notifies people again of one that
// stands for too long.
func nextStopped(j Job, s Seen) Step {
	stands := Step{Action: DoWait, Reason: j.Reason, Until: j.Stopped.Next}
	if s.At.Sub(j.Stopped.Since) >= standsFor && s.At.Sub(j.Stopped.Paged) >= giveUpFor {
		stands = Step{Action: DoHand, Reason: j.Reason}
	}
	switch {
	case s.Gone, s.Secret.Key.Manager != guard.ManagerUnknown && s.Secret.Key.ARN != j.Target:
		return Step{Action: DoNothing, Reason: j.Reason} // somebody has decided otherwise: Compare says so
	case s.Secret.Key.Manager == guard.ManagerUnknown, s.Secret.PendingDeletion(), s.Secret.Foreign(), s.At.Before(j.Stopped.Next):
		return stands
	case !s.Checked:
		return Step{Action: DoCheck}
	case len(s.Blocked) > 0:
		stands.Reason = strings.Join(s.Blocked, "; ")
		return stands
	case s.Unread != "":
		stands.Reason = s.Unread
		return stands
	}
	return Step{Action: DoMove, Phase: j.Stopped.In, Reason: "it goes on: what stopped it may be gone (" + j.Reason + ")"}
}

// nextOvertaken leaves a secret to whoever moved it on. What was begun is finished: a copy that is away is made again.
func nextOvertaken(j Job, s Seen) Step {
	for _, c := range j.Copies {
		if !c.Removed.IsZero() && c.Done.IsZero() && !hasReplica(s.Secret, c.Region, func(guard.Replica) bool { return true }) {
			return Step{Action: DoAddReplica, Region: c.Region, Key: c.Target, Phase: j.Phase, Reason: "the copy in " + c.Region + " is away"}
		}
	}
	return Step{Action: DoMove, Phase: Overtaken, Reason: overtakenBy(j.third(s.Secret))}
}

// nextAgain moves a secret again that went back by itself, when every reader would keep access: once a day it is asked.
func nextAgain(j Job, s Seen, rules Rules) Step {
	switch {
	case s.Gone || s.Secret.PendingDeletion() || !j.Before.is(s.Secret): // somebody has decided otherwise
		return Step{Action: DoNothing, Reason: j.Reason}
	case s.At.Before(j.Again.After):
		return Step{Action: DoWait, Until: j.Again.After, Reason: j.Reason}
	case !s.Checked:
		return Step{Action: DoCheck}
	case len(s.Blocked) > 0:
		return Step{Action: DoWait, Until: s.At.Add(time.Duration(rules.Observe)), Reason: "it went back because " + j.Again.For + " was refused, and moves again when this is mended: " + strings.Join(s.Blocked, "; ")}
	case s.Unread != "":
		return Step{Action: DoWait, Until: s.At.Add(time.Duration(rules.Observe)), Reason: s.Unread}
	}
	return Step{Action: DoMove, Phase: Planned, Reason: "it went back because " + j.Again.For + " was refused; now every reader would keep access"}
}

// movedBack finds a secret that is under another key than the one it was moved to.
func movedBack(j Job, s Seen, rules Rules) (Step, bool) {
	if !j.UnderNewKey() || s.Secret.Key.Manager == guard.ManagerUnknown || s.Secret.Key.ARN == j.Target {
		return Step{}, false
	}
	step := Step{Action: DoMove, Phase: Planned, Flip: true, Reason: "somebody moved it back to " + keyName(s.Secret.Key)}
	if j.flips()+1 >= rules.Flips {
		step.Phase, step.Reason = Blocked, fmt.Sprintf("moved back %s: %s undoes the change, so it is left to its owner", times(j.flips()+1), toolName(j.Tool))
	}
	return step, true
}

func toolName(tool string) string {
	if tool == "" {
		return "somebody, or some code,"
	}
	return tool
}

func keyName(k guard.Key) string {
	if k.Manager == guard.ManagerAWS {
		return "the AWS managed key"
	}
	return k.ARN
}

func nextPlanned(j Job, s Seen, rules Rules) Step {
	if j.Plan == "" && s.Secret.Key.ARN != j.Target {
		if wait, ok := notYet(j, s.At, rules); ok {
			return wait
		}
		if !s.Ordered {
			return Step{Action: DoWait, Reason: "the hub decides about it again when it next looks at the secret"}
		}
	}
	if step, unready := notReady(s); unready {
		return step
	}
	if s.Secret.Key.ARN == j.Target && j.Target != "" {
		p := Prove(s.Secret, j.Target)
		if j.Stopped == nil || p.Proven() || p.Unread {
			return proven(p, "it is under the new key already")
		}
		if wait, ok := notYet(j, s.At, rules); ok {
			return wait
		}
		return Step{Action: DoRekey, Key: j.Target, Reason: "it is under the new key, and not all of its versions carry it"}
	}
	if wait, ok := notYet(j, s.At, rules); ok {
		return wait
	}
	return Step{Action: DoRekey, Key: j.Target, Reason: "every reader keeps access"}
}

// notReady has the readers asked for before a change that can cost them their access: setting the key, sealing, and
// making a copy again. What was true at the re-key may not be true any more.
func notReady(s Seen) (Step, bool) {
	switch {
	case !s.Checked:
		return Step{Action: DoCheck}, true
	case len(s.Blocked) > 0:
		return Step{Action: DoMove, Phase: Blocked, Reason: strings.Join(s.Blocked, "; ")}, true
	case s.Unread != "":
		return Step{Action: DoWait, Reason: s.Unread}, true
	}
	return Step{}, false
}

// notYet waits for the ten minutes between two changes of one secret, and for a change window.
func notYet(j Job, now time.Time, rules Rules) (Step, bool) {
	if rest := j.LastChangeAt.Add(time.Duration(rules.Quiet)); !j.LastChangeAt.IsZero() && now.Before(rest) {
		return Step{Action: DoWait, Until: rest, Reason: "its last change was less than " + rules.Quiet.String() + " ago"}, true
	}
	return closed(now, rules)
}

// closed waits for a change window.
func closed(now time.Time, rules Rules) (Step, bool) {
	opens := window.Opens(rules.Windows, now)
	if !opens.After(now) {
		return Step{}, false
	}
	return Step{Action: DoWait, Until: opens, Reason: "outside the change windows: the next opens " + opens.Format("Mon 2006-01-02 15:04") + " UTC"}, true
}

func proveRekey(j Job, s Seen, rules Rules) Step {
	if s.Secret.Key.ARN != j.Target && s.Secret.Key.Manager != guard.ManagerUnknown {
		if j.Plan == "" {
			return Step{Action: DoMove, Phase: Planned, Reason: "the change was begun, and not made"}
		}
		if step, unready := notReady(s); unready {
			return step
		}
		if wait, ok := notYet(j, s.At, rules); ok {
			return wait
		}
		return Step{Action: DoRekey, Key: j.Target, Reason: "the change was begun, and not made"}
	}
	proof := Prove(s.Secret, j.Target)
	if !proof.Proven() && j.Pending.Tries+1 < looksAtMost {
		return Step{Action: DoLook, Reason: proof.Missing}
	}
	return proven(proof, carried(s.Secret, j.Target))
}

// proven is the phase that a change comes to by its proof: what is not known has not failed.
func proven(p Proof, reason string) Step {
	switch {
	case p.Proven():
		return Step{Action: DoMove, Phase: Rekeyed, Reason: reason}
	case p.Unread:
		return Step{Action: DoMove, Phase: Unproven, Reason: p.Missing}
	}
	return Step{Action: DoMove, Phase: Failed, Reason: p.Missing}
}

// nextUnproven looks for the proof at every visit, and hands the secret to its owner when there is none in time. The
// visits go on: what is not proven does not rest.
func nextUnproven(j Job, s Seen) Step {
	switch p := Prove(s.Secret, j.Target); {
	case !p.Unread:
		return proven(p, carried(s.Secret, j.Target))
	case s.At.Before(j.ProveBy):
		return Step{Action: DoWait, Until: j.ProveBy, Reason: p.Missing + "; looked at again by every sweep, and handed to its owner if it is not proven by then"}
	case j.HandedAt.IsZero():
		return Step{Action: DoHand, Reason: p.Missing}
	default:
		return Step{Action: DoWait, Reason: p.Missing + "; handed to its owner on " + j.HandedAt.UTC().Format(time.DateOnly) + ", and looked at again by every sweep"}
	}
}

func nextObserving(j Job, s Seen, rules Rules) Step {
	if guard.HereOf(s.Secret) == guard.StateSealed {
		return Step{Action: DoMove, Phase: Sealing, First: j.FirstNewAt.IsZero(), Reason: "its new versions were written already"}
	}
	if until := j.observeUntil(rules); s.At.Before(until) { // nobody's word shortens it
		return Step{Action: DoWait, Until: until, Reason: "observing its readers"}
	}
	silent := j.Silent()
	if wait, is := j.keyRefused(); is {
		return wait
	}
	switch {
	case len(silent) > 0 && j.GoAhead != "":
		return Step{Action: DoMove, Phase: Sealing, Reason: "go ahead by " + j.GoAhead + ", not read since by " + strings.Join(silent, ", ")}
	case len(silent) > 0:
		return Step{Action: DoWait, Reason: "not read since by " + strings.Join(silent, ", ") + ": wait, or say --go-ahead"}
	}
	return Step{Action: DoMove, Phase: Sealing, Reason: "every known reader has read under the new key"}
}

// observeUntil is the end of the shortest time between re-key and seal.
func (j Job) observeUntil(rules Rules) time.Time {
	return j.RekeyedAt.Add(time.Duration(rules.Observe))
}

// keyRefused waits for readers that cannot read at all, and for those to whom KMS refuses the new key: they read with the previous one,
// and break at the next version, whatever the policies of their role say.
func (j Job) keyRefused() (Step, bool) {
	var names []string
	for _, r := range j.Readers {
		if r.refused() {
			names = append(names, r.Principal)
		}
	}
	switch shut := j.shutOut(); {
	case j.GoAhead != "":
		return Step{}, false
	case len(shut) > 0:
		return Step{Action: DoWait, Reason: strings.Join(slices.Sorted(maps.Values(shut)), "; ") + ": let it in and wait for a read, or say --go-ahead"}, true
	case len(names) > 0:
		return Step{Action: DoWait, Reason: "KMS refuses the new key to " + strings.Join(names, ", ") + ": let the role and the policies of its sessions use it and wait a day for a read, or say --go-ahead"}, true
	}
	return Step{}, false
}

// shutOut says why of readers that were refused by the key, for whom nothing was done, and that have not read since.
func (j Job) shutOut() map[string]string {
	why := map[string]string{}
	for _, d := range j.Denials {
		for _, k := range j.Readers {
			if k.is(d.Principal) && d.Why != "" && (!k.ReadAt.After(d.At) || !k.ReadAt.After(d.Again)) {
				why[k.Principal] = k.Principal + " cannot read it and lacks " + d.What + ": " + d.Why
			}
		}
	}
	return why
}

// Silent lists the readers that were seen before, and have not read with the new key since the re-key.
func (j Job) Silent() []string {
	var out []string
	shut := j.shutOut()
	for _, r := range j.Readers {
		if (r.Seen || r.refused()) && !r.reads(j.RekeyedAt) || shut[r.Principal] != "" {
			out = append(out, r.Principal)
		}
	}
	return out
}

func nextSealing(j Job, s Seen, rules Rules) Step {
	here := guard.HereOf(s.Secret)
	if here == guard.StateUnknown && !listed(s.Secret) {
		return Step{Action: DoWait, Until: s.At.Add(time.Duration(rules.Quiet)), Reason: "its versions could not be read"}
	}
	if wait, is := j.keyRefused(); is && j.FirstNewAt.IsZero() && here != guard.StateSealed && !CurrentSealed(s.Secret) {
		return wait
	}
	if step, due := rekeyReplica(j, s, rules); due { // before the versions that seal it: they seal the copies as well
		return step
	}
	open, left := j.openLabels(s.Secret)
	switch {
	case here == guard.StateSealed && j.FirstNewAt.IsZero():
		return Step{Action: DoMove, First: true, Phase: Sealing, Reason: "new versions are there"}
	case here == guard.StateSealed && len(open)+len(left) == 0:
		return nextReplica(j, s, rules)
	case !CurrentSealed(s.Secret), here == guard.StateSealed && slices.Contains(open, "AWSCURRENT"): // in a copy
		return askForVersion(j, s, rules)
	case j.FirstNewAt.IsZero():
		return Step{Action: DoMove, First: true, Phase: Sealing, Reason: j.stillOpen(s.Secret)}
	default:
		return sealPrevious(j, s, rules)
	}
}

// listed reports that AWS names every key that opens the primary's labelled versions. What one of them is need not be known: a new
// version leaves it behind.
func listed(s guard.Secret) bool {
	here := guard.CopiesOf(s).Here().Labelled()
	return s.Key.Manager != guard.ManagerUnknown && !here.Unlisted && !slices.ContainsFunc(here.List, guard.Copy.Nameless)
}

// rekeyReplica sets the key of the first copy that is under another one, in its own Region, where it goes on being read. What
// AWS refused there is made again, at the end.
// Source: user guide, "Promote a replica secret to a standalone secret": a replica cannot be changed apart from its primary,
// except for its key.
func rekeyReplica(j Job, s Seen, rules Rules) (Step, bool) {
	for _, c := range j.Copies {
		at := slices.IndexFunc(s.Secret.Replicas, func(r guard.Replica) bool { return r.Region == c.Region })
		if at < 0 || !c.Done.IsZero() || !c.Moved.IsZero() || !c.Refused.IsZero() || !c.Removed.IsZero() || s.Secret.Replicas[at].Key.ARN == c.Target {
			continue
		}
		if step, unready := notReady(s); unready {
			return step, true
		}
		if wait, ok := closed(s.At, rules); ok {
			return wait, true
		}
		return Step{Action: DoRekeyReplica, Region: c.Region, Key: c.Target, Phase: Sealing, Reason: "the copy in " + c.Region + " is under another key"}, true
	}
	return Step{}, false
}

// stillOpen says what is left between the first new version and the second (docs/decisions/0004).
func (j Job) stillOpen(s guard.Secret) string {
	open, left := j.openLabels(s)
	switch {
	case len(open) == 0:
		return "AWSCURRENT is sealed; " + leftUnder(left)
	case slices.Contains(open, "AWSPENDING"):
		return "AWSCURRENT is sealed; AWSPENDING still opens with the previous key: finish or cancel the rotation that left it"
	}
	return "AWSCURRENT is sealed; " + strings.Join(open, ", ") + " still opens with the previous key until the next version"
}

// openLabels are the labels of versions that open with another key than the secret's, or than that of a copy whose key was set
// where it is: those that a new version moves on, and those of the owner's own that no rotation reaches.
func (j Job) openLabels(s guard.Secret) (open, left []string) {
	copies := guard.CopiesOf(s).Labelled()
	for _, c := range copies.List {
		at := copies.Locations[c.Location]
		switch {
		case c.Location != 0 && (!j.movedIn(at) || at.Listing != guard.Listed), c.Alone(at.Named):
		case !guard.ReEncrypted(c.Stages):
			left = append(left, c.Stages...)
		default:
			open = append(open, c.Stages...)
		}
	}
	slices.Sort(open)
	slices.Sort(left)
	return slices.Compact(open), slices.Compact(left)
}

// movedIn reports whether the key of a copy was set where it is.
func (j Job) movedIn(at guard.Location) bool {
	return at.Kind == guard.LocationReplica && slices.ContainsFunc(j.Copies, func(c ReplicaTo) bool { return c.Region == at.Region && !c.Moved.IsZero() })
}

func sealPrevious(j Job, s Seen, rules Rules) Step {
	if open, _ := j.openLabels(s.Secret); j.Seal == SealRotate && rules.RotateTwice && len(open) > 0 {
		if wait, ok := notYet(j, s.At, rules); ok {
			return wait
		}
		return Step{Action: DoRotate, Reason: j.stillOpen(s.Secret)}
	}
	return Step{Action: DoWait, Reason: j.stillOpen(s.Secret)}
}

func askForVersion(j Job, s Seen, rules Rules) Step {
	if j.Seal == SealOwner {
		if step, unready := notReady(s); unready && j.AskedAt.IsZero() {
			return step
		}
		if j.AskedAt.IsZero() {
			return Step{Action: DoAsk, Reason: "waiting for its owner to write a new version"}
		}
		return Step{Action: DoWait, Reason: "waiting for its owner to write a new version"}
	}
	if j.Pending != nil && j.Pending.Action == DoRotate && s.At.Before(j.Pending.At.Add(time.Duration(rules.Quiet))) {
		return Step{Action: DoWait, Until: j.Pending.At.Add(time.Duration(rules.Quiet)), Reason: "the rotation is under way"}
	}
	if wait, ok := notYet(j, s.At, rules); ok {
		return wait
	}
	if step, unready := notReady(s); unready {
		return step
	}
	return Step{Action: DoRotate, Reason: "a rotation writes the version that seals it"}
}

// nextReplica makes the copies again whose key AWS refused to change, one Region after the other, when the primary is done.
func nextReplica(j Job, s Seen, rules Rules) Step {
	for _, c := range j.Copies {
		if !c.Done.IsZero() {
			continue
		}
		at := slices.IndexFunc(s.Secret.Replicas, func(r guard.Replica) bool { return r.Region == c.Region })
		switch {
		case at < 0 && c.Removed.IsZero():
			continue // its owner took it away
		case at < 0:
			return Step{Action: DoAddReplica, Region: c.Region, Key: c.Target, Phase: Sealing, Reason: "the copy in " + c.Region + " is away"}
		case s.Secret.Replicas[at].Key.ARN != c.Target && c.Moved.IsZero():
			if step, unready := notReady(s); unready {
				return step
			}
			if wait, ok := closed(s.At, rules); ok {
				return wait
			}
			return Step{Action: DoRemoveReplica, Region: c.Region, Phase: Sealing, Reason: "the copy in " + c.Region + " is under another key, and AWS refused to set its own there"}
		case s.Secret.Replicas[at].Status == copyFailed && !c.Removed.IsZero() && !s.At.Before(j.LastChangeAt.Add(time.Duration(rules.Quiet))):
			if wait, ok := closed(s.At, rules); ok {
				return wait
			}
			return Step{Action: DoRemoveReplica, Region: c.Region, Phase: Sealing, Reason: "the copy in " + c.Region + " that was made again failed"}
		case s.Secret.Replicas[at].Status != "" && s.Secret.Replicas[at].Status != copyInSync:
			return Step{Action: DoWait, Reason: "the copy in " + c.Region + " is " + s.Secret.Replicas[at].Status}
		case !c.Moved.IsZero() && s.Secret.Replicas[at].Listing != guard.Listed:
			return Step{Action: DoWait, Until: s.At.Add(time.Duration(rules.Quiet)), Reason: "which keys open its versions in " + c.Region + " could not be read"}
		}
	}
	return Step{Action: DoMove, Phase: Sealed, Reason: "every labelled version opens with the new key alone"}
}
