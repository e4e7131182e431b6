package trail_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/trail"
)

const session = `{"eventVersion":"1.11","eventName":"PutRolePolicy","eventSource":"iam.amazonaws.com","vpcEndpointId":"vpce-1","requestParameters":{"roleName":"app","secretString":"x"},
"userIdentity":{"type":"AssumedRole","principalId":"AROA1:me","arn":"arn:aws:sts::111122223333:assumed-role/dev/me","accessKeyId":"ASIA1","sessionContext":{"sourceIdentity":"maria","attributes":{"mfaAuthenticated":"true","creationDate":"2026-01-01T00:00:00Z"},"sessionIssuer":{}}}}`

func TestTheDetailsOfARecord(t *testing.T) {
	want := trail.Details{PrincipalID: "AROA1:me", AccessKeyID: "ASIA1", SourceIdentity: "maria", MFA: "true", IssuedAt: "2026-01-01T00:00:00Z",
		VPCEndpoint: "vpce-1", Whole: true, Request: map[string]any{"roleName": "app"}}
	athena := "eventname,eventsource,eventversion,requestparameters,useridentity\n" + `PutRolePolicy,iam.amazonaws.com,1.11,"{""roleName"":""app""}","{type=IAMUser, principalid=AIDA1, arn=arn:aws:iam::111122223333:user/maria}"` + "\n"
	for sentence, c := range map[string]struct {
		text string
		want trail.Details
	}{
		"of CloudTrail's own":                        {strings.ReplaceAll(session, "\n", ""), want},
		"in an envelope":                             {`{"detail-type":"AWS API Call via CloudTrail","source":"aws.iam","detail":` + strings.ReplaceAll(session, "\n", "") + `}`, want},
		"of a table, of which columns were left out": {athena, trail.Details{PrincipalID: "AIDA1", Request: map[string]any{"roleName": "app"}}},
	} {
		read := 0
		err := trail.Read(strings.NewReader(c.text), "test", func(r trail.Record) error {
			read++
			if diff := cmp.Diff(c.want, r.Details()); diff != "" || r.Err != nil {
				t.Errorf("%s: %v\n%s", sentence, r.Err, diff)
			}
			return nil
		})
		if err != nil || read != 1 {
			t.Errorf("%s: %d records, %v", sentence, read, err)
		}
	}
	if diff := cmp.Diff(trail.Details{}, trail.Record{}.Details()); diff != "" {
		t.Errorf("of no record: %s", diff)
	}
}
