package migration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

// shelf is a memory that can be listed, and whose parts can fail.
type shelf struct {
	*memory
	groups   map[string][]store.Document
	bad      *store.Unreadable // listed too
	aside    []store.Unreadable
	noLoad   error
	noGroups error
	noList   error
	noAdd    error
	noRead   error
	badEntry bool
}

func newShelf() *shelf {
	return &shelf{memory: &memory{lists: map[string]map[string]json.RawMessage{}}, groups: map[string][]store.Document{}}
}

func (s *shelf) store() *migration.Documents { return migration.NewStore(s, s) }

func (s *shelf) Load(ctx context.Context, group, id string) (store.Document, error) {
	if s.noLoad != nil {
		return store.Document{ID: id, Revision: 1, Body: json.RawMessage(`{}`)}, s.noLoad
	}
	return s.memory.Load(ctx, group, id)
}

func (s *shelf) Groups(context.Context) ([]string, error) {
	var names []string
	for name := range s.groups {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, s.noGroups
}

func (s *shelf) List(_ context.Context, group string, yield func(store.Document, *store.Unreadable) error) error {
	if s.noList != nil {
		return s.noList
	}
	for _, doc := range s.groups[group] {
		doc.Group = group
		if err := yield(doc, nil); err != nil {
			return err
		}
	}
	if s.bad != nil && s.bad.Group == group {
		return yield(store.Document{}, s.bad)
	}
	return nil
}

func (s *shelf) SetAside(_ context.Context, bad store.Unreadable) error {
	s.aside = append(s.aside, bad)
	return nil
}

func (s *shelf) Add(ctx context.Context, list, id string, body json.RawMessage) error {
	if s.noAdd != nil {
		return s.noAdd
	}
	return s.memory.Add(ctx, list, id, body)
}

func (s *shelf) Read(ctx context.Context, list string, yield func(string, json.RawMessage, *store.Unreadable) error) error {
	if s.noRead != nil {
		return s.noRead
	}
	if s.badEntry && strings.HasPrefix(list, "migration|flips|") {
		err := yield("x", nil, &store.Unreadable{Kind: "list", ID: "x"})
		if _, is := errors.AsType[*store.Unreadable](err); err != nil && !is {
			return err
		}
	}
	return s.memory.Read(ctx, list, func(id string, body json.RawMessage, bad *store.Unreadable) error {
		err := yield(id, body, bad)
		if _, is := errors.AsType[*store.Unreadable](err); is { // it would be set aside
			return nil
		}
		return err
	})
}

// long is a job whose lists are longer than one keeps.
func long(turns, flips, denials, ended int) migration.Job {
	j := job(migration.Observing)
	at := func(i int) time.Time { return now.Add(time.Duration(i) * time.Minute) }
	for i := range turns {
		j.History = append(j.History, migration.Turn{At: at(i), To: migration.Observing, Reason: fmt.Sprint("turn ", i)})
	}
	for i := range flips {
		j.Flips = append(j.Flips, migration.Flip{At: at(i), Key: fmt.Sprint("flip ", i)})
	}
	for i := range denials {
		j.Denials = append(j.Denials, migration.Denial{At: at(i), EventID: fmt.Sprint("event ", i), Principal: role("app"), Answer: migration.AnswerPage})
	}
	j.Rescues = append(j.Rescues, migration.Rescue{GrantID: "grant 0", Principal: role("open"), Until: at(0)})
	for i := range ended {
		j.Rescues = append(j.Rescues, migration.Rescue{GrantID: fmt.Sprint("grant ", i), Principal: role("app"), Until: at(i), Ended: at(i + 1)})
	}
	return j
}

func (s *shelf) save(t *testing.T, j migration.Job) migration.Job {
	t.Helper()
	if err := s.store().Save(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	got, err := s.store().Load(t.Context(), j.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// apart lists what is kept apart of a list: its ids, and the words of its elements in their order.
func (s *shelf) apart(list, word string) []string {
	var out []string
	for _, body := range s.lists["migration|"+list+"|"+arn("db")] {
		var v map[string]any
		_ = json.Unmarshal(body, &v)
		text := fmt.Sprint(v[word])
		if v["later"] != nil {
			text += " (whole)"
		}
		out = append(out, text)
	}
	slices.Sort(out)
	return out
}

func TestWhatIsOldOfAJobIsKeptApart(t *testing.T) {
	s := newShelf()
	j := s.save(t, long(23, 22, 21, 22))
	if len(j.History) != 20 || len(j.Flips) != 20 || len(j.Denials) != 20 || len(j.Rescues) != 21 || j.Rescues[0].Principal != role("open") {
		t.Errorf("%d turns, %d flips, %d denials, %d rescues", len(j.History), len(j.Flips), len(j.Denials), len(j.Rescues))
	}
	if diff := cmp.Diff(migration.Earlier{History: 3, Flips: 2, Denials: 1, Rescues: 2}, j.Earlier); diff != "" {
		t.Errorf("earlier (-want +got):\n%s", diff)
	}
	// A newer version keeps more in each element than this one knows.
	var body map[string]any
	if err := json.Unmarshal(s.doc.Body, &body); err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"history", "flips", "denials", "rescues"} {
		for _, element := range body[list].([]any) {
			element.(map[string]any)["later"] = true
		}
	}
	s.doc.Body, _ = json.Marshal(body)
	more := long(25, 24, 23, 24)
	j.History, j.Flips, j.Denials = more.History[3:], more.Flips[2:], more.Denials[1:]
	j.Rescues = slices.Concat(more.Rescues[:1], more.Rescues[3:])
	j = s.save(t, j)
	if diff := cmp.Diff(migration.Earlier{History: 5, Flips: 4, Denials: 3, Rescues: 4}, j.Earlier); diff != "" {
		t.Errorf("earlier (-want +got):\n%s", diff)
	}
	for list, c := range map[string]struct {
		word string
		want []string
	}{
		"history": {"reason", []string{"turn 0", "turn 1", "turn 2", "turn 3 (whole)", "turn 4 (whole)"}},
		"flips":   {"key", []string{"flip 0", "flip 1", "flip 2 (whole)", "flip 3 (whole)"}},
		"denials": {"eventId", []string{"event 0", "event 1 (whole)", "event 2 (whole)"}},
		"rescues": {"grantId", []string{"grant 0", "grant 1", "grant 2 (whole)", "grant 3 (whole)"}},
	} {
		if diff := cmp.Diff(c.want, s.apart(list, c.word)); diff != "" {
			t.Errorf("%s apart (-want +got):\n%s", list, diff)
		}
	}
	for id := range s.lists["migration|history|"+arn("db")] {
		if id < "00000000" || id > "00000004" || len(id) != 8 {
			t.Errorf("a turn is kept under %s", id)
		}
	}
	happened, unreadable, err := s.store().Happened(t.Context(), j)
	if err != nil || len(unreadable) > 0 || len(happened) != 25+24+23+25 {
		t.Errorf("%d things happened, unreadable %+v, error %v", len(happened), unreadable, err)
	}
	if !slices.IsSortedFunc(happened, func(a, b migration.Happened) int { return a.At.Compare(b.At) }) {
		t.Error("what happened is in no order")
	}
	s.noAdd = errDied
	j.History = append(j.History, migration.Turn{At: now, Reason: "one more"})
	if err := s.store().Save(t.Context(), j); !errors.Is(err, errDied) {
		t.Errorf("a turn that cannot be kept apart: %v", err)
	}
}

func TestAListThatFitsStaysWhole(t *testing.T) {
	s := newShelf()
	j := s.save(t, long(20, 20, 20, 20))
	if diff := cmp.Diff(migration.Earlier{}, j.Earlier); diff != "" || len(s.lists) > 0 || len(j.History) != 20 || len(j.Rescues) != 21 {
		t.Errorf("%+v, apart %v", j.Earlier, s.lists)
	}
}

func TestWhatHappenedIsSaidInOrder(t *testing.T) {
	s := newShelf()
	j := job(migration.Observing)
	j.History = []migration.Turn{{At: now, To: migration.Planned, By: "w"}, {At: now.Add(3 * time.Hour), To: migration.Rekeyed, Reason: "proven", By: "w"}}
	j.Flips = []migration.Flip{{At: now.Add(time.Hour), Key: "k"}}
	j.Denials = []migration.Denial{{At: now.Add(2 * time.Hour), Principal: "p", EventID: "e", Answer: migration.AnswerPage}}
	j.Rescues = []migration.Rescue{{Until: now.Add(4 * time.Hour), Principal: "p", GrantID: "g"}}
	got, bad, err := s.store().Happened(t.Context(), j)
	want := []migration.Happened{
		{At: now, What: "phase", Detail: "planned", By: "w"},
		{At: now.Add(time.Hour), What: "moved back", Detail: "found under k"},
		{At: now.Add(2 * time.Hour), What: "denied read", Detail: "p in event e, answer page"},
		{At: now.Add(3 * time.Hour), What: "phase", Detail: "rekeyed: proven", By: "w"},
		{At: now.Add(4 * time.Hour), What: "access restored", Detail: "p until then, by grant g"},
	}
	if diff := cmp.Diff(want, got); diff != "" || len(bad) > 0 || err != nil {
		t.Errorf("unreadable %+v, error %v (-want +got):\n%s", bad, err, diff)
	}
	_ = s.Add(t.Context(), "migration|denials|"+j.Secret, "e-0", json.RawMessage(`[]`))
	s.badEntry = true
	got, bad, err = s.store().Happened(t.Context(), j)
	if len(got) != len(want) || len(bad) != 2 || err != nil {
		t.Errorf("%d things, unreadable %+v, error %v", len(got), bad, err)
	}
	s.noRead = errDied
	if _, _, err := s.store().Happened(t.Context(), j); !errors.Is(err, errDied) {
		t.Errorf("lists that cannot be read: %v", err)
	}
}

// A job that cannot be read is listed as that, and set aside; the others are listed all the same.
func TestJobsAreListedWithWhatCannotBeRead(t *testing.T) {
	s := newShelf()
	of := func(account, name string) string { return strings.Replace(arn(name), shop, account, 1) }
	body := func(account, name string) store.Document {
		j := job(migration.Observing)
		j.Secret = of(account, name)
		raw, _ := json.Marshal(j)
		return store.Document{ID: j.Secret, Revision: 7, Body: raw}
	}
	s.groups = map[string][]store.Document{shop: {body(shop, "a"), {ID: arn("torn"), Revision: 1, Body: json.RawMessage(`[]`)}, body(shop, "b")}, data: {body(data, "c")}}
	s.bad = &store.Unreadable{Group: shop, ID: "hidden"}
	jobs, unreadable, err := migration.All(t.Context(), s.store())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, j := range jobs {
		names = append(names, fmt.Sprint(j.Secret, " ", j.Revision))
	}
	if diff := cmp.Diff([]string{arn("a") + " 7", arn("b") + " 7", of(data, "c") + " 7"}, names); diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
	if len(unreadable) != 2 || unreadable[0].ID != arn("torn") || unreadable[1].ID != "hidden" || len(s.aside) != 1 {
		t.Errorf("unreadable %+v, set aside %+v", unreadable, s.aside)
	}
	for name, fail := range map[string]func(*shelf){"groups": func(s *shelf) { s.noGroups = errDied }, "list": func(s *shelf) { s.noList = errDied }} {
		broken := newShelf()
		broken.groups = s.groups
		fail(broken)
		if _, _, err := migration.All(t.Context(), broken.store()); !errors.Is(err, errDied) {
			t.Errorf("%s: %v", name, err)
		}
	}
	calls := 0
	err = s.store().List(t.Context(), func(migration.Job, *store.Unreadable) error { calls++; return errDied })
	if !errors.Is(err, errDied) || calls != 1 {
		t.Errorf("%d calls after an error, %v", calls, err)
	}
}

func TestASecretWithoutAJobHasNone(t *testing.T) {
	s := newShelf()
	if j, err := s.store().Load(t.Context(), arn("db")); err != nil || j.Secret != "" {
		t.Errorf("%+v, error %v", j, err)
	}
	s.noLoad = errDied
	if _, err := s.store().Load(t.Context(), arn("db")); !errors.Is(err, errDied) {
		t.Errorf("error %v", err)
	}
}

// A secret is found by whatever names it, its own name or that of its copy; where a job that may be of it cannot be read, that is said.
func TestASecretIsFoundByWhatNamesIt(t *testing.T) {
	s := newShelf()
	doc := func(account, name string, copies ...migration.ReplicaTo) store.Document {
		j := job(migration.Observing)
		j.Secret, j.Name, j.Account, j.Copies = strings.Replace(arn(name), shop, account, 1), name, account, copies
		raw, _ := json.Marshal(j)
		return store.Document{ID: j.Secret, Revision: 7, Body: raw}
	}
	in := func(arn, where string) string { return strings.Replace(arn, ":"+region+":", ":"+where+":", 1) }
	partial := func(arn string) string { return strings.TrimSuffix(arn, "-AbCdEf") }
	lake, db := strings.Replace(arn("lake"), shop, data, 1), arn("db")
	torn := store.Document{ID: arn("torn"), Revision: 1, Body: json.RawMessage(`[]`)}
	s.groups = map[string][]store.Document{shop: {doc(shop, "db", migration.ReplicaTo{Region: other, Moved: now}), torn, doc(shop, "lake2")}, data: {doc(data, "lake")}}
	e := &migration.Engine{Store: s.store()}
	for sentence, c := range map[string]struct {
		account, region, id string
		want                string
		unread              bool
	}{
		"by its ARN":                                  {shop, region, db, db, false},
		"by its ARN without the end":                  {shop, region, partial(db), db, false},
		"by an ARN that is a beginning of its ARN":    {data, region, partial(lake)[:len(partial(lake))-1], "", false},
		"by an ARN of another secret":                 {shop, region, arn("d"), "", false},
		"by its name":                                 {shop, region, "db", db, false},
		"by its name, behind one that cannot be read": {shop, region, "lake2", arn("lake2"), false},
		"by its name in another account":              {data, region, "lake", lake, false},
		"by the name of a secret of another account":  {data, region, "db", "", false},
		"by another name":                             {data, region, "sea", "", false},
		"by its copy's ARN":                           {shop, other, in(db, other), db, false},
		"by its copy's ARN without the end":           {shop, other, partial(in(db, other)), db, false},
		"by its copy's name":                          {shop, other, "db", db, false},
		"by a name where it has no copy":              {data, other, "lake", "", false},
		"by an ARN where it has no copy":              {data, other, in(lake, other), "", false},
		"one that cannot be read":                     {shop, region, arn("torn"), "", true},
		"one that cannot be read, without the end":    {shop, region, partial(arn("torn")), "", true},
		"a name that may be one that cannot be read":  {shop, region, "torn", "", true},
		"nothing": {shop, region, "", "", false},
	} {
		found, err := e.Find(t.Context(), guard.SecretRef{Account: c.account, Region: c.region, ID: c.id})
		if _, unread := errors.AsType[*store.Unreadable](err); found != c.want || unread != c.unread || (err != nil) != c.unread {
			t.Errorf("%s: %q, want %q; error %v", sentence, found, c.want, err)
		}
	}
	saved := s.save(t, job(migration.Sealed))
	s.noList = errDied
	if found, err := e.Find(t.Context(), guard.SecretRef{Account: shop, Region: region, ID: saved.Secret}); found != saved.Secret || err != nil {
		t.Errorf("whose ARN is whole is found without a list: %q, error %v", found, err)
	}
	s.noLoad = errDied
	if _, err := e.Find(t.Context(), guard.SecretRef{Account: shop, Region: region, ID: saved.Secret}); !errors.Is(err, errDied) {
		t.Errorf("where its job cannot be read: %v", err)
	}
}
