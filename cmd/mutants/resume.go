package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// A notebook holds what is known of one binary: which tests reach what, and the verdicts so far. It is kept under the sum
// of the binary and of everything below a testdata folder, so that a run that was stopped goes on where it was, and one
// after a change of the room or of the package's tests knows nothing. What hung is not written down: it may have been the machine.
type notebook struct {
	name     string // of its files, without an ending
	verdicts map[int]verdict
}

// lock keeps two runs from using one folder; it ends with the process.
func lock(folder string) (io.Closer, error) {
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s, which another run uses: %w", folder, err), file.Close())
	}
	return file, nil
}

// open finds the notebook of a binary, or begins one.
func (j *judge) open(b *binary) (*notebook, error) {
	sum := sha256.New()
	if err := addFile(sum, b.file); err != nil {
		return nil, err
	}
	sum.Write(j.data)
	n := &notebook{name: filepath.Join(j.folder, hex.EncodeToString(sum.Sum(nil)[:12])), verdicts: map[int]verdict{}}
	j.used[filepath.Base(n.name)] = true
	text, err := os.ReadFile(n.verdictFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range strings.Lines(string(text)) {
		var id int
		var v verdict
		if _, err := fmt.Sscanf(line, "%d %d", &id, &v); err == nil { // one may be half written
			n.verdicts[id] = v
		}
	}
	return n, nil
}

func (n *notebook) verdictFile() string { return n.name + ".verdicts" }
func (n *notebook) reachFile() string   { return n.name + ".reach" }

func (n *notebook) write(id int, v verdict) error {
	if v == hung {
		return nil
	}
	n.verdicts[id] = v
	file, err := os.OpenFile(n.verdictFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "\n%d %d\n", id, v)
	return errors.Join(err, file.Close())
}

// reach reads which tests reach what, if it is known.
func (n *notebook) reach() (map[int][]testTime, bool) {
	text, err := os.ReadFile(n.reachFile())
	if err != nil {
		return nil, false
	}
	var reaching map[int][]testTime
	return reaching, json.Unmarshal(text, &reaching) == nil
}

func (n *notebook) writeReach(reaching map[int][]testTime) error {
	text, err := json.Marshal(reaching)
	if err != nil {
		return err
	}
	return os.WriteFile(n.reachFile(), text, 0o600)
}

// clear removes the binaries, and after a whole run the notebooks that it had no use for.
func (j *judge) clear(whole bool) error {
	files, err := os.ReadDir(j.folder)
	if err != nil {
		return err
	}
	for _, file := range files {
		name, ending := file.Name(), filepath.Ext(file.Name())
		isNotebook := ending == ".verdicts" || ending == ".reach"
		if name == "lock" || isNotebook && (!whole || j.used[strings.TrimSuffix(name, ending)]) {
			continue
		}
		if err := os.Remove(filepath.Join(j.folder, name)); err != nil {
			return err
		}
	}
	return nil
}

// testdata is a sum over what tests may read: all below folders of that name, but the reasons that are not for them.
func testdata(root string) ([]byte, error) {
	sum := sha256.New()
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && name != root && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "node_modules" || entry.Name() == "dist"),
			name == filepath.Join(root, "testdata", "mutants"):
			return fs.SkipDir
		case !entry.Type().IsRegular() || !strings.Contains(filepath.ToSlash(name), "testdata/"):
			return nil
		}
		fmt.Fprintln(sum, name)
		return addFile(sum, name)
	})
	return sum.Sum(nil), err
}

func addFile(to io.Writer, name string) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, file)
	return errors.Join(err, file.Close())
}
