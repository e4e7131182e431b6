package core

import (
	"maps"
	"net/http"
	"slices"
)

type roleXML struct {
	Path, RoleName, RoleId, Arn, CreateDate, AssumeRolePolicyDocument string

	Description         string       `xml:",omitempty" json:",omitempty"`
	MaxSessionDuration  int          `xml:",omitempty" json:",omitempty"`
	PermissionsBoundary *boundaryXML `xml:",omitempty" json:",omitempty"`
	Tags                []tagXML     `xml:"Tags>member,omitempty" json:",omitempty"`
}

type boundaryXML struct{ PermissionsBoundaryType, PermissionsBoundaryArn string }

func boundaryOf(of *Identity) *boundaryXML {
	if of.boundary == "" {
		return nil
	}
	return &boundaryXML{"Policy", of.boundary}
}

func showRole(r *Identity) roleXML {
	return roleXML{Path: r.path, RoleName: r.name, RoleId: r.id, Arn: r.arn, CreateDate: ISO(r.created),
		AssumeRolePolicyDocument: escape(r.Trust), Description: r.description, MaxSessionDuration: r.maxSession,
		PermissionsBoundary: boundaryOf(r), Tags: tagsXML(r.tags)}
}

func iamRoleOperations() map[string]Operation {
	return map[string]Operation{
		"CreateRole":                 createRole,
		"GetRole":                    getRole,
		"ListRoles":                  listRoles,
		"DeleteRole":                 deleteIdentity("role"),
		"TagRole":                    tagRole,
		"PutRolePolicy":              putInline("role"),
		"DeleteRolePolicy":           deleteInline("role"),
		"ListRolePolicies":           listInline("role"),
		"AttachRolePolicy":           attach("role"),
		"DetachRolePolicy":           detach("role"),
		"PutRolePermissionsBoundary": putBoundary("role"),
	}
}

type createRoleInput struct {
	RoleName, Path, AssumeRolePolicyDocument, Description, PermissionsBoundary string
	MaxSessionDuration                                                         int
	Tags                                                                       []tagXML
}

func createRole(c *Call) (any, error) {
	var in createRoleInput
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	if err := CheckDocument(in.AssumeRolePolicyDocument); err != nil {
		return nil, err
	}
	roles := c.AWS.account(c.Account).roles
	if _, taken := roles[in.RoleName]; taken {
		return nil, &Error{Code: "EntityAlreadyExists", Message: "Role with name " + in.RoleName + " already exists.", Status: http.StatusConflict}
	}
	made := c.AWS.newIdentity(c.Account, "role", in.Path, in.RoleName)
	made.Trust, made.description, made.boundary, made.tags = in.AssumeRolePolicyDocument, in.Description, in.PermissionsBoundary, tagMap(in.Tags)
	if in.MaxSessionDuration > 0 {
		made.maxSession = in.MaxSessionDuration
	}
	roles[in.RoleName] = made
	return struct{ Role roleXML }{showRole(made)}, nil
}

func getRole(c *Call) (any, error) {
	found, err := c.identity("role", c.Form.Get("RoleName"))
	if err != nil {
		return nil, err
	}
	return struct{ Role roleXML }{showRole(found)}, nil
}

func listRoles(c *Call) (any, error) {
	roles := c.AWS.account(c.Account).roles
	var out struct {
		IsTruncated bool
		Roles       []roleXML `xml:"Roles>member"`
	}
	for _, name := range slices.Sorted(maps.Keys(roles)) {
		out.Roles = append(out.Roles, showRole(roles[name]))
	}
	return out, nil
}

func tagRole(c *Call) (any, error) {
	var in struct {
		RoleName string
		Tags     []tagXML
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	found, err := c.identity("role", in.RoleName)
	if err != nil {
		return nil, err
	}
	maps.Copy(found.tags, tagMap(in.Tags))
	return nil, nil
}
