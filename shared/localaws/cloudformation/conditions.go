package cloudformation

import (
	"errors"
	"fmt"
	"reflect"
)

// condition evaluates a condition of the template by name, once.
func (r *resolver) condition(name string) (bool, error) {
	if known, ok := r.conditions[name]; ok {
		return known, nil
	}
	expression, ok := r.template.Conditions[name]
	if !ok {
		return false, fmt.Errorf("condition %s: no such condition", name)
	}
	if r.evaluating[name] {
		return false, fmt.Errorf("condition %s: needs itself", name)
	}
	r.evaluating[name] = true
	defer delete(r.evaluating, name)
	holds, err := r.holds(expression, 0)
	if err != nil {
		return false, fmt.Errorf("condition %s: %w", name, err)
	}
	r.conditions[name] = holds
	return holds, nil
}

// holds evaluates a condition function.
func (r *resolver) holds(expression any, depth int) (bool, error) {
	if depth > maxDepth {
		return false, errTooDeep
	}
	function, ok := expression.(map[string]any)
	if !ok || len(function) != 1 {
		return false, errors.New("want one condition function")
	}
	for name, argument := range function {
		switch name {
		case "Condition":
			other, _ := argument.(string)
			return r.condition(other)
		case "Fn::Equals":
			return r.equal(argument)
		case "Fn::Not":
			all, err := r.holdAll(argument, 1, 1, depth)
			return err == nil && !all[0], err
		case "Fn::And":
			all, err := r.holdAll(argument, 2, 10, depth)
			return err == nil && count(all) == len(all), err
		case "Fn::Or":
			all, err := r.holdAll(argument, 2, 10, depth)
			return err == nil && count(all) > 0, err
		}
		return false, fmt.Errorf("no condition function %s is known here", name)
	}
	return false, nil
}

func (r *resolver) equal(argument any) (bool, error) {
	sides, ok := argument.([]any)
	if !ok || len(sides) != 2 {
		return false, errors.New("takes two values")
	}
	left, err := r.resolve(sides[0], "Fn::Equals[0]")
	if err != nil {
		return false, err
	}
	right, err := r.resolve(sides[1], "Fn::Equals[1]")
	if err != nil {
		return false, err
	}
	leftText, isText := scalarText(left)
	rightText, isTextToo := scalarText(right)
	if isText && isTextToo {
		return leftText == rightText, nil
	}
	return reflect.DeepEqual(left, right), nil
}

func (r *resolver) holdAll(argument any, least, most, depth int) ([]bool, error) {
	list, ok := argument.([]any)
	if !ok || len(list) < least || len(list) > most {
		return nil, fmt.Errorf("takes %d to %d conditions", least, most)
	}
	out := make([]bool, len(list))
	for i, item := range list {
		holds, err := r.holds(item, depth+1)
		if err != nil {
			return nil, err
		}
		out[i] = holds
	}
	return out, nil
}

func count(all []bool) int {
	n := 0
	for _, b := range all {
		if b {
			n++
		}
	}
	return n
}
