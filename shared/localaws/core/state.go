package core

import "reflect"

// Regional is what a service keeps in a location: of each type T one value, made on first use. The state lock must be
// held.
func Regional[T any](a *AWS, at Location, made func() *T) *T {
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

// Global is what a service keeps for the whole of AWS: of each type T one value, made on first use. It needs no lock.
func Global[T any](a *AWS, made func() *T) *T {
	if kept, ok := a.globals.Load(reflect.TypeFor[T]()); ok {
		return kept.(*T)
	}
	kept, _ := a.globals.LoadOrStore(reflect.TypeFor[T](), made())
	return kept.(*T)
}

func trailAt(a *AWS, at Location) *trailStore { return Regional(a, at, newTrailStore) }

// account is what belongs to an account as a whole.
type account struct {
	ID       string
	roles    map[string]*Identity
	users    map[string]*Identity
	policies map[string]*managedPolicy // by ARN
}

// account is an account's state, made on first use. The state lock must be held.
func (a *AWS) account(id string) *account {
	if found, ok := a.accounts[id]; ok {
		return found
	}
	made := &account{ID: id, roles: map[string]*Identity{}, users: map[string]*Identity{}, policies: map[string]*managedPolicy{}}
	a.accounts[id] = made
	return made
}
