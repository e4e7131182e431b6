package faults_test

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"sync"
)

// ledger takes down what happened, in order: each call with what became of it, each write that AWS recorded, each notice and
// each message to people. Two runs are the same when their ledgers have the same sum.
type ledger struct {
	mu    sync.Mutex
	sum   hash.Hash
	out   *bufio.Writer
	lines int
}

// newLedger writes a copy to a file, where there is one.
func newLedger(copied io.Writer) *ledger {
	l := &ledger{sum: sha256.New()}
	if copied == nil {
		l.out = bufio.NewWriter(l.sum)
	} else {
		l.out = bufio.NewWriter(io.MultiWriter(l.sum, copied))
	}
	return l
}

func (l *ledger) line(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines++
	fmt.Fprintf(l.out, format, args...)
	_ = l.out.WriteByte('\n') // a hash takes everything; of a file that is full the copy is short
}

// end is the sum, in hexadecimal digits.
func (l *ledger) end() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.out.Flush() // as above
	return hex.EncodeToString(l.sum.Sum(nil))
}
