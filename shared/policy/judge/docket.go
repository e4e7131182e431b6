package judge

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/policy"
)

// Decision is one evaluation of policies by the local AWS: what was asked, the documents, and the answer.
type Decision localaws.Decision

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
	texts map[string]*text    // of policies: most decisions meet the same few
}

// text is a policy, and which condition keys it names.
type text struct {
	id    int
	lower string
	names map[string]bool // by key in lower case; filled as they are asked for
}

func (t *text) mentions(key string) bool {
	found, known := t.names[key]
	if !known {
		found = strings.Contains(t.lower, key)
		t.names[key] = found
	}
	return found
}

// Add takes a decision down.
func (d *Docket) Add(decision Decision) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.by == nil {
		d.by, d.texts = map[string]Decision{}, map[string]*text{}
	}
	d.taken++
	key := d.key(decision)
	if _, there := d.by[key]; !there {
		d.by[key] = decision
	}
}

// key is the same for decisions that ask and answer the same.
func (d *Docket) key(decision Decision) string {
	var key strings.Builder
	r := decision.Request
	for _, part := range []string{string(decision.Answer), r.Principal.String(), r.Principal.Role, r.Principal.UniqueID, r.Action, r.Resource, r.ResourceAccount, fmt.Sprint(r.Principal.Tags, decision.ManagementPrincipal)} {
		key.WriteString(part)
		key.WriteByte('\n')
	}
	var named []*text
	for _, texts := range all(decision) {
		for _, one := range texts {
			known := d.texts[one]
			if known == nil {
				known = &text{id: len(d.texts), lower: strings.ToLower(one), names: map[string]bool{}}
				d.texts[one] = known
			}
			named = append(named, known)
			fmt.Fprintf(&key, "%d ", known.id)
		}
		key.WriteByte('\n')
	}
	for _, name := range slices.Sorted(maps.Keys(r.Context)) {
		lower := strings.ToLower(name)
		if beyond(lower) && len(decision.Grants) > 0 || slices.ContainsFunc(named, func(t *text) bool { return t.mentions(lower) }) {
			fmt.Fprintf(&key, "%s=%q\n", lower, r.Context[name])
		}
	}
	for _, g := range decision.Grants {
		g.ID = ""
		fmt.Fprintf(&key, "%+v\n", g)
	}
	return key.String()
}

// all are the policies of a decision, by type and level.
func all(d Decision) [][]string {
	return slices.Concat([][]string{d.Identity, d.Boundary, d.Session, {d.Resource}}, d.SCPs, d.RCPs)
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
		RCPs     []level  `json:"resourceControlPolicies,omitempty"`
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
	for _, here := range d.RCPs {
		q.RCPs = append(q.RCPs, level{Target: "level", Policies: documents(here)})
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
	mentioned := strings.ToLower(strings.Join(slices.Concat(all(d)...), "\n"))
	maps.DeleteFunc(out, func(key string, _ []string) bool { return beyond(key) || !strings.Contains(mentioned, key) })
	return out
}
