package localaws_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/localaws"
)

// lockModel is what the documentation says of a secret's keys, in its simplest form: which keys open the current and
// the previous version, newest first.
type lockModel struct {
	key               string
	current, previous []string
	disabled          map[string]bool
}

const stageCurrent, stagePrevious = "AWSCURRENT", "AWSPREVIOUS"

func (m *lockModel) opens(keys []string) bool {
	return slices.ContainsFunc(keys, func(k string) bool { return !m.disabled[k] })
}

// rekeyed puts a copy under the key in front, where any of the old copies can still be opened.
func (m *lockModel) rekeyed(keys []string) []string {
	if at := slices.Index(keys, m.key); at >= 0 {
		return append([]string{m.key}, slices.Delete(slices.Clone(keys), at, at+1)...)
	}
	if len(keys) == 0 || !m.opens(keys) {
		return keys
	}
	return append([]string{m.key}, keys...)
}

func TestLocksFollowTheDocumentation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const account, region = "111122223333", "us-east-1"
		a := localaws.New(localaws.Options{Seed: 1})
		do := func(service, operation string, input map[string]any) (map[string]any, error) {
			return a.AsPrincipal(account, admin, region, service, operation, input)
		}
		keys := []string{""}
		for range 3 {
			made, err := do("kms", "CreateKey", nil)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, made["KeyMetadata"].(map[string]any)["Arn"].(string))
		}
		if _, err := do("secretsmanager", "CreateSecret", map[string]any{"Name": "s", "SecretString": "0"}); err != nil {
			t.Fatal(err)
		}
		m := lockModel{current: []string{""}, disabled: map[string]bool{}}
		value, earlier := "0", ""
		for step := range rapid.IntRange(1, 30).Draw(t, "steps") {
			key := rapid.SampledFrom(keys).Draw(t, "key")
			switch rapid.SampledFrom([]string{"rekey", "put", "disable", "enable"}).Draw(t, "step") {
			case "rekey":
				_, err := do("secretsmanager", "UpdateSecret", map[string]any{"SecretId": "s", "KmsKeyId": key})
				if (err != nil) != m.disabled[key] {
					t.Fatalf("re-key to %q: %v, disabled %v", key, err, m.disabled[key])
				}
				if err == nil {
					m.key = key
					m.current, m.previous = m.rekeyed(m.current), m.rekeyed(m.previous)
				}
			case "put":
				next := strconv.Itoa(step + 1)
				_, err := do("secretsmanager", "PutSecretValue", map[string]any{"SecretId": "s", "SecretString": next})
				if (err != nil) != m.disabled[m.key] {
					t.Fatalf("put under %q: %v, disabled %v", m.key, err, m.disabled[m.key])
				}
				if err == nil {
					m.previous, m.current = m.current, []string{m.key}
					value, earlier = next, value
				}
			case "disable", "enable":
				if key == "" {
					continue // nobody can
				}
				disable := rapid.Bool().Draw(t, "disable")
				operation := map[bool]string{true: "DisableKey", false: "EnableKey"}[disable]
				if _, err := do("kms", operation, map[string]any{"KeyId": key}); err != nil {
					t.Fatal(err)
				}
				m.disabled[key] = disable
			}
			versions, err := do("secretsmanager", "ListSecretVersionIds", map[string]any{"SecretId": "s"})
			if err != nil {
				t.Fatal(err)
			}
			m.compare(t, versions, stageCurrent, m.current)
			m.compare(t, versions, stagePrevious, m.previous)
			m.read(t, do, stageCurrent, m.current, value)
			if m.previous != nil {
				m.read(t, do, stagePrevious, m.previous, earlier)
			}
		}
	})
}

func (m *lockModel) compare(t *rapid.T, versions map[string]any, stage string, want []string) {
	var got []string
	for _, version := range versions["Versions"].([]any) {
		v := version.(map[string]any)
		if labels, _ := v["VersionStages"].([]any); !slices.Contains(labels, any(stage)) {
			continue
		}
		for _, key := range v["KmsKeyIds"].([]any) {
			name := key.(string)
			if name == "DefaultEncryptionKey" {
				name = ""
			}
			got = append(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("locks of %s: %s", stage, diff)
	}
}

func (m *lockModel) read(t *rapid.T, do func(string, string, map[string]any) (map[string]any, error), stage string, keys []string, want string) {
	out, err := do("secretsmanager", "GetSecretValue", map[string]any{"SecretId": "s", "VersionStage": stage})
	if (err == nil) != m.opens(keys) || err == nil && out["SecretString"] != want {
		t.Fatalf("reading %s under %v with %v disabled: %v, %v, want %s", stage, keys, m.disabled, out["SecretString"], err, want)
	}
}
