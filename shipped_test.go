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
			Uses: map[*ast.Ident]types.Object{}, Selections: map[*ast.SelectorExpr]*types.Selection{}, Types: map[ast.Expr]types.TypeAndValue{},
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
