package scenarios_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/doublelock/doublelock/shared/migration"
)

// scenario is one migration as testdata/migrations/README.md describes the file.
type scenario struct {
	file string

	Sentence string            `yaml:"name"`
	Limit    string            `yaml:"limit"` // what nobody can preview here, and who catches it
	Keys     map[string]keyOf  `yaml:"keys"`
	Target   string            `yaml:"target"`
	Targets  map[string]string `yaml:"targets"`  // by Region, of replicas
	Approved []string          `yaml:"approved"` // keys beside the targets
	Secret   secretOf          `yaml:"secret"`
	Readers  map[string]person `yaml:"readers"`
	SCP      []any             `yaml:"scp"`
	Changer  []any             `yaml:"changer"` // what doublelock-change may do; none: everything but reading
	Waived   string            `yaml:"waived"`  // why
	Accepted []string          `yaml:"accepted"`
	MustKeep migration.Keep    `yaml:"mustKeep"` // "" is the default
	Always   []string          `yaml:"always"`   // patterns that keep access in every mode
	Excused  []excuse          `yaml:"excused"`  // patterns that the configuration accepts
	Expect   expectation       `yaml:"expect"`
	Drive    drive             `yaml:"drive"`
}

type excuse struct {
	Principals string `yaml:"principals"`
	By         string `yaml:"by"`
	Reason     string `yaml:"reason"`
}

// keyOf is a customer managed key.
type keyOf struct {
	Account     string            `yaml:"account"`
	Region      string            `yaml:"region"`
	Policy      []any             `yaml:"policy"`
	State       string            `yaml:"state"` // Enabled, Disabled, PendingDeletion
	MultiRegion bool              `yaml:"multiRegion"`
	ReplicaOf   string            `yaml:"replicaOf"`
	Tags        map[string]string `yaml:"tags"`
	Grants      []grantOf         `yaml:"grants"`
}

type grantOf struct {
	To         string            `yaml:"to"`
	Operations []string          `yaml:"operations"`
	Subset     map[string]string `yaml:"subset"`
	Equals     map[string]string `yaml:"equals"`
}

type secretOf struct {
	Account  string            `yaml:"account"`
	Key      string            `yaml:"key"`
	Tags     map[string]string `yaml:"tags"`
	Policy   []any             `yaml:"policy"`
	Versions *int              `yaml:"versions"` // written before; 1 when left out
	Pending  bool              `yaml:"pending"`  // and one as AWSPENDING
	Replicas map[string]string `yaml:"replicas"` // key by Region, "" is the AWS managed one
	Owner    string            `yaml:"owner"`    // AWS service
	Deleted  bool              `yaml:"deleted"`
	Labels   []string          `yaml:"labels"` // of the owner's own, a version under each
	Moved    string            `yaml:"moved"`  // key it was set to after the versions were written
	Alias    string            `yaml:"alias"`  // by which it names its key
}

// person reads, or may, and is expected to be able to.
type person struct {
	Kind     string            `yaml:"kind"` // role, user
	Account  string            `yaml:"account"`
	May      []any             `yaml:"may"`
	Managed  []any             `yaml:"managed"` // of users: attached as a managed policy
	Boundary []any             `yaml:"boundary"`
	Session  []any             `yaml:"session"` // policy of the session that reads
	Tags     map[string]string `yaml:"tags"`
	Region   string            `yaml:"region"`
	Seen     bool              `yaml:"seen"`
	Deleted  bool              `yaml:"deleted"`
	Rotates  bool              `yaml:"rotates"`
	Trust    string            `yaml:"trust"`   // who takes the role: "" services that run code, people, deployments, provider
	Asks     string            `yaml:"asks"`    // label that it asks for when it reads
	Writes   string            `yaml:"writes"`  // put, update: how it writes; seen writes before the plan
	Wrote    *wrote            `yaml:"wrote"`   // the truth of that
	Class    migration.Class   `yaml:"class"`   // of the plan; "" is not compared
	Then     []any             `yaml:"then"`    // what it may do since it was seen
	Until    string            `yaml:"until"`   // day on which its right on the key ends
	Verdict  migration.Verdict `yaml:"verdict"` // "" is none of its readers
	Fix      migration.FixKind `yaml:"fix"`
	Reads    *reads            `yaml:"reads"`
}

// reads is the truth: what happens when it tries.
type reads struct {
	Now     *bool `yaml:"now"`
	Rekeyed *bool `yaml:"rekeyed"`
	Sealed  *bool `yaml:"sealed"`
	Gone    *bool `yaml:"gone"` // the key it came from
}

// wrote is what happens when it writes, before the re-key and after.
type wrote struct {
	Now     bool `yaml:"now"`
	Rekeyed bool `yaml:"rekeyed"`
}

type expectation struct {
	Plan   outcome `yaml:"plan"`
	Reason string  `yaml:"reason"`
	Target string  `yaml:"target"` // key; "" is the one that is configured
	Change string  `yaml:"change"` // made, silent, none, or the error code of the refused UpdateSecret
}

// outcome is what a plan says of a secret.
type outcome string

const (
	safe    outcome = "safe"
	unsafe  outcome = "unsafe"  // a reader would lose access, or may
	blocked outcome = "blocked" // something else is in the way
	outside outcome = "out_of_scope"
)

// drive says how the engine's run differs from the smooth one.
type drive struct {
	Ends     migration.Phase `yaml:"ends"` // "" is sealed
	Reason   string          `yaml:"reason"`
	Throttle int             `yaml:"throttle"` // every n-th call of each operation
	Crash    bool            `yaml:"crash"`    // at every call in turn
	Offset   int             `yaml:"offset"`   // 0: at even calls it dies after the call arrived, 1: at odd ones
	Workers  int             `yaml:"workers"`
	Flips    int             `yaml:"flips"` // times that somebody's code sets the old key again
	Takes    *taking         `yaml:"takes"`
	Owner    *owning         `yaml:"owner"`
	Back     string          `yaml:"back"` // key under which it is when somebody went back at the end; "" is that nobody does
	Halts    *halting        `yaml:"halts"`
}

// halting is other secrets of the wave that go wrong on the way.
type halting struct {
	Others  int             `yaml:"others"`  // of them
	At      migration.Phase `yaml:"at"`      // planned: before it is begun
	Resumes string          `yaml:"resumes"` // why a person lets the wave go on two rounds later; "" is that nobody does
}

// owning is what the owner of the secret does with keys on the way.
type owning struct {
	At     migration.Phase `yaml:"at"`
	Sets   string          `yaml:"sets"`   // key that the secret is set to
	Points string          `yaml:"points"` // key that the secret's alias is pointed to
}

// taking is a reader's right on the key, taken away on the way.
type taking struct {
	From  string          `yaml:"from"`
	At    migration.Phase `yaml:"at"`
	With  string          `yaml:"with"`  // key that is disabled too
	By    string          `yaml:"by"`    // what takes it: "" its own policy loses decrypt, scp, the secret's policy, or the name of a key, which denies it
	Wrote bool            `yaml:"wrote"` // its owner has just written a new version, which opens with the new key alone
	Hides string          `yaml:"hides"` // key whose policy cannot be read from then on
	Gives int             `yaml:"gives"` // rounds after which people give it back; 0 is never
}

func loadScenarios(dir string) ([]scenario, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var out []scenario
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".yaml") {
			continue
		}
		raw, err := os.ReadFile(dir + "/" + e.Name())
		if err != nil {
			return nil, err
		}
		s, err := readScenario(e.Name(), raw)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// readScenario is strict: an unknown field is an error that names file and line.
func readScenario(file string, raw []byte) (scenario, error) {
	s := scenario{file: file}
	if err := yaml.NewDecoder(bytes.NewReader(raw), yaml.Strict()).Decode(&s); err != nil {
		return s, fmt.Errorf("read %s: %w", file, err)
	}
	if err := s.check(); err != nil {
		return s, fmt.Errorf("read %s: %w", file, err)
	}
	return s, nil
}

func (s *scenario) check() error {
	switch {
	case s.Sentence == "":
		return fmt.Errorf("no name")
	case !slices.Contains([]outcome{safe, unsafe, blocked, outside}, s.Expect.Plan):
		return fmt.Errorf("expect.plan is %q", s.Expect.Plan)
	case (s.Expect.Reason == "") != (s.Expect.Plan == safe):
		return fmt.Errorf("expect.reason belongs to every plan that is not safe, and to no other")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Readers)) {
		r := s.Readers[name].Reads
		if of := s.Readers[name]; (of.Writes == "") != (of.Wrote == nil) {
			return fmt.Errorf("readers.%s: writes and wrote belong together", name)
		}
		if r == nil || r.Now == nil || r.Rekeyed == nil || r.Sealed == nil || r.Gone == nil {
			return fmt.Errorf("readers.%s.reads: say now, rekeyed, sealed and gone", name)
		}
	}
	return nil
}

// truth is whether a reader gets the value after each step.
type truth struct{ Now, Rekeyed, Sealed, Gone bool }

// always reports that the reader gets the value after every step.
func (t truth) always() bool { return t.Rekeyed && t.Sealed && t.Gone }

// breaks reports that it reads today, and not after some step.
func (t truth) breaks() bool { return t.Now && !t.always() }

func (r reads) truth() truth { return truth{*r.Now, *r.Rekeyed, *r.Sealed, *r.Gone} }

// statement turns a word or a map into the JSON of a policy statement. account and Region are the policy holder's.
func statement(of any, account, region string, fill *strings.Replacer) (string, error) {
	root := `"arn:aws:iam::` + account + `:root"`
	service := `"kms:ViaService":"secretsmanager.` + region + `.amazonaws.com"`
	use := `"Action":["kms:Decrypt","kms:Encrypt","kms:GenerateDataKey","kms:DescribeKey"],"Resource":"*"`
	words := map[string]string{
		"read":         `{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"arn:aws:secretsmanager:*:*:secret:shop/*"}`,
		"decrypt":      `{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"}`,
		"rotate":       `{"Effect":"Allow","Action":["secretsmanager:GetSecretValue","secretsmanager:PutSecretValue","secretsmanager:UpdateSecretVersionStage"],"Resource":"*"}`,
		"write":        `{"Effect":"Allow","Action":["secretsmanager:PutSecretValue","secretsmanager:UpdateSecret"],"Resource":"*"}`,
		"generate":     `{"Effect":"Allow","Action":"kms:GenerateDataKey","Resource":"*"}`,
		"account":      `{"Effect":"Allow","Principal":{"AWS":` + root + `},"Action":"kms:*","Resource":"*"}`,
		"service":      `{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{"kms:CallerAccount":"` + account + `",` + service + `}}}`,
		"organization": `{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{"aws:PrincipalOrgID":"o-exampleorg",` + service + `}}}`,
		"anybody":      `{"Effect":"Allow","Principal":{"AWS":"*"},` + use + `,"Condition":{"StringEquals":{` + service + `}}}`,
		"staff": `{"Effect":"Allow","Principal":{"AWS":["arn:aws:iam::` + account + `:role/Owner","arn:aws:iam::` + account + `:role/doublelock-change","arn:aws:iam::` + account +
			`:role/doublelock-read"]},"Action":"kms:*","Resource":"*"}`,
	}
	if word, ok := of.(string); ok {
		text, known := words[word]
		if !known {
			return "", fmt.Errorf("%q is no statement; the words are %s", word, strings.Join(slices.Sorted(maps.Keys(words)), ", "))
		}
		return text, nil
	}
	raw, err := json.Marshal(of)
	return fill.Replace(string(raw)), err
}
