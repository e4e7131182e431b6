package localaws_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doublelock/doublelock/shared/awscli/awsclitest"
)

// shell is what a shell needs for the real aws CLI to be an administrator of an account.
func (r *testbed) shell(account string) []string {
	r.t.Helper()
	key, err := r.Principal(account, admin)
	if err != nil {
		r.t.Fatal(err)
	}
	return append(os.Environ(), "PATH="+filepath.Dir(awsclitest.Find(r.t.(*testing.T)))+string(os.PathListSeparator)+os.Getenv("PATH"), "AWS_ENDPOINT_URL="+r.url,
		"AWS_DEFAULT_REGION="+east, "AWS_REGION="+east, "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true", "AWS_DEFAULT_OUTPUT=text",
		"AWS_ACCESS_KEY_ID="+key.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+key.SecretAccessKey, "AWS_SESSION_TOKEN="+key.SessionToken)
}

// What a person would try with the real aws CLI, on what decides which keys open a value. The one that is pinned knows no calls
// of cross-account replication.
func TestCopiesByTheRealCLI(t *testing.T) {
	for name, test := range map[string]struct {
		lines []string
		want  []string // lines that are printed, in this order
	}{
		"a value that was written while its alias was elsewhere": {[]string{
			`A=$(aws kms create-key --query KeyMetadata.Arn)`,
			`B=$(aws kms create-key --query KeyMetadata.Arn)`,
			`aws kms create-alias --alias-name alias/app --target-key-id "$A"`,
			`aws secretsmanager create-secret --name db --secret-string one --kms-key-id alias/app >/dev/null`,
			`aws kms update-alias --alias-name alias/app --target-key-id "$B"`,
			`aws secretsmanager put-secret-value --secret-id db --secret-string two >/dev/null`,
			`aws kms update-alias --alias-name alias/app --target-key-id "$A"`,
			`aws secretsmanager describe-secret --secret-id db --query KmsKeyId`,
			`KEYS=$(aws secretsmanager list-secret-version-ids --secret-id db --query "Versions[?VersionStages[0]=='AWSCURRENT'].KmsKeyIds[]")`,
			`test "$KEYS" = "$B" && echo under the other key`,
			`aws kms disable-key --key-id "$B"`,
			`aws secretsmanager get-secret-value --secret-id db 2>&1 | grep -o DecryptionFailure`,
		}, []string{"alias/app", "under the other key", "DecryptionFailure"}},
		"a version that a re-key leaves": {[]string{
			`A=$(aws kms create-key --query KeyMetadata.Arn)`,
			`aws secretsmanager create-secret --name db --secret-string one >/dev/null`,
			`aws secretsmanager put-secret-value --secret-id db --secret-string kept --version-stages last-year >/dev/null`,
			`aws secretsmanager update-secret --secret-id db --kms-key-id "$A" >/dev/null`,
			`aws secretsmanager list-secret-version-ids --secret-id db --query "Versions[?VersionStages[0]=='last-year'].KmsKeyIds[]"`,
		}, []string{"DefaultEncryptionKey"}},
		"a replica that failed": {[]string{
			`aws secretsmanager create-secret --name db --secret-string other --region ` + west + ` >/dev/null`,
			`aws secretsmanager create-secret --name db --secret-string one --add-replica-regions Region=` + west + ` >/dev/null`,
			`aws secretsmanager describe-secret --secret-id db --query 'ReplicationStatus[].Status'`,
			`aws secretsmanager replicate-secret-to-regions --secret-id db --add-replica-regions Region=` + west + ` --force-overwrite-replica-secret >/dev/null`,
			`aws secretsmanager describe-secret --secret-id db --query 'ReplicationStatus[].Status'`,
			`aws secretsmanager get-secret-value --secret-id db --region ` + west + ` --query SecretString`,
		}, []string{"Failed", "InSync", "one"}},
		"a managed external secret": {[]string{
			`aws iam create-role --role-name rotation --assume-role-policy-document '` + trustsUs + `' >/dev/null`,
			`aws iam put-role-policy --role-name rotation --policy-name rights --policy-document '` + rotatesExternal(salesforce, "") + `'`,
			`aws secretsmanager create-secret --name crm --secret-string one --type ` + salesforce + ` >/dev/null`,
			`aws secretsmanager rotate-secret --secret-id crm --external-secret-rotation-role-arn arn:aws:iam::` + open + `:role/rotation --external-secret-rotation-metadata Key=apiVersion,Value=v65.0 >/dev/null`,
			`aws secretsmanager describe-secret --secret-id crm --query '[Type,ExternalSecretRotationMetadata[0].Value,length(VersionIdsToStages)]'`,
		}, []string{salesforce + "\tv65.0\t2"}},
		"who moved an alias": {[]string{ // as docs/operations.md has it
			`A=$(aws kms create-key --query KeyMetadata.Arn)`,
			`aws kms create-alias --alias-name alias/app --target-key-id "$A"`,
			`aws kms update-alias --alias-name alias/app --target-key-id "$A"`,
			`for call in CreateAlias UpdateAlias TagResource CreateKey ReplicateKey; do aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=$call --query "Events[?EventSource=='kms.amazonaws.com'].[EventName,Username]" --output text; done`,
		}, []string{"CreateAlias\tada", "UpdateAlias\tada", "CreateKey\tada"}},
		"a search of the trail by time and by pages": {[]string{
			`for name in a b c; do aws secretsmanager create-secret --name $name --secret-string one >/dev/null; done`,
			`look() { aws cloudtrail lookup-events --lookup-attributes AttributeKey=EventName,AttributeValue=CreateSecret "$@"; }`,
			`look --start-time 2020-01-01 --end-time 2099-01-01 --query 'length(Events)'`,
			`look --end-time 2020-01-01 --query 'length(Events)'`,
			`look --page-size 1 --query 'Events[].Resources[0].ResourceName'`,
			`look --max-results 51 2>&1 | grep -o InvalidMaxResultsException`,
			`look --start-time 2021-01-01 --end-time 2020-01-01 2>&1 | grep -o InvalidTimeRangeException`,
		}, []string{"3", "0", "c", "b", "a", "InvalidMaxResultsException", "InvalidTimeRangeException"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestbed(t)
			out, err := awsclitest.Paste(t.Context(), t.TempDir(), r.shell(open), test.lines...)
			if got := strings.Split(strings.TrimSpace(out), "\n"); err != nil || strings.Join(got, "\n") != strings.Join(test.want, "\n") {
				t.Errorf("%v, printed:\n%s\nwant:\n%s", err, out, strings.Join(test.want, "\n"))
			}
		})
	}
}
