package settings

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify/channels"
)

// schemaID names the JSON Schema of doublelock.yaml.
const schemaID = "https://github.com/doublelock/doublelock/blob/main/docs/doublelock.schema.json"

// Schema is the JSON Schema of doublelock.yaml, made from the Go types: for editors that complete and check while one
// types. It says less than Parse, which also knows what fields mean together.
func Schema() ([]byte, error) { return standard().Schema() }

// Schema is the JSON Schema of a format.
func (f Format) Schema() ([]byte, error) {
	reflector := jsonschema.Reflector{
		FieldNameTag: "yaml", DoNotReference: true, ExpandedStruct: true, RequiredFromJSONSchemaTags: true,
		LookupComment: about,
	}
	schema := reflector.Reflect(Config{})
	schema.ID, schema.Title = schemaID, "doublelock.yaml"
	schema.Description = "How Doublelock guards an AWS organization."
	f.constrain(schema, reflect.TypeFor[Config]())
	raw, err := json.MarshalIndent(schema, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write schema: %w", err)
	}
	return append(raw, '\n'), nil
}

// about is what a field's about tag says; types say nothing.
func about(t reflect.Type, field string) string {
	if field == "" {
		return ""
	}
	f, _ := t.FieldByName(field)
	return f.Tag.Get("about")
}

// constrain adds what Go types do not say: what is required, and what text looks like.
func (f Format) constrain(schema *jsonschema.Schema, t reflect.Type) {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		if t.Kind() == reflect.Slice {
			schema = schema.Items
		} else {
			schema = schema.AdditionalProperties
		}
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || schema == nil || schema.Properties == nil {
		return
	}
	schema.Required = required[t.Name()]
	for i := range t.NumField() {
		name := t.Field(i).Tag.Get("yaml")
		property, found := schema.Properties.Get(name)
		if !found {
			continue
		}
		if t.Field(i).Type == reflect.TypeFor[map[string]Channel]() {
			f.channelSchema(property)
			continue
		}
		if change, ok := constraints[t.Name()+"."+name]; ok {
			change(property)
		}
		f.constrain(property, t.Field(i).Type)
	}
}

// required lists the fields that a file must have, by type. Parse finds the same ones missing.
var required = map[string][]string{
	"Config":         {"organization", "regions", "rollout"},
	"Organization":   {"id", "rootId", "managementAccount", "securityAccount"},
	"Regions":        {"home"},
	"RolloutStage":   {"name", "targets"},
	"MigrationWave":  {"wave", "targets"},
	"KeyChoice":      {"key"},
	"Manager":        {"role", "reason"},
	"AcceptedReader": {"principals", "by", "reason"},
	"Waiver":         {"control", "resource", "by", "reason", "expires"},
}

// constraints are the shapes that Parse checks, by type and field.
var constraints = map[string]func(*jsonschema.Schema){
	"Organization.id":                 like(organizationShape),
	"Organization.rootId":             like(rootShape),
	"Organization.managementAccount":  like(accountShape),
	"Organization.securityAccount":    like(accountShape),
	"Organization.deployRoles":        each(like(rolePatternShape)),
	"Regions.home":                    oneOfRegions,
	"Regions.guarded":                 each(oneOfRegions),
	"RolloutStage.name":               like(stageShape),
	"RolloutStage.targets":            each(either(ouShape, rootShape, accountShape)),
	"RolloutStage.mode":               oneOfModes,
	"RolloutStage.accounts":           each(like(accountShape)),
	"Config.breakGlassRoles":          each(like(rolePatternShape)),
	"Approved.accounts":               each(like(accountShape)),
	"Approved.arns":                   each(like(keyARNPatternShape)),
	"Approved.aliases":                each(like(aliasShape)),
	"Manager.role":                    like(rolePatternShape),
	"KeyChoice.accounts":              each(like(accountShape)),
	"KeyChoice.regions":               each(oneOfRegions),
	"KeyChoice.key":                   either(keyARNShape, aliasARNShape, aliasShape),
	"Keys.inUseDays":                  overZero,
	"Owners.fallback":                 byDefault(DefaultFallback),
	"Owners.slackWorkspaceId":         like(slackWorkspaceShape),
	"Waiver.control":                  oneOfControls,
	"Waiver.expires":                  dated,
	"Limits.changesPerHour":           both(overZero, byDefault(defaults().Limits.ChangesPerHour)),
	"Limits.changesPerAccountPerHour": both(overZero, byDefault(defaults().Limits.ChangesPerAccountPerHour)),
	"Limits.rescuesPerAccountPerDay":  both(overZero, byDefault(defaults().Limits.RescuesPerAccountPerDay)),
	"AcceptedReader.principals":       like(principalPatternShape),
	"MigrationWave.wave":              func(s *jsonschema.Schema) { s.Enum = anyOf(MigrationWaves()) },
	"MigrationWave.targets":           each(either(ouShape, rootShape, accountShape)),
	"Migration.mustKeep":              both(oneOfKeepModes, byDefault(KeepModes()[1])),
	"Migration.readerLedger":          both(oneOfReaderLedgers, byDefault(ReaderLedgers()[0])),
	"Retention.logDays":               both(oneOfLogDays, byDefault(defaults().Retention.LogDays)),
	"Retention.findingDays":           both(overZero, byDefault(defaults().Retention.FindingDays)),
	"Operations.email":                func(s *jsonschema.Schema) { s.Format = "email" },
	"Operations.slackChannel":         func(s *jsonschema.Schema) { s.Pattern = channels.SlackChannel().Pattern },
	"Operations.sweep":                like(scheduleShape),
	"Operations.digest":               like(scheduleShape),
	"Operations.silentHours":          both(overZero, atMost(maxSilentHours)),
	"Operations.roles":                each(like(rolePatternShape)),
}

func like(shape *form) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Pattern = shape.expression }
}

func each(change func(*jsonschema.Schema)) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { change(s.Items) }
}

func both(first, second func(*jsonschema.Schema)) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { first(s); second(s) }
}

func byDefault(value any) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Default = value }
}

func overZero(s *jsonschema.Schema) { s.Minimum = json.Number(strconv.Itoa(1)) }

func atMost(n int) func(*jsonschema.Schema) {
	return func(s *jsonschema.Schema) { s.Maximum = json.Number(strconv.Itoa(n)) }
}

func oneOfRegions(s *jsonschema.Schema) { s.Enum = anyOf(arn.Regions()) }

func oneOfModes(s *jsonschema.Schema) {
	s.Enum, s.Default = anyOf(guard.Modes()), guard.ModeObserve
}

func oneOfControls(s *jsonschema.Schema) { s.Enum = anyOf(controlIDs()) }

func oneOfKeepModes(s *jsonschema.Schema) { s.Enum = anyOf(KeepModes()) }

func oneOfReaderLedgers(s *jsonschema.Schema) { s.Enum = anyOf(ReaderLedgers()) }

func oneOfLogDays(s *jsonschema.Schema) { s.Enum = anyOf(logDays) }

func either(shapes ...*form) func(*jsonschema.Schema) {
	all := make([]string, len(shapes))
	for i, shape := range shapes {
		all[i] = "(" + shape.expression + ")"
	}
	return func(s *jsonschema.Schema) { s.Pattern = strings.Join(all, "|") }
}

// dated is a date or a time; YAML tools read an unquoted date as text or as a time, and both are fine.
func dated(s *jsonschema.Schema) {
	s.Type, s.Format, s.Pattern = "string", "", `^\d{4}-\d{2}-\d{2}(T.*)?$`
}

func anyOf[T any](values []T) []any {
	all := make([]any, len(values))
	for i, v := range values {
		all[i] = v
	}
	return all
}

// channelSchema describes the fields of an owner.
func (f Format) channelSchema(s *jsonschema.Schema) {
	properties := jsonschema.NewProperties()
	for _, field := range channels.Fields(f.Channels) {
		properties.Set(field.Name, &jsonschema.Schema{Type: "string", Pattern: field.Pattern, Format: field.Format, Description: field.About})
	}
	s.AdditionalProperties = &jsonschema.Schema{Type: "object", Properties: properties, AdditionalProperties: jsonschema.FalseSchema}
}
