// Package audit is doublelock audit: the lock state of every secret in one account, with the caller's own credentials.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/caller"
	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/profile"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
)

// New is the command.
func New(env *command.Env) *cobra.Command {
	var regions []string
	var config string
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "Show the lock state of every secret in your own account, and what is wrong with it",
		Long: `Audit inspects every secret of the account that your AWS credentials belong to, and changes nothing. It asks for
secretsmanager:ListSecrets, DescribeSecret and ListSecretVersionIds, and kms:DescribeKey; it never reads a value.

With --config it asks for kms:ListAliases and kms:ListResourceTags, too: approved keys may be named by alias or tag. Those count only
where an SCP that is attached now keeps the people of the account from writing them, whatever the file says: that takes
organizations:DescribeOrganization, ListAccounts, ListPolicies, DescribePolicy and ListTargetsForPolicy, in the management account or
a delegated one. Elsewhere such a key is unknown (DL.SECRET.5).
Where a secret has a copy in another account, it asks for organizations:ListAccounts and DescribeOrganization: whether that account
is of the organization (DL.SECRET.7). What they refuse is unknown, unless --config names the account in a stage.

What could not be read makes a secret "unknown", never fine. A replica whose primary is in a Region that is not inspected is
judged by its own key and versions there, and is never "sealed".

Exit codes: 0 every control passes or is waived, 1 an error, 2 a control fails or a secret is unknown.`,
		Example: `  doublelock audit
  doublelock audit --region us-east-1 --region eu-west-1
  doublelock audit -o json | jq -r 'select(.state == "default") | .arn'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := newAudit(cmd.Context(), env, regions, config)
			if err != nil {
				return err
			}
			return a.run(cmd.Context())
		},
	}
	output.Tabular(cmd)
	flags.Regions(cmd, &regions, "region", "`REGION` to inspect; may be repeated (default: that of your AWS settings)")
	input.ConfigFlag(cmd, &config, "configuration `FILE`, whose approved keys and waivers count (default: any key of the account)")
	return cmd
}

// audit is one inspection of an account with the caller's own credentials.
type audit struct {
	env      *command.Env
	cloud    *cloud.Cloud
	account  string
	regions  []string
	standard guard.Standard
	waivers  []guard.Waiver
	members  *members

	approvals *approvals // where aliases and tags approve keys

	mu       sync.Mutex
	results  []auditResult
	failed   []error
	seen     map[string]bool // primaries that could be described, by ARN
	replicas []replica       // of the others their own Regions answer
}

// replica is a copy in another Region, until it is known whether its primary answers for it.
type replica struct {
	secret   guard.Secret
	standard guard.Standard
	unread   unread
}

// auditResult is one secret as it is printed.
type auditResult struct {
	ARN      string          `json:"arn"`
	Name     string          `json:"name"`
	Account  string          `json:"account"`
	Region   string          `json:"region"`
	State    guard.LockState `json:"state"`
	Key      string          `json:"key"` // key ARN, or the AWS managed key's sentinel
	Findings []auditFinding  `json:"findings"`
	Deletion string          `json:"deletion,omitempty"` // of a secret in its recovery window: what a restore would give
	Unknown  []auditUnknown  `json:"unknown"`            // controls that could not be decided; never fine
}

type auditUnknown struct {
	Control guard.ControlID `json:"control"`
	Detail  string          `json:"detail"`
}

type auditFinding struct {
	Control  guard.ControlID `json:"control"`
	Severity guard.Severity  `json:"severity"`
	Waived   bool            `json:"waived"`
	Detail   string          `json:"detail"`
	Fix      string          `json:"fix"`
}

func newAudit(ctx context.Context, env *command.Env, regions []string, configFile string) (*audit, error) {
	if len(regions) == 0 {
		own := cmp.Or(env.Getenv("AWS_REGION"), env.Getenv("AWS_DEFAULT_REGION"))
		regions = []string{own}
	}
	if err := flags.CheckRegions(regions); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	var runtime settings.Runtime
	a := &audit{env: env, regions: regions, members: &members{env: env}, seen: map[string]bool{}}
	if configFile != "" {
		config, _, err := input.Config(env, configFile)
		if err != nil {
			return nil, err
		}
		runtime = config.Runtime()
		a.members.named = membersNamed(config)
		a.standard.Approved, a.waivers = runtime.Approved, runtime.GuardWaivers()
	}
	var err error
	a.cloud, err = profile.Open(ctx, cloud.Options{
		Region: regions[0], Endpoint: env.Getenv(settings.EnvEndpoint), CABundle: env.Getenv("AWS_CA_BUNDLE"), KeyDetails: configFile != "", Now: env.Now,
	})
	if err != nil {
		return nil, err
	}
	a.members.cloud = a.cloud
	a.approvals = &approvals{cloud: a.cloud, runtime: runtime, now: env.Now}
	defer env.Wait("AWS to say whose credentials these are")()
	if a.account, err = caller.Account(ctx, a.cloud, regions[0], env.Getenv(settings.EnvEndpoint)); err != nil {
		err = fmt.Errorf("audit: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return a, nil
}

func (a *audit) run(ctx context.Context) error {
	secrets, err := a.list(ctx)
	if err != nil {
		return err
	}
	a.describe(ctx, secrets)
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("audit: stopped after %d of %d secrets: %w", len(a.results), len(secrets), err)
	}
	slices.SortFunc(a.results, func(x, y auditResult) int {
		return cmp.Or(cmp.Compare(stateRank(x.State), stateRank(y.State)), strings.Compare(x.ARN, y.ARN))
	})
	if err := a.print(); err != nil {
		return err
	}
	return a.verdict()
}

func (a *audit) list(ctx context.Context) ([]guard.Secret, error) {
	defer a.env.Wait("the list of secrets in %s", strings.Join(a.regions, ", "))()
	var all []guard.Secret
	for _, region := range a.regions {
		err := secrets.New(a.cloud).List(ctx, a.account, region, func(s guard.Secret) error {
			all = append(all, s)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("audit: %w", err)
		}
	}
	return all, nil
}

// parallel is how many secrets are inspected side by side: far below what Secrets Manager allows an account.
const parallel = 8

func (a *audit) describe(ctx context.Context, secrets []guard.Secret) {
	bar := a.env.Progress("secrets", len(secrets))
	work := make(chan guard.Secret)
	var workers sync.WaitGroup
	for range parallel {
		workers.Go(func() {
			for s := range work {
				a.inspect(ctx, s)
				bar.Step("")
			}
		})
	}
	for _, s := range secrets {
		if ctx.Err() != nil {
			break
		}
		work <- s
	}
	close(work)
	workers.Wait()
	bar.Done()
	for _, r := range a.replicas {
		if !a.seen[arn.Of(r.secret.ARN).In(r.secret.PrimaryRegion).String()] {
			a.results = append(a.results, a.judge(r.secret, r.standard, r.unread))
		}
	}
}

func (a *audit) inspect(ctx context.Context, listed guard.Secret) {
	secret, err := secrets.New(a.cloud).Describe(ctx, guard.SecretRef{Account: listed.Account, Region: listed.Region, ID: listed.ARN})
	std := a.standard
	var why unread
	var unasked error
	std.Approved, why.approval, unasked = a.approvals.of(ctx, std.Approved, guard.CopiesOf(secret).Keys())
	std.Members, why.members = a.members.of(ctx, secret)
	a.mu.Lock()
	defer a.mu.Unlock()
	if unasked != nil {
		a.failed = append(a.failed, unasked)
	}
	switch {
	case errors.Is(err, guard.ErrGone):
		return
	case err != nil:
		a.failed = append(a.failed, err)
		secret = listed
		secret.Key = guard.Key{}
	case secret.IsReplica():
		a.replicas = append(a.replicas, replica{secret, std, why})
		return
	default:
		a.seen[secret.ARN] = true
	}
	a.results = append(a.results, a.judge(secret, std, why))
}

// unread is why AWS does not say what a verdict depends on; "" where it does.
type unread struct {
	approval string // who may approve keys
	members  string // whether accounts with copies are of the organization
}

// judge measures a secret.
func (a *audit) judge(s guard.Secret, std guard.Standard, why unread) auditResult {
	state, evaluate := guard.StateOf(s, ""), guard.Evaluate
	if s.IsReplica() {
		state, evaluate = guard.ReplicaState(s), guard.EvaluateReplica
	}
	result := auditResult{
		ARN: s.ARN, Name: s.Name, Account: s.Account, Region: s.Region, State: state,
		Key: cmp.Or(s.Key.ARN, s.Key.ID, s.KeyID), Findings: []auditFinding{}, Unknown: []auditUnknown{},
	}
	if s.PendingDeletion() {
		result.Deletion = deletion(s)
	}
	for _, v := range evaluate(s, std, a.env.Now()) {
		if v.Outcome == guard.Unknown && (!s.IsReplica() || v.Control.ID != guard.SecretReplicaKey) {
			unknown := auditUnknown{v.Control.ID, v.Describe()}
			switch b := v.Subject.Blind; {
			case b != nil && b.Part == guard.PartMember && why.members != "":
				unknown.Detail += ": " + why.members
			case v.Control.ID == guard.SecretKeyUnapproved && why.approval != "":
				unknown.Detail += ": " + why.approval
			}
			result.Unknown = append(result.Unknown, unknown)
		}
		if v.Outcome != guard.Fail {
			continue
		}
		waived := slices.ContainsFunc(a.waivers, func(w guard.Waiver) bool { return w.Covers(v.Control.ID, s.ARN, a.env.Now()) })
		result.Findings = append(result.Findings, auditFinding{v.Control.ID, v.Control.Severity, waived, v.Describe(), v.Fix()})
	}
	if s.IsReplica() && !slices.ContainsFunc(result.Findings, func(f auditFinding) bool { return f.Control == guard.SecretReplicaKey }) {
		result.Unknown = append(result.Unknown, auditUnknown{guard.SecretReplicaKey, a.unseenPrimary(s)})
	}
	return result
}

// deletion says that a secret is scheduled for deletion, which no control judges, and whether its key would open it again.
func deletion(s guard.Secret) string {
	words := "scheduled for deletion: DeletedDate is " + guard.Minute(s.DeletedAt) + "; no control is asked of its key"
	if s.Key.Unusable() {
		words += ", which is in state " + string(s.Key.State) + ": restored, what is under it alone does not open"
	}
	return words
}

// unseenPrimary says why the primary does not answer for a replica.
func (a *audit) unseenPrimary(s guard.Secret) string {
	if slices.Contains(a.regions, s.PrimaryRegion) {
		return fmt.Sprintf("a replica: its primary in %s could not be read", s.PrimaryRegion)
	}
	return fmt.Sprintf("a replica: its primary is in %[1]s, which was not inspected (--region %[1]s)", s.PrimaryRegion)
}

// stateRank orders what needs somebody first.
func stateRank(s guard.LockState) int {
	return slices.Index([]guard.LockState{guard.StateUnknown, guard.StateDefault, guard.StateDrifted, guard.StateDual, guard.StateForeign, guard.StateSealed}, s)
}

func (a *audit) print() error {
	if a.env.AsJSON() {
		for _, r := range a.results {
			if err := a.env.JSON(r); err != nil {
				return err
			}
		}
		return nil
	}
	table := a.env.Rows("STATE", "SECRET", "REGION", "CONTROLS", "WHY")
	for _, r := range a.results {
		table.Add(r.State, r.Name, r.Region, r.controls(), r.why())
	}
	return table.Print()
}

func (r auditResult) controls() string {
	var ids []string
	for _, f := range r.Findings {
		id := string(f.Control)
		if f.Waived {
			id += " (waived)"
		}
		ids = append(ids, id)
	}
	for _, u := range r.Unknown {
		ids = append(ids, string(u.Control)+"?")
	}
	return strings.Join(ids, " ")
}

// rank orders findings, the worst first; what is waived comes last.
func (f auditFinding) rank() int {
	all := []guard.Severity{guard.SeverityCritical, guard.SeverityHigh, guard.SeverityMedium, guard.SeverityLow}
	if f.Waived {
		return len(all)
	}
	return slices.Index(all, f.Severity)
}

// why is the detail of what is worst: a value that is being lost is not hidden behind what is merely untidy.
func (r auditResult) why() string {
	switch {
	case r.Deletion != "":
		return r.Deletion
	case len(r.Findings) > 0:
		return slices.MinFunc(r.Findings, func(x, y auditFinding) int { return cmp.Compare(x.rank(), y.rank()) }).Detail
	case len(r.Unknown) > 0:
		return r.Unknown[0].Detail
	default:
		return "every control passes"
	}
}

// done reports whether nobody has to do anything: what is unknown is not done.
func (r auditResult) done() bool {
	open := slices.ContainsFunc(r.Findings, func(f auditFinding) bool { return !f.Waived })
	return !open && len(r.Unknown) == 0 && r.State != guard.StateUnknown
}

// verdict sums up on standard error: sealed secrets are the only ones that count as done.
func (a *audit) verdict() error {
	counts := map[guard.LockState]int{}
	bad := 0
	for _, r := range a.results {
		counts[r.State]++
		if !r.done() {
			bad++
		}
	}
	var parts []string
	for _, state := range guard.States() {
		parts = append(parts, fmt.Sprintf("%d %s", counts[state], state))
	}
	fmt.Fprintf(a.env.Stderr, "%s in account %s: %s\n", output.Count(len(a.results), "secret"), a.account, strings.Join(parts, ", "))
	for i, err := range a.failed {
		if i == 3 {
			fmt.Fprintf(a.env.Stderr, "and %d more could not be read\n", len(a.failed)-i)
			break
		}
		fmt.Fprintln(a.env.Stderr, "could not read:", err)
	}
	if bad > 0 {
		return command.Found()
	}
	return nil
}
