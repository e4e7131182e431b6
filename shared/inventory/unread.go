package inventory

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// What was not read may hold principals, grants or policies. Whatever they could change is unknown: the people of accounts that were
// not read are populations, as those of other organizations are.

// insiders are the accounts whose principals were read.
func (a *Access) insiders() []string {
	var out []string
	for _, account := range a.snapshot.Accounts {
		if a.whyUnread(PartPrincipals, account.ID) == "" {
			out = append(out, account.ID)
		}
	}
	return out
}

// isOwn reports whether an organization is that of the snapshot, whose accounts were listed.
func (a *Access) isOwn(organization string) bool {
	return organization != "" && organization == a.snapshot.Organization.ID && a.unread[Unread{Part: PartOrganization}] == ""
}

// accountsMissing reports whether the snapshot certainly holds not all accounts of its organization: the management account is one.
// Source: Organizations User Guide, "Terminology and concepts"; API Reference, ListAccounts: it lists all of them.
func (a *Access) accountsMissing() bool {
	return a.isOwn(a.snapshot.Organization.ID) && a.accounts[a.snapshot.Organization.ManagementAccount] == nil
}

// mayBeOwn reports whether an account may be of the snapshot's organization.
func (a *Access) mayBeOwn(account string) bool {
	return a.accounts[account] != nil || a.accountsMissing()
}

// somebodyOf is anybody of one account. Which organization that is of is known of those in the snapshot.
func (a *Access) somebodyOf(account string) policy.Principal {
	p := policy.Principal{Account: account}
	if org := a.orgs[account]; org != nil && a.isOwn(a.snapshot.Organization.ID) {
		p.OrganizationID, p.OrganizationPath = a.snapshot.Organization.ID, org.path
	}
	return p
}

// mostAccounts is how many accounts that were not read are told apart.
const mostAccounts = 5

// unreadOfOwn are the people of the own organization who are not in the snapshot: of accounts whose principals were not read, and of
// those that it does not hold. paths, where there are any, are patterns of which one has to match where the account hangs.
func (a *Access) unreadOfOwn(paths []string, conditions []policy.Condition) []population {
	id := a.snapshot.Organization.ID
	var unread []string
	for _, account := range a.snapshot.Accounts {
		hangs := func(pattern string) bool {
			return strings.Contains(pattern, "$") || arn.Match(pattern, a.orgs[account.ID].path)
		}
		if a.whyUnread(PartPrincipals, account.ID) != "" && (paths == nil || len(account.Path) == 0 || slices.ContainsFunc(paths, hangs)) {
			unread = append(unread, account.ID)
		}
	}
	if len(unread) > mostAccounts || a.accountsMissing() {
		return []population{named("anybody in those accounts of organization "+id+" that were not read", policy.Principal{OrganizationID: id, NotAccounts: a.insiders()}, conditions)}
	}
	return each(unread, func(account string) population {
		return named("anybody in account "+account, a.somebodyOf(account), conditions)
	})
}

// unreadIn are the people of some accounts whose principals were not read: what their own policies let them do is not known.
func (a *Access) unreadIn(accounts ...string) []string {
	var out []string
	for _, account := range once(accounts) {
		if account != "" && a.whyUnread(PartPrincipals, account) != "" {
			out = append(out, a.remember(named("anybody in account "+account, a.somebodyOf(account), nil))...)
		}
	}
	return out
}

// UnreadPeople lists whose principals the snapshot does not hold: of accounts, and of the organization where accounts are missing.
// An answer about who reaches something does not count them one by one.
func (a *Access) UnreadPeople() []Unread {
	var out []Unread
	if a.accountsMissing() {
		out = append(out, a.missingAccounts())
	}
	for _, u := range a.snapshot.Unread {
		if u.Part == PartPrincipals || u.Part == PartOrganization {
			out = append(out, u)
		}
	}
	return out
}

func (a *Access) missingAccounts() Unread {
	return Unread{Part: PartOrganization, Why: "the snapshot does not hold all accounts of " + a.snapshot.Organization.ID + ": " +
		a.snapshot.Organization.ManagementAccount + " is missing"}
}

// readsOfMissing reports whether what a principal has of its own may allow it to read secrets of accounts that the snapshot does not hold. A
// secret's policy alone lets in nobody of another account.
// Source: IAM User Guide, "Cross-account policy evaluation logic".
func (a *Access) readsOfMissing(w *asker) bool {
	return a.mayAbroad(w, readSecret, func(account string) bool { return a.accounts[account] != nil })
}

// blind lists what could not be read and could hide a reader of the secret.
func (a *Access) blind(s *Secret) []Unread {
	var out []Unread
	if why := a.whyUnread(PartPrincipals, s.Facts.Account); why != "" {
		out = append(out, Unread{Part: PartPrincipals, Account: s.Facts.Account, Why: why})
	}
	if s.Facts.CopyOf != "" {
		out = append(out, Unread{Part: PartSecrets, Account: s.Facts.Account, Region: s.Facts.Region, Why: ownPolicyUnread})
	} else if s.PolicyUnread == "" && s.Policy == "" {
		return out // no other account gets in
	}
	for _, account := range a.snapshot.Accounts {
		if account.ID == s.Facts.Account {
			continue
		}
		if why := a.whyUnread(PartPrincipals, account.ID); why != "" {
			out = append(out, Unread{Part: PartPrincipals, Account: account.ID, Why: why})
		}
	}
	if a.accountsMissing() && slices.ContainsFunc(a.outsiders(s), a.isOfOwn) {
		out = append(out, a.missingAccounts())
	}
	return out
}

// isOfOwn reports whether a name is of people of the own organization, of no one account.
func (a *Access) isOfOwn(name string) bool {
	w := a.populationAsker(name)
	return w != nil && w.principal.Account == "" && w.principal.OrganizationID == a.snapshot.Organization.ID && w.principal.OrganizationID != ""
}
