package output

import (
	"fmt"
	"sync"
	"time"
)

// quiet is how long a command may be silent before it says what it waits for.
const quiet = 3 * time.Second

// Wait says on standard error what a command waits for, when that takes longer than a moment. The returned function
// ends the waiting.
func (p *Printer) Wait(format string, args ...any) (done func()) {
	after := p.Quiet
	if after == 0 {
		after = quiet
	}
	over := make(chan struct{})
	var waiting sync.WaitGroup
	waiting.Go(func() {
		timer := time.NewTimer(after)
		defer timer.Stop()
		select {
		case <-over:
		case <-timer.C:
			fmt.Fprintf(p.Stderr, "doublelock: waiting: %s\n", Printable(fmt.Sprintf(format, args...)))
		}
	})
	return sync.OnceFunc(func() {
		close(over)
		waiting.Wait()
	})
}
