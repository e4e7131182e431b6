package scp

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/flags"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/simulate"
	"github.com/doublelock/doublelock/shared/trail"
)

// simulation is what the flags of scp simulate ask for.
type simulation struct {
	env        *command.Env
	config     string
	candidates []string
	trails     []string
	requests   []string
	allow      []string
	management string
	org        string // id of the configuration's organization
	region     string // where the bypasses are tried: the configuration's home Region, or that of a call
	snapshot   string
	report     string // of doublelock conformance
	attached   int
	alone      bool
	approvals  preventive.Approvals // by the configuration: what nobody is to write who may not approve keys
}

func scpSimulateCommand(env *command.Env) *cobra.Command {
	s := &simulation{env: env}
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Say who would have been denied by an SCP or RCP, before it is attached",
		Long: `Simulate tries organization policies on calls that were made (--trail) or are written down (--requests), and on the
known ways around them, among them those to an alias or tag that approves a key. The policies are those that the
configuration asks for, or --candidate files. It changes nothing and needs no AWS account. A call is tried with all
permissions that it takes, those to tag and replicate a new secret and for the secrets that RDS and Redshift make for
their caller among them, iam:PassRole for a role that it hands over, and the action that tags what it makes; and with the
calls to KMS that Secrets Manager makes for its caller: who is stopped at one is stopped ("at kms:GenerateDataKey"). Callers from other accounts are tried as somebody of their account. A secret that a call
names without the end of its ARN is tried by the ARN that the snapshot knows, else by each end that the policies tell apart.
A version is opened with its own keys. Of a key or other resource that nothing names, of the key of a secret that was
changed since, and of an alias that leads to a key that was made since, nothing is assumed.

  denied   a statement stops the call. BREAKS marks what succeeded then and is not expected (--allow)
  unknown  what CloudTrail does not record (tags, VPC, MFA, …), or an export left out, would decide
  exempt   only an exemption of its principal (aws:PrincipalArn) saves it
  unbound  organization policies do not bind it: management account, service-linked role, AWS service

With --conformance a way to the AWS managed key is as closed as AWS answered, and the note of what follows from that names the
question. By doublelock-choice it is closed only where the question about that way (kms.choice) is answered so, and unclear
otherwise. By doublelock-kms it is closed unless an answer (kms.layer, organizations.scp.kms-layer) says that it passes, and
unclear where nobody asked about that way and another one passes.

A trail is read like that of "doublelock replay". CloudTrail names the operation, which is not always the action that authorizes it: where no
action is named so, and none is known for it, what a candidate says of any action of the service makes the call unknown. Requests are a JSON or YAML list of
  {name, principal, action, resource, account, context: {key: [values]}, unknownContext: [keys], tool, expected}
where expected is one of the words above or "passes". Without a resource it is about any that its action may be about.
The key of a secret, unless a --snapshot has it, the function that rotates one, and the path of the role of a session are not in a request:
where one of them decides it is unknown.

Exit codes: 0 nothing breaks, 1 an error, 2 something breaks, a request is not as expected, or a quota is exceeded.
Bypasses that stay open are listed and do not change the exit code: some cannot be closed by any policy.`,
		Example: `  doublelock scp simulate --trail trail/
  doublelock scp simulate --candidate new.json --trail trail/ --allow 'arn:aws:iam::*:role/legacy-* secretsmanager:CreateSecret'
  doublelock scp simulate --candidate new.json --requests cases.yaml -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return s.run(cmd.Context()) },
	}
	output.Tabular(cmd)
	f := cmd.Flags()
	input.ConfigFlag(cmd, &s.config, input.StandIn)
	f.StringArrayVar(&s.candidates, "candidate", nil, "policy `FILE` to try instead of the configured ones; may be repeated")
	f.StringArrayVar(&s.trails, "trail", nil, "file or folder of recorded CloudTrail; may be repeated")
	f.StringArrayVar(&s.requests, "requests", nil, "`FILE` of requests; may be repeated")
	f.StringArrayVar(&s.allow, "allow", nil, `denial that is meant: "PRINCIPAL" or "PRINCIPAL ACTION", * for any text, or @FILE with one a line; may be repeated`)
	flags.Account(cmd, &s.management, "management", "management `ACCOUNT`, which the policies do not bind (default: the configuration's)")
	f.StringVarP(&s.snapshot, "snapshot", "s", "", "snapshot `FILE`, to know what records leave out: the keys of aliases and secrets, the paths of roles")
	f.StringVar(&s.report, "conformance", "", "report `FILE` of doublelock conformance: what AWS answered of the ways to its own key, where that is denied, outranks what is assumed")
	flags.Count(cmd, &s.attached, "attached", "policies of the kind that the target has already (default: the most of any target in the snapshot, else FullAWSAccess alone)")
	f.BoolVar(&s.alone, "alone", false, "the candidates replace FullAWSAccess: what they do not allow is denied")
	return cmd
}

// simulated is everything a run finds.
type simulated struct {
	candidates []simulate.Candidate
	limits     []simulate.Limit
	tally      *simulate.Tally
	rows       []rowResult
	passages   []simulate.Passage
	files      int
	broken     int
}

// rowResult is one row of a request table and what became of it.
type rowResult struct {
	Row     simulate.Row
	Verdict simulate.Verdict
}

func (r rowResult) wrong() bool { return r.Row.Expected != "" && r.Row.Expected != r.Verdict.Outcome }

func (s *simulation) run(ctx context.Context) error {
	if len(s.trails)+len(s.requests) == 0 {
		return errors.New("scp simulate: name recorded CloudTrail with --trail, or calls with --requests")
	}
	if len(s.allow) > 0 && len(s.trails) == 0 {
		return errors.New("scp simulate: --allow is for recorded calls, and a request says itself what it expects; add --trail, or leave out --allow")
	}
	trial, found, err := s.prepare()
	if err != nil {
		return err
	}
	if err := s.tryRequests(trial, found); err != nil {
		return err
	}
	if err := s.tryTrails(ctx, trial, found); err != nil {
		return err
	}
	found.passages = trial.Probe(probeAccount, cmp.Or(s.region, probeRegion), s.approvals)
	if s.env.AsJSON() {
		err = writeSimulatedJSON(s.env, found)
	} else {
		err = writeSimulated(s.env, found)
	}
	if err != nil {
		return fmt.Errorf("write results: %w", err)
	}
	return found.verdict()
}

// Bypasses are tried as a role of an account like any other, in the partition of the configuration or else of the calls.
const (
	probeAccount = "111122223333"
	probeRegion  = "us-east-1"
)

// try tries a call, and notes the first Region in which one was made.
func (s *simulation) try(trial *simulate.Trial, call simulate.Call) simulate.Verdict {
	if requested := call.Request.Context["aws:RequestedRegion"]; s.region == "" && len(requested) > 0 {
		s.region = requested[0]
	}
	s.region = cmp.Or(s.region, arn.Of(call.Request.Resource).Region)
	return trial.Try(call)
}

func (s *simulation) prepare() (*simulate.Trial, *simulated, error) {
	expected, err := readExpected(s.env, s.allow)
	if err != nil {
		return nil, nil, err
	}
	found := &simulated{tally: simulate.NewTally(expected)}
	if found.candidates, err = s.readCandidates(); err != nil {
		return nil, nil, err
	}
	options := simulate.Options{ManagementAccount: s.management, Organization: s.org, Alone: s.alone}
	if s.snapshot != "" {
		access, err := input.Snapshot(s.env, s.snapshot)
		if err != nil {
			return nil, nil, err
		}
		know(&options, access.Snapshot())
		s.attached = cmp.Or(s.attached, mostAttached(access.Snapshot()))
	}
	if s.report != "" {
		if options.Answers, err = s.answers(); err != nil {
			return nil, nil, err
		}
	}
	found.limits = simulate.Limits(found.candidates, cmp.Or(s.attached, 1))
	trial, err := simulate.New(found.candidates, options)
	return trial, found, err
}

func (s *simulation) readCandidates() ([]simulate.Candidate, error) {
	if len(s.candidates) == 0 {
		config, name, err := input.Config(s.env, s.config)
		if err != nil {
			return nil, err
		}
		s.configured(config)
		scps, err := renderSCPs(s.env, config, name)
		if err != nil {
			return nil, err
		}
		return simulate.Candidates(scps)
	}
	if s.config != "" {
		config, _, err := input.Config(s.env, s.config)
		if err != nil {
			return nil, err
		}
		s.configured(config)
	}
	var out []simulate.Candidate
	for _, path := range s.candidates {
		raw, err := input.Text(s.env, path, input.MaxDocument)
		if err != nil {
			return nil, fmt.Errorf("read candidate: %w", err)
		}
		c, err := simulate.ReadCandidate(path, raw)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// configured takes over what of a configuration is tried beside its policies.
func (s *simulation) configured(config settings.Config) {
	s.region, s.org, s.management = config.Regions.Home, config.Organization.ID, cmp.Or(s.management, config.Organization.ManagementAccount)
	s.approvals = preventive.ApprovalsIn(config)
}

// asked says which question of doublelock conformance is about which way to the AWS managed key, where which layer is denied.
var asked = []simulate.Answer{
	{Layer: simulate.Trials, Way: simulate.ByName, Question: conformance.ChoiceNamed},
	{Layer: simulate.Trials, Way: simulate.ByMove, Question: conformance.ChoiceMoved},
	{Layer: simulate.Trials, Way: simulate.ByEmpty, Question: conformance.ChoiceEmpty},
	{Layer: simulate.Trials, Way: simulate.ByReplica, Question: conformance.ChoiceReplica},
	{Layer: simulate.Trials, Way: simulate.ByNewReplica, Question: conformance.ChoiceNewReplica},
	{Layer: simulate.Trials, Way: simulate.ByWrite, Question: conformance.ChoiceWrite},
	{Layer: simulate.Uses, Way: simulate.ByDefault, Question: conformance.LayerCreate},
	{Layer: simulate.Uses, Way: simulate.ByEmpty, Question: conformance.LayerEmpty},
	{Layer: simulate.Uses, Way: simulate.ByEmpty, Question: conformance.LayerSCP},
	{Layer: simulate.Uses, Way: simulate.ByReplica, Question: conformance.LayerReplica},
}

// documented reports whether AWS's documents say what a question asks, so that it counts as long as no answer says otherwise.
func documented(a simulate.Answer) bool { return a.Layer == simulate.Uses || a.Way == simulate.ByWrite }

// answers are those of a report.
func (s *simulation) answers() (t []simulate.Answer, err error) {
	text, err := input.Report(s.env, s.report, conformance.MaxReport)
	if err != nil {
		return t, err
	}
	report, err := conformance.ReadReport(bytes.NewReader(text))
	if err != nil {
		return t, fmt.Errorf("%s: %w", s.report, err)
	}
	if report.Against != conformance.AWS {
		return t, fmt.Errorf("%s: it is of a run against %s, which says nothing of AWS: name the report of a run in a sandbox account", s.report, output.Printable(cmp.Or(report.Against, "nobody")))
	}
	partition := arn.Partition("")
	if s.region != "" {
		partition = arn.PartitionOf(s.region)
	}
	if report.Partition != "" && partition != "" && report.Partition != partition {
		return t, fmt.Errorf("%s: it is of %s, and the organization is in %s", s.report, output.Printable(string(report.Partition)), partition)
	}
	for _, a := range asked {
		answer, why, said := report.Said(a.Question, partition, s.env.Now())
		if !said && documented(a) {
			continue
		}
		if slices.Contains([]conformance.Reason{conformance.Contradicts, conformance.OtherwiseOf, conformance.OutOfTime}, why) {
			s.env.Note("%s: %s: %s, so it counts as unanswered", s.report, a.Question, why)
		}
		a.Stops, a.Unclear = answer != conformance.Passes, string(why)
		t = append(t, a)
	}
	return t, nil
}

// mostAttached is how many SCPs the fullest root, OU or account of the snapshot has.
func mostAttached(s *inventory.Snapshot) int {
	most := 0
	for _, account := range s.Accounts {
		for _, level := range account.SCPs {
			most = max(most, len(level.Policies))
		}
	}
	return most
}

// know takes from a snapshot what records leave out: which keys aliases name, which key a secret has, the paths of roles and users.
func know(o *simulate.Options, s *inventory.Snapshot) {
	o.Aliases, o.Keys, o.Principals, o.Since = map[string]string{}, map[string]guard.Key{}, map[string]simulate.Principal{}, map[string]time.Time{}
	for _, k := range s.Keys {
		o.Keys[k.Facts.ARN] = k.Facts
		named := arn.Of(k.Facts.ARN)
		for _, alias := range k.Facts.Aliases {
			if k.Facts.Manager == guard.ManagerCustomer {
				named.Resource = alias
				o.Aliases[named.String()], o.Since[named.String()] = k.Facts.ARN, k.AliasesSet[alias]
			}
		}
	}
	for _, secret := range s.Secrets {
		if found, known := o.Keys[secret.Facts.Key.ARN]; known {
			secret.Facts.Key = found
		}
		o.Secrets = append(o.Secrets, secret.Facts)
	}
	o.Organization = cmp.Or(o.Organization, s.Organization.ID)
	for _, account := range s.Accounts {
		o.Members = append(o.Members, account.ID)
	}
	for _, p := range s.Principals {
		at := arn.Of(p.ARN)
		kind, _ := at.Split()
		o.Principals[p.Account+"/"+kind+"/"+at.Base()] = simulate.Principal{ARN: p.ARN, Former: p.Former}
	}
}

// readExpected reads --allow: patterns, or files of them with comments after #.
func readExpected(env *command.Env, values []string) ([]simulate.Expected, error) {
	var out []simulate.Expected
	for _, value := range values {
		lines := []string{value}
		if path, isFile := strings.CutPrefix(value, "@"); isFile {
			raw, err := input.Text(env, path, input.MaxDocument)
			if err != nil {
				return nil, fmt.Errorf("read --allow: %w", err)
			}
			lines = strings.Split(string(raw), "\n")
		}
		for i, line := range lines {
			line, _, _ = strings.Cut(line, "#")
			if strings.TrimSpace(line) == "" {
				continue
			}
			e, ok := simulate.ParseExpected(line)
			if !ok {
				return nil, fmt.Errorf(`read --allow %s: line %d: want "PRINCIPAL" or "PRINCIPAL ACTION"`, value, i+1)
			}
			out = append(out, e)
		}
	}
	return out, nil
}

func (s *simulation) tryRequests(trial *simulate.Trial, found *simulated) error {
	for _, path := range s.requests {
		raw, err := input.Text(s.env, path, input.MaxDocument)
		if err != nil {
			return fmt.Errorf("read requests: %w", err)
		}
		decoded, err := input.Document(path, raw)
		if err != nil {
			return fmt.Errorf("read requests: %s: %w", path, err)
		}
		if _, isList := decoded.([]any); !isList {
			return command.Fail("scp simulate: %s: requests are a list; begin each with a dash in YAML, or put them into [ ] in JSON", path)
		}
		var text bytes.Buffer
		if err := json.NewEncoder(&text).Encode(decoded); err != nil {
			return fmt.Errorf("read requests: %s: %w", path, err)
		}
		calls, rows, err := simulate.Calls(path, text.Bytes())
		if err != nil {
			return err
		}
		if len(calls) == 0 {
			return command.Fail("scp simulate: no requests in %s, so nothing was tried", path)
		}
		for i, call := range calls {
			v := s.try(trial, call)
			found.rows = append(found.rows, rowResult{rows[i], v})
		}
	}
	return nil
}

func (s *simulation) tryTrails(ctx context.Context, trial *simulate.Trial, found *simulated) error {
	reader := &input.Trail{Env: s.env}
	reader.Event = func(record trail.Record) error {
		call, isCall := simulate.FromTrail(record)
		if !isCall {
			found.tally.Skipped++
			return nil
		}
		found.tally.Add(call, s.try(trial, call))
		return nil
	}
	reader.Broken = func(reason error) error {
		_, err := fmt.Fprintln(s.env.Stderr, "doublelock: scp simulate:", output.Printable(reason.Error()))
		return err
	}
	for _, path := range s.trails {
		if err := reader.Read(ctx, path); err != nil {
			return err
		}
	}
	found.files, found.broken = reader.Files, reader.Unread()
	if len(s.trails) > 0 && reader.Events == 0 && found.broken == 0 {
		return input.NoEvents("scp simulate", s.trails)
	}
	return nil
}

// verdict is the exit code: what breaks weighs more than what could not be read.
func (f *simulated) verdict() error {
	var problems []string
	breaks, wrong := 0, 0
	for _, g := range f.tally.Groups() {
		if g.Breaks() {
			breaks += g.Succeeded
		}
	}
	for _, r := range f.rows {
		if r.wrong() {
			wrong++
		}
	}
	if breaks > 0 {
		problems = append(problems, output.Count(breaks, "call that succeeded would be denied", "calls that succeeded would be denied"))
	}
	if wrong > 0 {
		problems = append(problems, output.Count(wrong, "request is not as expected", "requests are not as expected"))
	}
	for _, l := range f.limits {
		if l.Exceeded {
			problems = append(problems, fmt.Sprintf("%s: %d %s, the quota is %d", l.Subject, l.Value, l.What, l.Max))
		}
	}
	switch {
	case len(problems) > 0:
		return command.Finding("%s", strings.Join(problems, "; "))
	case f.broken > 0:
		return command.Fail("%s could not be read, see above", output.Count(f.broken, "part of the input", "parts of the input"))
	}
	return nil
}

// openWords say how a way around fares.
var openWords = map[policy.Answer]string{policy.Allowed: "OPEN", policy.Unknown: "unclear", policy.ExplicitlyDenied: "closed"}
