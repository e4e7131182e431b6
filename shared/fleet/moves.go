package fleet

import (
	"context"
	"fmt"
	"slices"

	"github.com/doublelock/doublelock/shared/guard"
)

// Moves judges whether an account that was moved in the organization lost something that protected it: by what is attached now,
// and by what the settings say of where it was and is.
type Moves struct {
	Accounts func(ctx context.Context) ([]Account, error)                           // of the organization, as of now
	SCPs     func(ctx context.Context) ([]SCP, error)                               // ours, of both kinds, with their targets
	Mode     func(account string, path []string, tags map[string]string) guard.Mode // path: OUs above, nearest first
	Enrolled func(account string, path []string) bool
}

// Lost names what bound an account under the root or OU from, and does not under to. An account that went from one covered OU to
// another has lost nothing. It errs with guard.ErrUnavailable where it is not known what is above the two.
func (m *Moves) Lost(ctx context.Context, account, from, to string) ([]string, error) {
	accounts, err := m.Accounts(ctx)
	if err != nil {
		return nil, fmt.Errorf("find what is above %s: %w", from, err)
	}
	before, after := above(accounts, from), above(accounts, to)
	if before == nil || after == nil {
		return nil, fmt.Errorf("find what is above %s and %s: no account is left there: %w", from, to, guard.ErrUnavailable)
	}
	policies, err := m.SCPs(ctx)
	if err != nil {
		return nil, fmt.Errorf("read where policies are attached: %w", err)
	}
	binding := func(path []string) map[string]string { // names by content: one text may be several policies, each on a part of the targets
		out := map[string]string{}
		for _, p := range policies {
			if slices.ContainsFunc(p.Targets, func(target string) bool { return target == account || slices.Contains(path, target) }) {
				out[p.Content] = p.Name
			}
		}
		return out
	}
	var lost []string
	still := binding(after)
	for content, name := range binding(before) {
		if _, there := still[content]; !there {
			lost = append(lost, name)
		}
	}
	slices.Sort(lost)
	if m.Enrolled(account, before) && !m.Enrolled(account, after) {
		lost = append(lost, "the member stack")
	}
	if was, is := m.Mode(account, before, nil), m.Mode(account, after, nil); was != is && slices.Index(guard.Modes(), is) < slices.Index(guard.Modes(), was) {
		lost = append(lost, fmt.Sprintf("mode %s (now %s)", was, is))
	}
	return lost, nil
}

// above is the root or OU and what is above it, nearest first, as far as an account somewhere below shows it; nil where none does.
func above(accounts []Account, id string) []string {
	for _, a := range accounts {
		if at := slices.Index(a.Path, id); at >= 0 {
			path := slices.Clone(a.Path[:at+1])
			slices.Reverse(path)
			return path
		}
	}
	return nil
}
