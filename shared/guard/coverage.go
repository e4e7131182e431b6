package guard

import (
	"slices"
	"time"
)

// OrgCoverage is the control on the guard itself: it can see what it guards.
const OrgCoverage ControlID = "DL.ORG.1"

// CoverageControl is the control behind OrgCoverage. No Evaluate runs it: it fails when a look itself is refused.
func CoverageControl() Control {
	return Control{
		ID: OrgCoverage, Severity: SeverityHigh,
		Title: "Doublelock cannot look here",
		Why:   "What the guard is not allowed to see is not guarded, and from outside that looks like all is well.",
		Fix:   "Deploy the member stack to the account and Region, and let the role doublelock-read describe secrets and keys.",
	}
}

// ReconcileUnseen moves a record to "we were not allowed to look": the state is unknown, the coverage finding is open,
// everything else stays as it was last seen. It is told in every mode: silence is what it is about.
func ReconcileUnseen(rec Record, s Secret, why string, now time.Time, cause Cause) Record {
	r := reconciler{rec: rec, secret: s, now: now.UTC(), cause: cause}
	r.rec.Findings = slices.Clone(rec.Findings)
	r.rec.Outbox = slices.Clone(rec.Outbox)
	r.rec.Resource, r.rec.Account, r.rec.Region, r.rec.Name = s.ARN, s.Account, s.Region, s.Name
	r.moveState(StateUnknown)
	control := CoverageControl()
	told := len(r.rec.Outbox)
	r.moveFinding(Verdict{Control: control, Outcome: Fail, Detail: why, Fix: control.Fix})
	tellAlways(r.rec.Outbox[told:])
	return r.rec
}

// ReconcileSeen resolves the coverage finding of a record: we may look again.
func ReconcileSeen(rec Record, now time.Time, cause Cause) Record {
	r := reconciler{rec: rec, now: now.UTC(), cause: cause}
	r.rec.Findings = slices.Clone(rec.Findings)
	r.rec.Outbox = slices.Clone(rec.Outbox)
	told := len(r.rec.Outbox)
	r.moveFinding(Verdict{Control: CoverageControl(), Outcome: Pass})
	tellAlways(r.rec.Outbox[told:])
	return r.rec
}

func tellAlways(notices []Notice) {
	for i := range notices {
		notices[i].Decision = Decision{Tell: true, Reason: "a blind spot is told in every mode"}
	}
}
