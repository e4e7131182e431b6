package secrets

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestAValueBetweenGetAndPutCannotBePrinted(t *testing.T) {
	text := "hunter2-value"
	v := sealed{text: &text, binary: []byte(text)}
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("seal", "value", v, "pointer", &v)
	raw, err := json.Marshal(map[string]any{"value": v, "list": []any{&v}})
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{
		log.String(), string(raw), fmt.Sprint(v), fmt.Sprintf("%v %+v %#v %s %q %x %d", v, v, v, v, v, v, v), fmt.Sprintf("%+v", struct{ V any }{v}),
		fmt.Errorf("put: %v", v).Error(),
	} {
		if strings.Contains(printed, "hunter2") || strings.Contains(printed, fmt.Sprintf("%x", "hunter2")) {
			t.Errorf("printed: %s", printed)
		}
	}
}
