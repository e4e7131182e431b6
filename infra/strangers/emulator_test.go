// Package strangers_test deploys what is shipped into an AWS that nobody here wrote, and plays a day of it there. It
// imports nothing of what is shipped but how temporary folders are removed: templates, binaries and AWS's own calls are all it
// knows.
package strangers_test

import (
	"context"
	"testing"

	"github.com/doublelock/doublelock/shared/doubles"
	"github.com/doublelock/doublelock/shared/doubles/doublestest"
)

const root = "../.." // of the repository

// emulator is ministack at work.
type emulator struct {
	certificate
	endpoint string
	alive    context.Context // ends with the process; its cause says whose fault it was
}

// start runs ministack on loopback for as long as the test lasts. When it cannot start, or ends before the test does,
// the test fails with a message that says so: that is a bad day of ministack, not a fault of ours.
func start(t *testing.T) *emulator {
	t.Helper()
	doublestest.Program(t, doubles.MiniStack, root) // before a certificate is made for it
	c := selfSigned(t, t.TempDir())
	p := doublestest.Start(t, doubles.MiniStack, root, doubles.Options{Certificate: c.cert, Key: c.key, Client: c.client})
	return &emulator{certificate: c, endpoint: p.Endpoint, alive: p.Alive}
}
