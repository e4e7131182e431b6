//go:build linux || darwin

package input_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/shared/trail"
)

// readers are the ways in which files are read.
var readers = map[string]func(env *command.Env, path string) error{
	"a document": func(env *command.Env, path string) error {
		_, err := input.ReadFile(env, path, input.MaxDocument)
		return err
	},
	"a text": func(env *command.Env, path string) error {
		_, err := input.Text(env, path, input.MaxDocument)
		return err
	},
	"a plan":          func(env *command.Env, path string) error { _, err := input.Plan(env, path); return err },
	"a snapshot":      func(env *command.Env, path string) error { _, err := input.Snapshot(env, path); return err },
	"a configuration": func(env *command.Env, path string) error { _, _, err := input.Config(env, path); return err },
	"one with places": func(env *command.Env, path string) error { _, err := input.File(env, path); return err },
	"a trail": func(env *command.Env, path string) error {
		t := input.Trail{Env: env, Event: func(trail.Record) error { return nil }, Broken: func(err error) error { return err }}
		return t.Read(env.Ends, path)
	},
}

func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skip(err)
	}
	return path
}

func TestASignalEndsTheWaitForAPipe(t *testing.T) {
	for name, read := range readers {
		for when, written := range map[string]bool{"that nobody opens": false, "that nobody writes to": true} {
			t.Run(name+" in a pipe "+when, func(t *testing.T) {
				path := pipe(t)
				if written {
					held, err := os.OpenFile(path, os.O_RDWR, 0) // a writer that is silent
					if err != nil {
						t.Fatal(err)
					}
					defer func() { _ = held.Close() }()
				} else {
					defer func() { // lets the open that is left behind go
						if writer, err := os.OpenFile(path, os.O_WRONLY|syscall.O_NONBLOCK, 0); err == nil {
							_ = writer.Close()
						}
					}()
				}
				ctx, signal := context.WithTimeout(t.Context(), 20*time.Millisecond)
				defer signal()
				ended := make(chan error, 1)
				go func() { ended <- read(&command.Env{Ends: ctx, Now: time.Now}, path) }()
				select {
				case err := <-ended:
					if !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("it ended with %v", err)
					}
				case <-time.After(10 * time.Second):
					t.Fatal("it still waits")
				}
			})
		}
	}
}

// What a shell makes of <(command) is a pipe.
func TestAPipeThatIsWrittenToIsRead(t *testing.T) {
	path := pipe(t)
	go func() { _ = os.WriteFile(path, []byte("{}"), 0o600) }()
	text, err := input.ReadFile(&command.Env{Ends: t.Context()}, path, input.MaxDocument)
	if err != nil || string(text) != "{}" {
		t.Errorf("%q, %v", text, err)
	}
}
