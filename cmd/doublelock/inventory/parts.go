package inventory

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/shared/inventory"
)

// parts is the folder in which the accounts that are read are kept until all are; "" keeps none.
type parts string

func (s *request) parts() parts {
	if s.out == "-" {
		return ""
	}
	return parts(s.out + ".parts")
}

const partEnding = ".json"

// check refuses a folder that accounts cannot be kept in, before minutes of reading.
func (p parts) check() error {
	folder, err := p.found()
	if folder == nil {
		return err
	}
	return folder.Close()
}

// load loads what a run that was stopped has kept of some accounts. What is older than a time, or has blind spots, is
// left to be read again.
func (p parts) load(ids []string, after time.Time) (kept []inventory.Snapshot, left []string, err error) {
	folder, err := p.found()
	if folder == nil {
		return nil, ids, err
	}
	defer func() { _ = folder.Close() }()
	for _, id := range ids {
		part, err := loadPart(folder, id)
		if err != nil || len(part.Unread) > 0 || part.TakenAt.Before(after) {
			left = append(left, id)
			continue
		}
		kept = append(kept, part)
	}
	return kept, left, nil
}

func loadPart(folder *files.Folder, id string) (inventory.Snapshot, error) {
	raw, err := folder.Read(id+partEnding, input.MaxSnapshot)
	if err != nil {
		return inventory.Snapshot{}, err
	}
	return inventory.Load(bytes.NewReader(raw))
}

// save keeps one account. Another run to the same file may end at this moment, and remove the folder.
func (p parts) save(id string, part inventory.Snapshot) error {
	if p == "" {
		return nil
	}
	var text bytes.Buffer
	if err := inventory.Save(&text, part); err != nil {
		return err
	}
	const tries = 3
	var err error
	for range tries {
		if err = p.write(id+partEnding, text.Bytes()); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return err
}

func (p parts) write(name string, text []byte) error {
	folder, err := p.open()
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	return folder.Write(name, text)
}

// remove removes what was kept, and nothing that somebody else put there.
func (p parts) remove() error {
	folder, err := p.found()
	if folder == nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	return folder.RemoveFiles(func(name string) bool {
		id, is := strings.CutSuffix(name, partEnding)
		_, err := flags.ParseAccount(id)
		return is && err == nil
	})
}

// found is the folder, if it is there.
func (p parts) found() (*files.Folder, error) {
	if _, err := os.Lstat(string(p)); p == "" || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return p.open()
}

// open refuses a folder in which others could put accounts that nobody has read.
func (p parts) open() (*files.Folder, error) {
	folder, err := files.Make(string(p))
	if err != nil {
		return nil, err
	}
	if err := folder.Private(); err != nil {
		_ = folder.Close()
		return nil, err
	}
	return folder, nil
}
