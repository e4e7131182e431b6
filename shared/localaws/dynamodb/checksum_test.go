package dynamodb_test

import (
	"bytes"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/logging"

	"github.com/doublelock/doublelock/shared/localaws"
)

// Every answer of DynamoDB carries the checksum of its body (developer guide, "DynamoDB low-level API").
func TestDynamoDBSaysTheChecksumOfItsAnswers(t *testing.T) {
	var complaints bytes.Buffer
	a := localaws.New(localaws.Options{})
	url, stop, err := a.Start()
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	keys, err := a.Principal("111122223333", "root")
	if err != nil {
		t.Fatal(err)
	}
	client := dynamodb.NewFromConfig(aws.Config{
		Region: "eu-central-1", BaseEndpoint: &url, Logger: logging.NewStandardLogger(&complaints),
		Credentials: credentials.NewStaticCredentialsProvider(keys.AccessKeyID, keys.SecretAccessKey, keys.SessionToken),
	})
	if _, err := client.ListTables(t.Context(), &dynamodb.ListTablesInput{}); err != nil {
		t.Fatal(err)
	}
	if complaints.Len() > 0 {
		t.Error(complaints.String())
	}
}
