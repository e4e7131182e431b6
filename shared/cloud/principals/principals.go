package principals

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/internal/session"
	"github.com/doublelock/doublelock/shared/settings"
)

// Document is one policy document, as JSON.
type Document struct {
	Name string // of an inline policy, or the ARN of a managed one
	JSON string
}

// Principal is a role or user and what is attached to it.
type Principal struct {
	ARN        string
	Name       string
	Path       string
	ID         string // AROA…, AIDA…
	Trust      string // JSON; roles only
	Inline     []Document
	Attached   []string // ARNs of managed policies
	Boundary   string   // ARN of the managed policy that bounds it; ""
	Groups     []string // names; users only
	Tags       map[string]string
	CreatedAt  time.Time
	LastUsedAt time.Time // roles only; zero: not in the tracking period
}

// Group is a group of users and what is attached to it.
type Group struct {
	ARN      string
	Name     string
	Inline   []Document
	Attached []string
}

// Principals is who may do what in an account, by IAM alone.
type Principals struct {
	Account  string
	Roles    []Principal
	Users    []Principal
	Groups   []Group
	Policies map[string]string // managed policies in use: ARN → JSON of the version in force
}

// Read reads every role, user, group and managed policy in use of an account: one call per 1,000 of them.
func Read(ctx context.Context, c *cloud.Cloud, account string) (Principals, error) {
	p, err := c.Locate(ctx, account, c.Options().Region, settings.RoleRead)
	if err != nil {
		return Principals{}, session.Fail(err, "read principals of %s", account)
	}
	client := session.Client(c, p, iam.NewFromConfig)
	all := Principals{Account: account, Policies: map[string]string{}}
	pages := iam.NewGetAccountAuthorizationDetailsPaginator(client, &iam.GetAccountAuthorizationDetailsInput{MaxItems: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return Principals{}, session.Fail(err, "read principals of %s", account)
		}
		all.add(page)
	}
	return all, nil
}

func (all *Principals) add(page *iam.GetAccountAuthorizationDetailsOutput) {
	for _, r := range page.RoleDetailList {
		all.Roles = append(all.Roles, roleOf(r))
	}
	for _, u := range page.UserDetailList {
		all.Users = append(all.Users, userOf(u))
	}
	for _, g := range page.GroupDetailList {
		all.Groups = append(all.Groups, Group{ARN: aws.ToString(g.Arn), Name: aws.ToString(g.GroupName), Inline: inline(g.GroupPolicyList), Attached: attached(g.AttachedManagedPolicies)})
	}
	for _, m := range page.Policies {
		for _, v := range m.PolicyVersionList {
			if v.IsDefaultVersion {
				all.Policies[aws.ToString(m.Arn)] = plain(v.Document)
			}
		}
	}
}

func roleOf(r types.RoleDetail) Principal {
	p := Principal{
		ARN: aws.ToString(r.Arn), Name: aws.ToString(r.RoleName), Path: aws.ToString(r.Path), ID: aws.ToString(r.RoleId),
		Trust: plain(r.AssumeRolePolicyDocument), Inline: inline(r.RolePolicyList), Attached: attached(r.AttachedManagedPolicies),
		Boundary: boundary(r.PermissionsBoundary), Tags: iamTags(r.Tags), CreatedAt: aws.ToTime(r.CreateDate),
	}
	if r.RoleLastUsed != nil {
		p.LastUsedAt = aws.ToTime(r.RoleLastUsed.LastUsedDate)
	}
	return p
}

func userOf(u types.UserDetail) Principal {
	return Principal{
		ARN: aws.ToString(u.Arn), Name: aws.ToString(u.UserName), Path: aws.ToString(u.Path), ID: aws.ToString(u.UserId),
		Inline: inline(u.UserPolicyList), Attached: attached(u.AttachedManagedPolicies), Groups: u.GroupList,
		Boundary: boundary(u.PermissionsBoundary), Tags: iamTags(u.Tags), CreatedAt: aws.ToTime(u.CreateDate),
	}
}

func boundary(b *types.AttachedPermissionsBoundary) string {
	if b == nil {
		return ""
	}
	return aws.ToString(b.PermissionsBoundaryArn)
}

func inline(policies []types.PolicyDetail) []Document {
	var documents []Document
	for _, p := range policies {
		documents = append(documents, Document{Name: aws.ToString(p.PolicyName), JSON: plain(p.PolicyDocument)})
	}
	return documents
}

func attached(policies []types.AttachedPolicy) []string {
	var arns []string
	for _, p := range policies {
		arns = append(arns, aws.ToString(p.PolicyArn))
	}
	return arns
}

func iamTags(tags []types.Tag) map[string]string {
	m := make(map[string]string, len(tags))
	for _, t := range tags {
		m[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return m
}

// plain undoes the URL encoding that IAM sends documents in. What is JSON already stays as it is.
func plain(document *string) string {
	text := aws.ToString(document)
	if strings.HasPrefix(strings.TrimSpace(text), "{") {
		return text
	}
	decoded, err := url.PathUnescape(text)
	if err != nil {
		return text
	}
	return decoded
}
