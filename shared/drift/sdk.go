package drift

import (
	"fmt"
	"go/constant"
	"go/types"
	"slices"
	"strings"
)

// FromSDK reads a client package of the Go SDK, and the package of its types.
func FromSDK(service string, client, shapes *types.Package) (Model, error) {
	m := Model{Source: SDK, Service: service, Calls: map[string]Call{}, Enums: map[string][]string{}}
	named, found := client.Scope().Lookup("Client").(*types.TypeName)
	if !found {
		return m, fmt.Errorf("read %s: no Client in it", client.Path())
	}
	s := sdk{client, shapes}
	methods := types.NewMethodSet(types.NewPointer(named.Type()))
	for i := range methods.Len() {
		name := methods.At(i).Obj().Name()
		in, hasIn := client.Scope().Lookup(name + "Input").(*types.TypeName)
		out, hasOut := client.Scope().Lookup(name + "Output").(*types.TypeName)
		if hasIn && hasOut {
			m.Calls[name] = Call{Request: s.fields(in.Type(), "", nil), Response: s.fields(out.Type(), "", nil)}
		}
	}
	for _, name := range shapes.Scope().Names() {
		switch o := shapes.Scope().Lookup(name).(type) {
		case *types.TypeName:
			member, _, _ := types.LookupFieldOrMethod(types.NewPointer(o.Type()), true, shapes, "ErrorCode")
			if _, isMethod := member.(*types.Func); isMethod {
				m.Errors = append(m.Errors, name)
			}
		case *types.Const:
			if of, isNamed := o.Type().(*types.Named); isNamed {
				m.Enums[of.Obj().Name()] = append(m.Enums[of.Obj().Name()], constant.StringVal(o.Val()))
			}
		}
	}
	return m, nil
}

type sdk struct{ client, shapes *types.Package }

// fields lists the members of a struct and of those inside; above are the types on the way down to it.
func (s sdk) fields(t types.Type, path string, above []types.Type) []Field {
	named, _ := t.(*types.Named)
	members, isStruct := t.Underlying().(*types.Struct)
	if named == nil || !isStruct || slices.Contains(above, t) || named.Obj().Pkg() != s.client && named.Obj().Pkg() != s.shapes {
		return nil
	}
	var out []Field
	for i := range members.NumFields() {
		f := members.Field(i)
		if !f.Exported() || f.Name() == "ResultMetadata" {
			continue
		}
		element := elementOf(f.Type())
		field := Field{Path: join(path, f.Name()), Owner: named.Obj().Name()}
		if e, isNamed := element.(*types.Named); isNamed {
			if basic, isBasic := e.Underlying().(*types.Basic); isBasic && basic.Kind() == types.String {
				field.Enum = e.Obj().Name()
			}
		}
		out = append(append(out, field), s.fields(element, field.Path, append(slices.Clip(above), t))...)
	}
	return out
}

// elementOf is what a pointer, list or map leads to.
func elementOf(t types.Type) types.Type {
	for {
		switch u := t.(type) {
		case *types.Pointer:
			t = u.Elem()
		case *types.Slice:
			t = u.Elem()
		case *types.Map:
			t = u.Elem()
		default:
			return t
		}
	}
}

// Package names the SDK's package of a service.
func Package(service string) string {
	return "github.com/aws/aws-sdk-go-v2/service/" + strings.ToLower(service)
}
