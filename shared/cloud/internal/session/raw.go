package session

import (
	"bytes"
	"context"
	"io"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// mostRaw bounds what is kept of an answer, in bytes.
const mostRaw = 1 << 20

// Raw keeps the body of a call's answer beside what the SDK reads of it, for fields that AWS documents and the SDK does not
// know yet. A body of more than a mebibyte is not kept: into stays nil.
func Raw(into *[]byte) func(*middleware.Stack) error {
	keep := func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
		out, metadata, err := next.HandleDeserialize(ctx, in)
		answer, is := out.RawResponse.(*smithyhttp.Response)
		if err != nil || !is {
			return out, metadata, err
		}
		body, err := io.ReadAll(io.LimitReader(answer.Body, mostRaw+1))
		if len(body) <= mostRaw {
			*into = body
		}
		answer.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(body), answer.Body), answer.Body}
		return out, metadata, err
	}
	return func(stack *middleware.Stack) error { // after what reads the body, so that it is called before
		return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("doublelock keeps the body", keep), middleware.After)
	}
}
