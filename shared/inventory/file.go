package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Save writes the snapshot as JSON, in this package's version of the format.
func Save(w io.Writer, s Snapshot) error {
	s.Version = Version
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(s); err != nil {
		return fmt.Errorf("save snapshot: %w", err)
	}
	return nil
}

// Load reads a snapshot. It refuses another version, fields it does not know and references that lead nowhere: a part
// that is silently dropped would turn into a wrong answer.
func Load(r io.Reader) (Snapshot, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return Snapshot{}, fmt.Errorf("load snapshot: %w", err)
	}
	if err := checkVersion(raw); err != nil {
		return Snapshot{}, err
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	var s Snapshot
	if err := dec.Decode(&s); err != nil {
		return Snapshot{}, fmt.Errorf("load snapshot: %s: %w", at(raw, err, dec.InputOffset()), err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Snapshot{}, errors.New("load snapshot: more than one document in the file")
	}
	if err := s.check(); err != nil {
		return Snapshot{}, fmt.Errorf("load snapshot: %w", err)
	}
	return s, nil
}

// checkVersion comes first, because the fields of another version say nothing.
func checkVersion(raw []byte) error {
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return fmt.Errorf("load snapshot: %s: %w", at(raw, err, 0), err)
	}
	switch {
	case head.Version == nil:
		return errors.New(`load snapshot: no "version": this is not a snapshot of doublelock inventory`)
	case *head.Version != Version:
		return fmt.Errorf("load snapshot: version %d of the format, want %d: take a new one with this doublelock", *head.Version, Version)
	}
	return nil
}

// at is the line of an error.
func at(raw []byte, err error, otherwise int64) string {
	offset := otherwise
	var syntax *json.SyntaxError
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &wrong):
		offset = wrong.Offset
	}
	offset = min(max(offset, 0), int64(len(raw)))
	return fmt.Sprintf("line %d", 1+bytes.Count(raw[:offset], []byte("\n")))
}

// check finds what would make two things one, or lead nowhere.
func (s *Snapshot) check() error {
	seen := map[string]bool{}
	once := func(kind, id string) error {
		switch {
		case id == "":
			return fmt.Errorf("a %s without an ARN or id", kind)
		case seen[kind+"|"+id]:
			return fmt.Errorf("%s %s appears twice", kind, id)
		}
		seen[kind+"|"+id] = true
		return nil
	}
	var err error
	for _, a := range s.Accounts {
		err = errors.Join(err, once("account", a.ID), s.checkLevels(a, a.SCPs), s.checkLevels(a, a.RCPs))
	}
	for _, g := range s.Groups {
		err = errors.Join(err, once("group", g.Account+"/"+g.Name))
	}
	for _, p := range s.Principals {
		err = errors.Join(err, once("principal", p.ARN), checkKind(p))
	}
	for _, secret := range s.Secrets {
		err = errors.Join(err, once("secret", secret.Facts.ARN))
	}
	for _, key := range s.Keys {
		err = errors.Join(err, once("key", key.Facts.ARN))
	}
	for _, u := range s.Unread {
		if !slices.Contains(parts, u.Part) {
			err = errors.Join(err, fmt.Errorf("unread: no part of an account is called %q", u.Part))
		}
	}
	return err
}

func checkKind(p Principal) error {
	if p.Kind != Role && p.Kind != User {
		return fmt.Errorf("principal %s: kind %q is neither role nor user", p.ARN, p.Kind)
	}
	return nil
}

func (s *Snapshot) checkLevels(a Account, levels []Level) error {
	for _, level := range levels {
		for _, id := range level.Policies {
			if _, found := s.Controls[id]; !found {
				return fmt.Errorf("account %s: policy %s at %s is not among the controls", a.ID, id, level.Target)
			}
		}
	}
	return nil
}
