package cloudformation

import (
	"fmt"
	"slices"
	"strings"
)

// setParameters takes what was passed, fills in defaults, and adds the pseudo parameters.
func (r *resolver) setParameters(given map[string]string, pseudo map[string]any) error {
	for name := range given {
		if _, known := r.template.Parameters[name]; !known {
			return fmt.Errorf("parameter %s: the template has none of that name", name)
		}
	}
	for name, p := range r.template.Parameters {
		text, passed := given[name]
		if !passed {
			byDefault, ok := scalarText(p.Default)
			if !ok {
				return fmt.Errorf("parameter %s: no value and no default", name)
			}
			text = byDefault
		}
		if allowed, _ := textList(p.AllowedValues); len(allowed) > 0 && !slices.Contains(allowed, text) {
			return fmt.Errorf("parameter %s: %q is not among %s", name, text, strings.Join(allowed, ", "))
		}
		r.parameters[name] = parameterValue(p.Type, text)
	}
	for name, value := range pseudo {
		r.parameters[name] = value
	}
	return nil
}

func parameterValue(kind, text string) any {
	if kind != "CommaDelimitedList" && !strings.HasPrefix(kind, "List<") {
		return text
	}
	list := []any{}
	for _, item := range strings.Split(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			list = append(list, item)
		}
	}
	return list
}
