package core

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// Identity is an IAM role or user.
type Identity struct {
	kind     string // "role" or "user"
	name     string
	path     string // begins and ends with "/"
	arn      string
	id       string // AROA… or AIDA…
	created  time.Time
	inline   map[string]string // policy name → JSON
	attached []string          // ARNs of managed policies
	boundary string            // ARN of a managed policy, or ""
	tags     map[string]string

	Trust       string // roles only: JSON
	description string
	maxSession  int

	parsed   []*policy.Document // of its identity policies
	parsedAt uint64             // AWS.iamChanges when they were parsed
}

// managedPolicy is a customer managed policy; AWS managed ones are in awsManaged.
type managedPolicy struct {
	arn, name, path, id, document string
	version                       int
	created                       time.Time
}

// awsManaged are the AWS managed policies that can be attached here, by path and name.
var awsManaged = map[string]string{
	"AdministratorAccess": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`,
	"PowerUserAccess": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","NotAction":["iam:*","organizations:*","account:*"],"Resource":"*"},` +
		`{"Effect":"Allow","Action":["iam:ListRoles","organizations:DescribeOrganization"],"Resource":"*"}]}`,
	"SecretsManagerReadWrite":                  `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["secretsmanager:*","kms:DescribeKey","kms:ListAliases","kms:ListKeys","tag:GetResources"],"Resource":"*"}]}`,
	"service-role/AWSLambdaBasicExecutionRole": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["logs:CreateLogGroup","logs:CreateLogStream","logs:PutLogEvents"],"Resource":"*"}]}`,
}

// managedARN is the ARN of an AWS managed policy.
func (a *AWS) managedARN(pathAndName string) string {
	return a.Options.Partition.New("iam", "", "aws", "policy/"+pathAndName).String()
}

// awsManagedPolicy is the AWS managed policy of an ARN; nil when it is none that is known here.
func (a *AWS) awsManagedPolicy(policyARN string) *managedPolicy {
	name := arn.Of(policyARN).Name()
	document, known := awsManaged[name]
	if !known || a.managedARN(name) != policyARN {
		return nil
	}
	base := arn.Of(policyARN).Base()
	return &managedPolicy{arn: policyARN, name: base, path: "/" + strings.TrimSuffix(name, base), id: "ANPA" + base, document: document, version: 1}
}

func iamOperations() map[string]Operation {
	all := map[string]Operation{}
	maps.Copy(all, iamRoleOperations())
	maps.Copy(all, iamUserOperations())
	maps.Copy(all, iamPolicyOperations())
	all["GetAccountAuthorizationDetails"] = getAccountAuthorizationDetails
	return all
}

// iamAccess names the role, user or policy that an IAM call is about.
func iamAccess(c *Call) (Access, error) {
	own := func(kind, name string) Access {
		return Access{Resource: c.AWS.Options.Partition.New("iam", "", c.Account, kind+orSlash(c.Form.Get("Path"))+name).String()}
	}
	switch {
	case c.Form.Get("RoleName") != "":
		return own("role", c.Form.Get("RoleName")), nil
	case c.Form.Get("UserName") != "":
		return own("user", c.Form.Get("UserName")), nil
	case c.Form.Get("PolicyArn") != "":
		return Access{Resource: c.Form.Get("PolicyArn")}, nil
	case c.Form.Get("PolicyName") != "":
		return own("policy", c.Form.Get("PolicyName")), nil
	}
	return Access{}, nil
}

func orSlash(path string) string {
	if path == "" {
		return "/"
	}
	return path
}

// newIdentity makes a role or user without rights. The state lock must be held.
func (a *AWS) newIdentity(accountID, kind, path, name string) *Identity {
	prefix := "AROA"
	if kind == "user" {
		prefix = "AIDA"
	}
	return &Identity{
		kind: kind, name: name, path: orSlash(path), arn: a.Options.Partition.New("iam", "", accountID, kind+orSlash(path)+name).String(),
		id: prefix + a.Letters(10, UpperAlnum) + "EXAMPLE", created: a.Options.Now().UTC(),
		inline: map[string]string{}, tags: map[string]string{}, maxSession: 3600,
	}
}

const (
	UpperAlnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	lowerAlnum = "abcdefghijklmnopqrstuvwxyz0123456789"
	MixedAlnum = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
)

// of is the map that holds identities of a kind.
func (acct *account) of(kind string) map[string]*Identity {
	if kind == "user" {
		return acct.users
	}
	return acct.roles
}

func (c *Call) identity(kind, name string) (*Identity, error) {
	found, ok := c.AWS.account(c.Account).of(kind)[name]
	if !ok {
		return nil, NoSuchEntity("The " + kind + " with name " + name + " cannot be found.")
	}
	return found, nil
}

// NoSuchEntity is how IAM says that something is not there.
func NoSuchEntity(message string) error {
	return &Error{Code: "NoSuchEntity", Message: message, Status: http.StatusNotFound}
}

// document is the JSON of a managed policy, and whether there is one.
func (a *AWS) document(policyARN string) (string, bool) {
	if found := a.awsManagedPolicy(policyARN); found != nil {
		return found.document, true
	}
	owner := arn.Of(policyARN).Account
	if owner == "" {
		return "", false
	}
	found, ok := a.account(owner).policies[policyARN]
	if !ok {
		return "", false
	}
	return found.document, true
}

// documents are all identity policies of a role or user, as JSON, in a stable order.
func (a *AWS) documents(of *Identity) []string {
	out := make([]string, 0, len(of.inline)+len(of.attached))
	for _, attached := range of.attached {
		if document, ok := a.document(attached); ok {
			out = append(out, document)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(of.inline)) {
		out = append(out, of.inline[name])
	}
	return out
}

type tagXML struct{ Key, Value string }

func tagsXML(tags map[string]string) []tagXML {
	var out []tagXML
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		out = append(out, tagXML{key, tags[key]})
	}
	return out
}

func tagMap(tags []tagXML) map[string]string {
	out := make(map[string]string, len(tags))
	for _, tag := range tags {
		out[tag.Key] = tag.Value
	}
	return out
}

// CheckDocument refuses what is not a policy document.
func CheckDocument(text string) error {
	if _, err := policy.Parse("policy", []byte(text)); err != nil {
		return &Error{Code: "MalformedPolicyDocument", Message: "Syntax errors in policy: " + err.Error()}
	}
	return nil
}

// escape writes a policy document as IAM answers it: URL-encoded as RFC 3986 has it.
func escape(document string) string {
	return strings.ReplaceAll(url.QueryEscape(document), "+", "%20")
}
