package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/types"
	"path/filepath"
	"slices"
	"strconv"
)

// rewrite returns the package's files with every mutant in them that a running program can switch on, and the one more
// file that says which is. Each expression with mutants becomes a function of its variants, the original last; a variant
// holds none of the others, since one mutant is active at a time.
func (p *source) rewrite(mutants []mutant, active, reached string) map[string][]byte {
	byFile := map[string][]group{}
	for _, m := range mutants {
		if m.fixed {
			continue
		}
		name := p.set.Position(m.node.Pos()).Filename
		groups := byFile[name]
		if last := len(groups) - 1; last >= 0 && groups[last].mutants[0].offset == m.offset {
			groups[last].mutants = append(groups[last].mutants, m)
		} else {
			groups = append(groups, group{start: p.set.Position(m.node.Pos()).Offset, end: p.set.Position(m.node.End()).Offset, mutants: []mutant{m}})
		}
		byFile[name] = groups
	}
	out := map[string][]byte{}
	for name, groups := range byFile {
		slices.SortStableFunc(groups, func(a, b group) int { return cmp.Or(a.start-b.start, b.end-a.end) })
		r := rewriter{p: p, text: p.texts[name], groups: groups}
		r.render(0, len(r.text), 0)
		out[name] = r.out.Bytes()
	}
	out[filepath.Join(filepath.Dir(p.names()[0]), "active_mutant.go")] = fmt.Appendf(nil, activeMutant, p.name, len(mutants), strconv.Quote(active), strconv.Quote(reached))
	return out
}

// A group is the mutants of one operator.
type group struct {
	start, end int // of the node in the file
	mutants    []mutant
}

type rewriter struct {
	p      *source
	text   []byte
	groups []group // outer before inner
	out    bytes.Buffer
}

// render writes text[from:to] with the groups in it from the next one on, and returns the first group behind it.
func (r *rewriter) render(from, to, next int) int {
	for next < len(r.groups) && r.groups[next].start < to {
		g := r.groups[next]
		r.out.Write(r.text[from:g.start])
		next = r.renderGroup(g, next+1)
		from = g.end
	}
	r.out.Write(r.text[from:to])
	return next
}

func (r *rewriter) renderGroup(g group, next int) int {
	first := g.mutants[0]
	enter, before, leave := "func() { ", "", " }()"
	switch n := first.node.(type) {
	case ast.Expr:
		enter, before = "func() "+r.typeOf(n)+" { ", "return "
	case *ast.BranchStmt:
		enter, leave = "", ""
	}
	r.out.WriteString(enter)
	for i, m := range g.mutants {
		variant := slices.Concat(r.text[g.start:m.offset], []byte(m.to.String()), r.text[m.offset+len(m.from.String()):g.end])
		if b, isBinary := m.node.(*ast.BinaryExpr); isBinary { // whatever binds closer
			variant = fmt.Appendf(nil, "(%s) %s (%s)", r.textOf(b.X), m.to, r.textOf(b.Y))
		}
		fmt.Fprintf(&r.out, "if mutantIs(%d, %d) { %s%s } else ", first.id, first.id+i, before, variant)
	}
	r.out.WriteString("{ " + before)
	next = r.render(g.start, g.end, next)
	r.out.WriteString(" }" + leave)
	return next
}

func (r *rewriter) textOf(n ast.Node) []byte {
	return r.text[r.p.set.Position(n.Pos()).Offset:r.p.set.Position(n.End()).Offset]
}

func (r *rewriter) typeOf(e ast.Expr) string {
	file := r.p.files[r.p.set.Position(e.Pos()).Filename]
	t := types.Default(r.p.info.Types[e].Type)
	return types.TypeString(t, func(other *types.Package) string {
		if other.Path() == r.p.path {
			return ""
		}
		for _, imported := range file.Imports {
			if path, err := strconv.Unquote(imported.Path.Value); err == nil && path == other.Path() && imported.Name != nil {
				return imported.Name.Name
			}
		}
		return other.Name()
	})
}

// activeMutant reads which mutant is active from a file, not from the environment, which a test may clear for the
// processes that it starts. "reach" instead of a number makes it write down every operator that is reached.
const activeMutant = `package %s

import (
	mutantOS "os"
	mutantConv "strconv"
	mutantAtomic "sync/atomic"
)

var mutantSeen [%d + 1]mutantAtomic.Bool

var mutantActive = func() int {
	text, err := mutantOS.ReadFile(%s)
	if err != nil {
		return -1
	}
	if string(text) == "reach" {
		return -2
	}
	if n, err := mutantConv.Atoi(string(text)); err == nil {
		return n
	}
	return -1
}()

// mutantIs is small enough to be inlined.
func mutantIs(first, id int) bool {
	if mutantActive == -2 {
		mutantReached(first)
	}
	return mutantActive == id
}

func mutantReached(first int) {
	if mutantSeen[first].Load() || mutantSeen[first].Swap(true) {
		return
	}
	if file, err := mutantOS.OpenFile(%s, mutantOS.O_APPEND|mutantOS.O_CREATE|mutantOS.O_WRONLY, 0o600); err == nil {
		file.WriteString(mutantConv.Itoa(first) + "\n")
		file.Close()
	}
}
`
