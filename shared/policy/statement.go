package policy

import (
	"slices"
	"strings"
)

// reasons collects why a statement's match is not certain.
type reasons struct {
	keys  []string
	notes []string
}

func (r *reasons) missing(key string) {
	if !slices.Contains(r.keys, key) {
		r.keys = append(r.keys, key)
	}
}

func (r *reasons) note(text string) {
	if !slices.Contains(r.notes, text) {
		r.notes = append(r.notes, text)
	}
}

func (r *reasons) add(other *reasons) {
	for _, key := range other.keys {
		r.missing(key)
	}
	for _, note := range other.notes {
		r.note(note)
	}
}

// matchesAction reports whether the statement is about the action.
func (s *Statement) matchesAction(service, name string) bool {
	for i := range s.actions {
		if s.actions[i].match(service, name) {
			return s.Actions != nil
		}
	}
	return s.Actions == nil
}

// About reports whether the statement is about an action, service:Name in any case.
func (s *Statement) About(action string) bool {
	service, name, _ := strings.Cut(strings.ToLower(action), ":")
	return s.matchesAction(service, name)
}

// NamesEverybody reports whether the statement is about all principals, or all but some: its conditions say who of them.
func (s *Statement) NamesEverybody() bool {
	return s.Principal == nil || s.Principal.All || slices.Contains(s.Principal.AWS, "*")
}

// matchesResource reports whether the statement is about the resource. A statement without Resource, as trust policies
// have, is about the resource it is attached to.
func (s *Statement) matchesResource(c *context, resource string, reason *reasons) truth {
	if s.Resources == nil && s.NotResources == nil {
		return yes
	}
	result := no
	for i := range s.resources {
		if result = max(result, s.resources[i].about(c, resource, reason)); result == yes {
			break
		}
	}
	if s.Resources == nil {
		return result.not()
	}
	return result
}

// matchesConditions reports whether all conditions hold.
func (s *Statement) matchesConditions(c *context, reason *reasons) truth {
	result := yes
	for i := range s.conditions {
		result = min(result, s.conditions[i].eval(c, reason))
		if result == no {
			return no
		}
	}
	return result
}
