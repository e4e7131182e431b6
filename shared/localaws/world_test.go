package localaws_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	orgtypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/localaws"
)

func TestOrganizationTree(t *testing.T) {
	r := newTestbed(t)
	org := r.org(payer)
	described, err := org.DescribeOrganization(t.Context(), &organizations.DescribeOrganizationInput{})
	if err != nil || *described.Organization.Id != "o-exampleorg" || *described.Organization.MasterAccountId != payer {
		t.Fatalf("got %+v, %v", described, err)
	}
	roots, err := org.ListRoots(t.Context(), &organizations.ListRootsInput{})
	if err != nil {
		t.Fatal(err)
	}
	root := roots.Roots[0].Id
	units, err := org.ListOrganizationalUnitsForParent(t.Context(), &organizations.ListOrganizationalUnitsForParentInput{ParentId: root})
	if err != nil || len(units.OrganizationalUnits) != 2 {
		t.Fatalf("got %v, %v", units, err)
	}
	under, err := org.ListAccountsForParent(t.Context(), &organizations.ListAccountsForParentInput{ParentId: aws.String(r.units["open"])})
	if err != nil || len(under.Accounts) != 1 || *under.Accounts[0].Id != open || *under.Accounts[0].Name != "open" {
		t.Errorf("accounts: %v, %v", under, err)
	}
	inRoot, err := org.ListAccountsForParent(t.Context(), &organizations.ListAccountsForParentInput{ParentId: root})
	if err != nil || len(inRoot.Accounts) != 2 {
		t.Errorf("accounts in the root: %v, %v", inRoot, err)
	}
	for range 25 {
		if _, err := org.CreateAccount(t.Context(), &organizations.CreateAccountInput{AccountName: aws.String("more"), Email: aws.String("more@example.com")}); err != nil {
			t.Fatal(err)
		}
	}
	pages, count := organizations.NewListAccountsPaginator(org, &organizations.ListAccountsInput{}), 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		count += len(page.Accounts)
	}
	if count != 29 {
		t.Errorf("%d accounts on all pages, want 29", count)
	}
}

func TestWhoMayCallOrganizations(t *testing.T) {
	r := newTestbed(t)
	list := func(account string) error {
		_, err := r.org(account).ListAccounts(t.Context(), &organizations.ListAccountsInput{})
		return err
	}
	if err := list(open); code(err) != "AccessDeniedException" {
		t.Errorf("a member: got %v", err)
	}
	r.DelegateAdministrator(open, "member.org.stacksets.cloudformation.amazonaws.com")
	if err := list(open); err != nil {
		t.Errorf("a delegated administrator: got %v", err)
	}
	if _, err := r.org(open).CreateAccount(t.Context(), &organizations.CreateAccountInput{AccountName: aws.String("x"), Email: aws.String("x@example.com")}); code(err) != "AccessDeniedException" {
		t.Errorf("an account made by a delegated administrator: got %v", err)
	}
	if _, err := r.org("999999999999").DescribeOrganization(t.Context(), &organizations.DescribeOrganizationInput{}); code(err) != "AWSOrganizationsNotInUseException" {
		t.Errorf("an account outside: got %v", err)
	}
}

func TestServiceControlPolicies(t *testing.T) {
	r := newTestbed(t)
	org := r.org(payer)
	create := func(content string) (*organizations.CreatePolicyOutput, error) {
		return org.CreatePolicy(t.Context(), &organizations.CreatePolicyInput{Name: aws.String("p" + content[len(content)-3:]), Description: aws.String(""), Content: &content, Type: orgtypes.PolicyTypeServiceControlPolicy})
	}
	if _, err := create(`{"Statement":[]`); code(err) != "MalformedPolicyDocumentException" {
		t.Errorf("no JSON: got %v", err)
	}
	if _, err := create(needsKey + strings.Repeat(" ", 10241-len(needsKey))); code(err) != "ConstraintViolationException" {
		t.Errorf("10,241 characters: got %v", err)
	}
	made, err := create(needsKey + strings.Repeat(" ", 10240-len(needsKey)))
	if err != nil {
		t.Fatalf("10,240 characters: %v", err)
	}
	id, target := made.Policy.PolicySummary.Id, aws.String(r.units["guarded"])
	attach := func() error {
		_, err := org.AttachPolicy(t.Context(), &organizations.AttachPolicyInput{PolicyId: id, TargetId: target})
		return err
	}
	if err := attach(); err != nil {
		t.Fatal(err)
	}
	if err := attach(); code(err) != "DuplicatePolicyAttachmentException" {
		t.Errorf("attached twice: got %v", err)
	}
	of, err := org.ListPoliciesForTarget(t.Context(), &organizations.ListPoliciesForTargetInput{TargetId: target, Filter: orgtypes.PolicyTypeServiceControlPolicy})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range of.Policies {
		names = append(names, *p.Id)
	}
	if diff := cmp.Diff([]string{"p-FullAWSAccess", *id}, names); diff != "" {
		t.Error(diff)
	}
	if _, err := org.DeletePolicy(t.Context(), &organizations.DeletePolicyInput{PolicyId: id}); code(err) != "PolicyInUseException" {
		t.Errorf("deleting it in use: got %v", err)
	}
	sm := r.secrets(guarded, admin, east)
	try := func(name string) error {
		_, err := sm.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name})
		return err
	}
	if err := try("a"); code(err) != "AccessDeniedException" {
		t.Errorf("attached: got %v", err)
	}
	if _, err := org.DetachPolicy(t.Context(), &organizations.DetachPolicyInput{PolicyId: id, TargetId: target}); err != nil {
		t.Fatal(err)
	}
	if err := try("b"); err != nil {
		t.Errorf("detached: got %v", err)
	}
	if _, err := org.DetachPolicy(t.Context(), &organizations.DetachPolicyInput{PolicyId: aws.String("p-FullAWSAccess"), TargetId: target}); code(err) != "ConstraintViolationException" {
		t.Errorf("detaching the last one: got %v", err)
	}
	if err := attach(); err != nil {
		t.Fatal(err)
	}
	if _, err := org.DetachPolicy(t.Context(), &organizations.DetachPolicyInput{PolicyId: aws.String("p-FullAWSAccess"), TargetId: target}); err != nil {
		t.Fatal(err)
	}
	if err := try("c"); !strings.HasSuffix(message(err), "with an explicit deny in a service control policy: "+*made.Policy.PolicySummary.Arn) {
		t.Errorf("got %v", err)
	}
	if _, err := sm.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}); !strings.HasSuffix(message(err), "because no service control policy allows the secretsmanager:ListSecrets action") {
		t.Errorf("without full access: got %v", err)
	}
	roots, err := org.ListRoots(t.Context(), &organizations.ListRootsInput{})
	if err != nil {
		t.Fatal(err)
	}
	off := &organizations.DisablePolicyTypeInput{RootId: roots.Roots[0].Id, PolicyType: orgtypes.PolicyTypeServiceControlPolicy}
	if _, err := org.DisablePolicyType(t.Context(), off); err != nil {
		t.Fatal(err)
	}
	if err := try("d"); err != nil {
		t.Errorf("with the policy type switched off: got %v", err)
	}
}

func TestMovingAnAccountMovesItsPolicies(t *testing.T) {
	r := newTestbed(t)
	r.guard(needsKey)
	sm := r.secrets(open, admin, east)
	r.create(sm, "before")
	move := &organizations.MoveAccountInput{AccountId: aws.String(open), SourceParentId: aws.String(r.units["open"]), DestinationParentId: aws.String(r.units["guarded"])}
	if _, err := r.org(payer).MoveAccount(t.Context(), move); err != nil {
		t.Fatal(err)
	}
	if _, err := sm.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("after")}); code(err) != "AccessDeniedException" {
		t.Errorf("got %v, want AccessDeniedException", err)
	}
}

func TestRolesUsersAndPolicies(t *testing.T) {
	r := newTestbed(t)
	client := r.iam()
	trust := trustsAccount(open)
	if _, err := client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("App"), AssumeRolePolicyDocument: &trust, Tags: []iamtypes.Tag{{Key: aws.String("team"), Value: aws.String("a")}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("App"), AssumeRolePolicyDocument: &trust}); code(err) != "EntityAlreadyExists" {
		t.Errorf("a second role of the name: got %v", err)
	}
	if _, err := client.CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("Bad"), AssumeRolePolicyDocument: aws.String("{")}); code(err) != "MalformedPolicyDocument" {
		t.Errorf("a broken trust policy: got %v", err)
	}
	got, err := client.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("App")})
	if err != nil {
		t.Fatal(err)
	}
	text, err := url.PathUnescape(*got.Role.AssumeRolePolicyDocument)
	if err != nil || text != trust || *got.Role.Arn != "arn:aws:iam::"+open+":role/App" || *got.Role.Tags[0].Value != "a" {
		t.Errorf("got %+v with trust %s", got.Role, text)
	}
	if _, err := client.GetRole(t.Context(), &iam.GetRoleInput{RoleName: aws.String("None")}); code(err) != "NoSuchEntity" {
		t.Errorf("a role there is none of: got %v", err)
	}

	sm := r.secrets(open, "role/App/a1", east)
	allowed := func() bool {
		_, err := sm.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{})
		return err == nil
	}
	if allowed() {
		t.Error("a new role may do something")
	}
	policy, err := client.CreatePolicy(t.Context(), &iam.CreatePolicyInput{PolicyName: aws.String("list"), PolicyDocument: aws.String(allow("secretsmanager:ListSecrets"))})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.AttachRolePolicy(t.Context(), &iam.AttachRolePolicyInput{RoleName: aws.String("App"), PolicyArn: policy.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	if !allowed() {
		t.Error("an attached policy does nothing")
	}
	if _, err := client.DetachRolePolicy(t.Context(), &iam.DetachRolePolicyInput{RoleName: aws.String("App"), PolicyArn: policy.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	if allowed() {
		t.Error("a detached policy still counts")
	}
	if _, err := client.PutRolePolicy(t.Context(), &iam.PutRolePolicyInput{RoleName: aws.String("App"), PolicyName: aws.String("inline"), PolicyDocument: aws.String(allow("secretsmanager:*"))}); err != nil {
		t.Fatal(err)
	}
	if !allowed() {
		t.Error("an inline policy does nothing")
	}
	if _, err := client.DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("App")}); code(err) != "DeleteConflict" {
		t.Errorf("deleting a role with policies: got %v", err)
	}

	if _, err := client.CreateUser(t.Context(), &iam.CreateUserInput{UserName: aws.String("bob")}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: aws.String("bob"), PolicyName: aws.String("p"), PolicyDocument: aws.String(allow("*"))}); err != nil {
		t.Fatal(err)
	}
	who, err := r.sts(open, "user/bob").GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Arn != "arn:aws:iam::"+open+":user/bob" {
		t.Errorf("got %v, %v", who, err)
	}
}

func TestAccountAuthorizationDetails(t *testing.T) {
	r := newTestbed(t)
	r.role(open, "App", allow("s3:*"))
	r.config(open, "user/bob", east)
	var roles, users, managed []string
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(r.iam(), &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range page.RoleDetailList {
			text := ""
			if len(role.RolePolicyList) > 0 {
				if text, err = url.PathUnescape(*role.RolePolicyList[0].PolicyDocument); err != nil {
					t.Fatal(err)
				}
			}
			roles = append(roles, *role.RoleName+" "+text)
		}
		for _, user := range page.UserDetailList {
			users = append(users, *user.UserName)
		}
		for _, policy := range page.Policies {
			managed = append(managed, *policy.PolicyName)
		}
	}
	want := [][]string{{"Admin ", "App " + allow("s3:*")}, {"bob"}, {"AdministratorAccess"}}
	if diff := cmp.Diff(want, [][]string{roles, users, managed}); diff != "" {
		t.Error(diff)
	}
}

func TestThrottlingOnRequest(t *testing.T) {
	count := func(r *testbed) (throttled int) {
		sm := r.secrets(open, admin, east)
		for range 100 {
			if _, err := sm.ListSecrets(t.Context(), &secretsmanager.ListSecretsInput{}); code(err) == "ThrottlingException" {
				throttled++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		return throttled
	}
	if got := count(newTestbed(t, func(o *localaws.Options) { o.Faults.ThrottleEvery = 4 })); got != 25 {
		t.Errorf("every fourth of 100: %d throttled", got)
	}
	half := func(o *localaws.Options) { o.Faults.ThrottleChance = map[string]float64{"secretsmanager:*": 0.5} }
	one, two := count(newTestbed(t, half)), count(newTestbed(t, half))
	if one != two || one < 30 || one > 70 {
		t.Errorf("with a chance of one half: %d and %d throttled, want the same and about 50", one, two)
	}
	if got := count(newTestbed(t, func(o *localaws.Options) { o.Faults.ThrottleChance = map[string]float64{"kms:*": 1} })); got != 0 {
		t.Errorf("another service's throttling: %d throttled", got)
	}
}

func TestPrincipalNames(t *testing.T) {
	r := newTestbed(t)
	for _, name := range []string{"", "user", "user/", "role/Admin", "group/x"} {
		if _, err := r.Principal(open, name); err == nil {
			t.Errorf("%q was taken for a principal", name)
		}
	}
}
