// Package locks shows what the two locks of a secret say about a principal: words for tables, and the shape of JSON.
package locks

import (
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// LockWords are the answers of one lock as a table shows them.
var LockWords = map[policy.Answer]string{
	policy.Allowed: "open", policy.Unknown: "unknown", policy.ImplicitlyDenied: "closed", policy.ExplicitlyDenied: "denied",
}

// ReaderWords are the answers of both locks together.
var ReaderWords = map[policy.Answer]string{policy.Allowed: "yes", policy.Unknown: "unknown", policy.ImplicitlyDenied: "no"}

// Lock is one lock in -o json.
type Lock struct {
	Answer  policy.Answer `json:"answer"`
	Why     string        `json:"why"`
	Missing []string      `json:"missing,omitempty"` // condition keys that would decide
}

func lockOf(d policy.Decision) Lock {
	return Lock{Answer: d.Answer, Why: d.Why, Missing: d.Missing}
}

// Reader is one principal before one secret in -o json.
type Reader struct {
	Principal  string        `json:"principal"`
	Secret     string        `json:"secret"`
	Key        string        `json:"key"`
	Copy       string        `json:"copy,omitempty"` // which copy it is, where that is not the current version of the secret
	As         string        `json:"as,omitempty"`   // the session that opens it, where the principal itself does not
	Answer     policy.Answer `json:"answer"`
	SecretLock Lock          `json:"secretLock"`
	KeyLock    Lock          `json:"keyLock"`
	Assumed    string        `json:"assumed,omitempty"` // what the answer rests on that nobody read
	Path       *Path         `json:"path,omitempty"`    // how it comes to open it, where it does not directly
}

// ReaderOf is what -o json shows of a reader. assumed is Access.Assumed.
func ReaderOf(r inventory.Reader, assumed string) Reader {
	return Reader{Assumed: assumed, Principal: r.Principal, Secret: r.Secret, Key: r.Key, Copy: r.Copy, As: r.As, Answer: r.Answer, SecretLock: lockOf(r.SecretLock), KeyLock: lockOf(r.KeyLock)}
}

// Path is a way in steps in -o json.
type Path struct {
	Secret  string `json:"secret"`
	Certain bool   `json:"certain"`
	Reads   string `json:"reads"` // who reads it in the end
	Steps   []Step `json:"steps"`
}

// Step is one thing that somebody does on the way.
type Step struct {
	As       string `json:"as"`
	Action   string `json:"action"`
	Resource string `json:"resource"`
}

// PathOf is what -o json shows of a path.
func PathOf(p inventory.Path) Path {
	out := Path{Secret: p.Secret, Certain: p.Certain, Reads: p.Reads}
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, Step{As: s.As, Action: s.Action, Resource: s.Resource})
	}
	return out
}

// Far says in how many steps somebody comes to open a secret.
func Far(p inventory.Path) string {
	far := fmt.Sprintf("in %d steps", len(p.Steps))
	if len(p.Steps) == 1 {
		far = "in 1 step"
	}
	if !p.Certain {
		return "perhaps " + far
	}
	return far
}

// CountPaths counts those that are certain and those that are not.
func CountPaths(paths []inventory.Path) (certain, perhaps int) {
	for _, p := range paths {
		if p.Certain {
			certain++
		} else {
			perhaps++
		}
	}
	return certain, perhaps
}

// Steps are the steps of a path in words.
func Steps(p inventory.Path) string {
	var out []string
	as := p.Principal
	for _, s := range p.Steps {
		step := s.Action + " on " + s.Resource
		if s.As != as {
			step, as = "as "+s.As+" "+step, s.As
		}
		out = append(out, step)
	}
	if p.Reads != as && p.Reads != p.Steps[len(p.Steps)-1].Resource {
		out = append(out, "read as "+p.Reads)
	}
	return strings.Join(out, ", then ")
}

// Assuming is a reason with what it rests on that nobody read, if anything.
func Assuming(assumed, why string) string {
	if assumed == "" {
		return why
	}
	return assumed + "; " + why
}

// Decisive is the reason of the lock that made the answer.
func Decisive(r inventory.Reader) string {
	order := []policy.Decision{r.SecretLock, r.KeyLock}
	for _, want := range []policy.Answer{policy.ExplicitlyDenied, policy.ImplicitlyDenied, policy.Unknown} {
		for i, d := range order {
			if d.Answer == want {
				return []string{"secret: ", "key: "}[i] + d.Why
			}
		}
	}
	return r.Why()
}
