package trail

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/doublelock/doublelock/shared/guard"
)

// LookDetailType is the detail-type of a look, beside TaskSource.
const LookDetailType = "Doublelock Look"

// Look asks for one secret to be inspected. The function that looks up the secrets under a key sends one for each to its own
// queue, so that each has its own tries and none waits for the others. Nobody else may send to that queue but AWS's own events.
type Look struct {
	Secret guard.SecretRef
	Cause  guard.Cause
	Led    guard.EntryRef // what led to it in the index; zero: a read that was refused by a key
}

// lookBody is a look as it is sent.
type lookBody struct {
	Source     string `json:"source"`
	DetailType string `json:"detail-type"`
	Detail     struct {
		Secret  string         `json:"secret"`
		Account string         `json:"account"`
		Region  string         `json:"region"`
		Actor   string         `json:"actor,omitempty"`
		Tool    string         `json:"tool,omitempty"`
		Event   string         `json:"event,omitempty"`
		Led     guard.EntryRef `json:"led"`
	} `json:"detail"`
}

// Body is a look as a message.
func (l Look) Body() string {
	b := lookBody{Source: TaskSource, DetailType: LookDetailType}
	b.Detail.Secret, b.Detail.Account, b.Detail.Region = l.Secret.ID, l.Secret.Account, l.Secret.Region
	b.Detail.Actor, b.Detail.Tool, b.Detail.Event, b.Detail.Led = l.Cause.Actor, l.Cause.Tool, l.Cause.EventID, l.Led
	raw, _ := json.Marshal(b) // texts alone
	return string(raw)
}

// ReadLook reads a look; is says whether the message is one.
func ReadLook(raw []byte) (l Look, is bool, err error) {
	if !bytes.Contains(raw, []byte(LookDetailType)) { // an event's own text may have it, too
		return Look{}, false, nil
	}
	var b lookBody
	if err := json.Unmarshal(raw, &b); err != nil || b.Source != TaskSource || b.DetailType != LookDetailType {
		return Look{}, false, nil //nolint:nilerr // no look: whoever reads events says what is wrong with it
	}
	d := b.Detail
	if d.Secret == "" || d.Account == "" || d.Region == "" {
		return Look{}, true, fmt.Errorf("read look: %s names no secret in an account and Region", LookDetailType)
	}
	return Look{Secret: guard.SecretRef{Account: d.Account, Region: d.Region, ID: d.Secret}, Cause: guard.Cause{Actor: d.Actor, Tool: d.Tool, EventID: d.Event}, Led: d.Led}, true, nil
}
