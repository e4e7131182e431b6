package demo_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/demo"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/guard"
)

// "Recorded, no notification" is said of nothing that somebody is notified of, such as a rule that was tampered with.
func TestTheTimelineSaysNoNotificationOnlyWhereThereIsNone(t *testing.T) {
	for _, kind := range guard.NoticeKinds() {
		n := guard.Notice{ID: "n", Kind: kind, Name: "trail", Detail: "StopLogging on trail"}
		if kind == guard.NoticeDigest {
			n.Open = []guard.Notice{{}}
		}
		var out bytes.Buffer
		env := &command.Env{Printer: output.New(&out, &out, os.Getenv), Getenv: os.Getenv, Now: func() time.Time { return time.Unix(0, 0) }}
		demo.Show(env, n)
		if n.Notified() && (strings.Contains(out.String(), "no notification") || out.Len() == 0) {
			t.Errorf("%s is for somebody, and the timeline says %q", kind, out.String())
		}
	}
	var out bytes.Buffer
	env := &command.Env{Printer: output.New(&out, &out, os.Getenv), Getenv: os.Getenv, Now: func() time.Time { return time.Unix(0, 0) }}
	demo.Show(env, guard.Notice{ID: "d", Kind: guard.NoticeDenied}, guard.Notice{ID: "t", Kind: guard.NoticeTampered, Detail: "StopLogging on trail"})
	for _, want := range []string{"attempt_denied: recorded, no notification", "tampered", "StopLogging on trail"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the timeline does not say %q: %s", want, out.String())
		}
	}
}
