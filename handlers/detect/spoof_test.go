package detect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
)

// Whoever may make roles in an account that no SCP guards can give one any name with our prefix, and its session too.
func TestARoleThatOnlyLooksLikeOursSilencesNothing(t *testing.T) {
	const imposter = "arn:aws:sts::111122223333:assumed-role/doublelock-ops/doublelock-detect"
	for name, tt := range map[string]struct {
		event call
		want  []string
	}{
		"it disables a key": {call{name: "DisableKey", key: cmk, actor: imposter}, []string{"incident_opened", "finding_opened DL.SECRET.4"}},
		"it is denied reads": {call{name: "GetSecretValue", secret: arnOf("app"), actor: imposter, errorCode: "AccessDenied"},
			[]string{"read_denied"}},
		"it is denied a secret": {call{name: "CreateSecret", secret: "app", actor: imposter, errorCode: "AccessDenied"},
			[]string{"attempt_denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.add("app", cmk)
			h := w.handler()
			handle(t, h, call{name: "CreateSecret", secret: arnOf("app")}.body())
			w.published = nil
			w.turn(cmk, guard.KeyDisabled)
			handle(t, h, tt.event.body())
			if diff := cmp.Diff(tt.want, w.kinds()); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}

// Readers fail whoever switched the key off, so no name keeps an incident quiet: not even one of our own.
func TestAKeySwitchedOffInOurNameIsAnIncident(t *testing.T) {
	for _, actor := range []string{ownWork, "arn:aws:sts::111122223333:assumed-role/doublelock-killswitch/doublelock-incident"} {
		w := newWorld()
		w.add("app", cmk)
		h := w.handler()
		handle(t, h, call{name: "CreateSecret", secret: arnOf("app")}.body())
		w.published = nil
		w.turn(cmk, guard.KeyDisabled)
		handle(t, h, call{name: "DisableKey", key: cmk, actor: actor}.body())
		if diff := cmp.Diff([]string{"incident_opened", "finding_opened DL.SECRET.4"}, w.kinds()); diff != "" {
			t.Errorf("%s: published (-want +got):\n%s", actor, diff)
		}
	}
}

// A key whose policy keeps us out, or one in somebody else's organization, must not be the way to hide a secret.
func TestASecretWhoseKeyCannotBeReadIsABlindSpotAndNotSilence(t *testing.T) {
	const theirs = "arn:aws:kms:eu-central-1:999999999999:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	w := newWorld()
	w.mode = guard.ModeObserve // and yet it is told
	w.keys[theirs] = guard.Key{ARN: theirs, Account: "999999999999", Region: region}
	w.add("app", theirs)
	h := w.handler()
	create := call{name: "CreateSecret", secret: arnOf("app")}.body()
	handle(t, h, create, create)
	if diff := cmp.Diff([]string{"finding_opened DL.ORG.1"}, w.kinds()); diff != "" {
		t.Fatalf("published (-want +got):\n%s", diff)
	}
	if n := w.published[0]; !n.Notified() || n.Finding.Describe() != "the metadata of its key "+theirs+" could not be read" {
		t.Errorf("notified %v, detail %q", n.Notified(), n.Finding.Describe())
	}
	w.now = w.now.Add(time.Minute)
	k := w.keys[cmk]
	k.ARN = theirs
	w.keys[theirs] = k // its policy lets us look now
	delete(w.remember, theirs)
	handle(t, h, call{name: "PutSecretValue", secret: arnOf("app")}.body())
	if diff := cmp.Diff([]string{"finding_opened DL.ORG.1", "finding_resolved DL.ORG.1"}, w.kinds()); diff != "" {
		t.Errorf("published in the end (-want +got):\n%s", diff)
	}
}

// Names are the account's to choose, up to 512 characters: enough of them must not make an incident too big to be told.
func TestLongNamesDoNotKeepAnIncidentFromFittingIntoAnEvent(t *testing.T) {
	w := newWorld()
	for i := range 400 {
		s := w.add(fmt.Sprintf("%04d/%s", i, strings.Repeat("n", 500)), "")
		switch i % 2 {
		case 0:
			w.rekey(s, cmk)
		default:
			s.KeyID = cmk
			w.put(s)
		}
		handle(t, w.handler(), call{name: "CreateSecret", secret: s.ARN}.body())
	}
	w.published = nil
	w.turn(cmk, guard.KeyDisabled)
	handle(t, w.handler(), call{name: "DisableKey", key: cmk}.body())
	raw, err := json.Marshal(w.published[0])
	if err != nil {
		t.Fatal(err)
	}
	if len(raw) > 240*1024 {
		t.Errorf("incident of %d bytes, EventBridge takes 262,144", len(raw))
	}
	if counts := w.published[0].Blast.Counts(); counts.Stops != 200 || counts.Remains != 200 {
		t.Errorf("%d stop, %d remain; want all 400 counted", counts.Stops, counts.Remains)
	}
}

// Whose account a copy is in is asked of AWS Organizations. While that cannot say, nothing is opened and nothing is resolved.
func TestACopyOutsideTheOrganizationIsAFinding(t *testing.T) {
	w := newWorld()
	s := w.add("app", cmk)
	set := func(copies ...guard.AccountCopy) {
		changed := w.secrets[s.ARN]
		changed.Elsewhere = guard.Elsewhere{Listing: guard.Listed, Copies: copies}
		w.secrets[s.ARN] = changed
		w.now = w.now.Add(time.Minute)
	}
	far := guard.AccountCopy{ARN: "arn:aws:secretsmanager:us-east-1:999900001111:secret:app-GhIjKl", Account: "999900001111", Region: "us-east-1", Status: "InSync"}
	member, down := false, error(nil)
	h := w.handler()
	h.Member = func(context.Context, string) (bool, error) { return member, down }
	for _, step := range []struct {
		sentence string
		world    func()
		want     []string
	}{
		{"nobody can say whose it is", func() { set(far); down = guard.ErrUnavailable }, nil},
		{"nobody may ask whose it is", func() { set(far); down = guard.ErrDenied }, nil},
		{"it is not ours", func() { set(far); down = nil }, []string{"finding_opened DL.SECRET.7"}},
		{"nobody can say it any more", func() { set(far); down = guard.ErrThrottled }, nil},
		{"the account has joined", func() { set(far); member, down = true, nil }, []string{"finding_resolved DL.SECRET.7"}},
		{"it has left again", func() { set(far); member = false }, []string{"finding_opened DL.SECRET.7"}},
		{"the copy is gone", func() { set() }, []string{"finding_resolved DL.SECRET.7"}},
	} {
		w.published = nil
		step.world()
		handle(t, h, call{name: "PutSecretValue", secret: s.ARN}.body())
		var got []string
		for _, kind := range w.kinds() {
			if strings.HasSuffix(kind, "DL.SECRET.7") {
				got = append(got, kind)
			}
		}
		if diff := cmp.Diff(step.want, got); diff != "" {
			t.Errorf("%s: published (-want +got):\n%s", step.sentence, diff)
		}
	}
}

// An alias or a tag can approve a key, and taking it away can make it one that is not approved.
func TestTagsOfAKeyThatApprovedItAreLookedAt(t *testing.T) {
	w := newWorld()
	k := w.keys[cmk]
	k.Tags = map[string]string{"approved": "yes"}
	w.keys[cmk] = k
	s := w.add("app", cmk)
	h := w.handler()
	h.Standard.Approved.Tags, h.Approval = map[string]string{"approved": "yes"}, protecting("r-root")
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	if len(w.published) > 0 {
		t.Fatalf("published %v of an approved key", w.kinds())
	}
	k.Tags = map[string]string{}
	w.keys[cmk] = k
	handle(t, h, call{name: "UntagResource", key: cmk}.body())
	k.Tags = map[string]string{"approved": "yes"}
	w.keys[cmk] = k
	w.now = w.now.Add(time.Minute)
	handle(t, h, call{name: "TagResource", key: cmk}.body())
	if diff := cmp.Diff([]string{"finding_opened DL.SECRET.5", "finding_resolved DL.SECRET.5"}, w.kinds()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

// protecting says that the SCP which keeps people from approving keys is attached to these, below one root.
func protecting(attached ...string) *fleet.Approval {
	return &fleet.Approval{
		Management: "999999999999", Now: time.Now, Changes: &fleet.Changes{Now: time.Now},
		SCPs:      func(context.Context) ([]fleet.SCP, error) { return []fleet.SCP{{Targets: attached}}, nil },
		Protected: func([]string, string, string) guard.Outcome { return guard.Pass },
		Path: func(context.Context, string) ([]string, time.Time, error) {
			return []string{"r-root"}, time.Time{}, nil
		},
	}
}

// Whoever approves the key himself is told so, and is not rid of the finding: nothing is resolved, so nothing says DONE.
func TestAKeyThatItsOwnerApprovesStaysAFinding(t *testing.T) {
	w := newWorld()
	k := w.keys[cmk]
	k.Tags, k.Aliases = map[string]string{}, []string{}
	w.keys[cmk] = k
	s := w.add("app", cmk)
	h := w.handler()
	h.Standard.Approved = guard.Approved{Tags: map[string]string{"approved": "yes"}, Aliases: []string{"alias/approved"}}
	h.Approval = protecting("ou-elsewhere")
	said := func() string {
		var all []string
		for _, f := range w.load(s.ARN).Open() {
			all = append(all, f.Describe())
		}
		return strings.Join(all, "; ")
	}
	handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	if got := said(); got != "its key "+cmk+" is not approved" {
		t.Errorf("before: %s", got)
	}
	for _, c := range []struct {
		name    string
		approve func(*guard.Key)
		want    string
	}{
		{"TagResource", func(k *guard.Key) { k.Tags = map[string]string{"approved": "yes"} }, "its key " + cmk + " is approved by a tag that its owner can write"},
		{"CreateAlias", func(k *guard.Key) { k.Aliases = []string{"alias/approved"} }, "its key " + cmk + " is approved by an alias that its owner can move"},
	} {
		c.approve(&k)
		w.keys[cmk] = k
		w.now = w.now.Add(time.Minute)
		handle(t, h, call{name: c.name, key: cmk}.body())
		handle(t, h, call{name: "TagResource", secret: s.ARN}.body())
		if got := said(); got != c.want {
			t.Errorf("after %s: %s", c.name, got)
		}
	}
	if diff := cmp.Diff([]string{"finding_opened DL.SECRET.5"}, w.kinds()); diff != "" {
		t.Errorf("published (-want +got):\n%s", diff)
	}
}

func TestAGrantOnAKeyThatHoldsNoSecretAsksKMSNothing(t *testing.T) {
	w := newWorld()
	w.add("app", "")
	h := w.handler()
	handle(t, h, call{name: "CreateSecret", secret: arnOf("app")}.body())
	asked := 0
	w.trip = func(step string) error {
		if step == "describe key" {
			asked++
		}
		return nil
	}
	handle(t, h, call{name: "CreateGrant", key: cmk}.body())
	if asked > 0 {
		t.Errorf("KMS was asked %d times", asked)
	}
}
