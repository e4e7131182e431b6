package inventory

import (
	"fmt"

	"github.com/doublelock/doublelock/shared/policy"
)

// AllowsWith is DecryptsWith for another action on the key through Secrets Manager, such as kms:GenerateDataKey, which
// writing a new version takes.
func (a *Access) AllowsWith(principalARN, secretARN string, k Key, action string) (policy.Decision, error) {
	s, err := a.Secret(secretARN)
	if err != nil {
		return policy.Decision{}, err
	}
	use := a.keyUse(s, k, "")
	var best policy.Decision
	for i, arn := range a.variants(principalARN) {
		w, err := a.asker(arn)
		if err != nil {
			return policy.Decision{}, fmt.Errorf("ask for %s: %w", principalARN, err)
		}
		d := refused(use.closed)
		if use.closed == "" {
			d = ask(w, &use.target, action)
		}
		if i == 0 || better(d.Answer, best.Answer) {
			best = d
		}
	}
	return best, nil
}
