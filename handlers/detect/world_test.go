package detect_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers/detect"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/store/storetest"
)

const (
	account = "111122223333"
	region  = "eu-central-1"
	cmk     = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	alice   = "arn:aws:sts::111122223333:assumed-role/Deploy/alice@example.com"
	ownWork = "arn:aws:sts::111122223333:assumed-role/doublelock-change/doublelock-remediate"
	ownTags = "arn:aws:sts::111122223333:assumed-role/doublelock-tag/doublelock-detect"
)

func arnOf(name string) string {
	return "arn:aws:secretsmanager:" + region + ":" + account + ":secret:" + name + "-AbCdEf"
}

var errCrash = errors.New("the process died here")

// world is AWS and the hub's stores, as far as detect sees them. Trip is asked at every step and may break it.
type world struct {
	now       time.Time
	secrets   map[string]*guard.Secret
	refusal   map[string]error // by ARN: what Describe answers instead
	keys      map[string]guard.Key
	asking    sync.Mutex           // keys and secrets are asked for several at a time
	remember  map[string]guard.Key // what the process has cached of keys
	records   map[string]guard.Record
	published []guard.Notice
	tagged    int
	saves     int
	describes int
	mode      guard.Mode
	modeAsOf  time.Time
	trip      func(step string) error
	intents   *storetest.Intents

	unreadable []store.Unreadable               // entries under every key
	stray      map[guard.EntryRef][]guard.Entry // that no record has
	bookmarks  map[string]string
	queued     []string // in the handler's own queue
}

func newWorld() *world {
	return &world{
		now:     time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC),
		secrets: map[string]*guard.Secret{}, refusal: map[string]error{}, records: map[string]guard.Record{}, remember: map[string]guard.Key{},
		keys: map[string]guard.Key{cmk: {ARN: cmk, ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Account: account, Region: region,
			Manager: guard.ManagerCustomer, State: guard.KeyEnabled, Aliases: []string{"alias/payments"}, Tags: map[string]string{}}},
		mode: guard.ModeNotify, intents: storetest.NewIntents(), bookmarks: map[string]string{}, stray: map[guard.EntryRef][]guard.Entry{}, trip: func(string) error { return nil },
	}
}

func (w *world) handler() *detect.Handler {
	effects := &store.Effects{Intents: w.intents, Worker: "detect", Now: func() time.Time { return w.now }, Sleep: func(context.Context, time.Duration) error { return nil }}
	return &detect.Handler{Effects: effects, Secrets: secrets{w}, Keys: keys{w}, Records: records{w}, Bus: bus{w}, Modes: modes{w}, Queue: ownQueue{w}, Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler)}
}

// add puts a secret with one version under a key; "" is the AWS managed key.
func (w *world) add(name, key string) *guard.Secret {
	s := &guard.Secret{ARN: arnOf(name), Name: name, Account: account, Region: region, KeyID: key, Tags: map[string]string{"Owner": "payments"}}
	s.Versions = []guard.Version{{ID: "v1", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{{ID: key}}}}
	w.secrets[s.ARN] = s
	return s
}

// rekey sets the key as UpdateSecret does: the labelled versions open with the old key as well.
func (w *world) rekey(s *guard.Secret, key string) {
	s.KeyID = key
	for i := range s.Versions {
		s.Versions[i].Keys = append(s.Versions[i].Keys, guard.Key{ID: key})
	}
}

// put writes a new version, which opens with the secret's key alone.
func (w *world) put(s *guard.Secret) {
	s.Versions = []guard.Version{{ID: fmt.Sprintf("v%d", len(s.Versions)+1), Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{{ID: s.KeyID}}}}
}

// turn puts a key in a state.
func (w *world) turn(key string, state guard.KeyState) {
	k := w.keys[key]
	k.State = state
	w.keys[key] = k
}

func (w *world) key(id string) guard.Key {
	if id == "" {
		return guard.Key{ID: guard.DefaultKeyID, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
	}
	if k, ok := w.remember[id]; ok {
		return k
	}
	k, ok := w.keys[id]
	if !ok {
		k = guard.Key{ARN: id, State: guard.KeyMissing, Manager: guard.ManagerCustomer}
	}
	w.remember[id] = k
	return k
}

type secrets struct{ w *world }

func (f secrets) Describe(_ context.Context, ref guard.SecretRef) (guard.Secret, error) {
	f.w.asking.Lock()
	defer f.w.asking.Unlock()
	if err := f.w.trip("describe"); err != nil {
		return guard.Secret{}, err
	}
	f.w.describes++
	if err := f.w.refusal[ref.ID]; err != nil {
		return guard.Secret{}, fmt.Errorf("describe %s: %w", ref.ID, err)
	}
	for arn, s := range f.w.secrets {
		if arn != ref.ID && s.Name != ref.ID && !strings.HasPrefix(arn, ref.ID+"-") || ref.Region != "" && s.Region != ref.Region {
			continue
		}
		if err := f.w.trip("describe " + s.Name); err != nil {
			return guard.Secret{}, err
		}
		found := *s
		found.Tags = maps.Clone(s.Tags)
		found.Key = f.w.key(s.KeyID)
		found.Versions = nil
		for _, v := range s.Versions {
			v.Keys = slices.Clone(v.Keys)
			for i := range v.Keys {
				v.Keys[i] = f.w.key(v.Keys[i].ID)
			}
			found.Versions = append(found.Versions, v)
		}
		found.Replicas = slices.Clone(s.Replicas)
		for i, r := range found.Replicas {
			if r.KeyID != "" {
				found.Replicas[i].Key = f.w.key(r.KeyID)
			}
		}
		return found, nil
	}
	return guard.Secret{}, fmt.Errorf("describe %s: %w", ref.ID, guard.ErrGone)
}

func (f secrets) Tag(_ context.Context, ref guard.SecretRef, tags map[string]string) error {
	if err := f.w.trip("tag"); err != nil {
		return err
	}
	f.w.tagged++
	maps.Copy(f.w.secrets[ref.ID].Tags, tags)
	return f.w.trip("tag done")
}

type keys struct{ w *world }

func (f keys) Describe(_ context.Context, ref guard.KeyRef) (guard.Key, error) {
	f.w.asking.Lock()
	defer f.w.asking.Unlock()
	if err := f.w.trip("describe key"); err != nil {
		return guard.Key{}, err
	}
	return f.w.key(ref.ID), nil
}

func (f keys) InStore(_ context.Context, _, _, store string) ([]guard.Key, error) {
	if err := f.w.trip("list keys"); err != nil {
		return nil, err
	}
	var found []guard.Key
	for _, name := range slices.Sorted(maps.Keys(f.w.keys)) {
		if k := f.w.keys[name]; k.Store == store {
			found = append(found, k)
		}
	}
	return found, nil
}

func (f keys) Invalidate(names ...string) {
	f.w.asking.Lock()
	defer f.w.asking.Unlock()
	for _, name := range names {
		maps.DeleteFunc(f.w.remember, func(asked string, k guard.Key) bool { return asked == name || k.ARN == name })
		if at := strings.Index(name, ":alias/"); at > 0 {
			delete(f.w.remember, name[at+1:])
		}
	}
}

type records struct{ w *world }

func (f records) Load(_ context.Context, resource string) (guard.Record, error) {
	if err := f.w.trip("load"); err != nil {
		return guard.Record{}, err
	}
	return f.w.load(resource), nil
}

// load reads a record the way a store does: as a copy that went through JSON.
func (w *world) load(resource string) guard.Record {
	var rec guard.Record
	have, ok := w.records[resource]
	if !ok {
		return rec
	}
	raw, err := json.Marshal(have)
	if err == nil {
		err = json.Unmarshal(raw, &rec)
	}
	if err != nil {
		panic(err)
	}
	return rec
}

func (f records) Save(_ context.Context, rec guard.Record) error {
	if err := f.w.trip("save"); err != nil {
		return err
	}
	if f.w.records[rec.Resource].Revision != rec.Revision {
		return guard.ErrConflict
	}
	rec.Revision++
	f.w.records[rec.Resource] = rec
	f.w.saves++
	return f.w.trip("save done")
}

func (f records) Under(_ context.Context, ref guard.EntryRef) ([]guard.Entry, []store.Unreadable, error) {
	if err := f.w.trip("index"); err != nil {
		return nil, nil, err
	}
	var found []guard.Entry
	for _, resource := range slices.Sorted(maps.Keys(f.w.records)) {
		if e, holds := f.w.load(resource).Entries()[ref]; holds {
			found = append(found, e)
		}
	}
	found = append(found, f.w.stray[ref]...)
	if ref.Kind != guard.ByKey {
		return found, nil, nil
	}
	return found, f.w.unreadable, nil
}

func (f records) Prune(_ context.Context, ref guard.EntryRef, secret string) error {
	if err := f.w.trip("prune"); err != nil {
		return err
	}
	f.w.stray[ref] = slices.DeleteFunc(f.w.stray[ref], func(e guard.Entry) bool { return e.Secret == secret })
	return nil
}

func (f records) Bookmark(_ context.Context, name string) (string, error) {
	return f.w.bookmarks[name], f.w.trip("bookmark")
}

// ownQueue is the queue of detect. What it holds handle delivers until it is empty.
type ownQueue struct{ w *world }

func (f ownQueue) Send(_ context.Context, _ string, bodies []string) error {
	for _, body := range bodies {
		if err := f.w.trip("send"); err != nil {
			return err
		}
		f.w.queued = append(f.w.queued, body)
	}
	return nil
}

// swept says that a full sweep of the account and Region has just begun and ended.
func (w *world) swept(missed ...string) {
	raw, err := json.Marshal(guard.Swept{From: w.now, Until: w.now, Missed: missed})
	if err != nil {
		panic(err)
	}
	w.bookmarks[guard.SweptName(account, region)] = string(raw)
}

type bus struct{ w *world }

func (f bus) Publish(_ context.Context, notices []guard.Notice) error {
	if err := f.w.trip("publish"); err != nil {
		return err
	}
	f.w.published = append(f.w.published, notices...)
	return f.w.trip("publish done")
}

type modes struct{ w *world }

func (f modes) Mode(context.Context, string, map[string]string) (guard.Mode, time.Time, error) {
	return f.w.mode, f.w.modeAsOf, nil
}

// kinds lists what was published, repeats left out, as "kind control".
func (w *world) kinds() []string {
	var list []string
	seen := map[string]bool{}
	for _, n := range w.published {
		if seen[n.ID] {
			continue
		}
		seen[n.ID] = true
		line := string(n.Kind)
		if n.Finding != nil {
			line += " " + string(n.Finding.Control)
		}
		list = append(list, line)
	}
	return list
}

// call is the event of an API call on a secret or key.
type call struct {
	name, secret, key, actor, errorCode, agent, id string
	alias                                          string // its name, of a call about one
	message                                        string // of an error
}

func (c call) body() string {
	source, params := "secretsmanager", map[string]any{"secretId": c.secret}
	detail := map[string]any{
		"eventVersion": "1.11", "eventTime": "2026-11-21T09:00:00Z", "awsRegion": region, "recipientAccountId": account,
		"eventName": c.name, "eventType": "AwsApiCall", "managementEvent": true, "readOnly": false, "userAgent": c.agent,
		"sourceIPAddress": "192.0.2.1", "userIdentity": identity(c.actor), "responseElements": map[string]any{"arn": c.secret},
	}
	if c.key != "" {
		source, params = "kms", map[string]any{"keyId": c.key}
		detail["resources"] = []any{map[string]any{"ARN": c.key, "accountId": account, "type": "AWS::KMS::Key"}}
		detail["responseElements"] = map[string]any{"keyId": c.key}
	}
	if c.alias != "" { // as the KMS developer guide shows it
		source, params = "kms", map[string]any{"aliasName": c.alias, "targetKeyId": c.key}
		detail["resources"] = []any{
			map[string]any{"ARN": "arn:aws:kms:" + region + ":" + account + ":" + c.alias, "accountId": account, "type": "AWS::KMS::Key"},
			map[string]any{"ARN": c.key, "accountId": account, "type": "AWS::KMS::Key"},
		}
		detail["responseElements"] = nil
	}
	if c.name == "Decrypt" { // Secrets Manager's, in the name of who reads
		source, params = "kms", map[string]any{"encryptionContext": map[string]any{"SecretARN": c.secret, "SecretVersionId": "v1"}}
		detail["userIdentity"].(map[string]any)["invokedBy"] = "secretsmanager.amazonaws.com"
	}
	if c.errorCode != "" {
		detail["errorCode"], detail["errorMessage"], detail["responseElements"] = c.errorCode, cmp.Or(c.message, "not authorized"), nil
		if c.name == "CreateSecret" {
			params = map[string]any{"name": c.secret}
		}
	}
	id := c.id
	if id == "" {
		id = "e-" + c.name + "-" + c.secret + c.key
	}
	detail["eventID"], detail["eventSource"], detail["requestParameters"] = id, source+".amazonaws.com", params
	raw, err := json.Marshal(map[string]any{
		"version": "0", "id": "envelope-" + id, "detail-type": "AWS API Call via CloudTrail", "source": "aws." + source,
		"account": account, "region": region, "time": "2026-11-21T09:00:01Z", "resources": []any{}, "detail": detail,
	})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func identity(arn string) map[string]any {
	if arn == "" {
		arn = alice
	}
	parts := strings.Split(arn, "/")
	return map[string]any{"type": "AssumedRole", "arn": arn, "accountId": account, "sessionContext": map[string]any{
		"sessionIssuer": map[string]any{"type": "Role", "arn": "arn:aws:iam::" + account + ":role/" + parts[1], "userName": parts[1]},
	}}
}

func queue(bodies ...string) events.SQSEvent {
	var batch events.SQSEvent
	for i, body := range bodies {
		batch.Records = append(batch.Records, events.SQSMessage{MessageId: fmt.Sprintf("m%d", i), Body: body})
	}
	return batch
}

// handle runs a batch and returns the ids of the messages that come again.
func handle(t *testing.T, h *detect.Handler, bodies ...string) []string {
	t.Helper()
	answer, err := h.Handle(t.Context(), queue(bodies...))
	if err != nil {
		t.Fatal(err)
	}
	var failed []string
	for _, f := range answer.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	if own, is := h.Queue.(ownQueue); is {
		own.drain(t, h)
	}
	return failed
}

// receives is how often a queue hands a message out before it parks it.
const receives = 5

// drain delivers what the handler sent to itself, each message by itself and again where it failed.
func (f ownQueue) drain(t *testing.T, h *detect.Handler) {
	t.Helper()
	for range receives {
		again := f.w.queued
		f.w.queued = nil
		for _, body := range again {
			answer, err := h.Handle(t.Context(), queue(body))
			if err != nil {
				t.Fatal(err)
			}
			if len(answer.BatchItemFailures) > 0 {
				f.w.queued = append(f.w.queued, body)
			}
		}
	}
}
