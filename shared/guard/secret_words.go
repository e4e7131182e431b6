package guard

import (
	"cmp"
	"fmt"
	"strings"
)

func (s Subject) outsideWords() string {
	return "has a copy outside the organization, in " + strings.Join(s.locations(), ", ")
}

func (s Subject) defaultKeyWords() string {
	if len(s.Versions) > 0 {
		return fmt.Sprintf("%s with the AWS managed key alone; %s", versions(len(s.Versions), "opens", "open"), s.StuckWords())
	}
	if s.Next {
		return "its next version opens with the AWS managed key, which the organization cannot switch off; none that is there does"
	}
	return "opens with the AWS managed key, which the organization cannot switch off"
}

func (s Subject) versionWords() string {
	var words string
	if stuck := len(s.Stuck()); stuck > 0 {
		words = fmt.Sprintf("%s not under the key that the secret names; %s", versions(stuck, "is", "are"), s.StuckWords())
	}
	words = also(words, s.olderWords("", len(s.Versions) == 0))
	for _, region := range besides(s.versionsIn()) {
		words = also(words, s.olderWords(region, false))
	}
	return words
}

// olderWords count the versions in a location, "" for the primary, that are under an older key beside the location's own, by what that
// one opens; in the primary those that are not under its own at all are counted apart.
func (s Subject) olderWords(in string, always bool) string {
	counts := map[Opens]int{}
	for _, v := range s.Versions {
		if v.In == in && (in != "" || v.opensWith(s.Key)) {
			counts[s.Older(v)]++
		}
	}
	opens, under := " with the previous key", " under the previous key as well"
	where := ""
	if in != "" {
		opens, under, where = " with another key than the one named there", " under another key in "+in+" than the one named there", " in "+in
	}
	words := ""
	if n := counts[OpensYes]; n > 0 || always {
		words = versions(n, "still opens", "still open") + where + opens
	}
	if n := counts[OpensUnknown]; n > 0 {
		words = also(words, versions(n, "is", "are")+under+", of which it is not known whether it opens anything")
	}
	if n := counts[OpensNo]; n > 0 {
		words = also(words, versions(n, "is", "are")+under+", which opens nothing now")
	}
	return words
}

// Older says whether a version opens with a key beside the one by which the versions of the subject are measured.
func (s Subject) Older(v Version) Opens {
	opens := OpensNo
	for i := range v.Keys {
		switch k := &v.Keys[i]; {
		case k.is(&s.Key), k.Unusable():
		case k.opens():
			return OpensYes
		default:
			opens = OpensUnknown
		}
	}
	return opens
}

func (s Subject) replicaWords() string {
	var parts, opens, named []string
	for _, r := range s.Replicas {
		switch {
		case r.Key.Manager != ManagerAWS:
		case r.Status == "" || r.Status == inSync:
			opens = append(opens, r.Region)
		default: // what is there is not known
			named = append(named, r.Region)
		}
	}
	if len(opens) > 0 {
		parts = append(parts, "opens with the AWS managed key in "+strings.Join(opens, ", "))
	}
	if len(named) > 0 {
		parts = append(parts, "is replicated under the AWS managed key to "+strings.Join(named, ", "))
	}
	for _, r := range s.Replicas {
		if r.Failed() {
			parts = append(parts, r.FailedWords())
		}
	}
	for _, e := range s.Elsewhere {
		if e.Failed() {
			parts = append(parts, e.FailedWords())
			continue
		}
		parts = append(parts, "its copy in account "+e.Account+" is "+cmp.Or(e.Status, "under the AWS managed key"))
	}
	for _, v := range s.Versions {
		parts = append(parts, v.name()+" opens with the AWS managed key alone")
	}
	return strings.Join(parts, "; ")
}

func (s Subject) unusableWords() string {
	words := s.eachKey(func(k Key) string { return k.closedWords() })
	for _, v := range s.Versions {
		words = also(words, v.name()+" opens with no key that lasts: "+eachOf(v.Keys, Key.closedWords))
	}
	if s.Empty {
		words = also(words, "it has no value yet, so none is lost, and none can be written")
	}
	return words
}

// closedWords say why a key does not open anything, or from when on it will not.
func (k Key) closedWords() string {
	switch {
	case k.State == KeyMissing:
		return "does not exist"
	case !k.DeletionDate.IsZero():
		return k.ARN + " is in state " + string(k.State) + ", and lost for good from " + Minute(k.DeletionDate) + " on"
	case k.CanDecrypt() && !k.ValidTo.IsZero():
		return k.ARN + " opens nothing from " + Minute(k.ValidTo) + " on, when its imported material expires"
	case k.State == KeyUnavailable && k.Store != "":
		return k.ARN + " opens nothing while its custom key store " + k.Store + " is disconnected"
	default:
		return k.ARN + " " + k.stateWords()
	}
}

func (s Subject) unapprovedWords() string { return s.approvalWords(Key.ApprovalWords) }

// maybeApprovedWords is what nobody could judge of the approval of the subject's keys.
func (s Subject) maybeApprovedWords() string {
	return s.approvalWords(func(k Key) string {
		switch {
		case k.Doubt != nil:
			return k.ApprovalWords()
		case k.SelfApproved == "":
			return "not known to be approved or not, because it could not be read"
		default:
			return k.ApprovalWords() + " unless an SCP forbids it, which is not known here"
		}
	})
}

func (s Subject) approvalWords(say func(Key) string) string {
	words := s.eachKey(func(k Key) string { return k.ARN + " is " + say(k) })
	which := func(k Key) string { return k.ARN + ", which is " + say(k) }
	for _, v := range s.Versions {
		var parts []string
		opening, closed := v.Opening()
		if len(opening) > 0 {
			parts = append(parts, "opens with "+eachOf(opening, which))
		}
		if len(closed) > 0 {
			parts = append(parts, "is under "+eachOf(closed, which))
		}
		words = also(words, v.name()+" "+strings.Join(parts, ", and "))
	}
	return words
}

// Opening are the keys that open a version now, and those that do not, or of which that is not known.
func (v Version) Opening() (opening, others []Key) {
	for _, k := range v.Keys {
		if k.opens() {
			opening = append(opening, k)
		} else {
			others = append(others, k)
		}
	}
	return opening, others
}

func also(words, more string) string {
	switch "" {
	case words:
		return more
	case more:
		return words
	}
	return words + "; " + more
}

func eachOf(keys []Key, say func(Key) string) string {
	var parts []string
	for _, k := range keys {
		parts = append(parts, say(k))
	}
	return strings.Join(parts, ", ")
}

// name is a version as people find it: by its labels, or by its id where it has none.
func (v Version) name() string {
	name := "version " + v.ID
	if len(v.Stages) > 0 {
		name = strings.Join(v.Stages, ", ") + " (version " + v.ID + ")"
	}
	if v.In != "" {
		name += " in " + v.In
	}
	return name
}

func (s Subject) foreignWords() string {
	return fmt.Sprintf("owned by %s, which keeps it under the AWS managed key", s.Service)
}
