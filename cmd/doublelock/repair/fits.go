package repair

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

// unfit says why a body is none for the row of a copy, or why the row would say something with it that cannot be: it was edited
// by hand, and may be another row's. "" is that it fits.
func unfit(q store.Quarantined, body []byte, lose bool) (string, error) {
	bad, err := check(q, body)
	switch {
	case err != nil:
		return "", err
	case bad != nil:
		return bad.Reason, nil //nolint:nilerr // that it does not fit is the answer
	case q.Kind == migration.DocumentKind:
		return unfitJob(q, body, lose)
	}
	var rec guard.Record
	if err := json.Unmarshal(body, &rec); err != nil {
		return "", err
	}
	return elsewhere(rec.Resource, rec.Account, rec.Region), nil
}

func unfitJob(q store.Quarantined, body []byte, lose bool) (string, error) {
	j, err := migration.ReadJob(q.Group, q.ID, body)
	if err != nil {
		return "", err
	}
	if where := elsewhere(j.Secret, j.Account, j.Region); where != "" {
		return where, nil
	}
	if named := "secret:" + j.Name + "-"; !strings.HasPrefix(arn.Of(j.Secret).Resource, named) {
		return fmt.Sprintf("its name %s is not the one in its ARN", j.Name), nil
	}
	if newer := j.Newer(); newer != "" {
		return newer, nil
	}
	if to := arn.Of(j.Target); j.Target != "" && (to.Service != "kms" || to.Region != j.Region) {
		return fmt.Sprintf("its target %s is the ARN of no key of %s", j.Target, j.Region), nil
	}
	if !j.Before.Recorded() && !lose && (j.Before != nil || j.UnderNewKey() || j.Setting() || hadBefore(q)) {
		return "it has no state from before the first change (before: key, state and time), and the secret could not be set back. Put it in, or say --without-way-back if the secret needs none", nil
	}
	return "", nil
}

// elsewhere says that a body names another account or Region than the ARN that it is of; "" is that it does not.
func elsewhere(resource, account, region string) string {
	of := arn.Of(resource)
	if of.Account == "" || account == of.Account && region == of.Region {
		return ""
	}
	return fmt.Sprintf("it is said to be in account %s and Region %s, and its ARN says %s and %s", account, region, of.Account, of.Region)
}

// hadBefore reports that the row that was copied had a way back, as far as it can be read.
func hadBefore(q store.Quarantined) bool {
	var was struct{ Before map[string]any }
	_ = json.Unmarshal([]byte(bodyOf(q)), &was) // fields of wrong types are skipped; of what is no JSON nothing is known
	return len(was.Before) > 0
}
