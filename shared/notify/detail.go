package notify

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/doublelock/doublelock/shared/guard"
)

// Detail says to its owner what a notice found, in sentences; "" where the headline says it all.
func Detail(n guard.Notice) string {
	switch {
	case n.Detail != "":
		return sentence(n.Detail)
	case n.Finding == nil || n.Kind != guard.NoticeOpened:
		return ""
	case n.Finding.Detail != "": // stored before findings had a subject
		return sentence(n.Finding.Detail)
	}
	f := *n.Finding
	switch f.Control {
	case guard.SecretNotSealed:
		return versionSentences(f.Subject)
	case guard.SecretReplicaKey:
		return copySentences(f.Subject, func(guard.Key) string { return "the AWS managed key" })
	case guard.SecretKeyUnusable:
		return copySentences(f.Subject, func(k guard.Key) string {
			if k.State == guard.KeyMissing {
				return "a key that does not exist any more"
			}
			return k.ARN + ", which is " + stateWord(k.State)
		})
	case guard.SecretKeyUnapproved:
		return copySentences(f.Subject, func(k guard.Key) string { return k.ARN + ", which is not approved" })
	default:
		return sentence(f.Describe())
	}
}

// copySentences has a sentence for the secret itself, where its key is in the subject, and for each replica.
func copySentences(s guard.Subject, under func(guard.Key) string) string {
	var out []string
	if s.Key.State != "" || s.Key.ARN != "" {
		out = append(out, sentence("the secret is under "+under(s.Key)))
	}
	for _, r := range s.Replicas {
		out = append(out, sentence("its replica in "+r.Region+" is under "+under(r.Key)))
	}
	return strings.Join(out, " ")
}

func versionSentences(s guard.Subject) string {
	var out []string
	stuck := map[string]bool{}
	for _, v := range s.Stuck() {
		stuck[v.ID] = true
	}
	for _, v := range s.Versions {
		switch name := strings.Join(v.Stages, ", ") + " (version " + v.ID + ")"; {
		case stuck[v.ID]:
			out = append(out, sentence(name+" is not under the key that the secret names; it opens with "+olderKeys(v, s.Key)))
		default:
			out = append(out, sentence(name+" still opens with "+olderKeys(v, s.Key)))
		}
	}
	if len(stuck) > 0 {
		out = append(out, sentence(guard.StuckCauses))
	}
	return strings.Join(out, " ")
}

// olderKeys names the keys besides the secret's own that open a version.
func olderKeys(v guard.Version, own guard.Key) string {
	var names []string
	for _, k := range v.Keys {
		switch {
		case k.Same(own):
		case k.Manager == guard.ManagerAWS:
			names = append(names, "the AWS managed key")
		case k.ARN != "":
			names = append(names, k.ARN)
		}
	}
	if len(names) == 0 {
		return "the previous key"
	}
	return strings.Join(names, " and with ")
}

// sentence makes one line of a half sentence that others wrote: a capital letter first and a full stop last.
func sentence(text string) string {
	text = OneLine(text)
	if text == "" {
		return ""
	}
	first := []rune(text)[0]
	text = fmt.Sprintf("%c%s", unicode.ToUpper(first), text[len(string(first)):])
	if strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
