package fleet

import (
	"context"
	"errors"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
)

// trail looks for one trail that records: EventBridge gets API calls only where one does.
func (d *Doctor) trail(ctx context.Context, account, region string) Row {
	row := Row{Account: account, Region: region, Check: CheckTrail}
	ctx, cancel := d.limit(ctx)
	defer cancel()
	trails, err := d.Members.Trails(ctx, account, region)
	if err != nil {
		row.cannot(err, "Let doublelock-read call cloudtrail:DescribeTrails and GetTrailStatus.")
		return row
	}
	var stopped []string
	for _, t := range trails {
		if t.Logging {
			row.Subject = t.Name
			row.ok("recording")
			if t.DeliveryFail != "" { // EventBridge gets its events all the same
				row.Detail += ", but its log files do not arrive: " + t.DeliveryFail
			}
			return row
		}
		stopped = append(stopped, t.Name)
	}
	if len(stopped) == 0 {
		row.fail("Turn on a trail of the organization, for all Regions and management events.", "no trail records here")
		return row
	}
	row.Subject = stopped[0]
	row.fail("Start its logging again, and find out who stopped it.", "stopped: %s", strings.Join(stopped, ", "))
	return row
}

const redeploy = "Deploy the member stack to the account and Region again, and find out who changed the rule."

// rule looks at a rule that forwards to the hub. The state must be the very one expected: a rule on failed reads that
// is merely ENABLED gets none.
func (d *Doctor) rule(ctx context.Context, account, region string, want ExpectedRule) Row {
	row := Row{Account: account, Region: region, Check: CheckRule, Subject: want.Name}
	ctx, cancel := d.limit(ctx)
	defer cancel()
	rule, err := d.Members.Rule(ctx, account, region, want.Name)
	switch {
	case errors.Is(err, guard.ErrGone):
		row.fail(redeploy, "the rule does not exist")
	case err != nil:
		row.cannot(err, "Let doublelock-read call events:DescribeRule and ListTargetsByRule.")
	case rule.State != want.State:
		row.fail(redeploy, "state is %s, not %s", rule.State, want.State)
	case fingerprint(rule.Pattern) != fingerprint(want.Pattern):
		row.fail(redeploy, "its event pattern was changed")
	default:
		if wrong := d.target(rule.Targets, account); wrong != "" {
			row.fail(redeploy, "%s", wrong)
			break
		}
		row.ok("%s, unchanged", strings.ToLower(strings.ReplaceAll(rule.State, "_", " ")))
	}
	return row
}

// target says what is wrong with where a rule sends; "" is nothing.
func (d *Doctor) target(targets []Target, account string) string {
	for _, t := range targets {
		switch {
		case t.ARN != d.Expected.BusARN:
			continue
		case !isRole(arn.Of(t.RoleARN), account, d.Expected.ForwardRole):
			return "it does not send with the role " + d.Expected.ForwardRole
		case !isQueue(arn.Of(t.DLQ), account, d.Expected.DeadLetters):
			return "it does not keep what it cannot send in " + d.Expected.DeadLetters
		default:
			return ""
		}
	}
	return "it does not send to the hub's bus"
}

func isRole(a arn.ARN, account, name string) bool {
	kind, of := a.Split()
	return a.Service == "iam" && a.Account == account && kind == "role" && of == name
}

func isQueue(a arn.ARN, account, name string) bool {
	return a.Service == "sqs" && a.Account == account && a.Resource == name
}

func (d *Doctor) deadLetters(ctx context.Context, account, region string) Row {
	row := Row{Account: account, Region: region, Check: CheckDeadLetters, Subject: d.Expected.DeadLetters}
	ctx, cancel := d.limit(ctx)
	defer cancel()
	waiting, err := d.Members.Waiting(ctx, account, region, d.Expected.DeadLetters)
	switch {
	case err != nil:
		row.cannot(err, "Deploy the member stack to the account and Region again.")
	case waiting > 0:
		row.fail("Read why in the attributes of the messages, mend it, and send them to the hub's bus again.", "%d events could not be sent to the hub", waiting)
	default:
		row.ok("empty")
	}
	return row
}
