package migration

import (
	"errors"
	"fmt"
	"slices"
)

// A stored word that this version does not know is a newer version's. It stays as it is, is written back as it is, and is
// never taken for one that is known: no machine moves a job that has one where it decides.

// ErrNewer says that a newer version left a job in a way that this one does not know.
var ErrNewer = errors.New("a newer version is at this secret, and this one does not know how it goes on: nothing is changed")

// Known reports whether this version knows the phase.
func (p Phase) Known() bool { return slices.Contains(Phases(), p) }

func (p Phase) String() string { return worded(p, p.Known()) }

// actions lists the actions that are stored in a job.
func actions() []Action {
	return []Action{DoRekey, DoRotate, DoRekeyReplica, DoRemoveReplica, DoAddReplica, doRollback}
}

func seals() []SealBy { return []SealBy{SealRotate, SealOwner} }

// worded is a stored word for people.
func worded[T ~string](word T, known bool) string {
	if known || word == "" {
		return string(word)
	}
	return fmt.Sprintf("unknown (written by a newer version: %q)", string(word))
}

// Newer says why no machine of this version may move the job: which of its words that decide this version does not know.
// "" is none.
func (j Job) Newer() string {
	switch {
	case j.Phase == "": // there is no job
		return ""
	case !j.Phase.Known():
		return "its phase is " + j.Phase.String()
	case j.Pending != nil && !slices.Contains(actions(), j.Pending.Action):
		return "what was begun is " + worded(j.Pending.Action, false)
	case j.Seal != "" && !slices.Contains(seals(), j.Seal):
		return "how it is sealed is " + worded(j.Seal, false)
	case j.Wave != "" && !slices.Contains(Waves(), j.Wave):
		return "its wave is " + worded(j.Wave, false)
	}
	return ""
}

// checkKnown refuses a job that only a newer version may move.
func (j Job) checkKnown() error {
	if why := j.Newer(); why != "" {
		return fmt.Errorf("%w (%s)", ErrNewer, why)
	}
	return nil
}
