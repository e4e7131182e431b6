package handlers

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/doublelock/doublelock/handlers/watchdog"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/trail"
)

// Names of what infra deploys into members and only the doctor refers to.
const (
	forwardDeadLetters  = "doublelock-forward-dlq"
	allManagementEvents = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
	organizationsRegion = "us-east-1" // where AWS Organizations writes its events
	organizationsRule   = "doublelock-tamper-policies"
)

// Doctor makes the doctor that looks at everything a configuration has deployed. Its door must take member roles.
func Doctor(c *cloud.Cloud, config settings.Config) (*fleet.Doctor, error) {
	expected, err := expect(config)
	if err != nil {
		return nil, fmt.Errorf("open doctor: %w", err)
	}
	return &fleet.Doctor{
		Expected: expected, Members: members{c}, Hub: hubParts{c, c.Bus(settings.HubName)},
		Organization: &enrolled{cloud: c, runtime: config.Runtime(), management: config.Organization.ManagementAccount},
	}, nil
}

// expect is what a configuration deploys.
func expect(config settings.Config) (fleet.Expected, error) {
	e := expectMembers(config.Organization.ManagementAccount, config.Organization.SecurityAccount, config.Regions.Home, config.Regions.Guarded)
	e.OrganizationID = config.Organization.ID
	var err error
	if e.Config, err = config.Runtime().Env(); err != nil {
		return e, err
	}
	scps, err := preventive.SCPs(config)
	if err != nil {
		return e, err
	}
	for _, scp := range scps {
		e.SCPs = append(e.SCPs, fleet.SCP{Name: scp.Name, Content: scp.Content, Targets: scp.Targets})
	}
	for _, name := range Names() {
		e.Workers = append(e.Workers, settings.SessionPrefix+name)
	}
	return e, nil
}

// expectMembers is what every account has in every Region.
func expectMembers(management, hub, home string, regions []string) fleet.Expected {
	e := fleet.Expected{
		Management: management, Hub: hub, Home: home, Regions: regions, ForwardRole: settings.RoleForward, DeadLetters: forwardDeadLetters,
		BusARN: arn.PartitionOf(home).New("events", home, hub, "event-bus/"+settings.HubName).String(),
		Roles:  []string{settings.RoleTag, settings.RoleChange},
	}
	for _, rule := range trail.Rules() {
		if rule.Forwarded {
			e.Rules = append(e.Rules, expectRule(rule))
		}
	}
	if !slices.Contains(regions, organizationsRegion) && arn.PartitionOf(home) == arn.Standard {
		isTheirs := func(r fleet.ExpectedRule) bool { return r.Name == organizationsRule }
		e.Elsewhere = []fleet.ExpectedPlace{{Account: management, Region: organizationsRegion, Rules: pick(e.Rules, isTheirs)}}
	}
	return e
}

func expectRule(rule trail.Rule) fleet.ExpectedRule {
	state := "ENABLED"
	if rule.AllManagementEvents {
		state = allManagementEvents
	}
	pattern, _ := json.Marshal(rule.Pattern) // made of texts only
	return fleet.ExpectedRule{Name: rule.Name, State: state, Pattern: string(pattern)}
}

func pick[T any](all []T, want func(T) bool) []T {
	return slices.DeleteFunc(slices.Clone(all), func(v T) bool { return !want(v) })
}

// members looks into accounts.
type members struct{ c *cloud.Cloud }

func (m members) Enter(ctx context.Context, account string) error {
	return m.c.Enter(ctx, account, settings.RoleRead)
}

func (m members) Roles(ctx context.Context, account string) ([]string, error) {
	principals, err := m.c.Principals(ctx, account)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(principals.Roles))
	for _, role := range principals.Roles {
		names = append(names, role.Name)
	}
	return names, nil
}

func (m members) Trails(ctx context.Context, account, region string) ([]fleet.Trail, error) {
	found, err := m.c.Trails().Describe(ctx, account, region)
	trails := make([]fleet.Trail, 0, len(found))
	for _, t := range found {
		trails = append(trails, fleet.Trail{Name: t.Name, Logging: t.Logging, DeliveryFail: t.DeliveryFail})
	}
	return trails, err
}

func (m members) Rule(ctx context.Context, account, region, name string) (fleet.Rule, error) {
	found, err := m.c.Rule(ctx, account, region, "", name)
	rule := fleet.Rule{State: found.State, Pattern: found.Pattern}
	for _, t := range found.Targets {
		rule.Targets = append(rule.Targets, fleet.Target{ARN: t.ARN, RoleARN: t.RoleARN, DLQ: t.DLQ})
	}
	return rule, err
}

func (m members) Waiting(ctx context.Context, account, region, queue string) (int, error) {
	q, err := m.c.MemberQueue(ctx, account, region, queue)
	return q.Waiting + q.InFlight, err
}

// hubParts looks at the hub with the credentials at hand.
type hubParts struct {
	c   *cloud.Cloud
	bus *cloud.Bus
}

func (h hubParts) BusPolicy(ctx context.Context) (string, error) { return h.bus.Policy(ctx) }

func (h hubParts) Queue(ctx context.Context, name string) (fleet.Queue, error) {
	q, err := h.c.Queue(ctx, name)
	return fleet.Queue{Waiting: q.Waiting, InFlight: q.InFlight, Parks: q.Redrive != ""}, err
}

func (h hubParts) Function(ctx context.Context, name string) (fleet.Function, error) {
	f, err := h.c.Function(ctx, name)
	return fleet.Function{State: f.State, CodeSHA256: f.CodeSHA256, ModifiedAt: f.ModifiedAt, Config: f.Environment[settings.EnvConfig]}, err
}

// enrolled is the part of the organization that has the member stack, as of now and for one use.
type enrolled struct {
	cloud      *cloud.Cloud
	runtime    settings.Runtime
	management string
}

func (e *enrolled) list(ctx context.Context) ([]fleet.Account, error) {
	accounts, err := e.cloud.Organization().Accounts(ctx)
	if err != nil {
		return nil, err
	}
	var kept []fleet.Account
	for _, a := range accounts {
		if a.Active() && (a.ID == e.management || e.runtime.Enrolled(a.ID, a.Path)) {
			kept = append(kept, fleet.Account{ID: a.ID, Name: a.Name})
		}
	}
	return kept, nil
}

// Accounts lists accounts as the doctor takes them.
func (e *enrolled) Accounts(ctx context.Context) ([]fleet.Account, error) { return e.list(ctx) }

func (e *enrolled) SCPs(ctx context.Context) ([]fleet.SCP, error) {
	policies, err := e.cloud.Organization().Policies(ctx, cloud.ServiceControl)
	var scps []fleet.SCP
	for _, p := range policies {
		scps = append(scps, fleet.SCP{Name: p.Name, Content: p.Content, Targets: p.Targets})
	}
	return scps, err
}

// accountIDs lists accounts as the sweep takes them.
type accountIDs struct{ e *enrolled }

func (a accountIDs) Accounts(ctx context.Context) ([]string, error) {
	accounts, err := a.e.list(ctx)
	ids := make([]string, 0, len(accounts))
	for _, account := range accounts {
		ids = append(ids, account.ID)
	}
	return ids, err
}

// pulses takes the pulse of each account and Region from the doctor's rows about it.
type pulses struct{ doctor *fleet.Doctor }

func (p pulses) Pulses(ctx context.Context) ([]watchdog.Place, error) {
	rows, err := p.doctor.Listen(ctx)
	if err != nil {
		return nil, err
	}
	accounts := map[string][]fleet.Row{}
	for _, row := range rows {
		accounts[row.Account] = append(accounts[row.Account], row)
	}
	var places []watchdog.Place
	for _, account := range slices.Sorted(maps.Keys(accounts)) {
		for _, region := range p.doctor.Expected.Regions {
			places = append(places, pulse(account, region, accounts[account]))
		}
	}
	for _, e := range p.doctor.Expected.Elsewhere {
		places = append(places, pulse(e.Account, e.Region, accounts[e.Account]))
	}
	return places, nil
}

// pulse is silent when anything is missing that we hear or look by. Lost events and missing roles to tag or change
// with are the doctor's to tell, not silence.
func pulse(account, region string, rows []fleet.Row) watchdog.Place {
	place := watchdog.Place{Account: account, Region: region, Pulse: watchdog.Alive}
	vital := []string{fleet.CheckEnter, fleet.CheckTrail, fleet.CheckRule}
	for _, row := range rows {
		if row.Region != "" && row.Region != region || !slices.Contains(vital, row.Check) {
			continue
		}
		switch {
		case row.Status == fleet.Fail && place.Pulse != watchdog.Silent:
			place.Pulse, place.Why = watchdog.Silent, row.Check+" "+row.Subject+": "+row.Detail
		case row.Status == fleet.Unknown && place.Pulse == watchdog.Alive:
			place.Pulse, place.Why = watchdog.Unknown, row.Check+" "+row.Subject+": "+row.Detail
		}
	}
	return place
}
