package main

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// A mutant is one operator of the room's source exchanged for another.
type mutant struct {
	site     // where a reader looks for it, whatever line it has moved to
	id       int
	operator int // the id of the first mutant of the same operator
	line     int
	from, to token.Token
	offset   int  // of the operator in the file
	fixed    bool // part of a constant: it cannot be switched at run time
	node     ast.Node
}

// A site is how a mutant is named in a file of explanations.
type site struct {
	file, function string
	code           string // the line that holds the operator
	change         string // "== to !="
	nth            int    // 1 for the first of its kind in that line of that function
}

func (s site) String() string {
	nth := ""
	if s.nth > 1 {
		nth = fmt.Sprintf(" (%d)", s.nth)
	}
	return fmt.Sprintf("%s %s\n\t%s\n\t%s%s\n", s.file, s.function, s.code, s.change, nth)
}

// changes are the operators of gremlins 0.6.0, all eleven kinds, those included that it leaves out unless asked.
var changes = map[token.Token][]token.Token{
	// arithmetic and negatives
	token.ADD: {token.SUB}, token.SUB: {token.ADD}, token.MUL: {token.QUO}, token.QUO: {token.MUL}, token.REM: {token.MUL},
	// the boundaries of conditions, and their negation
	token.GEQ: {token.GTR, token.LSS}, token.GTR: {token.GEQ, token.LEQ}, token.LEQ: {token.LSS, token.GTR}, token.LSS: {token.LEQ, token.GEQ},
	token.EQL: {token.NEQ}, token.NEQ: {token.EQL},
	// logic, loops, counters
	token.LAND: {token.LOR}, token.LOR: {token.LAND},
	token.BREAK: {token.CONTINUE}, token.CONTINUE: {token.BREAK},
	token.INC: {token.DEC}, token.DEC: {token.INC},
	// bits
	token.AND: {token.OR}, token.OR: {token.AND}, token.XOR: {token.AND}, token.AND_NOT: {token.AND}, token.SHL: {token.SHR}, token.SHR: {token.SHL},
	// assignments: to another operator, and to none
	token.ADD_ASSIGN: {token.SUB_ASSIGN, token.ASSIGN}, token.SUB_ASSIGN: {token.ADD_ASSIGN, token.ASSIGN},
	token.MUL_ASSIGN: {token.QUO_ASSIGN, token.ASSIGN}, token.QUO_ASSIGN: {token.MUL_ASSIGN, token.ASSIGN}, token.REM_ASSIGN: {token.ASSIGN},
	token.AND_ASSIGN: {token.OR_ASSIGN, token.ASSIGN}, token.OR_ASSIGN: {token.AND_ASSIGN, token.ASSIGN}, token.XOR_ASSIGN: {token.AND_ASSIGN, token.ASSIGN},
	token.AND_NOT_ASSIGN: {token.AND_ASSIGN, token.ASSIGN}, token.SHL_ASSIGN: {token.SHR_ASSIGN, token.ASSIGN}, token.SHR_ASSIGN: {token.SHL_ASSIGN, token.ASSIGN},
}

// find lists the mutants of a package in the order of its files. Those that no compiler takes (a difference of strings)
// are left out.
func (p *source) find() []mutant {
	var found []mutant
	for _, name := range p.names() {
		for _, m := range p.findIn(name) {
			if p.compiles(m) {
				found = append(found, m)
			}
		}
	}
	// The changes of one operator follow each other, as the rewritten source counts them.
	slices.SortStableFunc(found, func(a, b mutant) int { return cmp.Or(cmp.Compare(a.file, b.file), a.offset-b.offset) })
	seen := map[site]int{}
	for i := range found {
		found[i].id, found[i].operator = i, i
		if i > 0 && found[i-1].file == found[i].file && found[i-1].offset == found[i].offset {
			found[i].operator = found[i-1].operator
		}
		seen[found[i].site]++
		found[i].nth = seen[found[i].site]
	}
	return found
}

// standing are the mutants of files and of lines, as "blast.go:36,copies.go"; all where at is "".
func standing(mutants []mutant, at string) []mutant {
	var out []mutant
	wanted := strings.Split(at, ",")
	for _, m := range mutants {
		if at != "" && !slices.Contains(wanted, m.file) && !slices.Contains(wanted, fmt.Sprintf("%s:%d", m.file, m.line)) {
			continue
		}
		first := m.id == m.operator
		if m.id = len(out); first {
			m.operator = m.id
		} else {
			m.operator = out[len(out)-1].operator
		}
		out = append(out, m)
	}
	return out
}

func (p *source) findIn(name string) []mutant {
	var found []mutant
	file, text := p.files[name], p.texts[name]
	var path []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			path = path[:len(path)-1]
			return true
		}
		path = append(path, n)
		from, at := operator(n)
		for _, to := range changes[from] {
			if _, isUnary := n.(*ast.UnaryExpr); isUnary && from != token.SUB {
				continue // &x takes an address
			}
			position := p.set.Position(at)
			found = append(found, mutant{
				site: site{
					file: filepath.Base(name), function: enclosing(path),
					code: lineAt(text, position.Offset), change: fmt.Sprintf("%s to %s", from, to),
				},
				line: position.Line, from: from, to: to, offset: position.Offset, node: n, fixed: p.isFixed(path),
			})
		}
		return true
	})
	return found
}

// operator is what stands between the operands of a node, or the node's own word.
func operator(n ast.Node) (token.Token, token.Pos) {
	switch n := n.(type) {
	case *ast.BinaryExpr:
		return n.Op, n.OpPos
	case *ast.UnaryExpr:
		return n.Op, n.OpPos
	case *ast.IncDecStmt:
		return n.Tok, n.TokPos
	case *ast.AssignStmt:
		return n.Tok, n.TokPos
	case *ast.BranchStmt:
		return n.Tok, n.TokPos
	}
	return token.ILLEGAL, token.NoPos
}

// enclosing is the function or the declaration that a node stands in.
func enclosing(path []ast.Node) string {
	for _, n := range path {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil || len(n.Recv.List) == 0 {
				return n.Name.Name
			}
			receiver := n.Recv.List[0].Type
			if star, isPointer := receiver.(*ast.StarExpr); isPointer {
				receiver = star.X
			}
			if generic, isGeneric := receiver.(*ast.IndexExpr); isGeneric {
				receiver = generic.X
			}
			if name, isName := receiver.(*ast.Ident); isName {
				return name.Name + "." + n.Name.Name
			}
			return n.Name.Name
		case *ast.ValueSpec:
			return n.Names[0].Name
		}
	}
	return "-"
}

// isFixed reports whether a node's value must be known to the compiler.
func (p *source) isFixed(path []ast.Node) bool {
	for i, n := range path {
		if d, isDeclaration := n.(*ast.GenDecl); isDeclaration && d.Tok == token.CONST {
			return true
		}
		if a, isArray := n.(*ast.ArrayType); isArray && i+1 < len(path) && path[i+1] == a.Len {
			return true
		}
	}
	return false
}

func lineAt(text []byte, offset int) string {
	start := bytes.LastIndexByte(text[:offset], '\n') + 1
	line, _, _ := bytes.Cut(text[start:], []byte{'\n'})
	return strings.Join(strings.Fields(string(line)), " ")
}
