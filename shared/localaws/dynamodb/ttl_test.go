package dynamodb_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doublelock/doublelock/shared/localaws"
)

// What has expired is deleted within days, and nothing else is.
func TestWhatHasExpiredIsDeletedWithinDays(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := c.makeTable(t)
	now := time.Now()
	c.Lock()
	c.Options.Now = func() time.Time { return now }
	c.Unlock()
	must[*dynamodb.UpdateTimeToLiveOutput](t)(client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: aws.String("table"), TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expiresAt"), Enabled: aws.Bool(true)}}))
	for sort, expires := range map[string]types.AttributeValue{
		"in an hour": num(int(now.Add(time.Hour).Unix())), "in a week": num(int(now.AddDate(0, 0, 7).Unix())), "no number": str("yesterday"), "long ago": num(1),
	} {
		put(t, client, row{"pk": str("p"), "sk": str(sort), "expiresAt": expires})
	}
	put(t, client, row{"pk": str("p"), "sk": str("never")})
	count := func() int {
		return len(must[*dynamodb.ScanOutput](t)(client.Scan(t.Context(), &dynamodb.ScanInput{TableName: aws.String("table")})).Items)
	}
	for days, want := range []int{5, 5, 5, 4} {
		c.Lock()
		at := now.AddDate(0, 0, days)
		c.Options.Now = func() time.Time { return at }
		c.Unlock()
		if got := count(); got != want {
			t.Errorf("after %d days: %d items, want %d", days, got, want)
		}
	}
}
