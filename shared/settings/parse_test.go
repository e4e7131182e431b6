package settings_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/notify/channels"
	"github.com/doublelock/doublelock/shared/settings"
)

const configs = "../../testdata/config"

var today = time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)

func TestSampleIsReadWhole(t *testing.T) {
	config, err := settings.Load(filepath.Join(configs, "sample.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ got, want any }{
		"an account id is text":       {config.Organization.ManagementAccount, "111111111111"},
		"guarded Regions":             {config.Regions.Guarded, []string{"us-east-1", "eu-west-1"}},
		"rollout":                     {len(config.Rollout), 4},
		"an SCP only where it is on":  {[]bool{config.Rollout[0].SCP, config.Rollout[1].SCP}, []bool{true, false}},
		"the first choice has a Tag":  {config.Keys.Use[0].Tags, map[string]string{"environment": "production"}},
		"a date lasts to its end":     {config.Waivers[0].Expires, time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)},
		"channels by owner":           {config.Owners.Channels["team-search"]["slackChannel"], "C0987654321"},
		"every key approved for Keys": {config.Keys.Approved.Tags, map[string]string{"doublelock-approved": "yes"}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestMinimalGetsDefaults(t *testing.T) {
	config, err := settings.Load(filepath.Join(configs, "minimal.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	want := settings.Config{
		Organization: settings.Organization{ID: "o-exampleorgid", RootID: "r-ab12", ManagementAccount: "111111111111", SecurityAccount: "222222222222", Enroll: []string{"r-ab12"}},
		Regions:      settings.Regions{Home: "us-east-1", Guarded: []string{"us-east-1"}},
		Rollout:      []settings.RolloutStage{{Name: "everything", Targets: []string{"r-ab12"}, Mode: "observe"}},
		Owners:       settings.Owners{Tags: []string{"Owner"}, Fallback: "security-team"},
		Limits:       settings.Limits{ChangesPerHour: 60, ChangesPerAccountPerHour: 20, RescuesPerAccountPerDay: 10},
		Retention:    settings.Retention{LogDays: 90, FindingDays: 365},
	}
	if diff := cmp.Diff(want, config); diff != "" {
		t.Error(diff)
	}
}

// sampleWith is the sample with some text of it replaced.
func sampleWith(t testing.TB, old, changed string) []byte {
	t.Helper()
	sample, err := os.ReadFile(filepath.Join(configs, "sample.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if old == "" {
		return append(sample, changed...)
	}
	if !bytes.Contains(sample, []byte(old)) {
		t.Fatalf("the sample has no %q", old)
	}
	return bytes.Replace(sample, []byte(old), []byte(changed), 1)
}

func TestProblems(t *testing.T) {
	for name, test := range map[string]struct{ old, changed, want string }{
		"organization id missing":       {"  id: o-exampleorgid\n", "", "f:2:1: organization.id is missing; add an organization id such as o-exampleorgid"},
		"an owner twice, but for case":  {"    security-team: {", "    T: {email: a@example.com}\n    t: {email: b@example.com}\n    \"t \": {email: c@example.com}\n    security-team: {", `f:57:5: the owner "t" is the owner "T" of line 56: tags are matched without case and outer spaces; keep one` + "\n" + `f:58:5: the owner "t " is the owner "T" of line 56: tags are matched without case and outer spaces; keep one`},
		"organization id shape":         {"o-exampleorgid", "exampleorgid", `f:3:7: organization.id "exampleorgid" is not an organization id; write it like o-exampleorgid`},
		"hub is management":             {`"222222222222" # the`, `"111111111111" # the`, "f:6:20: the security account is the management account; use an account of its own: SCPs never reach the management account"},
		"unknown key in a list":         {"    backlogMigrated: false", "    backlogMigratd: false", "f:20:5: unknown key backlogMigratd in rollout[0]; did you mean backlogMigrated?"},
		"unknown key far from any":      {"  delegated: false", "  colour: red", "f:7:3: unknown key colour in organization; use one of id, rootId, managementAccount, securityAccount, delegated, enroll, partners, deployRoles"},
		"a single account enrolled":     {"  delegated: false", "  enroll: [\"333333333333\"]", "f:7:12: account 333333333333 cannot be enrolled by itself; name its OU"},
		"a key of the past":             {"rollout:", "waves:", "f:14:1: waves is called rollout now; write rollout: its entries stay as they are"},
		"unknown key at the top":        {"", "rolout: []\n", "f:81:1: unknown key rolout; did you mean rollout?"},
		"key written twice":             {"  delegated: false", "  delegated: false\n  delegated: true", "f:8:3: delegated is written twice, first in line 7; keep one"},
		"list where text is wanted":     {"home: us-east-1", "home: [us-east-1]", "f:10:3: regions.home is a list; write text, in quotes where needed"},
		"text where a list is":          {"guarded: [us-east-1, eu-west-1]", "guarded: us-east-1", `f:11:12: regions.guarded is the text "us-east-1"; write it as a list of ` + "`- value` lines"},
		"text where a mapping is":       {"    security-team: {email: security@example.com, slackChannel: C0123456789}", "    security-team: mail", `f:56:20: owners.channels["security-team"] is the text "mail"; write it as a mapping of ` + "`" + `key: value` + "`" + ` lines`},
		"a number in quotes":            {"changesPerHour: 60", `changesPerHour: "60"`, `f:68:19: limits.changesPerHour is the text "60"; write a whole number`},
		"a float":                       {"changesPerHour: 60", `changesPerHour: 6.5`, `f:68:19: limits.changesPerHour is the number 6.5; write a whole number`},
		"an anchor":                     {"home: us-east-1", "home: &home us-east-1", "f:10:9: an anchor or alias; write the value out"},
		"a tag":                         {"home: us-east-1", "home: !!str us-east-1", "f:10:9: a YAML tag !!str; remove it"},
		"an empty list item":            {"[us-east-1, eu-west-1]", "\n    - us-east-1\n    -", "f:13:6: regions.guarded[1] is empty; fill it in or remove the line"},
		"home not guarded":              {"[us-east-1, eu-west-1]", "[eu-west-1]", "f:11:3: the home Region us-east-1 is not guarded; add it to regions.guarded"},
		"Region twice":                  {"[us-east-1, eu-west-1]", "[us-east-1, eu-west-1, us-east-1]", "f:11:35: Region us-east-1 is listed twice; keep one"},
		"another partition":             {"[us-east-1, eu-west-1]", "[us-east-1, eu-west-1, us-gov-west-1]", "f:11:35: Region us-gov-west-1 is in partition aws-us-gov, the home Region in aws; deploy each partition from a file of its own"},
		"stage name twice":              {"name: telling", "name: guarded", "f:21:11: stage guarded is also rollout[0]; rename one"},
		"target of another shape":       {"[ou-ab12-sandboxes]", "[sandboxes]", `f:30:15: target "sandboxes" is no OU, root or account id; write it like ou-ab12-workloads, r-ab12 or "111122223333"`},
		"OU of another root":            {"[ou-ab12-sandboxes]", "[ou-zz99-sandboxes]", "f:30:15: OU ou-zz99-sandboxes is not under root r-ab12; OUs of this root start with ou-ab12-"},
		"another root":                  {"[ou-ab12-sandboxes]", "[r-zz99]", "f:30:15: root r-zz99 is not organization.rootId r-ab12; use r-ab12"},
		"account in two stages":         {`accounts: ["666666666666"]`, `accounts: ["444444444444"]`, "f:31:16: 444444444444 is in stage telling already; keep it in one stage"},
		"account twice in a stage":      {`accounts: ["666666666666"]`, `accounts: ["666666666666", "666666666666"]`, "f:31:32: 666666666666 is listed twice in stage watching; keep one"},
		"SCP on management":             {"targets: [ou-ab12-workloads]", `targets: [ou-ab12-workloads, "111111111111"]`, "f:16:34: the management account cannot be guarded by an SCP; move it to a stage with scp: false"},
		"backlog without SCP":           {"    scp: true\n    backlogMigrated: false", "    backlogMigrated: true", "f:19:22: backlogMigrated without scp has no effect; set scp: true or remove it"},
		"break-glass for all":           {"role/BreakGlass*", "role/*", `f:49:5: pattern "arn:aws:iam::*:role/*" matches every role; name the role, as in arn:aws:iam::*:role/BreakGlass*`},
		"break-glass of elsewhere":      {"arn:aws:iam::*:role/BreakGlass*", "arn:aws-cn:iam::*:role/BreakGlass*", "f:49:5: arn:aws-cn:iam::*:role/BreakGlass* is in partition aws-cn, the home Region in aws; write arn:aws:iam::*:role/BreakGlass*"},
		"approved key of elsewhere":     {"- arn:aws:kms:eu-west-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab\n    aliases", "- arn:aws-cn:kms:cn-north-1:222222222222:key/*\n    aliases", "f:38:9: arn:aws-cn:kms:cn-north-1:222222222222:key/* is in partition aws-cn, the home Region in aws; name one of partition aws"},
		"chosen key of elsewhere":       {"- key: alias/doublelock/secrets", "- key: arn:aws-cn:kms:cn-north-1:222222222222:alias/secrets", "f:46:12: arn:aws-cn:kms:cn-north-1:222222222222:alias/secrets is in partition aws-cn, the home Region in aws; name one of partition aws"},
		"waiver of elsewhere":           {"arn:aws:secretsmanager:us-east-1:444444444444:secret:legacy/*", "arn:aws-us-gov:secretsmanager:*:444444444444:secret:legacy/*", "f:62:15: arn:aws-us-gov:secretsmanager:*:444444444444:secret:legacy/* is in partition aws-us-gov, the home Region in aws; write arn:aws:secretsmanager:*:444444444444:secret:legacy/*"},
		"approved key is no ARN":        {"- arn:aws:kms:eu-west-1:222222222222:key/1234abcd-12ab-34cd-56ef-1234567890ab\n    aliases", "- 1234abcd\n    aliases", `f:38:9: keys.approved.arns[0] "1234abcd" is not a KMS key ARN; write it like arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab`},
		"a manager without a reason":    {`    tags: {doublelock-approved: "yes"}`, "    tags: {doublelock-approved: \"yes\"}\n    managers: [{role: \"arn:aws:iam::*:role/KeyManager\"}]", "f:41:16: keys.approved.managers[0].reason is missing; say why it approves keys"},
		"everybody manages":             {`    tags: {doublelock-approved: "yes"}`, "    tags: {doublelock-approved: \"yes\"}\n    managers: [{role: \"arn:aws:iam::*:role/*\", reason: x}]", "f:41:23: pattern \"arn:aws:iam::*:role/*\" matches every role; name the role, as in arn:aws:iam::*:role/BreakGlass*"},
		"own keys not approved":         {"aliases: [alias/doublelock/secrets]", "aliases: [alias/other]", "f:41:21: the keys that createPerAccount makes are not approved; add alias/doublelock/secrets to keys.approved.aliases"},
		"AWS managed key chosen":        {"- key: alias/doublelock/secrets", "- key: alias/aws/secretsmanager", "f:46:12: alias/aws/secretsmanager is an AWS managed key; name a customer managed key"},
		"key of another Region":         {"      regions: [eu-west-1]\n", "", "f:44:12: the key is in eu-west-1, but is chosen for secrets in us-east-1 too; set regions: [eu-west-1] here, and choose a key of its own for us-east-1"},
		"choice never reached":          {"    - tags: {environment: production}", "    - key: alias/doublelock/secrets\n    - tags: {environment: production}", "f:44:7: this key is never used: line 43 already chooses for these secrets; move the narrower choice up\nf:47:7: two keys for the same secrets: line 43 chooses for exactly these; keep one"},
		"choice in no Region of us":     {"regions: [eu-west-1]\n", "regions: [eu-west-1, eu-west-2]\n", "f:44:28: Region eu-west-2 is not guarded; add it to regions.guarded or remove it here"},
		"no channel":                    {"team-payments: {email: payments@example.com}", "team-payments: {}", "f:57:5: owner team-payments has no channel; add " + fieldsJoinedBy(" or ")},
		"no address":                    {"payments@example.com", "payments", `f:57:28: owners.channels["team-payments"].email "payments" is not an e-mail address; write it like team@example.com`},
		"a Slack channel by name":       {"C0987654321", `"#search"`, `f:58:60: owners.channels["team-search"].slackChannel "#search" is not a Slack channel id; write it like C0123456789`},
		"Slack without workspace":       {"  slackWorkspaceId: T0123456789\n", "", "f:51:1: owners.slackWorkspaceId is missing, but there are Slack channels; add the Slack workspace id such as T0123456789, or set operations.slackApi: true"},
		"a field of no channel":         {"payments@example.com}", "payments@example.com, pager: P1}", `f:57:50: unknown key pager in owners.channels["team-payments"]; use one of ` + fieldsJoinedBy(", ")},
		"a slip in a field":             {"{email: payments@example.com}", "{emal: payments@example.com}", `f:57:21: unknown key emal in owners.channels["team-payments"]; did you mean email?`},
		"nobody receives the fallback":  {"  fallback: security-team", "  fallback: nobody", "f:55:3: stage guarded notifies owners, but the fallback nobody has no channel; add nobody to owners.channels"},
		"a mode that there is none of":  {"migration: {rescueGrants: true}", "migration: {mustKeep: some}", `f:80:23: migration.mustKeep "some" is no mode; use one of seen, workloads, everybody`},
		"accepted without a reason":     {"migration: {rescueGrants: true}", "migration: {accepted: [{principals: \"arn:aws:iam::*:role/old-*\", by: ciso}]}", "f:80:24: migration.accepted[0].reason is missing; say why it need not keep access"},
		"accepted by nobody":            {"migration: {rescueGrants: true}", "migration: {accepted: [{principals: \"arn:aws:iam::*:role/old-*\", reason: x}]}", "f:80:24: migration.accepted[0].by is missing; say who accepted it"},
		"whoever there is is accepted":  {"migration: {rescueGrants: true}", "migration: {accepted: [{principals: \"arn:aws:iam::*:role/*\", by: a, reason: x}]}", `f:80:37: migration.accepted[0].principals "arn:aws:iam::*:role/*" accepts whatever there is; name a part of the name, or the account`},
		"nobody in particular accepted": {"migration: {rescueGrants: true}", "migration: {accepted: [{principals: old, by: a, reason: x}]}", `f:80:37: migration.accepted[0].principals "old" is not an ARN or pattern of roles or users; write it like arn:aws:iam::*:role/stacksets-exec-*`},
		"accepted without a principal":  {"migration: {rescueGrants: true}", "migration: {accepted: [{by: a, reason: x}]}", "f:80:24: migration.accepted[0].principals is missing; add the ARN of a role or user, or a pattern such as arn:aws:iam::*:role/stacksets-exec-*"},
		"accepted of elsewhere":         {"migration: {rescueGrants: true}", "migration: {accepted: [{principals: \"arn:aws-cn:iam::*:role/old-*\", by: a, reason: x}]}", "f:80:37: arn:aws-cn:iam::*:role/old-* is in partition aws-cn, the home Region in aws; write arn:aws:iam::*:role/old-*"},
		"waiver without end":            {"    expires: 2030-12-31\n", "", "f:61:5: waivers[0].expires is missing; a waiver has an end: add a date like 2027-01-31"},
		"waiver with no date":           {"2030-12-31", "next year", "f:65:14: waivers[0].expires is no date; write it like 2027-01-31"},
		"waiver that ended":             {"2030-12-31", "2026-05-31", "f:65:14: the waiver expired on 2026-05-31; remove it, or decide again and set a later date"},
		"waiver of all":                 {"arn:aws:secretsmanager:us-east-1:444444444444:secret:legacy/*", `"*"`, `f:62:15: waivers[0].resource "*" is no ARN; write the ARN; * stands for any text`},
		"no limit":                      {"changesPerHour: 60", "changesPerHour: 0", "f:68:19: limits.changesPerHour is 0; write a number over 0"},
		"account over all":              {"changesPerAccountPerHour: 20", "changesPerAccountPerHour: 90", "f:69:29: one account may change more (90) than all together (60); lower it or raise limits.changesPerHour"},
		"logs for 100 days":             {"logDays: 90", "logDays: 100", "f:72:12: CloudWatch Logs cannot keep logs for 100 days; use 120"},
		"no time to observe":            {"migration: {rescueGrants: true}", "migration: {observeHours: 0}", "f:80:27: migration.observeHours is 0; write a number over 0"},
		"a schedule by hand":            {"operations: #", "operations:\n  sweep: hourly #", `f:76:10: operations.sweep "hourly" is not a schedule; write it like rate(1 hour)`},
		"hours that overflow":           {"migration: {rescueGrants: true}", "migration: {observeHours: 5124096}", "f:80:27: migration.observeHours is 5124096; write a number up to 8784"},
		"hours to watch without end":    {"migration: {rescueGrants: true}", "migration: {watchHours: 2600000}", "f:80:25: migration.watchHours is 2600000; write a number up to 8784"},
		"findings kept for ages":        {"findingDays: 400", "findingDays: 400000", "f:73:16: retention.findingDays is 400000; write a number up to 3653"},
		"a number with a leading zero":  {"changesPerHour: 60", "changesPerHour: 060", "f:68:19: limits.changesPerHour is the number 060; write a whole number"},
		"a number in hexadecimal":       {"changesPerHour: 60", "changesPerHour: 0x60", "f:68:19: limits.changesPerHour is the number 0x60; write a whole number"},
		"waiver for ever":               {"2030-12-31", "9999-12-31", "f:65:14: waivers[0].expires is no date; write it like 2027-01-31"},
		"waiver for centuries":          {"2030-12-31", "2400-12-31", "f:65:14: the waiver lasts more than 10 years; decide again before then: set an earlier date"},
		"waiver of a bucket":            {"arn:aws:secretsmanager:us-east-1:444444444444:secret:legacy/*", `arn:aws:s3:::x`, "f:62:15: arn:aws:s3:::x names no secret and no key; write the ARN of what the finding is about"},
		"an owner without a name":       {"    security-team: {", "    \"\": {email: a@example.com}\n    security-team: {", `f:56:5: an owner without a name; write the name that the owner tag has`},
		"an owner tag of ours":          {"  tags: [Owner", "  tags: [\"doublelock:state\"", `f:52:10: owner tag "doublelock:state" is one that Doublelock writes; use a tag key of your own`},
		"a second document":             {"", "---\nregions: {}\n", "f:82:1: a second document; keep one document in the file"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := settings.Read("f", sampleWith(t, test.old, test.changed), today)
			var problems settings.Problems
			if !errors.As(err, &problems) {
				t.Fatalf("error %v", err)
			}
			if diff := cmp.Diff(test.want, err.Error()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// fieldsJoinedBy are the fields of the channels that there are.
func fieldsJoinedBy(separator string) string {
	var names []string
	for _, f := range channels.Fields(channels.All()) {
		names = append(names, f.Name)
	}
	return strings.Join(names, separator)
}

func TestAllProblemsAtOnceInTheOrderOfTheFile(t *testing.T) {
	text := "organization:\n  id: o-exampleorgid\n  rootId: x\nregions:\n  home: us-est-1\nrollout:\n  - name: a\n    mode: remidiate\n"
	want := strings.Join([]string{
		"f:1:1: organization.managementAccount is missing; add an account id of 12 digits such as \"111122223333\"",
		"f:1:1: organization.securityAccount is missing; add an account id of 12 digits such as \"111122223333\"",
		"f:3:11: organization.rootId \"x\" is not a root id; write it like r-ab12",
		"f:5:9: Region \"us-est-1\" is not known to have Secrets Manager; did you mean us-east-1?",
		"f:7:5: rollout[0].targets is empty; add an OU, an account or the root",
		"f:8:11: mode \"remidiate\" is unknown; did you mean remediate?",
	}, "\n")
	_, err := settings.Parse("f", []byte(text))
	if err == nil {
		t.Fatal("no problem found")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestNotAConfiguration(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"a tab":       {"organization:\n\tid: o-x\n", "f:2:1: not YAML: found a tab, and YAML is indented with spaces alone; correct the line, or the indentation of the line before it"},
		"a list":      {"- a\n", "f:1:1: the file is a list; write it as a mapping of `key: value` lines"},
		"open quotes": {"organization: \"o\n", "f:1:15: not YAML: could not find end character of double-quoted text; correct the line, or the indentation of the line before it"},
		"UTF-16":      {"\xff\xfeo\x00r\x00g\x00", "f:1:1: the file is UTF-16; save it as UTF-8"},
		"a program":   {"\x7fELF\x02\x01\x01\x00", "f:1:1: the file is not text; name a YAML file, saved as UTF-8"},
		"Latin-1":     {"# Sch\xf6n\norganization:\n", "f:1:1: the file is not text; name a YAML file, saved as UTF-8"},
		"too long":    {strings.Repeat("#", settings.MaxBytes+1), "f:1:1: the file is longer than 1048576 bytes; take out what is not configuration"},
	} {
		_, err := settings.Parse("f", []byte(test.text))
		if err == nil {
			t.Fatalf("%s: no problem found", name)
		}
		first, more, _ := strings.Cut(err.Error(), "\n")
		if more != "" {
			t.Errorf("%s: what follows from the first problem is reported too:\n%s", name, more)
		}
		if diff := cmp.Diff(test.want, first); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestTheMarkOfAWindowsEditorIsNotPartOfTheFile(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(configs, "sample.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	config, err := settings.Parse("f", append([]byte("\xef\xbb\xbf"), raw...))
	if err != nil || config.Organization.ID != "o-exampleorgid" {
		t.Errorf("organization %q, error %v", config.Organization.ID, err)
	}
}

func TestAKeyWithAColonIsOneKeyInsideBraces(t *testing.T) {
	for text, want := range map[string]any{
		"{aws:RequestedRegion: [x]}":                            map[string]any{"aws:RequestedRegion": []any{"x"}},
		"a: {aws:PrincipalTag/team: blue, b: 1}":                map[string]any{"a": map[string]any{"aws:PrincipalTag/team": "blue", "b": uint64(1)}},
		"a: [{aws:SourceIp: 1.2.3.4, aws:ViaAWSService: true}]": map[string]any{"a": []any{map[string]any{"aws:SourceIp": "1.2.3.4", "aws:ViaAWSService": true}}},
		"{aws:PrincipalOrgPaths: {aws:x:y: z}, key: arn:aws:kms:x:1:key/y}": map[string]any{
			"aws:PrincipalOrgPaths": map[string]any{"aws:x:y": "z"}, "key": "arn:aws:kms:x:1:key/y",
		},
		`{"a":b, "c":"d"}`:       map[string]any{"a": "b", "c": "d"},
		"a:\n  aws:b: c\nd: e:f": map[string]any{"a": map[string]any{"aws:b": "c"}, "d": "e:f"},
		"":                       nil,
	} {
		var got any
		if err := settings.UnmarshalYAML([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", text, diff)
		}
	}
}

func TestTagsOfAKeyMayHaveColonsInTheirNames(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(configs, "sample.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(raw), "tags: {environment: production}", "tags: {acme:environment: production}", 1)
	config, err := settings.Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"acme:environment": "production"}, config.Keys.Use[0].Tags); diff != "" {
		t.Error(diff)
	}
}

func TestEmptyFileNamesWhatIsMissing(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "{}", "organization:\nregions:\nrollout:\n"} {
		_, err := settings.Parse("f", []byte(text))
		var problems settings.Problems
		if !errors.As(err, &problems) || len(problems) != 6 {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestFileFindsTheLineOfAField(t *testing.T) {
	file, err := settings.Open(filepath.Join(configs, "sample.yaml"), today)
	if err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{
		"rollout[3].targets[0]": filepath.Join(configs, "sample.yaml") + ":30:15: no such OU; correct it",
		"rollout[3].nothing":    filepath.Join(configs, "sample.yaml") + ":29:5: no such OU; correct it",
		"":                      filepath.Join(configs, "sample.yaml") + ":1:1: no such OU; correct it",
	} {
		if diff := cmp.Diff(want, file.Problem(field, "no such OU", "correct it").String()); diff != "" {
			t.Errorf("%s: %s", field, diff)
		}
	}
}

func TestUnquotedAccountIDsKeepTheirZeros(t *testing.T) {
	text := strings.NewReplacer(`"111111111111"`, "012345678901", `"222222222222"`, "000000000012").Replace(string(mustRead(t, "minimal.yaml")))
	config, err := settings.Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"012345678901", "000000000012"}, []string{config.Organization.ManagementAccount, config.Organization.SecurityAccount}); diff != "" {
		t.Error(diff)
	}
}

func mustRead(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(configs, name))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// FuzzParse: whatever is read, it is either valid or every problem has a place and a fix.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"sample.yaml", "minimal.yaml"} {
		f.Add(mustRead(f, name))
	}
	broken, err := filepath.Glob(filepath.Join(configs, "broken", "*.yaml"))
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range broken {
		f.Add(mustRead(f, filepath.Join("broken", filepath.Base(path))))
	}
	f.Add([]byte("a: &a [*a]\n? [x]\n: {y: !!int 1}\n<<: *a\n'k\"]': |\n  z\n"))
	f.Add([]byte("owners:\n  channels:\n    'x\"]': {emial: a}\n    ? - q\n    : 1\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		config, err := settings.Parse("f", raw)
		if err == nil {
			if _, err := config.Runtime().Env(); err != nil && len(raw) < 1000 {
				t.Errorf("a small valid file does not fit into a function's environment: %v", err)
			}
			return
		}
		var problems settings.Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("error without problems: %v", err)
		}
		lines := 1 + bytes.Count(raw, []byte("\n")) + bytes.Count(raw, []byte("\r"))
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.What == "" || p.Fix == "" || strings.Contains(p.String(), "\n") {
				t.Errorf("problem %q of %d lines", p, lines)
			}
		}
	})
}
