package keyreview_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
	"github.com/doublelock/doublelock/shared/trail"
)

// What a key carries that approves keys, since when and by whom: by the last call that gave it, wherever in the trail it is.
func TestKeysThatCarryWhatApprovesThem(t *testing.T) {
	const in, key, other = "arn:aws:kms:eu-west-1:333333333333:", "arn:aws:kms:eu-west-1:333333333333:key/1", "arn:aws:kms:eu-west-1:333333333333:key/2"
	approved := guard.Approved{Aliases: []string{"alias/ok"}, Tags: map[string]string{"approved": "yes", "tier": "1"}}
	tagged := func(pairs ...string) []any {
		var tags []any
		for i := 0; i < len(pairs); i += 2 {
			tags = append(tags, map[string]any{"tagKey": pairs[i], "tagValue": pairs[i+1]})
		}
		return tags
	}
	both := map[string]string{"approved": "yes", "tier": "1", "team": "shop"}
	for name, c := range map[string]struct {
		facts guard.Key
		calls []trail.Change
		want  []string // by, name, hour since which, call
	}{
		"nothing": {facts: guard.Key{Aliases: []string{"alias/app"}, Tags: map[string]string{"approved": "yes", "tier": "2"}}},
		"an alias, and no record": {facts: guard.Key{Aliases: []string{"alias/ok"}, Tags: map[string]string{}},
			want: []string{"alias alias/ok 0 "}},
		"an alias that was moved to it": {facts: guard.Key{Aliases: []string{"alias/app", "alias/ok"}, Tags: map[string]string{}}, calls: []trail.Change{
			{EventName: "UpdateAlias", Alias: in + "alias/ok", Key: guard.KeyRef{ID: key}},
			{EventName: "CreateAlias", Alias: in + "alias/ok", Key: guard.KeyRef{ID: other}},
			{EventName: "UpdateAlias", Alias: in + "alias/app", Key: guard.KeyRef{ID: key}},
			{EventName: "DeleteAlias", Alias: in + "alias/ok", Key: guard.KeyRef{ID: key}},
			{EventName: "UpdateAlias", Alias: in + "alias/ok", Key: guard.KeyRef{ID: key}, ErrorCode: "AccessDenied"},
			{EventName: "UpdateAlias", Alias: "arn:aws:kms:us-east-1:333333333333:alias/ok", Key: guard.KeyRef{ID: "1", Region: "us-east-1"}},
			{EventName: "UpdateAlias", Account: "444444444444", Alias: in + "alias/ok", Key: guard.KeyRef{ID: key}},
		}, want: []string{"alias alias/ok 1 UpdateAlias"}},
		"tags that were written one by one": {facts: guard.Key{Aliases: []string{}, Tags: both}, calls: []trail.Change{
			{EventName: "TagResource", Key: guard.KeyRef{ID: "1", Region: "eu-west-1"}, Request: map[string]any{"tags": tagged("team", "x", "tier", "1")}},
			{EventName: "CreateKey", Key: guard.KeyRef{ID: key}, Request: map[string]any{"tags": tagged("approved", "yes")}},
			{EventName: "TagResource", Key: guard.KeyRef{ID: key}, Request: map[string]any{"tags": tagged("approved", "no")}},
			{EventName: "UntagResource", Key: guard.KeyRef{ID: key}, Request: map[string]any{"tags": tagged("approved", "yes")}},
			{EventName: "TagResource", Key: guard.KeyRef{ID: key}, Request: map[string]any{"tags": "no list"}},
		}, want: []string{"tag approved=yes tier=1 2 CreateKey"}},
		"both, the later record first": {facts: guard.Key{Aliases: []string{"alias/ok"}, Tags: both}, calls: []trail.Change{
			{EventName: "ReplicateKey", Time: time.Unix(9*3600, 0), Key: guard.KeyRef{ID: key}, Request: map[string]any{"tags": tagged("approved", "yes")}},
			{EventName: "CreateKey", Key: guard.KeyRef{ID: key}, Request: map[string]any{"tags": tagged("approved", "yes")}},
			{EventName: "CreateAlias", Key: guard.KeyRef{ID: key}, Alias: in + "alias/ok"},
		}, want: []string{"alias alias/ok 3 CreateAlias", "tag approved=yes tier=1 9 ReplicateKey"}},
		"tags that were not read":         {facts: guard.Key{Aliases: []string{"alias/app"}}, want: []string{"  0 "}},
		"aliases that were not read":      {facts: guard.Key{Tags: both}, want: []string{"tag approved=yes tier=1 0 ", "  0 "}},
		"the AWS managed key is no-one's": {facts: guard.Key{Manager: guard.ManagerAWS}},
	} {
		t.Run(name, func(t *testing.T) {
			c.facts.ARN, c.facts.Account = key, "333333333333"
			if c.facts.Manager == "" {
				c.facts.Manager = guard.ManagerCustomer
			}
			carriers := keyreview.Carriers(&inventory.Snapshot{Keys: []inventory.Key{{Facts: c.facts}}}, approved)
			for i, call := range c.calls {
				if call.Account == "" {
					call.Account = "333333333333"
				}
				if call.Time.IsZero() {
					call.Time = time.Unix(int64(i+1)*3600, 0)
				}
				keyreview.Attribute(carriers, call)
			}
			var got []string
			for _, k := range carriers {
				call, hour := "", int64(0)
				if k.Given != nil {
					call, hour = k.Given.EventName, k.Since().Unix()/3600
				}
				got = append(got, string(k.By)+" "+k.Name+" "+string(rune('0'+hour))+" "+call)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A call whose export left out whether it succeeded, when it was or what it was about may have given the key what it carries: who did is
// then not known. Source: CloudTrail User Guide, "CloudTrail record contents", errorCode.
func TestWhoApprovedAKeyIsNotKnownWhereTheExportLeftThatOut(t *testing.T) {
	const key = "arn:aws:kms:eu-west-1:333333333333:key/1"
	at := func(hour int64) time.Time { return time.Unix(hour*3600, 0) }
	call := func(hour int64, missing ...string) trail.Change {
		return trail.Change{EventName: "CreateAlias", Account: "333333333333", Region: "eu-west-1", Alias: "arn:aws:kms:eu-west-1:333333333333:alias/ok", Key: guard.KeyRef{ID: key}, Time: at(hour), Missing: missing}
	}
	nameless := call(3, "requestParameters", "resources")
	nameless.Alias, nameless.Key = "", guard.KeyRef{}
	elsewhere := nameless
	elsewhere.Region = "us-east-1"
	timeless := call(0, "eventTime")
	timeless.Time = time.Time{}
	failed := call(3, "requestParameters")
	failed.ErrorCode = "AccessDenied"
	for sentence, c := range map[string]struct {
		calls   []trail.Change
		doubted bool
	}{
		"one that succeeded":                 {[]trail.Change{call(1)}, false},
		"one that may have failed":           {[]trail.Change{call(1, "errorCode")}, true},
		"one that did not, and before a may": {[]trail.Change{call(1, "errorCode"), call(2)}, false},
		"one that did not, and later a may":  {[]trail.Change{call(2), call(3, "errorCode")}, true},
		"the same in another order":          {[]trail.Change{call(3, "errorCode"), call(2)}, true},
		"a may at a time that is not said":   {[]trail.Change{call(2), timeless}, true},
		"one that names nothing":             {[]trail.Change{call(2), nameless}, true},
		"one that names nothing, elsewhere":  {[]trail.Change{call(2), elsewhere}, false},
		"one that failed":                    {[]trail.Change{call(2), failed}, false},
		"none":                               {nil, true},
	} {
		facts := guard.Key{ARN: key, Account: "333333333333", Manager: guard.ManagerCustomer, Aliases: []string{"alias/ok"}}
		carriers := keyreview.Carriers(&inventory.Snapshot{Keys: []inventory.Key{{Facts: facts}}}, guard.Approved{Aliases: []string{"alias/ok"}})
		for _, call := range c.calls {
			keyreview.Attribute(carriers, call)
		}
		if len(carriers) != 1 || carriers[0].Doubted() != c.doubted {
			t.Errorf("%s: %+v", sentence, carriers)
		}
	}
}
