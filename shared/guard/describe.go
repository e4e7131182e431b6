package guard

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Describe says in half a sentence what a subject means for a control, for logs and tables. It is "" for outcomes that
// leave nothing to say.
func Describe(id ControlID, outcome Outcome, s Subject) string {
	control, _ := ControlByID(id)
	switch {
	case outcome == Unknown && s.Blind != nil && s.Blind.Part == PartApproval:
		return s.maybeApprovedWords()
	case outcome == Unknown && id == SecretKeyUnapproved && (s.Blind == nil || s.Blind.Part != PartReplicaVersions):
		return s.blindWords() + ", so it cannot be compared with the approved ones"
	case outcome == Unknown:
		return s.blindWords()
	case outcome != Fail || control.words == nil:
		return ""
	default:
		return control.words(s)
	}
}

// Describe says in half a sentence what is wrong or unknown; "" otherwise.
func (v Verdict) Describe() string { return Describe(v.Control.ID, v.Outcome, v.Subject) }

// Describe says in half a sentence what is wrong.
func (f Finding) Describe() string {
	return cmp.Or(f.Detail, Describe(f.Control, Fail, f.Subject))
}

// Describe says in half a sentence what happened, for logs and timelines; "" where the kind says it all.
func (n Notice) Describe() string {
	switch {
	case n.Kind == NoticeKeyRestored && n.Blast != nil:
		return fmt.Sprintf("key %s: %s", n.Blast.KeyWords(), n.Blast.Counts().UnderWords())
	case n.Blast != nil && n.Blast.Empty():
		words := fmt.Sprintf("%skey %s: no secret that can be read is known to be under it", n.before(), n.Blast.KeyWords())
		if n.Blast.Index != nil {
			words += "; " + n.Blast.Index.Describe()
		}
		return words
	case n.Blast != nil:
		return fmt.Sprintf("%skey %s: %s", n.before(), n.Blast.KeyWords(), n.Blast.Counts().Words())
	case n.Move != nil:
		return script(n.Passages()).String()
	case n.Finding == nil:
		return n.Detail
	}
	switch n.Kind {
	case NoticeOpened:
		return n.Finding.Describe()
	case NoticeWaived:
		return fmt.Sprintf("waived until %s: %s", n.Finding.WaivedTo.Format("2 January 2006"), n.Finding.Describe())
	case NoticeResolved:
		return n.Finding.endWords()
	default:
		return n.Detail
	}
}

// before is what happened to a key, where its state does not say it.
func (n Notice) before() string {
	if n.Detail == "" {
		return ""
	}
	return n.Detail + "; "
}

func (f Finding) endWords() string {
	switch f.End {
	case EndMoot:
		return f.Title + ": does not apply any more"
	case EndMoved:
		return f.Title + ": another key is set, which can be used"
	case EndRemoved:
		return f.Title + ": what failed is not among its labelled copies any more"
	case EndReplica:
		return f.Title + ": the secret is a replica now, which is judged with its primary"
	case EndUnknown:
		return f.Title + ": another key is set; whether older copies still open with the previous one is not known"
	case EndGone:
		return f.Title + ": the secret was deleted"
	case EndPassed, "":
		return f.Title + ": no longer"
	default:
		return f.Title + ": resolved by a newer version, as " + string(f.End)
	}
}

// eachKey says something of every key of the subject: of the secret's own, then of its replicas'.
func (s Subject) eachKey(say func(Key) string) string {
	var parts []string
	add := func(what, of string, k Key) {
		if k.AliasGone() {
			parts = append(parts, what+" names "+k.ID+", an alias that does not exist any more: it decides about the next version alone, which cannot be written")
			return
		}
		parts = append(parts, of+" "+say(k))
	}
	if !s.Key.zero() {
		add("it", "its key", s.Key)
	}
	for _, r := range s.Replicas {
		add("its replica in "+r.Region, "the key of its replica in "+r.Region, r.Key)
	}
	for _, e := range s.Elsewhere {
		add("its copy in account "+e.Account, "the key of its copy in account "+e.Account, e.Key)
	}
	return strings.Join(parts, "; ")
}

func (s Subject) regions() []string {
	var regions []string
	for _, r := range s.Replicas {
		regions = append(regions, r.Region)
	}
	return regions
}

// locations are the Regions and accounts of the subject's copies, as people find them beside the primary.
func (s Subject) locations() []string {
	names := s.regions()
	for _, e := range s.Elsewhere {
		names = append(names, "account "+e.Account)
	}
	return names
}

func (k Key) zero() bool { return k.ARN == "" && k.ID == "" && k.Manager == "" && k.State == "" }

// Stuck lists the versions that do not open with the secret's key at all, which a new version alone does not explain.
func (s Subject) Stuck() []Version {
	var stuck []Version
	for _, v := range s.Versions {
		if v.In == "" && !v.opensWith(s.Key) {
			stuck = append(stuck, v)
		}
	}
	return stuck
}

func versions(n int, one, many string) string {
	return Count(n, "labelled version "+one, "labelled versions "+many)
}

// Count is a number with what it counts, in the form that goes with it: "1 secret is", "2 secrets are".
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprint(n, " ", many)
}

func (s Subject) blindWords() string {
	if s.Blind == nil {
		return ""
	}
	switch s.Blind.Part {
	case PartEvents:
		return cmp.Or(s.Blind.Note, "nothing that happens here arrives")
	case PartKey, PartReplicaKey:
		return s.unreadKeyWords()
	case PartReplica:
		return "replication to " + strings.Join(s.locations(), ", ") + " has not come to its end, so what is there is not known"
	case PartReplicaVersions:
		return "which keys open its versions in " + strings.Join(s.locations(), ", ") + " could not be read, so older ones may open with a key from before"
	case PartVersions:
		return "its versions could not be listed"
	case PartVersionKeys:
		if s.Blind.Cause == CauseNotListed {
			return "the keys of " + s.versionNames() + " could not be read: AWS lists none"
		}
		if s.Blind.Cause == CauseState {
			return s.undecidedWords()
		}
		return "the keys of " + s.versionNames() + " could not be read" + s.undescribedWords()
	case PartElsewhere:
		return "whether it has copies in other accounts could not be read"
	case PartMember:
		return "whether " + strings.Join(s.locations(), ", ") + " is of the organization, which has a copy, is not known"
	case PartApproval:
		return s.maybeApprovedWords()
	case PartLocation, PartSecret:
	default:
		return "something of it could not be looked at"
	}
	switch s.Blind.Cause {
	case CauseNotEntered:
		return "the account and Region could not be entered: no member role, or not guarded"
	case CauseNoAnswer:
		return "calls in this account and Region are not answered in time, while those in other accounts are"
	case CauseItsPolicy:
		return "access to this secret alone is denied: its resource policy, or another that names it, keeps the role " + ReadRole + " out"
	case CauseDenied, "":
		return "access to the secret was denied"
	default:
		return "something of it could not be looked at"
	}
}

func (s Subject) unreadKeyWords() string {
	var parts []string
	unread := func(of string, k Key) {
		switch {
		case k.State == KeyMissing:
			parts = append(parts, strings.Join(strings.Fields(of+" "+cmp.Or(k.ARN, k.ID)+" does not exist any more, so it is not known what it was"), " "))
		case k.undecided():
			parts = append(parts, of+" "+k.named()+" is in state "+string(k.State)+", of which it is not known whether it opens anything")
		case of == "its key":
			parts = append(parts, strings.Join(strings.Fields("the metadata of its key "+cmp.Or(k.ARN, k.ID)+" could not be read"), " "))
		default:
			parts = append(parts, of+" could not be read")
		}
	}
	if s.Blind.Part == PartKey {
		unread("its key", s.Key)
	}
	for _, r := range s.Replicas {
		unread("the key of its replica in "+r.Region, r.Key)
	}
	for _, e := range s.Elsewhere {
		unread("the key of its copy in account "+e.Account, e.Key)
	}
	return strings.Join(parts, "; ")
}

// undecidedWords say of versions which keys they have whose state decides nothing.
func (s Subject) undecidedWords() string {
	var parts []string
	for _, v := range s.Versions {
		if keys := slices.DeleteFunc(slices.Clone(v.Keys), func(k Key) bool { return !k.undecided() }); len(keys) > 0 {
			parts = append(parts, "whether "+v.name()+" opens is not known: "+eachOf(keys, Key.doubtWords))
		}
	}
	return strings.Join(parts, "; ")
}

// undescribedWords name the keys that versions are under and that could not be described, as far as AWS names them.
func (s Subject) undescribedWords() string {
	var arns []string
	for _, v := range s.Versions {
		for i := range v.Keys {
			if k := &v.Keys[i]; unreadKey(k) && k.ARN != "" {
				arns = append(arns, k.ARN)
			}
		}
	}
	if len(arns) == 0 {
		return ""
	}
	return ": " + strings.Join(distinct(arns), ", ")
}

// doubtWords say why a key is not counted on.
func (k Key) doubtWords() string {
	name := cmp.Or(k.ARN, k.ID, "a key without a name")
	switch {
	case k.NotAsked:
		return "the state of " + name + " was not asked for: there are too many other keys"
	case k.State == KeyStateUnknown:
		return "the state of " + name + " could not be read"
	case k.State == KeyMissing:
		return name + " does not exist any more"
	default:
		return name + " " + k.stateWords()
	}
}

func (s Subject) versionNames() string {
	var ids []string
	for _, v := range s.Versions {
		ids = append(ids, v.ID)
	}
	switch len(ids) {
	case 0:
		return "its versions"
	case 1:
		return "version " + ids[0]
	default:
		return "versions " + strings.Join(ids, ", ")
	}
}
