package conformance_test

import (
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	command "github.com/doublelock/doublelock/cmd/doublelock/conformance"

	"github.com/doublelock/doublelock/cmd/doublelock/commandtest"
	"github.com/doublelock/doublelock/cmd/doublelock/files"
	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
)

const (
	account    = "444455556666"
	management = "999988887777"
	region     = "eu-central-1"
)

// sandboxAccount is a local AWS that the environment takes for AWS, with credentials of somebody in an account.
func sandboxAccount(t *testing.T, who string) (a *localaws.AWS, cache string) {
	t.Helper()
	a = localaws.New(localaws.Options{Seed: 1})
	url, stop, err := a.Start()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { a.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait(); stop() })
	a.OrganizationWithRoot("o-exampleorgid", "r-ab12", management)
	a.AddOUWithID("", "ou-ab12-sandbox1", "Sandbox")
	a.AddOUWithID("", "ou-ab12-shared11", "Shared")
	a.AddAccount("ou-ab12-sandbox1", account, "sandbox")
	a.AddAccount("ou-ab12-shared11", "123123123123", "one")
	a.AddAccount("ou-ab12-shared11", "321321321321", "two")
	a.AddRole(account, "OrganizationAccountAccessRole", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::`+management+`:root"},"Action":"sts:AssumeRole"}]}`,
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	keys, err := a.Principal(who, "role/Person/me")
	if err != nil {
		t.Fatal(err)
	}
	cache = t.TempDir()
	for name, value := range map[string]string{"AWS_ENDPOINT_URL": url, "AWS_REGION": region, "AWS_ACCESS_KEY_ID": keys.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": keys.SecretAccessKey, "AWS_SESSION_TOKEN": keys.SessionToken, "XDG_CACHE_HOME": cache} {
		t.Setenv(name, value)
	}
	return a, cache
}

func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return commandtest.Line{New: command.New}.Run(t, append([]string{"conformance"}, args...)...)
}

// states are the files of state that runs have left.
func states(t *testing.T, cache string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(cache, "doublelock", "conformance", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// made is how many secrets, roles and aliases of runs there are.
func made(t *testing.T, a *localaws.AWS) int {
	t.Helper()
	n := 0
	for _, of := range []struct{ service, operation string }{{"secretsmanager", "ListSecrets"}, {"iam", "ListRoles"}, {"kms", "ListAliases"}} {
		out, err := a.As("test.amazonaws.com", account, region, of.service, of.operation, map[string]any{})
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(out)
		if err != nil {
			t.Fatal(err)
		}
		n += strings.Count(string(text), `Name":"doublelock-conformance-`) + strings.Count(string(text), `Name":"alias/doublelock-conformance-`)
	}
	return n
}

func TestARunSaysWhatItTakesAsksAndLeavesNothing(t *testing.T) {
	a, cache := sandboxAccount(t, account)
	_, stderr, code := run(t, "--second-region", "eu-west-1")
	if code != 1 || !strings.HasSuffix(stderr, "doublelock: conformance: nobody can be asked here; add --yes to start\n") {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	for _, part := range []string{"Account 444455556666, eu-central-1 and eu-west-1", "questions, in some 45 minutes", "less than 1 USD", "for 7 days", "kms:ScheduleKeyDeletion", "tagged doublelock-conformance="} {
		if !strings.Contains(stderr, part) {
			t.Errorf("it does not say %q: %s", part, stderr)
		}
	}
	if made(t, a) > 0 || len(states(t, cache)) > 0 {
		t.Error("it began without a yes")
	}
	folder := t.TempDir()
	stdout, stderr, code := run(t, "--yes", "--second-region", "eu-west-1", "--report", folder)
	if code != 3 || !strings.Contains(stdout, "secretsmanager.empty-key.condition") || !strings.Contains(stdout, ", 3 unanswered\n") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if left := states(t, cache); made(t, a) > 0 || len(left) > 0 {
		t.Errorf("%d things and %v are left: %s", made(t, a), left, stderr)
	}
	for name, partition := range map[string]string{"conformance.json": `"partition": "aws"`, "conformance.md": "partition aws, "} {
		info, err := os.Stat(filepath.Join(folder, name))
		if err != nil || info.Mode() != fs.FileMode(0o600) {
			t.Errorf("%s: %v, %v", name, info, err)
		}
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || strings.Contains(string(text), account) {
			t.Errorf("%v: the account is in %s", err, text)
		}
		if !strings.Contains(string(text), partition) {
			t.Errorf("%s does not say in which part of AWS it was asked: %s", name, text)
		}
	}
}

// killed is a run that ends without a chance to remove anything: its context ends, and so do the rights of who ran it.
func killed(t *testing.T, a *localaws.AWS) {
	t.Helper()
	ctx, kill := context.WithCancel(t.Context())
	defer kill()
	go func() {
		for ctx.Err() == nil {
			if made(t, a) > 8 {
				a.AddRole(account, "Person", "", `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}`)
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, stderr, code := run(t, "--yes")
	if code != 3 || !strings.Contains(stderr, "something is left") || !strings.Contains(stderr, "doublelock conformance --cleanup") { // the verdict's code and the leftover's line
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	a.AddRole(account, "Person", "", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	if made(t, a) == 0 {
		t.Fatal("nothing is left to remove: this test looks in the wrong account")
	}
}

func TestWhatAKilledRunLeftIsRemovedLater(t *testing.T) {
	for name, lost := range map[string]bool{"with its state": false, "without": true} {
		t.Run(name, func(t *testing.T) {
			a, cache := sandboxAccount(t, account)
			killed(t, a)
			left := states(t, cache)
			if len(left) != 1 {
				t.Fatalf("state in %v", left)
			}
			if info, err := os.Stat(left[0]); err != nil || info.Mode() != fs.FileMode(0o600) {
				t.Errorf("%v %v", info, err)
			}
			id := strings.TrimSuffix(filepath.Base(left[0]), ".json")
			if lost {
				if err := os.Remove(left[0]); err != nil {
					t.Fatal(err)
				}
			}
			if _, stderr, code := run(t, "--cleanup"); code != 1 || made(t, a) == 0 {
				t.Errorf("without a yes: exit code %d: %s", code, stderr)
			}
			args := []string{"--cleanup", "--yes"}
			if lost { // nobody knows whether it is alive
				before := made(t, a)
				if _, stderr, code := run(t, args...); code != 0 || made(t, a) != before || !strings.Contains(stderr, "may be alive: what it made stays; --run "+id) {
					t.Errorf("exit code %d, %d of %d things are left: %s", code, made(t, a), before, stderr)
				}
				args = append(args, "--run", id)
			}
			for range 2 {
				if _, stderr, code := run(t, args...); code != 0 || made(t, a) > 0 || len(states(t, cache)) > 0 {
					t.Errorf("exit code %d, %d things and %v are left: %s", code, made(t, a), states(t, cache), stderr)
				}
			}
		})
	}
}

func TestTheSecondSetIsPlayedOnAnOUThatHoldsTheSandboxAlone(t *testing.T) {
	a, _ := sandboxAccount(t, management)
	_, stderr, code := run(t, "--yes")
	if code != 1 || !strings.Contains(stderr, "manages an organization; use a sandbox account") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	_, stderr, code = run(t, "--yes", "--organization", "--ou", "ou-ab12-shared11", "--account", account)
	if code != 1 || !strings.Contains(stderr, "must hold account 444455556666 and nothing else") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	stdout, stderr, code := run(t, "--yes", "--organization", "--ou", "ou-ab12-sandbox1", "--account", account, "-o", "json",
		"--question", "organizations.scp.empty-key", "--question", "organizations.scp.kms-layer", "--question", "kms.layer.create")
	if code != 0 || strings.Count(stdout, `"verdict":"agrees"`) != 3 {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if !strings.Contains(stderr, "service control policies that deny the run's own calls are attached to ou-ab12-sandbox1") {
		t.Errorf("it does not say so: %s", stderr)
	}
	policies, err := a.As("test.amazonaws.com", management, region, "organizations", "ListPoliciesForTarget", map[string]any{"TargetId": "ou-ab12-sandbox1", "Filter": "SERVICE_CONTROL_POLICY"})
	if err != nil || len(policies["Policies"].([]any)) != 1 || made(t, a) > 0 {
		t.Errorf("%v %v, %d things are left", err, policies, made(t, a))
	}
}

// What keeps the second set from being asked is said before anything is made, and says what to do.
func TestTheSecondSetIsRefusedBeforeAnythingIsMade(t *testing.T) {
	second := func(ou string, more ...string) []string {
		return append([]string{"--yes", "--organization", "--account", account, "--ou", ou}, more...)
	}
	for name, tt := range map[string]struct {
		who  string
		args []string
		scps bool
		want string
	}{
		"credentials of the sandbox account":    {account, second("ou-ab12-sandbox1"), true, "the credentials are of account " + account + ", which --account names as the sandbox account; --organization needs those of the management account"},
		"a cleanup with them":                   {account, []string{"--cleanup", "--yes", "--organization", "--account", account}, true, "--organization needs those of the management account"},
		"credentials of a third account":        {"123123123123", second("ou-ab12-sandbox1"), true, "which has to trust account 123123123123, the one that manages the organization: "},
		"no service control policies":           {management, second("ou-ab12-sandbox1"), false, "--ou: service control policies are not enabled in the organization"},
		"an OU that is none":                    {management, second("Sandbox"), true, "--ou: list accounts of Sandbox: does not exist"},
		"the root":                              {management, second("r-ab12"), true, "--ou: r-ab12 must hold account " + account + " and nothing else"},
		"a URL, whose variable takes the place": {management, second("ou-ab12-sandbox1", "--against", "http://127.0.0.1:5000"), true, "set AWS_ENDPOINT_URL=http://127.0.0.1:5000 in place of --against, with credentials of the management account there"},
	} {
		t.Run(name, func(t *testing.T) {
			a, cache := sandboxAccount(t, tt.who)
			if !tt.scps {
				if _, err := a.As("test.amazonaws.com", management, region, "organizations", "DisablePolicyType", map[string]any{"RootId": "r-ab12", "PolicyType": "SERVICE_CONTROL_POLICY"}); err != nil {
					t.Fatal(err)
				}
			}
			_, stderr, code := run(t, tt.args...)
			if code != 1 || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, tt.want) || made(t, a) > 0 || len(states(t, cache)) > 0 {
				t.Errorf("exit code %d, %d things and %v are left: %s", code, made(t, a), states(t, cache), stderr)
			}
		})
	}
}

func TestARunThatIsAliveIsNotCleanedUpUnlessItIsNamed(t *testing.T) {
	a, cache := sandboxAccount(t, account)
	killed(t, a)
	file := states(t, cache)[0]
	release, err := files.Hold(file + ".lock") // as the run does
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	before := made(t, a)
	_, stderr, code := run(t, "--cleanup", "--yes")
	if code != 0 || made(t, a) != before || !strings.Contains(stderr, "is alive on this machine") {
		t.Errorf("exit code %d, %d of %d things are left: %s", code, made(t, a), before, stderr)
	}
	id := strings.TrimSuffix(filepath.Base(file), ".json")
	if _, stderr, code := run(t, "--cleanup", "--yes", "--run", id); code != 0 || made(t, a) > 0 {
		t.Errorf("exit code %d, %d things are left: %s", code, made(t, a), stderr)
	}
}

func TestAKilledRunAgainstAURLIsRemovedByTheCommandThatItSaid(t *testing.T) {
	a, _ := sandboxAccount(t, account)
	a.AddRole(account, "Person", "", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":["secretsmanager:DeleteSecret","iam:DeleteRole"],"Resource":"*"}]}`)
	_, stderr, _ := run(t, "--against", os.Getenv("AWS_ENDPOINT_URL"), "--question", "secretsmanager.rekeyed.listed")
	_, said, found := strings.Cut(stderr, "should this be killed, doublelock conformance ")
	line, _, ends := strings.Cut(said, " removes what it made")
	if !found || !ends || made(t, a) == 0 {
		t.Fatalf("%d things are left: %s", made(t, a), stderr)
	}
	a.AddRole(account, "Person", "", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	if _, stderr, code := run(t, append(strings.Fields(line), "--yes")...); code != 0 || made(t, a) > 0 {
		t.Errorf("%s: exit code %d, %d things are left: %s", line, code, made(t, a), stderr)
	}
}

// What a run could not remove neither hides its verdict nor is hidden by it.
func TestALeftoverAndTheVerdictAreBothShown(t *testing.T) {
	for name, tt := range map[string]struct {
		question string
		code     int
	}{"nothing else is wrong": {"secretsmanager.rekeyed.listed", 1}, "a question is unanswered": {"secretsmanager.replica.own-key", 3}} {
		t.Run(name, func(t *testing.T) {
			a, cache := sandboxAccount(t, account)
			a.AddRole(account, "Person", "", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"secretsmanager:ListSecrets","Resource":"*"}]}`)
			_, stderr, code := run(t, "--yes", "--question", tt.question)
			if code != tt.code || !strings.Contains(stderr, "something is left; ") || len(states(t, cache)) != 1 {
				t.Errorf("exit code %d, want %d, state in %v: %s", code, tt.code, states(t, cache), stderr)
			}
		})
	}
}

// A key that was written down and may not be described is not removed: it stays written down, and a line names it and the right.
func TestAKeyThatMayNotBeDescribedStaysInTheState(t *testing.T) {
	a, cache := sandboxAccount(t, account)
	person := func(denied string) {
		a.AddRole(account, "Person", "", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"`+denied+`","Resource":"*"}]}`)
	}
	person("kms:DescribeKey")
	_, stderr, code := run(t, "--yes", "--question", "secretsmanager.rekeyed.listed")
	if code != 1 || len(states(t, cache)) != 1 {
		t.Fatalf("exit code %d, %v: %s", code, states(t, cache), stderr)
	}
	_, stderr, code = run(t, "--cleanup", "--yes")
	if code != 1 || !strings.Contains(stderr, "it takes kms:DescribeKey on ") || len(states(t, cache)) != 1 {
		t.Errorf("exit code %d, %v: %s", code, states(t, cache), stderr)
	}
	person("none:None")
	if _, stderr, code = run(t, "--cleanup", "--yes"); code != 0 || len(states(t, cache)) > 0 || !strings.Contains(stderr, "2 keys are deleted in 7 days") {
		t.Errorf("exit code %d, %v: %s", code, states(t, cache), stderr)
	}
}

func TestAConnectionOfSomebodyElseDoesNotFailARun(t *testing.T) {
	a, cache := sandboxAccount(t, account)
	if _, err := a.As("test.amazonaws.com", account, region, "events", "CreateConnection", map[string]any{"Name": "doublelock-conformance-q", "AuthorizationType": "API_KEY",
		"AuthParameters": map[string]any{"ApiKeyAuthParameters": map[string]any{"ApiKeyName": "x", "ApiKeyValue": "y"}}}); err != nil {
		t.Fatal(err)
	}
	for _, line := range [][]string{{"--yes", "--question", "secretsmanager.owned.tag"}, {"--cleanup", "--yes"}} {
		if _, stderr, code := run(t, line...); code != 0 || len(states(t, cache)) > 0 {
			t.Errorf("%v: exit code %d, state in %v: %s", line, code, states(t, cache), stderr)
		}
	}
}

// reported writes a report of AWS, and answers its file.
func reported(t *testing.T, results ...conformance.Result) string {
	t.Helper()
	text, err := json.Marshal(conformance.NewReport("test", conformance.AWS, time.Now(), results))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "aws.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// One run by one user corrects the model: what AWS answered is what the local AWS answers from then on.
func TestAReportIsFollowed(t *testing.T) {
	file := reported(t, conformance.Result{Question: "kms.disabled.read", Answer: "access-denied", Assumed: "decryption-failure", Verdict: conformance.Differs})
	stdout, stderr, code := run(t, "--against", "localaws", "--behavior", file, "--question", "kms.disabled.read", "-o", "json")
	var got conformance.Result
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err, stdout)
	}
	got.Seconds, got.Evidence, got.Title, got.Meaning = 0, nil, "", ""
	want := conformance.Result{Question: "kms.disabled.read", Row: 4, Answer: "access-denied", Reported: "access-denied", Assumed: "decryption-failure", Verdict: conformance.Differs}
	if diff := cmp.Diff(want, got); diff != "" || code != 2 {
		t.Errorf("exit code %d %s: %s", code, diff, stderr)
	}
}

// What the local AWS does not answer as the report says is never taken for agreement, whether it was asked or not.
func TestAnAnswerOfAReportThatIsNotFollowedHasItsOwnVerdictAndExitCode(t *testing.T) {
	file := reported(t, conformance.Result{Question: "kms.disabled.read", Answer: "access-denied"},
		conformance.Result{Question: "secretsmanager.rekeyed.fallback", Answer: conformance.Refused},
		conformance.Result{Question: "kms.alias-gone.write", Answer: "goes-on"}, conformance.Result{Question: "kms.newer", Answer: "yes"})
	asked := []string{"--against", "localaws", "--behavior", file, "--question", "kms.disabled.read", "--question", "kms.alias-gone.write"}
	stdout, stderr, code := run(t, append(asked, "-o", "json")...)
	got := map[string]conformance.Reason{}
	for line := range strings.Lines(stdout) {
		var r conformance.Result
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err, line)
		}
		if r.Verdict == conformance.NotFollowed {
			got[r.Question] = r.Reason
		}
	}
	if diff := cmp.Diff(map[string]conformance.Reason{"secretsmanager.rekeyed.fallback": conformance.NoBehavior, "kms.alias-gone.write": conformance.NoBehavior, "kms.newer": conformance.UnknownQuestion}, got); diff != "" || code != 4 {
		t.Errorf("exit code %d %s: %s", code, diff, stderr)
	}
	if !strings.Contains(stderr, "note: the local AWS cannot follow the report in secretsmanager.rekeyed.fallback") {
		t.Errorf("it does not say what it cannot follow: %s", stderr)
	}
	if strings.Contains(stderr, "is of a run against") {
		t.Errorf("a report of AWS is called another's: %s", stderr)
	}
	stdout, _, code = run(t, asked...)
	if code != 4 || !strings.Contains(stdout, "NOT FOLLOWED") || !strings.Contains(stdout, "4 questions: 0 agree with the local AWS, 1 differ, 0 answered that it has nothing of, 0 unanswered, 3 not followed") {
		t.Errorf("exit code %d: %s", code, stdout)
	}
}

func TestTheHelpListsWhatCannotBeFollowed(t *testing.T) {
	help, _, _ := run(t, "--help")
	for _, q := range conformance.Questions() {
		_, cannot := q.Followable()
		_, rest, listed := strings.Cut(help, "  "+q.ID+": ")
		line, _, _ := strings.Cut(rest, "\n")
		if listed != (len(cannot) > 0) {
			t.Errorf("%s is listed %t, and cannot be followed in %v", q.ID, listed, cannot)
		}
		for _, a := range cannot {
			if !strings.Contains(", "+line+", ", ", "+string(a)+", ") {
				t.Errorf("%s: %s is not in %q", q.ID, a, line)
			}
		}
	}
	if !strings.Contains(help, "4 the local AWS does not follow an answer of --behavior") {
		t.Error("the exit code is not in the help")
	}
}

func TestWhatIsNoReportIsNamedInOneLine(t *testing.T) {
	folder := t.TempDir()
	whole := `{"format":1,"results":[{"question":"kms.disabled.read","answer":"decryption-failure"}]}`
	for name, tt := range map[string]struct{ text, want string }{
		"with a mark, as on Windows": {"\xef\xbb\xbf" + whole, ""},
		"UTF-16":                     {"\xff\xfe{\x00}\x00", "FILE: the file is UTF-16; save it as UTF-8"},
		"nothing":                    {"", "FILE: the file is empty"},
		"a list":                     {"[]", "FILE: this is a list, not a report of doublelock"},
		"a plan":                     {`{"digest":"x","items":[]}`, "FILE: this is a plan of migrate, not a report; doublelock conformance --report FILE writes one"},
		"a snapshot":                 {`{"principals":[],"accounts":[]}`, "FILE: this is a snapshot, not a report; doublelock conformance --report FILE writes one"},
		"the state of a run":         {`{"format":1,"run":"abcdefghij","resources":[]}`, "FILE: this is the state of a run, not its report; doublelock conformance --report FILE writes one"},
		"cut off":                    {whole[:40], "FILE: read report: line 1: it is cut off there; doublelock conformance --report FILE writes one"},
		"another format":             {`{"format":2}`, "FILE: read report: its format is 2, and this version reads 1; doublelock conformance --report FILE writes one"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(folder, "report.json")
			if err := os.WriteFile(file, []byte(tt.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, stderr, code := run(t, "--against", "localaws", "--behavior", file, "--question", "kms.disabled.read")
			if tt.want == "" {
				if code != 0 {
					t.Errorf("exit code %d: %s", code, stderr)
				}
				return
			}
			if want := "doublelock: conformance: --behavior: " + strings.Replace(tt.want, "FILE", file, 1) + "\n"; code != 1 || stderr != want {
				t.Errorf("exit code %d: %s, want %s", code, stderr, want)
			}
		})
	}
	_, stderr, code := run(t, "--against", "localaws", "--behavior", folder)
	if want := "doublelock: conformance: --behavior: read " + folder + ": is a directory; name the report in it\n"; code != 1 || stderr != want {
		t.Errorf("exit code %d: %s, want %s", code, stderr, want)
	}
}

func TestBadInputIsOneClearLine(t *testing.T) {
	t.Setenv("AWS_REGION", "")
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"format":1,"results":[{"question":"kms.nope"},{"question":"kms.nope"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	china := filepath.Join(t.TempDir(), "china.json")
	if err := os.WriteFile(china, []byte(`{"format":1,"against":"AWS","partition":"aws-cn","results":[{"question":"kms.layer.create","answer":"refused","verdict":"agrees"}]}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]string{
		"":                                      "no Region; use --region eu-central-1 or set AWS_REGION",
		"--against nobody":                      "use localaws, ministack, moto, or the URL",
		"--against http://example.com":          "or the URL of a stand-in on this machine",
		"--against moto --program /nonexistent": "conformance: start moto_server: ",
		"--against moto --organization":         "--organization is for AWS",
		"--program x":                           "--program is for --against ministack or moto",
		"--behavior x":                          "add --against localaws",
		"--against localaws --behavior " + broken + "x":                                 "no such file",
		"--against localaws --behavior " + broken:                                       `question "kms.nope" is answered twice`,
		"--organization --region eu-west-1":                                             "needs --ou",
		"--cleanup --organization --region eu-west-1":                                   "--cleanup --organization needs --account",
		"--against localaws --report report.md":                                         "use report.json",
		"--question organizations.scp.alias --region eu-west-1":                         "--question organizations.scp.alias needs --organization",
		"--against moto --question kms.layer.create --question organizations.scp.alias": "--question organizations.scp.alias needs --organization",
		"--against localaws --behavior " + china:                                        `it is of "aws-cn", and the local AWS is in aws`,
		"--ou ou-ab12-11111111 --region eu-west-1":                                      "are for --organization; add it",
		"--region eu-west-1 --second-region eu-west-1":                                  "use another",
		"--region eu-west-1 --second-region cn-north-1":                                 "use two Regions of one",
		"--question nope":                                                    `invalid argument "nope" for "--question" flag: use `,
		"--run abcdefghij --region eu-west-1":                                "--run is for --cleanup",
		"--cleanup --run abc* --region eu-west-1":                            "ten lower-case letters",
		"--cleanup --against localaws":                                       "--cleanup goes with",
		"--cleanup --region eu-west-1 --state " + broken:                     "leave --state out to search by name and tag",
		"--against localaws --question kms.trailing-days --report /dev/null": "a device or a pipe",
		"--against http://127.0.0.1:1 --question kms.trailing-days":          "http://127.0.0.1:1: get caller identity",
		"--region eu-west-1 --state " + broken:                               "is no state of a run; name another file",
		"--region eu-west-1 --state /dev/null":                               "a device or a pipe",
		"nope":                                                               "",
	} {
		_, stderr, code := run(t, strings.Fields(line)...)
		lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(stderr, "doublelock: note: no --second-region: questions about replicas stay unanswered\n", "")), "\n")
		if code != 1 || len(lines) != 1 || !strings.HasPrefix(lines[0], "doublelock: ") || !strings.Contains(lines[0], want) {
			t.Errorf("%s: exit code %d, %q, want %q", line, code, stderr, want)
		}
	}
}
