package cloudformation

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// plainFunctions are the functions whose arguments are resolved before they run.
var plainFunctions = map[string]func(*resolver, any) (any, error){
	"Fn::Join":        fnJoin,
	"Fn::Split":       fnSplit,
	"Fn::Select":      fnSelect,
	"Fn::FindInMap":   fnFindInMap,
	"Fn::ImportValue": fnImportValue,
	"Fn::Base64":      fnBase64,
	"Fn::GetAZs":      fnGetAZs,
}

func fnJoin(_ *resolver, argument any) (any, error) {
	parts, ok := argument.([]any)
	if !ok || len(parts) != 2 {
		return nil, errors.New("takes a delimiter and a list")
	}
	delimiter, isText := parts[0].(string)
	list, isList := parts[1].([]any)
	if !isText || !isList {
		return nil, errors.New("takes a delimiter and a list")
	}
	texts, ok := textList(list)
	if !ok {
		return nil, errors.New("the list has something that is not text")
	}
	return strings.Join(texts, delimiter), nil
}

func fnSplit(_ *resolver, argument any) (any, error) {
	parts, _ := argument.([]any)
	texts, ok := textList(parts)
	if !ok || len(texts) != 2 || texts[0] == "" {
		return nil, errors.New("takes a delimiter and a text")
	}
	var out []any
	for _, piece := range strings.Split(texts[1], texts[0]) {
		out = append(out, piece)
	}
	return out, nil
}

func fnSelect(_ *resolver, argument any) (any, error) {
	parts, _ := argument.([]any)
	if len(parts) != 2 {
		return nil, errors.New("takes an index and a list")
	}
	text, _ := scalarText(parts[0])
	index, err := strconv.Atoi(text)
	list, isList := parts[1].([]any)
	if err != nil || !isList {
		return nil, errors.New("takes an index and a list")
	}
	if index < 0 || index >= len(list) {
		return nil, fmt.Errorf("index %d of a list of %d", index, len(list))
	}
	return list[index], nil
}

func fnFindInMap(r *resolver, argument any) (any, error) {
	parts, _ := argument.([]any)
	keys, ok := textList(parts)
	if !ok || len(keys) != 3 {
		return nil, errors.New("takes a mapping and two keys")
	}
	value, ok := r.template.Mappings[keys[0]][keys[1]][keys[2]]
	if !ok {
		return nil, fmt.Errorf("no %s.%s in mapping %s", keys[1], keys[2], keys[0])
	}
	return value, nil
}

func fnImportValue(r *resolver, argument any) (any, error) {
	name, ok := argument.(string)
	if !ok {
		return nil, errors.New("takes a name")
	}
	value, ok := r.exports[name]
	if !ok {
		return nil, fmt.Errorf("no stack of this account and Region exports %s", name)
	}
	return value, nil
}

func fnBase64(_ *resolver, argument any) (any, error) {
	text, ok := scalarText(argument)
	if !ok {
		return nil, errors.New("takes text")
	}
	return base64.StdEncoding.EncodeToString([]byte(text)), nil
}

func fnGetAZs(r *resolver, argument any) (any, error) {
	region, _ := argument.(string)
	if region == "" {
		region, _ = r.parameters["AWS::Region"].(string)
	}
	return []any{region + "a", region + "b", region + "c"}, nil
}

// scalarText is how CloudFormation writes a scalar into text.
func scalarText(value any) (string, bool) {
	switch v := value.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

func textList(list []any) ([]string, bool) {
	texts := make([]string, 0, len(list))
	for _, item := range list {
		text, ok := scalarText(item)
		if !ok {
			return nil, false
		}
		texts = append(texts, text)
	}
	return texts, true
}
