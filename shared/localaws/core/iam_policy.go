package core

import (
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/doublelock/doublelock/shared/arn"
)

func iamPolicyOperations() map[string]Operation {
	return map[string]Operation{
		"CreatePolicy": createManagedPolicy,
		"DeletePolicy": deleteManagedPolicy,
	}
}

func putInline(kind string) Operation {
	return func(c *Call) (any, error) {
		found, err := c.identity(kind, c.Form.Get(nameField(kind)))
		if err != nil {
			return nil, err
		}
		if err := CheckDocument(c.Form.Get("PolicyDocument")); err != nil {
			return nil, err
		}
		found.inline[c.Form.Get("PolicyName")] = c.Form.Get("PolicyDocument")
		return nil, nil
	}
}

func deleteInline(kind string) Operation {
	return func(c *Call) (any, error) {
		found, err := c.identity(kind, c.Form.Get(nameField(kind)))
		if err != nil {
			return nil, err
		}
		name := c.Form.Get("PolicyName")
		if _, ok := found.inline[name]; !ok {
			return nil, NoSuchEntity("The " + kind + " policy with name " + name + " cannot be found.")
		}
		delete(found.inline, name)
		return nil, nil
	}
}

func listInline(kind string) Operation {
	return func(c *Call) (any, error) {
		found, err := c.identity(kind, c.Form.Get(nameField(kind)))
		if err != nil {
			return nil, err
		}
		return struct {
			IsTruncated bool
			PolicyNames []string `xml:"PolicyNames>member"`
		}{PolicyNames: slices.Sorted(maps.Keys(found.inline))}, nil
	}
}

func attach(kind string) Operation {
	return func(c *Call) (any, error) {
		found, err := c.identity(kind, c.Form.Get(nameField(kind)))
		if err != nil {
			return nil, err
		}
		asked := c.Form.Get("PolicyArn")
		if _, ok := c.AWS.document(asked); !ok {
			return nil, NoSuchEntity("Policy " + asked + " does not exist or is not attachable.")
		}
		if !slices.Contains(found.attached, asked) {
			found.attached = append(found.attached, asked)
		}
		return nil, nil
	}
}

func detach(kind string) Operation {
	return func(c *Call) (any, error) {
		found, err := c.identity(kind, c.Form.Get(nameField(kind)))
		if err != nil {
			return nil, err
		}
		at := slices.Index(found.attached, c.Form.Get("PolicyArn"))
		if at < 0 {
			return nil, NoSuchEntity("Policy " + c.Form.Get("PolicyArn") + " was not found.")
		}
		found.attached = slices.Delete(found.attached, at, at+1)
		return nil, nil
	}
}

type attachedXML struct{ PolicyName, PolicyArn string }

func attachedOf(of *Identity) []attachedXML {
	var out []attachedXML
	for _, attached := range of.attached {
		out = append(out, attachedXML{arn.Of(attached).Base(), attached})
	}
	return out
}

func putBoundary(kind string) Operation {
	return func(c *Call) (any, error) {
		found, err := c.identity(kind, c.Form.Get(nameField(kind)))
		if err != nil {
			return nil, err
		}
		asked := c.Form.Get("PermissionsBoundary")
		if _, ok := c.AWS.document(asked); !ok {
			return nil, NoSuchEntity("Scope ARN: " + asked + " does not exist or is not attachable.")
		}
		found.boundary = asked
		return nil, nil
	}
}

type policyXML struct {
	PolicyName, PolicyId, Arn, Path, DefaultVersionId, CreateDate, UpdateDate string
	IsAttachable                                                              bool
}

func showPolicy(p *managedPolicy) policyXML {
	return policyXML{PolicyName: p.name, PolicyId: p.id, Arn: p.arn, Path: p.path, DefaultVersionId: "v" + strconv.Itoa(p.version),
		CreateDate: ISO(p.created), UpdateDate: ISO(p.created), IsAttachable: true}
}

func createManagedPolicy(c *Call) (any, error) {
	name, path := c.Form.Get("PolicyName"), orSlash(c.Form.Get("Path"))
	if err := CheckDocument(c.Form.Get("PolicyDocument")); err != nil {
		return nil, err
	}
	made := &managedPolicy{arn: c.AWS.Options.Partition.New("iam", "", c.Account, "policy"+path+name).String(), name: name, path: path,
		document: c.Form.Get("PolicyDocument"), version: 1, created: c.Now}
	policies := c.AWS.account(c.Account).policies
	if _, taken := policies[made.arn]; taken {
		return nil, &Error{Code: "EntityAlreadyExists", Message: "A policy called " + name + " already exists. Duplicate names are not allowed.", Status: http.StatusConflict}
	}
	made.id = "ANPA" + c.AWS.Letters(10, UpperAlnum) + "EXAMPLE"
	policies[made.arn] = made
	return struct{ Policy policyXML }{showPolicy(made)}, nil
}

func (c *Call) managedPolicy() (*managedPolicy, error) {
	asked := c.Form.Get("PolicyArn")
	if found := c.AWS.awsManagedPolicy(asked); found != nil {
		return found, nil
	}
	found, ok := c.AWS.account(c.Account).policies[asked]
	if !ok {
		return nil, NoSuchEntity("Policy " + asked + " was not found.")
	}
	return found, nil
}

type policyVersionXML struct {
	Document, VersionId, CreateDate string
	IsDefaultVersion                bool
}

func showVersion(p *managedPolicy) policyVersionXML {
	return policyVersionXML{Document: escape(p.document), VersionId: "v" + strconv.Itoa(p.version), CreateDate: ISO(p.created), IsDefaultVersion: true}
}

func deleteManagedPolicy(c *Call) (any, error) {
	found, err := c.managedPolicy()
	if err != nil {
		return nil, err
	}
	delete(c.AWS.account(c.Account).policies, found.arn)
	return nil, nil
}
