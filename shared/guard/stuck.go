package guard

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

// aliasOf is the alias by which a secret names its key; "" where it names none.
func aliasOf(s Secret) string {
	if strings.HasPrefix(s.KeyID, "alias/") || strings.HasPrefix(arn.Of(s.KeyID).Resource, "alias/") {
		return s.KeyID
	}
	return ""
}

// CausesOf names everything that may have kept a version of a subject from being under its key, in half sentences. Nothing of
// it was seen: what a version's labels, an alias and the state of a key are now they need not have been when the key was set.
// Setting a key re-encrypts what has one of three labels, with the rights of who sets it on both keys, where the older one can be
// used; and it answers success though it does not.
// Source: API reference, UpdateSecret, KmsKeyId; user guide, "Change the encryption key".
func (s Subject) CausesOf(v Version) []string {
	var older, now []string // keys that a re-key needs to decrypt with, and what they are now
	for _, k := range v.Keys {
		if k.Manager == ManagerAWS {
			continue // nobody can switch it off, nor lacks it alone
		}
		name := cmp.Or(k.ARN, k.ID, "its own key")
		older = append(older, name)
		switch {
		case k.State == KeyMissing:
			now = append(now, name+", which does not exist any more,")
		case k.Unusable():
			now = append(now, name+", which is "+string(k.State)+" now,")
		default:
			now = append(now, name)
		}
	}
	if len(v.Keys) == 0 {
		older, now = []string{"the previous key"}, []string{"the previous key"}
	}
	label := "it had none of the labels AWSCURRENT, AWSPREVIOUS and AWSPENDING when the key was set"
	if !ReEncrypted(v.Stages) {
		label = "setting a key re-encrypts AWSCURRENT, AWSPREVIOUS and AWSPENDING alone, and its label is " + strings.Join(v.Stages, ", ")
	}
	lacked := "whoever set the key lacked kms:Encrypt on it"
	if len(older) > 0 {
		lacked += ", or kms:Decrypt on " + strings.Join(older, " and ")
	}
	causes := []string{label, lacked}
	if len(older) > 0 {
		causes = append(causes, strings.Join(now, " and ")+" was out of use when the key was set")
	}
	if s.Alias != "" && len(older) > 0 { // an alias of a customer never leads to the AWS managed key
		causes = append(causes, s.Alias+" named another key when the version was written")
	}
	return causes
}

// StuckWords say what may be why versions are not under the key that the secret names.
func (s Subject) StuckWords() string {
	var causes []string
	for _, v := range s.Stuck() {
		causes = append(causes, s.CausesOf(v)...)
	}
	if causes = distinct(causes); len(causes) == 0 {
		return ""
	}
	return "possible causes: " + strings.Join(causes, "; or ")
}

func distinct(list []string) []string {
	var out []string
	for _, text := range list {
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// versionWords say what is wrong with each kind of copy that DL.SECRET.2 lists: not under the key, under another as well, and the same elsewhere.
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
	for _, place := range besides(s.versionsIn()) {
		left, closed = 0, 0
		for _, v := range s.Versions {
			switch {
			case v.In != place:
			case s.Closed(v):
				closed++
			default:
				left++
			}
		}
		if left > 0 {
			words = also(words, versions(left, "still opens", "still open")+" in "+place+" with another key than the one named there")
		}
		if closed > 0 {
			words = also(words, versions(closed, "is", "are")+" under another key in "+place+" than the one named there, which opens nothing now")
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
