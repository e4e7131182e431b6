package scenarios_test

import (
	"context"

	"github.com/doublelock/doublelock/shared/store"
)

// changing is the context of a change that nobody else makes.
func changing(w *testbed) context.Context {
	return store.WithSending(w.Context(), store.NewSending(func(context.Context) error { return nil }))
}
