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
	return "opens with the AWS managed key, which the organization cannot switch off"
}

func (s Subject) versionWords() string {
	var words string
	if stuck := len(s.Stuck()); stuck > 0 {
		words = fmt.Sprintf("%s not under the key that the secret names; %s", versions(stuck, "is", "are"), s.StuckWords())
	}
	left, closed := 0, 0
	for _, v := range s.Versions {
		switch {
		case v.In != "" || !v.opensWith(s.Key):
		case s.Closed(v):
			closed++
		default:
			left++
		}
	}
	if left > 0 || len(s.Versions) == 0 {
		words = also(words, versions(left, "still opens", "still open")+" with the previous key")
	}
	if closed > 0 {
		words = also(words, versions(closed, "is", "are")+" under the previous key as well, which opens nothing now")
	}
	for _, region := range besides(s.versionsIn()) {
		left, closed = 0, 0
		for _, v := range s.Versions {
			switch {
			case v.In != region:
			case s.Closed(v):
				closed++
			default:
				left++
			}
		}
		if left > 0 {
			words = also(words, versions(left, "still opens", "still open")+" in "+region+" with another key than the one named there")
		}
		if closed > 0 {
			words = also(words, versions(closed, "is", "are")+" under another key in "+region+" than the one named there, which opens nothing now")
		}
	}
	return words
}

// Closed reports that no key of a version opens anything now, but for the one by which the versions of the subject are measured.
func (s Subject) Closed(v Version) bool {
	for i := range v.Keys {
		if k := &v.Keys[i]; !k.is(&s.Key) && !k.Unusable() {
			return false
		}
	}
	return true
}

func (s Subject) replicaWords() string {
	var parts, managed []string
	for _, r := range s.Replicas {
		if r.Key.Manager == ManagerAWS {
			managed = append(managed, r.Region)
		}
	}
	if len(managed) > 0 {
		parts = append(parts, "opens with the AWS managed key in "+strings.Join(managed, ", "))
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
	return words
}

// closedWords say why a key does not open anything, or from when on it will not.
func (k Key) closedWords() string {
	switch {
	case k.State == KeyMissing:
		return "does not exist"
	case !k.DeletionDate.IsZero():
		return k.ARN + " is in state " + string(k.State) + ", and lost for good from " + minute(k.DeletionDate) + " on"
	case k.CanDecrypt() && !k.ValidTo.IsZero():
		return k.ARN + " opens nothing from " + minute(k.ValidTo) + " on, when its imported material expires"
	case k.State == KeyUnavailable && k.Store != "":
		return k.ARN + " opens nothing while its custom key store " + k.Store + " is disconnected"
	default:
		return k.ARN + " is in state " + string(k.State)
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
	for _, v := range s.Versions {
		words = also(words, v.name()+" opens with "+eachOf(v.Keys, func(k Key) string { return k.ARN + ", which is " + say(k) }))
	}
	return words
}

func also(words, more string) string {
	if words == "" {
		return more
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
