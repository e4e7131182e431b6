package guard_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// call and answered have the methods of smithy.OperationError and smithy.APIError.
type call struct {
	service, name string
	error
}

func (c call) Service() string   { return c.service }
func (c call) Operation() string { return c.name }
func (c call) Unwrap() error     { return c.error }

type answered string

func (a answered) ErrorCode() string { return string(a) }
func (a answered) Error() string     { return string(a) + ": hunter2 is not a valid value" }

func TestAnAnswerIsItsCauseCodeAndOperationAndNeverItsMessage(t *testing.T) {
	describe := call{"KMS", "DescribeKey", answered("AccessDeniedException")}
	assume := call{"STS", "AssumeRole", answered("AccessDenied")}
	for name, tt := range map[string]struct {
		err  error
		want guard.Answer
	}{
		"a call that was denied": {fmt.Errorf("describe key: %w: %w", guard.ErrDenied, describe), guard.Answer{Cause: "denied", Code: "AccessDeniedException", Operation: "KMS DescribeKey"}},
		"a call that failed because another did": {call{"KMS", "DescribeKey", fmt.Errorf("assume role: %w: %w", guard.ErrNotOurs, assume)},
			guard.Answer{Cause: "not_ours", Code: "AccessDenied", Operation: "STS AssumeRole"}},
		"an answer that means nothing to us": {describe, guard.Answer{Code: "AccessDeniedException", Operation: "KMS DescribeKey"}},
		"a call that nobody answered":        {call{"KMS", "DescribeKey", errors.New("connection reset")}, guard.Answer{Operation: "KMS DescribeKey"}},
		"AWS was not asked":                  {fmt.Errorf("enter account: %w", guard.ErrNotOurs), guard.Answer{Cause: "not_ours"}},
		"no error":                           {nil, guard.Answer{}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, guard.AnswerOf(tt.err)); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}
