package audit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/guard"
)

// notAccepted are the codes by which STS refuses the credentials themselves (STS API reference, common errors).
var notAccepted = []string{
	"AccessDenied", "ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId", "InvalidClientTokenId",
	"SignatureDoesNotMatch", "UnrecognizedClientException",
}

// answerTime is how long AWS has for its first answer: a try takes five seconds at most, so one may be lost.
const answerTime = 8 * time.Second

// whoAmI is the account of the caller's credentials. What can go wrong before anything is inspected is one line each, with
// what to do.
func whoAmI(ctx context.Context, c *cloud.Cloud, region, endpoint string) (string, error) {
	if err := c.Credentials(ctx); err != nil && ctx.Err() == nil {
		return "", errors.New("audit: who am I: no AWS credentials were found; sign in with aws sso login or aws configure, or name a profile in AWS_PROFILE (aws sts get-caller-identity tries the same ones)")
	}
	soon, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	who, err := c.Identity(soon)
	if err == nil {
		return who.Account, nil
	}
	at := "in " + region
	if endpoint != "" {
		at = "at " + endpoint
	}
	switch code := guard.AnswerOf(err).Code; {
	case ctx.Err() != nil:
		return "", fmt.Errorf("audit: who am I: stopped: %w", ctx.Err())
	case slices.Contains(notAccepted, code):
		return "", fmt.Errorf("audit: who am I: AWS %s does not accept the credentials (%s); sign in again, or name another profile in AWS_PROFILE", at, code)
	case code == "":
		return "", fmt.Errorf("audit: who am I: AWS STS %s does not answer; check the network, its proxy and AWS_ENDPOINT_URL", at)
	}
	return "", fmt.Errorf("audit: who am I: %w", err)
}
