package guard

import (
	"cmp"
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
