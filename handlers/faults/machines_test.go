package faults_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/cmd/doublelock/demo/local"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/settings"
)

// machine is something that the hub, or a person with its command line, does in several calls, and is killed before the
// first of them and after each that changes something.
type machine struct {
	of        string         // the function whose process dies, or commandLine
	task      string         // the scheduled task that it does; "": none
	calls     []string       // that must be among its calls, or the row tries something else than it says
	until     string         // the call with which its process goes on to another machine's work; "": it does nothing else
	settings  map[string]any // of the hub; nil: no others
	everyCall bool           // it dies after the calls that only read, too
	behavior  localaws.Behavior
	provoke   func(t *testing.T, d *driver, n int)        // what has happened before; n is 1 at first
	works     func(t *testing.T, d *driver, n int)        // has it work
	between   time.Duration                               // that passes before the next
	ended     func(d *driver, n int) (whatIsWrong string) // after that
}

// machines is the list. TestEveryMachineIsKilledAtEachOfItsCalls says what must be in it.
var machines = map[string]machine{
	"detect finds a secret under the AWS managed key": {of: "detect", calls: []string{"PutEvents", "TagResource"}, everyCall: true, provoke: nothing, works: createsIn(local.Search)},
	"alert notifies its owner":                        {of: "alert", calls: []string{"Publish"}, everyCall: true, provoke: nothing, works: createsIn(local.Search), between: 61 * time.Minute},
	"alert sends a roll-up":                           {of: "alert", task: settings.TaskRollUp, calls: []string{"Publish"}, provoke: tooMuch, works: starts(settings.TaskRollUp), between: 61 * time.Minute},
	"remediate re-keys (apply)":                       {of: "remediate", calls: []string{"UpdateSecret"}, provoke: nothing, works: createsIn(local.Payments)},
	"sweep finds what no event reported":              {of: "sweep", task: settings.TaskSweep, calls: []string{"PutEvents"}, provoke: endsSweep, works: unseen},
	"sweep sends a digest":                            {of: "sweep", task: settings.TaskDigest, calls: []string{"PutEvents"}, provoke: flips, works: starts(settings.TaskDigest), between: 24 * time.Hour},
	"sweep has a secret rotated (seal)": {of: "sweep", task: settings.TaskSweep, calls: []string{"RotateSecret"}, until: "ListSecrets",
		provoke: rotates, works: starts(settings.TaskSweep), between: 4 * time.Hour, ended: isRotated},
	"sweep ends a grant": {of: "sweep", task: settings.TaskSweep, calls: []string{"RetireGrant"}, until: "ListSecrets", settings: withGrants,
		provoke: isGranted, works: starts(settings.TaskSweep), between: 4 * time.Hour, ended: granted(0)},
	"sweep sets the key of a copy (seal)": {of: "sweep", task: settings.TaskSweep, calls: []string{"UpdateSecret"}, until: "ListSecrets",
		provoke: isObserved, works: starts(settings.TaskSweep), between: 4 * time.Hour, ended: isCopied},
	"sweep makes a copy again under its key, where AWS does not set it in place (seal)": {of: "sweep", task: settings.TaskSweep, calls: []string{"RemoveRegionsFromReplication", "ReplicateSecretToRegions"}, until: "ListSecrets",
		behavior: localaws.Behavior{ReplicaKeyIsFixed: true}, provoke: isObserved, works: starts(settings.TaskSweep), between: 4 * time.Hour, ended: isCopied},
	"a person applies a plan (apply)": {of: commandLine, calls: []string{"UpdateSecret"}, provoke: plans, works: applies, ended: isApplied},
	"a person goes back, where a copy's key is set by making it again (rollback)": {of: commandLine, calls: []string{"UpdateSecret", "RemoveRegionsFromReplication", "ReplicateSecretToRegions"},
		behavior: localaws.Behavior{ReplicaKeyIsFixed: true}, provoke: isMoved, works: goesBack, ended: isSetBackWithItsCopy},
	"a person takes a move and its tags back (rollback)": {of: commandLine, calls: []string{"UpdateSecret", "UntagResource"}, provoke: isUntagged, works: goesBack, ended: isSetBack},
	"operate applies what an operator asks for (apply)":  {of: "operate", calls: []string{"UpdateSecret"}, provoke: isRecorded, works: asks, between: 3 * time.Hour, ended: isApplied},
	"operate goes back when an operator asks (rollback)": {of: "operate", calls: []string{"UpdateSecret"}, provoke: isAsked, works: asksBack, between: 3 * time.Hour, ended: isSetBackWhole},
	"watchdog publishes what waits":                      {of: "watchdog", task: settings.TaskHeartbeat, calls: []string{"PutEvents"}, provoke: waits, works: starts(settings.TaskHeartbeat)},
	"watchdog goes back (rollback)": {of: "watchdog", calls: []string{"UpdateSecret"},
		provoke: isRead, works: isRefused, between: 3 * time.Hour, ended: isBack},
	"watchdog restores access by a grant": {of: "watchdog", calls: []string{"CreateGrant"}, settings: withGrants,
		provoke: isSealed, works: isLeftOut, between: 3 * time.Hour, ended: granted(1)},
}

// Every deployed function, every scheduled task of the template, and every call by which the roles in the members may change something
// belongs to a machine.
func TestEveryMachineIsKilledAtEachOfItsCalls(t *testing.T) {
	w := found(t, 1, newOracle())
	tasks, err := scheduled(w)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, name := range w.Functions() {
		want["function "+name] = true
	}
	for _, one := range tasks {
		want["task "+one.name] = true
	}
	for _, call := range changing(t, w.Templates.Member) {
		want["call "+call] = true
	}
	have := map[string]bool{}
	for _, m := range machines {
		have["function "+m.of] = true
		have["task "+m.task] = true
		for _, call := range m.calls {
			have["call "+call] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if !have[name] {
			t.Errorf("%s: no machine is killed at it", name)
		}
	}
	for _, function := range w.Functions() {
		delete(have, "function "+function)
	}
	var others []string
	for name := range have {
		if strings.HasPrefix(name, "function ") {
			others = append(others, name)
		}
	}
	if diff := cmp.Diff([]string{"function " + commandLine}, others); diff != "" {
		t.Errorf("what is no function (-want +got):\n%s", diff)
	}
}

// asked are the rights of those roles that AWS asks for on the way, or that only look.
var asked = []string{"kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "lambda:InvokeFunction", "secretsmanager:DescribeSecret", "secretsmanager:ListSecretVersionIds"}

// changing lists the calls that the roles in a member account allow which change something.
func changing(t *testing.T, template []byte) []string {
	t.Helper()
	type statement struct {
		Effect string
		Action any
	}
	var member struct {
		Resources map[string]struct {
			Properties struct {
				RoleName string
				Policies []struct {
					PolicyDocument struct{ Statement []json.RawMessage }
				}
			}
		}
	}
	if err := json.Unmarshal(template, &member); err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, r := range member.Resources {
		if r.Properties.RoleName != settings.RoleChange && r.Properties.RoleName != settings.RoleTag {
			continue
		}
		for _, p := range r.Properties.Policies {
			for _, raw := range p.PolicyDocument.Statement {
				var s statement
				if err := json.Unmarshal(raw, &s); err != nil {
					t.Fatal(err)
				}
				actions, several := s.Action.([]any)
				if !several {
					actions = []any{s.Action}
				}
				for _, action := range actions {
					if name := fmt.Sprint(action); s.Effect == "Allow" && !slices.Contains(asked, name) {
						_, call, _ := strings.Cut(name, ":")
						all = append(all, call)
					}
				}
			}
		}
	}
	if len(all) == 0 {
		t.Fatal("the member's roles change nothing")
	}
	return all
}

var withGrants = map[string]any{"migration": map[string]any{"rescueGrants": true}}

func nothing(*testing.T, *driver, int) {}

func starts(task string) func(*testing.T, *driver, int) {
	return func(t *testing.T, d *driver, _ int) { d.task(t, task) }
}

func createsIn(account string) func(*testing.T, *driver, int) {
	return func(t *testing.T, d *driver, n int) { createIn(t, d, account, app(n)) }
}

func app(n int) string { return fmt.Sprintf("app/%d", n) }

func createIn(t *testing.T, d *driver, account, name string) {
	t.Helper()
	d.people(t, account, "CreateSecret", map[string]any{"Name": name, "SecretString": "not a real value", "Tags": []map[string]string{{"Key": "Owner", "Value": "team-payments"}}})
}

// follows takes the place of the secret of the round before, so that a sweep has one to look at.
func (d *driver) follows(t *testing.T, account string, name func(int) string, n int) {
	t.Helper()
	if n > 1 {
		d.people(t, account, "DeleteSecret", map[string]any{"SecretId": name(n - 1), "ForceDeleteWithoutRecovery": true})
		d.settle(0)
	}
	createIn(t, d, account, name(n))
}

// tooMuch is more for one owner than goes at once.
func tooMuch(t *testing.T, d *driver, n int) {
	for i := range 5 {
		createIn(t, d, local.Search, app(10*n+i))
		d.settle(0) // each in a message of its own
	}
	d.settle(11 * time.Minute)
}

// endsSweep ends what the sweep before left.
func endsSweep(t *testing.T, d *driver, _ int) {
	d.task(t, settings.TaskSweep)
	d.settle(0)
}

// unseen is a change that CloudTrail does not report, and a sweep.
func unseen(t *testing.T, d *driver, n int) {
	d.w.AWS.Trail(local.Search, d.w.Home(), false)
	d.flip(t, n)
	d.w.AWS.Trail(local.Search, d.w.Home(), true)
	d.task(t, settings.TaskSweep)
}

// flip makes a secret, and then moves it from one kind of key to the other.
func (d *driver) flip(t *testing.T, n int) {
	t.Helper()
	if n == 1 {
		createIn(t, d, local.Search, app(1))
		return
	}
	d.people(t, local.Search, "UpdateSecret", map[string]any{"SecretId": app(1), "KmsKeyId": []string{"alias/aws/secretsmanager", settings.SecretsKeyAlias}[n%2]})
}

func flips(t *testing.T, d *driver, n int) {
	d.flip(t, n)
	d.settle(0)
}

// waits is a notice that could not be put on the bus.
func waits(t *testing.T, d *driver, n int) {
	d.faults.down = func(c *call) bool { return c.service == "events" && c.operation == "PutEvents" }
	d.flip(t, n)
	d.settle(0)
	d.faults.down = nil
}

// rotates is a secret that the hub re-keyed a day ago, and that a rotation may seal.
func rotates(t *testing.T, d *driver, n int) {
	rotator := d.w.Partition.New("lambda", d.w.Home(), local.Payments, "function:SecretsManagerRotate").String()
	if n == 1 {
		role := d.w.Partition.Role(local.Payments, "rotate")
		d.w.AWS.AddRole(local.Payments, "rotate", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
			`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:*","kms:*"],"Resource":"*"}]}`)
		d.serviceIn(t, local.Payments, "lambda", "CreateFunction", map[string]any{"FunctionName": "SecretsManagerRotate", "Role": role, "Runtime": "provided.al2023", "Handler": "bootstrap", "Code": map[string]any{"ZipFile": "UEsFBg=="}})
		d.w.AWS.RotationFunction(rotator, role)
	}
	d.follows(t, local.Payments, app, n)
	d.people(t, local.Payments, "RotateSecret", map[string]any{"SecretId": app(n), "RotationLambdaARN": rotator, "RotationRules": map[string]any{"AutomaticallyAfterDays": 1000}, "RotateImmediately": false})
	d.settle(25 * time.Hour)
}

func isRotated(d *driver, n int) string {
	if s := d.oracle.find(app(n), local.Payments, d.w.Home()); s == nil || s.rotated != 1 {
		return fmt.Sprintf("rotated %+v, want a single time", s)
	}
	return ""
}

// What the role app-batch may read, by the sample configuration's story.
func batch(n int) string { return fmt.Sprintf("payments/batch-%d", n) }

// A workload has to keep its access (migration.mustKeep) before it was ever seen to read.
const workload = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`

var reader = local.Actor{Name: "app-batch", Account: local.Payments}

// isRead is a secret that the hub re-keyed, with a reader.
func isRead(t *testing.T, d *driver, n int) {
	allowed := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"secretsmanager:GetSecretValue","Resource":"*"}]}`
	d.w.AWS.AddRole(local.Payments, reader.Name, workload, allowed, allowed)
	d.leavesOut(t, false) // the key of the secret before
	d.follows(t, local.Payments, batch, n)
	d.settle(0)
	d.reads(n)
	d.settle(11 * time.Minute)
}

func (d *driver) reads(n int) {
	who := reader
	who.Region = d.w.Home()
	d.w.Read(who, batch(n))
}

// isRefused takes the key of a new version from the reader, whom the previous one would let in.
func isRefused(t *testing.T, d *driver, n int) {
	d.people(t, local.Payments, "PutSecretValue", map[string]any{"SecretId": batch(n), "SecretString": "not a real value"})
	d.w.DenyKey(local.Payments, reader.Name)
	d.reads(n)
	d.settle(5 * time.Minute) // both of its events are there
}

// isLeftOut is no deny: the policy on the key lets everybody in but the reader, and a grant lets it in.
func isLeftOut(t *testing.T, d *driver, n int) {
	d.leavesOut(t, true)
	d.reads(n)
	d.settle(5 * time.Minute) // both of its events are there
}

// leavesOut writes the policy on the key so that it lets everybody in but the reader, or everybody.
func (d *driver) leavesOut(t *testing.T, out bool) {
	key := d.serviceIn(t, local.Payments, "kms", "DescribeKey", map[string]any{"KeyId": settings.SecretsKeyAlias})
	id := words(field(key, "KeyMetadata"), "KeyId")
	var document map[string]any
	text := words(d.serviceIn(t, local.Payments, "kms", "GetKeyPolicy", map[string]any{"KeyId": id}), "Policy")
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	statements, _ := document["Statement"].([]any)
	for _, one := range statements {
		s, _ := one.(map[string]any)
		conditions, _ := s["Condition"].(map[string]any)
		if delete(conditions, "ArnNotEquals"); out && conditions != nil {
			conditions["ArnNotEquals"] = map[string]any{"aws:PrincipalArn": d.w.Partition.Role(local.Payments, reader.Name)}
		}
	}
	changed, err := json.Marshal(document)
	if err != nil {
		t.Fatal(err)
	}
	d.serviceIn(t, local.Payments, "kms", "PutKeyPolicy", map[string]any{"KeyId": id, "Policy": string(changed)})
}

func isBack(d *driver, n int) string {
	if s := d.oracle.find(batch(n), local.Payments, d.w.Home()); s == nil || !managed(s.key) {
		return fmt.Sprintf("not as it was before: %+v", s)
	}
	return ""
}

// isSealed is one of whose versions one is under the new key alone.
func isSealed(t *testing.T, d *driver, n int) {
	isRead(t, d, n)
	d.settle(25 * time.Hour)
	d.reads(n)
	d.people(t, local.Payments, "PutSecretValue", map[string]any{"SecretId": batch(n), "SecretString": "not a real value"})
	d.people(t, local.Payments, "PutSecretValue", map[string]any{"SecretId": batch(n), "SecretString": "not a real value"})
	d.settle(time.Hour)
	d.task(t, settings.TaskSweep)
	d.settle(time.Hour)
}

// isGranted is one whose reader got its access back for a day, which is over.
func isGranted(t *testing.T, d *driver, n int) {
	isSealed(t, d, n)
	isLeftOut(t, d, n)
	d.settle(25 * time.Hour)
}

// grants counts those on the key of the account for a secret.
func (d *driver) grants(arn string) int {
	alias, err := d.w.AWS.As("oracle.example.com", local.Payments, d.w.Home(), "kms", "DescribeKey", map[string]any{"KeyId": settings.SecretsKeyAlias})
	if err != nil {
		return -1
	}
	out, err := d.w.AWS.As("oracle.example.com", local.Payments, d.w.Home(), "kms", "ListGrants", map[string]any{"KeyId": words(field(alias, "KeyMetadata"), "KeyId")})
	if err != nil {
		return -1
	}
	n := 0
	grants, _ := out["Grants"].([]any)
	for _, one := range grants {
		g, _ := one.(map[string]any)
		if words(field(g, "Constraints", "EncryptionContextSubset"), "SecretARN") == arn {
			n++
		}
	}
	return n
}

func granted(want int) func(*driver, int) string {
	return func(d *driver, n int) string {
		s := d.oracle.find(batch(n), local.Payments, d.w.Home())
		if s == nil {
			return "the secret is not known"
		}
		if have := d.grants(s.arn); have != want {
			return fmt.Sprintf("%d grants, want %d", have, want)
		}
		return ""
	}
}
