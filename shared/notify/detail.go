package notify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/doublelock/doublelock/shared/guard"
)

// Details say to its owner what a notice found, in sentences with what is to be pasted between them; none where the
// headline says it all. The last of them says how old what it rests on is, where AWS could not be asked again.
func Details(n guard.Notice) []guard.Passage {
	all := found(n)
	if n.Kind == guard.NoticeIncident && n.Blast != nil {
		if !n.Blast.Empty() && n.Blast.Elsewhere != guard.Listed {
			all = append(all, guard.Passage{Text: "Whether other accounts have copies of these secrets could not be read: one there may still open."})
		}
		if n.Blast.Now() == guard.KeyPendingReplicaDeletion {
			at := n.At
			if said := n.Blast.Said; said != nil && !said.At.IsZero() {
				at = said.At
			}
			all = append(all, guard.Passage{Text: sentence(guard.WaitWords(n.Blast.Window) + ", so not before " + day(at.AddDate(0, 0, cmp.Or(n.Blast.Window, guard.LeastWindow))))})
		}
		counts := n.Blast.Counts()
		if counts.Still > 0 {
			all = append(all, guard.Passage{Text: "Of what stops, " + guard.Count(counts.Still, "secret", "secrets") + " can still be opened by another version, or in another Region or account."})
		}
		if counts.Unsure > 0 {
			all = append(all, guard.Passage{Text: "Of what stops, or stops in part, " + guard.Count(counts.Unsure, "secret has", "secrets have") + " another version, Region or account of which nobody knows whether it still opens."})
		}
		if counts.Ending > 0 {
			all = append(all, guard.Passage{Text: "Of what does not stop, " + guard.Count(counts.Ending, "secret opens", "secrets open") + " only until imported key material expires."})
		}
	}
	if n.Blast != nil && n.Blast.Index != nil {
		all = append(all, guard.Passage{Text: sentence(n.Blast.Index.Describe())})
	}
	if n.AsOf.IsZero() {
		return all
	}
	age := guard.Passage{Text: "AWS could not be asked again: some of this is as of " + guard.Minute(n.AsOf) + "."}
	if at := len(all) - 1; at >= 0 && !all[at].Paste {
		all[at].Text += " " + age.Text
		return all
	}
	return append(all, age)
}

func found(n guard.Notice) []guard.Passage {
	passages := n.Passages()
	if len(passages) == 0 {
		if text := findingSentences(n); text != "" {
			return []guard.Passage{{Text: text}}
		}
		return nil
	}
	for i := range passages {
		p := &passages[i]
		p.Text = OneLine(p.Text)
		if i > 0 && passages[i-1].Paste && !p.Paste { // it stands on a line of its own
			if text := strings.TrimLeft(p.Text, ".; "); text != p.Text {
				p.Text = capital(text)
			}
		}
	}
	if first := &passages[0]; !first.Paste {
		first.Text = capital(first.Text)
	}
	if last := &passages[len(passages)-1]; !last.Paste {
		last.Text = stopped(last.Text)
	}
	return slices.DeleteFunc(passages, func(p guard.Passage) bool { return p.Text == "" })
}

// findingSentences say what the subject of a finding is, as it opens.
func findingSentences(n guard.Notice) string {
	switch {
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
		return replicaSentences(f.Subject)
	case guard.SecretDefaultKey:
		if len(f.Subject.Versions) > 0 {
			return versionSentences(f.Subject)
		}
		return sentence(f.Describe())
	case guard.SecretKeyUnusable:
		return copySentences(f.Subject, func(k guard.Key) string {
			switch {
			case k.State == guard.KeyMissing:
				return "a key that does not exist any more"
			case !k.DeletionDate.IsZero():
				return k.ARN + ", which is " + stateWord(k.State) + ": what it alone opens is lost for good from " + day(k.DeletionDate) + " on"
			case k.State == guard.KeyPendingReplicaDeletion:
				return k.ARN + ", which is " + stateWord(k.State) + " (" + guard.WaitWords(k.Window) + "): what it alone opens is lost for good then"
			case k.State.Usable() && !k.ValidTo.IsZero():
				return k.ARN + ", which opens nothing from " + day(k.ValidTo) + " on, when its imported material expires"
			}
			return k.ARN + ", which is " + stateWord(k.State)
		})
	case guard.SecretKeyUnapproved:
		return copySentences(f.Subject, func(k guard.Key) string { return k.ARN + ", which is " + k.ApprovalWords() })
	default:
		return sentence(f.Describe())
	}
}

// copySentences has a sentence for the secret itself, where its key is in the subject, and for each replica.
func copySentences(s guard.Subject, under func(guard.Key) string) string {
	var out []string
	add := func(what string, k guard.Key) {
		if k.AliasGone() {
			out = append(out, sentence(what+" names "+k.ID+", an alias that does not exist any more: what was written opens as it did, and a new version cannot be written"))
			return
		}
		out = append(out, sentence(what+" is under "+under(k)))
	}
	if s.Key.State != "" || s.Key.ARN != "" {
		add("the secret", s.Key)
	}
	for _, r := range s.Replicas {
		add("its replica in "+r.Region, r.Key)
	}
	for _, e := range s.Elsewhere {
		add("its copy in account "+e.Account, e.Key)
	}
	for _, v := range s.Versions {
		var keys []string
		for _, k := range v.Keys {
			keys = append(keys, under(k))
		}
		out = append(out, sentence(versionName(v)+" is under "+strings.Join(keys, ", and ")))
	}
	if s.Empty {
		out = append(out, sentence("it has no value yet"))
	}
	return strings.Join(out, " ")
}

// replicaSentences say of each replica what is wrong with it.
func replicaSentences(s guard.Subject) string {
	var out []string
	for _, r := range s.Replicas {
		if r.Failed() {
			out = append(out, sentence(r.FailedWords()))
		}
		if managed(r) {
			out = append(out, sentence("its replica in "+r.Region+" is under the AWS managed key"))
		}
	}
	for _, e := range s.Elsewhere {
		if e.Failed() {
			out = append(out, sentence(e.FailedWords()))
		}
		if e.Key.Manager == guard.ManagerAWS {
			out = append(out, sentence("its copy in account "+e.Account+" is under the AWS managed key"))
		}
	}
	for _, v := range s.Versions {
		out = append(out, sentence(versionName(v)+" opens with the AWS managed key alone"))
	}
	return strings.Join(out, " ")
}

func day(t time.Time) string { return t.UTC().Format("2 January 2006 15:04") + " UTC" }

func versionName(v guard.Version) string {
	name := strings.Join(v.Stages, ", ") + " (version " + v.ID + ")"
	if v.In != "" {
		name += " in " + v.In
	}
	return name
}

func versionSentences(s guard.Subject) string {
	var out []string
	stuck := map[string]bool{}
	for _, v := range s.Stuck() {
		stuck[v.ID] = true
	}
	for _, v := range s.Versions {
		switch name := versionName(v); {
		case v.In == "" && stuck[v.ID]:
			with, under := v.Opening()
			switch {
			case len(with) > 0:
				out = append(out, sentence(name+" is not under the key that the secret names; it opens with "+olderKeys(with, s.Key)))
			default:
				out = append(out, sentence(name+" is not under the key that the secret names; it is under "+olderKeys(under, s.Key)))
			}
		case s.Older(v) == guard.OpensNo:
			out = append(out, sentence(name+" is under "+olderKeys(v.Keys, s.Key)+" as well, which opens nothing now"))
		case s.Older(v) == guard.OpensUnknown:
			out = append(out, sentence(name+" is under "+olderKeys(v.Keys, s.Key)+" as well, of which it is not known whether it opens anything"))
		default:
			opening, _ := v.Opening()
			out = append(out, sentence(name+" still opens with "+olderKeys(opening, s.Key)))
		}
	}
	if len(stuck) > 0 {
		out = append(out, sentence(s.StuckWords()))
	}
	return strings.Join(out, " ")
}

// olderKeys names keys of a version besides the secret's own.
func olderKeys(keys []guard.Key, own guard.Key) string {
	var names []string
	for _, k := range keys {
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
func sentence(text string) string { return stopped(capital(OneLine(text))) }

func capital(text string) string {
	if text == "" {
		return ""
	}
	first := []rune(text)[0]
	return fmt.Sprintf("%c%s", unicode.ToUpper(first), text[len(string(first)):])
}

func stopped(text string) string {
	if text == "" || strings.HasSuffix(text, ".") {
		return text
	}
	return text + "."
}
