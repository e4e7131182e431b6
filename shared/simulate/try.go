package simulate

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

// Outcome is what the candidates do to a call.
type Outcome string

const (
	Denied  Outcome = "denied"  // a candidate stops it
	Unknown Outcome = "unknown" // what was not recorded would decide
	Exempt  Outcome = "exempt"  // only an exemption of its principal saves it
	Unbound Outcome = "unbound" // organization policies do not bind its principal or resource
	Passes  Outcome = "passes"
)

// Options say what the candidates are tried under.
type Options struct {
	ManagementAccount string   // whose principals and resources they do not bind; ""
	Organization      string   // id of the organization that they are for: an account that has the resource of a call is in it; ""
	Members           []string // other accounts that are in it for sure
	// Alone: the candidates replace FullAWSAccess, so what none of them allows is denied.
	Alone bool
	// Aliases are the key ARNs that alias ARNs stand for, where they are known.
	Aliases map[string]string
	Since   map[string]time.Time // aliases by ARN: when each was given to its key; of others it is not known what they led to before
	// What is known of an organization beside its records: keys by ARN, secrets with their keys, and principals by account/role/name or
	// account/user/name.
	Keys       map[string]guard.Key
	Secrets    []guard.Secret
	Principals map[string]Principal
	// Answers are AWS's, of whether a policy about the AWS managed key stops a way to it, as far as somebody has asked.
	Answers []Answer
}

// Principal is a role or user that is there. Former says of a unique id, or of a time, that whoever had its name then was another one.
type Principal struct {
	ARN    string
	Former func(uniqueID string, at time.Time) bool
}

// Trial tries calls on candidates. It is safe for concurrent use.
type Trial struct {
	options  Options
	scps     []*policy.Document
	rcps     []*policy.Document
	strict   documents // SCPs and RCPs without exemptions of principals
	bounds   sync.Map  // by unnamed: of calls about resources that nobody named
	behind   sync.Map  // by the name of a call that is no action's: the actions of which it may be
	anything *policy.Document
	all      *policy.Document

	wholeAccounts   bool // no candidate sets the keys of one account and Region apart
	awsAliasesAlone bool // no candidate asks for aliases of keys but AWS's own
	trialsAlone     bool // no candidate asks for a version of a secret but the one that stands for the trial of a key
	asks            map[string]bool
	folders         []string                 // paths of roles and users in the candidates' patterns
	suffixes        []string                 // ends of secrets' ARNs that those patterns may fit
	secrets         map[string]*guard.Secret // that are known, by ARN
	named           map[string]*guard.Secret // by what it is without its end; nil for one of several
}

// New prepares a trial.
func New(candidates []Candidate, o Options) (*Trial, error) {
	t := &Trial{options: o, wholeAccounts: asksForWholeAccounts(candidates),
		all:      policy.MustParse("FullAWSAccess", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`),
		anything: policy.MustParse("any resource policy", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`),
	}
	t.awsAliasesAlone = asksForAWSAliasesAlone(candidates)
	t.trialsAlone = asksForTrialsAlone(candidates)
	t.asks, t.folders = asked(candidates)
	t.suffixes = suffixesOf(candidates)
	t.secrets, t.named = known(o.Secrets)
	if !o.Alone {
		t.scps = append(t.scps, t.all)
		t.strict[0] = append(t.strict[0], t.all)
	}
	for _, c := range candidates {
		strict, err := rewrite(c.Document, withoutExemptions)
		if err != nil {
			return nil, err
		}
		i, own := 0, &t.scps
		if c.Type == policy.TypeRCP {
			i, own = 1, &t.rcps
		}
		*own = append(*own, c.Document)
		t.strict[i] = append(t.strict[i], strict)
	}
	return t, nil
}

// Verdict is what the candidates do to one call, and why.
type Verdict struct {
	Outcome   Outcome
	Decision  policy.Decision
	Statement string // the statement that decides, for people; "" when none does
	Step      string // action of the call to KMS within the call that it decides on; "" for the call itself
	Asked     string // which of Options.Answers decides, and why; ""
}

// Try asks about one call, and about the calls to KMS that Secrets Manager makes for its caller: who is stopped at one is
// stopped.
func (t *Trial) Try(call Call) Verdict {
	v := t.settled(call)
	if v.Outcome == Denied || v.Outcome == Unbound {
		return v
	}
	for _, s := range t.implied(call) {
		at := t.seen(s)
		at.Step = s.call.Request.Action
		if at.Outcome == Denied && s.unsure != "" {
			at = unsure(at, s.unsure)
			at.Asked = s.asked
		}
		if at.Outcome == Unknown && s.anyKey != "" {
			at.Decision.Why += "; " + s.anyKey
		}
		asked := cmp.Or(v.Asked, at.Asked)
		if severity[at.Outcome] > severity[v.Outcome] {
			asked = cmp.Or(at.Asked, v.Asked)
			v = at
		}
		if v.Asked = asked; v.Outcome == Denied { // by what is documented, whatever else was answered
			v.Asked = ""
		}
	}
	return v
}

// unsure is a denial of which something says that it may be none.
func unsure(v Verdict, why string) Verdict {
	v.Outcome, v.Decision.Answer, v.Decision.Why = Unknown, policy.Unknown, "unknown: "+why+"; "+v.Decision.Why
	return v
}

// severity orders what becomes of the steps of a call: the worst is the call's.
var severity = map[Outcome]int{Unbound: 0, Passes: 0, Exempt: 1, Unknown: 2, Denied: 3}

func (t *Trial) settled(call Call) Verdict {
	actions := t.actionsBehind(call.Request.Action)
	var verdicts []Verdict
	for _, action := range actions {
		call.Request.Action = action
		verdicts = append(verdicts, t.settledAs(call))
	}
	if len(verdicts) == 1 {
		return verdicts[0]
	}
	v := settle(verdicts)
	if v.Outcome == Unknown {
		v.Decision.Why += "; the call is not named like the action that authorizes it, which may be one of several"
	}
	return v
}

func (t *Trial) settledAs(call Call) Verdict {
	var verdicts []Verdict
	for _, variant := range t.variants(call) {
		verdicts = append(verdicts, t.try(variant))
	}
	v := settle(verdicts)
	if found, another := t.secretOf(call); v.Outcome == Unknown && another != "" && call.unsureSuffix && !call.NoResource {
		call.Request.Resource, call.unsureSuffix = found.ARN, false
		if t.settledAs(call).Outcome != Unknown {
			v.Decision.Why += "; " + another
		}
	}
	return v
}

func (t *Trial) try(call Call) Verdict {
	if t.unbound(call) {
		return Verdict{Outcome: Unbound}
	}
	call = t.withOrganization(t.withAlias(call))
	kindest, spared := documents{t.scps, t.rcps}, t.strict
	var harshest documents
	if call.NoResource {
		b, err := t.boundsOf(unnamed{call.Request.Resource, call.manager})
		if err != nil {
			return Verdict{Outcome: Unknown, Decision: policy.Decision{Answer: policy.Unknown, Why: "unknown: " + err.Error()}}
		}
		kindest, harshest, spared = b.kindest, b.harshest, b.spared
	}
	d := t.evaluate(call, kindest)
	switch d.Answer {
	case policy.ExplicitlyDenied, policy.ImplicitlyDenied:
		return verdict(Denied, d)
	case policy.Unknown:
		return verdict(Unknown, d)
	}
	if call.NoResource {
		if harsh := t.evaluate(call, harshest); harsh.Answer != policy.Allowed {
			harsh.Answer, harsh.Why = policy.Unknown, "unknown: the resource is not named; "+harsh.Why
			return verdict(Unknown, harsh)
		}
	}
	if strict := t.evaluate(call, spared); strict.Answer == policy.ExplicitlyDenied {
		return verdict(Exempt, strict)
	}
	return Verdict{Outcome: Passes, Decision: d}
}

func verdict(o Outcome, d policy.Decision) Verdict {
	v := Verdict{Outcome: o, Decision: d}
	for _, ref := range d.Decided {
		if ref.Effect == policy.Deny {
			v.Statement = ref.Document + "/" + statementName(ref)
			return v
		}
	}
	if d.Answer == policy.ImplicitlyDenied {
		v.Statement = "no candidate allows it"
	}
	return v
}

func statementName(ref policy.StatementRef) string {
	switch {
	case ref.SID != "":
		return ref.SID
	case ref.Index >= 0:
		return "statement " + itoa(ref.Index)
	}
	return "whole document"
}

func (t *Trial) evaluate(call Call, candidates documents) policy.Decision {
	scps, rcps := candidates[0], candidates[1]
	p := policy.Policies{Identity: []*policy.Document{t.all}, Resource: t.anything, ResourceKind: policy.ResourcePlain,
		SCPs: [][]*policy.Document{scps}, ManagementPrincipal: t.manages(call.Request.Principal.Account),
		ManagementResource: t.manages(call.Request.ResourceAccount)}
	if call.outside {
		p.SCPs = nil
	}
	if len(rcps) > 0 && call.rcps != bindNot {
		p.RCPs = [][]*policy.Document{append([]*policy.Document{t.anything}, rcps...)}
	}
	return policy.Evaluate(call.Request, p)
}

// withOrganization says of a principal that it is in the organization where its account has the resource, which the policies
// bind, or is known to be in it. Of every other it is not known.
func (t *Trial) withOrganization(call Call) Call {
	p := &call.Request.Principal
	if p.OrganizationID == "" && p.Account != "" && (p.Account == cmp.Or(call.home, call.Request.ResourceAccount) || slices.Contains(t.options.Members, p.Account)) {
		p.OrganizationID = t.options.Organization
	}
	return call
}

func (t *Trial) manages(account string) bool {
	return account != "" && account == t.options.ManagementAccount
}

// unbound reports whether neither kind of policy reaches the call.
// Source: AWS Organizations User Guide, "SCP evaluation", tasks and entities not restricted by SCPs.
func (t *Trial) unbound(call Call) bool {
	p := call.Request.Principal
	scps := p.Kind == policy.KindService || p.Kind == policy.KindAnonymous || call.outside || p.ServiceLinked() || t.manages(p.Account)
	rcps := len(t.rcps) == 0 || p.ServiceLinked() || t.manages(call.Request.ResourceAccount)
	return scps && rcps
}

// rewrite makes a document of changed statements under the same name.
func rewrite(d *policy.Document, change func(policy.Statement) policy.Statement) (*policy.Document, error) {
	statements := make([]policy.Statement, len(d.Statements))
	for i, s := range d.Statements {
		statements[i] = change(policy.Statement{SID: s.SID, Effect: s.Effect, Principal: s.Principal, NotPrincipal: s.NotPrincipal,
			Actions: s.Actions, NotActions: s.NotActions, Resources: s.Resources, NotResources: s.NotResources, Conditions: s.Conditions})
	}
	out, err := policy.New(d.Name, statements...)
	if err != nil {
		return nil, err
	}
	for i, s := range d.Statements { // where people find it
		out.Statements[i].Line = s.Line
	}
	return out, nil
}

// withoutExemptions drops the conditions that except principals from a deny.
func withoutExemptions(s policy.Statement) policy.Statement {
	if s.Effect != policy.Deny {
		return s
	}
	s.Conditions = slices.DeleteFunc(slices.Clone(s.Conditions), func(c policy.Condition) bool {
		return strings.Contains(strings.ToLower(c.Operator), "not") && isPrincipalKey(c.Key)
	})
	return s
}

// isPrincipalKey reports whether a key singles out principals, which a whole account or organization does not.
func isPrincipalKey(key string) bool {
	key = strings.ToLower(key)
	return key == "aws:principalarn" || key == "aws:userid" || key == "aws:username" || strings.HasPrefix(key, "aws:principaltag/")
}
