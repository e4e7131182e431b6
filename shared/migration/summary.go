package migration

import (
	"cmp"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
)

// Summary is how far a set of jobs is.
type Summary struct {
	Rows    []Row     `json:"rows"`
	Waiting []Waiting `json:"waiting"`
	// Unreadable are the jobs that cannot be read: their secrets are left as they are until somebody repairs them.
	Unreadable []store.Unreadable `json:"unreadable,omitempty"`
}

// Row counts the secrets of one wave and account. Sealed are those where every labelled version opens with the new key
// alone; half sealed are those whose AWSPREVIOUS still opens with the previous key.
type Row struct {
	Wave       Wave   `json:"wave"`
	Account    string `json:"account"`
	Secrets    int    `json:"secrets"`
	Planned    int    `json:"planned"`
	Unproven   int    `json:"unproven"` // the key is set, and what its versions open with could not be read
	Rekeyed    int    `json:"rekeyed"`
	HalfSealed int    `json:"halfSealed"`
	Sealed     int    `json:"sealed"`
	Stuck      int    `json:"stuck"` // blocked or failed
	RolledBack int    `json:"rolledBack"`
	Overtaken  int    `json:"overtaken,omitempty"` // somebody has moved them to a key of their own
	Unknown    int    `json:"unknown,omitempty"`   // a newer version has left them in a phase that this one does not know
}

// Waiting is a secret that waits for somebody.
type Waiting struct {
	For       string     `json:"for"` // owner, security or time
	Secret    string     `json:"secret"`
	Name      string     `json:"name"`
	Phase     Phase      `json:"phase"`
	Reason    string     `json:"reason"`
	Asked     *Request   `json:"asked,omitempty"`     // which person asked for it, and why
	Overrides []Override `json:"overrides,omitempty"` // rules that somebody set differently for it, those in force
}

// Summarize counts jobs, and says what waits for whom. A job knows what its last visit found; seen are secrets, by ARN,
// as they are now, and win over it: an owner may have sealed one since.
func Summarize(jobs []Job, seen map[string]guard.Secret) Summary {
	rows := map[[2]string]*Row{}
	out := Summary{Rows: []Row{}, Waiting: []Waiting{}}
	for _, j := range jobs {
		key := [2]string{string(j.Wave), j.Account}
		if rows[key] == nil {
			rows[key] = &Row{Wave: j.Wave, Account: j.Account}
		}
		at := stageOf(j, seen)
		rows[key].count(at)
		if whom := at.waitsFor(j); whom != "" {
			w := Waiting{For: whom, Secret: j.Secret, Name: j.Name, Phase: at.phase, Reason: cmp.Or(at.reason, j.Newer(), j.Reason), Asked: j.Asked}
			if j.Rules != nil {
				w.Overrides = j.Rules.InForce()
			}
			out.Waiting = append(out.Waiting, w)
		}
	}
	for _, r := range rows {
		out.Rows = append(out.Rows, *r)
	}
	slices.SortFunc(out.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Wave.order(), b.Wave.order()), cmp.Compare(a.Account, b.Account))
	})
	slices.SortFunc(out.Waiting, func(a, b Waiting) int {
		return cmp.Or(cmp.Compare(a.For, b.For), cmp.Compare(a.Secret, b.Secret))
	})
	return out
}

// stage is how far a secret is by its job and by what is true now.
type stage struct {
	phase  Phase
	half   bool   // AWSCURRENT opens with the new key alone
	reason string // "" is the job's
}

func stageOf(j Job, seen map[string]guard.Secret) stage {
	at := stage{phase: j.Phase, half: !j.FirstNewAt.IsZero()}
	s, looked := seen[j.Secret]
	switch {
	case j.goingBack():
		if j.Reason == "" || j.Pending.Tries == 0 { // else it says what could not be proven
			at.reason = j.Pending.request() + "; it is not done yet: migrate rollback again, or the hub's sweep within the hour, does it"
		}
	case j.Setting() && looked && s.Key.ARN == j.Target:
		at.phase, at.reason = Unproven, "its key is set, and not proven yet: migrate apply again, or the hub's sweep within the hour, looks"
	case j.Setting():
		at.reason = "setting its key was begun " + j.Pending.At.Format(time.RFC3339) + ", and how that ended is not known yet: migrate apply again, or the hub's sweep within the hour, looks"
	case !looked || !j.UnderNewKey() || j.Phase == Sealed:
	case s.Key.Manager != guard.ManagerUnknown && s.Key.ARN != j.Target:
		at.phase, at.half, at.reason = Planned, false, "somebody moved it back to "+keyName(s.Key)
	case guard.HereOf(s) == guard.StateSealed && len(j.Copies) == 0:
		at.phase, at.reason = Sealed, "sealed; its job ends at the next visit of the hub"
	case guard.HereOf(s) == guard.StateSealed:
		at.half, at.reason = true, "sealed; its copies in other Regions are next"
	case CurrentSealed(s):
		at.half, at.reason = true, j.stillOpen(s)
	}
	return at
}

func (r *Row) count(at stage) {
	r.Secrets++
	switch {
	case !at.phase.Known():
		r.Unknown++
	case at.phase == Planned:
		r.Planned++
	case at.phase == Sealed:
		r.Sealed++
	case at.phase == RolledBack:
		r.RolledBack++
	case at.phase == Overtaken:
		r.Overtaken++
	case at.phase == Blocked || at.phase == Failed:
		r.Stuck++
	case at.phase == Unproven:
		r.Unproven++
	case at.half:
		r.HalfSealed++
	default:
		r.Rekeyed++
	}
}

// waitsFor is who has to do something: the owner of the secret, or whoever runs the migration.
func (at stage) waitsFor(j Job) string {
	switch {
	case j.Newer() != "":
		return "security"
	case j.goingBack():
		return "time"
	case at.phase == Blocked || at.phase == Failed:
		return "security"
	case at.phase == Unproven && !j.HandedAt.IsZero():
		return "owner"
	case at.phase == Sealing && j.Seal == SealOwner:
		return "owner"
	case at.phase == Sealed && j.Phase == Sealed || at.phase == RolledBack && j.Again == nil || at.phase == Overtaken:
		return ""
	}
	return "time"
}
