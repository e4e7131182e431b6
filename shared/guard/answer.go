package guard

import "errors"

// Answer is what AWS said, as far as a log may hold it: never the message, which can quote what a caller sent.
type Answer struct {
	Cause     string // our word for it: gone, denied, not_ours, throttled, refused, conflict, unavailable; "" is none of these
	Code      string // AWS's error code; "" where AWS was not asked or did not answer
	Operation string // the call that was answered, such as "KMS DescribeKey"; "" as above
}

// AnswerOf finds the answer in an error. Of a call that failed because another did, such as AssumeRole, it is the other's.
func AnswerOf(err error) Answer {
	a := Answer{Cause: causeOf(err)}
	var call interface { // smithy.OperationError
		error
		Service() string
		Operation() string
		Unwrap() error
	}
	for errors.As(err, &call) {
		a.Operation = call.Service() + " " + call.Operation()
		err = call.Unwrap()
	}
	var answered interface { // smithy.APIError
		error
		ErrorCode() string
	}
	if errors.As(err, &answered) {
		a.Code = answered.ErrorCode()
	}
	return a
}

// Fields are the answer as keys and values of a log line.
func (a Answer) Fields() []any {
	return []any{"cause", a.Cause, "code", a.Code, "operation", a.Operation}
}

func causeOf(err error) string {
	for _, known := range []struct {
		err  error
		name string
	}{
		{ErrGone, "gone"}, {ErrDenied, "denied"}, {ErrNotOurs, "not_ours"}, {ErrThrottled, "throttled"}, {ErrRefused, "refused"}, {ErrConflict, "conflict"}, {ErrUnavailable, "unavailable"},
	} {
		if errors.Is(err, known.err) {
			return known.name
		}
	}
	return ""
}
