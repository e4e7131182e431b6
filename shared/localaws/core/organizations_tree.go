package core

import (
	"maps"
	"slices"
	"strings"
)

func orgTreeOperations() map[string]Operation {
	return map[string]Operation{
		"DescribeOrganization":             describeOrganization,
		"ListRoots":                        listRoots,
		"ListAccounts":                     listAccounts,
		"ListOrganizationalUnitsForParent": listUnits,
		"ListAccountsForParent":            listAccountsForParent,
		"CreateOrganizationalUnit":         createUnit,
		"MoveAccount":                      moveAccount,
		"RegisterDelegatedAdministrator":   registerDelegate,
		"DescribeCreateAccountStatus":      describeCreateAccountStatus,
		"CreateAccount":                    createAccount,
	}
}

func describeOrganization(c *Call) (any, error) {
	o := c.AWS.organization
	return Reply{"Organization": Reply{
		"Id": o.id, "Arn": o.partition.New("organizations", "", o.management, "organization/"+o.id).String(), "FeatureSet": "ALL",
		"MasterAccountArn": o.arn("account", o.management), "MasterAccountId": o.management, "MasterAccountEmail": o.members[o.management].email,
		"AvailablePolicyTypes": o.policyTypes(),
	}}, nil
}

func (o *organization) policyTypes() []any {
	types := []any{}
	for _, kind := range policyKinds {
		if !o.disabled[kind.name] {
			types = append(types, Reply{"Type": kind.name, "Status": "ENABLED"})
		}
	}
	return types
}

func listRoots(c *Call) (any, error) {
	o := c.AWS.organization
	return Reply{"Roots": []any{Reply{"Id": o.rootID, "Arn": o.arn("root", o.rootID), "Name": "Root", "PolicyTypes": o.policyTypes()}}}, nil
}

func (o *organization) showAccount(m *member) Reply {
	return Reply{"Id": m.id, "Arn": o.arn("account", m.id), "Name": m.name, "Email": m.email, "Status": "ACTIVE", "State": "ACTIVE",
		"JoinedMethod": "CREATED", "JoinedTimestamp": Epoch(m.joined)}
}

func (o *organization) showUnit(u *unit) Reply {
	return Reply{"Id": u.id, "Arn": o.arn("ou", u.id), "Name": u.name}
}

// orgPage answers one page of a list under a name; Organizations pages by 20.
func orgPage(c *Call, name string, items []any) (any, error) {
	var in struct {
		MaxResults int
		NextToken  string
	}
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	from, to, next, err := Page(len(items), in.NextToken, in.MaxResults, 20)
	if err != nil {
		return nil, &Error{Code: "InvalidInputException", Message: "You specified an invalid value.", Fields: map[string]any{"Reason": "INVALID_NEXT_TOKEN"}}
	}
	out := Reply{name: items[from:to]}
	if next != "" {
		out["NextToken"] = next
	}
	return out, nil
}

func listAccounts(c *Call) (any, error) {
	o := c.AWS.organization
	items := []any{}
	for _, id := range slices.Sorted(maps.Keys(o.members)) {
		items = append(items, o.showAccount(o.members[id]))
	}
	return orgPage(c, "Accounts", items)
}

type orgTarget struct{ AccountId, ParentId, ChildId, ChildType, TargetId, OrganizationalUnitId, Name string }

func (c *Call) orgTarget() (orgTarget, error) {
	var in orgTarget
	err := c.Decode(&in)
	return in, err
}

func (o *organization) typeOf(id string) string {
	switch {
	case id == o.rootID:
		return "ROOT"
	case o.units[id] != nil:
		return "ORGANIZATIONAL_UNIT"
	default:
		return "ACCOUNT"
	}
}

func parentNotFound() error {
	return &Error{Code: "ParentNotFoundException", Message: "You specified parent that doesn't exist."}
}

// unitsUnder and accountsUnder are sorted by id.
func (o *organization) unitsUnder(parent string) []*unit {
	var out []*unit
	for _, id := range slices.Sorted(maps.Keys(o.units)) {
		if o.units[id].parent == parent {
			out = append(out, o.units[id])
		}
	}
	return out
}

func (o *organization) accountsUnder(parent string) []*member {
	var out []*member
	for _, id := range slices.Sorted(maps.Keys(o.members)) {
		if o.members[id].parent == parent {
			out = append(out, o.members[id])
		}
	}
	return out
}

func listUnits(c *Call) (any, error) {
	in, err := c.orgTarget()
	if err != nil {
		return nil, err
	}
	o, items := c.AWS.organization, []any{}
	if o.units[in.ParentId] == nil {
		return nil, parentNotFound()
	}
	for _, u := range o.unitsUnder(in.ParentId) {
		items = append(items, o.showUnit(u))
	}
	return orgPage(c, "OrganizationalUnits", items)
}

func listAccountsForParent(c *Call) (any, error) {
	in, err := c.orgTarget()
	if err != nil {
		return nil, err
	}
	o, items := c.AWS.organization, []any{}
	if o.units[in.ParentId] == nil {
		return nil, parentNotFound()
	}
	for _, m := range o.accountsUnder(in.ParentId) {
		items = append(items, o.showAccount(m))
	}
	return orgPage(c, "Accounts", items)
}

func createUnit(c *Call) (any, error) {
	in, err := c.orgTarget()
	if err != nil {
		return nil, err
	}
	o := c.AWS.organization
	if o.units[in.ParentId] == nil {
		return nil, parentNotFound()
	}
	for _, u := range o.unitsUnder(in.ParentId) {
		if u.name == in.Name {
			return nil, &Error{Code: "DuplicateOrganizationalUnitException", Message: "An OU with the same name already exists."}
		}
	}
	return Reply{"OrganizationalUnit": o.showUnit(c.AWS.addUnit(in.ParentId, in.Name))}, nil
}

// addUnit makes an OU with full access attached, as AWS does.
func (a *AWS) addUnit(parent, name string) *unit {
	o := a.organization
	made := &unit{id: "ou-" + o.rootID[2:] + "-" + a.Letters(8, lowerAlnum), parent: parent, name: name}
	o.units[made.id] = made
	o.attached[made.id] = o.attachedFirst()
	o.changed()
	return made
}

// addMember makes an account with full access attached.
func (a *AWS) addMember(parent, id, name string) *member {
	o := a.organization
	made := &member{id: id, parent: parent, name: name, email: "aws+" + id + "@example.com", joined: a.Options.Now().UTC()}
	o.members[id] = made
	o.attached[id] = o.attachedFirst()
	o.changed()
	a.account(id)
	return made
}

func moveAccount(c *Call) (any, error) {
	var in struct{ AccountId, SourceParentId, DestinationParentId string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	o := c.AWS.organization
	found, ok := o.members[in.AccountId]
	switch {
	case !ok:
		return nil, &Error{Code: "AccountNotFoundException", Message: "You specified an account that doesn't exist."}
	case found.parent != in.SourceParentId:
		return nil, &Error{Code: "SourceParentNotFoundException", Message: "You specified a source parent that doesn't contain the account."}
	case o.units[in.DestinationParentId] == nil:
		return nil, &Error{Code: "DestinationParentNotFoundException", Message: "You specified a destination that doesn't exist."}
	}
	found.parent = in.DestinationParentId
	o.changed()
	return nil, nil
}

func createAccount(c *Call) (any, error) {
	var in struct{ AccountName, Email string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	made := c.AWS.addMember(c.AWS.organization.rootID, c.AWS.Letters(12, "123456789"), in.AccountName)
	made.email = in.Email
	return Reply{"CreateAccountStatus": createdStatus(made)}, nil
}

// createdStatus is the status of an account's creation; it is done at once here, so the account id is in the id.
func createdStatus(m *member) Reply {
	return Reply{"Id": "car-" + m.id, "AccountName": m.name, "AccountId": m.id, "State": "SUCCEEDED",
		"RequestedTimestamp": Epoch(m.joined), "CompletedTimestamp": Epoch(m.joined)}
}

func describeCreateAccountStatus(c *Call) (any, error) {
	var in struct{ CreateAccountRequestId string }
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	found, ok := c.AWS.organization.members[strings.TrimPrefix(in.CreateAccountRequestId, "car-")]
	if !ok {
		return nil, &Error{Code: "CreateAccountStatusNotFoundException", Message: "We can't find a create account request with that id."}
	}
	return Reply{"CreateAccountStatus": createdStatus(found)}, nil
}

type delegation struct {
	AccountId, ServicePrincipal string
}

func registerDelegate(c *Call) (any, error) {
	var in delegation
	if err := c.Decode(&in); err != nil {
		return nil, err
	}
	o := c.AWS.organization
	if o.members[in.AccountId] == nil {
		return nil, &Error{Code: "AccountNotFoundException", Message: "You specified an account that doesn't exist."}
	}
	if slices.Contains(o.delegates[in.AccountId], in.ServicePrincipal) {
		return nil, &Error{Code: "AccountAlreadyRegisteredException", Message: "The account is already a delegated administrator."}
	}
	o.delegates[in.AccountId] = append(o.delegates[in.AccountId], in.ServicePrincipal)
	return nil, nil
}
