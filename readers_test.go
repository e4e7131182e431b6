package doublelock_test

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/settings"
)

// Every thing has a reader: what nobody reads is a promise that nobody keeps.

// checking are the files of settings that read a field in order to judge what was written, not in order to follow it.
var checking = []string{"decode.go", "defaults.go", "schema.go", "validate.go", "validate_channels.go", "validate_keys.go", "validate_people.go", "compare.go"}

// readByPeople are the fields whose readers are people, and where they read them.
var readByPeople = map[string]string{
	"RolloutStage.Name": "config validate names the stage in what it says of it",
}

func TestEverySettingIsReadByCodeThatShips(t *testing.T) {
	read := map[string]bool{} // "Type.Field"
	for _, s := range shippedCode(t) {
		for _, parsed := range s.files {
			if s.path == "shared/settings" && slices.Contains(checking, file(parsed)) {
				continue
			}
			written := assigned(parsed)
			ast.Inspect(parsed, func(n ast.Node) bool {
				if call, isCall := n.(*ast.CallExpr); isCall && s.info.Types[call.Fun].IsType() {
					for _, field := range fieldsOf(s.info.TypeOf(call.Args[0])) {
						read[field] = true // a conversion takes them all
					}
				}
				selector, isSelector := n.(*ast.SelectorExpr)
				if !isSelector || written[selector] {
					return true
				}
				if selection := s.info.Selections[selector]; selection != nil && selection.Kind() == types.FieldVal {
					if owner, found := strings.CutPrefix(typeName(selection.Recv()), "shared/settings."); found {
						read[owner+"."+selector.Sel.Name] = true
					}
				}
				return true
			})
		}
	}
	for _, root := range []reflect.Type{reflect.TypeFor[settings.Config](), reflect.TypeFor[settings.Runtime]()} {
		for _, field := range fieldsBelow(root, map[reflect.Type]bool{}) {
			if why := readByPeople[field]; !read[field] && why == "" {
				t.Errorf("settings.%s: no code that ships reads it", field)
			}
		}
	}
}

// fieldsOf lists the fields of a struct of settings, as "Type.Field".
func fieldsOf(t types.Type) []string {
	owner, found := strings.CutPrefix(typeName(t), "shared/settings.")
	s, isStruct := t.Underlying().(*types.Struct)
	if !found || !isStruct {
		return nil
	}
	var fields []string
	for i := range s.NumFields() {
		fields = append(fields, owner+"."+s.Field(i).Name())
	}
	return fields
}

// assigned are the selectors that a file assigns to.
func assigned(parsed *ast.File) map[*ast.SelectorExpr]bool {
	written := map[*ast.SelectorExpr]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if assignment, isAssignment := n.(*ast.AssignStmt); isAssignment {
			for _, left := range assignment.Lhs {
				if selector, isSelector := left.(*ast.SelectorExpr); isSelector {
					written[selector] = true
				}
			}
		}
		return true
	})
	return written
}

// fieldsBelow lists the fields of a settings type and of what it holds, as "Type.Field".
func fieldsBelow(t reflect.Type, seen map[reflect.Type]bool) []string {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map || t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] || !strings.HasSuffix(t.PkgPath(), "shared/settings") {
		return nil
	}
	seen[t] = true
	var fields []string
	for i := range t.NumField() {
		fields = append(fields, t.Name()+"."+t.Field(i).Name)
		fields = append(fields, fieldsBelow(t.Field(i).Type, seen)...)
	}
	return fields
}

// What a constant of a kind is used for: made, or looked at.
type use struct{ made, looked bool }

// usesOf says how the constants of a type are used outside the package that names them.
func usesOf(t *testing.T, home, kind string) map[string]*use {
	t.Helper()
	uses := map[string]*use{}
	for _, s := range shippedCode(t) {
		if s.path == home {
			for _, name := range s.types.Scope().Names() {
				if c, isConstant := s.types.Scope().Lookup(name).(*types.Const); isConstant && typeName(c.Type()) == home+"."+kind {
					uses[name] = &use{}
				}
			}
		}
	}
	for _, s := range shippedCode(t) {
		for _, parsed := range s.files {
			looked := lookedAt(parsed)
			ast.Inspect(parsed, func(n ast.Node) bool {
				identifier, isIdentifier := n.(*ast.Ident)
				if !isIdentifier {
					return true
				}
				c, isConstant := s.info.Uses[identifier].(*types.Const)
				if !isConstant || uses[c.Name()] == nil || nameOf(c) != home+"."+c.Name() {
					return true
				}
				if looked[identifier] {
					uses[c.Name()].looked = true
				} else {
					uses[c.Name()].made = true
				}
				return true
			})
		}
	}
	return uses
}

// lookedAt are the identifiers that a value is compared with: in a case, a comparison, or the key of a table.
func lookedAt(parsed *ast.File) map[*ast.Ident]bool {
	looked := map[*ast.Ident]bool{}
	mark := func(e ast.Expr) {
		switch e := e.(type) {
		case *ast.Ident:
			looked[e] = true
		case *ast.SelectorExpr:
			looked[e.Sel] = true
		}
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CaseClause:
			for _, e := range n.List {
				mark(e)
			}
		case *ast.BinaryExpr:
			if n.Op == token.EQL || n.Op == token.NEQ {
				mark(n.X)
				mark(n.Y)
			}
		case *ast.KeyValueExpr:
			mark(n.Key)
		}
		return true
	})
	return looked
}

// countedKinds are the notices that nothing compares with, and who reads them.
var countedKinds = map[string]string{
	"NoticeDenied": "alert logs it and notifies nobody; the rule of attempts counts it: docs/operations.md, Halt on unforeseen denies",
}

func TestEveryKindOfNoticeIsMadeAndLookedAt(t *testing.T) {
	uses := usesOf(t, "shared/guard", "NoticeKind")
	if len(uses) < 10 {
		t.Fatalf("found %d kinds of notices: this test looks in the wrong place", len(uses))
	}
	for _, name := range slices.Sorted(maps.Keys(uses)) {
		if u := uses[name]; !u.made || !u.looked && countedKinds[name] == "" {
			t.Errorf("guard.%s: made %t, looked at %t", name, u.made, u.looked)
		}
	}
}

// The environment contract has two ends. AWS writes one variable, the local run the other.
func TestEveryVariableIsWrittenByInfraAndReadByAFunction(t *testing.T) {
	written, read := map[string]bool{"EnvEndpoint": true, "EnvRegion": true}, map[string]bool{}
	var all []string
	for _, s := range shippedCode(t) {
		if s.path == "shared/settings" || s.path == "shared/notify/channels" {
			for _, name := range s.types.Scope().Names() {
				if c, isConstant := s.types.Scope().Lookup(name).(*types.Const); isConstant && strings.HasPrefix(name, "Env") && c.Val().Kind() == constant.String {
					all = append(all, constant.StringVal(c.Val())+" "+name)
				}
			}
		}
		for identifier, object := range s.info.Uses {
			if c, isConstant := object.(*types.Const); !isConstant || !strings.HasPrefix(c.Name(), "Env") {
				continue
			}
			switch {
			case s.path == "infra":
				written[identifier.Name] = true
			case s.path == "shared/notify/channels": // a row: infra writes the variable of each, alert reads it
				written[identifier.Name], read[identifier.Name] = true, true
			case strings.HasPrefix(s.path, "handlers/"), strings.HasPrefix(s.path, "shared/cloud"):
				read[identifier.Name] = true
			}
		}
	}
	aliases := map[string]string{"EnvOwnersTopic": "EnvEmail", "EnvChatTopic": "EnvChat"} // of the rows, in settings
	for _, variable := range all {
		_, name, _ := strings.Cut(variable, " ")
		if row := aliases[name]; row != "" {
			name = row
		}
		if !written[name] || !read[name] {
			t.Errorf("%s: written by infra %t, read by a function %t", variable, written[name], read[name])
		}
	}
}
