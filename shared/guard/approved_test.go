package guard_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

func TestAnAliasOrTagApprovesOnlyWhereItsOwnerCannotWriteIt(t *testing.T) {
	byAlias, byTag := guard.Approved{Aliases: []string{"alias/app"}}, guard.Approved{Tags: map[string]string{"ok": "yes"}}
	named, marked, bare := ownKey, ownKey, ownKey
	named.Aliases, named.Tags = []string{"alias/app"}, map[string]string{}
	marked.Aliases, marked.Tags = []string{}, map[string]string{"ok": "yes"}
	bare.Aliases, bare.Tags = []string{}, map[string]string{}
	withARN, withAccount := byAlias, byTag
	withARN.ARNs, withAccount.Accounts = []string{ownKey.ARN}, []string{ownKey.Account}
	yes, no, unknown := map[string]bool{ownKey.Account: true}, map[string]bool{ownKey.Account: false}, map[string]bool{"999999999999": true}
	for name, c := range map[string]struct {
		approved  guard.Approved
		key       guard.Key
		protected map[string]bool
		want      guard.Outcome
		self      guard.ApprovedBy
	}{
		"an alias that an SCP protects":                     {byAlias, named, yes, guard.Pass, ""},
		"an alias that nobody protects":                     {byAlias, named, no, guard.Fail, guard.ApprovedByAlias},
		"an alias of an account whose place is not known":   {byAlias, named, unknown, guard.Unknown, guard.ApprovedByAlias},
		"an alias where nobody asked":                       {byAlias, named, nil, guard.Unknown, guard.ApprovedByAlias},
		"a tag that an SCP protects":                        {byTag, marked, yes, guard.Pass, ""},
		"a tag that nobody protects":                        {byTag, marked, no, guard.Fail, guard.ApprovedByTag},
		"a tag of an account whose place is not known":      {byTag, marked, nil, guard.Unknown, guard.ApprovedByTag},
		"an ARN needs no SCP":                               {withARN, named, no, guard.Pass, ""},
		"an account needs none either":                      {withAccount, marked, no, guard.Pass, ""},
		"a key with neither, protected":                     {byAlias, bare, yes, guard.Fail, ""},
		"a key with neither, in a place that is not known":  {byTag, bare, nil, guard.Fail, ""},
		"aliases that were not read, protected":             {byAlias, ownKey, yes, guard.Unknown, ""},
		"aliases that were not read, where they count not":  {byAlias, ownKey, no, guard.Fail, ""},
		"tags that were not read, in a place not known":     {byTag, ownKey, nil, guard.Unknown, ""},
		"nothing is approved, so the own account is enough": {guard.Approved{}, named, nil, guard.Pass, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c.approved.Protected = c.protected
			if got := c.approved.Allows(c.key, ownKey.Account); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if got, _ := c.approved.SelfApproved(c.key); got != c.self {
				t.Errorf("approved by %q itself, want %q", got, c.self)
			}
			if asked := slices.Contains(c.approved.DependsOn(c.key), ownKey.Account); !asked && c.want != c.approved.Allows(c.key, ownKey.Account) {
				t.Error("nobody would ask whether its account is protected")
			}
		})
	}
}

// What is not known never approves, and never stands in the way of what is: each answer of one that knows less is the answer
// of one that knows more, or unknown.
func TestKnowingLessOfAnAccountChangesNoAnswerIntoItsOpposite(t *testing.T) {
	for _, aliases := range [][]string{nil, {}, {"alias/app"}} {
		for _, tags := range []map[string]string{nil, {}, {"ok": "yes"}} {
			key := ownKey
			key.Aliases, key.Tags = aliases, tags
			a := guard.Approved{Aliases: []string{"alias/app"}, Tags: map[string]string{"ok": "yes"}}
			less := a.Allows(key, key.Account)
			for _, is := range []bool{true, false} {
				a.Protected = map[string]bool{key.Account: is}
				if more := a.Allows(key, key.Account); less != guard.Unknown && more != less {
					t.Errorf("aliases %v, tags %v: %s, and %s when its account is known to be protected: %v", aliases, tags, less, more, is)
				}
				if is == false && a.Allows(key, key.Account) != guard.Fail {
					t.Errorf("aliases %v, tags %v approve where their owner writes them", aliases, tags)
				}
			}
			depends := len(a.DependsOn(key)) > 0
			if less == guard.Unknown && !depends {
				t.Errorf("aliases %v, tags %v: unknown, and nobody would ask for the account", aliases, tags)
			}
		}
	}
}

func TestAFindingSaysThatItsOwnerApprovedTheKey(t *testing.T) {
	named, marked := ownKey, otherKey
	named.Aliases, named.Tags = []string{"alias/app"}, map[string]string{}
	marked.Aliases, marked.Tags = []string{}, map[string]string{"ok": "yes"}
	s := secret(named, named)
	s.Replicas = []guard.Replica{{Region: "eu-west-1", Key: marked}}
	approved := guard.Approved{Aliases: []string{"alias/app"}, Tags: map[string]string{"ok": "yes"}}
	said := func(a guard.Approved) string {
		for _, v := range guard.Evaluate(s, guard.Standard{Approved: a}, now) {
			if v.Control.ID == guard.SecretKeyUnapproved {
				return string(v.Outcome) + ": " + v.Describe()
			}
		}
		return ""
	}
	want := "fail: its key " + named.ARN + " is approved by an alias that its owner can move; the key of its replica in eu-west-1 " +
		marked.ARN + " is approved by a tag that its owner can write"
	if diff := cmp.Diff(want, said(protected(approved, false))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want = "unknown: its key " + named.ARN + " is approved by an alias that its owner can move unless an SCP forbids it, which is not known here; " +
		"the key of its replica in eu-west-1 " + marked.ARN + " is approved by a tag that its owner can write unless an SCP forbids it, which is not known here"
	if diff := cmp.Diff(want, said(approved)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	older := named
	older.ARN = "arn:aws:kms:us-east-1:" + ownKey.Account + ":key/older"
	central := approved
	central.ARNs = []string{named.ARN}
	s.Replicas, s.Versions = nil, []guard.Version{{ID: "v", Stages: []string{"AWSPREVIOUS"}, Keys: []guard.Key{older}}}
	for unknown, want := range map[bool]string{
		true:  "unknown: AWSPREVIOUS (version v) opens with " + older.ARN + ", which is approved by an alias that its owner can move unless an SCP forbids it, which is not known here",
		false: "fail: AWSPREVIOUS (version v) opens with " + older.ARN + ", which is approved by an alias that its owner can move",
	} {
		a := central
		if !unknown {
			a = protected(central, false)
		}
		if diff := cmp.Diff(want, said(a)); diff != "" {
			t.Errorf("of an older copy (-want +got):\n%s", diff)
		}
	}
	if s.Versions[0].Keys[0].SelfApproved != "" {
		t.Error("the secret itself was written on")
	}
	if got := said(protected(approved, true)); got != "pass: " {
		t.Errorf("where an SCP protects both: %q", got)
	}
}

// Each name of a key is doubted by itself: one that nobody doubts approves it, and of those that are doubted the one counts of which
// less is known to be wrong.
func TestADoubtIsAboutOneNameOfAKey(t *testing.T) {
	key := ownKey
	key.Aliases, key.Tags = []string{"alias/app", "alias/old"}, map[string]string{"ok": "yes"}
	approved := guard.Approved{Aliases: []string{"alias/app"}, Tags: map[string]string{"ok": "yes"}, Protected: map[string]bool{key.Account: true}}
	at := now
	alias := guard.Doubt{By: guard.ApprovedByAlias, Name: "alias/app", Actor: "dev", Call: "UpdateAlias", At: at}
	tag := guard.Doubt{By: guard.ApprovedByTag, Actor: "dev", Call: "TagResource", At: at}
	other, nobody, unsure := alias, alias, tag
	other.Name = "alias/old"
	nobody.Actor, unsure.Actor = "", ""
	unsure.At = time.Time{} // KMS does not say when a tag was written
	for sentence, c := range map[string]struct {
		aliases bool // alone approve keys
		doubts  []guard.Doubt
		want    guard.Outcome
		words   string
	}{
		"of the alias, not of the tag":           {false, []guard.Doubt{alias}, guard.Pass, ""},
		"of the tag, not of the alias":           {false, []guard.Doubt{tag}, guard.Pass, ""},
		"of both":                                {false, []guard.Doubt{tag, alias}, guard.Fail, "approved by an alias that dev, who is no approver, set at "},
		"of both, and who set the alias is open": {false, []guard.Doubt{nobody, tag}, guard.Unknown, "approved by alias/app, which was set at "},
		"of both, and who wrote the tag is open": {false, []guard.Doubt{alias, unsure}, guard.Unknown, "approved by a tag that somebody wrote, and nobody knows who"},
		"of an alias that approves nothing":      {true, []guard.Doubt{other}, guard.Pass, ""},
		"of the alias that approves it alone":    {true, []guard.Doubt{other, alias}, guard.Fail, "approved by an alias that dev, who is no approver, set at "},
		"of the tag, where only aliases approve": {true, []guard.Doubt{tag}, guard.Pass, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			a := approved
			if c.aliases {
				a.Tags = nil
			}
			a.Doubts = map[string][]guard.Doubt{key.ARN: c.doubts}
			if got := a.Allows(key, key.Account); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			_, doubt := a.SelfApproved(key)
			words := ""
			if doubt != nil {
				words = doubt.Words()
			}
			if !strings.HasPrefix(words, c.words) || (words == "") != (c.words == "") || (strings.Contains(words, ", and nobody knows who") || strings.Contains(words, ", and who set it is not known")) != (c.want == guard.Unknown) {
				t.Errorf("it is %q, want %q", words, c.words)
			}
			a.Protected = map[string]bool{key.Account: false}
			if by, doubt := a.SelfApproved(key); by == "" || doubt != nil {
				t.Errorf("nobody keeps its owner from it, which is said first: %q, %+v", by, doubt)
			}
		})
	}
}
