package detect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// moves is what an account lost by a move.
type moves struct {
	lost []string
	err  error
}

func (m moves) Lost(context.Context, string, string, string) ([]string, error) { return m.lost, m.err }

// An account that was moved is reported by what it lost: nothing is not reported, and what is not known is.
func TestAMovedAccountIsReportedByWhatItLost(t *testing.T) {
	const prod, dev = "ou-ab12-prod0001", "ou-ab12-dev00001"
	for name, test := range map[string]struct {
		from   string
		moves  moves
		want   []string // details of notices
		failed bool     // it comes again
	}{
		"out from under a policy":                 {prod, moves{lost: []string{"doublelock-keys", "the member stack"}}, []string{"MoveAccount on 444455556666, from ou-ab12-prod0001 to ou-ab12-dev00001: it lost doublelock-keys, the member stack"}, false},
		"to where the same binds it":              {prod, moves{}, nil, false},
		"where that cannot be known":              {prod, moves{err: fmt.Errorf("list: %w", guard.ErrDenied)}, []string{"MoveAccount on 444455556666, from ou-ab12-prod0001 to ou-ab12-dev00001; what it lost by that is not known"}, false},
		"while AWS throttles it comes again":      {prod, moves{err: guard.ErrThrottled}, nil, true},
		"a new account that leaves the root":      {"r-ab12", moves{lost: []string{"never asked"}}, nil, false},
		"where the record does not say from what": {"", moves{}, []string{"MoveAccount on 444455556666"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			h := w.handler()
			h.Moves = test.moves
			request := map[string]string{"accountId": "444455556666", "destinationParentId": dev}
			if test.from != "" {
				request["sourceParentId"] = test.from
			}
			raw, err := json.Marshal(map[string]any{"source": "aws.organizations", "detail-type": "AWS API Call via CloudTrail", "account": account, "region": "us-east-1", "id": "e1", "time": "2026-11-21T09:00:00Z",
				"detail": map[string]any{"eventVersion": "1.11", "eventSource": "organizations.amazonaws.com", "eventName": "MoveAccount", "eventID": "e1", "eventType": "AwsApiCall",
					"awsRegion": "us-east-1", "recipientAccountId": account, "requestParameters": request, "userIdentity": map[string]any{"type": "AssumedRole", "arn": alice, "accountId": account}}})
			if err != nil {
				t.Fatal(err)
			}
			if failed := handle(t, h, string(raw)); len(failed) > 0 != test.failed {
				t.Errorf("comes again: %v, want %t", failed, test.failed)
			}
			var got []string
			for _, n := range w.published {
				if n.Kind != guard.NoticeTampered || !n.Notified() {
					t.Errorf("published %+v", n)
				}
				got = append(got, n.Detail)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("published (-want +got):\n%s", diff)
			}
		})
	}
}

// Where CDK deploys the guard, it writes the guard's rules; in a member, whoever deploys there may take them away.
func TestARuleThatCDKWritesIsOurDeploymentWhereCDKDeploysUs(t *testing.T) {
	for of, want := range map[string]int{"999988887777": 0, account: 1} {
		w := newWorld()
		h := w.handler()
		h.Central = []string{"999988887777"}
		event := fmt.Sprintf(`{"source":"aws.events","detail-type":"AWS API Call via CloudTrail","account":%q,"region":"us-east-1","id":"e1","time":"2026-11-21T09:00:00Z",
			"detail":{"eventVersion":"1.11","eventSource":"events.amazonaws.com","eventName":"PutRule","eventID":"e1","eventType":"AwsApiCall","awsRegion":"us-east-1","recipientAccountId":%q,
			"requestParameters":{"name":"doublelock-key-changes"},"userIdentity":{"type":"AssumedRole","accountId":%q,"invokedBy":"cloudformation.amazonaws.com",
			"arn":"arn:aws:sts::%s:assumed-role/cdk-hnb659fds-cfn-exec-role-%s-us-east-1/AWSCloudFormation"}}}`, of, of, of, of, of)
		if failed := handle(t, h, event); len(failed) > 0 || len(w.published) != want {
			t.Errorf("in %s: published %+v, comes again %v", of, w.published, failed)
		}
	}
}
