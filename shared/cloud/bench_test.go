package cloud_test

import (
	"path"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/queues"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/cloud/table"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/localaws"
	"github.com/doublelock/doublelock/shared/trail"
)

// quiet is a local AWS with one account and its roles, for measuring.
func quiet(b *testing.B) (*secrets.Secrets, *secretsmanager.Client) {
	b.Helper()
	local := localaws.New(localaws.Options{})
	endpoint, stop, err := local.Start()
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(stop)
	local.Organization("o-contract00", hub)
	local.AddAccount("", member, "member")
	local.AddRole(member, "doublelock-read", trustHub, mayRead)
	w := &world{endpoint: endpoint, admin: func(t testing.TB, account string) cloud.Static {
		c, err := local.Principal(account, "role/people/somebody")
		if err != nil {
			t.Fatal(err)
		}
		return cloud.Static(c)
	}}
	return secrets.New(w.cloud(b, nil)), w.secrets(b, member)
}

// BenchmarkDescribe is one secret as detect looks at it: two calls, key metadata cached.
func BenchmarkDescribe(b *testing.B) {
	secrets, people := quiet(b)
	if _, err := people.CreateSecret(b.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("app/db"), SecretString: aws.String("x")}); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := secrets.Describe(b.Context(), ref()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkDescribeWithTheSDKAlone is the least that a look costs: its two calls, and nothing made of the answers.
func BenchmarkDescribeWithTheSDKAlone(b *testing.B) {
	_, people := quiet(b)
	made, err := people.CreateSecret(b.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("app/db"), SecretString: aws.String("x")})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := people.DescribeSecret(b.Context(), &secretsmanager.DescribeSecretInput{SecretId: made.ARN}); err != nil {
			b.Fatal(err)
		}
		versions := &secretsmanager.ListSecretVersionIdsInput{SecretId: made.ARN, IncludeDeprecated: aws.Bool(true)}
		if _, err := people.ListSecretVersionIds(b.Context(), versions); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUnder looks up 4,000 secrets under one key, and sends each to a queue.
func BenchmarkUnder(b *testing.B) {
	w := startLocal(b)
	c := w.cloud(b, func(o *cloud.Options) { o.Concurrency = 8 })
	records := table.Open(c, newTable(b, w))
	const many = 4000
	for n := range many {
		if err := records.Save(b.Context(), recordUnder(n, keyARN)); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("look up", func(b *testing.B) {
		for b.Loop() {
			found, _, err := records.Under(b.Context(), guard.KeyEntry(keyARN))
			if err != nil || len(found) != many {
				b.Fatal(len(found), err)
			}
		}
	})
	queue, err := w.sqs(b).CreateQueue(b.Context(), &sqs.CreateQueueInput{QueueName: aws.String("looks")})
	if err != nil {
		b.Fatal(err)
	}
	bodies := make([]string, many)
	for n := range bodies {
		bodies[n] = trail.Look{Secret: guard.SecretRef{Account: member, Region: region, ID: secretNo(n)}, Led: guard.KeyEntry(keyARN)}.Body()
	}
	b.Run("send", func(b *testing.B) {
		for b.Loop() {
			if err := queues.Send(b.Context(), c, arnOfQueue(*queue.QueueUrl), bodies); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// arnOfQueue is the ARN of a queue of the hub, by its address.
func arnOfQueue(url string) string {
	return "arn:aws:sqs:" + region + ":" + hub + ":" + path.Base(url)
}
