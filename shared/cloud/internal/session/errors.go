package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/doublelock/doublelock/shared/guard"
)

// meanings says what AWS's error codes mean to us. Codes not listed (internal errors, bad requests of ours) mean
// nothing but themselves and are retried by whoever called. Messages are never looked at: AWS changes them.
var meanings = map[string]error{
	"ResourceNotFoundException":                guard.ErrGone, // Secrets Manager, EventBridge, DynamoDB, Lambda
	"NotFoundException":                        guard.ErrGone, // KMS
	"NotFound":                                 guard.ErrGone, // SNS
	"AccountNotFoundException":                 guard.ErrGone, // Organizations, as the next four
	"OrganizationalUnitNotFoundException":      guard.ErrGone,
	"ParentNotFoundException":                  guard.ErrGone,
	"PolicyNotFoundException":                  guard.ErrGone,
	"TargetNotFoundException":                  guard.ErrGone,
	"TrailNotFoundException":                   guard.ErrGone,
	"QueueDoesNotExist":                        guard.ErrGone,
	"AWS.SimpleQueueService.NonExistentQueue":  guard.ErrGone,
	"NoSuchEntity":                             guard.ErrGone, // IAM
	"AccessDenied":                             guard.ErrDenied,
	"AccessDeniedException":                    guard.ErrDenied,
	"AuthorizationError":                       guard.ErrDenied, // SNS
	"AuthorizationErrorException":              guard.ErrDenied,
	"UnauthorizedOperation":                    guard.ErrDenied,
	"OptInRequired":                            guard.ErrNotOurs,
	"UnrecognizedClientException":              guard.ErrNotOurs, // what a Region answers that the account has not enabled
	"InvalidClientTokenId":                     guard.ErrNotOurs,
	"RegionDisabledException":                  guard.ErrNotOurs,
	"AWSOrganizationsNotInUseException":        guard.ErrNotOurs,
	"Throttling":                               guard.ErrThrottled,
	"Throttled":                                guard.ErrThrottled,
	"ThrottledException":                       guard.ErrThrottled,
	"ThrottlingException":                      guard.ErrThrottled,
	"RequestThrottled":                         guard.ErrThrottled,
	"RequestThrottledException":                guard.ErrThrottled,
	"RequestLimitExceeded":                     guard.ErrThrottled,
	"TooManyRequestsException":                 guard.ErrThrottled,
	"ProvisionedThroughputExceededException":   guard.ErrThrottled,
	"SlowDown":                                 guard.ErrThrottled,
	"KMSThrottlingException":                   guard.ErrThrottled,
	"KMSThrottling":                            guard.ErrThrottled, // SNS about the key of a topic, as the next four
	"KMSDisabled":                              guard.ErrRefused,
	"KMSInvalidState":                          guard.ErrRefused,
	"KMSNotFound":                              guard.ErrGone,
	"KMSAccessDenied":                          guard.ErrDenied,
	"ConditionalCheckFailedException":          guard.ErrConflict,
	"TransactionConflictException":             guard.ErrConflict,
	"ConcurrentModificationException":          guard.ErrConflict,
	"InvalidRequestException":                  guard.ErrRefused, // Secrets Manager: pending deletion, owned by another service
	"InvalidParameterException":                guard.ErrRefused,
	"InvalidParameter":                         guard.ErrRefused, // SNS
	"InvalidParameterValue":                    guard.ErrRefused,
	"ValidationException":                      guard.ErrRefused,
	"LimitExceededException":                   guard.ErrRefused,
	"ResourceExistsException":                  guard.ErrRefused,
	"PreconditionNotMetException":              guard.ErrRefused,
	"EncryptionFailure":                        guard.ErrRefused, // the secret's key cannot encrypt
	"DecryptionFailure":                        guard.ErrRefused,
	"MalformedPolicyDocumentException":         guard.ErrRefused,
	"PublicPolicyException":                    guard.ErrRefused,
	"DisabledException":                        guard.ErrRefused, // KMS
	"KMSInvalidStateException":                 guard.ErrRefused,
	"InvalidArnException":                      guard.ErrRefused,
	"InvalidAliasNameException":                guard.ErrRefused,
	"UnsupportedOperationException":            guard.ErrRefused,
	"KeyUnavailableException":                  guard.ErrRefused,
	"InvalidKeyUsageException":                 guard.ErrRefused,
	"OperationNotPermittedException":           guard.ErrRefused,
	"OperationNotPermitted":                    guard.ErrRefused,
	"PolicyTypeNotEnabledException":            guard.ErrRefused,
	"ManagedRuleException":                     guard.ErrRefused,
	"InvalidInputException":                    guard.ErrRefused,
	"InsightNotEnabledException":               guard.ErrRefused,
	"ItemCollectionSizeLimitExceededException": guard.ErrRefused,
}

// Fail says what went wrong in our words and AWS's: the verb and noun of the call, the meaning, and the answer itself.
// A nil error stays nil.
func Fail(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	if classified(err) {
		return fmt.Errorf("%s: %w", what, err)
	}
	if meaning, known := meanings[errorCode(err)]; known {
		return fmt.Errorf("%s: %w: %w", what, meaning, err)
	}
	switch {
	case unsent(err):
		return fmt.Errorf("%s: %w: %w: %w", what, guard.ErrUnavailable, guard.ErrUnsent, err)
	case unavailable(err):
		return fmt.Errorf("%s: %w: %w", what, guard.ErrUnavailable, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// down are error codes that say that the service, or one that it stands on, could not answer. Most come with a status of
// 500 or more; those of an entry of PutEvents, and some of KMS, come without.
var down = []string{
	"InternalFailure", "InternalError", "InternalException", "InternalServerError", "InternalServiceError", "InternalErrorException",
	"ServiceException", "ServiceFailure", "ServiceUnavailable", "ServiceUnavailableException", "KMSInternalException", "DependencyTimeoutException",
	"RequestTimeout", "RequestTimeoutException",
}

// unavailable reports that AWS did not answer, or that it could not.
func unavailable(err error) bool {
	if answer, is := errors.AsType[*smithyhttp.ResponseError](err); is && answer.HTTPStatusCode() >= http.StatusInternalServerError {
		return true
	}
	if _, is := errors.AsType[*smithyhttp.RequestSendError](err); is {
		return true
	}
	wait, is := errors.AsType[net.Error](err)
	return is && wait.Timeout() || slices.Contains(down, errorCode(err)) || errors.Is(err, context.DeadlineExceeded)
}

// unsent reports that nothing was sent: nobody took the connection, or the SDK's own limiter held the call back.
func unsent(err error) bool {
	if call, is := errors.AsType[*net.OpError](err); is && call.Op == "dial" {
		return true
	}
	_, is := errors.AsType[ratelimit.QuotaExceededError](err)
	return is && errorCode(err) == ""
}

// notEntered says that an account could not be entered. AWS answers alike whether the role is missing or does not trust
// us: for us both mean that nobody watches there. Throttling and broken calls stay what they are.
func notEntered(err error, roleARN string) error {
	meaning := meanings[errorCode(err)]
	if errors.Is(meaning, guard.ErrDenied) || errors.Is(meaning, guard.ErrGone) || errors.Is(meaning, guard.ErrNotOurs) {
		return fmt.Errorf("assume role %s: %w: %w", roleARN, guard.ErrNotOurs, err)
	}
	return Fail(err, "assume role %s", roleARN)
}

func errorCode(err error) string {
	if api, found := errors.AsType[smithy.APIError](err); found {
		return api.ErrorCode()
	}
	return ""
}

// classified reports whether an error inside already says what it means, as those of the member credentials do.
func classified(err error) bool {
	for _, known := range []error{guard.ErrGone, guard.ErrDenied, guard.ErrNotOurs, guard.ErrThrottled, guard.ErrRefused, guard.ErrConflict, guard.ErrUnavailable} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}

// Code is the code of the error that AWS answered, "" where AWS answered none.
func Code(err error) string { return errorCode(err) }

// Unknown reports whether whoever answered has no such operation: what a double says of what it does not model. AWS itself
// says so of services that a Region does not have.
func Unknown(err error) bool {
	switch errorCode(err) {
	case "UnknownOperationException", "UnknownOperation", "UnrecognizedAction", "InvalidAction", "NotImplemented", "NotImplementedException", "UnsupportedOperation":
		return true
	}
	answer, found := errors.AsType[*smithyhttp.ResponseError](err)
	if !found {
		return false
	}
	_, typed := errors.AsType[smithy.APIError](err)
	status := answer.HTTPStatusCode()
	return status == http.StatusNotImplemented || status == http.StatusMethodNotAllowed || status == http.StatusNotFound && (!typed || errorCode(err) == "UnknownError")
}

// Operation is the call that an error is about, such as "kms:CreateKey"; "" where no call was made.
func Operation(err error) string {
	if call, found := errors.AsType[*smithy.OperationError](err); found {
		return call.Service() + ":" + call.Operation()
	}
	return ""
}

// Answer is what AWS itself said, without the SDK's wrapping; the whole error where AWS said nothing.
func Answer(err error) string {
	if api, found := errors.AsType[smithy.APIError](err); found {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return err.Error()
}
