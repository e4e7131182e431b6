package core

import (
	"net/http"
)

type userXML struct {
	Path, UserName, UserId, Arn, CreateDate string

	PermissionsBoundary *boundaryXML `xml:",omitempty" json:",omitempty"`
	Tags                []tagXML     `xml:"Tags>member,omitempty" json:",omitempty"`
}

func showUser(u *Identity) userXML {
	return userXML{Path: u.path, UserName: u.name, UserId: u.id, Arn: u.arn, CreateDate: ISO(u.created),
		PermissionsBoundary: boundaryOf(u), Tags: tagsXML(u.tags)}
}

func iamUserOperations() map[string]Operation {
	return map[string]Operation{
		"CreateUser":                 createUser,
		"PutUserPolicy":              putInline("user"),
		"AttachUserPolicy":           attach("user"),
		"PutUserPermissionsBoundary": putBoundary("user"),
	}
}

func createUser(c *Call) (any, error) {
	var in struct {
		UserName, Path, PermissionsBoundary string
		Tags                                []tagXML
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	users := c.AWS.account(c.Account).users
	if _, taken := users[in.UserName]; taken {
		return nil, &Error{Code: "EntityAlreadyExists", Message: "User with name " + in.UserName + " already exists.", Status: http.StatusConflict}
	}
	made := c.AWS.newIdentity(c.Account, "user", in.Path, in.UserName)
	made.boundary, made.tags = in.PermissionsBoundary, tagMap(in.Tags)
	users[in.UserName] = made
	return struct{ User userXML }{showUser(made)}, nil
}

func deleteIdentity(kind string) Operation {
	return func(c *Call) (any, error) {
		name := c.Form.Get(nameField(kind))
		found, err := c.identity(kind, name)
		if err != nil {
			return nil, err
		}
		if len(found.inline)+len(found.attached) > 0 {
			return nil, &Error{Code: "DeleteConflict", Message: "Cannot delete entity, must delete policies first.", Status: http.StatusConflict}
		}
		delete(c.AWS.account(c.Account).of(kind), name)
		return nil, nil
	}
}

func nameField(kind string) string {
	if kind == "user" {
		return "UserName"
	}
	return "RoleName"
}
