package flags

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// single is a flag with one value, which is refused a second one.
type single struct {
	pflag.Value
	given bool
}

func (s *single) Set(text string) error {
	if s.given {
		return errors.New("it takes one value, and was given before; leave one of them out")
	}
	err := s.Value.Set(text)
	s.given = err == nil
	return err
}

// RefuseRepeated has every command from cmd on down refuse a second value for a flag that takes one, where the first
// would be dropped without a word. A flag that may be repeated has a list: many, or one of pflag's.
func RefuseRepeated(cmd *cobra.Command) {
	wrap := func(f *pflag.Flag) {
		switch f.Value.(type) {
		case *many, pflag.SliceValue, *single:
			return
		}
		f.Value = &single{Value: f.Value}
	}
	cmd.Flags().VisitAll(wrap)
	cmd.PersistentFlags().VisitAll(wrap)
	for _, child := range cmd.Commands() {
		RefuseRepeated(child)
	}
}
