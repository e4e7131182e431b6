// Package caller asks AWS whose credentials a command has, before it works with them.
package caller

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

// notEnabled are those of them that a Region answers as well which the account has not enabled (AWS Account Management
// guide, "Enable or disable AWS Regions").
var notEnabled = []string{"InvalidClientTokenId", "UnrecognizedClientException"}

// Account is the account of the caller's credentials, asked in a Region or at an endpoint ("" is AWS). What can go wrong
// before a command begins is one line each, with what to do.
func Account(ctx context.Context, c *cloud.Cloud, region, endpoint string) (string, error) {
	if err := c.Credentials(ctx); err != nil && ctx.Err() == nil {
		return "", errors.New("who am I: no AWS credentials were found; sign in with aws sso login or aws configure, or name a profile in AWS_PROFILE (aws sts get-caller-identity tries the same ones)")
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
		return "", fmt.Errorf("who am I: stopped: %w", ctx.Err())
	case endpoint == "" && slices.Contains(notEnabled, code):
		return "", fmt.Errorf("who am I: AWS %s does not accept the credentials (%s); sign in again, or name another profile in AWS_PROFILE, or a Region that the account has enabled", at, code)
	case slices.Contains(notAccepted, code):
		return "", fmt.Errorf("who am I: AWS %s does not accept the credentials (%s); sign in again, or name another profile in AWS_PROFILE", at, code)
	case code == "":
		return "", fmt.Errorf("who am I: AWS STS %s does not answer; check the network, its proxy and AWS_ENDPOINT_URL", at)
	}
	return "", fmt.Errorf("who am I: %w", err)
}
