package dynamodb_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doublelock/doublelock/shared/localaws"
)

type row = map[string]types.AttributeValue

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
func num(n int) types.AttributeValue    { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }

// makeTable makes the table "table" with pk and sk, and the indexes byKey (keyArn, all) and byOwner (owner and n, keys only).
const (
	hub      = "111122223333"
	home     = "eu-central-1"
	trusting = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111122223333:root"},"Action":"sts:AssumeRole"}]}`
)

// cloud is a local AWS with one account.
type cloud struct {
	*localaws.AWS
	url string
}

func newCloud(t testing.TB, faults localaws.Faults) *cloud {
	t.Helper()
	c := &cloud{AWS: localaws.New(localaws.Options{Seed: 7, Faults: faults})}
	c.Organization("o-exampleorg", hub)
	url, stop, err := c.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	c.url = url
	return c
}

func (c *cloud) signed(t testing.TB, principal string) aws.Config {
	t.Helper()
	key, err := c.Principal(hub, principal)
	if err != nil {
		t.Fatal(err)
	}
	return aws.Config{Region: home, BaseEndpoint: &c.url, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken)}
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (c *cloud) makeTable(t testing.TB) *dynamodb.Client {
	t.Helper()
	client := dynamodb.NewFromConfig(c.signed(t, "role/Admin/dana"))
	text := types.ScalarAttributeTypeS
	must[*dynamodb.CreateTableOutput](t)(client.CreateTable(t.Context(), &dynamodb.CreateTableInput{TableName: aws.String("table"), BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: text}, {AttributeName: aws.String("sk"), AttributeType: text},
			{AttributeName: aws.String("keyArn"), AttributeType: text}, {AttributeName: aws.String("owner"), AttributeType: text}, {AttributeName: aws.String("n"), AttributeType: types.ScalarAttributeTypeN}},
		KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("sk"), KeyType: types.KeyTypeRange}},
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{
			{IndexName: aws.String("byKey"), KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("keyArn"), KeyType: types.KeyTypeHash}}, Projection: &types.Projection{ProjectionType: types.ProjectionTypeAll}},
			{IndexName: aws.String("byOwner"), KeySchema: []types.KeySchemaElement{{AttributeName: aws.String("owner"), KeyType: types.KeyTypeHash}, {AttributeName: aws.String("n"), KeyType: types.KeyTypeRange}}, Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly}},
		}}))
	return client
}

func put(t testing.TB, client *dynamodb.Client, items ...row) {
	t.Helper()
	for _, i := range items {
		must[*dynamodb.PutItemOutput](t)(client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String("table"), Item: i}))
	}
}

func get(t testing.TB, client *dynamodb.Client, pk, sk string) row {
	t.Helper()
	return must[*dynamodb.GetItemOutput](t)(client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("table"), Key: row{"pk": str(pk), "sk": str(sk)}})).Item
}

// ignoreSDK leaves out what the SDK keeps in its types for itself.
var ignoreSDK = cmpopts.IgnoreUnexported(types.AttributeValueMemberS{}, types.AttributeValueMemberN{})

// sorts is the sort keys of items, in order.
func sorts(items []row) []string {
	got := []string{}
	for _, i := range items {
		got = append(got, i["sk"].(*types.AttributeValueMemberS).Value)
	}
	return got
}

func TestConditionalWritesKeepTheSecondWriterOut(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := c.makeTable(t)
	in := &dynamodb.PutItemInput{TableName: aws.String("table"), Item: row{"pk": str("a"), "sk": str("1"), "revision": num(1)},
		ConditionExpression: aws.String("attribute_not_exists(pk)"), ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld}
	must[*dynamodb.PutItemOutput](t)(client.PutItem(t.Context(), in))
	in.Item["revision"] = num(2)
	_, err := client.PutItem(t.Context(), in)
	var failed *types.ConditionalCheckFailedException
	if !errors.As(err, &failed) {
		t.Fatalf("err = %v, want a ConditionalCheckFailedException", err)
	}
	want := row{"pk": str("a"), "sk": str("1"), "revision": num(1)}
	if diff := cmp.Diff(want, failed.Item, ignoreSDK); diff != "" {
		t.Errorf("item of the failure: %s", diff)
	}
	in.ConditionExpression = aws.String("revision = :before")
	in.ExpressionAttributeValues = row{":before": num(1)}
	in.ReturnValues = types.ReturnValueAllOld
	out := must[*dynamodb.PutItemOutput](t)(client.PutItem(t.Context(), in))
	if diff := cmp.Diff(want, out.Attributes, ignoreSDK); diff != "" {
		t.Errorf("old item: %s", diff)
	}
}

func TestDeleteItem(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := c.makeTable(t)
	put(t, client, row{"pk": str("a"), "sk": str("1")})
	in := &dynamodb.DeleteItemInput{TableName: aws.String("table"), Key: row{"pk": str("a"), "sk": str("1")}, ReturnValues: types.ReturnValueAllOld}
	out := must[*dynamodb.DeleteItemOutput](t)(client.DeleteItem(t.Context(), in))
	if len(out.Attributes) != 2 || get(t, client, "a", "1") != nil {
		t.Errorf("old = %v, now = %v", out.Attributes, get(t, client, "a", "1"))
	}
	must[*dynamodb.DeleteItemOutput](t)(client.DeleteItem(t.Context(), in)) // deleting nothing is no error
}

func TestQueries(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := c.makeTable(t)
	for i, sk := range []string{"2026-01", "2026-02", "2026-03", "2025-12", "x#1"} {
		put(t, client, row{"pk": str("a"), "sk": str(sk), "n": num(i), "keyArn": str("arn:" + fmt.Sprint(i%2)), "owner": str("me")}, row{"pk": str("b"), "sk": str(sk)})
	}
	values := row{":a": str("a"), ":x": str("2026"), ":lo": str("2026-01"), ":hi": str("2026-02"), ":key": str("arn:0"), ":me": str("me"), ":2": num(2)}
	for sentence, q := range map[string]struct {
		in   dynamodb.QueryInput
		use  []string
		want []string
	}{
		"a partition, in the order of the sort key": {dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :a")}, []string{":a"}, []string{"2025-12", "2026-01", "2026-02", "2026-03", "x#1"}},
		"backwards":                   {dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :a"), ScanIndexForward: aws.Bool(false)}, []string{":a"}, []string{"x#1", "2026-03", "2026-02", "2026-01", "2025-12"}},
		"a prefix":                    {dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :a AND begins_with(sk, :x)")}, []string{":a", ":x"}, []string{"2026-01", "2026-02", "2026-03"}},
		"a range":                     {dynamodb.QueryInput{KeyConditionExpression: aws.String("sk BETWEEN :lo AND :hi AND pk = :a")}, []string{":a", ":lo", ":hi"}, []string{"2026-01", "2026-02"}},
		"a bound":                     {dynamodb.QueryInput{KeyConditionExpression: aws.String("(pk = :a) AND (sk > :hi)")}, []string{":a", ":hi"}, []string{"2026-03", "x#1"}},
		"one item":                    {dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :a AND sk = :hi")}, []string{":a", ":hi"}, []string{"2026-02"}},
		"a filter over what was read": {dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :a"), FilterExpression: aws.String("n >= :2")}, []string{":a", ":2"}, []string{"2025-12", "2026-03", "x#1"}},
		"an index without a sort key": {dynamodb.QueryInput{IndexName: aws.String("byKey"), KeyConditionExpression: aws.String("keyArn = :key")}, []string{":key"}, []string{"2026-01", "2026-03", "x#1"}},
		"an index with one, numbers in numerical order": {dynamodb.QueryInput{IndexName: aws.String("byOwner"), KeyConditionExpression: aws.String("#o = :me AND n < :2"), ExpressionAttributeNames: map[string]string{"#o": "owner"}}, []string{":me", ":2"}, []string{"2026-01", "2026-02"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			q.in.TableName, q.in.ExpressionAttributeValues = aws.String("table"), row{}
			for _, name := range q.use {
				q.in.ExpressionAttributeValues[name] = values[name]
			}
			out := must[*dynamodb.QueryOutput](t)(client.Query(t.Context(), &q.in))
			if diff := cmp.Diff(q.want, sorts(out.Items)); diff != "" {
				t.Error(diff)
			}
			q.in.Limit = aws.Int32(1) // and again page by page
			var paged []row
			for pages := dynamodb.NewQueryPaginator(client, &q.in); pages.HasMorePages(); {
				paged = append(paged, must[*dynamodb.QueryOutput](t)(pages.NextPage(t.Context())).Items...)
			}
			if diff := cmp.Diff(q.want, sorts(paged)); diff != "" {
				t.Errorf("one by one: %s", diff)
			}
		})
	}
	out := must[*dynamodb.QueryOutput](t)(client.Query(t.Context(), &dynamodb.QueryInput{TableName: aws.String("table"), IndexName: aws.String("byOwner"), KeyConditionExpression: aws.String("#o = :me"),
		ExpressionAttributeNames: map[string]string{"#o": "owner"}, ExpressionAttributeValues: row{":me": str("me")}, Limit: aws.Int32(1)}))
	if diff := cmp.Diff([]row{{"pk": str("a"), "sk": str("2026-01"), "n": num(0), "owner": str("me")}}, out.Items, ignoreSDK); diff != "" {
		t.Errorf("an index of keys only: %s", diff)
	}
	count := must[*dynamodb.QueryOutput](t)(client.Query(t.Context(), &dynamodb.QueryInput{TableName: aws.String("table"), KeyConditionExpression: aws.String("pk = :a"), Select: types.SelectCount,
		FilterExpression: aws.String("n >= :2"), ExpressionAttributeValues: row{":a": str("a"), ":2": num(2)}}))
	if count.Count != 3 || count.ScannedCount != 5 || count.Items != nil {
		t.Errorf("count = %d of %d, items %v", count.Count, count.ScannedCount, count.Items)
	}
}

func TestScansSeeEverythingOnce(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := c.makeTable(t)
	for i := range 60 {
		put(t, client, row{"pk": str(fmt.Sprint("p", i%20)), "sk": str(fmt.Sprint("s", i)), "big": str(strings.Repeat("x", 40_000))}) // 2.4 MB: three pages
	}
	must[*dynamodb.DeleteItemOutput](t)(client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("table"), Key: row{"pk": str("p7"), "sk": str("s7")}}))
	seen := map[string]int{}
	pages := 0
	read := func(in *dynamodb.ScanInput) {
		in.TableName, in.ProjectionExpression = aws.String("table"), aws.String("sk")
		for p := dynamodb.NewScanPaginator(client, in); p.HasMorePages(); pages++ {
			for _, i := range must[*dynamodb.ScanOutput](t)(p.NextPage(t.Context())).Items {
				seen[i["sk"].(*types.AttributeValueMemberS).Value]++
			}
		}
	}
	once := func(what string) {
		t.Helper()
		if len(seen) != 59 {
			t.Errorf("%s: %d items, want 59", what, len(seen))
		}
		for sk, n := range seen {
			if n != 1 {
				t.Errorf("%s: %s seen %d times", what, sk, n)
			}
		}
		clear(seen)
	}
	read(&dynamodb.ScanInput{})
	once("in pages of 1 MB")
	if pages != 3 {
		t.Errorf("%d pages, want 3", pages)
	}
	read(&dynamodb.ScanInput{Limit: aws.Int32(7)})
	once("in pages of 7")
	for segment := range int32(3) {
		read(&dynamodb.ScanInput{Segment: &segment, TotalSegments: aws.Int32(3), Limit: aws.Int32(4)})
	}
	once("in three segments")
}

func TestEachCallNeedsItsOwnRight(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	c.makeTable(t)
	c.AddRole(hub, "putter", trusting, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"dynamodb:PutItem","Resource":"arn:aws:dynamodb:eu-central-1:111122223333:table/table"}]}`)
	client := dynamodb.NewFromConfig(c.signed(t, "role/putter/session"))
	put(t, client, row{"pk": str("a"), "sk": str("1")})
	_, err := client.DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: aws.String("table"), Key: row{"pk": str("a"), "sk": str("1")}})
	if err == nil || !strings.Contains(err.Error(), "not authorized to perform: dynamodb:DeleteItem") {
		t.Errorf("err = %v, want one about the deletion", err)
	}
}

func TestARightToOnePartitionIsNoneToAnother(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	c.makeTable(t)
	c.AddRole(hub, "one", trusting, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["dynamodb:PutItem","dynamodb:GetItem"],"Resource":"*",
		"Condition":{"ForAllValues:StringEquals":{"dynamodb:LeadingKeys":"a"},"Null":{"dynamodb:LeadingKeys":"false"}}}]}`)
	client := dynamodb.NewFromConfig(c.signed(t, "role/one/session"))
	name := aws.String("table")
	part := func(partition, sort string) types.TransactWriteItem {
		return types.TransactWriteItem{Put: &types.Put{TableName: name, Item: row{"pk": str(partition), "sk": str(sort)}}}
	}
	for what, call := range map[string]func(partition string) error{
		"put": func(partition string) error {
			_, err := client.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: name, Item: row{"pk": str(partition), "sk": str("1")}})
			return err
		},
		"get": func(partition string) error {
			_, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: name, Key: row{"pk": str(partition), "sk": str("1")}})
			return err
		},
		"put as the second part of a transaction": func(partition string) error {
			_, err := client.TransactWriteItems(t.Context(), &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{part("a", "2"), part(partition, "3")}})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			if err := call("a"); err != nil {
				t.Error(err)
			}
			if err := call("b"); err == nil || !strings.Contains(err.Error(), "not authorized to perform: dynamodb:") {
				t.Errorf("err = %v, want one about the right", err)
			}
		})
	}
}

func TestCallsThatNobodyMakesAreUnknown(t *testing.T) {
	client := newCloud(t, localaws.Faults{}).makeTable(t)
	_, err := client.UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: aws.String("table"), Key: row{"pk": str("a"), "sk": str("1")}})
	var unknown smithy.APIError
	if !errors.As(err, &unknown) || unknown.ErrorCode() != "UnknownOperationException" {
		t.Errorf("err = %v, want DynamoDB's UnknownOperationException", err)
	}
}

func TestDynamoDBRefuses(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := c.makeTable(t)
	name := aws.String("table")
	a := row{"pk": str("a"), "sk": str("1")}
	with := func(more row) row {
		for k, v := range a {
			if _, ok := more[k]; !ok {
				more[k] = v
			}
		}
		return more
	}
	putErr := func(in *dynamodb.PutItemInput) error {
		in.TableName = name
		_, err := client.PutItem(t.Context(), in)
		return err
	}
	queryErr := func(in *dynamodb.QueryInput) error {
		in.TableName = name
		_, err := client.Query(t.Context(), in)
		return err
	}
	for sentence, r := range map[string]struct {
		err  error
		says string
	}{
		"an item without its key":             {putErr(&dynamodb.PutItemInput{Item: row{"pk": str("a")}}), "Missing the key sk in the item"},
		"a key of the wrong type":             {putErr(&dynamodb.PutItemInput{Item: with(row{"pk": num(1)})}), "Type mismatch for key pk expected: S actual: N"},
		"an empty key":                        {putErr(&dynamodb.PutItemInput{Item: with(row{"pk": str("")})}), "cannot contain an empty string value. Key: pk"},
		"an index key of the wrong type":      {putErr(&dynamodb.PutItemInput{Item: with(row{"n": str("x")})}), "Type mismatch for Index Key n"},
		"an item over 400 KB":                 {putErr(&dynamodb.PutItemInput{Item: with(row{"x": str(strings.Repeat("x", 400<<10))})}), "Item size has exceeded"},
		"a value that nothing uses":           {putErr(&dynamodb.PutItemInput{Item: a, ConditionExpression: aws.String("attribute_exists(pk)"), ExpressionAttributeValues: row{":x": num(1)}}), "unused in expressions: keys: {:x}"},
		"a name that nothing uses":            {putErr(&dynamodb.PutItemInput{Item: a, ConditionExpression: aws.String("attribute_exists(pk)"), ExpressionAttributeNames: map[string]string{"#x": "x"}}), "unused in expressions: keys: {#x}"},
		"a query without the partition key":   {queryErr(&dynamodb.QueryInput{KeyConditionExpression: aws.String("sk = :x"), ExpressionAttributeValues: row{":x": str("1")}}), "Query condition missed key schema element: pk"},
		"a range over the partition key":      {queryErr(&dynamodb.QueryInput{KeyConditionExpression: aws.String("pk > :x"), ExpressionAttributeValues: row{":x": str("1")}}), "Query key condition not supported"},
		"a condition on something else":       {queryErr(&dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :x AND n = :y"), ExpressionAttributeValues: row{":x": str("1"), ":y": num(1)}}), "missed key schema element: sk"},
		"two conditions on one key":           {queryErr(&dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :x AND pk = :x"), ExpressionAttributeValues: row{":x": str("1")}}), "only contain one condition per key"},
		"a key condition of the wrong type":   {queryErr(&dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :x"), ExpressionAttributeValues: row{":x": num(1)}}), "does not match schema type"},
		"a filter over the key":               {queryErr(&dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :x"), FilterExpression: aws.String("sk = :x"), ExpressionAttributeValues: row{":x": str("1")}}), "can only contain non-primary key attributes"},
		"OR between keys":                     {queryErr(&dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :x OR sk = :x"), ExpressionAttributeValues: row{":x": str("1")}}), "Syntax error"},
		"an index that does not exist":        {queryErr(&dynamodb.QueryInput{IndexName: aws.String("none"), KeyConditionExpression: aws.String("pk = :x"), ExpressionAttributeValues: row{":x": str("1")}}), "does not have the specified index: none"},
		"a consistent read of a global index": {queryErr(&dynamodb.QueryInput{IndexName: aws.String("byKey"), ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("keyArn = :x"), ExpressionAttributeValues: row{":x": str("1")}}), "Consistent reads are not supported"},
		"a limit of nothing":                  {queryErr(&dynamodb.QueryInput{KeyConditionExpression: aws.String("pk = :x"), Limit: aws.Int32(0), ExpressionAttributeValues: row{":x": str("1")}}), "greater than or equal to 1"},
		"a reserved word":                     {putErr(&dynamodb.PutItemInput{Item: a, ConditionExpression: aws.String("ttl > :x"), ExpressionAttributeValues: row{":x": num(1)}}), "reserved keyword: ttl"},
	} {
		t.Run(sentence, func(t *testing.T) {
			if r.err == nil || !strings.Contains(r.err.Error(), r.says) {
				t.Errorf("err = %v, want %q in it", r.err, r.says)
			}
		})
	}
	var missing *types.ResourceNotFoundException
	if _, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: aws.String("none"), Key: a}); !errors.As(err, &missing) {
		t.Errorf("err = %v, want a ResourceNotFoundException", err)
	}
	_, err := client.GetItem(t.Context(), &dynamodb.GetItemInput{TableName: name, Key: row{"pk": str("a")}})
	if err == nil || !strings.Contains(err.Error(), "does not match the schema") {
		t.Errorf("err = %v, want one for half a key", err)
	}
}

func TestTablesAreDescribed(t *testing.T) {
	c := newCloud(t, localaws.Faults{})
	client := c.makeTable(t)
	put(t, client, row{"pk": str("a"), "sk": str("1"), "keyArn": str("k")})
	table := must[*dynamodb.DescribeTableOutput](t)(client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String("table")})).Table
	if table.TableStatus != types.TableStatusActive || *table.ItemCount != 1 || *table.TableSizeBytes != 2+1+2+1+6+1 || *table.TableArn != "arn:aws:dynamodb:eu-central-1:111122223333:table/table" {
		t.Errorf("table = %s %d %d %s", table.TableStatus, *table.ItemCount, *table.TableSizeBytes, *table.TableArn)
	}
	if len(table.GlobalSecondaryIndexes) != 2 || *table.GlobalSecondaryIndexes[0].ItemCount != 1 || *table.GlobalSecondaryIndexes[1].ItemCount != 0 {
		t.Errorf("indexes = %+v", table.GlobalSecondaryIndexes)
	}
	must[*dynamodb.UpdateTimeToLiveOutput](t)(client.UpdateTimeToLive(t.Context(), &dynamodb.UpdateTimeToLiveInput{TableName: aws.String("table"), TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("expiresAt"), Enabled: aws.Bool(true)}}))
	ttl := must[*dynamodb.DescribeTimeToLiveOutput](t)(client.DescribeTimeToLive(t.Context(), &dynamodb.DescribeTimeToLiveInput{TableName: aws.String("table")})).TimeToLiveDescription
	if *ttl.AttributeName != "expiresAt" || ttl.TimeToLiveStatus != types.TimeToLiveStatusEnabled {
		t.Errorf("ttl = %+v", ttl)
	}
	must[*dynamodb.DeleteTableOutput](t)(client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: aws.String("table")}))
	if names := must[*dynamodb.ListTablesOutput](t)(client.ListTables(t.Context(), &dynamodb.ListTablesInput{})).TableNames; len(names) > 0 {
		t.Errorf("tables = %v", names)
	}
}

func BenchmarkDynamoDBQueryByIndex(b *testing.B) {
	c := newCloud(b, localaws.Faults{})
	client := c.makeTable(b)
	for i := range 5000 {
		put(b, client, row{"pk": str(fmt.Sprint("p", i)), "sk": str("record"), "keyArn": str(fmt.Sprint("k", i%500))})
	}
	b.ResetTimer()
	for b.Loop() {
		out := must[*dynamodb.QueryOutput](b)(client.Query(b.Context(), &dynamodb.QueryInput{TableName: aws.String("table"), IndexName: aws.String("byKey"), KeyConditionExpression: aws.String("keyArn = :k"), ExpressionAttributeValues: row{":k": str("k7")}}))
		if len(out.Items) != 10 {
			b.Fatal(len(out.Items))
		}
	}
}
