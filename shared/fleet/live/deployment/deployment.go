// Package deployment inspects a deployment: what is to be there by doublelock.yaml, and what AWS says is there.
package deployment

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/bus"
	"github.com/doublelock/doublelock/shared/cloud/functions"
	"github.com/doublelock/doublelock/shared/cloud/principals"
	"github.com/doublelock/doublelock/shared/cloud/queues"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/cloud/trails"
	"github.com/doublelock/doublelock/shared/fleet"
	"github.com/doublelock/doublelock/shared/fleet/live/accounts"
	"github.com/doublelock/doublelock/shared/outbox"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
	"github.com/doublelock/doublelock/shared/trail"
)

// Names of what infra deploys into members and only the doctor refers to.
const (
	forwardDeadLetters  = "doublelock-forward-dlq"
	allManagementEvents = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
	organizationsRule   = "doublelock-tamper-policies"
)

// Doctor makes the doctor that looks at everything a configuration has deployed. c must take member roles; functions
// names those of the hub, without their prefix.
func Doctor(c *cloud.Cloud, config settings.Config, functions []string) (*fleet.Doctor, error) {
	expected, err := expect(config, functions)
	if err != nil {
		return nil, fmt.Errorf("open doctor: %w", err)
	}
	return &fleet.Doctor{
		Expected: expected, Members: members{c}, Hub: hubParts{c, bus.Open(c, settings.HubName), table.Open(c, settings.HubName)},
		Organization: accounts.Enrolled(c, config.Runtime(), config.Organization.ManagementAccount),
	}, nil
}

// Hub names the accounts of a hub and the Regions that it guards.
type Hub struct {
	Management, Account string // 12 digits
	Home                string // Region
	Regions             []string
	Reads               bool // members forward successful reads
}

// Health makes the doctor that takes pulses, and looks neither at the hub nor at the policies of the organization. While AWS
// Organizations cannot be asked, it looks into the accounts that there were last. c must take member roles.
func Health(c *cloud.Cloud, r settings.Runtime, h Hub, m accounts.Memory) *fleet.Doctor {
	atOnce := 32 // four thousand accounts × Regions in less than the function's five minutes
	if c.Options().Concurrency == 1 {
		atOnce = 1 // a run that repeats
	}
	return &fleet.Doctor{
		Expected: expectMembers(h), Members: members{c}, Organization: accounts.LastEnrolled(c, r, h.Management, m),
		Concurrency: atOnce,
	}
}

// expect is what a configuration deploys.
func expect(config settings.Config, functions []string) (fleet.Expected, error) {
	e := expectMembers(Hub{config.Organization.ManagementAccount, config.Organization.SecurityAccount, config.Regions.Home, config.Regions.Guarded, config.Migration.Forwards()})
	e.OrganizationID = config.Organization.ID
	var err error
	if e.Config, err = config.Runtime().Env(); err != nil {
		return e, err
	}
	scps, err := preventive.Policies(config)
	if err != nil {
		return e, err
	}
	for _, scp := range scps {
		e.SCPs = append(e.SCPs, fleet.SCP{Name: scp.Name, Content: scp.Content, Targets: scp.Targets})
	}
	functions = pick(functions, config.Migration.Deploys)
	for _, name := range functions {
		e.Workers = append(e.Workers, settings.SessionPrefix+name)
	}
	e.Roles = expectRoles(config, functions)
	return e, nil
}

// expectRoles is which of the functions take which role of every account.
func expectRoles(config settings.Config, functions []string) []fleet.ExpectedRole {
	partition := arn.PartitionOf(config.Regions.Home)
	var roles []fleet.ExpectedRole
	for _, name := range []string{settings.RoleRead, settings.RoleTag, settings.RoleChange} {
		role := fleet.ExpectedRole{Name: name}
		for _, function := range functions {
			if slices.Contains(settings.Enters(function), name) {
				role.Takers = append(role.Takers, partition.Role(config.Organization.SecurityAccount, settings.SessionPrefix+function))
			}
		}
		roles = append(roles, role)
	}
	return roles
}

// expectMembers is what every account has in every Region.
func expectMembers(h Hub) fleet.Expected {
	partition := arn.PartitionOf(h.Home)
	e := fleet.Expected{
		Management: h.Management, Hub: h.Account, Home: h.Home, Regions: h.Regions, ForwardRole: settings.RoleForward, DeadLetters: forwardDeadLetters,
		BusARN: partition.New("events", h.Home, h.Account, "event-bus/"+settings.HubName).String(),
	}
	for _, rule := range trail.RulesWith(h.Reads) {
		if rule.Forwarded {
			e.Rules = append(e.Rules, expectRule(rule))
		}
	}
	if region := partition.OrganizationsRegion(); !slices.Contains(h.Regions, region) {
		isTheirs := func(r fleet.ExpectedRule) bool { return r.Name == organizationsRule }
		e.Elsewhere = []fleet.ExpectedLocation{{Account: h.Management, Region: region, Rules: pick(e.Rules, isTheirs)}}
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

func (m members) Enter(ctx context.Context, account, role string) error {
	return m.c.Enter(ctx, account, role)
}

func (m members) Roles(ctx context.Context, account string) (map[string]string, error) {
	principals, err := principals.Read(ctx, m.c, account)
	if err != nil {
		return nil, err
	}
	trust := make(map[string]string, len(principals.Roles))
	for _, role := range principals.Roles {
		trust[role.Name] = role.Trust
	}
	return trust, nil
}

func (m members) Trails(ctx context.Context, account, region string) ([]fleet.Trail, error) {
	found, err := trails.New(m.c).Describe(ctx, account, region)
	trails := make([]fleet.Trail, 0, len(found))
	for _, t := range found {
		trails = append(trails, fleet.Trail{Name: t.Name, Logging: t.Logging, DeliveryFail: t.DeliveryFail})
	}
	return trails, err
}

func (m members) Rule(ctx context.Context, account, region, name string) (fleet.Rule, error) {
	found, err := bus.ReadRule(ctx, m.c, account, region, "", name)
	rule := fleet.Rule{State: found.State, Pattern: found.Pattern}
	for _, t := range found.Targets {
		rule.Targets = append(rule.Targets, fleet.Target{ARN: t.ARN, RoleARN: t.RoleARN, DLQ: t.DLQ})
	}
	return rule, err
}

func (m members) Waiting(ctx context.Context, account, region, queue string) (int, error) {
	q, err := queues.ReadMember(ctx, m.c, account, region, queue)
	return q.Waiting + q.InFlight, err
}

// hubParts looks at the hub with the credentials at hand.
type hubParts struct {
	c     *cloud.Cloud
	bus   *bus.Bus
	table *table.Table
}

func (h hubParts) BusPolicy(ctx context.Context) (string, error) { return h.bus.Policy(ctx) }

func (h hubParts) Queue(ctx context.Context, name string) (fleet.Queue, error) {
	q, err := queues.Read(ctx, h.c, name)
	return fleet.Queue{Waiting: q.Waiting, InFlight: q.InFlight, Parks: q.Redrive != ""}, err
}

func (h hubParts) Function(ctx context.Context, name string) (fleet.Function, error) {
	f, err := functions.Read(ctx, h.c, name)
	return fleet.Function{State: f.State, CodeSHA256: f.CodeSHA256, ModifiedAt: f.ModifiedAt, Config: f.Environment[settings.EnvConfig]}, err
}

func (h hubParts) Late(ctx context.Context) (int, error) {
	return outbox.Late(ctx, h.table.Outbox(), h.c.Options().Now().Add(-outbox.TooLate))
}

func (h hubParts) Brake(ctx context.Context) (store.Brake, error) { return h.table.Brake(ctx) }

func (h hubParts) Unreadable(ctx context.Context) (int, error) {
	open, err := h.table.Open(ctx)
	return len(open), err
}

var (
	_ fleet.Members = members{}
	_ fleet.Hub     = hubParts{}
)
