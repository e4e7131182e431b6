package files_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/doublelock/doublelock/cmd/doublelock/files"
)

func TestWhatIsHeldIsHeldByOneUntilItIsReleased(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.lock")
	for range 2 {
		release, err := files.Hold(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := files.Hold(path); !errors.Is(err, files.ErrHeld) {
			t.Errorf("it is held twice: %v", err)
		}
		release()
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the file stays: %v", err)
		}
	}
}
