// Package policy is doublelock policy: unit tests for policies.
package policy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/policy/policytest"
)

// New is the command.
func New(env *command.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "policy",
		Short:   "Test IAM policies, key policies and SCPs before they are attached",
		Example: "  doublelock policy test policies/",
	}
	cmd.AddCommand(policyTestCommand(env))
	return cmd
}

func policyTestCommand(env *command.Env) *cobra.Command {
	t := &policyTest{env: env}
	cmd := &cobra.Command{
		Use:   "test FILE…",
		Short: "Run unit tests for policies",
		Long: `Test evaluates requests against policies and compares the answers with the expected ones. It needs no AWS account.

FILE holds a list of cases, or one case, in JSON or YAML; a directory stands for the .json, .yaml and .yml files in
it and below, "-" for standard input. A case has
  name                     what it shows
  request                  action; resource: {resource: ARN, accountId}; principal: an ARN, a service, "*" for an
                           anonymous caller, or {type, arn, role, tags, …}; context: condition keys and their values;
                           unknownContext: keys whose values are not known, "*" for all that are not in context and do not
                           follow from the principal; wildcardOnlyAction: true for an action whose resource is "*"
  identityPolicies         documents, bare or as {name, policy}, attached to the principal
  permissionBoundaries     the same
  sessionPolicy            one document; [] for a federated user (sts:GetFederationToken) to whom none was passed: without the
                           field it is not known whether one was
  serviceControlPolicies   [{orgIdentifier, policies}], one for each level from the root of the organization down
  resourceControlPolicies  the same, of the resource's account
  resourcePolicy           of the secret, KMS key, role (its trust policy) or other resource
  grants                   KMS grants, with the names that aws kms list-grants prints
  expected                 {response: Allowed | ImplicitlyDenied | ExplicitlyDenied | Unknown}

Unknown is the answer where a condition key is not known, where a policy that matters cannot be parsed, and where AWS's documents do
not decide.

Exit codes: 0 all cases pass, 1 a case is malformed (the others still run), 2 a case fails.`,
		Example: `  doublelock policy test policies/                     # all cases of a folder
  doublelock policy test --junit report.xml cases.yaml # and a report for the pipeline
  doublelock policy test -o json cases.json | jq -r 'select(.passed | not) | .name'`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New(`policy test: name a file, a directory or "-" for standard input`)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return t.run(cmd.Context(), args) },
	}
	cmd.Flags().StringVar(&t.junit, "junit", "", "write a JUnit report to `FILE`, - for standard output")
	cmd.Flags().BoolVarP(&t.quiet, "quiet", "q", false, "print only cases that fail")
	return cmd
}

// policyTest runs case files one after the other.
type policyTest struct {
	env   *command.Env
	junit string
	quiet bool
}

// caseFile is what became of one file: its results, and what in it is malformed.
type caseFile struct {
	Name      string
	Results   []policytest.Result
	Malformed []error
}

func (f *caseFile) failures() int {
	count := 0
	for _, r := range f.Results {
		if !r.Passed {
			count++
		}
	}
	return count
}

func (t *policyTest) run(ctx context.Context, paths []string) error {
	if t.junit != "" {
		if err := t.env.CheckFile(t.junit); err != nil { // before results are printed
			return fmt.Errorf("write JUnit report: %w", err)
		}
	}
	names, err := caseFiles(paths)
	if err != nil {
		return fmt.Errorf("policy test: %w", err)
	}
	beside := t.env.Beside(t.junit)
	files := make([]caseFile, 0, len(names))
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		file := t.runFile(name)
		if err := t.print(beside, file); err != nil {
			return fmt.Errorf("print results: %w", err)
		}
		files = append(files, file)
	}
	if t.junit != "" {
		if err := writeJUnit(t.env, t.junit, files); err != nil {
			return err
		}
	}
	return t.verdict(files)
}

func (t *policyTest) runFile(name string) caseFile {
	file := caseFile{Name: name}
	raw, err := input.ReadFile(t.env, name, input.MaxDocument)
	if err != nil {
		file.Malformed = []error{err}
		return file
	}
	decoded, err := input.Document(name, raw)
	if err != nil {
		file.Malformed = []error{err}
		return file
	}
	cases, err := policytest.Read(decoded)
	if err != nil {
		file.Malformed = unjoin(err)
	}
	for _, c := range cases {
		file.Results = append(file.Results, policytest.Run(c))
	}
	return file
}

// verdict sums up on standard error and turns it into the exit code; a malformed case weighs more than a failing one.
func (t *policyTest) verdict(files []caseFile) error {
	var total, failed, malformed int
	for i := range files {
		total += len(files[i].Results)
		failed += files[i].failures()
		malformed += len(files[i].Malformed)
	}
	text := fmt.Sprintf("%s: %d passed, %d failed", output.Count(total, "case"), total-failed, failed)
	if malformed > 0 {
		text += fmt.Sprintf(", %d malformed", malformed)
	}
	fmt.Fprintln(t.env.Stderr, text)
	switch {
	case malformed > 0:
		return &command.ExitError{Code: command.Failure}
	case failed > 0:
		return command.Found()
	case total == 0:
		return command.Fail("policy test: no cases to run")
	}
	return nil
}

// caseFiles lists the files to read: a directory stands for the case files in it and below.
func caseFiles(paths []string) ([]string, error) {
	var out []string
	for _, path := range paths {
		info, err := os.Stat(path)
		if path == "-" || err != nil || !info.IsDir() {
			out = append(out, path) // one that is not there is named when it is read
			continue
		}
		err = filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			switch strings.ToLower(filepath.Ext(name)) {
			case ".json", ".yaml", ".yml":
				if !entry.IsDir() {
					out = append(out, name)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", path, err)
		}
	}
	return out, nil
}

// unjoin takes errors.Join apart again.
func unjoin(err error) []error {
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}
