package cloud_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
)

func TestAMemberRoleIsAssumedOnceForManyCalls(t *testing.T) {
	f := describing(plainSecret(), []object{{"VersionId": "v1"}})
	s := secrets.New(f.open(t, nil))
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := s.Describe(t.Context(), ref()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	calls := f.made("AssumeRole")
	if len(calls) != 1 {
		t.Fatalf("assumed %d times, want once", len(calls))
	}
	if got := calls[0].in["RoleSessionName"]; got != "doublelock-detect" {
		t.Errorf("session %v: our own writes would not be recognised", got)
	}
	if calls[0].key != "HUB" || calls[0].region != region {
		t.Errorf("assumed by %s in %s, want the hub's own credentials in its home Region", calls[0].key, calls[0].region)
	}
}

func TestTheHubsOwnAccountIsEnteredThroughItsRoleToo(t *testing.T) {
	f := describing(object{"ARN": "arn:aws:secretsmanager:eu-central-1:" + hub + ":secret:x-AbCdEf"}, []object{{"VersionId": "v1"}})
	if _, err := secrets.New(f.open(t, nil)).Describe(t.Context(), guard.SecretRef{Account: hub, Region: region, ID: "x"}); err != nil {
		t.Fatal(err)
	}
	if got := f.made("DescribeSecret")[0].key; got != "arn:aws:iam::"+hub+":role.doublelock-read" {
		t.Errorf("described as %s", got)
	}
}

func TestWithoutRolesTheOwnAccountIsReadWithItsOwnCredentials(t *testing.T) {
	f := describing(object{"ARN": "arn:aws:secretsmanager:eu-central-1:" + hub + ":secret:x-AbCdEf"}, []object{{"VersionId": "v1"}})
	s := secrets.New(f.open(t, func(o *cloud.Options) { o.AssumeRoles, o.HubAccount = false, "" }))
	for range 2 {
		if _, err := s.Describe(t.Context(), guard.SecretRef{Account: hub, Region: region, ID: "x"}); err != nil {
			t.Fatal(err)
		}
	}
	if got := f.made("DescribeSecret")[0].key; got != "HUB" {
		t.Errorf("described as %s", got)
	}
	if n := len(f.made("GetCallerIdentity")); n != 1 {
		t.Errorf("asked who we are %d times, want once", n)
	}
}

func TestMemberCredentialsAreReplacedBeforeTheyEndByOurClock(t *testing.T) {
	clock := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	f := describing(plainSecret(), []object{{"VersionId": "v1"}})
	f.on["AssumeRole"] = func(a asked) answer { return assumed(a.in["RoleArn"].(string), clock.Add(time.Hour)) }
	s := secrets.New(f.open(t, func(o *cloud.Options) { o.Now = func() time.Time { return clock } }))
	look := func(after time.Duration, want int) {
		t.Helper()
		clock = clock.Add(after)
		if _, err := s.Describe(t.Context(), ref()); err != nil {
			t.Fatal(err)
		}
		if n := len(f.made("AssumeRole")); n != want {
			t.Errorf("assumed %d times, want %d", n, want)
		}
	}
	look(0, 1)
	look(57*time.Minute, 1)
	look(2*time.Minute, 2)
	look(time.Minute, 2)
}

func TestAThrottledAssumeRoleIsNotTakenForAMissingRole(t *testing.T) {
	f := describing(plainSecret(), []object{{"VersionId": "v1"}})
	f.on["AssumeRole"] = func(asked) answer { return answer{code: "Throttling"} }
	_, err := secrets.New(f.open(t, nil)).Describe(t.Context(), ref())
	if !errors.Is(err, guard.ErrThrottled) || errors.Is(err, guard.ErrNotOurs) {
		t.Errorf("error %v, want ErrThrottled alone", err)
	}
}

func TestAPassingThrottleIsRiddenOut(t *testing.T) {
	cases := map[string]func(*cloud.Options){
		"as deployed (adaptive)":      func(o *cloud.Options) { o.MaxBackoff = 0 },
		"in the local run (standard)": nil,
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			f := describing(plainSecret(), []object{{"VersionId": "v1"}})
			describe := f.on["DescribeSecret"]
			var tries atomic.Int32
			f.on["DescribeSecret"] = func(a asked) answer {
				if tries.Add(1) == 1 {
					return answer{code: "ThrottlingException"}
				}
				return describe(a)
			}
			if _, err := secrets.New(f.open(t, change)).Describe(t.Context(), ref()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestACallThatNeverAnswersEnds(t *testing.T) {
	f := newFake()
	release := make(chan struct{})
	f.on["DescribeSecret"] = func(asked) answer { <-release; return answer{} }
	s := secrets.New(f.open(t, func(o *cloud.Options) { o.Timeout, o.TryTimeout = 60*time.Millisecond, 20*time.Millisecond }))
	t.Cleanup(func() { close(release) })
	_, err := s.Describe(t.Context(), ref())
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v, want a deadline", err)
	}
	if len(f.made("DescribeSecret")) < 2 {
		t.Error("a try that did not answer used up the whole time")
	}
}

func TestServerFaultsAreTriedAgainAndThenMeanNothingElse(t *testing.T) {
	f := newFake()
	f.on["DescribeSecret"] = func(asked) answer { return answer{status: 500, code: "InternalServiceError"} }
	_, err := secrets.New(f.open(t, nil)).Describe(t.Context(), ref())
	for _, known := range []error{guard.ErrGone, guard.ErrDenied, guard.ErrNotOurs, guard.ErrThrottled, guard.ErrRefused} {
		if errors.Is(err, known) {
			t.Errorf("error %v is %v", err, known)
		}
	}
	if n := len(f.made("DescribeSecret")); err == nil || n != 5 {
		t.Errorf("error %v after %d tries, want one after 5", err, n)
	}
}

func TestOptionsSayWhatIsWrong(t *testing.T) {
	good := cloud.Options{Region: region, Credentials: &cloud.Static{AccessKeyID: "a", SecretAccessKey: "b"}}
	cases := map[string]struct {
		change func(*cloud.Options)
		want   string
	}{
		"no Region":                     {func(o *cloud.Options) { o.Region = "" }, "open AWS: no Region; set AWS_REGION"},
		"a short account":               {func(o *cloud.Options) { o.HubAccount = "12" }, `open AWS: hub account "12" is not 12 digits; set DOUBLELOCK_HUB_ACCOUNT`},
		"a named account":               {func(o *cloud.Options) { o.ManagementAccount = "management12" }, `open AWS: management account "management12" is not 12 digits`},
		"an endpoint of no use":         {func(o *cloud.Options) { o.Endpoint = "localhost:4566" }, `open AWS: endpoint "localhost:4566" is not a URL; set AWS_ENDPOINT_URL to http://host:port`},
		"a CA bundle that is not there": {func(o *cloud.Options) { o.CABundle = "/nowhere.pem" }, "open AWS: read CA bundle: open /nowhere.pem: no such file or directory"},
		"a CA bundle without one":       {func(o *cloud.Options) { o.CABundle = "doc.go" }, "open AWS: read CA bundle: no certificate in doc.go"},
		"a CA bundle without an end":    {func(o *cloud.Options) { o.CABundle = "/dev/zero" }, "open AWS: read CA bundle: /dev/zero is longer than 16 MB"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			o := good
			c.change(&o)
			_, err := cloud.Open(t.Context(), o)
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
}

func TestRolesAreInTheRegionsPartition(t *testing.T) {
	for region, want := range map[string]string{"eu-central-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "eusc-de-east-1": "aws-eusc", "us-iso-east-1": "aws-iso"} {
		f := newFake()
		c := f.open(t, func(o *cloud.Options) { o.Region = region })
		if err := c.Enter(t.Context(), member, "doublelock-read"); err != nil {
			t.Fatal(err)
		}
		if got := f.made("AssumeRole")[0].in["RoleArn"]; got != "arn:"+want+":iam::"+member+":role/doublelock-read" {
			t.Errorf("%s: assumed %v", region, got)
		}
	}
}

func TestACABundleIsTrusted(t *testing.T) {
	server := httptest.NewTLSServer(newFake())
	t.Cleanup(server.Close)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, block, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]bool{bundle: true, "": false} {
		c, err := cloud.Open(t.Context(), cloud.Options{Region: region, Endpoint: server.URL, CABundle: path, MaxBackoff: time.Millisecond,
			Credentials: &cloud.Static{AccessKeyID: "a", SecretAccessKey: "b"}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Identity(t.Context()); (err == nil) != want {
			t.Errorf("with bundle %q: %v", path, err)
		}
	}
}

func TestOptionsComeFromTheEnvironmentContract(t *testing.T) {
	env := map[string]string{
		"AWS_REGION": region, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "AWS_SESSION_TOKEN": "token",
		"DOUBLELOCK_HUB_ACCOUNT": hub, "DOUBLELOCK_MANAGEMENT_ACCOUNT": keyHome, "DOUBLELOCK_REGIONS": "eu-central-1, eu-west-1,",
	}
	o := cloud.FromEnv(func(name string) string { return env[name] })
	if o.Region != region || o.Endpoint != "http://127.0.0.1:1" || o.HubAccount != hub || o.ManagementAccount != keyHome || !o.AssumeRoles || len(o.Regions) != 2 || o.Regions[1] != far {
		t.Errorf("options %+v", o)
	}
	if *o.Credentials != (cloud.Static{AccessKeyID: env["AWS_ACCESS_KEY_ID"], SecretAccessKey: env["AWS_SECRET_ACCESS_KEY"], SessionToken: "token"}) {
		t.Error("credentials differ")
	}
	if o := cloud.FromEnv(func(string) string { return "" }); o.Credentials != nil {
		t.Error("no variables, but credentials: the SDK's own chain would not be asked")
	}
}

func TestCredentialsNeverPrintThemselves(t *testing.T) {
	secret := cloud.Static{AccessKeyID: "id", SecretAccessKey: "hush", SessionToken: "token"}
	o := cloud.Options{Credentials: &secret}
	for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{secret, &secret, struct{ S cloud.Static }{secret}} {
			if got := fmt.Sprintf(format, v); !contains(got, "[credentials]") || contains(got, "hush") {
				t.Errorf("%s of %T prints %s", format, v, got)
			}
		}
	}
	if got := fmt.Sprintf("%+v", o); contains(got, "hush") {
		t.Errorf("options print %s", got)
	}
	if got, err := secret.MarshalJSON(); err != nil || string(got) != `"[credentials]"` {
		t.Errorf("JSON %s, %v", got, err)
	}
}

// The log names AWS's code and call by the SDK's types: here of an account that cannot be entered, and of a call there.
func TestAWSsAnswerIsFoundInAnErrorOfTheSDK(t *testing.T) {
	for name, tt := range map[string]struct {
		call, code string
		want       guard.Answer
	}{
		"the role of the account": {"AssumeRole", "AccessDenied", guard.Answer{Cause: "not_ours", Code: "AccessDenied", Operation: "STS AssumeRole"}},
		"the secret":              {"DescribeSecret", "AccessDeniedException", guard.Answer{Cause: "denied", Code: "AccessDeniedException", Operation: "Secrets Manager DescribeSecret"}},
	} {
		t.Run(name, func(t *testing.T) {
			f := describing(plainSecret(), []object{{"VersionId": "v1"}})
			f.on[tt.call] = func(asked) answer { return answer{code: tt.code} }
			_, err := secrets.New(f.open(t, nil)).Describe(t.Context(), ref())
			if got := guard.AnswerOf(err); got != tt.want {
				t.Errorf("answer %+v of %v, want %+v", got, err, tt.want)
			}
		})
	}
}

// A session that AWS does not take any more would keep a warm process out until it runs out by our clock.
func TestASessionThatAWSEndedIsReplacedInAWarmProcess(t *testing.T) {
	for _, code := range []string{"ExpiredTokenException", "UnrecognizedClientException", "InvalidClientTokenId", "AccessDeniedException"} {
		t.Run(code, func(t *testing.T) {
			clock := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
			f := describing(plainSecret(), []object{{"VersionId": "v1"}})
			f.on["AssumeRole"] = func(a asked) answer { return assumed(a.in["RoleArn"].(string), clock.Add(time.Hour)) }
			s := secrets.New(f.open(t, func(o *cloud.Options) { o.Now = func() time.Time { return clock } }))
			if _, err := s.Describe(t.Context(), ref()); err != nil {
				t.Fatal(err)
			}
			describe, ended := f.on["DescribeSecret"], true
			f.on["DescribeSecret"] = func(a asked) answer {
				if ended && len(f.made("AssumeRole")) == 1 {
					return answer{code: code}
				}
				return describe(a)
			}
			clock = clock.Add(10 * time.Minute)
			if _, err := s.Describe(t.Context(), ref()); err != nil {
				t.Errorf("with an ended session: %v", err)
			}
			f.on["DescribeSecret"] = func(asked) answer { return answer{code: code} }
			for range 5 { // what stays denied does not cost an AssumeRole a call
				if _, err := s.Describe(t.Context(), ref()); err == nil {
					t.Error("described")
				}
			}
			if n := len(f.made("AssumeRole")); n != 2 {
				t.Errorf("assumed %d times, want 2", n)
			}
		})
	}
}

func TestAnAccountThatCannotBeEnteredIsAskedForASessionOnceACall(t *testing.T) {
	f := describing(plainSecret(), []object{{"VersionId": "v1"}})
	f.on["AssumeRole"] = func(asked) answer { return answer{code: "AccessDenied"} }
	s := secrets.New(f.open(t, nil))
	for range 3 {
		if _, err := s.Describe(t.Context(), ref()); !errors.Is(err, guard.ErrNotOurs) {
			t.Errorf("error %v, want ErrNotOurs", err)
		}
	}
	if n := len(f.made("AssumeRole")); n != 3 {
		t.Errorf("assumed %d times, want 3", n)
	}
}
