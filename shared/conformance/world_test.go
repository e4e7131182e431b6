package conformance_test

import (
	"context"
	"flag"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
)

const (
	account    = "444455556666"
	management = "999988887777"
	home, far  = "eu-central-1", "eu-west-1"
	ou         = "ou-ab12-sandbox1"
	run        = sandbox.Run("abcdefghij") // as long as the command's
)

// local is a local AWS with an organization: a management account, and a sandbox account in an OU of its own.
type local struct {
	*localaws.AWS
	url string
}

func start(t testing.TB, o localaws.Options) *local {
	t.Helper()
	a := localaws.New(o)
	url, stop, err := a.Start()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { a.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait(); stop() })
	a.OrganizationWithRoot("o-exampleorgid", "r-ab12", management)
	a.AddOUWithID("", ou, "Sandbox")
	a.AddAccount(ou, account, "sandbox")
	return &local{a, url}
}

// session acts as somebody: "role/name/session", with every right unless the role was made before.
func (l *local) session(t testing.TB, account, who string, of sandbox.Run, journal sandbox.Journal) *sandbox.Session {
	t.Helper()
	keys, err := l.Principal(account, who)
	if err != nil {
		t.Fatal(err)
	}
	c, err := cloud.Open(t.Context(), cloud.Options{Region: home, Endpoint: l.url, MaxBackoff: time.Millisecond, LookupEvery: time.Microsecond,
		Credentials: &cloud.Static{AccessKeyID: keys.AccessKeyID, SecretAccessKey: keys.SecretAccessKey, SessionToken: keys.SessionToken}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sandbox.Open(t.Context(), c, home, of, journal)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func unwritten(sandbox.Resource) error { return nil }

// ask asks the questions of some ids, all without any.
func (l *local) ask(t testing.TB, only ...string) []conformance.Result {
	t.Helper()
	return conformance.Ask(t.Context(), conformance.Options{
		Own: l.session(t, account, "role/Sandbox/me", run, unwritten), Management: l.session(t, management, "role/Admin/me", run, unwritten),
		OU: ou, Second: far, Only: only, Patience: conformance.ForDouble(), Parallel: 1, Now: time.Now,
	})
}

var (
	plainOnce    sync.Once
	plainResults []conformance.Result
)

// plain are the answers of the local AWS as it is.
func plain(t testing.TB) []conformance.Result {
	plainOnce.Do(func() { plainResults = startPlain(t).ask(t) })
	return plainResults
}

// TestMain lets more tests run at once than there are processors, for most of them wait.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0))); err != nil { // which -parallel overrides
		panic(err)
	}
	os.Exit(m.Run())
}

func startPlain(t testing.TB) *local { return start(t, localaws.Options{Seed: 1}) }
