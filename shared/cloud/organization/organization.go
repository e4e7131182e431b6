package organization

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// Organization reads AWS Organizations: accounts, where they hang, and the policies above them. What it read it keeps;
// open another one to read again.
type Organization struct {
	c *cloud.Cloud

	mu       sync.Mutex
	about    *About
	accounts []Account
	contents map[string]string   // policy id → content
	attached map[string][]Policy // kind|target → policies, without content
}

// New opens AWS Organizations as seen now.
func New(c *cloud.Cloud) *Organization {
	return &Organization{c: c, contents: map[string]string{}, attached: map[string][]Policy{}}
}

// About names the organization.
type About struct {
	ID                string // o-…
	RootID            string // r-…
	ManagementAccount string // 12 digits; SCPs do not bind it
}

// Account is one account of the organization.
type Account struct {
	ID    string
	Name  string
	Email string
	State string   // ACTIVE, SUSPENDED, PENDING_CLOSURE, …
	Path  []string // root and OUs above it, root first
}

// Active reports whether the account can hold anything worth looking at.
func (a Account) Active() bool { return a.State == string(types.AccountStateActive) }

func (o *Organization) client(ctx context.Context) (*organizations.Client, error) {
	p := o.c.Home()
	if account := o.c.Options().ManagementAccount; account != "" {
		var err error
		if p, err = o.c.Locate(ctx, account, o.c.Options().Region, settings.RoleRead); err != nil {
			return nil, err
		}
	}
	return session.Client(o.c, p, organizations.NewFromConfig), nil
}

// About names the organization, its root and its management account.
func (o *Organization) About(ctx context.Context) (About, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.read(ctx)
}

// read is About with the lock held.
func (o *Organization) read(ctx context.Context) (About, error) {
	if o.about != nil {
		return *o.about, nil
	}
	client, err := o.client(ctx)
	if err != nil {
		return About{}, session.Fail(err, "describe organization")
	}
	out, err := client.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	if err != nil {
		return About{}, session.Fail(err, "describe organization")
	}
	roots, err := client.ListRoots(ctx, &organizations.ListRootsInput{})
	if err != nil {
		return About{}, session.Fail(err, "list roots")
	}
	about := About{}
	if out.Organization != nil {
		about.ID = aws.ToString(out.Organization.Id)
		about.ManagementAccount = aws.ToString(out.Organization.MasterAccountId)
	}
	if len(roots.Roots) > 0 {
		about.RootID = aws.ToString(roots.Roots[0].Id)
	}
	o.about = &about
	return about, nil
}

// Accounts lists every account with the root and OUs above it, sorted by id.
func (o *Organization) Accounts(ctx context.Context) ([]Account, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.accounts != nil {
		return slices.Clone(o.accounts), nil
	}
	client, err := o.client(ctx)
	if err != nil {
		return nil, session.Fail(err, "list accounts")
	}
	accounts, err := listAccounts(ctx, client)
	if err == nil && slices.ContainsFunc(accounts, func(a Account) bool { return len(a.Path) == 0 }) {
		accounts, err = o.walk(ctx, client)
	}
	if err != nil {
		return nil, err
	}
	slices.SortFunc(accounts, func(a, b Account) int { return cmp.Compare(a.ID, b.ID) })
	o.accounts = accounts
	return slices.Clone(accounts), nil
}

// List lists every account, in no order, with the root and OUs above it where AWS adds them. It makes no other call.
func (o *Organization) List(ctx context.Context) ([]Account, error) {
	client, err := o.client(ctx)
	if err != nil {
		return nil, session.Fail(err, "list accounts")
	}
	return listAccounts(ctx, client)
}

// Owner is the management account, which AWS names in every account of the organization.
func (o *Organization) Owner(ctx context.Context) (string, error) {
	client, err := o.client(ctx)
	if err != nil {
		return "", session.Fail(err, "describe organization")
	}
	out, err := client.DescribeOrganization(ctx, &organizations.DescribeOrganizationInput{})
	if err != nil {
		return "", session.Fail(err, "describe organization")
	}
	if out.Organization == nil || aws.ToString(out.Organization.MasterAccountId) == "" {
		return "", fmt.Errorf("describe organization: no management account is named: %w", guard.ErrUnavailable)
	}
	return *out.Organization.MasterAccountId, nil
}

// listAccounts trusts the paths that AWS adds to accounts; Accounts walks the tree where it did not.
func listAccounts(ctx context.Context, client *organizations.Client) ([]Account, error) {
	accounts := []Account{}
	pages := organizations.NewListAccountsPaginator(client, &organizations.ListAccountsInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, session.Fail(err, "list accounts")
		}
		for _, a := range page.Accounts {
			accounts = append(accounts, accountOf(a, pathOf(a.Paths)))
		}
	}
	return accounts, nil
}

// pathOf reads "o-…/r-…/ou-…/ou-…/" as the root and the OUs; an account's own id at the end is left out.
func pathOf(paths []string) []string {
	if len(paths) == 0 {
		return nil
	}
	var path []string
	for part := range strings.SplitSeq(paths[0], "/") {
		if strings.HasPrefix(part, "r-") || strings.HasPrefix(part, "ou-") {
			path = append(path, part)
		}
	}
	return path
}

func accountOf(a types.Account, path []string) Account {
	return Account{
		ID:    aws.ToString(a.Id),
		Name:  aws.ToString(a.Name),
		Email: aws.ToString(a.Email),
		State: cmp.Or(string(a.State), string(a.Status)),
		Path:  path,
	}
}

// walk goes down the tree from the root.
func (o *Organization) walk(ctx context.Context, client *organizations.Client) ([]Account, error) {
	about, err := o.read(ctx)
	if err != nil {
		return nil, err
	}
	accounts := []Account{}
	for todo := [][]string{{about.RootID}}; len(todo) > 0; todo = todo[1:] {
		path := todo[0]
		here, units, err := children(ctx, client, path)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, here...)
		for _, unit := range units {
			todo = append(todo, append(slices.Clone(path), unit))
		}
	}
	return accounts, nil
}

func children(ctx context.Context, client *organizations.Client, path []string) (accounts []Account, units []string, err error) {
	parent := &path[len(path)-1]
	pages := organizations.NewListAccountsForParentPaginator(client, &organizations.ListAccountsForParentInput{ParentId: parent})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, nil, session.Fail(err, "list accounts in %s", *parent)
		}
		for _, a := range page.Accounts {
			accounts = append(accounts, accountOf(a, path))
		}
	}
	more := organizations.NewListOrganizationalUnitsForParentPaginator(client, &organizations.ListOrganizationalUnitsForParentInput{ParentId: parent})
	for more.HasMorePages() {
		page, err := more.NextPage(ctx)
		if err != nil {
			return nil, nil, session.Fail(err, "list OUs in %s", *parent)
		}
		for _, unit := range page.OrganizationalUnits {
			units = append(units, aws.ToString(unit.Id))
		}
	}
	return accounts, units, nil
}
