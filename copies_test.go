package doublelock_test

import (
	"go/ast"
	"strings"
	"testing"
)

// walksVersions are the packages that look at the versions of a secret themselves, with what they do.
var walksVersions = map[string]string{
	"shared/guard":         "answers which keys open which copy (CopiesOf)",
	"shared/cloud/secrets": "reads them from AWS",
}

// keepsVersions are the functions elsewhere that name the list, and look at no key in it.
var keepsVersions = map[string]string{
	"shared/migration.before": "keeps a secret as it was, for the record",
}

// Law 1: one function says which keys open which copy. Whoever walks the versions himself forgets replicas, other accounts, or
// versions that could not be read.
func TestOnlyGuardSaysWhichKeysOpenWhichVersion(t *testing.T) {
	all, err := loadShipped()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, s := range all {
		for _, file := range s.files {
			for _, declaration := range file.Decls {
				name := ""
				if f, isFunction := declaration.(*ast.FuncDecl); isFunction {
					name = s.path + "." + f.Name.Name
				}
				ast.Inspect(declaration, func(n ast.Node) bool {
					chosen, isSelector := n.(*ast.SelectorExpr)
					if !isSelector || chosen.Sel.Name != "Versions" {
						return true
					}
					selection := s.info.Selections[chosen]
					if selection == nil {
						return true
					}
					switch of := typeName(selection.Recv()); {
					case of != "shared/guard.Secret" && of != "shared/guard.Replica" && of != "shared/guard.AccountCopy":
					case walksVersions[s.path] != "":
						seen[s.path] = true
					case keepsVersions[name] != "":
						seen[name] = true
					default:
						t.Errorf("%s looks at the versions of a %s itself: ask guard.CopiesOf", name, strings.TrimPrefix(of, "shared/"))
					}
					return true
				})
			}
		}
	}
	for _, list := range []map[string]string{walksVersions, keepsVersions} {
		for name, why := range list {
			if !seen[name] {
				t.Errorf("%s (%s) does not look at versions any more: take its line away", name, why)
			}
		}
	}
}
