package cloud_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/guard"
)

const (
	secretARN  = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:app/db-AbCdEf"
	keyARN     = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	centralARN = "arn:aws:kms:eu-central-1:444455556666:key/0987dcba-09fe-87dc-65ba-ab0987654321"
)

type object = map[string]any

func describing(secret object, versions []object) *fakeAWS {
	f := newFake()
	f.on["DescribeSecret"] = func(asked) answer { return answer{body: secret} }
	f.on["ListSecretVersionIds"] = func(a asked) answer {
		if a.region != region {
			return answer{body: object{"Versions": []object{{"VersionId": "v2", "VersionStages": []string{"AWSCURRENT"}, "KmsKeyIds": []string{farARN}}}}}
		}
		if len(versions) > 1 && a.in["NextToken"] == nil {
			return answer{body: object{"Versions": versions[:1], "NextToken": "more"}}
		}
		return answer{body: object{"Versions": versions[len(versions)-1:]}}
	}
	f.on["DescribeKey"] = func(a asked) answer {
		return answer{body: object{"KeyMetadata": object{"Arn": a.in["KeyId"], "KeyId": "k", "KeyManager": "CUSTOMER", "KeyState": "Enabled"}}}
	}
	return f
}

func plainSecret() object { return object{"ARN": secretARN, "Name": "app/db", "KmsKeyId": keyARN} }

func ref() guard.SecretRef { return guard.SecretRef{Account: member, Region: region, ID: "app/db"} }

func TestDescribeAnswersWithEveryKeyOfTheSecret(t *testing.T) {
	secret := plainSecret()
	secret["PrimaryRegion"] = region
	secret["Tags"] = []object{{"Key": "Owner", "Value": "payments"}}
	secret["ReplicationStatus"] = []object{{"Region": far, "KmsKeyId": "alias/far", "Status": "InSync"}, {"Region": "us-east-1", "Status": "Failed"}}
	f := describing(secret, []object{
		{"VersionId": "v2", "VersionStages": []string{"AWSCURRENT"}, "KmsKeyIds": []string{"DefaultEncryptionKey", keyARN}},
		{"VersionId": "v1", "KmsKeyIds": []string{"DefaultEncryptionKey"}},
	})
	got, err := secrets.New(f.open(t, nil)).Describe(t.Context(), ref())
	if err != nil {
		t.Fatal(err)
	}
	ours := guard.Key{ARN: keyARN, ID: "k", Account: member, Region: region, Manager: guard.ManagerCustomer, State: guard.KeyEnabled}
	want := guard.Secret{
		ARN: secretARN, Name: "app/db", Account: member, Region: region, KeyID: keyARN, Key: ours, PrimaryRegion: region,
		Tags: map[string]string{"Owner": "payments"}, Elsewhere: guard.Elsewhere{Listing: guard.Listed}, TypeRead: true,
		Versions: []guard.Version{
			{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{defaultKey(region), ours}},
			{ID: "v1", Keys: []guard.Key{defaultKey(region)}},
		},
		Replicas: []guard.Replica{
			{Region: far, KeyID: "alias/far", Status: "InSync", Key: guard.Key{ARN: "alias/far", ID: "k", Manager: guard.ManagerCustomer, State: guard.KeyEnabled},
				Listing: guard.Listed, Versions: []guard.Version{{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{
					{ARN: farARN, ID: "k", Account: member, Region: "eu-west-1", Manager: guard.ManagerCustomer, State: guard.KeyEnabled}}}}},
			{Region: "us-east-1", Status: "Failed", Key: defaultKey("us-east-1"),
				Listing: guard.Listed, Versions: []guard.Version{{ID: "v2", Stages: []string{"AWSCURRENT"}, Keys: []guard.Key{
					{ARN: farARN, ID: "k", Account: member, Region: "eu-west-1", Manager: guard.ManagerCustomer, State: guard.KeyEnabled}}}}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, c := range f.made("DescribeKey") {
		if c.in["KeyId"] == guard.DefaultKeyID {
			t.Error("asked KMS for the sentinel of the AWS managed key")
		}
		if c.in["KeyId"] == "alias/far" && c.region != far {
			t.Errorf("asked %s for a replica's key, want %s", c.region, far)
		}
	}
	if n := len(f.made("DescribeKey")); n != 4 {
		t.Errorf("asked KMS %d times, want once for each key of each location", n)
	}
}

func defaultKey(region string) guard.Key {
	return guard.Key{ID: guard.DefaultKeyID, Account: member, Region: region, Manager: guard.ManagerAWS, State: guard.KeyEnabled}
}

func TestDescribeMarksWhatItMayNotSee(t *testing.T) {
	f := describing(plainSecret(), []object{{"VersionId": "v1"}})
	f.on["ListSecretVersionIds"] = func(asked) answer { return answer{code: "AccessDeniedException"} }
	f.on["DescribeKey"] = func(asked) answer { return answer{code: "AccessDeniedException"} }
	got, err := secrets.New(f.open(t, nil)).Describe(t.Context(), ref())
	if err != nil {
		t.Fatal(err)
	}
	if !got.VersionsUnread {
		t.Error("versions count as read")
	}
	want := guard.Key{ARN: keyARN, ID: "1234abcd-12ab-34cd-56ef-1234567890ab", Account: member, Region: region}
	if diff := cmp.Diff(want, got.Key); diff != "" {
		t.Error(diff)
	}
	if state := guard.StateOf(got, ""); state != guard.StateUnknown {
		t.Errorf("state %s, want unknown", state)
	}
}

func TestDescribeSaysThatAKeyIsMissing(t *testing.T) {
	f := describing(plainSecret(), []object{{"VersionId": "v1", "KmsKeyIds": []string{keyARN}}})
	f.on["DescribeKey"] = func(asked) answer { return answer{code: "NotFoundException"} }
	got, err := secrets.New(f.open(t, nil)).Describe(t.Context(), ref())
	if err != nil {
		t.Fatal(err)
	}
	if got.Key.State != guard.KeyMissing || got.Key.ARN != keyARN {
		t.Errorf("key %+v, want missing under its ARN", got.Key)
	}
}

func TestDescribeKeepsTheErrorsThatMustBeRetried(t *testing.T) {
	for _, operation := range []string{"DescribeSecret", "ListSecretVersionIds", "DescribeKey"} {
		f := describing(plainSecret(), []object{{"VersionId": "v1", "KmsKeyIds": []string{keyARN}}})
		f.on[operation] = func(asked) answer { return answer{code: "ThrottlingException"} }
		_, err := secrets.New(f.open(t, nil)).Describe(t.Context(), ref())
		if !errors.Is(err, guard.ErrThrottled) {
			t.Errorf("%s throttled: %v, want ErrThrottled", operation, err)
		}
		if n := len(f.made(operation)); n != 5 {
			t.Errorf("%s tried %d times, want 5", operation, n)
		}
	}
}

func TestAKeyOfAnotherAccountIsAskedThereFirst(t *testing.T) {
	secret := plainSecret()
	secret["KmsKeyId"] = centralARN
	f := describing(secret, []object{{"VersionId": "v1", "KmsKeyIds": []string{centralARN}}})
	c := f.open(t, nil)
	if _, err := secrets.New(c).Describe(t.Context(), ref()); err != nil {
		t.Fatal(err)
	}
	if calls := f.made("DescribeKey"); len(calls) != 1 || !strings.Contains(calls[0].key, keyHome) {
		t.Errorf("asked %+v, want once with the role of %s", calls, keyHome)
	}
}

func TestAKeyOfAnAccountWithoutRoleIsAskedFromTheSecretsAccount(t *testing.T) {
	secret := plainSecret()
	secret["KmsKeyId"] = centralARN
	f := describing(secret, []object{{"VersionId": "v1", "KmsKeyIds": []string{centralARN}}})
	f.closeAccount(keyHome)
	got, err := secrets.New(f.open(t, nil)).Describe(t.Context(), ref())
	if err != nil {
		t.Fatal(err)
	}
	if calls := f.made("DescribeKey"); len(calls) != 1 || !strings.Contains(calls[0].key, member) {
		t.Errorf("asked %+v, want once with the role of %s", calls, member)
	}
	if got.Key.Account != keyHome || got.Key.Manager != guard.ManagerCustomer {
		t.Errorf("key %+v", got.Key)
	}
}

// closeAccount makes an account one that cannot be entered.
func (f *fakeAWS) closeAccount(account string) {
	enter := f.on["AssumeRole"]
	f.on["AssumeRole"] = func(a asked) answer {
		if strings.Contains(a.in["RoleArn"].(string), account) {
			return answer{status: 403, code: "AccessDenied"}
		}
		return enter(a)
	}
}

func TestSecretsThatAreNotOursToSee(t *testing.T) {
	cases := map[string]struct {
		ref     guard.SecretRef
		options func(*cloud.Options)
		fake    func(*fakeAWS)
		asks    int // DescribeSecret calls
	}{
		"an account without member role": {ref: ref(), fake: func(f *fakeAWS) { f.closeAccount(member) }},
		"a Region nobody guards":         {ref: ref(), options: func(o *cloud.Options) { o.Regions = []string{far} }},
		"a Region the ARN names, whatever the reference says": {
			ref:     guard.SecretRef{Account: member, Region: far, ID: secretARN},
			options: func(o *cloud.Options) { o.Regions = []string{far} },
		},
		"no account":                          {ref: guard.SecretRef{Region: region, ID: "app/db"}},
		"no Region":                           {ref: guard.SecretRef{Account: member, ID: "app/db"}},
		"an account that is not one":          {ref: guard.SecretRef{Account: "123", Region: region, ID: "app/db"}},
		"a foreign account, roles not in use": {ref: ref(), options: func(o *cloud.Options) { o.AssumeRoles = false }},
		"a Region the account has not enabled": {
			ref: ref(), asks: 1,
			fake: func(f *fakeAWS) {
				f.on["DescribeSecret"] = func(asked) answer { return answer{code: "UnrecognizedClientException"} }
			},
		},
		"an answer from another account": {
			ref: ref(), asks: 1,
			fake: func(f *fakeAWS) {
				f.on["DescribeSecret"] = func(asked) answer {
					return answer{body: object{"ARN": "arn:aws:secretsmanager:eu-central-1:999988887777:secret:app/db-AbCdEf"}}
				}
			},
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			f := describing(plainSecret(), []object{{"VersionId": "v1"}})
			if c.fake != nil {
				c.fake(f)
			}
			_, err := secrets.New(f.open(t, c.options)).Describe(t.Context(), c.ref)
			if !errors.Is(err, guard.ErrNotOurs) {
				t.Errorf("error %v, want ErrNotOurs", err)
			}
			if errors.Is(err, guard.ErrDenied) || errors.Is(err, guard.ErrGone) {
				t.Errorf("error %v means two things", err)
			}
			if n := len(f.made("DescribeSecret")); n != c.asks {
				t.Errorf("asked %d times, want %d", n, c.asks)
			}
		})
	}
}

func TestErrorsMeanWhatTheirCodeSays(t *testing.T) {
	cases := map[string]error{
		"ResourceNotFoundException": guard.ErrGone,
		"AccessDeniedException":     guard.ErrDenied,
		"ThrottlingException":       guard.ErrThrottled,
		"TooManyRequestsException":  guard.ErrThrottled,
		"InvalidRequestException":   guard.ErrRefused,
		"InvalidParameterException": guard.ErrRefused,
		"LimitExceededException":    guard.ErrRefused,
		"EncryptionFailure":         guard.ErrRefused,
		"InternalServiceError":      nil,
		"BrandNewException":         nil,
	}
	known := []error{guard.ErrGone, guard.ErrDenied, guard.ErrNotOurs, guard.ErrThrottled, guard.ErrRefused, guard.ErrConflict}
	for code, want := range cases {
		t.Run(code, func(t *testing.T) {
			f := newFake()
			f.on["UpdateSecret"] = func(asked) answer { return answer{code: code} }
			err := secrets.New(f.open(t, nil)).Rekey(changing(t), ref(), keyARN)
			if err == nil || !strings.HasPrefix(err.Error(), "re-key secret app/db: ") || !strings.Contains(err.Error(), "AWS says "+code) {
				t.Errorf("error %v, want verb, noun and AWS's own words", err)
			}
			for _, k := range known {
				if errors.Is(err, k) != errors.Is(want, k) {
					t.Errorf("error %v: is %v = %v", err, k, errors.Is(err, k))
				}
			}
		})
	}
}

func TestAFullQuotaIsNotTriedAgain(t *testing.T) {
	f := newFake()
	f.on["TagResource"] = func(asked) answer { return answer{code: "LimitExceededException"} }
	err := secrets.New(f.open(t, nil)).Tag(changing(t), ref(), map[string]string{"doublelock:state": "sealed"})
	if !errors.Is(err, guard.ErrRefused) || len(f.made("TagResource")) != 1 {
		t.Errorf("error %v after %d tries, want ErrRefused after one", err, len(f.made("TagResource")))
	}
}

func TestEachDutyHasItsOwnRole(t *testing.T) {
	f := describing(plainSecret(), []object{{"VersionId": "v1"}})
	for _, operation := range []string{"TagResource", "UntagResource", "UpdateSecret"} {
		f.on[operation] = func(asked) answer { return answer{} }
	}
	s := secrets.New(f.open(t, nil))
	_, err := s.Describe(t.Context(), ref())
	err = errors.Join(err, s.Tag(changing(t), ref(), map[string]string{"a": "b"}), s.Untag(changing(t), ref(), "a"), s.Rekey(changing(t), ref(), ""))
	if err != nil {
		t.Fatal(err)
	}
	for operation, role := range map[string]string{"DescribeSecret": "doublelock-read", "TagResource": "doublelock-tag", "UntagResource": "doublelock-tag", "UpdateSecret": "doublelock-change"} {
		for _, c := range f.made(operation) {
			if c.key != "arn:aws:iam::"+member+":role."+role {
				t.Errorf("%s made as %s, want %s", operation, c.key, role)
			}
		}
	}
	if id, given := f.made("UpdateSecret")[0].in["KmsKeyId"]; !given || id != "" {
		t.Errorf("back to the default key sends KmsKeyId %v", id)
	}
	if _, given := f.made("UpdateSecret")[0].in["SecretString"]; given {
		t.Error("re-key sent a value")
	}
}

func TestNothingToTagCallsNobody(t *testing.T) {
	f := newFake()
	s := secrets.New(f.open(t, nil))
	if err := errors.Join(s.Tag(changing(t), ref(), nil), s.Untag(changing(t), ref())); err != nil {
		t.Error(err)
	}
	if len(f.calls) != 0 {
		t.Errorf("made %d calls", len(f.calls))
	}
}
