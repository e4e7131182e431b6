package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// source is a package as the compiler sees it.
type source struct {
	path, name string
	set        *token.FileSet
	files      map[string]*ast.File // by absolute path
	texts      map[string][]byte
	info       *types.Info
	exports    map[string]string // of what it imports
	imported   types.Importer
}

// load reads and checks a package, given as "./shared/guard".
func load(ctx context.Context, path string) (*source, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-export", "-deps", "-json=ImportPath,Name,Export,Dir,GoFiles", path).Output()
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", path, err)
	}
	p := &source{set: token.NewFileSet(), files: map[string]*ast.File{}, texts: map[string][]byte{}, exports: map[string]string{}}
	type listed struct {
		ImportPath, Name, Export, Dir string
		GoFiles                       []string
	}
	var last listed // the package itself comes after all that it needs
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var l listed
		if err := decoder.Decode(&l); err == io.EOF {
			break
		} else if err != nil {
			return nil, fmt.Errorf("list %s: %w", path, err)
		}
		p.exports[l.ImportPath] = l.Export
		last = l
	}
	p.path, p.name = last.ImportPath, last.Name
	for _, name := range last.GoFiles {
		name = filepath.Join(last.Dir, name)
		if p.texts[name], err = os.ReadFile(name); err != nil {
			return nil, err
		}
		if p.files[name], err = parser.ParseFile(p.set, name, p.texts[name], parser.SkipObjectResolution|parser.ParseComments); err != nil {
			return nil, err
		}
	}
	p.imported = importer.ForCompiler(p.set, "gc", func(path string) (io.ReadCloser, error) { return os.Open(p.exports[path]) })
	p.info = &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	config := types.Config{Importer: p.imported}
	if _, err := config.Check(p.path, p.set, slices.Collect(maps.Values(p.files)), p.info); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *source) names() []string { return slices.Sorted(maps.Keys(p.files)) }

// mutated is the text of the mutant's file with its one change.
func (p *source) mutated(m mutant) []byte {
	text := p.texts[p.set.Position(m.node.Pos()).Filename]
	return slices.Concat(text[:m.offset], []byte(m.to.String()), text[m.offset+len(m.from.String()):])
}

// compiles reports whether the package with this one change is still a Go program. Only arithmetic, bits and loops can
// fail: strings have a sum and no difference, and a switch has no continue.
func (p *source) compiles(m mutant) bool {
	switch m.from {
	case token.EQL, token.NEQ, token.LSS, token.LEQ, token.GTR, token.GEQ, token.LAND, token.LOR, token.INC, token.DEC:
		return true
	}
	changed := p.set.Position(m.node.Pos()).Filename
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.names() {
		text := p.texts[name]
		if name == changed {
			text = p.mutated(m)
		}
		file, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
		if err != nil {
			return false
		}
		files = append(files, file)
	}
	config := types.Config{Importer: p.imported}
	_, err := config.Check(p.path, set, files, nil)
	return err == nil
}
