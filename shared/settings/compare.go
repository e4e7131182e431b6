package settings

import (
	"fmt"
	"slices"
	"strings"
)

// Seen is the organization as AWS shows it, to be compared with what a file says about it.
type Seen struct {
	OrganizationID, RootID, ManagementAccount string
	Accounts                                  []string // ids of active accounts
	Missing                                   []string // OUs of the file that AWS does not know
}

// OUs lists the OUs and roots that the file names, each once, in the order of the file. A root that is only meant, not
// written, is the organization's.
func (c Config) OUs() []string {
	var all []string
	add := func(targets []string) {
		for _, target := range targets {
			if !accountShape.MatchString(target) && !slices.Contains(all, target) && target != c.Organization.RootID {
				all = append(all, target)
			}
		}
	}
	add(c.Organization.Enroll)
	for _, stage := range c.Rollout {
		add(stage.Targets)
	}
	for _, wave := range c.Migration.Waves {
		add(wave.Targets)
	}
	return all
}

// Compare says where the file speaks of another organization, or of an account or OU that is not there.
func (f *File) Compare(seen Seen) Problems {
	where := newSourceMap(f.where.file)
	where.at = f.where.at
	c := comparison{sourceMap: where, seen: seen}
	o := f.Config.Organization
	c.same("organization.id", o.ID, seen.OrganizationID)
	c.same("organization.rootId", o.RootID, seen.RootID)
	c.same("organization.managementAccount", o.ManagementAccount, seen.ManagementAccount)
	c.account("organization.securityAccount", o.SecurityAccount)
	for i, target := range o.Enroll {
		c.target(fmt.Sprintf("organization.enroll[%d]", i), target)
	}
	for i, stage := range f.Config.Rollout {
		for j, target := range stage.Targets {
			c.target(fmt.Sprintf("rollout[%d].targets[%d]", i, j), target)
		}
		for j, account := range stage.Accounts {
			c.account(fmt.Sprintf("rollout[%d].accounts[%d]", i, j), account)
		}
	}
	for i, wave := range f.Config.Migration.Waves {
		for j, target := range wave.Targets {
			c.target(fmt.Sprintf("migration.waves[%d].targets[%d]", i, j), target)
		}
	}
	for i, choice := range f.Config.Keys.Use {
		for j, account := range choice.Accounts {
			c.account(fmt.Sprintf("keys.use[%d].accounts[%d]", i, j), account)
		}
	}
	return where.sorted()
}

type comparison struct {
	*sourceMap
	seen Seen
}

func (c comparison) same(path, written, seen string) {
	if written != seen {
		c.problem(path, fmt.Sprintf("%s is %s, but these credentials see %s", path, written, seen),
			"correct it, or use credentials of that organization")
	}
}

func (c comparison) target(path, target string) {
	switch {
	case accountShape.MatchString(target):
		c.account(path, target)
	case slices.Contains(c.seen.Missing, target):
		noun := "OU"
		if strings.HasPrefix(target, "r-") {
			noun = "root"
		}
		c.problem(path, noun+" "+target+" does not exist", "correct the id: AWS Organizations lists them")
	}
}

func (c comparison) account(path, account string) {
	if !slices.Contains(c.seen.Accounts, account) {
		c.problem(path, "account "+account+" is not an active account of the organization", "correct the id or remove it")
	}
}
