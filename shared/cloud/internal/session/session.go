package session

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go/middleware"
	smithytime "github.com/aws/smithy-go/time"
)

// Cloud is AWS as seen from one hub. It is safe for concurrent use and holds no goroutine.
type Cloud struct {
	opt  Options
	base aws.Config // our own credentials, home Region

	mu      sync.Mutex
	kept    map[keptKey]any
	members map[memberKey]*memberCredentials
	own     string // account of our own credentials, once asked
}

// Open prepares the way to AWS with the credentials of the options. It calls nobody: what is wrong with the credentials
// shows at the first call.
func Open(ctx context.Context, o Options) (*Cloud, error) {
	return OpenFrom(ctx, o, func(_ context.Context, client *awshttp.BuildableClient) (aws.Config, error) {
		if o.Credentials == nil {
			return aws.Config{}, errors.New("no credentials: set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN")
		}
		return aws.Config{HTTPClient: client, Region: o.Region, Credentials: o.Credentials.provider()}, nil
	})
}

// OpenFrom is Open with a configuration of the SDK from elsewhere: package profile's.
func OpenFrom(ctx context.Context, o Options, load func(context.Context, *awshttp.BuildableClient) (aws.Config, error)) (*Cloud, error) {
	if err := o.validate(); err != nil {
		return nil, err
	}
	o = o.filled()
	client, err := httpClient(o)
	if err != nil {
		return nil, fmt.Errorf("open AWS: %w", err)
	}
	base, err := load(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("open AWS: %w", err)
	}
	if network := networkOf(ctx); network != nil {
		base.HTTPClient = through(network, o.TryTimeout)
	}
	return newCloud(o, ours(base, o)), nil
}

func newCloud(o Options, base aws.Config) *Cloud {
	return &Cloud{opt: o, base: base, kept: map[keptKey]any{}, members: map[memberKey]*memberCredentials{}}
}

// ours is how we call AWS, whoever loaded the configuration.
func ours(cfg aws.Config, o Options) aws.Config {
	cfg.HTTPClient = plainBody{cfg.HTTPClient}
	if o.Endpoint != "" {
		cfg.BaseEndpoint = aws.String(o.Endpoint)
	}
	cfg.Retryer = func() aws.Retryer { return newRetryer(o.MaxBackoff) }
	cfg.APIOptions = append(cfg.APIOptions, limitTime(o))
	return cfg
}

// httpClient is the SDK's buildable client: any other type makes LoadDefaultConfig fail when AWS_CA_BUNDLE is set.
func httpClient(o Options) (*awshttp.BuildableClient, error) {
	client := awshttp.NewBuildableClient().WithTimeout(o.TryTimeout)
	if o.CABundle == "" {
		return client, nil
	}
	pem, err := readBundle(o.CABundle)
	if err != nil {
		return nil, fmt.Errorf("read CA bundle: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read CA bundle: no certificate in %s", o.CABundle)
	}
	return client.WithTransportOptions(func(t *http.Transport) {
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
		}
		t.TLSClientConfig.RootCAs = roots
	}), nil
}

// maxBundle is the most bytes of a CA bundle that are read; those of operating systems have some hundred KB.
const maxBundle = 16 << 20

func readBundle(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // only read
	pem, err := io.ReadAll(io.LimitReader(file, maxBundle+1))
	if err == nil && len(pem) > maxBundle {
		err = fmt.Errorf("%s is longer than %d MB", path, maxBundle>>20)
	}
	return pem, err
}

// maxTries is how often one call is tried within its time.
const maxTries = 5

// newRetryer makes one retryer per client, so that one throttled account does not slow the others. Adaptive mode slows
// down to one call in two seconds after a throttle, which a local AWS that throttles for the sake of it is spared.
func newRetryer(maxBackoff time.Duration) aws.Retryer {
	standard := func(s *retry.StandardOptions) {
		s.MaxAttempts = maxTries
		if maxBackoff > 0 {
			s.MaxBackoff = maxBackoff
		}
		s.Retryables = append([]retry.IsErrorRetryable{quotaIsFinal{}}, s.Retryables...)
	}
	if maxBackoff > 0 {
		return retry.NewStandard(standard)
	}
	return retry.NewAdaptiveMode(func(o *retry.AdaptiveModeOptions) { o.StandardOptions = append(o.StandardOptions, standard) })
}

// quotaIsFinal stops the SDK from retrying LimitExceededException: the services we call say it of full quotas (tags,
// grants), never of rates.
type quotaIsFinal struct{}

func (quotaIsFinal) IsErrorRetryable(err error) aws.Ternary {
	if errorCode(err) == "LimitExceededException" {
		return aws.FalseTernary
	}
	return aws.UnknownTernary
}

// limitTime bounds every call with all its tries, in the one place that no call can forget.
func limitTime(o Options) func(*middleware.Stack) error {
	limit := middleware.InitializeMiddlewareFunc("DoublelockTimeLimit",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			ctx, cancel := context.WithTimeout(ctx, o.Timeout)
			defer cancel()
			return next.HandleInitialize(ctx, in)
		})
	return func(stack *middleware.Stack) error { return stack.Initialize.Add(limit, middleware.Before) }
}

// Pause waits before a further round over what a call left undone: not at all before the first, then 50, 100, 200 ms.
func Pause(ctx context.Context, round int) error {
	if round == 0 {
		return ctx.Err()
	}
	return smithytime.SleepWithContext(ctx, 25*time.Millisecond<<round)
}
