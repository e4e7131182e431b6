package secretsmanager

import (
	"encoding/json"
	"testing"
)

func FuzzIsPublic(f *testing.F) {
	f.Add(`{"Statement":{"Effect":"Allow","Principal":"*"}}`)
	f.Add(`{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Condition":{}}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if isPublic(text) && !json.Valid([]byte(text)) {
			t.Errorf("what is no JSON is public: %q", text)
		}
	})
}
