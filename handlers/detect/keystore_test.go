package detect_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// storeCall is the event of a call about a custom key store, which names none of its keys.
func storeCall(name, store string) string {
	raw, err := json.Marshal(map[string]any{
		"version": "0", "id": "envelope-" + name, "detail-type": "AWS API Call via CloudTrail", "source": "aws.kms",
		"account": account, "region": region, "time": "2026-11-21T09:00:01Z", "resources": []any{}, "detail": map[string]any{
			"eventVersion": "1.11", "eventTime": "2026-11-21T09:00:00Z", "awsRegion": region, "recipientAccountId": account, "eventSource": "kms.amazonaws.com",
			"eventName": name, "eventType": "AwsApiCall", "managementEvent": true, "readOnly": false, "userIdentity": identity(alice),
			"requestParameters": map[string]any{"customKeyStoreId": store}, "responseElements": nil, "eventID": "e-" + name,
		},
	})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// A custom key store takes all its keys with it, and none of them is named.
func TestACustomKeyStoreLeadsToEverySecretWithACopyUnderItsKeys(t *testing.T) {
	const store = "cks-1234567890abcdef0"
	w := newWorld()
	w.aliased(cmk)
	set := func(name string, state guard.KeyState) {
		k := w.keys[name]
		k.State, k.Store, k.ID = state, store, name[len(name)-4:]
		k.Account, k.Region = account, region
		w.keys[name] = k
	}
	set(cmk, guard.KeyEnabled)
	set(secondCMK, guard.KeyEnabled)
	h := w.handler()
	outside := w.add("outside", "")
	for _, s := range []*guard.Secret{w.add("one", cmk), w.add("two", secondCMK), outside} {
		handle(t, h, call{name: "CreateSecret", secret: s.ARN}.body())
	}
	for _, step := range []struct {
		event string
		state guard.KeyState
		want  []string
	}{
		{"UpdateCustomKeyStore", guard.KeyEnabled, nil},
		{"DisconnectCustomKeyStore", guard.KeyUnavailable, []string{"incident_opened", "incident_opened", "finding_opened DL.SECRET.4", "finding_opened DL.SECRET.4"}},
		{"ConnectCustomKeyStore", guard.KeyUnavailable, nil}, // that takes minutes
		{"ConnectCustomKeyStore", guard.KeyEnabled, []string{"key_restored", "key_restored", "finding_resolved DL.SECRET.4", "finding_resolved DL.SECRET.4"}},
	} {
		set(cmk, step.state)
		set(secondCMK, step.state)
		w.published = nil
		handle(t, h, storeCall(step.event, store))
		if diff := cmp.Diff(step.want, w.kinds()); diff != "" {
			t.Errorf("%s, the keys are %s: published (-want +got):\n%s", step.event, step.state, diff)
		}
		var named []string
		for _, n := range w.published {
			if n.Kind == guard.NoticeIncident {
				for _, a := range n.Blast.Stops {
					named = append(named, a.Name)
				}
			}
		}
		if step.event == "DisconnectCustomKeyStore" && !cmp.Equal(named, []string{"one", "two"}) {
			t.Errorf("stops: %q", named)
		}
	}
	w.published = nil
	handle(t, h, storeCall("DisconnectCustomKeyStore", "cks-of-others"))
	if len(w.published) > 0 {
		t.Errorf("published %v of a store with no key", w.kinds())
	}
	w.trip = func(step string) error {
		if step == "list keys" {
			return fmt.Errorf("ListKeys: %w", guard.ErrDenied)
		}
		return nil
	}
	handle(t, h, storeCall("DisconnectCustomKeyStore", store))
	if len(w.published) != 1 || w.published[0].Kind != guard.NoticeTampered || !strings.Contains(w.published[0].Detail, store) {
		t.Errorf("its keys may not be listed: published %+v", w.published)
	}
}
