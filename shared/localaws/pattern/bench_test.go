package pattern_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/doublelock/doublelock/shared/localaws/pattern"
)

const event = `{"version":"0","id":"6a7e8feb-b491-4cf7-a9f1-bf3703467718","detail-type":"AWS API Call via CloudTrail",
"source":"aws.secretsmanager","account":"111122223333","time":"2026-03-02T10:00:00Z","region":"eu-central-1","resources":[],
"detail":{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROAEXAMPLE:dana",
"arn":"arn:aws:sts::111122223333:assumed-role/Developer/dana","accountId":"111122223333","accessKeyId":"ASIAEXAMPLE",
"sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/Developer","userName":"Developer"}}},
"eventTime":"2026-03-02T10:00:00Z","eventSource":"secretsmanager.amazonaws.com","eventName":"CreateSecret",
"awsRegion":"eu-central-1","sourceIPAddress":"192.0.2.7","userAgent":"aws-cli/2","requestParameters":{"name":"db/orders",
"clientRequestToken":"a1b2"},"responseElements":{"arn":"arn:aws:secretsmanager:eu-central-1:111122223333:secret:db/orders-AbCdEf"},
"requestID":"r","eventID":"e","readOnly":false,"eventType":"AwsApiCall","managementEvent":true}}`

func BenchmarkDecodeAndMatch(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%d patterns", n), func(b *testing.B) {
			patterns := compileMany(b, n)
			b.ReportAllocs()
			for b.Loop() {
				var decoded map[string]any
				if err := json.Unmarshal([]byte(event), &decoded); err != nil {
					b.Fatal(err)
				}
				if countMatches(patterns, decoded) != 1 {
					b.Fatal("want exactly one match")
				}
			}
		})
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprintf("%d patterns", n), func(b *testing.B) {
			patterns := compileMany(b, n)
			var decoded map[string]any
			if err := json.Unmarshal([]byte(event), &decoded); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if countMatches(patterns, decoded) != 1 {
					b.Fatal("want exactly one match")
				}
			}
		})
	}
}

// compileMany makes n patterns of which the last matches.
func compileMany(b *testing.B, n int) []*pattern.Pattern {
	b.Helper()
	var all []*pattern.Pattern
	for i := range n {
		name := "CreateSecret"
		if i < n-1 {
			name = fmt.Sprintf("Operation%d", i)
		}
		p, err := pattern.Compile(fmt.Appendf(nil, `{"source":["aws.secretsmanager"],"detail-type":["AWS API Call via CloudTrail"],
			"detail":{"eventName":[%q],"errorCode":[{"exists":false}],
			"requestParameters":{"kmsKeyId":[{"exists":false},{"suffix":"alias/aws/secretsmanager"}]}}}`, name))
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func countMatches(patterns []*pattern.Pattern, event map[string]any) int {
	n := 0
	for _, p := range patterns {
		if p.Match(event) {
			n++
		}
	}
	return n
}
