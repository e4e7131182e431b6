package demo_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/cmd/doublelock/demo/local/localtest"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/testdata/config"
)

// entry is a line of the timeline; its number is no part of it.
type entry struct {
	Time, Stage, Account, Region, Actor, Resource, Control, Finding string
	Detail                                                          detail
}

// detail of a message is its subject, of 100 characters at most: where the name of a Region is longer, that of the resource
// is cut.
type detail string

// Equal reports whether two details are the same, but for how much of the name is cut.
func (d detail) Equal(other detail) bool {
	before, after, short := d.cut()
	otherBefore, otherAfter, otherShort := other.cut()
	if !short && !otherShort {
		return d == other
	}
	return (strings.HasPrefix(before, otherBefore) || strings.HasPrefix(otherBefore, before)) &&
		(strings.HasSuffix(after, otherAfter) || strings.HasSuffix(otherAfter, after))
}

// cut is what stands before and after what was cut out; all of it twice where nothing was.
func (d detail) cut() (before, after string, short bool) {
	before, after, short = strings.Cut(string(d), "...")
	if !short {
		after = before
	}
	return before, after, short
}

// playIn plays the story in a partition and returns its timeline as it was printed.
func playIn(t *testing.T, partition arn.Partition) (*local.Organization, string) {
	t.Helper()
	var out bytes.Buffer
	env := &command.Env{Printer: output.New(&out, io.Discard, os.Getenv)}
	env.Format = output.FormatJSON
	w, stop, err := demo.Play(t.Context(), env, local.Options{Partition: partition, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	return w, out.String()
}

// random are the ids that AWS draws: keys, suffixes of secrets, policies of an organization.
var random = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|:secret:[\w/!-]+-[A-Za-z0-9]{6}\b|\bp-[0-9a-z]{8}\b`)

// neutral writes a timeline without its partition, its Regions and its random ids. Each id becomes a number in the order
// of their appearance, so that two that were the same still are.
func neutral(t *testing.T, w *local.Organization, timeline string) []entry {
	t.Helper()
	suffix := "." + w.Partition.Suffix()
	for _, region := range []string{w.Home(), w.Second()} {
		if forms := w.Partition.ViaService("secretsmanager", region); len(forms) > 1 { // which of them AWS uses is not documented
			timeline = strings.ReplaceAll(timeline, `[\"`+strings.Join(forms, `\",\"`)+`\"]`, `\"`+forms[0]+`\"`)
		}
	}
	text := strings.NewReplacer(
		w.Home()+suffix, "home.host", w.Second()+suffix, "second.host",
		w.Home(), "home", w.Second(), "second", "arn:"+string(w.Partition)+":", "arn:",
	).Replace(timeline)
	numbers := map[string]string{}
	text = random.ReplaceAllStringFunc(text, func(id string) string {
		kept := ""
		if strings.HasPrefix(id, ":secret:") {
			kept = id[:len(id)-len("AbCdEf")]
		}
		numbers[id] = cmp.Or(numbers[id], fmt.Sprintf("%s#%d", kept, len(numbers)+1))
		return numbers[id]
	})
	var all []entry
	for decoder := json.NewDecoder(strings.NewReader(text)); decoder.More(); {
		var e entry
		if err := decoder.Decode(&e); err != nil {
			t.Fatal(err)
		}
		all = append(all, e)
	}
	return all
}

// states are the lock states that the hub has recorded, by the name of the secret and where it is.
func states(t *testing.T, w *local.Organization) map[string]guard.LockState {
	t.Helper()
	all := map[string]guard.LockState{}
	err := w.Records.All(t.Context(), func(rec guard.Record, _ *store.Unreadable) error {
		at := arn.Of(rec.Resource)
		if rec.GoneAt.IsZero() && rec.State != "" {
			region := map[string]string{w.Home(): "home", w.Second(): "second"}[at.Region]
			all[strings.Join([]string{at.Account, region, at.Name()[:len(at.Name())-len("-AbCdEf")]}, " ")] = rec.State
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// Amazon Q Developer is in the standard partition alone, so nobody chats in the others. All else is the same story.
func TestTheStoryIsTheSameInEveryPartition(t *testing.T) {
	w, timeline := playIn(t, arn.Standard)
	wantStates := states(t, w)
	chats := 0
	want := slices.DeleteFunc(neutral(t, w, timeline), func(e entry) bool {
		chat := e.Stage == "notified" && strings.HasPrefix(string(e.Detail), "chat: ")
		if chat {
			chats++
		}
		return chat
	})
	if len(want) < 150 || chats == 0 || len(wantStates) < 10 {
		t.Fatalf("%d lines, %d chats, %d secrets: too little to compare with", len(want), chats, len(wantStates))
	}
	for _, partition := range config.Partitions() {
		t.Run(string(partition), func(t *testing.T) {
			w, timeline := playIn(t, partition)
			if partition != arn.Standard {
				if diff := gocmp.Diff(want, neutral(t, w, timeline)); diff != "" {
					t.Errorf("timeline (-aws +%s):\n%s", partition, diff)
				}
				if diff := gocmp.Diff(wantStates, states(t, w)); diff != "" {
					t.Errorf("lock states (-aws +%s):\n%s", partition, diff)
				}
			}
			if foreign := localtest.OfOtherPartitions(partition, timeline); foreign != nil {
				t.Errorf("the timeline names %q", foreign)
			}
			texts, own := 0, 0
			everyText(reflect.ValueOf(w.AWS), map[visit]bool{}, func(path, text string) {
				texts++
				own += strings.Count(text, "arn:"+string(partition)+":")
				if foreign := localtest.OfOtherPartitions(partition, text); foreign != nil {
					t.Errorf("%s names %q:\n%.400s", path, foreign, text)
				}
			})
			if own < 1000 {
				t.Errorf("only %d ARNs in %d texts: this is not the whole state", own, texts)
			}
		})
	}
}

// visit is a value that may be reached in several ways.
type visit struct {
	at   uintptr
	kind reflect.Type
}

// everyText calls a function with every string and every run of bytes that can be reached from a value, unexported fields
// included: an AWS has no call that lists all that it holds.
func everyText(v reflect.Value, seen map[visit]bool, see func(path, text string)) {
	walk(v, "", seen, see)
}

func walk(v reflect.Value, path string, seen map[visit]bool, see func(path, text string)) {
	switch v.Kind() {
	case reflect.String:
		see(path, v.String())
	case reflect.Pointer, reflect.Map:
		if v.IsNil() || seen[visit{v.Pointer(), v.Type()}] {
			return
		}
		seen[visit{v.Pointer(), v.Type()}] = true
		if v.Kind() == reflect.Pointer {
			walk(v.Elem(), path, seen, see)
			return
		}
		for _, key := range v.MapKeys() {
			walk(key, path+"[key]", seen, see)
			walk(v.MapIndex(key), path+"[]", seen, see)
		}
	case reflect.Interface:
		walk(v.Elem(), path, seen, see)
	case reflect.Slice, reflect.Array:
		if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
			see(path, string(v.Bytes()))
			return
		}
		for i := range v.Len() {
			walk(v.Index(i), path+"[]", seen, see)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, seen, see)
		}
	}
}
