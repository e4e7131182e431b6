package operator_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/operator"
)

func TestAnInstructionThatSaysTooLittleIsRefused(t *testing.T) {
	for text, says := range map[string]string{
		`{}`:                                         "no batch",
		`{"batch":"b","do":"fly"}`:                   `"fly" is unknown`,
		`{"batch":"b","do":"record"}`:                "no plan",
		`{"batch":"b","do":"apply"}`:                 "no part of a plan",
		`{"batch":"b","do":"rollback"}`:              "no secret",
		`{"batch":"b","do":"rollback","secret":"s"}`: "no reason",
		`{"batch":"b","do":"apply","plan":"p","digest":"d","part":{}}`:              "no reason",
		`{"batch":"b","do":"rollback","secret":"s","reason":"r"}`:                   "",
		`{"batch":"b","do":"record","plan":"p","digest":"d"}`:                       "",
		`{"batch":"b","do":"apply","plan":"p","digest":"d","part":{},"reason":"r"}`: "",
	} {
		var i operator.Instruction
		if err := json.Unmarshal([]byte(text), &i); err != nil {
			t.Fatal(err)
		}
		if err := i.Validate(); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
}
