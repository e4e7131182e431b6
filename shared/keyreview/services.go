package keyreview

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// sourceKeys say for whom a service asks. Source: IAM User Guide, "The confused deputy problem".
var sourceKeys = []string{"aws:SourceAccount", "aws:SourceOwner", "aws:SourceArn", "aws:SourceOrgID", "aws:SourceOrgPaths"}

// deputy is what a person has to decide about a service.
const deputy = "whether the service sends aws:SourceAccount, or what it puts into the encryption context, is on its own page"

const encryptionContext = "kms:encryptioncontext:"

// services finds services that would use the key for sources that are not ours: the statement names them, or everybody.
func (q *inquiry) services(actions []string) {
	s := q.statement
	every := arn.Of(q.key.Facts.ARN).Partition.Service("any") // stands for all that have no name here
	var names, anybodys, foreigners, unsure []string
	if s.Principal != nil {
		names = slices.Clone(s.Principal.Service)
	}
	if s.NamesEverybody() {
		for _, name := range draw(q.conditions, arn.Example, "aws:PrincipalServiceName", "aws:PrincipalServiceNamesList") {
			names = append(names, name.example)
		}
		names = append(names, every)
	}
	nowhere, drawn, values := q.sources()
	for _, name := range names {
		p := policy.Principal{Kind: policy.KindService, Name: name}
		ask := func(p policy.Principal, context map[string][]string) policy.Answer {
			return q.only.worst(actions, caller{principal: p, context: context})
		}
		foreign := p
		foreign.NotAccounts = q.somebody().NotAccounts // a service is of no account of a customer
		foreign.NotSources, foreign.NotSourceOrganizations = q.somebody().NotAccounts, q.somebody().NotOrganizations
		switch {
		case ask(foreign, nil) == policy.ImplicitlyDenied:
		case ask(p, nowhere) == policy.Allowed:
			anybodys = append(anybodys, name)
		case ask(p, drawn) == policy.Allowed:
			foreigners = append(foreigners, name)
		default:
			unsure = append(unsure, name)
		}
	}
	fix := fmt.Sprintf("ask for aws:SourceAccount %s, or for aws:SourceArn", q.key.Facts.Account)
	words := func(names []string) string {
		if s.NamesEverybody() && slices.Contains(names, every) {
			return "every AWS service"
		}
		return strings.Join(names, " and ")
	}
	if len(anybodys) > 0 {
		q.fault.add(words(anybodys)+" may use the key for anybody: no condition says for which account", fix)
	}
	if len(foreigners) > 0 {
		q.fault.add(words(foreigners)+" may use the key for "+strings.Join(values, " and ")+", not yours", fix)
	}
	known := s.NamesEverybody() && len(q.fault.details) > 0 // by what it lets in people, whom the fix is for
	if len(unsure) > 0 && len(anybodys)+len(foreigners) == 0 && !known {
		q.fault.doubt("no condition keeps "+words(unsure)+" to sources that are certainly yours", fix)
		q.fault.decide = deputy
	}
	if len(anybodys)+len(foreigners) > 0 {
		q.fault.decide = deputy
	}
}

// sources are the context of a service's request without any source, and that of an example of what conditions ask for that is not
// ours, with the values that it is an example of.
func (q *inquiry) sources() (nowhere, drawn map[string][]string, values []string) {
	nowhere, drawn = map[string][]string{}, map[string][]string{}
	keys := slices.Clone(sourceKeys)
	for _, c := range q.conditions {
		if strings.HasPrefix(strings.ToLower(c.Key), encryptionContext) && !slices.Contains(keys, c.Key) {
			keys = append(keys, c.Key)
		}
	}
	for _, key := range keys {
		nowhere[key], drawn[key] = nil, nil
		for _, of := range draw(q.conditions, q.foreignSource, key) {
			if drawn[key] == nil {
				drawn[key] = []string{of.example}
				values = append(values, of.value)
			}
		}
	}
	return nowhere, drawn, values
}

// foreignSource is an example of a source that a value fits and that is not ours; "" where there is none.
func (q *inquiry) foreignSource(value string) string {
	of := arn.Of(value)
	switch {
	case of.Resource != "":
		if wild(of.Account) {
			of.Account = q.account(q.key, of.Account)
		}
		if of.Account == "" || slices.Contains(q.insiders(q.key), of.Account) {
			return ""
		}
		return arn.Example(of.String())
	case strings.HasPrefix(value, "o-"):
		if organizationLike(value) == q.snapshot.Organization.ID {
			return ""
		}
		return arn.Example(value)
	default:
		return q.account(q.key, value)
	}
}
