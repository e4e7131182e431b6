package config

import (
	"bytes"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"text/template"

	"github.com/doublelock/doublelock/shared/arn"
)

//go:embed template.yaml
var configTemplate string

// renderConfig writes answers into the commented configuration.
func renderConfig(a answers) ([]byte, error) {
	functions := template.FuncMap{"text": yamlText, "list": yamlList, "truth": yamlTruth}
	page, err := template.New("doublelock.yaml").Funcs(functions).Option("missingkey=error").Parse(configTemplate)
	if err != nil {
		return nil, fmt.Errorf("read template: %w", err)
	}
	fields := map[string]string{"partition": string(arn.PartitionOf(a["home-region"]))}
	for flag, answer := range a {
		fields[strings.ReplaceAll(flag, "-", "_")] = answer
	}
	var out bytes.Buffer
	if err := page.Execute(&out, fields); err != nil {
		return nil, fmt.Errorf("fill template: %w", err)
	}
	return out.Bytes(), nil
}

// yamlText quotes what could be read as something other than text. YAML's double quotes know Go's escapes.
func yamlText(s string) string {
	plain := func(r rune) bool {
		return r == '-' || r == '/' || r == '_' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z'
	}
	if s == "" || strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) >= 0 || strings.Trim(s, "0123456789-_") == "" || s[0] == '-' || isWord(s) {
		return strconv.Quote(s)
	}
	return s
}

// yamlTruth writes true and false; anything else stays text, for the validation to refuse.
func yamlTruth(s string) string {
	if s == "true" || s == "false" {
		return s
	}
	return yamlText(s)
}

// isWord reports the words that YAML reads as a truth value or nothing, and "1e5".
func isWord(s string) bool {
	switch strings.ToLower(s) {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		return true
	}
	_, err := strconv.ParseFloat(s, 64)
	return err == nil || strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0o") || strings.HasPrefix(s, "0b")
}

// yamlList writes words with commas between as a list. Where there is no word it is the text as it is, for the
// validation to refuse: an empty list would pass for the default.
func yamlList(s string) string {
	var items []string
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, yamlText(item))
		}
	}
	if len(items) == 0 {
		return yamlText(s)
	}
	return "[" + strings.Join(items, ", ") + "]"
}
