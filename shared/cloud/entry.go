package cloud

import (
	"context"
	"time"

	"github.com/aws/smithy-go"
	smithytime "github.com/aws/smithy-go/time"
)

// entryError is the error of one entry in a call that succeeded as a whole. It is classified like any other.
type entryError struct{ code, message string }

func (e *entryError) Error() string                 { return e.code + ": " + e.message }
func (e *entryError) ErrorCode() string             { return e.code }
func (e *entryError) ErrorMessage() string          { return e.message }
func (e *entryError) ErrorFault() smithy.ErrorFault { return smithy.FaultUnknown }

// pause waits before a further round over left-out entries: not at all before the first, then 50, 100, 200 ms.
func pause(ctx context.Context, round int) error {
	if round == 0 {
		return ctx.Err()
	}
	return smithytime.SleepWithContext(ctx, 25*time.Millisecond<<round)
}
