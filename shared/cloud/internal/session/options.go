package session

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/doublelock/doublelock/shared/settings"
)

// Options says who we are, where we may look and how patient we are. FromEnv fills it from the environment contract.
type Options struct {
	Region      string   // home Region: table, bus, topics and the STS endpoint live here
	Endpoint    string   // URL that answers for every service; "" is AWS itself
	Credentials *Static  // needed, but for package profile
	CABundle    string   // PEM file of the certificate authorities to trust; "" is the system's
	HubAccount  string   // 12 digits: the account our own credentials belong to
	Regions     []string // guarded Regions; empty: every Region

	AssumeRoles       bool   // true: every account, the hub's too, is entered through its member role
	Session           string // handler name; the role session is settings.SessionPrefix + Session
	ManagementAccount string // read Organizations through this account's member role; "": with our own credentials

	KeyDetails  bool          // read aliases and tags of customer managed keys as well (two more calls per key)
	KeyTTL      time.Duration // how long key metadata stays true; 0 is 5 minutes, missing and unreadable keys a fifth of it
	Timeout     time.Duration // of one call with all its tries; 0 is 20 seconds
	TryTimeout  time.Duration // of one try; 0 is 5 seconds
	MaxBackoff  time.Duration // longest wait between two tries, for runs against a local AWS; 0 is the SDK's adaptive mode
	KeepGone    time.Duration // how long the record of a deleted secret is kept; 0 is 365 days
	LookupEvery time.Duration // between two CloudTrail look-ups in an account and Region; 0 is AWS's limit, half a second
	Concurrency int           // calls in flight while listing; 0 is 8. 1 makes the order of calls repeatable
	Now         func() time.Time
}

// Static is a fixed set of credentials. It never prints itself.
type Static struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
}

const redacted = "[credentials]"

func (Static) String() string       { return redacted }
func (Static) GoString() string     { return redacted }
func (Static) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON keeps credentials out of anything that is written as JSON.
func (Static) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

func (s Static) provider() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(s.AccessKeyID, s.SecretAccessKey, s.SessionToken)
}

// envIgnoreEndpoints is the SDKs' variable by which AWS itself is asked, whatever endpoints other variables and profiles name.
const envIgnoreEndpoints = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"

// FromEnv reads the variables that infra writes and Lambda adds. The local run passes its own map.
func FromEnv(getenv func(string) string) Options {
	o := Options{
		Region:      cmp.Or(getenv(settings.EnvRegion), getenv("AWS_DEFAULT_REGION")),
		Endpoint:    getenv(settings.EnvEndpoint),
		CABundle:    getenv("AWS_CA_BUNDLE"),
		HubAccount:  getenv(settings.EnvHubAccount),
		Regions:     splitList(getenv(settings.EnvRegions)),
		AssumeRoles: true,

		ManagementAccount: getenv(settings.EnvManagement),
	}
	if strings.EqualFold(getenv(envIgnoreEndpoints), "true") {
		o.Endpoint = ""
	}
	if id := getenv("AWS_ACCESS_KEY_ID"); id != "" {
		o.Credentials = &Static{AccessKeyID: id, SecretAccessKey: getenv("AWS_SECRET_ACCESS_KEY"), SessionToken: getenv("AWS_SESSION_TOKEN")}
	}
	if onLoopback(o.Endpoint) {
		o.MaxBackoff, o.LookupEvery, o.Concurrency = 10*time.Millisecond, time.Microsecond, 1
	}
	return o
}

// onLoopback reports whether an endpoint is an AWS on this machine. It has no quotas to be patient with, and calls in a
// repeatable order give a repeatable run.
func onLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func splitList(s string) []string {
	var list []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// filled returns the options with every default in place.
func (o Options) filled() Options {
	o.KeyTTL = cmp.Or(o.KeyTTL, 5*time.Minute)
	o.Timeout = cmp.Or(o.Timeout, 20*time.Second)
	o.TryTimeout = cmp.Or(o.TryTimeout, 5*time.Second)
	o.KeepGone = cmp.Or(o.KeepGone, 365*24*time.Hour)
	o.Concurrency = cmp.Or(o.Concurrency, 8)
	o.Session = cmp.Or(o.Session, "cli")
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

func (o Options) validate() error {
	if o.Region == "" {
		return errors.New("open AWS: no Region; set " + settings.EnvRegion)
	}
	if o.HubAccount != "" && !IsAccountID(o.HubAccount) {
		return fmt.Errorf("open AWS: hub account %q is not 12 digits; set %s", o.HubAccount, settings.EnvHubAccount)
	}
	if o.ManagementAccount != "" && !IsAccountID(o.ManagementAccount) {
		return fmt.Errorf("open AWS: management account %q is not 12 digits", o.ManagementAccount)
	}
	if o.Endpoint == "" {
		return nil
	}
	if u, err := url.Parse(o.Endpoint); err != nil || u.Host == "" {
		return fmt.Errorf("open AWS: endpoint %q is not a URL; set %s to http://host:port", o.Endpoint, settings.EnvEndpoint)
	}
	return nil
}

// IsAccountID reports whether a text is 12 digits.
func IsAccountID(s string) bool {
	if len(s) != 12 {
		return false
	}
	return strings.Trim(s, "0123456789") == ""
}
