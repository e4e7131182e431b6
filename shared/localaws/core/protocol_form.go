package core

import (
	"net/url"
	"reflect"
	"strconv"
	"strings"
)

// decodeForm reads a query form into the struct v points to: scalar fields by name, lists from Name.member.N or
// Name.N, maps from Name.entry.N.key/value (also Key/Value, Name/Value), structs from Name.Field.
func decodeForm(form url.Values, v any) error {
	return formInto(form, "", reflect.ValueOf(v).Elem())
}

func formInto(form url.Values, name string, v reflect.Value) error {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if err := formInto(form, join(name, formName(field)), v.Field(i)); err != nil {
				return err
			}
		}
		return nil
	case reflect.Slice:
		return formList(form, name, v)
	case reflect.Map:
		return formMap(form, name, v)
	case reflect.Pointer:
		if !holds(form, name) {
			return nil
		}
		v.Set(reflect.New(v.Type().Elem()))
		return formInto(form, name, v.Elem())
	default:
		return formScalar(form, name, v)
	}
}

func formName(field reflect.StructField) string {
	if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
		return name
	}
	return field.Name
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

// holds reports whether the form has the name itself or anything under it.
func holds(form url.Values, name string) bool {
	if form.Has(name) {
		return true
	}
	for key := range form {
		if strings.HasPrefix(key, name+".") {
			return true
		}
	}
	return false
}

func formList(form url.Values, name string, v reflect.Value) error {
	for i := 1; ; i++ {
		item := name + ".member." + strconv.Itoa(i)
		if !holds(form, item) {
			item = name + "." + strconv.Itoa(i)
		}
		if !holds(form, item) {
			return nil
		}
		value := reflect.New(v.Type().Elem()).Elem()
		if err := formInto(form, item, value); err != nil {
			return err
		}
		v.Set(reflect.Append(v, value))
	}
}

func formMap(form url.Values, name string, v reflect.Value) error {
	out := reflect.MakeMap(v.Type())
	for i := 1; ; i++ {
		entry := name + ".entry." + strconv.Itoa(i)
		key, found := form.Get(entry+".key"), form.Has(entry+".key")
		if !found {
			key, found = form.Get(entry+".Name"), form.Has(entry+".Name")
		}
		if !found {
			break
		}
		value := reflect.New(v.Type().Elem()).Elem()
		under := entry + ".value"
		if !holds(form, under) {
			under = entry + ".Value"
		}
		if err := formInto(form, under, value); err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(key), value)
	}
	if out.Len() == 0 && v.Type().Elem().Kind() == reflect.String {
		for key := range form { // as formOf writes a map
			if under, ok := strings.CutPrefix(key, name+"."); ok {
				out.SetMapIndex(reflect.ValueOf(under), reflect.ValueOf(form.Get(key)).Convert(v.Type().Elem()))
			}
		}
	}
	if out.Len() > 0 {
		v.Set(out)
	}
	return nil
}

func formScalar(form url.Values, name string, v reflect.Value) error {
	if !form.Has(name) {
		return nil
	}
	text := form.Get(name)
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(text == "true")
	case reflect.Int, reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return &Error{Code: "ValidationError", Message: name + " must be a number"}
		}
		v.SetInt(n)
	default:
		return &Error{Code: "ValidationError", Message: name + " cannot be read"}
	}
	return nil
}
