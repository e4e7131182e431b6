package conformance

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/doubles"
	"github.com/doublelock/doublelock/shared/localaws"
)

// standInPrefix begins the name of the folder that a stand-in lives in.
const standInPrefix = "doublelock-conformance-"

// The stand-ins that are known by name.
const (
	localAWS  = "localaws"
	ministack = string(doubles.MiniStack)
	moto      = string(doubles.Moto)
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
	w := &world{against: o.against, stop: func() {}, alive: func() error { return nil }}
	var own, management *cloud.Cloud
	var err error
	switch o.against {
	case localAWS:
		w.ends = true
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
	return cloud.Open(ctx, cloud.Options{Region: o.region, Endpoint: endpoint, Credentials: &keys, MaxBackoff: 10 * time.Millisecond, LookupEvery: time.Microsecond,
		Timeout: 2 * startTime, TryTimeout: startTime}) // moto loads a service when it is called first
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
	w.followed, err = conformance.ReadBehavior(o.behavior, arn.PartitionOf(o.region), func(path string) ([]byte, error) { return input.Report(env, path, conformance.MaxReport) })
	if err != nil {
		return nil, nil, command.Fail("conformance: --behavior: %w", err)
	}
	for _, note := range w.followed.Notes() {
		env.Note("%s", note)
	}
	a := localaws.New(localaws.Options{Seed: 1, Behavior: w.followed.Behavior})
	endpoint, stop, err := a.Start()
	if err != nil {
		return nil, nil, command.Fail("conformance: localaws %w: %w", doubles.ErrNotStarted, err)
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

// startTime is how long a program may take until it is ready; it is started twice at most.
const startTime = 30 * time.Second

// startProgram starts a stand-in of somebody else on loopback, and waits until it is ready.
func (o *options) startProgram(ctx context.Context, env *command.Env, w *world) (*cloud.Cloud, error) {
	double := doubles.Double(o.against)
	path := cmp.Or(o.program, double.Command())
	path, err := exec.LookPath(path)
	switch {
	case err != nil && o.program == "":
		return nil, command.Fail("conformance: no program %s in PATH; name it with --program, or give the URL of one that runs to --against", double.Command())
	case err != nil:
		return nil, command.Fail("conformance: start %s: %w; --program names another", double.Command(), err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("conformance: start %s: %w", double.Command(), err)
	}
	files.RemoveLeft(os.TempDir(), standInPrefix)
	home, err := files.Temporary(os.TempDir(), standInPrefix)
	if err != nil {
		return nil, err
	}
	defer env.Wait("%s to be ready", double)()
	p, err := doubles.Start(ctx, double, doubles.Options{Program: path, Dir: home.Path(), Patience: startTime})
	if err != nil {
		_ = home.Remove()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("conformance: stopped while %s was started: %w", double, ctx.Err())
		}
		return nil, command.Fail("conformance: %s", ends(err))
	}
	w.alive, w.stop = p.Err, func() { p.Stop(); _ = home.Remove() }
	return o.openStandIn(ctx, p.Endpoint, cloud.Static{AccessKeyID: standInAccount, SecretAccessKey: "conformance"})
}

// ends is the first and the last line of an error that has a log in it.
func ends(err error) string {
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	last := len(lines) - 1
	switch {
	case last == 0:
		return lines[0]
	case strings.HasSuffix(lines[0], ":"): // of a log
		return lines[0] + " " + output.Printable(lines[last])
	}
	return lines[0] + ", and then: " + output.Printable(lines[last])
}
