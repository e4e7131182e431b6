package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/settings"
)

// oracle knows what is true, what people were notified of and what was changed: from the records and the state of the local AWS,
// and from what arrived in mailboxes. It asks nothing of the hub but what it stored in the end.
type oracle struct {
	mu          sync.Mutex
	secrets     map[string]*secret // by ARN
	keys        map[string]string  // ids of keys by alias, account and Region
	wants       map[string]string  // short ids of the notices on the bus that a person must get, and what each is
	notified    map[string]bool    // short ids that arrived
	arrived     map[string]string  // by address and short id: the message that arrived first
	opened      map[string][]string
	planned     map[string]bool   // ARNs of those that a plan of a person's moves
	owners      map[string]string // by target: the process that wrote its intent last
	faults      []string          // what was wrong, in words
	event, step atomic.Int64      // of the driver, for what is said of a fault
	ledger      *ledger

	Lost, Wrong, NotifiedTwice, ChangedTwice, Mails, Notices, Changes, Repeats int
}

// secret is one as the records of AWS tell of it.
type secret struct {
	arn, name, account, region string
	key                        string // as it was last named; "" is the AWS managed key
	wasManaged                 bool
	gone                       bool
	tags                       map[string]string
	rotated                    int // by the hub, under this key
}

func newOracle() *oracle {
	return &oracle{secrets: map[string]*secret{}, keys: map[string]string{}, wants: map[string]string{}, notified: map[string]bool{}, arrived: map[string]string{}, opened: map[string][]string{}, planned: map[string]bool{}, owners: map[string]string{}, ledger: newLedger(nil)}
}

// mostFaults is how many faults are put into words; all are counted.
const mostFaults = 40

func (o *oracle) fault(count *int, format string, args ...any) {
	*count++
	if len(o.faults) < mostFaults {
		o.faults = append(o.faults, fmt.Sprintf("event %d, step %d: ", o.event.Load(), o.step.Load())+fmt.Sprintf(format, args...))
	}
}

func field(m map[string]any, path ...string) map[string]any {
	for _, name := range path {
		m, _ = m[name].(map[string]any)
	}
	return m
}

func words(m map[string]any, name string) string {
	s, _ := m[name].(string)
	return s
}

// record sees every record of CloudTrail, in the order of the calls.
func (o *oracle) record(r localaws.Record) {
	if r["eventSource"] != "secretsmanager.amazonaws.com" || r["errorCode"] != nil || r["readOnly"] == true || r["requestParameters"] == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	in := field(r, "requestParameters")
	if r["eventName"] == "CreateSecret" {
		s := &secret{arn: words(field(r, "responseElements"), "arn"), name: words(in, "name"), account: words(r, "recipientAccountId"), region: words(r, "awsRegion"),
			key: words(in, "kmsKeyId"), tags: map[string]string{}}
		if s.arn == "" {
			s.arn = words(field(r, "responseElements"), "ARN")
		}
		s.wasManaged = managed(s.key)
		tagged(s.tags, in)
		o.secrets[s.arn] = s
		return
	}
	s := o.find(words(in, "secretId"), words(r, "recipientAccountId"), words(r, "awsRegion"))
	if s == nil {
		return
	}
	by := words(field(r, "userIdentity"), "arn")
	o.ledger.line("%v %v of %s by %s", r["eventTime"], r["eventName"], s.arn, by)
	ours := strings.Contains(by, ":assumed-role/"+settings.RoleChange+"/") || strings.Contains(by, ":assumed-role/"+settings.RoleTag+"/")
	if ours {
		o.Changes++
	}
	o.change(s, words(r, "eventName"), in, ours)
}

func (o *oracle) change(s *secret, name string, in map[string]any, ours bool) {
	switch name {
	case "UpdateSecret":
		key, named := in["kmsKeyId"].(string)
		if !named {
			return
		}
		if ours && s.account != local.Payments && !o.planned[s.arn] {
			o.fault(&o.Wrong, "%s: UpdateSecret to %s in an account that is not ours to change", s.arn, key)
		}
		if ours && (s.key == key || managed(s.key) && managed(key)) {
			o.fault(&o.ChangedTwice, "%s: UpdateSecret to %s, which it had", s.arn, key)
		}
		s.key, s.rotated = key, 0
		s.wasManaged = s.wasManaged || managed(key)
	case "RotateSecret":
		if s.rotated++; ours && s.rotated > 1 {
			o.fault(&o.ChangedTwice, "%s: RotateSecret %d times", s.arn, s.rotated)
		}
	case "TagResource":
		before := maps.Clone(s.tags)
		tagged(s.tags, in)
		if ours && maps.Equal(before, s.tags) {
			o.fault(&o.ChangedTwice, "%s: TagResource with the tags that it had: %v", s.arn, in["tags"])
		}
	case "UntagResource":
		names, _ := in["tagKeys"].([]any)
		for _, n := range names {
			delete(s.tags, fmt.Sprint(n))
		}
	case "DeleteSecret":
		s.gone = true
	}
}

func (o *oracle) find(id, account, region string) *secret {
	if s := o.secrets[id]; s != nil {
		return s
	}
	for _, s := range o.secrets { // by name: people do, the hub does not
		if s.name == id && s.account == account && s.region == region {
			return s
		}
	}
	return nil
}

func tagged(tags map[string]string, in map[string]any) {
	list, _ := in["tags"].([]any)
	for _, one := range list {
		if m, is := one.(map[string]any); is {
			tags[words(m, "key")+words(m, "Key")] = words(m, "value") + words(m, "Value")
		}
	}
}

// managed reports that a key's name is that of the AWS managed key.
func managed(key string) bool { return key == "" || strings.HasSuffix(key, "alias/aws/secretsmanager") }

// put sees every event that the hub puts on a bus.
func (o *oracle) put(_ string, event map[string]any) {
	if event["detail-type"] != settings.DetailTypeNotice || event["source"] != settings.EventSource {
		return
	}
	raw, err := json.Marshal(event["detail"])
	var n guard.Notice
	if err != nil || json.Unmarshal(raw, &n) != nil || n.ID == "" {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.Notices++
	o.ledger.line("%v notice %s %s of %s", event["time"], n.Kind, n.ID, n.Resource)
	control := ""
	if n.Finding != nil {
		control = string(n.Finding.Control)
	}
	id := notify.ShortID(n.ID)
	if n.Kind == guard.NoticeOpened && control != "" {
		at := n.Resource + "|" + control
		if !slices.Contains(o.opened[at], id) {
			o.opened[at] = append(o.opened[at], id)
		}
	}
	if n.Notified() {
		o.wants[id] = fmt.Sprintf("%s of %s %s (%s)", n.Kind, n.Resource, control, n.ID)
	}
	s := o.secrets[n.Resource]
	if n.Kind == guard.NoticeOpened && control == string(guard.SecretDefaultKey) && s != nil && !s.wasManaged {
		o.fault(&o.Wrong, "%s: said to be under the AWS managed key, and never was", n.Resource)
	}
}

// read takes what arrived. A message that SNS delivers twice is one: its id says so.
func (o *oracle) read(mails []localaws.Mail) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, m := range mails {
		var ids []string
		if json.Unmarshal([]byte(m.Attributes["notice_ids"]), &ids) != nil {
			continue // of AWS itself, as a subscription to confirm
		}
		o.Mails++
		o.ledger.line("message to %s %s: %s", m.Protocol, m.Endpoint, m.Attributes["notice_ids"])
		repeat := m.Attributes["repeat"] == "true"
		if repeat {
			o.Repeats++
		}
		for _, id := range ids {
			o.notified[id] = true
			at := m.Topic + "|" + m.Protocol + "|" + m.Endpoint + "|" + id
			first, before := o.arrived[at]
			if !before {
				o.arrived[at] = m.ID
			} else if first != m.ID && !repeat {
				o.fault(&o.NotifiedTwice, "%s: notice %s (%s) in a second message without a word", m.Endpoint, id, o.wants[id])
			}
		}
	}
}
