package inventory

import (
	"maps"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// servicesOf are the services that may take a role; "" is one that is not known.
func servicesOf(trust *policy.Document) []string {
	if trust.Err() != nil {
		return []string{""}
	}
	found := map[string]bool{}
	for i := range trust.Statements {
		switch s := &trust.Statements[i]; {
		case s.Effect != policy.Allow || !s.About(assumeRole):
		case s.Principal == nil || s.Principal.All:
			found[""] = true
		default:
			for _, name := range s.Principal.Service {
				found[name] = !strings.HasPrefix(name, "signin.")
			}
		}
	}
	maps.DeleteFunc(found, func(_ string, runs bool) bool { return !runs })
	return slices.Sorted(maps.Keys(found))
}

// runners are what makes a service run code of the caller's with a role: one of the lists, whole.
// Source: IAM User Guide, "Grant a user permissions to pass a role to an AWS service"; Service Authorization Reference, the actions of
// each service that depend on iam:PassRole.
var runners = map[string][][]string{
	"lambda.amazonaws.com": {{"lambda:CreateFunction", "lambda:InvokeFunction"}, {"lambda:CreateFunction", "lambda:CreateEventSourceMapping"},
		{"lambda:CreateFunction", "lambda:AddPermission"}, {"lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionCode"}},
	"ec2.amazonaws.com":            {{"ec2:RunInstances"}, {"ec2:AssociateIamInstanceProfile"}},
	"ecs-tasks.amazonaws.com":      {{"ecs:RegisterTaskDefinition", "ecs:RunTask"}, {"ecs:RegisterTaskDefinition", "ecs:UpdateService"}, {"ecs:RegisterTaskDefinition", "ecs:CreateService"}},
	"cloudformation.amazonaws.com": {{"cloudformation:CreateStack"}, {"cloudformation:UpdateStack"}, {"cloudformation:CreateChangeSet", "cloudformation:ExecuteChangeSet"}},
	"codebuild.amazonaws.com":      {{"codebuild:CreateProject", "codebuild:StartBuild"}, {"codebuild:UpdateProject", "codebuild:StartBuild"}},
	"glue.amazonaws.com":           {{"glue:CreateJob", "glue:StartJobRun"}, {"glue:UpdateJob", "glue:StartJobRun"}, {"glue:CreateDevEndpoint"}, {"glue:CreateSession", "glue:RunStatement"}},
	"states.amazonaws.com":         {{"states:CreateStateMachine", "states:StartExecution"}, {"states:UpdateStateMachine", "states:StartExecution"}},
}

// runs says whether a principal may make a service run something with a role that it passes: unknown for a service that is not in
// the table.
func (a *Access) runs(w *asker, service string) policy.Answer {
	ways, known := runners[service]
	if !known {
		return policy.Unknown
	}
	best := policy.ImplicitlyDenied
	for _, actions := range ways {
		whole := policy.Allowed
		for _, action := range actions {
			if answer := a.mayAnywhere(w, action); better(whole, answer) {
				whole = answer
			}
		}
		if better(whole, best) {
			best = whole
		}
	}
	return best
}

// mayAnywhere says whether a principal may do something to a resource of its account that it chooses.
func (a *Access) mayAnywhere(w *asker, action string) policy.Answer {
	best := policy.ImplicitlyDenied
	for _, pattern := range w.mayBeAllowedOn(action) {
		t := policy.Target{ARN: pattern, Pattern: true, Account: w.principal.Account, Kind: policy.ResourcePlain}
		if parsed := arn.Of(pattern); arn.Match(parsed.Account, t.Account) {
			t.ARN = parsed.Partition.New(parsed.Service, parsed.Region, t.Account, parsed.Resource).String()
		} else if parsed.Account != "" && strings.Trim(parsed.Account, "0123456789") == "" {
			continue // of another
		}
		a.addResourceOrganization(&t)
		if d := ask(w, &t, action); better(d.Answer, best) {
			best = d.Answer
		}
	}
	return best
}

// mayAbroad reports whether the principal's own policies may allow an action on something of another account than some, whose policies are
// not in the snapshot.
func (a *Access) mayAbroad(w *asker, action string, but func(account string) bool) bool {
	return slices.ContainsFunc(w.mayBeAllowedOn(action), func(pattern string) bool {
		if but(arn.Of(pattern).Account) {
			return false
		}
		t := policy.Target{ARN: pattern, Pattern: true, Account: w.principal.Account, Kind: policy.ResourcePlain, Unknown: []string{"aws:ResourceAccount"}}
		return !denied(ask(w, &t, action).Answer)
	})
}
