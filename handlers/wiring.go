package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/handlers/alert"
	"github.com/doublelock/doublelock/handlers/detect"
	"github.com/doublelock/doublelock/handlers/remediate"
	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/handlers/watchdog"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/settings"
)

// Handlers are the functions of the hub, ready to be handed batches.
type Handlers struct {
	Detect    *detect.Handler
	Alert     *alert.Handler
	Remediate *remediate.Handler
	Sweep     *sweep.Handler
	Watchdog  *watchdog.Handler
}

// Names of the handlers: of their functions, queues and role sessions, each after settings.SessionPrefix.
const (
	Detect    = "detect"
	Alert     = "alert"
	Remediate = "remediate"
	Sweep     = "sweep"
	Watchdog  = "watchdog"
)

// Names lists the handlers, each of which is a function of the hub.
func Names() []string { return []string{Detect, Alert, Remediate, Sweep, Watchdog} }

// wiring is what the handlers are made from.
type wiring struct {
	options cloud.Options
	runtime settings.Runtime
	table   string
	bus     string
	owners  string // topic ARN
	chat    string // topic ARN; "" is no chat
	now     func() time.Time
	log     *slog.Logger
}

// Wire builds the handlers from the environment contract of package settings. It calls nobody. now may be nil for the
// wall clock, log for silence.
func Wire(ctx context.Context, getenv func(string) string, now func() time.Time, log *slog.Logger) (*Handlers, error) {
	w, err := readWiring(getenv, now, log)
	if err != nil {
		return nil, fmt.Errorf("wire handlers: %w", err)
	}
	h := &Handlers{}
	if h.Detect, err = w.detect(ctx, Detect); err != nil {
		return nil, fmt.Errorf("wire handlers: %w", err)
	}
	if h.Alert, err = w.alert(ctx); err != nil {
		return nil, fmt.Errorf("wire handlers: %w", err)
	}
	if h.Remediate, err = w.remediate(ctx); err != nil {
		return nil, fmt.Errorf("wire handlers: %w", err)
	}
	if h.Sweep, err = w.sweep(ctx); err != nil {
		return nil, fmt.Errorf("wire handlers: %w", err)
	}
	if h.Watchdog, err = w.watchdog(ctx); err != nil {
		return nil, fmt.Errorf("wire handlers: %w", err)
	}
	return h, nil
}

func readWiring(getenv func(string) string, now func() time.Time, log *slog.Logger) (wiring, error) {
	w := wiring{
		options: cloud.FromEnv(getenv), table: getenv(settings.EnvTable), bus: getenv(settings.EnvBus),
		owners: getenv(settings.EnvOwnersTopic), chat: getenv(settings.EnvChatTopic), now: now, log: log,
	}
	if w.now == nil {
		w.now = time.Now
	}
	if w.log == nil {
		w.log = slog.New(slog.DiscardHandler)
	}
	w.options.Now = w.now
	w.options.KeyDetails = true // approval and owners go by a key's aliases and tags
	var missing []error
	for _, variable := range []struct{ name, value string }{
		{settings.EnvTable, w.table}, {settings.EnvBus, w.bus}, {settings.EnvOwnersTopic, w.owners},
		{settings.EnvHubAccount, w.options.HubAccount}, // or events of every account would count as the hub's own
	} {
		if variable.value == "" {
			missing = append(missing, fmt.Errorf("variable %s is not set", variable.name))
		}
	}
	if err := errors.Join(missing...); err != nil {
		return wiring{}, err
	}
	var err error
	w.runtime, err = settings.ParseRuntime(getenv(settings.EnvConfig))
	w.options.KeepGone = time.Duration(w.runtime.Keep) * 24 * time.Hour
	return w, err
}

// open opens AWS for one handler, whose name is in its role sessions.
func (w wiring) open(ctx context.Context, session string) (*cloud.Cloud, error) {
	o := w.options
	o.Session = session
	return cloud.Open(ctx, o)
}

func (w wiring) detect(ctx context.Context, session string) (*detect.Handler, error) {
	c, err := w.open(ctx, session)
	if err != nil {
		return nil, err
	}
	return &detect.Handler{
		Secrets: c.Secrets(), Keys: c.Keys(), Records: c.Records(w.table), Bus: c.Bus(w.bus), Modes: newModes(w.runtime, c, w.now),
		Standard: guard.Standard{Approved: w.runtime.Approved}, Waivers: w.runtime.GuardWaivers(),
		Now: w.now, Log: w.log.With("handler", session),
	}, nil
}

func (w wiring) alert(ctx context.Context) (*alert.Handler, error) {
	c, err := w.open(ctx, Alert)
	if err != nil {
		return nil, err
	}
	h := &alert.Handler{
		Email: topic{c.Topics(), w.owners}, Claims: c.Records(w.table), Directory: directory(w.runtime.Owners),
		KeyFor: func(n guard.Notice) string { return w.runtime.KeyFor(n.Account, n.Region, n.Tags) },
		Source: settings.EventSource, Account: w.options.HubAccount, Log: w.log.With("handler", Alert),
	}
	if w.chat != "" {
		h.Chat = topic{c.Topics(), w.chat}
	}
	return h, nil
}

func (w wiring) remediate(ctx context.Context) (*remediate.Handler, error) {
	c, err := w.open(ctx, Remediate)
	if err != nil {
		return nil, err
	}
	look, err := w.detect(ctx, Remediate)
	if err != nil {
		return nil, err
	}
	return &remediate.Handler{
		Secrets: c.Secrets(), Keys: c.Keys(), Records: c.Records(w.table), Bus: c.Bus(w.bus), Modes: newModes(w.runtime, c, w.now), Looker: looker{look},
		Machine: w.migrations(c, Remediate).Engine, KeyFor: w.runtime.KeyFor, Approved: w.runtime.Approved, Waivers: w.runtime.GuardWaivers(),
		By: settings.SessionPrefix + Remediate, Source: settings.EventSource, Account: w.options.HubAccount, Now: w.now, Log: w.log.With("handler", Remediate),
	}, nil
}

func (w wiring) sweep(ctx context.Context) (*sweep.Handler, error) {
	c, err := w.open(ctx, Sweep)
	if err != nil {
		return nil, err
	}
	look, err := w.detect(ctx, Sweep)
	if err != nil {
		return nil, err
	}
	log := w.log.With("handler", Sweep)
	return &sweep.Handler{
		Accounts: accountIDs{w.enrolled(c)}, Regions: w.options.Regions, Secrets: c.Secrets(), Records: c.Records(w.table),
		Looker: looker{look}, Jobs: w.migrations(c, Sweep).Waiting(log), Bus: c.Bus(w.bus), Directory: directory(w.runtime.Owners),
		Account: w.options.HubAccount, Now: w.now, Log: log,
	}, nil
}

func (w wiring) watchdog(ctx context.Context) (*watchdog.Handler, error) {
	c, err := w.open(ctx, Watchdog)
	if err != nil {
		return nil, err
	}
	log := w.log.With("handler", Watchdog)
	looker := &fleet.Doctor{
		Expected: expectMembers(w.options.ManagementAccount, w.options.HubAccount, w.options.Region, w.options.Regions), Members: members{c}, Organization: w.enrolled(c),
		Concurrency: 32, // four thousand accounts × Regions in less than the function's five minutes
	}
	return &watchdog.Handler{
		Heartbeat: &watchdog.Coverage{
			Places: pulses{looker}, Records: c.Records(w.table), Bus: c.Bus(w.bus),
			Namespace: settings.MetricNamespace, Metric: settings.MetricCoverage, Now: w.now, Log: log,
		},
		Reads:   w.migrations(c, Watchdog).Refusals(log),
		Account: w.options.HubAccount, Log: log,
	}, nil
}

// enrolled lists the accounts that have the member stack.
func (w wiring) enrolled(c *cloud.Cloud) *enrolled {
	return &enrolled{cloud: c, runtime: w.runtime, management: w.options.ManagementAccount}
}

func directory(o settings.Owners) notify.Directory {
	d := notify.Directory{Tags: o.Tags, Fallback: o.Fallback, Channels: map[string]notify.Address{}}
	for owner, channel := range o.Channels {
		d.Channels[owner] = notify.Address{Email: channel.Email, SlackChannel: channel.SlackChannel}
	}
	return d
}
