package core

import (
	"maps"
	"slices"
)

type inlineXML struct{ PolicyName, PolicyDocument string }

type roleDetailXML struct {
	Path, RoleName, RoleId, Arn, CreateDate, AssumeRolePolicyDocument string

	RolePolicyList          []inlineXML   `xml:"RolePolicyList>member"`
	AttachedManagedPolicies []attachedXML `xml:"AttachedManagedPolicies>member"`
	PermissionsBoundary     *boundaryXML  `xml:",omitempty" json:",omitempty"`
	Tags                    []tagXML      `xml:"Tags>member"`
}

type userDetailXML struct {
	Path, UserName, UserId, Arn, CreateDate string

	UserPolicyList          []inlineXML   `xml:"UserPolicyList>member"`
	AttachedManagedPolicies []attachedXML `xml:"AttachedManagedPolicies>member"`
	PermissionsBoundary     *boundaryXML  `xml:",omitempty" json:",omitempty"`
	Tags                    []tagXML      `xml:"Tags>member"`
}

type policyDetailXML struct {
	policyXML
	PolicyVersionList []policyVersionXML `xml:"PolicyVersionList>member"`
}

type authorizationDetails struct {
	IsTruncated    bool
	Marker         string            `xml:",omitempty" json:",omitempty"`
	UserDetailList []userDetailXML   `xml:"UserDetailList>member"`
	RoleDetailList []roleDetailXML   `xml:"RoleDetailList>member"`
	Policies       []policyDetailXML `xml:"Policies>member"`
}

// getAccountAuthorizationDetails pages over users, then roles, then the managed policies they use.
func getAccountAuthorizationDetails(c *Call) (any, error) {
	var in struct {
		Filter   []string
		MaxItems int
		Marker   string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	acct := c.AWS.account(c.Account)
	var steps []func(*authorizationDetails)
	wants := func(kind string) bool { return len(in.Filter) == 0 || slices.Contains(in.Filter, kind) }
	for _, name := range slices.Sorted(maps.Keys(acct.users)) {
		if wants("User") {
			steps = append(steps, func(out *authorizationDetails) {
				out.UserDetailList = append(out.UserDetailList, userDetail(acct.users[name]))
			})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(acct.roles)) {
		if wants("Role") {
			steps = append(steps, func(out *authorizationDetails) {
				out.RoleDetailList = append(out.RoleDetailList, roleDetail(acct.roles[name]))
			})
		}
	}
	for _, p := range c.AWS.managedPolicies(acct, wants("LocalManagedPolicy"), wants("AWSManagedPolicy")) {
		steps = append(steps, func(out *authorizationDetails) {
			out.Policies = append(out.Policies, policyDetailXML{showPolicy(p), []policyVersionXML{showVersion(p)}})
		})
	}
	from, to, next, err := Page(len(steps), in.Marker, in.MaxItems, 100)
	if err != nil {
		return nil, err
	}
	out := authorizationDetails{IsTruncated: next != "", Marker: next}
	for _, step := range steps[from:to] {
		step(&out)
	}
	return out, nil
}

func (a *AWS) managedPolicies(acct *account, local, aws bool) []*managedPolicy {
	var out []*managedPolicy
	if local {
		for _, own := range slices.Sorted(maps.Keys(acct.policies)) {
			out = append(out, acct.policies[own])
		}
	}
	if aws {
		for _, name := range slices.Sorted(maps.Keys(awsManaged)) {
			if managed := a.managedARN(name); acct.uses(managed) {
				out = append(out, a.awsManagedPolicy(managed))
			}
		}
	}
	return out
}

func (acct *account) uses(policyARN string) bool {
	for _, kind := range []map[string]*Identity{acct.roles, acct.users} {
		for _, of := range kind {
			if of.boundary == policyARN || slices.Contains(of.attached, policyARN) {
				return true
			}
		}
	}
	return false
}

func inlineOf(of *Identity) []inlineXML {
	var out []inlineXML
	for _, name := range slices.Sorted(maps.Keys(of.inline)) {
		out = append(out, inlineXML{name, escape(of.inline[name])})
	}
	return out
}

func roleDetail(r *Identity) roleDetailXML {
	return roleDetailXML{Path: r.path, RoleName: r.name, RoleId: r.id, Arn: r.arn, CreateDate: ISO(r.created),
		AssumeRolePolicyDocument: escape(r.Trust), RolePolicyList: inlineOf(r), AttachedManagedPolicies: attachedOf(r),
		PermissionsBoundary: boundaryOf(r), Tags: tagsXML(r.tags)}
}

func userDetail(u *Identity) userDetailXML {
	return userDetailXML{Path: u.path, UserName: u.name, UserId: u.id, Arn: u.arn, CreateDate: ISO(u.created),
		UserPolicyList: inlineOf(u), AttachedManagedPolicies: attachedOf(u), PermissionsBoundary: boundaryOf(u), Tags: tagsXML(u.tags)}
}
