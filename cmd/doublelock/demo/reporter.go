package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// reporter turns what happens in the organization into lines of the timeline.
type reporter struct {
	timeline *timeline

	mu        sync.Mutex
	home      string // Region of the hub
	started   bool
	read      int             // mails shown so far
	mailed    map[string]int  // notifications by owner
	notices   map[string]bool // IDs of notices shown
	events    int             // CloudTrail events that concern us
	inspected int             // events that detect handled
	problems  []string        // what a function could not do
	mails     []localaws.Mail
}

func newReporter(t *timeline) *reporter {
	return &reporter{timeline: t, mailed: map[string]int{}, notices: map[string]bool{}}
}

func (r *reporter) watcher() local.Watcher {
	return local.Watcher{Record: r.record, Put: r.put, Log: r.log, Mail: r.mail}
}

// start shows what happens from now on; the deployment before it is not part of the story.
func (r *reporter) start(home string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started, r.home = true, home
}

func (r *reporter) showing() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.started
}

// record shows a CloudTrail record that one of our rules would match.
func (r *reporter) record(record localaws.Record) {
	if !r.showing() {
		return
	}
	raw, err := json.Marshal(record)
	if err != nil {
		return
	}
	change, err := trail.Decode(raw)
	if err != nil || change.Rule == "" {
		return
	}
	l := line{Account: change.Account, Region: change.Region, Actor: change.Actor.String(), Resource: resourceOf(change), Detail: change.EventName}
	if change.ErrorCode != "" {
		l.Detail += ", " + change.ErrorCode
	}
	l.Stage = stageEvent
	if change.EventName == "TagResource" && change.Actor.Own() {
		l.Stage, l.Detail = stageTagged, tagsOf(change)
	}
	r.mu.Lock()
	r.events++
	r.mu.Unlock()
	r.timeline.add(l)
}

func resourceOf(c trail.Change) string {
	if c.Secret.ID != "" {
		return c.Secret.ID
	}
	return c.Key.ID
}

func tagsOf(c trail.Change) string {
	list, _ := c.Request["tags"].([]any)
	var out []string
	for _, entry := range list {
		tag, _ := entry.(map[string]any)
		out = append(out, fmt.Sprintf("%v=%v", tag["key"], tag["value"]))
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// noticeStages is the stage that each kind of notice is shown as.
var noticeStages = map[guard.NoticeKind]string{
	guard.NoticeOpened: stageOpened, guard.NoticeResolved: stageResolved, guard.NoticeWaived: stageOpened, guard.NoticeRekeyed: stageRekeyed, guard.NoticeUnproven: stageRekeyed,
	guard.NoticeSealed: stageSealed, guard.NoticeDrifted: stageDrifted, guard.NoticeIncident: stageIncident, guard.NoticeKeyRestored: stageRestored,
	guard.NoticeFailed: stageBlocked, guard.NoticeReaderLost: stageLost, guard.NoticeRolledBack: stageBack,
}

// put shows the notices that the hub publishes on its bus.
func (r *reporter) put(_ string, event map[string]any) {
	if event["source"] != settings.EventSource || !r.showing() {
		return
	}
	raw, err := json.Marshal(event["detail"])
	if err != nil {
		r.problem("read a notice: " + err.Error())
		return
	}
	var n guard.Notice
	if err := json.Unmarshal(raw, &n); err != nil {
		r.problem("read a notice: " + err.Error())
		return
	}
	r.notice(n)
}

func (r *reporter) notice(n guard.Notice) {
	stage, known := noticeStages[n.Kind]
	r.mu.Lock()
	repeated := r.notices[n.ID]
	r.notices[n.ID] = true
	r.mu.Unlock()
	if repeated {
		return
	}
	switch {
	case known:
	case n.Notified(): // the story has none of it: it is shown by its own name
		stage = string(n.Kind)
	default:
		r.timeline.add(line{Stage: stageIgnored, Account: n.Account, Region: n.Region, Actor: n.Actor, Resource: n.Resource, Detail: fmt.Sprintf("%s: recorded, no notification", n.Kind)})
		return
	}
	l := line{Stage: stage, Account: n.Account, Region: n.Region, Actor: n.Actor, Resource: n.Resource, Detail: n.Describe()}
	if n.Finding != nil {
		l.Control, l.Finding = string(n.Finding.Control), n.Finding.ID()
	}
	r.timeline.add(l)
	if n.Blast != nil && n.Kind == guard.NoticeIncident {
		r.blast(*n.Blast)
	}
}

func (r *reporter) blast(b guard.BlastRadius) {
	for _, group := range []struct {
		mark string
		list []guard.Affected
	}{{"stops      ", b.Stops}, {"in part    ", b.Partly}, {"does NOT   ", b.Remains}, {"unknown    ", b.Unknown}} {
		for _, a := range group.list {
			r.timeline.print("                %s %-20s %s\n", group.mark, a.Name, r.timeline.paint.dim(a.Describe()))
		}
	}
}

// log shows what a function decided to leave alone, and keeps what it could not do.
func (r *reporter) log(function string, record slog.Record) {
	if !r.showing() {
		return
	}
	attrs := map[string]string{}
	record.Attrs(func(a slog.Attr) bool {
		attrs[a.Key] = a.Value.String()
		return true
	})
	if record.Level >= slog.LevelError {
		r.problem(fmt.Sprintf("%s: %s: %s", function, record.Message, attrs["error"]))
		return
	}
	if function != "detect" || attrs["action"] == "" {
		return
	}
	r.mu.Lock()
	r.inspected++
	r.mu.Unlock()
	if attrs["action"] != "ignored" && attrs["action"] != "unchanged" {
		return
	}
	resource := attrs["secret"]
	if resource == "" {
		resource = attrs["key"]
	}
	r.timeline.add(line{Stage: stageIgnored, Account: attrs["account"], Region: attrs["region"], Resource: resource,
		Detail: strings.TrimSpace(attrs["name"] + ": " + attrs["reason"])})
}

func (r *reporter) problem(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, text)
}

// mail shows the messages that arrived since the last time.
func (r *reporter) mail(box []localaws.Mail) {
	if !r.showing() {
		r.read = len(box)
		return
	}
	for _, m := range box[r.read:] {
		owner, channel := m.Attributes["owner"], m.Protocol+" to "+m.Endpoint
		if m.Protocol == "https" {
			channel = "chat"
		}
		r.timeline.add(line{Stage: stageNotified, Account: local.Hub, Region: r.home, Actor: settings.SessionPrefix + "alert", Resource: owner,
			Control: m.Attributes["control"], Detail: channel + ": " + firstLine(m)})
		if m.Protocol != "https" {
			r.mailed[owner]++
		}
		r.mails = append(r.mails, m)
	}
	r.read = len(box)
}

func firstLine(m localaws.Mail) string {
	if m.Subject != "" {
		return m.Subject
	}
	var chat struct {
		Content struct{ Title string } `json:"content"`
	}
	if json.Unmarshal([]byte(m.Body), &chat) == nil && chat.Content.Title != "" {
		return chat.Content.Title
	}
	text, _, _ := strings.Cut(m.Body, "\n")
	return text
}

// close prints two messages as they arrived and the summary, and fails when anything was lost.
func (r *reporter) close(ctx context.Context, w *local.Organization) error {
	r.showMessages()
	counts, err := w.LockStates(ctx)
	if err != nil {
		return err
	}
	stats := w.AWS.Stats()
	lost := stats.Undeliverable + stats.InFlight + stats.InDLQ
	summary := r.summary(counts, lost)
	r.timeline.print("\n%s\n\n", r.timeline.paint.bold("Summary"))
	if r.timeline.json {
		r.timeline.add(line{Stage: stageSummary, Actor: "doublelock", Detail: strings.Join(summary, "; ")})
	}
	for _, entry := range summary {
		r.timeline.print("    %s\n", entry)
	}
	if lost > 0 || len(r.problems) > 0 {
		return fmt.Errorf("the demo did not end well: %d events lost; %w", lost, errors.New(strings.Join(r.problems, "; ")))
	}
	return r.timeline.err
}

func (r *reporter) summary(counts map[guard.LockState]int, lost int) []string {
	var owners []string
	for _, owner := range slices.Sorted(maps.Keys(r.mailed)) {
		owners = append(owners, fmt.Sprintf("%s %d", owner, r.mailed[owner]))
	}
	c := r.timeline.counts
	return []string{
		fmt.Sprintf("events in: %d CloudTrail events that concern us, %d handled (forwarded, duplicates included)", r.events, r.inspected),
		fmt.Sprintf("findings: %d opened, %d resolved", c[stageOpened], c[stageResolved]),
		"notifications by owner: " + strings.Join(owners, ", "),
		fmt.Sprintf("secrets: %d sealed, %d dual, %d default, %d drifted, %d foreign, %d unknown", counts[guard.StateSealed], counts[guard.StateDual],
			counts[guard.StateDefault], counts[guard.StateDrifted], counts[guard.StateForeign], counts[guard.StateUnknown]),
		fmt.Sprintf("stopped before they existed: %d", c[stageDenied]),
		fmt.Sprintf("events lost: %d", lost),
	}
}

// showMessages prints three messages whole: what an owner reads first, what stops a re-key, and what a chat gets.
func (r *reporter) showMessages() {
	for _, want := range []struct{ protocol, subject, title string }{
		{"email", "", "An email, as it arrives"},
		{"email", "could not be moved", "The email about the reader that a re-key would break"},
		{"https", "", "A chat message, as Amazon Q Developer gets it"},
	} {
		i := slices.IndexFunc(r.mails, func(m localaws.Mail) bool {
			return m.Protocol == want.protocol && strings.Contains(m.Subject, want.subject)
		})
		if i < 0 {
			continue
		}
		m := r.mails[i]
		r.timeline.print("\n%s\n\n", r.timeline.paint.bold(want.title))
		if m.Protocol == "email" {
			r.timeline.print("    To: %s\n    Subject: %s\n\n", m.Endpoint, m.Subject)
		}
		r.timeline.print("%s\n", indent(pretty(m.Body), "    "))
	}
}

func pretty(body string) string {
	var value any
	if json.Unmarshal([]byte(body), &value) != nil {
		return body
	}
	out, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return body
	}
	return string(out)
}

func indent(text, by string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = by + l
		}
	}
	return strings.Join(lines, "\n")
}
