package core

import (
	"maps"
	"net/http"
	"slices"
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
		"CreateUser":                    createUser,
		"GetUser":                       getUser,
		"ListUsers":                     listUsers,
		"DeleteUser":                    deleteIdentity("user"),
		"PutUserPolicy":                 putInline("user"),
		"GetUserPolicy":                 getInline("user"),
		"DeleteUserPolicy":              deleteInline("user"),
		"ListUserPolicies":              listInline("user"),
		"AttachUserPolicy":              attach("user"),
		"DetachUserPolicy":              detach("user"),
		"ListAttachedUserPolicies":      listAttached("user"),
		"PutUserPermissionsBoundary":    putBoundary("user"),
		"DeleteUserPermissionsBoundary": deleteBoundary("user"),
		"CreateAccessKey":               createAccessKey,
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

func getUser(c *Call) (any, error) {
	found, err := c.identity("user", c.Form.Get("UserName"))
	if err != nil {
		return nil, err
	}
	return struct{ User userXML }{showUser(found)}, nil
}

func listUsers(c *Call) (any, error) {
	users := c.AWS.account(c.Account).users
	var out struct {
		IsTruncated bool
		Users       []userXML `xml:"Users>member"`
	}
	for _, name := range slices.Sorted(maps.Keys(users)) {
		out.Users = append(out.Users, showUser(users[name]))
	}
	return out, nil
}

func createAccessKey(c *Call) (any, error) {
	found, err := c.identity("user", c.Form.Get("UserName"))
	if err != nil {
		return nil, err
	}
	made := c.AWS.Issue(userCaller(c.Account, found), "")
	type accessKey struct {
		UserName, AccessKeyId, Status, SecretAccessKey, CreateDate string
	}
	return struct{ AccessKey accessKey }{accessKey{found.name, made.AccessKeyID, "Active", made.secret, ISO(c.Now)}}, nil
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
