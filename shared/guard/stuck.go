package guard

import (
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

// Causes say why a version is not under the key that its secret names: what was seen to keep it from being re-encrypted, or
// else what may have. Words of both are half sentences.
type Causes struct {
	Seen     []string
	Possible []string
}

// CausesOf finds why a version of a subject is not under its key. Setting a key re-encrypts what has one of three labels, with
// the rights of who sets it on both keys, where the older one can be used; and it answers success though it does not.
// Source: API reference, UpdateSecret, KmsKeyId; user guide, "Change the encryption key".
func (s Subject) CausesOf(v Version) Causes {
	var c Causes
	older := "the previous key"
	for _, k := range v.Keys {
		switch {
		case k.Manager == ManagerAWS:
			older = ""
		case k.State == KeyMissing:
			c.Seen = append(c.Seen, "its key "+k.named()+" does not exist any more")
		case k.Unusable():
			c.Seen = append(c.Seen, "its key "+k.named()+" is in state "+string(k.State)+", so nothing re-encrypts it")
		case k.ARN != "":
			older = k.ARN
		}
	}
	if !ReEncrypted(v.Stages) {
		c.Seen = append(c.Seen, "setting a key re-encrypts AWSCURRENT, AWSPREVIOUS and AWSPENDING alone, and its label is "+strings.Join(v.Stages, ", "))
	}
	if len(c.Seen) > 0 {
		return c
	}
	lacked := "whoever set the key lacked kms:Encrypt on it"
	if older != "" {
		lacked += ", or kms:Decrypt on " + older
	}
	c.Possible = append(c.Possible, lacked)
	if older != "" {
		c.Possible = append(c.Possible, older+" was out of use when the key was set")
	}
	if s.Alias != "" {
		c.Possible = append(c.Possible, s.Alias+" named another key when the version was written")
	}
	return c
}

// StuckWords say why versions are not under the key that the secret names.
func (s Subject) StuckWords() string {
	var seen, possible []string
	for _, v := range s.Stuck() {
		c := s.CausesOf(v)
		seen, possible = append(seen, c.Seen...), append(possible, c.Possible...)
	}
	var words []string
	if seen = distinct(seen); len(seen) > 0 {
		words = append(words, "because "+strings.Join(seen, ", and "))
	}
	if possible = distinct(possible); len(possible) > 0 {
		words = append(words, "possible causes: "+strings.Join(possible, "; or "))
	}
	return strings.Join(words, "; ")
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
