package settings

import "errors"

// FieldError is what is wrong with a field that only shows when something is made of the configuration: a policy or a
// variable over its limit. Whoever has the File says in which line the field is.
type FieldError struct {
	Field string // a path such as breakGlassRoles
	What  string
	Fix   string
}

func (e *FieldError) Error() string { return e.Field + ": " + e.What + "; " + e.Fix }

// Locate turns a FieldError into Problems with the line of the field; other errors stay as they are.
func (f *File) Locate(err error) error {
	var wrong *FieldError
	if !errors.As(err, &wrong) {
		return err
	}
	return Problems{f.Problem(wrong.Field, wrong.What, wrong.Fix)}
}

// Part is a field of the configuration and how much room it takes in what is made of it.
type Part struct {
	Field string
	Size  int
}

// Largest is the field that takes the most room; the first of equals.
func Largest(parts ...Part) string {
	largest := parts[0]
	for _, p := range parts[1:] {
		if p.Size > largest.Size {
			largest = p
		}
	}
	return largest.Field
}
