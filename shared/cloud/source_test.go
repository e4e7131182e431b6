package cloud_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// sources parses package cloud and all below it, without tests.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := map[string]*ast.File{}
	err := filepath.WalkDir(".", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		files[filepath.ToSlash(path)], err = parser.ParseFile(token.NewFileSet(), path, nil, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("%d files are not all", len(files))
	}
	return files
}

// sdkNames are the names under which a file imports the SDK.
func sdkNames(file *ast.File) map[string]bool {
	names := map[string]bool{}
	for _, i := range file.Imports {
		path := strings.Trim(i.Path.Value, `"`)
		if !strings.HasPrefix(path, "github.com/aws/") {
			continue
		}
		name := path[strings.LastIndex(path, "/")+1:]
		if i.Name != nil {
			name = i.Name.Name
		}
		names[name] = true
	}
	return names
}

func TestNoTypeOfTheSDKLeavesThePackages(t *testing.T) {
	for path, file := range sources(t) {
		if strings.HasPrefix(path, "internal/") { // Go keeps others from importing it
			continue
		}
		sdk := sdkNames(file)
		for _, d := range file.Decls {
			for _, exported := range surface(d) {
				ast.Inspect(exported, func(n ast.Node) bool {
					if s, isSelector := n.(*ast.SelectorExpr); isSelector {
						if x, isName := s.X.(*ast.Ident); isName && sdk[x.Name] {
							t.Errorf("%s: %s.%s is seen outside", path, x.Name, s.Sel.Name)
						}
					}
					return true
				})
			}
		}
	}
}

// surface is what of a declaration other packages see: signatures of exported functions and methods of exported types,
// exported fields of exported structs.
func surface(d ast.Decl) (seen []ast.Node) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
			seen = append(seen, d.Type)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			s, isType := spec.(*ast.TypeSpec)
			if !isType || !s.Name.IsExported() {
				continue
			}
			structure, isStruct := s.Type.(*ast.StructType)
			if !isStruct {
				seen = append(seen, s.Type)
				continue
			}
			for _, field := range structure.Fields.List {
				if len(field.Names) == 0 || field.Names[0].IsExported() {
					seen = append(seen, field.Type)
				}
			}
		}
	}
	return seen
}

func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	if pointer, isPointer := t.(*ast.StarExpr); isPointer {
		t = pointer.X
	}
	name, isName := t.(*ast.Ident)
	if !isName {
		return ""
	}
	return name.Name
}

// seal.go reads the value that an owner writes again, with the owner's own credentials. The sandbox reads secrets that a
// conformance run made itself, with random values, and drops what it read. Nothing else does.
func TestOnlySealReadsAValueAndTheSandboxItsOwn(t *testing.T) {
	readers := map[string]int{}
	for path, file := range sources(t) {
		ast.Inspect(file, func(n ast.Node) bool {
			if s, isSelector := n.(*ast.SelectorExpr); isSelector && strings.HasSuffix(s.Sel.Name, "GetSecretValue") {
				readers[path]++
			}
			return true
		})
	}
	if len(readers) != 2 || readers["secrets/seal.go"] != 1 || readers["sandbox/secrets.go"] != 1 {
		t.Errorf("values are read in %v, want once in secrets/seal.go and once in sandbox/secrets.go", readers)
	}
}
