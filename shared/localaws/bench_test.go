package localaws_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/doublelock/doublelock/shared/localaws"
)

func quiet(o *localaws.Options) { o.OnRecord = nil }

func BenchmarkDescribeSecret(b *testing.B) {
	r := newTestbed(b, quiet)
	sm := r.secrets(open, admin, east)
	id := r.create(sm, "a")
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := sm.DescribeSecret(b.Context(), &secretsmanager.DescribeSecretInput{SecretId: &id}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

func BenchmarkCreateSecret(b *testing.B) {
	r := newTestbed(b, quiet)
	sm := r.secrets(open, admin, east)
	n := 0
	for b.Loop() {
		n++
		if _, err := sm.CreateSecret(b.Context(), &secretsmanager.CreateSecretInput{Name: aws.String(fmt.Sprintf("s-%d", n)), SecretString: aws.String("x")}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

func BenchmarkCreateSecretInProcess(b *testing.B) {
	r := newTestbed(b, quiet)
	n := 0
	for b.Loop() {
		n++
		if _, err := r.As("example.amazonaws.com", open, east, "secretsmanager", "CreateSecret", map[string]any{"Name": fmt.Sprintf("s-%d", n), "SecretString": "x"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

func BenchmarkListSecretsOf10000(b *testing.B) {
	r := newTestbed(b, quiet)
	for i := range 10_000 {
		if _, err := r.As("example.amazonaws.com", open, east, "secretsmanager", "CreateSecret", map[string]any{"Name": fmt.Sprintf("s-%d", i)}); err != nil {
			b.Fatal(err)
		}
	}
	sm := r.secrets(open, admin, east)
	for b.Loop() {
		if names, _ := list(b, sm, secretsmanager.ListSecretsInput{}); len(names) != 10_000 {
			b.Fatalf("%d names", len(names))
		}
	}
}

// BenchmarkHandleDescribeSecret is the server's share of a DescribeSecret: routing, authorisation, record, answer.
func BenchmarkHandleDescribeSecret(b *testing.B) {
	r := newTestbed(b, quiet)
	id := r.create(r.secrets(open, admin, east), "a")
	signer := r.signers[open+admin]
	body := `{"SecretId":"` + id + `"}`
	for b.Loop() {
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+signer.AccessKeyID+"/20260901/us-east-1/secretsmanager/aws4_request, Signature=00")
		request.Header.Set("X-Amz-Security-Token", signer.SessionToken)
		request.Header.Set("X-Amz-Target", "secretsmanager.DescribeSecret")
		answer := httptest.NewRecorder()
		r.ServeHTTP(answer, request)
		if answer.Code != http.StatusOK {
			b.Fatal(answer.Body.String())
		}
	}
}
