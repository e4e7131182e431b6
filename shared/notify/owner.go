package notify

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// Directory says how an owner is found and who can be reached.
type Directory struct {
	Tags     []string           // tag names that may hold the owner, first present wins
	Fallback string             // who gets what reaches nobody else
	Channels map[string]Address // by owner: a tag's value, a person's session name, or an account id
}

// Address is where one owner can be reached, by the field of the channel: "email", "slackChannel". It holds only what
// deployed channels carry; an empty one reaches nobody, and its owner is passed over.
type Address map[string]string

// Owner is who is notified of a resource, and how that was found out.
type Owner struct {
	Name  string // as the tag, the session or the account says
	Route string // the entry of Directory.Channels that is used, or the fallback; the "owner" attribute of the topics
	How   string // the reason, as half a sentence
}

// Unrouted is the route when not even a fallback is configured: topics must have a subscriber for it.
const Unrouted = "unrouted"

// Resolve finds the owner of what a notice is about: the resource's own tags, then who made the change unless it is about
// a key, then the account, then the fallback. An owner nobody can reach is never a dead end: the fallback gets it, with the reason.
func (d Directory) Resolve(n guard.Notice) Owner {
	if n.Finding != nil && n.Finding.Control == guard.OrgCoverage {
		return d.Last("blind spots of the guard are theirs")
	}
	if n.Finding != nil && n.Finding.Control == guard.OrgStorage {
		return d.Last("the guard's own memory is theirs")
	}
	if n.Kind == guard.NoticeTampered {
		return d.Last("whoever did it must not be the only one who is notified")
	}
	if n.Move != nil && n.Move.Reader != nil && n.Move.Reader.Security {
		return d.Last("who starts sessions with a policy of their own is theirs to find out")
	}
	unreachable := ""
	if tag, value := d.tagged(n.Tags); value != "" {
		if route, ok := d.route(value); ok {
			return Owner{Name: value, Route: route, How: "its tag " + tag + " says so"}
		}
		unreachable = "its tag " + tag + " names " + value + ", who has no channel here"
	}
	// Whoever switched a key off must not be the only one who is notified, and its all-clear goes where the alarm went.
	ofKey := n.Kind == guard.NoticeIncident || n.Kind == guard.NoticeKeyRestored
	if name := person(n.Actor); name != "" && !ofKey {
		if route, ok := d.route(name); ok {
			return Owner{Name: name, Route: route, How: "they made the last change"}
		}
	}
	if route, ok := d.route(n.Account); ok {
		return Owner{Name: n.Account, Route: route, How: "the account is theirs"}
	}
	how := "no tag, person or account names another owner"
	if unreachable != "" {
		how = unreachable
	}
	return d.Last(how)
}

// Last is the fallback as an owner, with the reason as half a sentence.
func (d Directory) Last(how string) Owner {
	fallback := d.Fallback
	if fallback == "" {
		fallback = Unrouted
	}
	return Owner{Name: fallback, Route: fallback, How: how}
}

// tagged returns the first owner tag that has a value. A tag spelled as configured is preferred to one that differs
// in case only.
func (d Directory) tagged(tags map[string]string) (name, value string) {
	for _, want := range d.Tags {
		if v := strings.TrimSpace(tags[want]); v != "" {
			return want, v
		}
		for _, have := range sortedNames(tags) {
			if v := strings.TrimSpace(tags[have]); strings.EqualFold(have, want) && v != "" {
				return have, v
			}
		}
	}
	return "", ""
}

// route finds the channel of an owner by its name or by the e-mail address it is reached at.
func (d Directory) route(owner string) (string, bool) {
	if owner == "" {
		return "", false
	}
	if len(d.Channels[owner]) > 0 {
		return owner, true
	}
	for _, name := range sortedNames(d.Channels) {
		address := d.Channels[name]
		if len(address) > 0 && (strings.EqualFold(name, owner) || strings.EqualFold(address["email"], owner)) {
			return name, true
		}
	}
	return "", false
}

// person is the session or user name at the end of an actor's ARN. Single sign-on puts the person's name there.
func person(actor string) string {
	if !arn.Is(actor) {
		return actor
	}
	at := strings.LastIndexByte(actor, '/')
	if at < 0 {
		return ""
	}
	return actor[at+1:]
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
