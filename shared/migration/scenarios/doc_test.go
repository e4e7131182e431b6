// Package scenarios_test plays migrations in a local AWS, with handlers, adapters and SDK as they are deployed, and
// finds out by reading who can still read.
package scenarios_test

import (
	"strings"
	"testing"
)

const (
	payer  = "999999999999"
	hub    = "222222222222"
	shop   = "111122223333"
	data   = "444455556666"
	region = "eu-central-1"

	trustOfHub  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::222222222222:root"},"Action":"sts:AssumeRole"}]}`
	trustOfSelf = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`
)

func policyText(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func may(actions, resource string) string {
	return `{"Effect":"Allow","Action":` + actions + `,"Resource":"` + resource + `"}`
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ignore[T any](_ T, err error) error { return err }
