package localaws

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// regionState is everything of one account that lives in one Region.
type regionState struct {
	secrets   *secretsManager
	keys      *kmsStore
	queues    *sqsStore
	topics    *snsStore
	tables    *dynamoStore
	buses     *eventStore
	functions *lambdaStore
	trail     *trailStore
}

// at is the state of a place, made on first use. The state lock must be held.
func (a *AWS) at(p place) *regionState {
	if state, ok := a.places[p]; ok {
		return state
	}
	state := &regionState{
		secrets:   newSecretsManager(),
		keys:      newKMSStore(),
		queues:    newSQSStore(),
		topics:    newSNSStore(),
		tables:    newDynamoStore(),
		buses:     newEventStore(),
		functions: newLambdaStore(),
		trail:     newTrailStore(),
	}
	a.places[p] = state
	return state
}

// region is the state of the place the call is addressed to.
func (c *call) region() *regionState { return c.aws.at(c.place) }

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

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (a *AWS) sortedPlaces() []place {
	return slices.SortedFunc(maps.Keys(a.places), func(x, y place) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Region, y.Region))
	})
}

func asJSON(v any) ([]byte, error) { return json.Marshal(v) }
