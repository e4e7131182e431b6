package drift

import (
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

// Fact is one thing that models say there is, or that the code believes.
type Fact struct {
	Kind    Kind
	Name    string
	Sources []Source // that have it; none where it stands in the code alone
	Known   bool     // the code has an answer to it
}

// collector gathers facts; what several sources have is one of them. Names differ in case between sources.
type collector struct {
	facts map[Kind]map[string]*Fact
	known map[Kind]map[string]bool
}

// FactsOf lists what the models say as far as it concerns the code: the fields, parameters and errors of calls that it
// makes, the values of fields that it reads, and every call and condition key.
func FactsOf(models []Model, known Known) []Fact {
	c := &collector{facts: map[Kind]map[string]*Fact{}, known: map[Kind]map[string]bool{
		Params: set(known.Params), Fields: set(known.Fields), Values: set(known.Values),
	}}
	for _, m := range models {
		c.calls(m, known)
		c.members(m, known)
		c.errors(m, models, known)
		c.keys(m, models, known)
	}
	for _, m := range models { // after all fields: an enum is asked about where any source has a field of it that is read
		c.values(m, models, known)
	}
	c.believed(models, known)
	c.differences(models)
	return c.sorted()
}

func (c *collector) add(kind Kind, source Source, name string, known bool) {
	if c.facts[kind] == nil {
		c.facts[kind] = map[string]*Fact{}
	}
	f := c.facts[kind][strings.ToLower(name)]
	if f == nil {
		f = &Fact{Kind: kind, Name: name}
		c.facts[kind][strings.ToLower(name)] = f
	}
	f.Known = f.Known || known || c.known[kind][strings.ToLower(name)]
	if source != "" && !slices.Contains(f.Sources, source) {
		f.Sources = append(f.Sources, source)
	}
}

// calls are known by their event, or where they only read by being made.
func (c *collector) calls(m Model, known Known) {
	for name, call := range m.Calls {
		name = m.Service + ":" + name
		c.add(Calls, m.Source, name, matches(known.Events, name) || call.Reads && matches(known.Made, name))
	}
}

// members are the fields and parameters of the calls that are made. What is inside one that is left alone is left alone.
func (c *collector) members(m Model, known Known) {
	for name, call := range m.Calls {
		name = m.Service + ":" + name
		if !matches(known.Made, name) {
			continue
		}
		c.below(Fields, m, call.Response, func(path string) string { return name + "." + path })
		c.below(Params, m, call.Request, func(path string) string { return name + "(" + path + ")" })
	}
}

func (c *collector) below(kind Kind, m Model, fields []Field, name func(path string) string) {
	var alone []string
	for _, f := range fields {
		if slices.ContainsFunc(alone, func(above string) bool { return strings.HasPrefix(f.Path, above+".") }) {
			continue
		}
		c.add(kind, m.Source, name(f.Path), false)
		if !c.known[kind][strings.ToLower(name(f.Path))] {
			alone = append(alone, f.Path)
		}
	}
}

func (c *collector) values(m Model, models []Model, known Known) {
	for _, of := range models {
		if of.Service != m.Service {
			continue
		}
		for name, call := range of.Calls {
			name = m.Service + ":" + name
			for _, f := range call.Response {
				if f.Enum == "" || !matches(known.Made, name) || !c.known[Fields][strings.ToLower(name+"."+f.Path)] {
					continue
				}
				for _, value := range m.Enums[f.Enum] {
					c.add(Values, m.Source, m.Service+":"+f.Enum+"="+value, false)
				}
			}
		}
	}
}

// errors are those of calls that are made, and those of which no source says what answers them.
func (c *collector) errors(m Model, models []Model, known Known) {
	answered, made := map[string]bool{}, map[string]bool{}
	for _, of := range models {
		for name, call := range of.Calls {
			name = of.Service + ":" + name
			for _, code := range call.Errors {
				id := of.Service + "!" + code
				answered[id] = true
				made[id] = made[id] || matches(known.Made, name)
				if m.Source == of.Source && m.Service == of.Service && matches(known.Reads, name) {
					c.add(Refusals, m.Source, name+"!"+code, slices.Contains(known.Lost, code))
				}
			}
		}
	}
	for _, code := range m.Errors {
		if id := m.Service + "!" + code; made[id] || !answered[id] {
			c.add(Errors, m.Source, id, slices.Contains(known.Codes, code))
		}
	}
}

func (c *collector) keys(m Model, models []Model, known Known) {
	names := conditionNames(models, known.Named)
	for key, kind := range m.Keys {
		if strings.HasPrefix(key, "aws:") {
			continue // of every service
		}
		plain, _, _ := strings.Cut(key, "${")
		named := matches(names, key) || plain != key && slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, plain) }) ||
			slices.ContainsFunc(names, func(n string) bool { return begins(key, n) })
		c.add(Conditions, m.Source, key, named)
		if many := strings.HasPrefix(kind, "ArrayOf"); many != slices.Contains(known.Multi, strings.ToLower(key)) {
			c.add(Multivalues, m.Source, key, false)
		}
	}
	for name, call := range m.Calls {
		name = m.Service + ":" + name
		for _, key := range call.Keys {
			if matches(known.Locks, name) && known.Absent(name, key) {
				c.add(Absences, m.Source, name+"?"+key, false)
			}
		}
	}
}

// conditionNames leaves out the patterns of actions: that "kms:*" stands in the code says nothing of a condition key.
func conditionNames(models []Model, named []string) []string {
	return slices.DeleteFunc(slices.Clone(named), func(name string) bool {
		return strings.Contains(name, "*") && slices.ContainsFunc(models, func(m Model) bool {
			for call := range m.Calls {
				if match(name, m.Service+":"+call) {
					return true
				}
			}
			return false
		})
	})
}

// believed are the events and names of the code that no model has, and rights that are no operation.
func (c *collector) believed(models []Model, known Known) {
	for id, f := range c.facts[Calls] {
		if len(f.Sources) == 1 && f.Sources[0] == Reference {
			delete(c.facts[Calls], id)
			named := slices.ContainsFunc(known.Named, func(n string) bool { return !strings.HasSuffix(n, ":*") && match(n, f.Name) })
			c.add(Actions, Reference, f.Name, f.Known || named)
		}
	}
	var all []string
	for _, m := range models {
		for name := range m.Calls {
			all = append(all, m.Service+":"+name)
		}
	}
	for _, name := range known.Events {
		if !slices.ContainsFunc(all, func(call string) bool { return match(name, call) }) {
			c.add(Events, "", name, false)
		}
	}
	for _, m := range models {
		for key := range m.Keys {
			plain, _, _ := strings.Cut(key, "${")
			all = append(all, key, plain)
			if plain, found := strings.CutSuffix(key, "tag-key"); found { // how the reference writes it
				all = append(all, plain)
			}
		}
	}
	is := func(name string) bool {
		if slices.ContainsFunc(all, func(there string) bool { return begins(there, name) }) {
			return true
		}
		name = strings.TrimRight(name, ":") // a prefix, or the end of half a sentence
		return slices.ContainsFunc(all, func(there string) bool {
			return match(name, strings.TrimRight(there, ":")) || strings.HasSuffix(there, ":") && match(there+"*", name)
		})
	}
	for _, name := range known.Named {
		if !is(name) {
			c.add(Names, "", name, false)
		}
	}
	for _, m := range models {
		for _, name := range m.Mentions {
			if !is(name) {
				c.add(Mentions, m.Source, name, matches(conditionNames(models, known.Named), name))
			}
		}
	}
}

// differences are what one source of calls lacks that another has: whole calls, and members of those that both have.
func (c *collector) differences(models []Model) {
	sources := map[Kind][]Source{Calls: {SDK, Botocore, Reference}, Params: {SDK, Botocore}, Fields: {SDK, Botocore}, Values: {SDK, Botocore}, Errors: {SDK, Botocore}}
	var given []Source
	for _, m := range models {
		given = append(given, m.Source)
	}
	for _, kind := range slices.Sorted(maps.Keys(sources)) {
		for _, f := range c.facts[kind] {
			for _, source := range sources[kind] {
				if slices.Contains(given, source) && !slices.Contains(f.Sources, source) && (kind == Calls || kind == Errors || kind == Values || c.callIn(source, f.Name)) {
					c.add(Differences, "", f.Name+", not in "+string(source), false)
				}
			}
		}
	}
}

// callIn reports whether a source has the call that a field or parameter is of, and what it is inside of.
func (c *collector) callIn(source Source, name string) bool {
	at := strings.LastIndexAny(name, ".(")
	above := name[:at]
	kind := Calls
	if strings.ContainsAny(above, ".(") {
		if kind = Fields; strings.Contains(name, "(") {
			kind, above = Params, above+")"
		}
	}
	f := c.facts[kind][strings.ToLower(above)]
	return f != nil && slices.Contains(f.Sources, source)
}

func (c *collector) sorted() []Fact {
	var out []Fact
	for _, byName := range c.facts {
		for _, f := range byName {
			slices.Sort(f.Sources)
			out = append(out, *f)
		}
	}
	slices.SortFunc(out, func(a, b Fact) int {
		return strings.Compare(string(a.Kind)+" "+a.Name, string(b.Kind)+" "+b.Name)
	})
	return out
}

// begins reports whether a condition key goes on after a name that ends in / or :, and after its service.
func begins(key, name string) bool {
	service, rest, _ := strings.Cut(name, ":")
	return service != "" && rest != "" && strings.ContainsAny(name[len(name)-1:], "/:") && len(key) > len(name) && strings.EqualFold(key[:len(name)], name)
}

func set(names []string) map[string]bool {
	out := map[string]bool{}
	for _, name := range names {
		out[strings.ToLower(name)] = true
	}
	return out
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, name) })
}

// match is that of policies, in any case.
func match(pattern, name string) bool {
	return arn.Match(strings.ToLower(pattern), strings.ToLower(name))
}
