package conformance_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/conformance"
	"github.com/doublelock/doublelock/shared/localaws"
)

var accountID = regexp.MustCompile(`[0-9]{12,}`)

// What a report shows of ids is tokens: none that AWS gave comes through, and the same id is the same token.
func TestAReportNamesNobody(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		accounts := rapid.SliceOfNDistinct(rapid.StringMatching(`[3-9][0-9]{11}`), 1, 4, rapid.ID).Draw(t, "accounts")
		keys := rapid.SliceOfN(rapid.StringMatching(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`), 1, 3).Draw(t, "keys")
		around := rapid.StringMatching(`[a-z:/ ]{0,8}`).Draw(t, "around")
		var facts []conformance.Fact
		for n, id := range accounts {
			key := keys[n%len(keys)]
			facts = append(facts, conformance.Fact{Name: "who " + id, Value: around + "arn:aws:kms:eu-central-1:" + id + ":key/" + key + around},
				conformance.Fact{Name: "x", Value: "o-abcdefghij ou-ab12-" + strings.ToLower(key[:8]) + " " + id + id + " doublelock-conformance-abc123-q01-s r-xy12 owner+aws@corp.example.org arn:aws:organizations::1:policy/o-abcdefghij/service_control_policy/p-zyxw9876"})
		}
		report := conformance.NewReport("test", conformance.AWS, time.Now(), []conformance.Result{
			{Question: "kms.trailing-days", Detail: accounts[0] + around + keys[0], Evidence: facts}, {Question: "kms.disabled.read", Detail: accounts[0]}})
		text, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		for _, shown := range []string{string(text), report.Markdown()} {
			for _, id := range append(accounts, keys...) {
				if strings.Contains(shown, id) {
					t.Fatalf("%s is in %s", id, shown)
				}
			}
			for _, found := range accountID.FindAllString(shown, -1) {
				if !strings.HasPrefix(found, "1111222233") || len(found) != 12 {
					t.Fatalf("%s is in %s", found, shown)
				}
			}
			for _, part := range []string{"o-abcdefghij", "abc123", "xy12", "owner", "corp", "zyxw9876"} {
				if strings.Contains(shown, part) {
					t.Fatalf("%s is in %s", part, shown)
				}
			}
		}
		if first := report.Results[1].Detail; !strings.HasPrefix(report.Results[0].Detail, first) {
			t.Fatalf("one account is %q and %q", first, report.Results[0].Detail)
		}
	})
}

func TestAReportIsReadAsItWasWritten(t *testing.T) {
	report := conformance.NewReport("v1.2.3", conformance.AWS, time.Date(2026, 11, 26, 21, 0, 0, 0, time.UTC), []conformance.Result{
		{Question: "kms.disabled.read", Row: 4, Title: "Which?", Answer: "access-denied", Assumed: "decryption-failure", Verdict: conformance.Differs, Meaning: "m",
			Evidence: []conformance.Fact{{Name: "first failed read", Value: "AccessDeniedException after 3s"}}, Seconds: 12},
		{Question: "kms.trailing-days", Verdict: conformance.Unanswered, Reason: conformance.NotPermitted, Detail: "KMS:CreateKey AccessDeniedException"},
	})
	report.Partition = "aws-iso-b"
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	read, err := conformance.ReadReport(bytes.NewReader(text))
	if diff := cmp.Diff(report, read); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for _, part := range []string{"partition aws-iso-b, 2026-11-26: ", "1 differ", "`kms.disabled.read`", "| access-denied | decryption-failure | differs |", "not permitted: KMS:CreateKey AccessDeniedException", "first failed read: AccessDeniedException after 3s"} {
		if !strings.Contains(read.Markdown(), part) {
			t.Errorf("the Markdown lacks %q:\n%s", part, read.Markdown())
		}
	}
}

func TestWhatIsNoReportIsRefused(t *testing.T) {
	whole := `{"format":1,"version":"v","against":"AWS","started":"2026-11-26T21:00:00Z","results":[%s]}`
	for text, want := range map[string]string{
		"": "read report: it is empty; doublelock conformance --report FILE writes one",

		"[]":                            "line 1: json: cannot unmarshal array",
		"{\n\"format\":\n":              "line 2: it is cut off there",
		"{\n\n\"format\":x}":            "line 3: invalid character 'x'",
		"{\n\"format\":\"1\"}":          "line 2: json: cannot unmarshal string",
		`{"format":2}`:                  "its format is 2",
		`{"format":1}`:                  "it has no results",
		`{"format":1,"results":null}`:   "it has no results",
		whole + "{}":                    "more follows",
		`{"formats":1}`:                 `unknown field "formats"`,
		`{"format":1,"results":[null]}`: "result 1 names no question",
		`{}`:                            "it has no format, so it is no report",
		"{\n\"format\":1,\"results\":[{\"question\":\"q\",\n\"answer\":\"left\",\n\"Answer\":\"refused\"}]}": `line 4: an object has "Answer" twice`,
		`{"question":"q","answer":"left","evidence":[{"name":"answer","value":"x"}],"answer":"left"}`:        `line 1: an object has "answer" twice`,
		`{"question":"kms.nope"},{"question":"kms.nope"}`:                                                    `"kms.nope" is answered twice`,
		`{"question":"kms.trailing-days"},{"question":"kms.trailing-days"}`:                                  `"kms.trailing-days" is answered twice`,
		`{"question":"kms.trailing-days","answer":"refused","verdict":"unanswered"}`:                         `"kms.trailing-days" has the answer "refused" and the verdict "unanswered"`,
		`{"question":"kms.trailing-days","verdict":"agrees"}`:                                                `"kms.trailing-days" has the answer "" and the verdict "agrees"`,
		`{"question":"kms.trailing-days","title":"` + strings.Repeat("x", 2<<20) + `"}`:                      "longer than",
	} {
		switch {
		case strings.HasPrefix(text, `{"question"`):
			text = fmt.Sprintf(whole, text)
		case strings.HasPrefix(text, whole):
			text = fmt.Sprintf(whole, "") + "{}"
		}
		if _, err := conformance.ReadReport(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %s", text, err, want)
		}
	}
}

func TestAReportWithoutAnAnswerIsNotFollowed(t *testing.T) {
	for text, want := range map[string]string{
		`{"format":1,"results":null}`: "file: read report: it has no results; doublelock conformance --report FILE writes one",
		`{"format":1,"results":[{"question":"kms.trailing-days","answer":null},{"question":"kms.disabled.read"}]}`: "file: read report: it answers no question",
	} {
		_, err := conformance.ReadBehavior("file", "aws", func(string) ([]byte, error) { return []byte(text), nil })
		if err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A newer version knows more: what this one does not know is named, and the rest is followed.
func TestAReportOfANewerVersionIsFollowedAsFarAsItIsKnown(t *testing.T) {
	text := `{"format":1,"newer":1,"results":[{"question":"kms.newer","answer":"yes","newer":[]},{"question":"kms.disabled.read","answer":"access-denied"},
		{"question":"kms.trailing-days","answer":"sometimes"},{"question":"kms.unanswered"},
		{"question":"secretsmanager.rekeyed.tried-first","answer":"old-first","verdict":"withdrawn"}]}`
	followed, err := conformance.ReadBehavior("file", "aws", func(string) ([]byte, error) { return []byte(text), nil })
	want := []conformance.Unfollowed{{Question: "kms.newer", Answer: "yes", Reason: conformance.UnknownQuestion}, {Question: "kms.trailing-days", Answer: "sometimes", Reason: conformance.UnknownAnswer},
		{Question: "secretsmanager.rekeyed.tried-first", Answer: "old-first", Reason: conformance.UnknownVerdict}}
	if diff := cmp.Diff(want, followed.Left); err != nil || diff != "" || followed.Behavior != (localaws.Behavior{DisabledRead: localaws.DisabledIsAccessDenied}) {
		t.Errorf("%v, %+v %s", err, followed.Behavior, diff)
	}
	results := []conformance.Result{{Question: "kms.trailing-days", Answer: conformance.Refused, Verdict: conformance.Agrees}, {Question: "kms.disabled.read", Answer: "access-denied", Verdict: conformance.Differs}}
	for n, r := range results {
		results[n] = followed.Judge(r)
	}
	got := map[string]string{}
	for _, r := range append(results, followed.Unasked(results)...) {
		got[r.Question] = string(r.Verdict) + ", " + r.Why()
	}
	if diff := cmp.Diff(map[string]string{"kms.trailing-days": "not followed, reported sometimes: no such answer in this version", "kms.disabled.read": "differs, ",
		"kms.newer":                          "not followed, reported yes: no such question in this version",
		"secretsmanager.rekeyed.tried-first": "not followed, reported old-first: no such verdict in this version"}, got); diff != "" {
		t.Error(diff)
	}
}

// Two answers may ask for two things that the local AWS does not do at a time: the one that it does not give is named.
func TestAnswersThatExcludeEachOtherAreNamed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		answers [][2]string
		left    string
	}{
		"both are set":               {[][2]string{{"kms.disabled.read", "access-denied"}, {"kms.disabled.delay", "goes-on"}}, "kms.disabled.read"},
		"one is what it does anyway": {[][2]string{{"kms.alias-moved.described", "alias"}, {"kms.alias-moved.new-version", "old-target"}}, "kms.alias-moved.described"},
		"two ways to ask":            {[][2]string{{"secretsmanager.alias.condition", "as-sent"}, {"organizations.scp.alias", "absent"}}, "secretsmanager.alias.condition"},
		"back to what it does":       {[][2]string{{"secretsmanager.empty-key.condition", "empty-text"}, {"organizations.scp.empty-key", "absent"}}, "secretsmanager.empty-key.condition"},
		"a re-key is never blind":    {[][2]string{{"secretsmanager.rekey.without-decrypt", "refused"}, {"secretsmanager.rekey.same-key", "re-encrypted"}}, "secretsmanager.rekey.same-key"},
		"nor is one left":            {[][2]string{{"secretsmanager.rekey.without-decrypt", "refused"}, {"secretsmanager.rekey.same-key", "left"}}, "secretsmanager.rekey.same-key"},
		"a key that cannot be set":   {[][2]string{{"secretsmanager.replica.own-key", "refused"}, {"secretsmanager.replica.own-key-shown", "shown"}}, "secretsmanager.replica.own-key-shown"},
		"no replica fails":           {[][2]string{{"kms.layer.replica", "passes"}, {"secretsmanager.replica.retried", "tried"}}, "secretsmanager.replica.retried"},
		"an alias that is resolved":  {[][2]string{{"kms.alias-moved.new-version", "old-target"}, {"kms.alias-gone.write", "invalid-parameter"}}, "kms.alias-gone.write"},
		"everybody decrypts":         {[][2]string{{"kms.grant.context", "reads-without"}, {"secretsmanager.rekey.without-decrypt", "left"}}, "secretsmanager.rekey.without-decrypt"},
		"everybody reads":            {[][2]string{{"kms.grant.context", "reads-without"}, {"secretsmanager.rekeyed.fallback", "opens"}}, "secretsmanager.rekeyed.fallback"},
		"nobody is refused":          {[][2]string{{"kms.grant.context", "reads-without"}, {"events.denied-decrypt.rule", "all-state-only"}}, "events.denied-decrypt.rule"},
		"nothing is tried first":     {[][2]string{{"kms.grant.context", "reads-without"}, {"secretsmanager.rekeyed.tried-first", "new-first"}}, "secretsmanager.rekeyed.tried-first"},
	} {
		t.Run(name, func(t *testing.T) {
			var results []conformance.Result
			var asked []string
			for _, a := range tt.answers {
				results, asked = append(results, conformance.Result{Question: a[0], Answer: conformance.Answer(a[1])}), append(asked, a[0])
			}
			report := conformance.NewReport("test", conformance.AWS, time.Time{}, results)
			behavior, left := report.Behavior()
			if len(left) != 1 || left[0].Question != tt.left || left[0].Reason != conformance.Excluded {
				t.Errorf("left %v", left)
			}
			for _, r := range start(t, localaws.Options{Seed: 1, Behavior: behavior}).ask(t, asked...) {
				r = conformance.Followed{Report: report, Behavior: behavior}.Judge(r)
				if not := r.Verdict == conformance.NotFollowed; not != (r.Question == tt.left) || not && r.Reason != conformance.Excluded {
					t.Errorf("%s answers %s: %s %s", r.Question, r.Answer, r.Verdict, r.Reason)
				}
			}
		})
	}
}

func FuzzReadReport(f *testing.F) {
	f.Add([]byte(`{"format":1,"version":"v","against":"AWS","started":"2026-11-26T21:00:00Z","results":[{"question":"kms.trailing-days","title":"t","verdict":"agrees","answer":"refused","seconds":1}]}`))
	f.Add([]byte(`{"format":1,"results":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		report, err := conformance.ReadReport(bytes.NewReader(text))
		if err != nil {
			return
		}
		report.Behavior()
		again, err := json.Marshal(report)
		if err != nil {
			t.Fatal(err)
		}
		read, err := conformance.ReadReport(bytes.NewReader(again))
		if diff := cmp.Diff(report, read); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
		for line := range strings.SplitSeq(strings.TrimSpace(report.Markdown()), "\n") {
			if strings.HasPrefix(line, "| ") && strings.Count(strings.ReplaceAll(line, `\|`, ""), "|") != 8 {
				t.Errorf("a row of the table is broken: %q", line)
			}
		}
	})
}

func TestTheStateOfARunIsReadAsItWasWritten(t *testing.T) {
	var saved []byte
	journal, err := conformance.NewJournal(conformance.State{Run: run, Account: account, Region: home, Second: far, Started: time.Date(2026, 11, 26, 21, 0, 0, 0, time.UTC)},
		func(text []byte) error { saved = bytes.Clone(text); return nil })
	if err != nil {
		t.Fatal(err)
	}
	l := startPlain(t)
	if _, err := l.session(t, account, "role/Sandbox/me", run, journal.Intend).CreateSecret(t.Context(), "s", ""); err != nil {
		t.Fatal(err)
	}
	read, err := conformance.ReadState(saved)
	if diff := cmp.Diff(journal.State(), read); err != nil || diff != "" || len(read.Resources) != 1 {
		t.Error(err, diff, read)
	}
	for _, text := range []string{"", "{}", `{"format":1}`, `{"format":1,"run":"a-b","account":"1","region":"x"}`, `{"format":2,"run":"ab","account":"1","region":"x"}`} {
		if s, err := conformance.ReadState([]byte(text)); err == nil {
			t.Errorf("%q is read as %+v", text, s)
		}
	}
}

// What was reported, and a question that this version does not know, come from a file of somebody else.
func TestWhatAnotherReportSaidIsMaskedAndSteersNoTerminal(t *testing.T) {
	const account = "666666666666"
	report := conformance.NewReport("v", "localaws", time.Now(), []conformance.Result{{
		Question: "kms.\x1b[31m" + account, Verdict: conformance.NotFollowed, Reason: conformance.UnknownQuestion,
		Reported: conformance.Answer("a|b\n# x\x07arn:aws:iam::" + account + ":role/x\u202e"),
	}})
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	for _, written := range []string{string(text), report.Markdown()} {
		if strings.Contains(written, account) || strings.ContainsAny(written, "\x1b\x07") {
			t.Errorf("%q", written)
		}
	}
	if markdown := report.Markdown(); strings.Contains(markdown, "\u202e") || strings.Contains(markdown, "\n# x") || !conformance.IsMarkdown([]byte(markdown)) {
		t.Errorf("%q", markdown)
	}
}
