package drift

import (
	"fmt"
	"slices"
	"strings"
)

// Row leaves facts alone, for a reason. A name may end in * for all that begin so.
type Row struct {
	Why   string   `yaml:"why"`
	Names []string `yaml:"names"`
}

// Compare says what the code neither knows nor leaves alone, and which rows of the list have nothing to leave alone (any
// more), in sentences that name the thing and what to do. None: nothing has drifted.
func Compare(facts []Fact, left map[Kind][]Row) []string {
	var out []string
	used := map[Kind]map[string]bool{} // names in rows
	for _, f := range facts {
		row := cover(left[f.Kind], f.Name)
		switch {
		case row == "" && !f.Known:
			out = append(out, fmt.Sprintf("%s: %s%s: %s; or list it under %q with the reason why it does not matter", f.Kind, f.Name, in(f.Sources), advice[f.Kind], f.Kind))
		case row != "" && f.Known && strings.EqualFold(row, f.Name):
			out = append(out, fmt.Sprintf("%s: %s is listed, and the code knows it: strike it from the list", f.Kind, f.Name))
		}
		if row != "" && !f.Known {
			if used[f.Kind] == nil {
				used[f.Kind] = map[string]bool{}
			}
			used[f.Kind][row] = true
		}
	}
	for kind, rows := range left {
		if advice[kind] == "" {
			out = append(out, fmt.Sprintf("%s: no such heading", kind))
		}
		seen := map[string]bool{}
		for _, row := range rows {
			if strings.TrimSpace(row.Why) == "" {
				out = append(out, fmt.Sprintf("%s: %s: the row gives no reason", kind, strings.Join(row.Names, ", ")))
			}
			for _, name := range row.Names {
				switch {
				case seen[name]:
					out = append(out, fmt.Sprintf("%s: %s is listed twice", kind, name))
				case !used[kind][name] && !slices.ContainsFunc(facts, func(f Fact) bool { return f.Kind == kind && strings.EqualFold(f.Name, name) }):
					out = append(out, fmt.Sprintf("%s: %s is listed, and is not there (any more): strike it from the list, and what rests on it from the code", kind, name))
				}
				seen[name] = true
			}
		}
	}
	slices.Sort(out)
	return out
}

// cover is the name in the rows that a fact is listed by; "" where it is not.
func cover(rows []Row, fact string) string {
	wild := ""
	for _, row := range rows {
		for _, name := range row.Names {
			if strings.EqualFold(name, fact) {
				return name
			}
			if prefix, isWild := strings.CutSuffix(name, "*"); isWild && len(fact) >= len(prefix) && strings.EqualFold(fact[:len(prefix)], prefix) {
				wild = name
			}
		}
	}
	return wild
}

func in(sources []Source) string {
	if len(sources) == 0 {
		return ""
	}
	names := make([]string, len(sources))
	for i, s := range sources {
		names[i] = string(s)
	}
	return " (in " + strings.Join(names, ", ") + ")"
}
