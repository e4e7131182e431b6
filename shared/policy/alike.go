package policy

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
)

// Targets that no document in play can tell apart have one answer, so that it is worked out for one of them. What a document can
// tell apart: whether a resource pattern matches the ARN, and the values of the condition keys that it names. Nothing is left out:
// two targets are alike only where all of that, and all that is attached to them, is equal.

// alone is the class of a target of which it is not said what tells it apart: each is asked by itself.
const alone int32 = -1

// fewAlike is after how many different targets a question looks whether any were alike.
const fewAlike = 256

// answered is an answer with the condition keys that it rests on.
type answered struct {
	answer Answer
	keys   []string
}

// vocabulary is what documents look at in a request.
type vocabulary struct {
	keys     []string   // condition keys, in lower case
	patterns []*pattern // of resources, without those that match all
	open     bool       // a pattern depends on the request, so that its matches cannot be told beforehand
}

func (v *vocabulary) key(k contextKey) {
	if k.name != "" && !slices.Contains(v.keys, k.name) {
		v.keys = append(v.keys, k.name)
	}
}

func (v *vocabulary) value(p *pattern) {
	for i := range p.parts {
		v.key(p.parts[i].key)
	}
}

func (v *vocabulary) addAll(documents []*Document) {
	for _, d := range documents {
		v.add(d)
	}
}

func (v *vocabulary) add(d *Document) {
	if d == nil {
		return
	}
	for i := range d.Statements {
		s := &d.Statements[i]
		for j := range s.resources {
			p := &s.resources[j]
			switch {
			case p.parts != nil:
				v.open = true
			case p.bad || p.glob.kind != globAll:
				v.patterns = append(v.patterns, p)
			}
		}
		for j := range s.conditions {
			t := &s.conditions[j]
			v.key(t.key)
			for k := range t.values {
				for _, p := range t.values[k].patterns() {
					v.value(p)
				}
			}
		}
	}
}

// classify puts the targets that are alike, as far as what is attached to them goes, into classes.
func (ix *Index) classify(v *view, service string) {
	v.classes = make([]int32, len(ix.targets))
	known := map[string]int32{}
	texts := map[*Document]string{}
	words := map[*Document]*vocabulary{}
	var out strings.Builder
	for i := range ix.targets {
		t := &ix.targets[i]
		out.Reset()
		if len(t.Grants) > 0 { // with constraints of their own
			v.classes[i] = alone
			continue
		}
		kind, _ := kindOf(service, t.ARN)
		_, name, _ := cutARN(t.ARN)
		fmt.Fprintf(&out, "%s %s %s %s %t %t %t %q %q", t.Account, accountOf(t.ARN), t.Kind, kind, strings.HasPrefix(name, reservedAlias), t.Management, t.AWSManagedKey, t.Unknown, t.Absent)
		documents := append(slices.Concat(v.rcps[i]...), v.policies[i])
		fmt.Fprintf(&out, " %d %t", len(v.rcps[i]), v.policies[i] == nil)
		whole := true
		for _, d := range documents {
			if d == nil {
				continue
			}
			text, seen := texts[d]
			if !seen {
				text, words[d] = d.wording(), &vocabulary{}
				words[d].add(d)
				texts[d] = text
			}
			out.WriteString("\n" + text)
			whole = whole && !words[d].open
			for _, p := range words[d].patterns {
				out.WriteByte('0' + byte(p.match(nil, t.ARN, false, &reasons{})))
			}
			for _, key := range words[d].keys {
				values, there := ix.contexts[i][key]
				fmt.Fprintf(&out, "%t%q%q", there, values, ix.choices[i][key])
			}
		}
		for level := range v.rcps[i] { // which documents are of which level
			fmt.Fprintf(&out, " %d", len(v.rcps[i][level]))
		}
		if !whole {
			v.classes[i] = alone
			continue
		}
		class, seen := known[out.String()]
		if !seen {
			class = int32(len(known))
			known[out.String()] = class
		}
		v.classes[i] = class
	}
	v.distinct = len(known)
}

// wording is all of a document that takes part in an answer.
func (d *Document) wording() string {
	if d.broken != nil {
		return "cannot be read"
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s %v", d.Version, d.shape)
	for i := range d.Statements {
		s := &d.Statements[i]
		fmt.Fprintf(&out, "\n%s %t %t %q %q %t %t %q %q %q", s.Effect, s.Actions == nil, s.Resources == nil, s.Actions, s.NotActions,
			s.Resources == nil, s.NotResources == nil, s.Resources, s.NotResources, s.Conditions)
		for _, set := range []*PrincipalSet{s.Principal, s.NotPrincipal} {
			if set == nil {
				out.WriteString(" none")
				continue
			}
			fmt.Fprintf(&out, " %t %q %q %q %q", set.All, set.AWS, set.Service, set.Federated, set.CanonicalUser)
		}
	}
	return out.String()
}

// numbers of the values that the targets have of a key: equal ones have one number; nil where all have the same, or none.
func (ix *Index) numbers(key string) []int32 {
	if len(ix.targets) == 0 {
		return nil
	}
	ix.mu.Lock()
	defer ix.mu.Unlock()
	if found, made := ix.valueNumbers[key]; made {
		return found
	}
	out := make([]int32, len(ix.targets))
	known := map[string]int32{}
	for i := range ix.targets {
		values, there := ix.contexts[i][key]
		either := ix.choices[i][key]
		if !there && len(either) == 0 {
			out[i] = -1
			continue
		}
		text := fmt.Sprintf("%t%q%q", there, values, either)
		number, seen := known[text]
		if !seen {
			number = int32(len(known))
			known[text] = number
		}
		out[i] = number
	}
	if slices.Max(out) == slices.Min(out) {
		out = nil
	}
	ix.valueNumbers[key] = out
	return out
}

// prepare finds what the principal's own policies look at.
func (q *Query) prepare() {
	var v vocabulary
	v.addAll(q.policies.Identity)
	v.addAll(q.policies.Boundary)
	v.addAll(q.policies.Session)
	v.addAll(q.policies.Endpoint)
	for _, level := range q.policies.SCPs {
		v.addAll(level)
	}
	if v.open {
		return
	}
	q.patterns = v.patterns
	for _, key := range v.keys {
		if numbers := q.index.numbers(key); numbers != nil {
			q.values = append(q.values, numbers)
		}
	}
	if len(q.patterns)+len(q.values) == 0 {
		q.byClass = make([]answered, q.view.distinct)
		return
	}
	q.known = map[string]answered{}
}

// likeness is what tells a target apart for this principal; false where it has to be asked by itself.
func (q *Query) likeness(i int) bool {
	class := q.view.classes[i]
	if q.known == nil || class == alone {
		return false
	}
	q.key = binary.LittleEndian.AppendUint32(q.key[:0], uint32(class))
	for _, p := range q.patterns {
		q.key = append(q.key, byte(p.match(nil, q.index.targets[i].ARN, false, &q.unread)))
	}
	for _, numbers := range q.values {
		q.key = binary.LittleEndian.AppendUint32(q.key, uint32(numbers[i]))
	}
	return true
}
