package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/policy"
)

const redeployRole = "Deploy the member stack to the account again, and find out who "

// roles looks for the roles by which the hub enters an account and by which the account forwards, and whether the hub can
// take its own.
func (d *Doctor) roles(ctx context.Context, account string) []Row {
	trust, err := d.trust(ctx, account)
	var rows []Row
	for _, role := range d.Expected.Roles {
		document, present := trust[role.Name]
		if role.Name != guard.ReadRole { // that it is there was found out by taking it
			rows = append(rows, rolePresent(account, role.Name, present, err))
		}
		if present || err != nil {
			rows = append(rows, d.taking(ctx, account, role, document))
		}
	}
	_, present := trust[d.Expected.ForwardRole]
	return append(rows, rolePresent(account, d.Expected.ForwardRole, present, err))
}

func (d *Doctor) trust(ctx context.Context, account string) (map[string]string, error) {
	ctx, cancel := d.limit(ctx)
	defer cancel()
	return d.Members.Roles(ctx, account)
}

func rolePresent(account, name string, present bool, err error) Row {
	row := Row{Account: account, Check: CheckRole, Subject: name}
	switch {
	case err != nil:
		row.cannot(err, "Let doublelock-read call iam:GetAccountAuthorizationDetails.")
	case present:
		row.ok("present")
	default:
		row.fail(redeployRole+"deleted the role.", "the role does not exist")
	}
	return row
}

// taking finds out whether the functions of the hub can take a role: by its trust policy, which can refuse them for
// certain, and by taking it. Whoever is not the hub may not take what changes anything, and then it is not known: a
// policy that looks right proves nothing.
func (d *Doctor) taking(ctx context.Context, account string, role ExpectedRole, trust string) Row {
	row := Row{Account: account, Check: CheckTake, Subject: role.Name}
	var refused, takers []string
	doubt := ""
	for _, taker := range role.Takers {
		name := arn.Of(taker).Base()
		takers = append(takers, name)
		switch admits, why := d.admits(account, role.Name, trust, taker); admits {
		case policy.Allowed:
		case policy.Unknown:
			doubt = why
		default:
			refused = append(refused, name)
		}
	}
	if len(refused) > 0 {
		row.fail(redeployRole+"changed the trust policy: until then what these functions are to do there is refused.", "the trust policy does not let %s of the hub take it", strings.Join(refused, ", "))
		return row
	}
	err := d.enter(ctx, account, role.Name)
	switch {
	case err == nil && doubt != "":
		row.ok("taken; %s", doubt)
	case err == nil:
		row.ok("taken; the trust policy lets %s in", strings.Join(takers, ", "))
	case !errors.Is(err, guard.ErrNotOurs) && !errors.Is(err, guard.ErrDenied):
		row.cannot(err, redeployRole+"deleted the role.")
	case doubt != "":
		row.Status, row.Detail = Unknown, "these credentials may not take it, and whether the hub may is not certain: "+doubt
		row.Fix = "Compare the trust policy of the role with that of the member stack, and deploy the stack again where they differ."
	default:
		row.Status, row.HubOnly = Unknown, true
		row.Detail = fmt.Sprintf("these credentials may not take it, so it is not proven that the hub can; the trust policy lets %s in", strings.Join(takers, ", "))
		row.Fix = "Only the hub's functions can prove it: search their logs for a refused sts:AssumeRole."
	}
	return row
}

// admits asks the trust policy of a role whether it lets a role of the hub in, whose own policy is taken to allow it. From where the
// function calls, which tags its role has and what else a policy may ask for is not known: then the answer is unknown.
func (d *Doctor) admits(account, role, trust, taker string) (answer policy.Answer, why string) {
	document, err := policy.Parse("trust policy of "+role, []byte(trust))
	if err != nil {
		return policy.Unknown, err.Error()
	}
	principal, err := policy.ParsePrincipal(taker)
	if err != nil {
		return policy.Unknown, err.Error()
	}
	principal.OrganizationID = d.Expected.OrganizationID
	of := arn.Of(taker)
	decision := policy.Evaluate(policy.Request{
		Principal: principal, Action: "sts:AssumeRole", Resource: of.Partition.Role(account, role), ResourceAccount: account,
		Context: map[string][]string{"sts:RoleSessionName": {of.Base()}, "aws:SecureTransport": {"true"}, "aws:ViaAWSService": {"false"}},
		Absent:  []string{"sts:ExternalId", "sts:SourceIdentity", "sts:TransitiveTagKeys", "aws:RequestTag/*", "aws:TagKeys"}, // the functions pass none
		Open:    true,
	}, policy.Policies{Identity: []*policy.Document{mayTakeRoles}, Resource: document, ResourceKind: policy.ResourceTrust})
	return decision.Answer, decision.Why
}

var mayTakeRoles = policy.MustParse("policy of the function", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"*"}]}`)
