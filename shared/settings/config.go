package settings

import (
	"time"

	"github.com/doublelock/doublelock/shared/guard"
)

// Config is doublelock.yaml: one file for infra and CLI. What a field means is its about tag, which is also the
// description in the JSON Schema.
type Config struct {
	Organization Organization   `yaml:"organization" about:"The AWS organization and the accounts that matter in it."`
	Regions      Regions        `yaml:"regions" about:"Where secrets are guarded."`
	Rollout      []RolloutStage `yaml:"rollout" about:"Sets of OUs or accounts that move together from observing to fixing."`
	Keys         Keys           `yaml:"keys" about:"Which keys are fine, and which key to use when fixing."`
	BreakGlass   []string       `yaml:"breakGlassRoles" about:"Role ARN patterns that the SCPs exempt."`
	Owners       Owners         `yaml:"owners" about:"How the owner of a secret is found and notified."`
	Waivers      []Waiver       `yaml:"waivers" about:"Recorded excuses: one control on one resource, by somebody, for a reason, until a date."`
	Limits       Limits         `yaml:"limits" about:"What remediation may do at most."`
	Retention    Retention      `yaml:"retention" about:"How long things are kept, in days."`
	Migration    Migration      `yaml:"migration" about:"How carefully secrets are moved to their keys."`
	Operations   Operations     `yaml:"operations" about:"Who runs Doublelock itself, and when its own jobs run."`
}

// Organization names the accounts that matter.
type Organization struct {
	ID                string   `yaml:"id" about:"Organization id."`
	RootID            string   `yaml:"rootId" about:"Id of the organization root."`
	ManagementAccount string   `yaml:"managementAccount" about:"The account that owns the organization; SCPs do not bind it. In quotes."`
	SecurityAccount   string   `yaml:"securityAccount" about:"The account of the hub. In quotes."`
	Delegated         bool     `yaml:"delegated" about:"The Org stack is deployed from a delegated administrator, not from the management account."`
	Enroll            []string `yaml:"enroll" about:"OUs whose accounts get the member stack, those that join later too. Default: the root, so that no account is silently unwatched."`
	Partners          []string `yaml:"partners" about:"Accounts outside the organization that may use its secrets and keys where a stage has perimeter. In quotes."`
	DeployRoles       []string `yaml:"deployRoles" about:"Role ARN patterns that may change what Doublelock deployed, beside those of StackSets and the CDK."`
}

// Regions names where secrets are guarded.
type Regions struct {
	Home             string   `yaml:"home" about:"Region of the hub."`
	Guarded          []string `yaml:"guarded" about:"Regions in which secrets are guarded, the home Region among them. Default: the home Region alone."`
	RestrictReplicas bool     `yaml:"restrictReplicas" about:"The SCP denies replicas in Regions that are not guarded."`
}

// RolloutStage is a set of OUs or accounts that move together.
type RolloutStage struct {
	Name            string     `yaml:"name" about:"Name of the stage."`
	Targets         []string   `yaml:"targets" about:"OUs, accounts or the root."`
	Mode            guard.Mode `yaml:"mode" about:"observe records; notify also tags secrets and notifies owners; remediate also fixes."`
	SCP             bool       `yaml:"scp" about:"Attach the SCPs to the targets."`
	ProtectApproval bool       `yaml:"protectApproval" about:"Attach the one SCP that keeps people from writing the approved aliases and tags, before the others: approval by them counts from then on. scp attaches it, too."`
	DenyDefaultKey  bool       `yaml:"denyDefaultKey" about:"Before that: attach the SCP that stops choosing the AWS managed key and leaves new values under it alone. That AWS works so is not proved: run doublelock conformance first, and scp simulate with its report."`
	Perimeter       bool       `yaml:"perimeter" about:"Attach the resource control policy that keeps secrets and customer managed keys to the organization. The organization must have that type of policy enabled."`
	BacklogMigrated bool       `yaml:"backlogMigrated" about:"Nothing in the stage is under the AWS managed key any more: adds the SCP statement at the KMS layer."`
	Accounts        []string   `yaml:"accounts" about:"Accounts of the stage, where the mode must be known without asking Organizations."`
}

// Keys says which keys are fine and which key to use when fixing.
type Keys struct {
	Approved    Approved          `yaml:"approved" about:"Keys that a secret may be under. Empty: every customer managed key of the account of the secret."`
	Create      bool              `yaml:"createPerAccount" about:"Make a key alias/doublelock/secrets in every account and Region."`
	MultiRegion bool              `yaml:"multiRegion" about:"Make those keys multi-Region primaries. It cannot be changed later."`
	Tags        map[string]string `yaml:"tags" about:"Tags of those keys: owner, application, data sensitivity."`
	InUseDays   int               `yaml:"inUseDays" about:"A key used within so many days may only be disabled by a break-glass role. Default: 90."`
	Use         []KeyChoice       `yaml:"use" about:"Which key secrets are moved to: the first match wins, else alias/doublelock/secrets of their own account."`
}

// Approved lists the keys a secret may be under. Empty means every customer managed key of the secret's own account.
type Approved struct {
	Accounts []string          `yaml:"accounts" about:"Every key of these accounts."`
	ARNs     []string          `yaml:"arns" about:"Key ARNs; * stands for any text."`
	Aliases  []string          `yaml:"aliases" about:"Key aliases, in whichever account the key lives. They count where a stage with scp or protectApproval keeps others from writing them. The SCP on secrets does not see aliases: name other accounts under accounts as well."`
	Tags     map[string]string `yaml:"tags" about:"A key with all of these tags. They count where a stage with scp or protectApproval keeps others from writing them. The SCP on secrets does not see tags: name other accounts under accounts as well."`
	Managers []Manager         `yaml:"managers" about:"Roles that may write those aliases and tags, beside those that deploy Doublelock. The break-glass roles may not."`
}

// Manager is a role that may approve keys by alias and tag.
type Manager struct {
	Role   string `yaml:"role" about:"Role ARN or pattern."`
	Reason string `yaml:"reason" about:"Why it approves keys."`
}

// KeyChoice picks the key for the secrets it matches. Empty criteria match everything.
type KeyChoice struct {
	Accounts []string          `yaml:"accounts" json:"accounts,omitempty" about:"Secrets of these accounts; empty is all."`
	Regions  []string          `yaml:"regions" json:"regions,omitempty" about:"Secrets in these Regions; empty is all."`
	Tags     map[string]string `yaml:"tags" json:"tags,omitempty" about:"Secrets with all of these tags, such as an environment; empty is all."`
	Key      string            `yaml:"key" json:"key,omitempty" about:"Key ARN, alias ARN, or an alias of the account of the secret."`
}

// Owners says how an owner is found and notified.
type Owners struct {
	Tags           []string           `yaml:"tags" json:"tags,omitempty" about:"Tags that name the owner of a secret; the first one present wins."`
	Fallback       string             `yaml:"fallback" json:"fallback,omitempty" about:"Owner of what no tag gives an owner."`
	SlackWorkspace string             `yaml:"slackWorkspaceId" json:"slackWorkspaceId,omitempty" about:"Slack workspace, authorized once in Amazon Q Developer."`
	Channels       map[string]Channel `yaml:"channels" json:"channels,omitempty" about:"Where messages go, by owner."`
}

// Waiver is guard.Waiver as it is written down.
type Waiver struct {
	Control  guard.ControlID `yaml:"control" json:"control,omitempty" about:"Control that is excused."`
	Resource string          `yaml:"resource" json:"resource,omitempty" about:"ARN of the secret or key; * stands for any text."`
	By       string          `yaml:"by" json:"by,omitempty" about:"Who decided it."`
	Reason   string          `yaml:"reason" json:"reason,omitempty" about:"Why it is excused."`
	Expires  time.Time       `yaml:"expires" json:"expires,omitzero" about:"Last day of the waiver, or a time in RFC 3339."`
}

// Limits bounds what remediation may do.
type Limits struct {
	ChangesPerHour           int `yaml:"changesPerHour" json:"changesPerHour,omitempty" about:"Changes of secrets an hour, all accounts together."`
	ChangesPerAccountPerHour int `yaml:"changesPerAccountPerHour" json:"changesPerAccountPerHour,omitempty" about:"Changes of secrets an hour in one account."`
	RescuesPerAccountPerDay  int `yaml:"rescuesPerAccountPerDay" json:"rescuesPerAccountPerDay,omitempty" about:"Times a day that Doublelock goes back to the previous key or makes a grant by itself in one account, for a reader that lost access. Then a person decides."`
}

// Migration says how carefully secrets are moved. Zero values are the careful defaults.
type Migration struct {
	ObserveHours int              `yaml:"observeHours" json:"observeHours,omitempty" about:"Hours between the re-key and the seal, at least. Default: 24."`
	WatchHours   int              `yaml:"watchHours" json:"watchHours,omitempty" about:"Hours after the first new version in which a reader that is refused is helped. Default: 48."`
	RotateTwice  bool             `yaml:"rotateTwice" json:"rotateTwice,omitempty" about:"Rotate a second time at once, so that AWSPREVIOUS is sealed too. Default: wait for the next rotation."`
	RescueGrants bool             `yaml:"rescueGrants" json:"rescueGrants,omitempty" about:"After the seal, give a reader that lost access its read back by a grant of a day. Default: its owner is notified."`
	Waves        []MigrationWave  `yaml:"waves" json:"waves,omitempty" about:"In which order secrets move: OUs and accounts by wave. What is in none moves last. Default: the tags doublelock:wave, environment, env or stage place a secret, which its owner may write; with waves here they only move it to a later one."`
	MustKeep     string           `yaml:"mustKeep" json:"mustKeep,omitempty" about:"Who has to keep access before a secret is moved. seen: who CloudTrail saw in 90 days, and the roles of rotations. workloads: also IAM users, roles that services or identity providers give to code, and whoever is outside of what was read. everybody: also roles that could and were not seen. breakGlassRoles and operations.operators keep it in each. Default: workloads."`
	ReaderLedger string           `yaml:"readerLedger" json:"readerLedger,omitempty" about:"Where plans and jobs learn who used a secret. lookups: CloudTrail's event history, which answers two requests a second. forwarded: also each successful read, which the member accounts then forward; for secrets that are read more often than about 12,000 times a day. Default: lookups."`
	Accepted     []AcceptedReader `yaml:"accepted" json:"accepted,omitempty" about:"Principals that may lose access to secrets, by pattern: who accepted that, and why."`
}

// ReaderLedgers are the values of migration.readerLedger, the default first.
func ReaderLedgers() []string { return []string{"lookups", "forwarded"} }

// Forwards reports whether members forward successful reads.
func (m Migration) Forwards() bool { return m.ReaderLedger == ReaderLedgers()[1] }

// Deploys reports whether the hub has a function, by its name without SessionPrefix: the ledger's has nothing to do where no reads are
// forwarded.
func (m Migration) Deploys(function string) bool { return function != "ledger" || m.Forwards() }

// AcceptedReader is a pattern of principals that may lose access.
type AcceptedReader struct {
	Principals string `yaml:"principals" json:"principals,omitempty" about:"ARN of a role or user, or a pattern; * stands for any text."`
	By         string `yaml:"by" json:"by,omitempty" about:"Who accepted it."`
	Reason     string `yaml:"reason" json:"reason,omitempty" about:"Why it need not keep access."`
}

// MigrationWave is one of the waves in which secrets move: canary, dev, test, prod.
type MigrationWave struct {
	Wave    string   `yaml:"wave" json:"wave" about:"Name of the wave. They move in the order canary, dev, test, prod."`
	Targets []string `yaml:"targets" json:"targets" about:"OUs, accounts or the root. The one next to an account decides."`
}

// MigrationWaves lists the waves in their order.
func MigrationWaves() []string { return []string{"canary", "dev", "test", "prod"} }

// Retention says how long things are kept, in days.
type Retention struct {
	LogDays     int `yaml:"logDays" about:"Logs of the functions. CloudWatch Logs knows certain numbers only."`
	FindingDays int `yaml:"findingDays" about:"Resolved findings."`
}

// Operations says who runs Doublelock itself and when its own jobs run.
type Operations struct {
	Email             string   `yaml:"email" about:"Address for alarms about Doublelock itself."`
	SlackChannel      string   `yaml:"slackChannel" about:"Slack channel id that gets every message."`
	SlackAPI          bool     `yaml:"slackApi" about:"Post to Slack with a bot token kept by EventBridge, where Amazon Q Developer is not used."`
	Sweep             string   `yaml:"sweep" about:"EventBridge Scheduler expression of the sweep. Default: rate(1 hour)."`
	Digest            string   `yaml:"digest" about:"EventBridge Scheduler expression of the digest. Default: cron(0 8 ? * MON-FRI *)."`
	SilentHours       int      `yaml:"silentHours" about:"Alarm when no event arrived for so many hours. Default: 24."`
	Roles             []string `yaml:"roles" about:"Role ARN patterns of the security account that may run the command line: they may read, nothing else."`
	Operators         []string `yaml:"operators" about:"Role ARN patterns of the security account whose people may take doublelock-operator: they read, record plans and ask the hub to apply them or to go back. They change nothing themselves. Default: nobody."`
	RotationFunctions []string `yaml:"rotationFunctions" about:"Name patterns of the Lambda functions that rotate secrets: their role is looked up before a migration. Lambda shows their environment variables with it. Default: SecretsManager*."`
}
