package settings

import "github.com/doublelock/doublelock/shared/guard"

// DefaultFallback owns what no tag gives an owner.
const DefaultFallback = "security-team"

// defaults is what a file that does not speak about it gets.
func defaults() Config {
	return Config{
		Owners:    Owners{Tags: []string{"Owner"}, Fallback: DefaultFallback},
		Limits:    Limits{ChangesPerHour: 60, ChangesPerAccountPerHour: 20, RescuesPerAccountPerDay: 10},
		Retention: Retention{LogDays: 90, FindingDays: 365},
	}
}

// complete fills what follows from what was written.
func complete(c *Config) {
	if len(c.Regions.Guarded) == 0 && c.Regions.Home != "" {
		c.Regions.Guarded = []string{c.Regions.Home}
	}
	if len(c.Organization.Enroll) == 0 && c.Organization.RootID != "" {
		c.Organization.Enroll = []string{c.Organization.RootID}
	}
	for i := range c.Rollout {
		if c.Rollout[i].Mode == "" {
			c.Rollout[i].Mode = guard.ModeObserve
		}
	}
}
