package conformance

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
)

// standInPrefix begins the name of the folder that a stand-in lives in.
const standInPrefix = "doublelock-conformance-"

// The stand-ins that are known by name.
const (
	localAWS  = "localaws"
	ministack = "ministack"
	moto      = "moto"
)

// Accounts and OU of the stand-ins.
const (
	standInAccount    = "444455556666"
	standInManagement = "111122223333"
	standInOU         = "ou-ab12-sandbox1"
)

// onThisMachine reports whether a text is the URL of something that listens on loopback. Nothing else gets credentials.
func onThisMachine(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// standIn opens a stand-in for AWS. It is started where it is known by name.
func (o *options) standIn(ctx context.Context, env *command.Env) (*world, error) {
	if o.second == "" {
		o.second = "us-west-2"
	}
	w := &world{against: o.against, stop: func() {}}
	var own, management *cloud.Cloud
	var err error
	switch o.against {
	case localAWS:
		own, management, err = o.startLocal(ctx, env, w)
	case ministack, moto:
		w.ends = true
		own, err = o.startProgram(ctx, env, w)
	default:
		w.against = "a stand-in"
		own, err = o.openStandIn(ctx, o.against, credentialsOr(env, standInAccount))
	}
	if err != nil {
		w.stop()
		return nil, err
	}
	run := sandbox.NewRun(env.Now())
	w.again, w.lasts = o.cleanupOf(run), cleaningLocal
	intend := func(r sandbox.Resource) error { return w.journal.Intend(r) }
	w.reopen = func(ctx context.Context) (map[string]*sandbox.Session, error) {
		sessions := map[string]*sandbox.Session{}
		for _, c := range []*cloud.Cloud{own, management} {
			if c == nil {
				continue
			}
			session, err := sandbox.Open(ctx, c, o.region, run, intend)
			if err != nil {
				return nil, err
			}
			sessions[session.Account()] = session
		}
		return sessions, nil
	}
	open, err := w.reopen(ctx)
	if err != nil {
		w.stop()
		return nil, fmt.Errorf("conformance: %s: %w", o.against, err)
	}
	w.options = conformance.Options{OU: standInOU, Second: o.second, Patience: conformance.ForDouble(), Parallel: 1}
	for account, session := range open {
		if management != nil && account == standInManagement {
			w.options.Management = session
		} else {
			w.options.Own = session
		}
	}
	w.journal, err = conformance.NewJournal(conformance.State{Run: run, Account: w.options.Own.Account(), Region: o.region, Second: o.second,
		Kinds: conformance.Kinds(conformance.Asked(o.questions, management != nil))}, func([]byte) error { return nil })
	if onThisMachine(o.against) {
		env.Note("should this be killed, %s removes what it made", w.again)
	}
	return w, err
}

// openStandIn opens what listens at a URL of this machine.
func (o *options) openStandIn(ctx context.Context, endpoint string, keys cloud.Static) (*cloud.Cloud, error) {
	return cloud.Open(ctx, cloud.Options{Region: o.region, Endpoint: endpoint, Credentials: &keys, MaxBackoff: 10 * time.Millisecond, LookupEvery: time.Microsecond})
}

// credentialsOr are those of the environment, or an account id as an access key, which stand-ins take for an account.
func credentialsOr(env *command.Env, account string) cloud.Static {
	if found := cloud.FromEnv(env.Getenv).Credentials; found != nil {
		return *found
	}
	return cloud.Static{AccessKeyID: account, SecretAccessKey: "conformance"}
}

// startLocal starts the local AWS in this process, with an organization: both sets are asked.
func (o *options) startLocal(ctx context.Context, env *command.Env, w *world) (own, management *cloud.Cloud, err error) {
	w.followed, err = conformance.ReadBehavior(o.behavior, func(path string) ([]byte, error) { return input.Report(env, path, conformance.MaxReport) })
	if err != nil {
		return nil, nil, command.Fail("conformance: --behavior: %w", err)
	}
	for _, left := range w.followed.Left {
		env.Note("the local AWS cannot follow the report in %s", left)
	}
	a := localaws.New(localaws.Options{Seed: 1, Behavior: w.followed.Behavior})
	endpoint, stop, err := a.Start()
	if err != nil {
		return nil, nil, err
	}
	running, end := context.WithCancel(context.WithoutCancel(ctx)) // cleanup may need it after a Ctrl-C
	var group sync.WaitGroup
	group.Go(func() { a.Run(running) })
	w.stop = func() { end(); group.Wait(); stop() }
	a.OrganizationWithRoot("o-exampleorgid", "r-ab12", standInManagement)
	a.AddOUWithID("", standInOU, "Sandbox")
	a.AddAccount(standInOU, standInAccount, "sandbox")
	open := func(account string) (*cloud.Cloud, error) {
		keys, err := a.Principal(account, "role/Sandbox/conformance")
		if err != nil {
			return nil, err
		}
		return o.openStandIn(ctx, endpoint, cloud.Static(keys))
	}
	if own, err = open(standInAccount); err != nil {
		return nil, nil, err
	}
	management, err = open(standInManagement)
	return own, management, err
}

// programs are what is started for the stand-ins, and how they are told where to listen.
var programs = map[string]struct {
	name string
	args func(port string) []string
	env  func(port string) []string
}{
	moto: {"moto_server", func(port string) []string { return []string{"-H", "127.0.0.1", "-p", port} }, func(string) []string { return nil }},
	ministack: {"ministack", func(string) []string { return nil }, func(port string) []string {
		return []string{"BIND_HOST=127.0.0.1", "GATEWAY_PORT=" + port, "MINISTACK_HOST=127.0.0.1", "AUTH=true", "IOT_MTLS_ENABLED=0", "SFTP_ENABLED=0", "DOCKER_HOST=unix:///nonexistent"}
	}},
}

// startProgram starts a stand-in of somebody else on loopback, and waits until it listens.
func (o *options) startProgram(ctx context.Context, env *command.Env, w *world) (*cloud.Cloud, error) {
	kind := programs[o.against]
	path := o.program
	if path == "" {
		found, err := exec.LookPath(kind.name)
		if err != nil {
			return nil, command.Fail("conformance: no program %s in PATH; name it with --program, or give the URL of one that runs to --against", kind.name)
		}
		path = found
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(address)
	files.RemoveLeft(os.TempDir(), standInPrefix)
	home, err := files.Temporary(os.TempDir(), standInPrefix)
	if err != nil {
		return nil, err
	}
	program := exec.CommandContext(context.WithoutCancel(ctx), path, kind.args(port)...) //nolint:gosec // the user names it; w.stop ends it
	program.Stdout, program.Stderr, program.WaitDelay = io.Discard, io.Discard, time.Second
	program.Env = append(kind.env(port), "PATH="+env.Getenv("PATH"), "HOME="+home.Path(), "TMPDIR="+home.Path())
	if err := program.Start(); err != nil {
		_ = home.Remove()
		return nil, fmt.Errorf("conformance: start %s: %w", kind.name, err)
	}
	ended := make(chan struct{})
	go func() { _ = program.Wait(); close(ended) }() // it is killed in the end, so its exit code says nothing
	w.stop = sync.OnceFunc(func() {
		_ = program.Process.Kill()
		<-ended
		_ = home.Remove()
	})
	defer env.Wait("%s to listen", kind.name)()
	dialer := net.Dialer{Timeout: time.Second}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if connection, err := dialer.DialContext(ctx, "tcp", address); err == nil {
			_ = connection.Close()
			return o.openStandIn(ctx, "http://"+address, cloud.Static{AccessKeyID: standInAccount, SecretAccessKey: "conformance"})
		}
		select {
		case <-ended:
			return nil, command.Fail("conformance: %s ended before it listened: it was not asked anything", kind.name)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil, command.Fail("conformance: %s did not listen within a minute: it was not asked anything", kind.name)
}

func freeAddress(ctx context.Context) (string, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}
