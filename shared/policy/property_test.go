package policy_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/doublelock/doublelock/shared/policy"
)

const (
	account = "111122223333"
	other   = "444455556666"
	secret  = "arn:aws:secretsmanager:eu-west-1:" + account + ":secret:pay/db-AbCdEf"
	key     = "arn:aws:kms:eu-west-1:" + account + ":key/1234abcd-12ab-34cd-56ef-1234567890ab"
)

var principals = []string{
	"arn:aws:iam::" + account + ":user/ana", "arn:aws:sts::" + account + ":assumed-role/app/run-1",
	"arn:aws:iam::" + account + ":role/app", "arn:aws:iam::" + account + ":root",
	"arn:aws:sts::" + account + ":federated-user/fay", "arn:aws:sts::" + other + ":assumed-role/vendor/job",
	"lambda.amazonaws.com", "*",
}

// world draws small documents over few names, so that they often meet.
type world struct{ t *rapid.T }

func (w world) one(label string, of ...string) string { return rapid.SampledFrom(of).Draw(w.t, label) }

func (w world) action() string {
	return w.one("action", "secretsmanager:GetSecretValue", "secretsmanager:*", "*", "kms:Decrypt", "kms:*", "secretsmanager:get*", "iam:*")
}

func (w world) resource() string {
	return w.one("resource", "*", secret, key, "arn:aws:secretsmanager:*:*:secret:pay/*", "arn:aws:kms:*:*:key/*",
		"arn:aws:secretsmanager:*:"+account+":secret:${aws:PrincipalTag/team}/*", "arn:aws:s3:::x")
}

func (w world) principal() any {
	if rapid.Bool().Draw(w.t, "everyone") {
		return "*"
	}
	return map[string]any{"AWS": w.one("principal", account, other, principals[0], principals[1], principals[2], principals[4], principals[5])}
}

func (w world) condition() map[string]any {
	operator := w.one("operator", "StringEquals", "StringNotEquals", "StringLikeIfExists", "StringNotLike", "ForAnyValue:StringEquals", "ForAllValues:StringLike", "Null")
	key := w.one("key", "aws:PrincipalTag/team", "aws:SourceVpce", "aws:TagKeys", "kms:ViaService")
	value := w.one("value", "pay", "ops", "p*", "${aws:SourceVpce}")
	if operator == "Null" {
		value = w.one("null", "true", "false")
	}
	return map[string]any{operator: map[string]any{key: value}}
}

func (w world) statement(named bool, effect string) map[string]any {
	s := map[string]any{"Effect": effect}
	s[w.one("about", "Action", "Action", "Action", "NotAction")] = w.action()
	s[w.one("on", "Resource", "Resource", "Resource", "NotResource")] = w.resource()
	if rapid.IntRange(0, 2).Draw(w.t, "conditional") == 0 {
		s["Condition"] = w.condition()
	}
	if named && effect == "Deny" && rapid.IntRange(0, 4).Draw(w.t, "not") == 0 {
		s["NotPrincipal"] = map[string]any{"AWS": w.one("except", account, principals[0], principals[2])}
	} else if named {
		s["Principal"] = w.principal()
	}
	return s
}

func (w world) statements(named bool) []map[string]any {
	out := make([]map[string]any, rapid.IntRange(0, 3).Draw(w.t, "statements"))
	for i := range out {
		out[i] = w.statement(named, w.one("effect", "Allow", "Allow", "Deny"))
	}
	return out
}

func (w world) document(name string, statements []map[string]any) *policy.Document {
	raw, err := json.Marshal(map[string]any{"Version": policy.Version2012, "Statement": statements})
	if err != nil {
		w.t.Fatal(err)
	}
	d, err := policy.Parse(name, raw)
	if err != nil {
		w.t.Fatalf("%v\n%s", err, raw)
	}
	return d
}

// draft is a request with policies that can still be changed.
type draft struct {
	request                                         policy.Request
	identity, boundary, session, scp, rcp, resource []map[string]any
	bounded, inSession, inOrganization, hasResource bool
	grants                                          []policy.Grant
}

func (w world) draft() draft {
	d := draft{identity: w.statements(false), boundary: w.statements(false), session: w.statements(false), scp: w.statements(false), resource: w.statements(true)}
	d.rcp = []map[string]any{}
	if rapid.Bool().Draw(w.t, "rcp") {
		d.rcp = append(d.rcp, with(w.statement(false, "Deny"), "Principal", "*"))
	}
	principal, err := policy.ParsePrincipal(w.one("who", principals...))
	if err != nil {
		w.t.Fatal(err)
	}
	d.request = policy.Request{Principal: principal, ResourceAccount: account, Context: map[string][]string{}}
	d.request.Action, d.request.Resource = "secretsmanager:GetSecretValue", secret
	if rapid.Bool().Draw(w.t, "key") {
		d.request.Action, d.request.Resource = "kms:Decrypt", key
		if rapid.Bool().Draw(w.t, "grant") {
			d.grants = []policy.Grant{{ID: "g", Grantee: w.one("grantee", principals[:6]...), Operations: []string{"Decrypt"}}}
		}
	}
	for _, key := range []string{"aws:PrincipalTag/team", "aws:SourceVpce", "aws:TagKeys"} {
		switch rapid.IntRange(0, 3).Draw(w.t, key) {
		case 0:
			d.request.Unknown = append(d.request.Unknown, key)
		case 1, 2:
			d.request.Context[key] = []string{w.one("value of "+key, "pay", "ops")}
		}
	}
	d.bounded, d.inSession = rapid.Bool().Draw(w.t, "bounded"), rapid.Bool().Draw(w.t, "in session")
	d.inOrganization, d.hasResource = rapid.Bool().Draw(w.t, "in organization"), rapid.Bool().Draw(w.t, "has resource policy")
	return d
}

func (w world) policies(d draft) policy.Policies {
	p := policy.Policies{Identity: []*policy.Document{w.document("identity", d.identity)}, Grants: d.grants}
	if d.bounded {
		p.Boundary = []*policy.Document{w.document("boundary", d.boundary)}
	}
	if d.inSession {
		p.Session = []*policy.Document{w.document("session", d.session)}
	}
	if d.inOrganization {
		p.SCPs = [][]*policy.Document{{w.document("scp", d.scp)}}
		p.RCPs = [][]*policy.Document{{w.document("rcp", d.rcp)}}
	}
	if d.hasResource {
		p.Resource = w.document("resource", d.resource)
	}
	return p
}

func (w world) answer(d draft) policy.Answer { return policy.Evaluate(d.request, w.policies(d)).Answer }

var everything = map[string]any{"Action": "*", "Resource": "*"}

func with(elements map[string]any, more ...any) map[string]any {
	out := map[string]any{}
	for k, v := range elements {
		out[k] = v
	}
	for i := 0; i < len(more); i += 2 {
		out[more[i].(string)] = more[i+1]
	}
	return out
}

// parts are the parts of a draft that take statements, with what a statement there must have.
func (d *draft) parts() map[string]*[]map[string]any {
	out := map[string]*[]map[string]any{}
	switch d.request.Principal.Kind {
	case policy.KindService, policy.KindAnonymous:
	default:
		out["identity"] = &d.identity
		if d.bounded {
			out["boundary"] = &d.boundary
		}
		if d.inSession {
			out["session"] = &d.session
		}
		if d.inOrganization {
			out["scp"] = &d.scp
		}
	}
	if d.hasResource {
		out["resource"] = &d.resource
	}
	return out
}

func names(parts map[string]*[]map[string]any) []string {
	var out []string
	for _, name := range []string{"identity", "boundary", "session", "scp", "resource"} {
		if parts[name] != nil {
			out = append(out, name)
		}
	}
	return out
}

func TestDenyAlwaysWins(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := world{t}
		d := w.draft()
		parts := d.parts()
		if len(parts) == 0 {
			return
		}
		name := w.one("where", names(parts)...)
		deny := with(everything, "Effect", "Deny")
		if name == "resource" {
			deny["Principal"] = "*"
		}
		*parts[name] = append(*parts[name], deny)
		if got := w.answer(d); got != policy.ExplicitlyDenied {
			t.Fatalf("%s in spite of a deny of everything in the %s policy", got, name)
		}
	})
}

// access orders answers by how much they give.
func access(a policy.Answer) int {
	switch a {
	case policy.Allowed:
		return 2
	case policy.Unknown:
		return 1
	}
	return 0
}

func TestAddingAnAllowNeverRemovesAccess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := world{t}
		d := w.draft()
		before := w.answer(d)
		parts := d.parts()
		if len(parts) == 0 {
			return
		}
		name := w.one("where", names(parts)...)
		*parts[name] = append(*parts[name], w.statement(name == "resource", "Allow"))
		if after := w.answer(d); access(after) < access(before) {
			t.Fatalf("%s became %s by an Allow in the %s policy", before, after, name)
		}
	})
}

func TestRemovingAStatementNeverAddsADeny(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := world{t}
		d := w.draft()
		before := w.answer(d)
		parts := d.parts()
		if len(parts) == 0 {
			return
		}
		name := w.one("where", names(parts)...)
		list := *parts[name]
		if len(list) == 0 {
			return
		}
		i := rapid.IntRange(0, len(list)-1).Draw(t, "which")
		*parts[name] = append(append([]map[string]any{}, list[:i]...), list[i+1:]...)
		if after := w.answer(d); after == policy.ExplicitlyDenied && before != policy.ExplicitlyDenied {
			t.Fatalf("%s became %s by removing a statement of the %s policy", before, after, name)
		}
	})
}

// What an unknown key makes unknown, each of its values decides to something; where the answer is known in spite of
// an unknown key, every value gives the same access.
func TestKnownAnswersHoldForEveryValueOfAnUnknownKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := world{t}
		d := w.draft()
		d.request.Unknown = []string{"aws:SourceVpce"}
		delete(d.request.Context, "aws:SourceVpce")
		decided := w.answer(d)
		if decided == policy.Unknown {
			return
		}
		d.request.Unknown = nil
		if got := w.answer(d); access(got) != access(decided) {
			t.Fatalf("%s with the key unknown, %s without it", decided, got)
		}
		for _, value := range []string{"pay", "ops", "px", ""} {
			d.request.Context["aws:SourceVpce"] = []string{value}
			if got := w.answer(d); access(got) != access(decided) {
				t.Fatalf("%s with the key unknown, %s with the value %q", decided, got, value)
			}
		}
	})
}

// Where the answer is known of a key of which it is known that it has one of two values, it is the answer with either.
func TestKnownAnswersHoldForEachValueOfAKeyWithOneOfTwo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := world{t}
		d := w.draft()
		d.request.Unknown = nil
		delete(d.request.Context, "aws:SourceVpce")
		d.request.OneOf = map[string][]string{"aws:SourceVpce": {"pay", "ops"}}
		decided := w.answer(d)
		d.request.OneOf = nil
		var with []int
		for _, value := range []string{"pay", "ops"} {
			d.request.Context["aws:SourceVpce"] = []string{value}
			with = append(with, access(w.answer(d)))
		}
		if level := access(decided); decided != policy.Unknown && (with[0] != level || with[1] != level) {
			t.Fatalf("%s with the key one of two values, %d with each", decided, with)
		}
	})
}

// Where the answer is known of a key that has some values and perhaps more, it is the answer with those alone and with others beside them.
func TestKnownAnswersHoldForMoreValuesThanAKeyIsKnownToHave(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := world{t}
		d := w.draft()
		d.request.Unknown = nil
		delete(d.request.Context, "aws:TagKeys")
		d.request.AtLeast = map[string][]string{"aws:TagKeys": {"pay"}}
		decided := w.answer(d)
		d.request.AtLeast = nil
		for _, values := range [][]string{{"pay"}, {"pay", "ops"}, {"pay", "px", "q"}} {
			d.request.Context["aws:TagKeys"] = values
			if got := w.answer(d); decided != policy.Unknown && access(got) != access(decided) {
				t.Fatalf("%s with at least one value, %s with %v", decided, got, values)
			}
		}
	})
}

// What is certain of a federated user, of whose session policy nothing is said, is not the opposite where there is none, or one that
// allows all.
func TestKnownAnswersHoldForASessionPolicyOrNone(t *testing.T) {
	t.Parallel()
	fay := mustPrincipal(t, principals[4])
	rapid.Check(t, func(t *rapid.T) {
		w := world{t}
		d := w.draft()
		d.request.Principal = fay
		d.inSession = false
		p := w.policies(d)
		decided := policy.Evaluate(d.request, p).Answer
		p.NoSession = true
		none := policy.Evaluate(d.request, p).Answer
		p.NoSession, p.Session = false, []*policy.Document{policy.MustParse("session", fullAccess)}
		whole := policy.Evaluate(d.request, p).Answer
		for _, other := range []policy.Answer{none, whole} {
			if decided != policy.Unknown && other != policy.Unknown && access(decided) != access(other) {
				t.Fatalf("%s, but %s without a session policy and %s with one that allows all", decided, none, whole)
			}
		}
	})
}

func TestBrokenDocumentNeverGivesAccess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := world{t}
		d := w.draft()
		p := w.policies(d)
		before := policy.Evaluate(d.request, p)
		p.Identity = append(p.Identity, policy.Broken("torn", fmt.Errorf("torn")))
		after := policy.Evaluate(d.request, p)
		signed := d.parts()["identity"] != nil
		switch {
		case before.Answer == policy.ExplicitlyDenied && after.Answer != policy.ExplicitlyDenied:
			t.Fatalf("%s became %s", before.Answer, after.Answer)
		case signed && after.Answer == policy.Allowed:
			t.Fatal("allowed though a document that may deny cannot be read")
		case after.Answer == policy.Unknown && signed && len(after.Unreadable) == 0:
			t.Fatal("the unreadable document is not named")
		}
	})
}

func TestPrintAndParseAreInverse(t *testing.T) {
	t.Parallel()
	same := cmp.Options{
		cmpopts.IgnoreUnexported(policy.Document{}, policy.Statement{}, policy.PrincipalSet{}),
		cmpopts.IgnoreFields(policy.Document{}, "Size"), cmpopts.IgnoreFields(policy.Statement{}, "Line"),
	}
	rapid.Check(t, func(t *rapid.T) {
		w := world{t}
		d := w.document("p", w.statements(rapid.Bool().Draw(t, "named")))
		for form, text := range map[string][]byte{"printed": d.Print(), "minified": d.Minified()} {
			again, err := policy.Parse("p", text)
			if err != nil {
				t.Fatalf("%s: %v\n%s", form, err, text)
			}
			if diff := cmp.Diff(d, again, same); diff != "" {
				t.Fatalf("%s: %s", form, diff)
			}
		}
	})
}

func TestIndexAgreesWithEvaluate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := world{t}
		d := w.draft()
		p := w.policies(d)
		targets := []policy.Target{
			{ARN: d.request.Resource, Account: account, Policy: p.Resource, Grants: d.grants, RCPs: p.RCPs, Context: d.request.Context},
			{ARN: "arn:aws:s3:::x", Account: account, Context: d.request.Context, Unknown: []string{"aws:TagKeys", "kms:ViaService"}},
			{ARN: "arn:aws:s3:::y", Account: other, Policy: p.Resource, Context: d.request.Context},
		}
		for _, of := range []int{0, 1, 2} { // neighbours that are like them but in one thing, which may tell them apart, and in none
			for _, change := range []func(*policy.Target){
				func(*policy.Target) {},
				func(t *policy.Target) { t.ARN = "arn:aws:s3:::x" },
				func(t *policy.Target) { t.Grants = nil },
				func(t *policy.Target) { t.Unknown = []string{"aws:RequestedRegion"} },
				func(t *policy.Target) { t.Management = true },
				func(t *policy.Target) { t.Policy = nil },
				func(t *policy.Target) {
					t.Context = map[string][]string{"aws:RequestedRegion": {"eu-north-1"}, "kms:ViaService": {"s3"}}
				},
			} {
				neighbour := targets[of]
				change(&neighbour)
				targets = append(targets, neighbour)
			}
		}
		query := policy.NewIndex(targets).Ask(policy.Request{Principal: d.request.Principal, Action: d.request.Action, Unknown: d.request.Unknown}, p)
		candidate := map[int]bool{}
		for i := range query.Candidates() {
			candidate[i] = true
		}
		for i, target := range targets {
			r, q := d.request, p
			r.Resource, r.ResourceAccount, r.Context = target.ARN, target.Account, target.Context
			r.Unknown = append(append([]string(nil), r.Unknown...), target.Unknown...)
			q.Resource, q.Grants, q.RCPs, q.ManagementResource = target.Policy, target.Grants, target.RCPs, target.Management
			want := policy.Evaluate(r, q)
			if got := query.Answer(i); access(got) != access(want.Answer) {
				t.Fatalf("target %d: the index says %s, Evaluate %s: %s", i, got, want.Answer, want.Why)
			}
			if access(want.Answer) > 0 && !candidate[i] {
				t.Fatalf("target %d is %s but no candidate", i, want.Answer)
			}
			if diff := cmp.Diff(want, query.Decision(i)); diff != "" {
				t.Fatalf("target %d: %s", i, diff)
			}
		}
	})
}
