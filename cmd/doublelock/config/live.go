package config

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/organization"
	"github.com/doublelock/doublelock/shared/cloud/profile"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// compare prints where a file differs from the organization that the environment's credentials see.
func (v *validation) compare(ctx context.Context, file *settings.File) error {
	seen, err := lookAtOrganization(ctx, v.env, file.Config)
	if err != nil {
		return fmt.Errorf("compare with AWS Organizations: %w", err)
	}
	return v.print(file.Compare(seen))
}

func lookAtOrganization(ctx context.Context, env *command.Env, config settings.Config) (settings.Seen, error) {
	options := cloud.FromEnv(env.Getenv)
	options.Region = cmp.Or(options.Region, config.Regions.Home)
	options.AssumeRoles, options.ManagementAccount = false, ""
	client, err := profile.Open(ctx, options)
	if err != nil {
		return settings.Seen{}, err
	}
	defer env.Wait("AWS Organizations")()
	org := organization.New(client)
	about, err := org.About(ctx)
	if err != nil {
		return settings.Seen{}, err
	}
	accounts, err := org.Accounts(ctx)
	if err != nil {
		return settings.Seen{}, err
	}
	seen := settings.Seen{OrganizationID: about.ID, RootID: about.RootID, ManagementAccount: about.ManagementAccount}
	for _, account := range accounts {
		if account.Active() {
			seen.Accounts = append(seen.Accounts, account.ID)
		}
	}
	seen.Missing, err = missingOUs(ctx, org, config.OUs())
	return seen, err
}

// missingOUs asks for the policies of each OU: an OU without accounts appears in no account's path, but has policies.
func missingOUs(ctx context.Context, org *organization.Organization, units []string) ([]string, error) {
	var missing []string
	for _, unit := range units {
		_, err := org.PolicyPath(ctx, []string{unit}, organization.ServiceControl)
		switch {
		case errors.Is(err, guard.ErrGone):
			missing = append(missing, unit)
		case err != nil:
			return nil, err
		}
	}
	return missing, nil
}
