package settings

import (
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// Config is doublelock.yaml: one file for infra and CLI.
type Config struct {
	Organization Organization `yaml:"organization"`
	Regions      Regions      `yaml:"regions"`
	Waves        []Wave       `yaml:"waves"`
	Keys         Keys         `yaml:"keys"`
	BreakGlass   []string     `yaml:"breakGlassRoles"` // role ARN patterns exempt from the SCPs
	Owners       Owners       `yaml:"owners"`
	Waivers      []Waiver     `yaml:"waivers"`
	Limits       Limits       `yaml:"limits"`
	Retention    Retention    `yaml:"retention"`
	Operations   Operations   `yaml:"operations"`
}

// Organization names the accounts that matter.
type Organization struct {
	ID                string   `yaml:"id"`                // o-…
	RootID            string   `yaml:"rootId"`            // r-…
	ManagementAccount string   `yaml:"managementAccount"` // 12 digits
	SecurityAccount   string   `yaml:"securityAccount"`   // 12 digits: the hub
	Delegated         bool     `yaml:"delegated"`         // deploy the Org stack from a delegated administrator
	DeployRoles       []string `yaml:"deployRoles"`       // role ARN patterns that may change what Doublelock deployed, beside StackSets and CDK
}

// Regions names where secrets are guarded.
type Regions struct {
	Home             string   `yaml:"home"`
	Guarded          []string `yaml:"guarded"`
	RestrictReplicas bool     `yaml:"restrictReplicas"` // the SCP denies replicas in Regions that are not guarded
}

// Wave is a set of OUs or accounts that move together.
type Wave struct {
	Name            string     `yaml:"name"`
	Targets         []string   `yaml:"targets"` // ou-…, r-… or account ids
	Mode            guard.Mode `yaml:"mode"`
	SCP             bool       `yaml:"scp"`
	BacklogMigrated bool       `yaml:"backlogMigrated"` // adds the KMS-layer SCP statement
	Accounts        []string   `yaml:"accounts"`        // accounts of the wave, where the mode must be known without Organizations
}

// Keys says which keys are fine and which key to use when fixing.
type Keys struct {
	Approved    Approved          `yaml:"approved"`
	Create      bool              `yaml:"createPerAccount"` // a CMK alias/doublelock/secrets per account and Region
	MultiRegion bool              `yaml:"multiRegion"`      // those CMKs are multi-Region primaries; it cannot be changed later
	Tags        map[string]string `yaml:"tags"`             // tags of those CMKs: owner, application, data sensitivity
	InUseDays   int               `yaml:"inUseDays"`        // a key used within so many days may only be disabled by the kill switch; 0 is 90
	Use         []KeyChoice       `yaml:"use"`              // first match wins; else the account's own alias/doublelock/secrets
}

// Approved lists the keys a secret may be under. Empty means every customer managed key of the secret's own account.
type Approved struct {
	Accounts []string          `yaml:"accounts"`
	ARNs     []string          `yaml:"arns"`
	Aliases  []string          `yaml:"aliases"`
	Tags     map[string]string `yaml:"tags"`
}

// KeyChoice picks the key for the secrets it matches. Empty criteria match everything.
type KeyChoice struct {
	Accounts []string          `yaml:"accounts" json:"accounts,omitempty"`
	Regions  []string          `yaml:"regions" json:"regions,omitempty"`
	Tags     map[string]string `yaml:"tags" json:"tags,omitempty"`
	Key      string            `yaml:"key" json:"key,omitempty"` // key ARN or alias/…
}

// Owners says how an owner is found and told.
type Owners struct {
	Tags           []string           `yaml:"tags" json:"tags,omitempty"`                         // first present wins
	Fallback       string             `yaml:"fallback" json:"fallback,omitempty"`                 // owner when no tag tells
	SlackWorkspace string             `yaml:"slackWorkspaceId" json:"slackWorkspaceId,omitempty"` // Slack workspace id, T…, for Amazon Q Developer
	Channels       map[string]Channel `yaml:"channels" json:"channels,omitempty"`                 // by owner
}

// Channel is where one owner's messages go.
type Channel struct {
	Email        string `yaml:"email" json:"email,omitempty"`
	SlackChannel string `yaml:"slackChannel" json:"slackChannel,omitempty"` // Slack channel id, C…
}

// Waiver is guard.Waiver as it is written down.
type Waiver struct {
	Control  guard.ControlID `yaml:"control" json:"control,omitempty"`
	Resource string          `yaml:"resource" json:"resource,omitempty"`
	By       string          `yaml:"by" json:"by,omitempty"`
	Reason   string          `yaml:"reason" json:"reason,omitempty"`
	Expires  time.Time       `yaml:"expires" json:"expires,omitzero"`
}

// Limits bounds what remediation may do.
type Limits struct {
	ChangesPerHour           int `yaml:"changesPerHour" json:"changesPerHour,omitempty"`
	ChangesPerAccountPerHour int `yaml:"changesPerAccountPerHour" json:"changesPerAccountPerHour,omitempty"`
}

// Retention says how long things are kept, in days.
type Retention struct {
	LogDays     int `yaml:"logDays"`
	FindingDays int `yaml:"findingDays"`
}

// Operations says who runs Doublelock itself and when its own jobs run.
type Operations struct {
	Email        string   `yaml:"email"`        // alarms about Doublelock itself
	SlackChannel string   `yaml:"slackChannel"` // Slack channel id, C…, that hears everything
	Sweep        string   `yaml:"sweep"`        // EventBridge Scheduler expression; "" is rate(1 hour)
	Digest       string   `yaml:"digest"`       // EventBridge Scheduler expression; "" is cron(0 8 ? * MON-FRI *)
	SilentHours  int      `yaml:"silentHours"`  // alarm when no event arrived for so many hours; 0 is 24
	Roles        []string `yaml:"roles"`        // role ARN patterns of the security account that may run the CLI: they may read, nothing else
}
