package core

import (
	"cmp"
	"iter"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/settings"
)

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

// ARN is the ARN of a resource of a service in this location.
func (l Location) ARN(service, resource string) string {
	return arn.PartitionOf(l.Region).New(service, l.Region, l.Account, resource).String()
}

// Locate takes location and resource from an ARN of a service. ok is false for what is none, and for an ARN of another
// partition, which AWS does not take either.
func (a *AWS) Locate(text, service string) (at Location, resource string, ok bool) {
	parsed := arn.Of(text)
	if parsed.Service != service || parsed.Partition != a.Options.Partition {
		return Location{}, "", false
	}
	return Location{Account: parsed.Account, Region: parsed.Region}, parsed.Resource, true
}

// HasRegion reports whether AWS has a Region in this partition.
func (a *AWS) HasRegion(region string) bool {
	return settings.Partition(region) == string(a.Options.Partition)
}

// home is where a service with one endpoint for a whole partition keeps state and records: the signing Region of that
// endpoint in the SDK's rules.
func home(p arn.Partition, service string) string {
	switch p {
	case "aws-cn":
		if service == "organizations" {
			return "cn-northwest-1"
		}
		return "cn-north-1"
	case "aws-us-gov":
		return "us-gov-west-1"
	case "aws-eusc":
		return "eusc-de-east-1"
	case "aws-iso":
		return "us-iso-east-1"
	case "aws-iso-b":
		return "us-isob-east-1"
	case "aws-iso-e":
		return "eu-isoe-west-1"
	case "aws-iso-f":
		return "us-isof-south-1"
	}
	return "us-east-1"
}

// noSuchRegion is what AWS answers where the credential scope names a Region that an endpoint does not serve.
func noSuchRegion(p Protocol, region string) error {
	code := "InvalidSignatureException"
	if p == Query {
		code = "SignatureDoesNotMatch"
	}
	return &Error{Code: code, Message: "Credential should be scoped to a valid region, not '" + region + "'.", Status: http.StatusForbidden}
}

// Reply is a JSON object that an operation answers.
type Reply = map[string]any

// Epoch is a time as the JSON protocols write it, in seconds; nil for the zero time, so that omitempty drops it.
func Epoch(t time.Time) *float64 {
	if t.IsZero() {
		return nil
	}
	seconds := float64(t.UnixMilli()) / 1000
	return &seconds
}

// ISO is a time as the XML protocols and CloudTrail write it.
func ISO(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// Page cuts one page out of n items: from the index in the token, size long. Next is "" at the end.
func Page(n int, token string, size, most int) (from, to int, next string, err error) {
	if size <= 0 || size > most {
		size = most
	}
	if token != "" {
		if from, err = PageStart(token); err != nil {
			return 0, 0, "", err
		}
	}
	from = min(from, n)
	to = min(from+size, n)
	if to < n {
		next = PageToken(to)
	}
	return from, to, next, nil
}

// EveryLocation yields the locations with any state, in no order. The state lock must be held.
func (a *AWS) EveryLocation() iter.Seq[Location] { return maps.Keys(a.locations) }

func SortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func (a *AWS) SortedLocations() []Location {
	return slices.SortedFunc(maps.Keys(a.locations), func(x, y Location) int {
		return cmp.Or(cmp.Compare(x.Account, y.Account), cmp.Compare(x.Region, y.Region))
	})
}
