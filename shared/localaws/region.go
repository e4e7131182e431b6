package localaws

import (
	"cmp"
	"encoding/json"
	"iter"
	"maps"
	"reflect"
	"slices"
	"time"
)

// regional is what a service keeps in a location: of each type T one value, made on first use. The state lock must be
// held.
func regional[T any](a *AWS, at location, made func() *T) *T {
	state, ok := a.locations[at]
	if !ok {
		state = map[reflect.Type]any{}
		a.locations[at] = state
	}
	kept, ok := state[reflect.TypeFor[T]()].(*T)
	if !ok {
		kept = made()
		state[reflect.TypeFor[T]()] = kept
	}
	return kept
}

// global is what a service keeps for the whole of AWS: of each type T one value, made on first use. It needs no lock.
func global[T any](a *AWS, made func() *T) *T {
	if kept, ok := a.globals.Load(reflect.TypeFor[T]()); ok {
		return kept.(*T)
	}
	kept, _ := a.globals.LoadOrStore(reflect.TypeFor[T](), made())
	return kept.(*T)
}

func trailAt(a *AWS, at location) *trailStore { return regional(a, at, newTrailStore) }

// account is what belongs to an account as a whole.
type account struct {
	ID       string
	roles    map[string]*identity
	users    map[string]*identity
	policies map[string]*managedPolicy // by ARN
}

// account is an account's state, made on first use. The state lock must be held.
func (a *AWS) account(id string) *account {
	if found, ok := a.accounts[id]; ok {
		return found
	}
	made := &account{ID: id, roles: map[string]*identity{}, users: map[string]*identity{}, policies: map[string]*managedPolicy{}}
	a.accounts[id] = made
	return made
}

// reply is a JSON object that an operation answers.
type reply = map[string]any

// epoch is a time as the JSON protocols write it, in seconds; nil for the zero time, so that omitempty drops it.
func epoch(t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	seconds := float64(t.UnixMilli()) / 1000
	return &seconds
}

// iso is a time as the XML protocols and CloudTrail write it.
func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// page cuts one page out of n items: from the index in the token, size long. Next is "" at the end.
func page(n int, token string, size, most int) (from, to int, next string, err error) {
	if size <= 0 || size > most {
		size = most
	}
	if token != "" {
		if from, err = pageStart(token); err != nil {
			return 0, 0, "", err
		}
	}
	from = min(from, n)
	to = min(from+size, n)
	if to < n {
		next = pageToken(to)
	}
	return from, to, next, nil
}

// everyLocation yields the locations with any state, in no order. The state lock must be held.
func (a *AWS) everyLocation() iter.Seq[location] { return maps.Keys(a.locations) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (a *AWS) sortedLocations() []location {
	return slices.SortedFunc(maps.Keys(a.locations), func(x, y location) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Region, y.Region))
	})
}

func asJSON(v any) ([]byte, error) { return json.Marshal(v) }
