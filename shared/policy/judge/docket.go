package judge

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/doublelock/doublelock/shared/policy"
)

// Decision is one evaluation of policies: what was asked, the documents as somebody attached them, and the answer.
type Decision struct {
	Request             policy.Request
	Identity            []string // JSON, of the principal and its groups; a root user has none, and needs none
	Boundary            []string // JSON; nil for no permissions boundary
	Session             []string // JSON; nil for no session policy
	SCPs                [][]string
	Resource            string // JSON of the resource's, the key's or the trust policy; "" for none
	Grants              []policy.Grant
	ManagementPrincipal bool // the principal's account is the organization's management account
	Answer              policy.Answer
}

// String is the question as the second engine gets it.
func (d Decision) String() string {
	raw, err := json.MarshalIndent(asked(d), "", "  ")
	if err != nil {
		return fmt.Sprintf("%s on %s: %v", d.Request.Action, d.Request.Resource, err)
	}
	return string(raw)
}

// Docket collects decisions, each once. The zero value is empty and ready; it is safe for concurrent use.
type Docket struct {
	mu    sync.Mutex
	taken int
	by    map[string]Decision // by answer, question and what is unsent
}

// Add takes a decision down.
func (d *Docket) Add(decision Decision) {
	raw, err := json.Marshal([]any{decision.Answer, asked(decision), unsent(decision)})
	if err != nil {
		raw = []byte(decision.String()) // a policy that is no JSON: the second engine will say so, too
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.by == nil {
		d.by = map[string]Decision{}
	}
	d.taken++
	d.by[string(raw)] = decision
}

// unsent is what matters to our answer and is not in the question, for the second engine does not know it.
func unsent(d Decision) any {
	grants := slices.Clone(d.Grants)
	for i := range grants {
		grants[i].ID = ""
	}
	context, mentioned := map[string][]string{}, texts(d)
	for key, values := range d.Request.Context {
		lower := strings.ToLower(key)
		if beyond(lower) && (len(grants) > 0 || strings.Contains(mentioned, lower)) {
			context[lower] = values
		}
	}
	return []any{grants, context}
}

// Len is how many different decisions were added.
func (d *Docket) Len() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.by)
}

// list are the decisions in an order that does not change from run to run.
func (d *Docket) list() (list []Decision, taken int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, key := range slices.Sorted(maps.Keys(d.by)) {
		list = append(list, d.by[key])
	}
	return list, d.taken
}

// The question as testdata/policy/simulate.mjs reads it.
type (
	question struct {
		Request  request  `json:"request"`
		Identity []named  `json:"identityPolicies,omitempty"`
		Boundary []named  `json:"permissionBoundaries,omitempty"`
		Session  document `json:"sessionPolicy,omitempty"`
		SCPs     []level  `json:"serviceControlPolicies,omitempty"`
		Resource document `json:"resourcePolicy,omitempty"`
	}
	request struct {
		Principal string              `json:"principal"`
		Action    string              `json:"action"`
		Resource  resource            `json:"resource"`
		Context   map[string][]string `json:"context"`
	}
	resource struct {
		Resource string `json:"resource"`
		Account  string `json:"accountId"`
	}
	named struct {
		Name   string   `json:"name"`
		Policy document `json:"policy"`
	}
	level struct {
		Target   string  `json:"orgIdentifier"`
		Policies []named `json:"policies"`
	}
	document = json.RawMessage
)

// asked puts a decision as a question.
func asked(d Decision) question {
	r := d.Request
	q := question{Request: request{
		Principal: cmp.Or(r.Principal.ARN, r.Principal.Name), Action: r.Action,
		Resource: resource{Resource: r.Resource, Account: cmp.Or(r.ResourceAccount, r.Principal.Account)}, Context: whole(d),
	}}
	q.Identity, q.Boundary = documents(d.Identity), documents(d.Boundary)
	if len(d.Session) > 0 {
		q.Session = document(d.Session[0])
	}
	if d.Resource != "" {
		q.Resource = document(d.Resource)
	}
	for _, here := range d.SCPs {
		q.SCPs = append(q.SCPs, level{Target: "level", Policies: documents(here)})
	}
	if r.Principal.Kind == policy.KindRoot {
		q.Identity = documents([]string{`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`})
	}
	return q
}

func documents(texts []string) (list []named) {
	for _, text := range texts {
		list = append(list, named{Name: "policy", Policy: document(text)})
	}
	return list
}

// whole is the context of a request with what AWS adds to every one, which the second engine takes from nowhere else.
// Source: IAM User Guide, "AWS global condition context keys", and the table of principal key values there.
func whole(d Decision) map[string][]string {
	p := d.Request.Principal
	out := map[string][]string{"aws:principalisawsservice": {"false"}}
	if p.Account != "" {
		out["aws:principalaccount"] = []string{p.Account}
		out["kms:calleraccount"] = []string{p.Account}
	}
	switch p.Kind {
	case policy.KindService:
		out["aws:principalisawsservice"], out["aws:principalservicename"] = []string{"true"}, []string{p.Name}
	case policy.KindSession:
		out["aws:principalarn"], out["aws:principaltype"] = []string{p.Role}, []string{"AssumedRole"}
	case policy.KindUser:
		out["aws:principalarn"], out["aws:principaltype"], out["aws:username"] = []string{p.ARN}, []string{"User"}, []string{p.Name}
	case policy.KindRoot:
		out["aws:principalarn"], out["aws:principaltype"] = []string{p.ARN}, []string{"Account"}
	}
	if p.UniqueID != "" {
		out["aws:userid"] = []string{p.UniqueID}
	}
	if account := cmp.Or(d.Request.ResourceAccount, p.Account); account != "" {
		out["aws:resourceaccount"] = []string{account}
	}
	for key, value := range p.Tags {
		out["aws:principaltag/"+key] = []string{value}
	}
	for key, values := range d.Request.Context {
		out[strings.ToLower(key)] = values
	}
	// A key that no policy names changes no answer; without it more questions are the same.
	mentioned := texts(d)
	maps.DeleteFunc(out, func(key string, _ []string) bool { return beyond(key) || !strings.Contains(mentioned, key) })
	return out
}

// texts are all policies of a decision, in lower case.
func texts(d Decision) string {
	all := append([][]string{d.Identity, d.Boundary, d.Session, {d.Resource}}, d.SCPs...)
	return strings.ToLower(strings.Join(slices.Concat(all...), "\n"))
}
