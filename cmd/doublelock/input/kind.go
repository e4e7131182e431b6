package input

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"syscall"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/shared/settings"
)

// Files of ours that are taken for one another.
const (
	snapshotKind = "snapshot"
	planKind     = "plan"
	reportKind   = "report"
)

// wrongKind says what a JSON text is when it is not what it was named as; nil leaves the rest to its reader.
func wrongKind(raw []byte, want string) error {
	trimmed := bytes.TrimSpace(raw)
	if len(trimmed) == 0 {
		return errors.New("the file is empty")
	}
	if trimmed[0] == '[' {
		return errors.New("this is a list, not a " + want + " of doublelock")
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(trimmed, &fields) != nil {
		return nil //nolint:nilerr // its reader says where it is wrong
	}
	has := func(name string) bool { _, is := fields[name]; return is }
	switch {
	case want == snapshotKind && has("digest") && has("items"):
		return errors.New("this is a plan, not a snapshot; use doublelock migrate show")
	case want == planKind && has("principals") && has("accounts"):
		return errors.New("this is a snapshot, not a plan; make one of it with doublelock migrate plan --snapshot")
	case want == reportKind && has("digest") && has("items"):
		return errors.New("this is a plan of migrate, not a report; doublelock conformance --report FILE writes one")
	case want == reportKind && has("principals") && has("accounts"):
		return errors.New("this is a snapshot, not a report; doublelock conformance --report FILE writes one")
	case want == reportKind && has("run") && has("resources"):
		return errors.New("this is the state of a run, not its report; doublelock conformance --report FILE writes one")
	case want != reportKind && has("against") && has("results"):
		return errors.New("this is a report of doublelock conformance, not a " + want)
	}
	return nil
}

// readJSON reads a file, or standard input for "-", and refuses one of another kind.
func readJSON(env *command.Env, path, want string) (io.Reader, error) {
	raw, err := Text(env, path, MaxSnapshot)
	if err != nil {
		return nil, err
	}
	return bytes.NewReader(raw), wrongKind(raw, want)
}

// Report reads the text of a report of doublelock conformance, or standard input for "-", and refuses files of another
// kind and what is longer than a limit in bytes.
func Report(env *command.Env, path string, limit int64) ([]byte, error) {
	raw, err := Text(env, path, limit)
	if errors.Is(err, syscall.EISDIR) {
		err = fmt.Errorf("%w; name the report in it", err)
	}
	if err != nil {
		return nil, err
	}
	if err := wrongKind(raw, reportKind); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return raw, nil
}

// Text reads a file of text, or standard input for "-", without the byte order mark of editors on Windows. What is no
// text in UTF-8, or longer than a limit in bytes, is an error that says what it is.
func Text(env *command.Env, path string, limit int64) ([]byte, error) {
	text, err := ReadFile(env, path, limit)
	if err != nil {
		return nil, err
	}
	if text, err = settings.PlainText(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}
