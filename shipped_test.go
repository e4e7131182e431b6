package doublelock_test

import (
	"bytes"
	"encoding/json"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// shipped is the code that ships, without tests and without the local AWS, checked for types.
type shipped struct {
	path  string // without the module
	files []*ast.File
	info  *types.Info
	types *types.Package
}

var loadShipped = sync.OnceValues(func() ([]shipped, error) {
	command := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles,Standard", "./...")
	command.Stderr = io.Discard
	out, err := command.Output()
	if err != nil {
		return nil, err
	}
	type listed struct {
		ImportPath, Export, Dir string
		GoFiles                 []string
	}
	exports := map[string]string{}
	var ours []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); err == io.EOF {
			break
		} else if err != nil {
			return nil, err
		}
		exports[p.ImportPath] = p.Export
		if path, found := strings.CutPrefix(p.ImportPath, module); found && !strings.HasPrefix(path, "shared/localaws") && !strings.HasSuffix(path, "test") {
			ours = append(ours, p)
		}
	}
	files := token.NewFileSet()
	imported := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	var all []shipped
	for _, p := range ours {
		s := shipped{path: strings.TrimPrefix(p.ImportPath, module), info: &types.Info{
			Defs: map[*ast.Ident]types.Object{}, Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}, Types: map[ast.Expr]types.TypeAndValue{},
		}}
		for _, name := range p.GoFiles {
			parsed, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			s.files = append(s.files, parsed)
		}
		config := types.Config{Importer: imported}
		if s.types, err = config.Check(p.ImportPath, files, s.files, s.info); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	positions = files
	return all, nil
})

// positions says where the shipped code stands; loadShipped sets it.
var positions *token.FileSet

func shippedCode(t *testing.T) []shipped {
	t.Helper()
	all, err := loadShipped()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// file is the name of the file that a node stands in, without its folder.
func file(n ast.Node) string { return filepath.Base(positions.Position(n.Pos()).Filename) }

// name of an object that is the same whichever package looks at it: path.Name.
func nameOf(o types.Object) string {
	if o.Pkg() == nil {
		return o.Name()
	}
	return strings.TrimPrefix(o.Pkg().Path(), module) + "." + o.Name()
}

// typeName is the name of a named type, or of what a pointer leads to; "" for others.
func typeName(t types.Type) string {
	if p, isPointer := t.(*types.Pointer); isPointer {
		t = p.Elem()
	}
	if n, isNamed := types.Unalias(t).(*types.Named); isNamed {
		return nameOf(n.Obj())
	}
	return ""
}

// reachable are the functions that a main of the shipped code may come to, by what they mention: "path.Type.Name". A call
// of an interface's method may come to every method of that name.
func reachable(all []shipped) map[string]bool {
	mentions, byName, queue := map[string][]string{}, map[string][]string{}, []string{}
	for _, s := range all {
		for _, parsed := range s.files {
			for _, declaration := range parsed.Decls {
				f, isFunction := declaration.(*ast.FuncDecl)
				if !isFunction {
					queue = append(queue, mentioned(s.info, declaration)...) // what starts with the process
					continue
				}
				key := functionKey(s.info.Defs[f.Name].(*types.Func))
				mentions[key] = mentioned(s.info, f)
				if f.Recv != nil {
					byName["any."+f.Name.Name] = append(byName["any."+f.Name.Name], key)
				}
				if f.Recv == nil && (f.Name.Name == "main" && s.types.Name() == "main" || f.Name.Name == "init") {
					queue = append(queue, key)
				}
			}
		}
	}
	for _, called := range []string{"Error", "String", "Unwrap", "Is", "MarshalJSON", "UnmarshalJSON", "MarshalText", "UnmarshalText"} {
		queue = append(queue, "any."+called) // by the standard library
	}
	seen := map[string]bool{}
	for len(queue) > 0 {
		key := queue[0]
		queue = queue[1:]
		if !seen[key] {
			seen[key] = true
			queue = append(append(queue, mentions[key]...), byName[key]...)
		}
	}
	return seen
}

// mentioned lists the functions that a piece of code names.
func mentioned(info *types.Info, n ast.Node) []string {
	var keys []string
	ast.Inspect(n, func(n ast.Node) bool {
		if identifier, isIdentifier := n.(*ast.Ident); isIdentifier {
			if f, isFunction := info.Uses[identifier].(*types.Func); isFunction {
				keys = append(keys, functionKey(f))
			}
		}
		return true
	})
	return keys
}

// functionKey is path.Name of a function, path.Type.Name of a method, and any.Name of an interface's.
func functionKey(f *types.Func) string {
	receiver := f.Origin().Signature().Recv()
	if receiver == nil {
		return nameOf(f)
	}
	if types.IsInterface(receiver.Type()) {
		return "any." + f.Name()
	}
	return typeName(receiver.Type()) + "." + f.Name()
}
