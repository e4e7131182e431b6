package detect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/handlers/detect"
	"github.com/doublelock/doublelock/shared/guard"
)

const ireland = "eu-west-1"

// leaving is a world in which a secret is recorded that has a replica in Ireland.
func leaving(t *testing.T) (*world, *detect.Handler, *guard.Secret) {
	w := newWorld()
	irish := w.keys[cmk]
	irish.ARN, irish.Region = irishCMK, ireland
	w.keys[irishCMK] = irish
	w.keys[secondCMK] = guard.Key{ARN: secondCMK, ID: secondCMK, Account: account, Region: region, Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	h := w.handler()
	h.Regions = []string{region, ireland}
	s := w.add("app", cmk)
	s.Replicas = []guard.Replica{{Region: ireland, KeyID: irishCMK, Status: "InSync", Listing: guard.Listed,
		Versions: []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{irish}}}}}
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	return w, h, s
}

// promote makes a secret of its own of the replica.
func (w *world) promote(s *guard.Secret) *guard.Secret {
	own := w.add("promoted", irishCMK)
	delete(w.secrets, own.ARN)
	own.ARN, own.Name, own.Region = strings.ReplaceAll(s.ARN, region, ireland), s.Name, ireland
	w.secrets[own.ARN], s.Replicas = own, nil
	return own
}

// again deletes a secret and makes another of its name.
func (w *world) again(s *guard.Secret) *guard.Secret {
	own := w.add("again", cmk)
	delete(w.secrets, own.ARN)
	delete(w.secrets, s.ARN)
	own.ARN, own.Name = strings.ReplaceAll(s.ARN, "AbCdEf", "GhIjKl"), s.Name
	w.secrets[own.ARN] = own
	return own
}

// The events of it were lost: the index leads to the secret that was, and what took its place, or that of a replica, is under the key.
func TestAKeyEventLeadsToTheSecretThatSucceedsASecretOrAReplica(t *testing.T) {
	for sentence, c := range map[string]struct {
		lost func(*world, *guard.Secret) *guard.Secret
		key  string
	}{
		"the replica was promoted":                      {(*world).promote, irishCMK},
		"it was deleted, and made again":                {(*world).again, cmk},
		"it was deleted after its replica was promoted": {func(w *world, s *guard.Secret) *guard.Secret { delete(w.secrets, s.ARN); return w.promote(s) }, irishCMK},
	} {
		t.Run(sentence, func(t *testing.T) {
			w, h, s := leaving(t)
			own := c.lost(w, s)
			w.now, w.published = w.now.Add(time.Minute), nil
			w.turn(c.key, guard.KeyDisabled)
			handle(t, h, call{name: "DisableKey", key: c.key}.body())
			if len(w.published) == 0 || w.published[0].Kind != guard.NoticeIncident {
				t.Fatalf("published %v", w.kinds())
			}
			if stops := w.published[0].Blast.Stops; len(stops) != 1 || stops[0].Secret != own.ARN {
				t.Errorf("the incident says that these stop: %+v", stops)
			}
			rec := w.load(own.ARN)
			if open := rec.Open(); len(open) == 0 || open[0].Control != guard.SecretKeyUnusable {
				t.Errorf("recorded of %s: %+v", own.ARN, open)
			}
			if rec, is := w.secrets[s.ARN]; is && len(rec.Replicas) > 0 || len(w.load(s.ARN).Held.Elsewhere) > 0 {
				t.Errorf("%s is still said to have a replica", s.ARN)
			}
		})
	}
}

// A row of the index goes only after the place that it stands for was looked at.
func TestARecordKeepsAReplicaUntilWhatIsLeftOfItWasLookedAt(t *testing.T) {
	w, h, s := leaving(t)
	own := w.promote(s)
	w.now = w.now.Add(time.Minute)
	w.refusal[s.Name] = guard.ErrThrottled // what is asked for by its name
	w.turn(irishCMK, guard.KeyDisabled)
	handle(t, h, call{name: "DisableKey", key: irishCMK}.body())
	if held := w.load(s.ARN).Held.Elsewhere; len(held) != 1 {
		t.Errorf("recorded %+v", held)
	}
	if unknown := w.published[len(w.published)-1].Blast.Unknown; len(unknown) != 1 {
		t.Errorf("unknown: %+v", unknown)
	}
	delete(w.refusal, s.Name)
	handle(t, h, call{name: "UpdateSecret", secret: s.ARN}.body())
	if held := w.load(s.ARN).Held.Elsewhere; len(held) != 0 || len(w.load(own.ARN).Open()) == 0 {
		t.Errorf("recorded %+v and %+v", held, w.load(own.ARN))
	}
}

// While a replica is taken away its Region may still know it as one.
func TestAReplicaThatItsPrimaryListsNoMoreIsLookedAtASingleTime(t *testing.T) {
	w, h, s := leaving(t)
	w.promote(s).PrimaryRegion = region
	w.describes = 0
	handle(t, h, call{name: "RemoveRegionsFromReplication", secret: s.ARN}.body())
	if w.describes != 2 || len(w.load(s.ARN).Held.Elsewhere) != 0 {
		t.Errorf("%d looks, recorded %+v", w.describes, w.load(s.ARN).Held)
	}
}

// overwritten is a world in which a promoted replica is recorded as a secret of its own, with a finding, and was replaced by a replica again.
func overwritten(t *testing.T) (w *world, h *detect.Handler, s, own *guard.Secret) {
	w, h, s = leaving(t)
	again := s.Replicas[0]
	own = w.promote(s)
	own.Replicas = nil
	handle(t, h, call{name: "StopReplicationToReplica", secret: s.ARN}.body())
	w.turn(irishCMK, guard.KeyDisabled)
	handle(t, h, call{name: "DisableKey", key: irishCMK}.body())
	if open := w.load(own.ARN).Open(); len(open) == 0 || len(w.load(s.ARN).Held.Elsewhere) != 0 {
		t.Fatalf("recorded %+v and %+v", w.load(s.ARN), w.load(own.ARN))
	}
	w.published, w.now = nil, w.now.Add(time.Minute)
	own.PrimaryRegion, again.KeyID = region, ""
	again.Key = guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
	again.Versions = []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{again.Key}}}
	s.Replicas = []guard.Replica{again}
	return w, h, s, own
}

// A secret that was replaced by a replica of another leaves no record of its own: its copies are that one's.
func TestARecordEndsWhenItsSecretIsReplacedByAReplica(t *testing.T) {
	for sentence, event := range map[string]func(s, own *guard.Secret) string{
		"the event of the replication":                 func(s, _ *guard.Secret) string { return call{name: "ReplicateSecretToRegions", secret: s.ARN}.body() },
		"an event of it as it was, the other was lost": func(_, own *guard.Secret) string { return call{name: "UpdateSecret", secret: own.ARN}.body() },
		"an event of its key, all others were lost":    func(_, _ *guard.Secret) string { return call{name: "DisableKey", key: irishCMK}.body() },
	} {
		t.Run(sentence, func(t *testing.T) {
			w, h, s, own := overwritten(t)
			handle(t, h, event(s, own))
			rec := w.load(own.ARN)
			if len(rec.Open()) > 0 || len(rec.Entries()) > 0 || rec.Findings[0].End != guard.EndReplica {
				t.Errorf("recorded of it: %+v", rec)
			}
			if held := w.load(s.ARN).Held.Elsewhere; len(held) != 1 {
				t.Errorf("recorded of the other: %+v", held)
			}
			for _, n := range w.published {
				if n.Blast != nil && len(n.Blast.Unknown)+len(n.Blast.Stops) > 0 {
					t.Errorf("an incident says of it: %+v", n.Blast)
				}
			}
			w.published = nil
			handle(t, h, call{name: "DisableKey", key: irishCMK}.body())
			for _, n := range w.published {
				if n.Blast != nil && n.Blast.Counts().Unknown > 0 {
					t.Errorf("a later incident says of it: %+v", n.Blast)
				}
			}
		})
	}
}

// Until the primary says that it has the replica, what is recorded of it stays.
func TestARecordOfAReplicaStaysWhileItsPrimaryDoesNotListIt(t *testing.T) {
	for sentence, lost := range map[string]func(*world, *guard.Secret, *guard.Secret){
		"it lists none":            func(_ *world, s, _ *guard.Secret) { s.Replicas = nil },
		"it may not be looked at":  func(w *world, s, _ *guard.Secret) { w.refusal[s.ARN] = guard.ErrDenied },
		"the replica is no secret": func(w *world, _, own *guard.Secret) { delete(w.secrets, own.ARN); w.refusal[own.ARN] = guard.ErrDenied },
		"it was not overwritten":   func(_ *world, s, own *guard.Secret) { own.PrimaryRegion, s.Replicas[0].Status = "", "Failed" },
	} {
		t.Run(sentence, func(t *testing.T) {
			w, h, s, own := overwritten(t)
			lost(w, s, own)
			handle(t, h, call{name: "ReplicateSecretToRegions", secret: s.ARN}.body())
			handle(t, h, call{name: "DisableKey", key: irishCMK}.body())
			if open := w.load(own.ARN).Open(); len(open) == 0 {
				t.Errorf("recorded of it: %+v", w.load(own.ARN))
			}
			if n := w.published[len(w.published)-1]; n.Blast != nil && n.Blast.Counts().Unknown+n.Blast.Counts().Stops == 0 {
				t.Errorf("an incident says of it: %+v", n.Blast)
			}
		})
	}
}
