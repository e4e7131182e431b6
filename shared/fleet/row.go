package fleet

import (
	"cmp"
	"slices"
	"strings"
)

// Status is how a check ended.
type Status string

const (
	OK      Status = "ok"
	Fail    Status = "fail"    // something is missing or wrong
	Unknown Status = "unknown" // it could not be found out
	Skipped Status = "skipped" // it was not looked at, because another row says why nobody could
)

// Checks that the doctor makes, in the order of its report.
const (
	CheckOrganization = "organization"
	CheckEnter        = "member role"
	CheckRole         = "role"
	CheckTake         = "taking role"
	CheckTrail        = "trail"
	CheckRule         = "forward rule"
	CheckDeadLetters  = "dead letters"
	CheckSCP          = "scp"
	CheckBus          = "bus policy"
	CheckQueue        = "queue"
	CheckFunction     = "function"
	CheckTable        = "table"
	CheckBrake        = "brake"
	CheckCanary       = "canary"
)

// Row is the answer to one question.
type Row struct {
	Account string `json:"account"`          // 12 digits
	Region  string `json:"region,omitempty"` // "" where there is one for all Regions
	Check   string `json:"check"`
	Subject string `json:"subject,omitempty"` // which rule, role, policy, queue or function
	Status  Status `json:"status"`
	Detail  string `json:"detail"`        // what was found, one sentence
	Fix     string `json:"fix,omitempty"` // what to do about it, one sentence; only beside Fail and Unknown

	// HubOnly marks what is Unknown to whoever is not the hub itself, and where all that others can see is well. It is
	// never OK, and needs nobody.
	HubOnly bool `json:"hubOnly,omitempty"`
}

func (r Row) fine() bool { return r.Status == OK || r.HubOnly }

// Healthy reports whether no row needs anybody.
func Healthy(rows []Row) bool {
	return !slices.ContainsFunc(rows, func(r Row) bool { return !r.fine() })
}

// Findings are the rows that need somebody. What was skipped is behind one of them.
func Findings(rows []Row) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.fine() || r.Status == Skipped })
}

var order = []string{
	CheckOrganization, CheckSCP, CheckBus, CheckTable, CheckQueue, CheckFunction, CheckEnter, CheckRole, CheckTake, CheckTrail, CheckRule, CheckDeadLetters, CheckCanary,
}

// sorted puts rows in the order of the report: the organization, the hub, then account by account.
func sorted(rows []Row) []Row {
	slices.SortStableFunc(rows, func(a, b Row) int {
		return cmp.Or(
			cmp.Compare(chapter(a), chapter(b)), strings.Compare(a.Account, b.Account), strings.Compare(a.Region, b.Region),
			cmp.Compare(slices.Index(order, a.Check), slices.Index(order, b.Check)), strings.Compare(a.Subject, b.Subject))
	})
	return rows
}

func chapter(r Row) int {
	switch r.Check {
	case CheckOrganization, CheckSCP:
		return 0
	case CheckBus, CheckTable, CheckQueue, CheckFunction:
		return 1
	default:
		return 2
	}
}
