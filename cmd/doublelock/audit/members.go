package audit

import (
	"context"
	"fmt"
	"sync"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/organization"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// members finds out which accounts are of the caller's organization. AWS is asked when the first secret has a copy in another
// account, a single time. It is safe for concurrent use.
type members struct {
	env   *command.Env
	cloud *cloud.Cloud
	named []string // accounts of the organization by the configuration

	once  sync.Once
	known map[string]bool // accounts that are in it
	whole bool            // known lists all of them
	why   string          // not
}

// of says of the accounts that have copies of a secret whether they are of the organization; why says what kept AWS from saying it
// of the others.
func (m *members) of(ctx context.Context, s guard.Secret) (known map[string]bool, why string) {
	known = map[string]bool{}
	for _, copied := range s.Elsewhere.Copies {
		m.once.Do(func() { m.ask(ctx) })
		switch {
		case m.known[copied.Account]:
			known[copied.Account] = true
		case m.whole:
			known[copied.Account] = false
		default:
			why = m.why
		}
	}
	return known, why
}

// ask lists the accounts of the organization. Whoever may not still learns which account owns it: AWS says that in every member.
func (m *members) ask(ctx context.Context) {
	defer m.env.Wait("the accounts of the organization")()
	m.known = map[string]bool{}
	o := organization.New(m.cloud)
	all, err := o.List(ctx)
	if err == nil {
		m.whole = true
		for _, account := range all {
			m.known[account.ID] = true
		}
		return
	}
	m.why = reason(err)
	for _, account := range m.named {
		m.known[account] = true
	}
	if owner, err := o.Owner(ctx); err == nil {
		m.known[owner] = true
	}
}

// reason is what AWS answered, with what may be done about it.
func reason(err error) string {
	a := guard.AnswerOf(err)
	if a.Code == "" {
		return "AWS Organizations could not be asked: " + err.Error()
	}
	return fmt.Sprintf("%s answers %s; run it in the management account or a delegated one, or name the account in a stage of doublelock.yaml (--config)", a.Operation, a.Code)
}

// membersNamed are the accounts that a configuration names as the organization's own.
func membersNamed(config settings.Config) []string {
	named := []string{config.Organization.ManagementAccount, config.Organization.SecurityAccount}
	for _, stage := range config.Rollout {
		named = append(append(named, stage.Accounts...), stage.Targets...) // that a target is an OU does not matter
	}
	return named
}
