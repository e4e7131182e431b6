package localaws_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

// list answers the names of all pages, and how many pages there were.
func list(t testing.TB, sm *secretsmanager.Client, in secretsmanager.ListSecretsInput) (names []string, pages int) {
	t.Helper()
	names = []string{}
	for {
		out, err := sm.ListSecrets(t.Context(), &in)
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, s := range out.SecretList {
			names = append(names, *s.Name)
		}
		if out.NextToken == nil {
			return names, pages
		}
		in.NextToken = out.NextToken
	}
}

func TestListFilters(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	r.create(sm, "prod/db", func(in *secretsmanager.CreateSecretInput) {
		in.Description, in.Tags = aws.String("Main database"), tags("team", "payments")
	})
	r.create(sm, "prod/api", func(in *secretsmanager.CreateSecretInput) { in.Tags = tags("team", "billing") })
	r.create(sm, "test/db", func(in *secretsmanager.CreateSecretInput) {
		in.AddReplicaRegions = []smtypes.ReplicaRegionType{{Region: aws.String(west)}}
	})
	leaving := r.create(sm, "leaving")
	if _, err := sm.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &leaving}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ServiceOwnedSecret(open, east, "rds", "db-1", ""); err != nil {
		t.Fatal(err)
	}
	is := func(key smtypes.FilterNameStringType, values ...string) smtypes.Filter {
		return smtypes.Filter{Key: key, Values: values}
	}
	for name, test := range map[string]struct {
		filters []smtypes.Filter
		want    []string
	}{
		"without a filter all but those pending deletion": {nil, []string{"prod/db", "prod/api", "test/db", "rds!db-1"}},
		"names by prefix":                         {[]smtypes.Filter{is("name", "prod/")}, []string{"prod/db", "prod/api"}},
		"names mind the case":                     {[]smtypes.Filter{is("name", "PROD/")}, []string{}},
		"names but a prefix":                      {[]smtypes.Filter{is("name", "!prod/")}, []string{"test/db", "rds!db-1"}},
		"one of several values":                   {[]smtypes.Filter{is("name", "prod/db", "test/")}, []string{"prod/db", "test/db"}},
		"several filters at once":                 {[]smtypes.Filter{is("name", "prod/"), is("tag-value", "pay")}, []string{"prod/db"}},
		"tag keys by prefix":                      {[]smtypes.Filter{is("tag-key", "te")}, []string{"prod/db", "prod/api"}},
		"tag values but one":                      {[]smtypes.Filter{is("tag-value", "!billing"), is("tag-key", "team")}, []string{"prod/db"}},
		"descriptions do not mind the case":       {[]smtypes.Filter{is("description", "main")}, []string{"prod/db"}},
		"replicated ones by their primary Region": {[]smtypes.Filter{is("primary-region", "us-")}, []string{"test/db"}},
		"those of a service":                      {[]smtypes.Filter{is("owning-service", "rds")}, []string{"rds!db-1"}},
		"those of no service":                     {[]smtypes.Filter{is("owning-service", "!rds")}, []string{"prod/db", "prod/api", "test/db"}},
		"words anywhere":                          {[]smtypes.Filter{is("all", "DB")}, []string{"prod/db", "test/db", "rds!db-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := list(t, sm, secretsmanager.ListSecretsInput{Filters: test.filters})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	all, _ := list(t, sm, secretsmanager.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)})
	if !slices.Contains(all, "leaving") {
		t.Errorf("IncludePlannedDeletion: got %v", all)
	}
	if _, err := sm.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{Filters: []smtypes.Filter{is("kms-key", "x")}}); code(err) != "ValidationException" {
		t.Errorf("a filter AWS does not have: got %v", err)
	}
}

func TestListPages(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	for i := range 250 {
		r.create(sm, fmt.Sprintf("s%03d", i), noValue)
	}
	names, pages := list(t, sm, secretsmanager.ListSecretsInput{})
	if len(names) != 250 || pages != 3 || names[249] != "s249" {
		t.Errorf("%d names on %d pages", len(names), pages)
	}
	if _, pages = list(t, sm, secretsmanager.ListSecretsInput{MaxResults: aws.Int32(50)}); pages != 5 {
		t.Errorf("%d pages of 50, want 5", pages)
	}
	newest, _ := list(t, sm, secretsmanager.ListSecretsInput{SortOrder: smtypes.SortOrderTypeDesc, SortBy: smtypes.SortByTypeName})
	if newest[0] != "s249" || len(newest) != 250 {
		t.Errorf("backwards: %d names from %s", len(newest), newest[0])
	}
	if _, err := sm.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{NextToken: aws.String("nonsense")}); code(err) != "InvalidNextTokenException" {
		t.Errorf("a token nobody gave: got %v", err)
	}
}

func TestAListThatShrinksWhileItIsReadLosesNothing(t *testing.T) {
	r := newTestbed(t)
	sm := r.secrets(open, admin, east)
	for i := range 300 {
		r.create(sm, fmt.Sprintf("s%03d", i), noValue)
	}
	first, err := sm.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range first.SecretList { // all that was seen goes away
		if _, err := sm.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: s.ARN, ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
			t.Fatal(err)
		}
	}
	rest, _ := list(t, sm, secretsmanager.ListSecretsInput{NextToken: first.NextToken})
	if len(rest) != 200 || rest[0] != "s100" {
		t.Errorf("%d more from %s, want 200 from s100", len(rest), rest[0])
	}
}

func TestStaleLists(t *testing.T) {
	r := newTestbed(t, func(o *localaws.Options) { o.Faults.ListStaleness = 5 * time.Minute })
	sm := r.secrets(open, admin, east)
	arn := r.create(sm, "a")
	if names, _ := list(t, sm, secretsmanager.ListSecretsInput{}); len(names) != 0 {
		t.Errorf("just created, but listed: %v", names)
	}
	if *r.describe(sm, arn).Name != "a" {
		t.Error("DescribeSecret must see it at once")
	}
	r.later(5 * time.Minute)
	if names, _ := list(t, sm, secretsmanager.ListSecretsInput{}); len(names) != 1 {
		t.Errorf("after five minutes: %v", names)
	}
	r.rekey(sm, arn, r.key(open, east))
	out, err := sm.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if out.SecretList[0].KmsKeyId != nil {
		t.Errorf("the list shows the new key already")
	}
	r.later(5 * time.Minute)
	if _, err := sm.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &arn, ForceDeleteWithoutRecovery: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	if names, _ := list(t, sm, secretsmanager.ListSecretsInput{}); len(names) != 1 {
		t.Errorf("just deleted, but not listed any more")
	}
	r.later(5 * time.Minute)
	if names, _ := list(t, sm, secretsmanager.ListSecretsInput{}); len(names) != 0 {
		t.Errorf("still listed: %v", names)
	}
}
