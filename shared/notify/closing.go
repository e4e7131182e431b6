package notify

import (
	"slices"

	"github.com/doublelock/doublelock/shared/guard"
)

// closing is what a notice leaves to do.
type closing int

const (
	notClosed  closing = iota // something
	closedOnly                // nothing here: what it was about is gone or replaced, which does not make anything better
	closedWell                // nothing: all is well
)

func closingOf(n guard.Notice) closing {
	switch n.Kind {
	case guard.NoticeResolved:
		return resolvedAs(n)
	case guard.NoticeRekeyed:
		if n.State == guard.StateSealed {
			return closedWell
		}
	case guard.NoticeKeyRestored:
		if n.Blast == nil || n.Blast.Now().Usable() {
			return closedWell
		}
	}
	return notClosed
}

func resolvedAs(n guard.Notice) closing {
	switch {
	case n.Finding == nil:
		return closedWell
	case !n.Finding.End.Known() || slices.Contains([]guard.Ending{guard.EndMoot, guard.EndRemoved, guard.EndReplica, guard.EndUnknown}, n.Finding.End):
		return closedOnly
	case n.Finding.Control == guard.SecretKeyUnusable && n.Finding.End == guard.EndMoved && (n.State == guard.StateDefault || n.State == guard.StateDrifted):
		return closedOnly // under the AWS managed key, and the key that failed is as it was
	case n.Finding.Control == guard.SecretDefaultKey && n.State != guard.StateSealed && n.Finding.End != guard.EndGone:
		return closedOnly // under a CMK, and older copies are not
	case n.Finding.End == "" && (n.State == guard.StateDefault || n.State == guard.StateDrifted):
		return closedOnly // written before endings were, and under the AWS managed key
	default:
		return closedWell
	}
}

// resolved is the headline of a finding's end: what is true now, not what was wrong.
func resolved(n guard.Notice) (before, after string) {
	if n.Finding == nil {
		return "", " is fine again"
	}
	f, control := *n.Finding, OneLine(string(n.Finding.Control))
	switch {
	case f.End == guard.EndGone:
		return "", " was deleted"
	case f.End == guard.EndRemoved:
		return "What failed of ", " does not count any more"
	case f.End == guard.EndReplica:
		return "", " is a replica now"
	case f.End.Known() && resolvedAs(n) == closedOnly && (n.State == guard.StateDefault || n.State == guard.StateDrifted):
		return "", " is under the AWS managed key now"
	case f.End == guard.EndMoot:
		return control + " does not apply to ", " any more"
	case !f.End.Known():
		return control + " was closed for ", " by a newer version"
	case f.End == guard.EndMoved:
		return "", " is under keys that can be used"
	case f.End == guard.EndUnknown:
		return "", " is under a CMK, not proven yet"
	case f.Control == guard.SecretDefaultKey && n.State != guard.StateSealed:
		return "", " is under a CMK, not sealed yet"
	case f.Control == guard.SecretDefaultKey, f.Control == guard.SecretNotSealed:
		return "", " is sealed"
	case f.Control == guard.SecretReplicaKey:
		return "The replicas of ", " are in sync, under CMKs"
	case f.Control == guard.SecretKeyUnusable:
		return "The key of ", " can be used again"
	case f.Control == guard.SecretKeyUnapproved:
		return "", " is under an approved key"
	case f.Control == guard.SecretForeignKey:
		return "", " (service-owned) is under a CMK"
	case f.Control == guard.SecretOutside:
		return "No copy of ", " is outside the organization any more"
	case f.Control == guard.OrgCoverage:
		return "Doublelock can look again: ", ""
	case f.Control == guard.OrgStorage:
		return "", " is readable again, or was settled"
	default:
		return "Resolved for ", " (" + control + ")"
	}
}

// Closing says of a finding that ended what it was, and what is left; "" for other notices.
func Closing(n guard.Notice) string {
	if n.Kind != guard.NoticeResolved {
		return ""
	}
	what := Headline(n)
	if n.Finding != nil {
		what = OneLine(n.Finding.Title) + " (" + OneLine(string(n.Finding.Control)) + ")"
	}
	switch {
	case resolvedAs(n) == closedWell:
		return "Resolved: " + what + ". There is nothing to do."
	case n.Finding.End == guard.EndUnknown:
		return "Closed: " + what + ", because the key is set. Whether older copies still open with the previous key could not be read: every sweep looks again."
	case !n.Finding.End.Known():
		return "Closed: " + what + ", by a newer version of Doublelock, for a reason that this one does not know."
	case n.Finding.End == guard.EndRemoved:
		return "Closed: " + what + ", because what failed is not among its labelled copies any more. What fails now is a finding of its own."
	case n.Finding.End == guard.EndReplica:
		return "Closed: " + what + ", because the secret is a replica now. What fails of it is a finding of its primary."
	case n.Finding.End != guard.EndMoot && n.State != guard.StateDefault && n.State != guard.StateDrifted:
		return "Resolved: " + what + ". Older copies still open with the previous key until two new versions are written."
	default:
		return "Closed: " + what + ", because it does not apply any more. What fails now is a finding of its own."
	}
}
