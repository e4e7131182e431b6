package session

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"

	"github.com/doublelock/doublelock/shared/guard"
)

// expired are error codes of a session that has run out, or is none.
var expired = []string{"ExpiredToken", "ExpiredTokenException", "InvalidToken", "InvalidAccessKeyId"}

// mayHaveEnded reports that AWS may not take the session any more, although it has not run out by our clock: it was revoked,
// or its role was deleted and made anew. Of that AWS says no more than that the call is denied, or its token invalid (IAM
// User Guide, "Revoking IAM role temporary security credentials").
func mayHaveEnded(err error) bool {
	code := errorCode(err)
	meaning := meanings[code]
	return slices.Contains(expired, code) || errors.Is(meaning, guard.ErrDenied) || errors.Is(meaning, guard.ErrNotOurs)
}

// renewAfter is how old a session must be before it is taken to have ended, so that what stays denied costs an AssumeRole a
// minute, and not one a call.
const renewAfter = time.Minute

// renew forgets a session that AWS may not take any more, so that no process keeps it until it runs out. Where repeat, the
// call is made again with another one.
func renew(member *memberCredentials, repeat bool) func(*middleware.Stack) error {
	again := middleware.InitializeMiddlewareFunc("DoublelockRenew",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			if err == nil || !mayHaveEnded(err) || !member.forget(ctx) || !repeat {
				return out, metadata, err
			}
			return next.HandleInitialize(ctx, in)
		})
	return func(stack *middleware.Stack) error { return stack.Initialize.Add(again, middleware.After) }
}

// forget drops the session, unless there is none, or it is new. It answers whether another one is asked for at the next call.
func (m *memberCredentials) forget(ctx context.Context) bool {
	if m.turn.Acquire(ctx, 1) != nil {
		return false
	}
	defer m.turn.Release(1)
	if !m.current.HasKeys() || m.now().Sub(m.since) < renewAfter {
		return false
	}
	m.current = aws.Credentials{}
	return true
}
