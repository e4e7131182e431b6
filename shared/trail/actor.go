package trail

import (
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
)

// SessionPrefix begins the name of every session and role of Doublelock's own.
const SessionPrefix = "doublelock-"

// OwnRoles lists the member roles that the hub works through. Their names alone are ours: anybody may give another
// role a name with our prefix where no SCP forbids it.
func OwnRoles() []string {
	return []string{"doublelock-read", "doublelock-tag", "doublelock-change"}
}

// Actor is who called, from userIdentity. Any field may be empty: service events carry little more than InvokedBy,
// cross-account callers (AWSAccount) little more than Account.
type Actor struct {
	Type        string // as CloudTrail names it: Root, IAMUser, AssumedRole, AWSService, …; "" on service events
	ARN         string // of the session or user
	Account     string // 12 digits
	Name        string // user name, role name, "root", or Identity Center user id
	SessionName string // of an assumed role or federated user
	RoleARN     string // behind an assumed-role session, with its path; "" when the event does not say
	InvokedBy   string // service that called on the actor's behalf, e.g. "secretsmanager.amazonaws.com"
}

// String is the best printable name: an ARN where there is one, "" when nothing is known.
func (a Actor) String() string {
	switch {
	case a.ARN != "":
		return a.ARN
	case a.Type == "IdentityCenterUser" && a.Name != "":
		return "IdentityCenterUser " + a.Name
	case a.Name != "" && a.Account != "":
		return a.Account + "/" + a.Name
	case a.Name != "":
		return a.Name
	case a.InvokedBy != "":
		return a.InvokedBy
	default:
		return a.Account
	}
}

// PrincipalARN is what aws:PrincipalArn holds for the caller: the role behind a session, else the ARN itself. For a
// session whose role the event does not name, it is made from the session's ARN and lacks the role's path.
func (a Actor) PrincipalARN() string {
	if a.RoleARN != "" {
		return a.RoleARN
	}
	session := arn.Of(a.ARN)
	role, _, assumed := session.Session()
	if !assumed {
		return a.ARN
	}
	return session.Partition.Role(session.Account, role)
}

// ServiceLinked reports whether a service-linked role called; SCPs do not bind it.
func (a Actor) ServiceLinked() bool {
	return strings.HasPrefix(arn.Of(a.RoleARN).Resource, "role/aws-service-role/")
}

// PermissionSet is the IAM Identity Center permission set behind the session, "" when there is none.
func (a Actor) PermissionSet() string {
	role, _, _ := arn.Of(a.ARN).Session()
	name, found := strings.CutPrefix(role, "AWSReservedSSO_")
	if !found {
		return ""
	}
	if i := strings.LastIndexByte(name, '_'); i > 0 {
		name = name[:i]
	}
	return name
}

// Own reports whether it is a session of ours: of one of OwnRoles, which have no path, under a name with our prefix. The
// session name alone is the caller's to choose and would let anybody hide behind it.
func (a Actor) Own() bool {
	role, session, assumed := arn.Of(a.ARN).Session()
	return assumed && slices.Contains(OwnRoles(), role) && strings.HasPrefix(session, SessionPrefix) &&
		(a.RoleARN == "" || arn.Of(a.RoleARN).Resource == "role/"+role)
}

// identity is userIdentity as it lies in the buffer.
type identity struct {
	kind, arn, account, user, invokedBy, principal text
	issuerARN, issuerName                          text
	onBehalfOf                                     text
}

func (id *identity) read(c *cursor) {
	c.object(func(name []byte) {
		switch string(name) {
		case "type":
			id.kind = c.text()
		case "arn":
			id.arn = c.text()
		case "accountId":
			id.account = c.text()
		case "userName":
			id.user = c.text()
		case "invokedBy":
			id.invokedBy = c.text()
		case "principalId":
			id.principal = c.text()
		case "sessionContext":
			id.readSession(c)
		case "onBehalfOf":
			c.object(func(name []byte) {
				if string(name) == "userId" {
					id.onBehalfOf = c.text()
					return
				}
				c.skip()
			})
		default:
			c.skip()
		}
	})
}

func (id *identity) readSession(c *cursor) {
	c.object(func(name []byte) {
		if string(name) != "sessionIssuer" {
			c.skip()
			return
		}
		c.object(func(name []byte) {
			switch string(name) {
			case "arn":
				id.issuerARN = c.text()
			case "userName":
				id.issuerName = c.text()
			default:
				c.skip()
			}
		})
	})
}

func (id *identity) actor() Actor {
	a := Actor{
		Type:      internType(id.kind),
		ARN:       id.arn.String(),
		Account:   id.account.String(),
		Name:      id.user.String(),
		InvokedBy: internService(id.invokedBy),
	}
	if role, session, assumed := arn.Of(a.ARN).Session(); assumed {
		a.SessionName = session
		a.RoleARN = id.issuerARN.String()
		if a.Name == "" {
			a.Name = role
		}
		return a
	}
	switch a.Type {
	case "Root":
		if a.Name == "" {
			a.Name = "root"
		}
	case "IdentityCenterUser":
		if a.Name == "" {
			a.Name = id.onBehalfOf.String()
		}
	case "AssumedRole", "FederatedUser":
		_, a.SessionName, _ = strings.Cut(id.principal.String(), ":")
		a.RoleARN = id.roleIssuer()
		if a.Name == "" {
			a.Name = id.issuerName.String()
		}
	case "AWSAccount", "Role", "Unknown":
		if a.Name == "" {
			a.Name = id.principal.String()
		}
	}
	return a
}

// roleIssuer is the session issuer if that is a role: a federated user's issuer is a user.
func (id *identity) roleIssuer() string {
	issuer := id.issuerARN.String()
	if kind, _ := arn.Of(issuer).Split(); kind != "role" {
		return ""
	}
	return issuer
}

// internType spares a copy for the types that make up nearly all events.
func internType(t text) string {
	switch string(t.bytes()) {
	case "AssumedRole":
		return "AssumedRole"
	case "IAMUser":
		return "IAMUser"
	case "AWSService":
		return "AWSService"
	}
	return t.String()
}

func internService(t text) string {
	if string(t.bytes()) == secretsManagerHost {
		return secretsManagerHost
	}
	return t.String()
}
