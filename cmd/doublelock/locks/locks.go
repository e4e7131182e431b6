// Package locks shows what the two locks of a secret say about a principal: words for tables, and the shape of JSON.
package locks

import (
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
	Answer     policy.Answer `json:"answer"`
	SecretLock Lock          `json:"secretLock"`
	KeyLock    Lock          `json:"keyLock"`
}

// ReaderOf is what -o json shows of a reader.
func ReaderOf(r inventory.Reader) Reader {
	return Reader{Principal: r.Principal, Secret: r.Secret, Key: r.Key, Answer: r.Answer, SecretLock: lockOf(r.SecretLock), KeyLock: lockOf(r.KeyLock)}
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
