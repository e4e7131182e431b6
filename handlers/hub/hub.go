// Package hub is what a function of the hub finds when it starts: the settings in its environment, and AWS opened for it.
//
// It is for the wire.go of each handler, and opens nothing that only some of them need.
package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/bus"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/notify"
	"github.com/doublelock/doublelock/shared/outbox"
	"github.com/doublelock/doublelock/shared/settings"
)

// Hub is the hub as one function sees it.
type Hub struct {
	Session    string // name of the function's role sessions, for the journal
	Cloud      *cloud.Cloud
	Table, Bus string
	Account    string   // 12 digits
	Management string   // 12 digits; "" where it is not known
	Home       string   // Region
	Regions    []string // guarded; the home Region where none is named
	Runtime    settings.Runtime
	Now        func() time.Time
	Log        *slog.Logger
}

// Open reads the environment contract of package settings for one function, whose name is in its role sessions. It
// calls nobody. needs are the variables that it cannot do without, beside those that no function can. now may be nil
// for the wall clock, log for silence.
func Open(ctx context.Context, function string, getenv func(string) string, now func() time.Time, log *slog.Logger, needs ...string) (Hub, error) {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	runtime, err := read(getenv, needs)
	if err != nil {
		return Hub{}, fmt.Errorf("wire %s: %w", function, err)
	}
	o := cloud.FromEnv(getenv)
	o.Session, o.Now = function, now
	o.KeyDetails = true // approval and owners go by a key's aliases and tags
	o.KeepGone = time.Duration(runtime.Keep) * 24 * time.Hour
	c, err := cloud.Open(ctx, o)
	if err != nil {
		return Hub{}, fmt.Errorf("wire %s: %w", function, err)
	}
	regions := o.Regions
	if len(regions) == 0 {
		regions = []string{o.Region}
	}
	return Hub{
		Session: settings.SessionPrefix + function, Cloud: c, Table: getenv(settings.EnvTable), Bus: getenv(settings.EnvBus), Account: o.HubAccount, Management: o.ManagementAccount,
		Home: o.Region, Regions: regions, Runtime: runtime, Now: now, Log: log.With("handler", function),
	}, nil
}

// Answers is where the last answers of AWS are kept.
func (h Hub) Answers() *table.Answers { return table.Open(h.Cloud, h.Table).Answers() }

// Notices is the way for notices to the rest of the hub: each is kept until it is on the bus.
func (h Hub) Notices() *outbox.Outbox {
	return &outbox.Outbox{Store: table.Open(h.Cloud, h.Table).Outbox(), Bus: bus.Open(h.Cloud, h.Bus), Log: h.Log}
}

func read(getenv func(string) string, needs []string) (settings.Runtime, error) {
	// Without the hub's account, events of every account would count as the hub's own.
	needs = append([]string{settings.EnvTable, settings.EnvHubAccount}, needs...)
	var missing []error
	for _, name := range needs {
		if getenv(name) == "" {
			missing = append(missing, fmt.Errorf("variable %s is not set", name))
		}
	}
	if len(missing) > 0 {
		return settings.Runtime{}, errors.Join(missing...)
	}
	return settings.ParseRuntime(getenv(settings.EnvConfig))
}

// Directory finds the owners of secrets.
func (h Hub) Directory() notify.Directory {
	o := h.Runtime.Owners
	d := notify.Directory{Tags: o.Tags, Fallback: o.Fallback, Channels: map[string]notify.Address{}}
	for owner, channel := range o.Channels {
		d.Channels[owner] = notify.Address(channel)
	}
	return d
}
