package migration_test

import (
	"fmt"
	"testing"

	"github.com/doublelock/doublelock/shared/inventory"
)

// BenchmarkPlan plans 1,000 secrets of an account with 200 roles, ten of which may do everything.
func BenchmarkPlan(b *testing.B) {
	s := typical()
	s.Secrets = nil
	for n := range 1000 {
		s.Secrets = append(s.Secrets, inventory.Secret{Facts: secret(fmt.Sprintf("app-%03d-%d", n%190, n), managed())})
	}
	f := facts(s)
	b.ReportAllocs()
	for b.Loop() {
		f.Access = inventory.Prepare(s)
		if p := planOf(b, f); len(p.Items) != 1000 {
			b.Fatalf("%d items", len(p.Items))
		}
	}
}
