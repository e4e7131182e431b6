package session

import (
	"context"
	"errors"
	"net/http"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

// errUnfenced refuses a call under a role that changes what others own, made as if it needed no owner.
var errUnfenced = errors.New("not sent: a change that no intent stands behind")

// fence asks the change that a call belongs to right before the bytes of every attempt go, after signing and everything
// else that takes time: AWS itself knows no fence. Where required, a call that belongs to none is not sent.
func fence(required bool) func(*middleware.Stack) error {
	last := middleware.DeserializeMiddlewareFunc("DoublelockFence",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			sending := store.SendingOf(ctx)
			switch {
			case awsmiddleware.GetServiceID(ctx) == sts.ServiceID: // credentials for the call
				return next.HandleDeserialize(ctx, in)
			case sending == nil && required:
				return middleware.DeserializeOutput{}, middleware.Metadata{}, errUnfenced
			case sending == nil:
				return next.HandleDeserialize(ctx, in)
			}
			if err := sending.Before(ctx); err != nil {
				return middleware.DeserializeOutput{}, middleware.Metadata{}, err
			}
			out, metadata, err := next.HandleDeserialize(ctx, in)
			sending.After(err == nil && answered(out.RawResponse))
			return out, metadata, err
		})
	return func(stack *middleware.Stack) error { return stack.Deserialize.Add(last, middleware.After) }
}

// answered reports that an answer leaves no doubt. One of AWS's own errors (5xx) does: the change may have been made.
func answered(raw any) bool {
	response, is := raw.(*smithyhttp.Response)
	return is && response.Response != nil && response.StatusCode < http.StatusInternalServerError
}

// changes reports that a member role is entered for nothing but changes.
func changes(role string) bool { return role == settings.RoleChange || role == settings.RoleTag }
