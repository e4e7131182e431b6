package migration

import (
	"cmp"
	"slices"
)

// Summary is how far a set of jobs is.
type Summary struct {
	Rows    []Row     `json:"rows"`
	Waiting []Waiting `json:"waiting"`
}

// Row counts the secrets of one wave and account. Sealed are those where every labelled version opens with the new key
// alone; half sealed are those whose AWSPREVIOUS still opens with the previous key.
type Row struct {
	Wave       Wave   `json:"wave"`
	Account    string `json:"account"`
	Secrets    int    `json:"secrets"`
	Planned    int    `json:"planned"`
	Rekeyed    int    `json:"rekeyed"`
	HalfSealed int    `json:"halfSealed"`
	Sealed     int    `json:"sealed"`
	Stuck      int    `json:"stuck"` // blocked or failed
	RolledBack int    `json:"rolledBack"`
}

// Waiting is a secret that waits for somebody.
type Waiting struct {
	For    string `json:"for"` // owner, security or time
	Secret string `json:"secret"`
	Name   string `json:"name"`
	Phase  Phase  `json:"phase"`
	Reason string `json:"reason"`
}

// Summarize counts jobs, and says what waits for whom.
func Summarize(jobs []Job) Summary {
	rows := map[[2]string]*Row{}
	out := Summary{Rows: []Row{}, Waiting: []Waiting{}}
	for _, j := range jobs {
		key := [2]string{string(j.Wave), j.Account}
		if rows[key] == nil {
			rows[key] = &Row{Wave: j.Wave, Account: j.Account}
		}
		rows[key].count(j)
		if whom := j.waitsFor(); whom != "" {
			out.Waiting = append(out.Waiting, Waiting{whom, j.Secret, j.Name, j.Phase, j.Reason})
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

func (r *Row) count(j Job) {
	r.Secrets++
	switch {
	case j.Phase == Planned:
		r.Planned++
	case j.Phase == Sealed:
		r.Sealed++
	case j.Phase == RolledBack:
		r.RolledBack++
	case j.Phase == Blocked || j.Phase == Failed:
		r.Stuck++
	case !j.FirstNewAt.IsZero():
		r.HalfSealed++
	default:
		r.Rekeyed++
	}
}

// waitsFor is who has to do something: the owner of the secret, or whoever runs the migration.
func (j Job) waitsFor() string {
	switch {
	case j.Phase == Blocked || j.Phase == Failed:
		return "security"
	case j.Phase == Sealing && j.Seal == SealOwner:
		return "owner"
	case j.Phase == Planned || j.Phase == Observing || j.Phase == Sealing || j.Phase == Rekeyed:
		return "time"
	}
	return ""
}
