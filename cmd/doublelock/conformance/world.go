package conformance

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/caller"
	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/profile"
	"github.com/doublelock/doublelock/shared/cloud/sandbox"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/settings"
)

// world is who is asked, and how what was made there is removed.
type world struct {
	against  string
	options  conformance.Options
	stop     func()
	alive    func() error // nil for as long as who is asked is there
	journal  *conformance.Journal
	file     string               // of the state; "" is none, for a stand-in
	again    string               // the command that removes what is left
	lasts    time.Duration        // the removal, at most
	followed conformance.Followed // by the local AWS
	ends     bool                 // with the run, and what was made with it
	// reopen acts anew, for credentials may have ended.
	reopen func(context.Context) (map[string]*sandbox.Session, error)
}

// standInForAWS is what a report is against that was asked of another endpoint than AWS's own.
const standInForAWS = "a stand-in for AWS"

// held ends the name of the file that a run holds beside its state for as long as it is alive.
const held = ".lock"

// parallel is how many questions are asked of AWS at once: most of the time goes by in waiting.
const parallel = 6

// openAWS says what a run would do, asks for a yes, and opens AWS.
func (o *options) openAWS(ctx context.Context, env *command.Env, questions []conformance.Question) (*world, error) {
	run := sandbox.NewRun(env.Now())
	file, err := o.stateFile(env, run)
	if err != nil {
		return nil, err
	}
	c, err := o.open(ctx, env)
	if err != nil {
		return nil, err
	}
	w := &world{against: conformance.AWS, stop: func() {}, alive: func() error { return nil }, file: file, again: o.cleanupOf(run), lasts: cleaning}
	patience := conformance.ForAWS()
	if endpoint := c.Options().Endpoint; endpoint != "" {
		w.against = standInForAWS
		if onThisMachine(endpoint) {
			patience, w.lasts = conformance.ForDouble(), cleaningLocal
		}
	}
	intend := func(r sandbox.Resource) error { return w.journal.Intend(r) }
	w.reopen = func(ctx context.Context) (map[string]*sandbox.Session, error) { return o.sessions(ctx, c, run, intend) }
	open, err := w.reopen(ctx)
	if err != nil {
		return nil, err
	}
	own, management := o.pick(open)
	if err := o.refuse(ctx, own, management); err != nil {
		return nil, err
	}
	w.options = conformance.Options{Own: own, Management: management, OU: o.ou, Second: o.second, Patience: patience, Parallel: parallel}
	if err := o.agree(env, own, questions, file); err != nil {
		return nil, err
	}
	state := conformance.State{Run: run, Started: env.Now().UTC(), Account: own.Account(), Region: o.region, Second: o.second, Endpoint: c.Options().Endpoint, Kinds: conformance.Kinds(questions)}
	if management != nil {
		state.Role, state.Management = o.role, management.Account()
	}
	if w.stop, err = files.Hold(file + held); err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	w.journal, err = conformance.NewJournal(state, func(text []byte) error { return files.Write(file, text) })
	if err != nil {
		w.stop()
	}
	return w, err
}

// open opens AWS with the credentials of the environment, which have to work.
func (o *options) open(ctx context.Context, env *command.Env) (*cloud.Cloud, error) {
	c, err := o.openConfigured(ctx, env)
	if err == nil {
		_, err = caller.Account(ctx, c, o.region, c.Options().Endpoint)
	}
	if err != nil {
		return nil, fmt.Errorf("conformance: %w", err)
	}
	return c, nil
}

// openConfigured opens AWS, or what variables and profiles name in its place.
func (o *options) openConfigured(ctx context.Context, env *command.Env) (*cloud.Cloud, error) {
	c, err := o.openAt(ctx, env, "") // the SDK says which endpoints variables and profiles name, and which of them count
	if err != nil {
		return nil, err
	}
	endpoint, err := sandbox.Endpoint(ctx, c, o.region)
	if err != nil || endpoint == "" {
		return c, err
	}
	return o.openAt(ctx, env, endpoint)
}

// openAt opens AWS, or what stands in for it at a URL. The SDK finds the credentials, also those in variables: so it takes notice of
// every endpoint that variables and profiles name, too.
func (o *options) openAt(ctx context.Context, env *command.Env, endpoint string) (*cloud.Cloud, error) {
	opt := cloud.FromEnv(func(name string) string {
		if name == settings.EnvEndpoint {
			return endpoint
		}
		return env.Getenv(name)
	})
	opt.Region, opt.Credentials, opt.AssumeRoles, opt.HubAccount, opt.ManagementAccount, opt.Regions = o.region, nil, false, "", "", nil
	return profile.Open(ctx, opt)
}

// sessions act as a run: in the sandbox account, and, for the second set, in the management account.
func (o *options) sessions(ctx context.Context, c *cloud.Cloud, run sandbox.Run, journal sandbox.Journal) (map[string]*sandbox.Session, error) {
	own, err := sandbox.Open(ctx, c, o.region, run, journal)
	if err != nil {
		return nil, err
	}
	if !o.organization {
		return map[string]*sandbox.Session{own.Account(): own}, nil
	}
	if own.Account() == o.account {
		return nil, command.Fail("conformance: the credentials are of account %s, which --account names as the sandbox account; --organization needs those of the management account", o.account)
	}
	member, err := own.Assume(ctx, own.Partition().Role(o.account, o.role), "doublelock-conformance", "", "")
	if err != nil {
		return nil, fmt.Errorf("conformance: take the role %s of account %s, which has to trust account %s, the one that manages the organization: %w", o.role, o.account, own.Account(), err)
	}
	inSandbox := slices.DeleteFunc(sandbox.Kinds(), func(k sandbox.Kind) bool { return k == sandbox.Policy })
	return map[string]*sandbox.Session{own.Account(): own.Finding(sandbox.Policy), o.account: member.Finding(inSandbox...)}, nil
}

// pick says which session is in the sandbox account, and which one manages the organization; nil is none.
func (o *options) pick(open map[string]*sandbox.Session) (own, management *sandbox.Session) {
	for account, session := range open {
		if o.organization && account != o.account {
			management = session
		} else {
			own = session
		}
	}
	return own, management
}

// refuse refuses accounts that a run has no business in.
func (o *options) refuse(ctx context.Context, own, management *sandbox.Session) error {
	if management != nil {
		if err := management.BindsOnly(ctx, o.ou, o.account); err != nil {
			return fmt.Errorf("conformance: --ou: %w", err)
		}
		return nil
	}
	manager, err := own.ManagementAccount(ctx)
	switch {
	case sandbox.Denied(err), sandbox.Unknown(err): // nobody can say; the person is asked anyway
		return nil
	case err != nil:
		return err
	case manager == own.Account():
		return command.Fail("conformance: account %s manages an organization; use a sandbox account, or --organization with an OU that holds nothing else", own.Account())
	}
	return nil
}

// agree says what a run does, and asks for a yes.
func (o *options) agree(env *command.Env, own *sandbox.Session, questions []conformance.Question, file string) error {
	waits := false
	for _, q := range questions {
		waits = waits || q.Trail
	}
	lasts := "15 minutes"
	if waits {
		lasts = "45 minutes: CloudTrail shows a call within 15"
	}
	rights := conformance.Rights(questions)
	regions := o.region
	if o.second != "" {
		regions += " and " + o.second
	}
	if o.second == "" {
		env.Note("no --second-region: questions about replicas stay unanswered")
	}
	fmt.Fprintf(env.Stderr, `Account %s, %s, as %s
%s, in some %s.
Everything made is named %s… and tagged %s=%s, and removed at the end. It is written down in
%s
Cost: less than 1 USD: KMS keys (1 USD a month) and secrets (0.40 USD a month) by the hour, and API calls.
Stays: the KMS keys, for %d days until they are deleted; they cost nothing while they wait. CloudTrail keeps its events.
Rights that it takes, %d IAM actions (--print-rights prints a policy):
%s`, own.Account(), regions, own.ARN(), output.Count(len(questions), "question"), lasts, own.Run().Name(""), sandbox.TagKey, own.Run(), file, sandbox.WaitingDays, len(rights), rightsText(rights))
	if o.organization {
		fmt.Fprintf(env.Stderr, "For some minutes each, service control policies that deny the run's own calls are attached to %s, which holds account %s alone.\n", o.ou, o.account)
	}
	return o.yesOrRefuse(env, "start")
}

func (o *options) yesOrRefuse(env *command.Env, to string) error {
	if o.yes {
		return nil
	}
	if !output.Terminal(env.Stdin) {
		return command.Fail("conformance: nobody can be asked here; add --yes to %s", to)
	}
	fmt.Fprintf(env.Stderr, "Type yes to %s: ", to)
	line, err := bufio.NewReader(env.Stdin).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "yes" {
		return command.Fail("conformance: not confirmed, nothing was done")
	}
	return nil
}

// stateFile is where a run writes down what it makes. One that is there is another run's, and is not overwritten.
func (o *options) stateFile(env *command.Env, run sandbox.Run) (string, error) {
	file := o.state
	if file == "" {
		folder, err := stateFolder(env)
		if err != nil {
			return "", err
		}
		file = filepath.Join(folder, string(run)+".json")
	}
	if err := files.Check(file); err != nil {
		return "", err
	}
	if _, err := os.Lstat(file); err == nil {
		text, err := input.ReadFile(env, file, input.MaxDocument)
		if err == nil {
			_, err = conformance.ReadState(text)
		}
		if err != nil {
			return "", command.Fail("conformance: --state %s: it is there, and is no state of a run; name another file", file)
		}
		return "", command.Fail("conformance: %s is the state of another run; remove what it made with doublelock conformance --cleanup --state %s", file, file)
	}
	return file, nil
}

func stateFolder(env *command.Env) (string, error) {
	base := env.Getenv("XDG_CACHE_HOME")
	if base == "" {
		found, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("conformance: no folder for the state (%w); name a file with --state", err)
		}
		base = found
	}
	path := filepath.Join(base, "doublelock", "conformance")
	folder, err := files.Make(path)
	if err != nil {
		return "", fmt.Errorf("conformance: make the folder of the state: %w; name a file with --state", err)
	}
	return path, folder.Close()
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "development"
}

func indented(report conformance.Report) ([]byte, error) {
	text, err := json.MarshalIndent(report, "", "  ")
	return append(text, '\n'), err
}

// runCleanup removes what runs that were killed left behind: by their state, where it is there, and by name and tag.
func (o *options) runCleanup(ctx context.Context, env *command.Env) error {
	states, err := o.states(env)
	if err != nil {
		return err
	}
	var c *cloud.Cloud
	if o.against == "" {
		c, err = o.open(ctx, env)
	} else {
		c, err = o.openStandIn(ctx, o.against, credentialsOr(env, standInAccount))
	}
	if err != nil {
		return err
	}
	nothing := func(sandbox.Resource) error { return errors.New("a cleanup makes nothing") }
	open, err := o.sessions(ctx, c, sandbox.Run(o.onlyRun), nothing) // AnyRun unless one is named
	if err != nil {
		return err
	}
	own, _ := o.pick(open)
	fmt.Fprintf(env.Stderr, "Account %s, %s, as %s: everything named %s… that is tagged %s with its run is removed; %s.\n", own.Account(), strings.Trim(o.region+" "+o.second, " "), own.ARN(),
		sandbox.Prefix, sandbox.TagKey, output.Count(len(states), "run that left its state", "runs that left their state"))
	if err := o.yesOrRefuse(env, "remove it"); err != nil {
		return err
	}
	if o.second == "" {
		defer env.Note("only Region %s was searched by name and tag; give --second-region for another that runs made replicas in", o.region)
	}
	if !o.organization && o.against == "" && slices.Contains(conformance.Kinds(conformance.Asked(o.questions, true)), sandbox.Policy) {
		defer env.Note("policies that runs with --organization made are in the management account and were not looked for; that takes its credentials, and --organization with --account, the sandbox account")
	}
	again := o.cleanupOf(sandbox.Run(o.onlyRun))
	var failed []error
	alive := map[sandbox.Run]bool{}
	for file, state := range states {
		if o.onlyRun != "" && string(state.Run) != o.onlyRun {
			continue
		}
		here := state.Endpoint == c.Options().Endpoint
		managed := here && state.Management == own.Account() && state.Account != own.Account()
		if !managed && (state.Account != own.Account() || !here) {
			env.Note("%s is of account %s at %s and stays; this removes what is of account %s at %s", file, state.Account, cmp.Or(state.Endpoint, conformance.AWS), own.Account(), cmp.Or(c.Options().Endpoint, conformance.AWS))
			continue
		}
		release, err := files.Hold(file + held)
		if err == nil {
			defer release()
		} else if alive[state.Run] = errors.Is(err, files.ErrHeld); alive[state.Run] && o.onlyRun == "" {
			env.Note("run %s is alive on this machine: what it made stays; --run %s removes it all the same", state.Run, state.Run)
			continue
		}
		if managed {
			failed = append(failed, fmt.Errorf("conformance: run %s left something in this account, which manages the organization, and in %s; %s removes it", state.Run, state.Account, o.cleanupOfState(state)))
			continue
		}
		failed = append(failed, showLeft(env, file, state))
		there := *o
		there.region, there.second = state.Region, cmp.Or(state.Second, o.second)
		sessions, err := there.sessions(ctx, c, state.Run, nothing)
		if err == nil {
			err = removeAll(ctx, env, sessions, state, file, o.cleanupOfState(state), nil)
		}
		if failed = append(failed, err); ctx.Err() != nil {
			return errors.Join(failed...)
		}
	}
	failed = append(failed, removeAll(ctx, env, open, conformance.State{Region: o.region, Second: o.second, Kinds: o.kinds()}, "", again, func(r sandbox.Run) bool {
		return o.onlyRun == "" && (alive[r] || r.Young(env.Now()))
	}))
	return errors.Join(failed...)
}

// kinds are what a cleanup without a state looks for: what the questions make that are named, or all. Service control
// policies are in the management account.
func (o *options) kinds() []sandbox.Kind {
	return conformance.Kinds(conformance.Asked(o.questions, o.organization))
}

// states are those of runs that did not end well, by file.
func (o *options) states(env *command.Env) (map[string]conformance.State, error) {
	if o.against != "" {
		return nil, nil // stand-ins have none
	}
	paths := []string{o.state}
	if o.state == "" {
		folder, err := stateFolder(env)
		if err != nil {
			return nil, err
		}
		if paths, err = filepath.Glob(filepath.Join(folder, "*.json")); err != nil {
			return nil, fmt.Errorf("conformance: find the state of runs: %w", err)
		}
	}
	states := map[string]conformance.State{}
	for _, file := range paths {
		text, err := input.ReadFile(env, file, input.MaxDocument)
		if err == nil {
			states[file], err = conformance.ReadState(text)
		}
		if err != nil {
			return nil, fmt.Errorf("conformance: %s: %w; leave --state out to search by name and tag", file, err)
		}
	}
	return states, nil
}
