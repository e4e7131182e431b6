package core

import (
	"fmt"
	"slices"
	"strings"
)

// Credentials are what a client signs its requests with. SessionToken is empty for users.
type Credentials struct{ AccessKeyID, SecretAccessKey, SessionToken string }

// Organization founds the organization. Its management account is a member of the root, SCPs are switched on, and RCPs are not.
func (a *AWS) Organization(id, managementAccount string) {
	a.Lock()
	defer a.Unlock()
	a.found(id, "r-"+a.Letters(4, lowerAlnum), managementAccount)
}

// OrganizationWithRoot founds the organization with a root id of the caller's choice, as a configuration names it.
func (a *AWS) OrganizationWithRoot(id, root, managementAccount string) {
	a.Lock()
	defer a.Unlock()
	a.found(id, root, managementAccount)
}

func (a *AWS) found(id, root, managementAccount string) {
	a.organization = &organization{
		partition: a.Options.Partition, id: id, management: managementAccount, rootID: root,
		units:    map[string]*unit{root: {id: root, name: "Root"}},
		members:  map[string]*member{},
		attached: map[string][]string{},
		disabled: map[string]bool{resourceControlPolicy: true}, delegates: map[string][]string{},
		policies: map[string]*orgPolicy{
			"p-FullAWSAccess": {id: "p-FullAWSAccess", name: "FullAWSAccess", aws: true, kind: serviceControlPolicy,
				description: "Allows access to every operation",
				content:     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`},
			"p-RCPFullAWSAccess": {id: "p-RCPFullAWSAccess", name: "RCPFullAWSAccess", aws: true, kind: resourceControlPolicy,
				description: "Allows access to every resource",
				content:     `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}`},
		},
	}
	a.organization.attached[root] = a.organization.attachedFirst()
	a.organization.changed()
	a.addMember(root, managementAccount, "management")
}

// AddOU makes an organizational unit under a parent ("" is the root) and returns its id.
func (a *AWS) AddOU(parent, name string) string {
	a.Lock()
	defer a.Unlock()
	if parent == "" {
		parent = a.organization.rootID
	}
	return a.addUnit(parent, name).id
}

// AddOUWithID makes an organizational unit with an id of the caller's choice, as a configuration names it.
func (a *AWS) AddOUWithID(parent, id, name string) {
	a.Lock()
	defer a.Unlock()
	if parent == "" {
		parent = a.organization.rootID
	}
	made := a.addUnit(parent, name)
	delete(a.organization.units, made.id)
	delete(a.organization.attached, made.id)
	made.id = id
	a.organization.units[id] = made
	a.organization.attached[id] = a.organization.attachedFirst()
}

// AddAccount makes a member account in an OU ("" is the root).
func (a *AWS) AddAccount(ou, id, name string) {
	a.Lock()
	defer a.Unlock()
	if ou == "" {
		ou = a.organization.rootID
	}
	a.addMember(ou, id, name)
}

// DelegateAdministrator lets a member account call Organizations (to read, and to handle policies) for a service.
func (a *AWS) DelegateAdministrator(accountID, servicePrincipal string) {
	a.Lock()
	defer a.Unlock()
	a.organization.delegates[accountID] = append(a.organization.delegates[accountID], servicePrincipal)
}

// AddRole makes a role with a trust policy and inline policies, all JSON. An existing role gets them instead.
func (a *AWS) AddRole(accountID, name, trust string, policies ...string) {
	a.Lock()
	defer a.Unlock()
	roles := a.account(accountID).roles
	if roles[name] == nil {
		roles[name] = a.newIdentity(accountID, "role", "", name)
	}
	a.iamChanges++
	roles[name].Trust = trust
	for i, document := range policies {
		roles[name].inline[fmt.Sprintf("inline-%d", i+1)] = document
	}
}

// Principal issues credentials for "user/<name>", "role/<name>/<session>" (role names may have a path) or "root" of an
// account. A user or role that is missing is made with AdministratorAccess: it stands for the people of a scenario;
// what is under test gets its rights from AddRole or the IAM API first.
func (a *AWS) Principal(accountID, name string) (Credentials, error) {
	a.Lock()
	defer a.Unlock()
	who, err := a.principal(accountID, name)
	if err != nil {
		return Credentials{}, err
	}
	made := a.issue(who, "")
	return Credentials{made.AccessKeyID, made.secret, made.token}, nil
}

func (a *AWS) principal(accountID, name string) (Caller, error) {
	kind, rest, _ := strings.Cut(name, "/")
	switch {
	case name == "root":
		return rootCaller(a.Options.Partition, accountID), nil
	case kind == "user" && rest != "":
		return userCaller(accountID, a.AdminUnlessPresent(accountID, "user", rest)), nil
	case kind == "role" && strings.Contains(rest, "/"):
		cut := strings.LastIndexByte(rest, '/')
		return RoleCaller(accountID, a.AdminUnlessPresent(accountID, "role", rest[:cut]), rest[cut+1:]), nil
	}
	return Caller{}, fmt.Errorf("name principal %q: want user/<name>, role/<name>/<session> or root", name)
}

// AdminUnlessPresent is the user or role of a path and name, made with AdministratorAccess where there is none. The state
// lock must be held.
func (a *AWS) AdminUnlessPresent(accountID, kind, pathAndName string) *Identity {
	path, name := "/", pathAndName
	if cut := strings.LastIndexByte(pathAndName, '/'); cut >= 0 {
		path, name = "/"+pathAndName[:cut+1], pathAndName[cut+1:]
	}
	all := a.account(accountID).of(kind)
	if all[name] == nil {
		made := a.newIdentity(accountID, kind, path, name)
		made.attached = []string{a.managedARN("AdministratorAccess")}
		made.Trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"` + a.Options.Partition.Root(accountID) +
			`"},"Action":"sts:AssumeRole"}]}`
		all[name] = made
	}
	return all[name]
}

// Trail switches CloudTrail on or off in an account and Region. It is on everywhere at first.
func (a *AWS) Trail(accountID, region string, on bool) {
	a.Lock()
	defer a.Unlock()
	trailAt(a, Location{accountID, region}).off = !on
}

// As calls an operation in this process as an AWS service principal, which may do everything; for setting up a world
// that is not itself under test. Input marshals to the operation's JSON input, the answer is its JSON output.
func (a *AWS) As(servicePrincipal, accountID, region, service, operation string, input any) (map[string]any, error) {
	return a.do(Location{accountID, region}, ServiceCaller(accountID, servicePrincipal), service, operation, input)
}

// ServiceCaller is an AWS service that acts by itself in an account.
func ServiceCaller(accountID, servicePrincipal string) Caller {
	return Caller{Account: accountID, ARN: servicePrincipal, PrincipalID: servicePrincipal, Service: servicePrincipal}
}

// Regions lists the Regions in which an account has any state, sorted.
func (a *AWS) Regions(accountID string) []string {
	a.Lock()
	defer a.Unlock()
	var out []string
	for p := range a.locations {
		if p.Account == accountID {
			out = append(out, p.Region)
		}
	}
	slices.Sort(out)
	return out
}

// AsPrincipal calls an operation in this process as Principal names it, with the rights it has: how the people of a
// scenario act where no client of theirs is at hand.
func (a *AWS) AsPrincipal(accountID, name, region, service, operation string, input any) (map[string]any, error) {
	a.Lock()
	who, err := a.principal(accountID, name)
	a.Unlock()
	if err != nil {
		return nil, err
	}
	return a.do(Location{accountID, region}, who, service, operation, input)
}
