package detect_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// The event of a promotion names the replica alone; what is recorded of its primary ends with it all the same.
func TestAReplicaThatBecameASecretOfItsOwnEndsWhatIsRecordedOfItsPrimary(t *testing.T) {
	w := newWorld()
	s := w.add("app", cmk)
	s.PrimaryRegion = region
	s.Replicas = []guard.Replica{{Region: "eu-west-1", Key: guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}, Status: "InSync"}}
	h := w.handler()
	h.Regions = []string{region, "eu-west-1", "us-east-1"}
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	if diff := cmp.Diff([]string{"finding_opened DL.SECRET.3"}, w.kinds()); diff != "" {
		t.Fatalf("published (-want +got):\n%s", diff)
	}
	s.Replicas, s.PrimaryRegion = nil, ""
	promoted := *s
	promoted.ARN, promoted.Region, promoted.KeyID = arn.Of(s.ARN).In("eu-west-1").String(), "eu-west-1", ""
	promoted.Versions = []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{{}}}}
	w.secrets[promoted.ARN] = &promoted
	w.published = nil
	handle(t, h, call{name: "StopReplicationToReplica", secret: promoted.ARN}.body())
	if got := strings.Join(w.kinds(), ", "); !strings.Contains(got, "finding_resolved DL.SECRET.3") || !strings.Contains(got, "finding_opened DL.SECRET.1") {
		t.Errorf("published %s", got)
	}
	if held := w.load(s.ARN).Held.Elsewhere; len(held) > 0 {
		t.Errorf("the primary still has %+v", held)
	}
}

// The same of a copy in another account, whose primary has another ARN: the index leads there, by the copy's key.
func TestACopyInAnotherAccountThatBecameASecretOfItsOwnEndsWhatIsRecordedOfItsPrimary(t *testing.T) {
	const far = "444455556666"
	w := newWorld()
	w.aliased(cmk)
	copied := w.add("copy", secondCMK)
	delete(w.secrets, copied.ARN)
	copied.ARN, copied.Account = "arn:aws:secretsmanager:"+region+":"+far+":secret:copy-GhIjKl", far
	w.secrets[copied.ARN] = copied
	s := w.add("app", cmk)
	s.Elsewhere = guard.Elsewhere{Listing: guard.Listed, Copies: []guard.AccountCopy{{ARN: copied.ARN, Account: far, Region: region, Status: "InSync", Key: w.key(secondCMK), Listing: guard.Listed}}}
	h := w.handler()
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	if held := w.load(s.ARN).Held.Elsewhere; len(held) != 1 {
		t.Fatalf("recorded %+v", held)
	}
	s.Elsewhere = guard.Elsewhere{Listing: guard.Listed}
	handle(t, h, call{name: "StopReplicationToReplica", secret: copied.ARN}.body())
	if held := w.load(s.ARN).Held.Elsewhere; len(held) > 0 {
		t.Errorf("the primary still has %+v", held)
	}
}
