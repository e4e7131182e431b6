package fleet_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/trail"
)

// shelf keeps documents, as the hub's table does.
type shelf struct {
	docs   map[string]store.Document
	failed error
	races  int // saves that somebody else comes before
}

func (s *shelf) Load(_ context.Context, group, id string) (store.Document, error) {
	if s.failed != nil {
		return store.Document{}, s.failed
	}
	doc := s.docs[group+id]
	doc.Group, doc.ID = group, id
	return doc, nil
}

func (s *shelf) Save(_ context.Context, doc store.Document, encode func(json.RawMessage) (json.RawMessage, error)) error {
	have := s.docs[doc.Group+doc.ID]
	if s.races--; s.races >= 0 || have.Revision != doc.Revision {
		return guard.ErrConflict
	}
	body, err := encode(have.Body)
	doc.Body, doc.Revision = body, doc.Revision+1
	s.docs[doc.Group+doc.ID] = doc
	return err
}

const ownerAccount = "333333333333"

// origins are those of an organization in which role/KeyManager may approve, and an alias or two tags do.
func originsOn(s *shelf) *fleet.Origins {
	return &fleet.Origins{
		Documents: s, Approved: guard.Approved{Aliases: []string{"alias/ok"}, Tags: map[string]string{"approved": "yes", "level": "2"}},
		Approver: func(role string) bool { return strings.HasSuffix(role, ":role/KeyManager") },
	}
}

// process is one of those that ask; the policy protects every account.
func process(s *shelf, marks fleet.Bookmarks, now func() time.Time) *fleet.Approval {
	return &fleet.Approval{
		Management: "111111111111", Now: now, Changes: &fleet.Changes{Bookmarks: marks, Now: now}, Origins: originsOn(s),
		SCPs:      func(context.Context) ([]fleet.SCP, error) { return attached("r-root"), nil },
		Protected: protects(guard.Pass),
		Path: func(context.Context, string) ([]string, time.Time, error) {
			return []string{"r-root"}, time.Time{}, nil
		},
	}
}

// did is a call on the key of approvedKey, seconds after a moment.
func did(seconds int, who, call string, about map[string]any) trail.Change {
	c := trail.Change{
		Kind: trail.LookAtKey, EventName: call, EventID: who + call, Time: time.Unix(1_000_000+int64(seconds), 0), Account: ownerAccount, Region: "us-east-1", Request: about,
		Key:   guard.KeyRef{Account: ownerAccount, Region: "us-east-1", ID: "1"},
		Actor: trail.Actor{Type: "AssumedRole", ARN: "arn:aws:sts::" + ownerAccount + ":assumed-role/" + who + "/s", RoleARN: "arn:aws:iam::" + ownerAccount + ":role/" + who},
	}
	if alias, _ := about["aliasName"].(string); alias != "" {
		c.Alias = "arn:aws:kms:us-east-1:" + ownerAccount + ":" + alias
	}
	return c
}

func tagsOf(pairs ...string) map[string]any {
	var tags []any
	for i := 0; i < len(pairs); i += 2 {
		tags = append(tags, map[string]any{"tagKey": pairs[i], "tagValue": pairs[i+1]})
	}
	return map[string]any{"tags": tags}
}

// judges checks whether a standard approves a key, and what is said of who wrote what approves it.
func judges(t *testing.T, a *fleet.Approval, standard guard.Approved, key guard.Key, want guard.Outcome, says string) {
	t.Helper()
	approved, err := a.Of(t.Context(), standard, key)
	if got := approved.Allows(key, key.Account); err != nil || got != want {
		t.Errorf("%s, error %v; want %s", got, err, want)
	}
	words := ""
	if _, doubt := approved.SelfApproved(key); doubt != nil {
		words = doubt.Words()
	}
	if !strings.Contains(words, says) || (words == "") != (says == "") {
		t.Errorf("it says %q, want %q", words, says)
	}
}

// An approval holds where whoever wrote it may approve keys, however late events come and in whatever order.
func TestAnAliasOrTagThatNoApproverWroteApprovesNothing(t *testing.T) {
	alias, other := map[string]any{"aliasName": "alias/ok"}, map[string]any{"aliasName": "alias/other"}
	tags, one := tagsOf("approved", "yes", "level", "2"), tagsOf("approved", "yes")
	named := approvedKey(ownerAccount)
	marked := named
	marked.Aliases, marked.Tags = []string{}, map[string]string{"approved": "yes", "level": "2"}
	both := marked
	both.Aliases = named.Aliases
	unnamed := did(1, "", "UpdateAlias", alias)
	unnamed.Actor = trail.Actor{}
	failed := did(1, "Engineer", "UpdateAlias", alias)
	failed.ErrorCode = "AccessDenied"
	whole := did(1, "Engineer", "UpdateAlias", alias)
	whole.Key.ID = named.ARN
	pathless := did(2, "KeyManager", "UpdateAlias", alias)
	pathless.Actor.RoleARN = ""
	const engineer = "arn:aws:sts::" + ownerAccount + ":assumed-role/Engineer/s, who is no approver, "
	for name, c := range map[string]struct {
		key    guard.Key
		events []trail.Change
		want   guard.Outcome
		words  string
	}{
		"nothing is known":                           {named, nil, guard.Pass, ""},
		"an engineer moved the alias":                {named, []trail.Change{did(1, "Engineer", "UpdateAlias", alias)}, guard.Fail, "an alias that " + engineer + "set at 1970-01-12 13:46 UTC"},
		"an event that names the key by its ARN":     {named, []trail.Change{whole}, guard.Fail, engineer},
		"an engineer made it":                        {named, []trail.Change{did(1, "Engineer", "CreateAlias", alias)}, guard.Fail, engineer},
		"another alias":                              {named, []trail.Change{did(1, "Engineer", "CreateAlias", other)}, guard.Pass, ""},
		"an approver moved it":                       {named, []trail.Change{did(1, "KeyManager", "UpdateAlias", alias)}, guard.Pass, ""},
		"an approver set it again":                   {named, []trail.Change{did(1, "Engineer", "UpdateAlias", alias), did(2, "KeyManager", "UpdateAlias", alias)}, guard.Pass, ""},
		"a session whose role nobody says":           {named, []trail.Change{did(1, "Engineer", "UpdateAlias", alias), pathless}, guard.Fail, "KeyManager"},
		"the approver's event came first":            {named, []trail.Change{did(2, "KeyManager", "UpdateAlias", alias), did(1, "Engineer", "UpdateAlias", alias)}, guard.Pass, ""},
		"the engineer's event came first":            {named, []trail.Change{did(2, "Engineer", "UpdateAlias", alias), did(1, "KeyManager", "UpdateAlias", alias)}, guard.Fail, engineer},
		"in one second":                              {named, []trail.Change{did(1, "Engineer", "UpdateAlias", alias), did(1, "KeyManager", "UpdateAlias", alias)}, guard.Fail, engineer},
		"in one second, the other way round":         {named, []trail.Change{did(1, "KeyManager", "UpdateAlias", alias), did(1, "Engineer", "UpdateAlias", alias)}, guard.Fail, engineer},
		"nobody is named":                            {named, []trail.Change{unnamed}, guard.Fail, "somebody whom the event does not name"},
		"it was refused":                             {named, []trail.Change{failed}, guard.Pass, ""},
		"an engineer tagged it":                      {marked, []trail.Change{did(1, "Engineer", "TagResource", tags)}, guard.Fail, "a tag that " + engineer + "wrote at"},
		"with one of the two tags":                   {marked, []trail.Change{did(1, "Engineer", "TagResource", one)}, guard.Fail, engineer},
		"with another value":                         {marked, []trail.Change{did(1, "Engineer", "TagResource", tagsOf("approved", "no", "x", "y"))}, guard.Pass, ""},
		"made with tags":                             {marked, []trail.Change{did(1, "Engineer", "CreateKey", tags)}, guard.Fail, engineer},
		"replicated with tags":                       {marked, []trail.Change{did(1, "Engineer", "ReplicateKey", tags)}, guard.Fail, engineer},
		"an approver wrote both again":               {marked, []trail.Change{did(1, "Engineer", "TagResource", one), did(2, "KeyManager", "TagResource", tags)}, guard.Pass, ""},
		"an approver wrote the other one":            {marked, []trail.Change{did(1, "Engineer", "TagResource", one), did(2, "KeyManager", "TagResource", one)}, guard.Fail, engineer},
		"the alias is an engineer's, the tags not":   {both, []trail.Change{did(1, "Engineer", "UpdateAlias", alias)}, guard.Pass, ""},
		"an approver's alias says nothing of a tag":  {marked, []trail.Change{did(1, "Engineer", "TagResource", tags), did(2, "KeyManager", "UpdateAlias", alias)}, guard.Fail, engineer},
		"it is another key's":                        {approvedKey("444444444444"), []trail.Change{did(1, "Engineer", "UpdateAlias", alias)}, guard.Pass, ""},
		"its tags were taken away and the key stays": {named, []trail.Change{did(1, "Engineer", "UntagResource", map[string]any{"tagKeys": []any{"approved"}})}, guard.Pass, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := process(&shelf{docs: map[string]store.Document{}, races: 2}, nil, time.Now)
			for _, e := range slices.Concat(c.events, c.events) { // each comes twice
				if err := a.Learn(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			standard := guard.Approved{Aliases: a.Origins.Approved.Aliases, Tags: a.Origins.Approved.Tags}
			judges(t, a, standard, c.key, c.want, c.words)
			standard.ARNs = []string{c.key.ARN}
			if approved, err := a.Of(t.Context(), standard, c.key); err != nil || approved.Allows(c.key, c.key.Account) != guard.Pass {
				t.Errorf("named by its ARN: error %v", err)
			}
		})
	}
}

// KMS says when an alias was set. A call of which nobody knows yet may be anybody's.
func TestAnAliasThatWasSetByACallThatNobodyKnowsOfApprovesNothing(t *testing.T) {
	alias, other := map[string]any{"aliasName": "alias/ok"}, map[string]any{"aliasName": "alias/other"}
	at := func(seconds int) time.Time { return time.Unix(1_000_000+int64(seconds), 0) }
	const hour, month = 3600, 30 * 24 * 3600
	named := func(set map[string]time.Time) guard.Key {
		k := approvedKey(ownerAccount)
		k.AliasesSet = set
		return k
	}
	setAt := func(seconds int) guard.Key { return named(map[string]time.Time{"alias/ok": at(seconds)}) }
	tagged := setAt(-60)
	tagged.Tags = map[string]string{"approved": "yes", "level": "2"}
	for name, c := range map[string]struct {
		key    guard.Key
		now    int
		events []trail.Change
		want   guard.Outcome
		words  string
	}{
		"a minute ago, and no event has come":          {setAt(-60), 0, nil, guard.Unknown, "alias/ok, which was set at 1970-01-12 13:45 UTC, and who set it is not known yet"},
		"an hour ago, before events were read":         {setAt(-hour), 0, nil, guard.Pass, ""},
		"at a time that is still to come":              {setAt(60), 0, nil, guard.Unknown, "not known yet"},
		"at a time that KMS does not say":              {named(nil), 0, nil, guard.Pass, ""},
		"another alias, a minute ago":                  {named(map[string]time.Time{"alias/ok": at(-hour), "alias/other": at(-60)}), 0, nil, guard.Pass, ""},
		"a minute ago, and a tag approves it, too":     {tagged, 0, nil, guard.Pass, ""},
		"by an approver":                               {setAt(1), 60, []trail.Change{did(1, "KeyManager", "UpdateAlias", alias)}, guard.Pass, ""},
		"by an approver, by a clock that goes slower":  {setAt(50), 60, []trail.Change{did(1, "KeyManager", "UpdateAlias", alias)}, guard.Pass, ""},
		"by somebody else":                             {setAt(1), 60, []trail.Change{did(1, "Engineer", "UpdateAlias", alias)}, guard.Fail, "who is no approver"},
		"after an approver's call":                     {setAt(600), 660, []trail.Change{did(1, "KeyManager", "UpdateAlias", alias)}, guard.Unknown, "not known yet"},
		"after it, and the event was lost":             {setAt(600), month, []trail.Change{did(1, "KeyManager", "UpdateAlias", alias)}, guard.Unknown, "not known yet"},
		"after it, and an approver has set it again":   {setAt(900), month, []trail.Change{did(1, "KeyManager", "UpdateAlias", alias), did(900, "KeyManager", "UpdateAlias", alias)}, guard.Pass, ""},
		"after a call of somebody else":                {setAt(600), month, []trail.Change{did(1, "Engineer", "UpdateAlias", alias)}, guard.Fail, "who is no approver"},
		"after an approver's call about another alias": {setAt(600), month, []trail.Change{did(1, "KeyManager", "UpdateAlias", other)}, guard.Pass, ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := process(&shelf{docs: map[string]store.Document{}}, nil, func() time.Time { return at(c.now) })
			for _, e := range c.events {
				if err := a.Learn(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
			judges(t, a, guard.Approved{Aliases: a.Origins.Approved.Aliases, Tags: a.Origins.Approved.Tags}, c.key, c.want, c.words)
		})
	}
}

// The hour in which an event may come passes by itself: nothing that is remembered of the key prolongs it.
func TestAnAliasThatIsOldByNowApprovesAgain(t *testing.T) {
	now := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC)
	key := approvedKey(ownerAccount)
	key.AliasesSet = map[string]time.Time{"alias/ok": now.Add(-59 * time.Minute)}
	a := process(&shelf{docs: map[string]store.Document{}}, nil, func() time.Time { return now })
	for _, want := range []guard.Outcome{guard.Unknown, guard.Pass} {
		approved, err := a.Of(t.Context(), guard.Approved{Aliases: []string{"alias/ok"}}, key)
		if got := approved.Allows(key, ownerAccount); err != nil || got != want {
			t.Errorf("%s, error %v; want %s", got, err, want)
		}
		now = now.Add(2 * time.Minute)
	}
}

// Where what was kept cannot be read it is not known who approved the key, and while the table does not answer nobody judges.
func TestWhatNobodyCanReadOfWhoApprovedAKeyApprovesNothing(t *testing.T) {
	key, standard := approvedKey(ownerAccount), guard.Approved{Aliases: []string{"alias/ok"}}
	for name, c := range map[string]struct {
		failed error
		body   string
		want   guard.Outcome
		err    bool
	}{
		"a row that is set aside":  {failed: &store.Unreadable{Kind: fleet.OriginKind}, want: guard.Unknown},
		"a row that is no JSON":    {body: `[]`, want: guard.Unknown},
		"there is no table":        {failed: guard.ErrGone, want: guard.Pass},
		"the table does not reply": {failed: guard.ErrThrottled, err: true},
	} {
		t.Run(name, func(t *testing.T) {
			s := &shelf{docs: map[string]store.Document{}, failed: c.failed}
			if c.body != "" {
				s.docs[ownerAccount+key.ARN] = store.Document{Revision: 1, Body: json.RawMessage(c.body)}
			}
			approved, err := process(s, nil, time.Now).Of(t.Context(), standard, key)
			if c.err {
				if !errors.Is(err, c.failed) {
					t.Errorf("error %v", err)
				}
				return
			}
			if got := approved.Allows(key, ownerAccount); err != nil || got != c.want {
				t.Errorf("%s, error %v; want %s", got, err, c.want)
			}
		})
	}
}

// One process reads the event. Who changes secrets knows it at the next question, all others within a minute, and whoever is sent
// to look because of it at once.
func TestEveryProcessLearnsWhoApprovedAKey(t *testing.T) {
	key, standard := approvedKey(ownerAccount), guard.Approved{Aliases: []string{"alias/ok"}}
	now := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	s, marks := &shelf{docs: map[string]store.Document{}}, &bookmarks{marks: map[string]string{}}
	reading, warm, sent, changing := process(s, marks, clock), process(s, marks, clock), process(s, marks, clock), process(s, marks, clock)
	changing.Afresh = true
	all := []*fleet.Approval{reading, warm, sent, changing}
	answers := func() []guard.Outcome {
		t.Helper()
		var got []guard.Outcome
		for _, a := range all {
			approved, err := a.Of(t.Context(), standard, key)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, approved.Allows(key, ownerAccount))
		}
		return got
	}
	if diff := cmp.Diff([]guard.Outcome{guard.Pass, guard.Pass, guard.Pass, guard.Pass}, answers()); diff != "" {
		t.Fatalf("before (-want +got):\n%s", diff)
	}
	if err := reading.Learn(t.Context(), did(1, "Engineer", "UpdateAlias", map[string]any{"aliasName": "alias/ok"})); err != nil {
		t.Fatal(err)
	}
	if err := sent.AskAgain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]guard.Outcome{guard.Fail, guard.Pass, guard.Fail, guard.Fail}, answers()); diff != "" {
		t.Errorf("at once (-want +got):\n%s", diff)
	}
	now = now.Add(time.Minute)
	if diff := cmp.Diff([]guard.Outcome{guard.Fail, guard.Fail, guard.Fail, guard.Fail}, answers()); diff != "" {
		t.Errorf("a minute later (-want +got):\n%s", diff)
	}
	var nobody *fleet.Approval
	if err := errors.Join(nobody.Learn(t.Context(), trail.Change{}), nobody.AskAgain(t.Context())); err != nil {
		t.Error(err)
	}
}
