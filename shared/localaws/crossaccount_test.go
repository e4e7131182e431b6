package localaws_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws/core"
)

// The SDK that the product is built with has no calls for cross-account replication yet, so they are made in this process.
func (r *testbed) call(account, principal, operation string, in map[string]any) (map[string]any, error) {
	r.t.Helper()
	return r.AsPrincipal(account, principal, east, "secretsmanager", operation, in)
}

func (r *testbed) must(account, operation string, in map[string]any) map[string]any {
	r.t.Helper()
	out, err := r.call(account, admin, operation, in)
	if err != nil {
		r.t.Fatalf("%s: %v", operation, err)
	}
	return out
}

// codeOf is the code of an error of a call that was made in this process; "" for none.
func codeOf(err error) string {
	var api *core.Error
	if errors.As(err, &api) {
		return api.Code
	}
	return ""
}

// encryptFrom is a policy for a key of an account that lets another account encrypt through Secrets Manager.
func encryptFrom(owner, account string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + owner + `:root"},"Action":"kms:*","Resource":"*"},` +
		`{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + account + `:root"},"Action":"kms:Encrypt","Resource":"*","Condition":{"StringEquals":{"kms:ViaService":"secretsmanager.` + east + `.amazonaws.com"}}}]}`
}

// abroad is a secret of one account and its copy in another, made and not linked yet.
type abroad struct{ primary, key, replica, far string }

func (r *testbed) abroad() abroad {
	r.t.Helper()
	a := abroad{key: r.key(keyring, east), far: r.key(open, east, keyPolicy(encryptFrom(open, keyring)))}
	a.primary = r.create(r.secrets(keyring, admin, east), "shared/db", under(a.key))
	made := r.must(open, "CreateSecret", map[string]any{"Name": "copy/db", "KmsKeyId": a.far, "CrossAccountPrimaryARN": a.primary})
	a.replica = made["ARN"].(string)
	return a
}

func (r *testbed) link(a abroad, more map[string]any) (map[string]any, error) {
	r.t.Helper()
	in := map[string]any{"SecretId": a.primary, "CrossAccountReplicaARN": a.replica}
	maps.Copy(in, more)
	return r.call(keyring, admin, "AssociateCrossAccountReplica", in)
}

// ends are the statuses that the copy and the primary describe; "" where one describes none.
func (r *testbed) ends(a abroad) [2]string {
	r.t.Helper()
	var out [2]string
	if from, ok := r.must(open, "DescribeSecret", map[string]any{"SecretId": a.replica})["CrossAccountPrimary"].(map[string]any); ok {
		if from["PrimarySecretARN"] != a.primary {
			r.t.Errorf("the copy is of %v, want %s", from["PrimarySecretARN"], a.primary)
		}
		out[0] = from["ReplicationStatus"].(string)
	}
	if to, ok := r.must(keyring, "DescribeSecret", map[string]any{"SecretId": a.primary})["CrossAccountReplicas"].([]any); ok {
		one := to[0].(map[string]any)
		if one["ReplicaSecretARN"] != a.replica || len(to) != 1 {
			r.t.Errorf("the primary is copied to %v, want %s", to, a.replica)
		}
		out[1] = one["ReplicationStatus"].(string)
	}
	return out
}

// User guide, "Replicate secrets across accounts".
func TestACopyInAnotherAccountFollowsUnderItsOwnKey(t *testing.T) {
	r := newTestbed(t)
	a := r.abroad()
	here, there := r.secrets(keyring, admin, east), r.secrets(open, admin, east)
	if got := r.ends(a); got != [2]string{"Pending", ""} || r.read(there, a.replica) != "[ResourceNotFoundException]" {
		t.Errorf("before it is linked: %v, %s", got, r.read(there, a.replica))
	}
	if _, err := r.link(a, nil); err != nil {
		t.Fatal(err)
	}
	if got := r.ends(a); got != [2]string{"InSync", "InSync"} || r.read(there, a.replica) != "first" {
		t.Errorf("linked: %v, %s", got, r.read(there, a.replica))
	}
	if diff := cmp.Diff(map[string][]string{"AWSCURRENT": {a.far}}, r.locks(there, a.replica)); diff != "" {
		t.Errorf("under the copy's own key: %s", diff)
	}
	in := map[string]bool{}
	for _, record := range r.records {
		if record["eventName"] == "AssociateCrossAccountReplica" {
			in[record["recipientAccountId"].(string)] = record["sharedEventID"] != nil
		}
	}
	if diff := cmp.Diff(map[string]bool{open: true, keyring: true}, in); diff != "" {
		t.Errorf("recorded in both accounts: %s", diff)
	}

	r.forget()
	r.put(here, a.primary, "second")
	if got := r.read(there, a.replica); got != "second" {
		t.Errorf("a new value: %s", got)
	}
	used := map[string]string{}
	for _, record := range r.records {
		if key, ok := record["resources"].([]any); ok && record["recipientAccountId"] == keyring {
			used[record["eventName"].(string)] = key[0].(map[string]any)["ARN"].(string)
		}
	}
	if used["Decrypt"] != a.key || used["Encrypt"] != a.far {
		t.Errorf("it is decrypted with the primary's key and encrypted with the copy's: %v", used)
	}

	r.disable(a.key)
	if got := r.read(there, a.replica); got != "second" {
		t.Errorf("what is there does not need the primary's key: %s", got)
	}
	r.enable(a.key)
	r.disable(a.far)
	r.put(here, a.primary, "third")
	if got := r.ends(a); got != [2]string{"Failed", "Failed"} {
		t.Errorf("a copy whose key is disabled: %v", got)
	}
	r.enable(a.far)
	if _, err := r.link(a, nil); err != nil { // repairs
		t.Fatal(err)
	}
	if got := r.ends(a); got != [2]string{"InSync", "InSync"} || r.read(there, a.replica) != "third" {
		t.Errorf("linked again: %v, %s", got, r.read(there, a.replica))
	}
}

func TestACopyInAnotherAccountEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end    func(r *testbed, a abroad)
		want   [2]string
		writes string // what the copy's owner gets who writes to it afterwards
	}{
		"by its primary's owner": {func(r *testbed, a abroad) {
			r.must(keyring, "DisassociateCrossAccountReplica", map[string]any{"SecretId": a.primary, "CrossAccountReplicaARN": a.replica})
		}, [2]string{"Detached", ""}, "InvalidRequestException"},
		"by its own owner": {func(r *testbed, a abroad) {
			r.must(open, "StopReplicationToReplica", map[string]any{"SecretId": a.replica})
		}, [2]string{"", "Detached"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestbed(t)
			a := r.abroad()
			here, there := r.secrets(keyring, admin, east), r.secrets(open, admin, east)
			if _, err := r.link(a, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := here.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &a.primary}); code(err) != "InvalidRequestException" {
				t.Errorf("deleting a primary that is copied: %v", err)
			}
			if _, err := there.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &a.replica, SecretString: aws.String("own")}); code(err) != "InvalidRequestException" {
				t.Errorf("writing to a copy: %v", err)
			}
			test.end(r, a)
			if got := r.ends(a); got != test.want {
				t.Errorf("got %v, want %v", got, test.want)
			}
			r.put(here, a.primary, "second")
			if got := r.read(there, a.replica); got != "first" {
				t.Errorf("nothing more reaches it: %s", got)
			}
			if _, err := there.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: &a.replica, SecretString: aws.String("own")}); code(err) != test.writes {
				t.Errorf("writing to it: got %v, want %q", err, test.writes)
			}
			if _, err := here.DeleteSecret(t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &a.primary}); err != nil {
				t.Errorf("deleting the primary: %v", err)
			}
		})
	}
}

// outside makes the copy in an account that is not in the organization.
func outside(r *testbed, a *abroad) {
	const stranger = "999988887777"
	a.far = r.key(stranger, east, keyPolicy(encryptFrom(stranger, keyring)))
	a.replica = r.must(stranger, "CreateSecret", map[string]any{"Name": "copy/db", "KmsKeyId": a.far, "CrossAccountPrimaryARN": a.primary})["ARN"].(string)
}

func TestWhatALinkToAnotherAccountTakes(t *testing.T) {
	denied := func(action string) string {
		return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"` + action + `","Resource":"*"}]}`
	}
	for name, test := range map[string]struct {
		policy string // of who links; "" an administrator
		change func(r *testbed, a *abroad)
		more   map[string]any
		want   string
	}{
		"an administrator links it":            {},
		"no right to link":                     {policy: denied("secretsmanager:AssociateCrossAccountReplica"), want: "AccessDeniedException"},
		"no right to read the primary":         {policy: denied("secretsmanager:GetSecretValue"), want: "AccessDeniedException"},
		"no right to have it accepted":         {policy: denied("secretsmanager:AcceptCrossAccountReplication"), want: "AccessDeniedException"},
		"no right to decrypt":                  {policy: denied("kms:Decrypt"), want: "AccessDeniedException"},
		"no right to encrypt":                  {policy: denied("kms:Encrypt"), want: "AccessDeniedException"},
		"no right to hand over the role":       {policy: denied("iam:PassRole"), more: map[string]any{"ReplicationRoleARN": "arn:aws:iam::" + keyring + ":role/Replicator"}, want: "AccessDeniedException"},
		"a secret that was not made as a copy": {change: func(r *testbed, a *abroad) { a.replica = r.create(r.secrets(open, admin, east), "plain") }, want: "AccessDeniedException"},
		"a secret of the same account":         {change: func(r *testbed, a *abroad) { a.replica = r.create(r.secrets(keyring, admin, east), "plain") }, want: "InvalidParameterException"},
		"an account outside the organization":  {change: outside, want: "InvalidRequestException"},
		"which may be allowed":                 {change: outside, more: map[string]any{"ReplicaRestriction": "NoRestriction"}},
		"a second copy": {change: func(r *testbed, a *abroad) {
			if _, err := r.link(*a, nil); err != nil {
				r.t.Fatal(err)
			}
			a.replica = r.must(open, "CreateSecret", map[string]any{"Name": "copy/other", "KmsKeyId": a.far, "CrossAccountPrimaryARN": a.primary})["ARN"].(string)
		}, want: "LimitExceededException"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTestbed(t)
			a := r.abroad()
			r.role(keyring, "Replicator", allow("kms:*"))
			if test.change != nil {
				test.change(r, &a)
			}
			who := admin
			if test.policy != "" {
				who = r.role(keyring, "Linker", test.policy)
			}
			in := map[string]any{"SecretId": a.primary, "CrossAccountReplicaARN": a.replica}
			maps.Copy(in, test.more)
			if _, err := r.call(keyring, who, "AssociateCrossAccountReplica", in); codeOf(err) != test.want {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// With a replication role it does not matter what those may do who write.
func TestAReplicationRoleStandsInForWhoWrites(t *testing.T) {
	r := newTestbed(t)
	a := r.abroad()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"secretsmanager.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"` + keyring + `"}}}]}`
	r.AddRole(keyring, "Replicator", trust, allow("kms:Decrypt", "kms:Encrypt"))
	role := "arn:aws:iam::" + keyring + ":role/Replicator"
	writer := r.secrets(keyring, r.role(keyring, "Writer", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:*","kms:GenerateDataKey"],"Resource":"*"}]}`), east)
	there := r.secrets(open, admin, east)
	if _, err := r.link(a, nil); err != nil {
		t.Fatal(err)
	}
	r.put(writer, a.primary, "second")
	if got := r.ends(a); got != [2]string{"Failed", "Failed"} || r.read(there, a.replica) != "first" {
		t.Errorf("by the writer, who may not decrypt: %v", got)
	}
	if _, err := r.link(a, map[string]any{"ReplicationRoleARN": role}); err != nil {
		t.Fatal(err)
	}
	r.put(writer, a.primary, "third")
	if got := r.ends(a); got != [2]string{"InSync", "InSync"} || r.read(there, a.replica) != "third" {
		t.Errorf("by the role: %v", got)
	}
}

func TestWhatACopyOfAnotherAccountCannotBeMadeWith(t *testing.T) {
	r := newTestbed(t)
	primary := "arn:aws:secretsmanager:" + east + ":" + keyring + ":secret:shared/db-AbCdEf"
	key := r.key(open, east)
	for name, in := range map[string]map[string]any{
		"no key":               {"CrossAccountPrimaryARN": primary},
		"the AWS managed key":  {"CrossAccountPrimaryARN": primary, "KmsKeyId": "alias/aws/secretsmanager"},
		"a value":              {"CrossAccountPrimaryARN": primary, "KmsKeyId": key, "SecretString": "x"},
		"a description":        {"CrossAccountPrimaryARN": primary, "KmsKeyId": key, "Description": "x"},
		"replicas":             {"CrossAccountPrimaryARN": primary, "KmsKeyId": key, "AddReplicaRegions": []any{map[string]any{"Region": west}}},
		"a type":               {"CrossAccountPrimaryARN": primary, "KmsKeyId": key, "Type": "SalesforceClientSecret"},
		"a primary elsewhere":  {"CrossAccountPrimaryARN": strings.Replace(primary, east, west, 1), "KmsKeyId": key},
		"a primary of its own": {"CrossAccountPrimaryARN": strings.Replace(primary, keyring, open, 1), "KmsKeyId": key},
	} {
		in["Name"] = "copy/" + strings.ReplaceAll(name, " ", "-")
		if _, err := r.call(open, admin, "CreateSecret", in); codeOf(err) != "InvalidParameterException" {
			t.Errorf("%s: got %v", name, err)
		}
	}
	who := r.role(open, "Maker", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"secretsmanager:PutResourcePolicy","Resource":"*"}]}`)
	if _, err := r.call(open, who, "CreateSecret", map[string]any{"Name": "copy/x", "KmsKeyId": key, "CrossAccountPrimaryARN": primary}); codeOf(err) != "AccessDeniedException" {
		t.Errorf("without the right to put its policy: %v", err)
	}
}

// API reference, ListResourcePolicies: the default first, then the others; only the default can be changed.
func TestACopyOfAnotherAccountHasASecondPolicy(t *testing.T) {
	r := newTestbed(t)
	a := r.abroad()
	r.must(open, "PutResourcePolicy", map[string]any{"SecretId": a.replica, "ResourcePolicy": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::` + open + `:root"},"Action":"secretsmanager:*","Resource":"*"}]}`})
	names := func() []any {
		return r.must(open, "ListResourcePolicies", map[string]any{"SecretId": a.replica})["ResourcePolicies"].([]any)
	}
	if diff := cmp.Diff([]any{map[string]any{"PolicyName": "default"}, map[string]any{"PolicyName": "cross-account-replication"}}, names()); diff != "" {
		t.Error(diff)
	}
	second := map[string]any{"SecretId": a.replica, "PolicyName": "cross-account-replication"}
	if policy := r.must(open, "GetResourcePolicy", second)["ResourcePolicy"]; !strings.Contains(policy.(string), keyring) {
		t.Errorf("it names the primary's account: %v", policy)
	}
	if _, err := r.call(open, admin, "DeleteResourcePolicy", second); codeOf(err) != "InvalidParameterException" {
		t.Errorf("deleting it: %v", err)
	}
	if _, err := r.call(open, admin, "GetResourcePolicy", map[string]any{"SecretId": a.replica, "PolicyName": "none"}); codeOf(err) != "ResourceNotFoundException" {
		t.Errorf("one that is not there: %v", err)
	}
	r.must(open, "StopReplicationToReplica", map[string]any{"SecretId": a.replica})
	if diff := cmp.Diff([]any{map[string]any{"PolicyName": "default"}}, names()); diff != "" {
		t.Errorf("on its own: %s", diff)
	}
}
