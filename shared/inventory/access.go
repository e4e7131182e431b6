package inventory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// ErrNotInSnapshot says that the snapshot was complete where something would be, and does not hold it.
var ErrNotInSnapshot = errors.New("not in the snapshot")

// Access answers from one snapshot who can open what. A reader needs both locks: secretsmanager:GetSecretValue on the
// secret, and kms:Decrypt, through Secrets Manager, on a key that opens its current version. It is safe for concurrent
// use.
//
// The request it asks about is made over TLS, at the time of the snapshot, and names the secret and the version in whichever way
// opens it. What else it has (address, VPC, MFA, session tags, keys that AWS adds next year) is not known, so a policy that asks
// for that answers Unknown, unless it is documented that such a request does not have it.
type Access struct {
	snapshot   *Snapshot
	accounts   map[string]*Account
	principals map[string]*Principal
	groups     map[string]*Group // by account/name
	secrets    map[string]int    // index in the snapshot by ARN
	keys       map[string]*Key
	unread     map[Unread]string // why, by part, account and Region
	locations  map[location]bool // whose secrets were read, or are said not to have been
	noControls bool              // what is not read of SCPs and RCPs is taken to be none

	documents *documents
	orgs      map[string]*orgPolicies
	sessions  map[string][]string // sessions that policies name, by account/role name
	federated map[string][]string // sessions of sts:GetFederationToken that policies name, by account

	bulk     sync.Once
	openings *openings

	bulkTrust sync.Once
	trusts    *trusts

	bulkPower  sync.Once
	changeable map[part]*changeable

	bulkKeys   sync.Once
	keysAsked  map[string]bool // condition keys by which some policy decides, in lower case
	keysUnread bool            // some policy could not be read
	dates      []time.Time     // by which some policy decides
	later      []time.Time     // than the snapshot, at which a policy may decide otherwise; of FromNowOn alone

	bulkOutside sync.Once
	outside     bool // something may be opened or taken from outside

	reaching sync.Mutex // held while paths are looked for
	movers   *movers
	world    *world // all secrets of the snapshot

	calling sync.Mutex
	callers map[string][][]int32 // by call: the principals that may make it, by secret

	mu          sync.Mutex
	populations map[string]population // outside the snapshot, by name
}

// Prepare indexes a snapshot, which must not change afterwards.
func Prepare(s Snapshot) *Access { return prepare(s, false, newDocuments()) }

// PrepareWithoutControls is Prepare for who may not read the organization: SCPs and RCPs that could not be read are taken to be none.
// Both only take rights away, so that more may be said to open than does, and never less. Assumed says it of the answers.
func PrepareWithoutControls(s Snapshot) *Access { return prepare(s, true, newDocuments()) }

// Changed is Prepare for a changed copy of the snapshot: a policy that both have is not parsed again.
func (a *Access) Changed(s Snapshot) *Access { return prepare(s, a.noControls, a.documents) }

// FromNowOn is the same of the time of the snapshot and of all that comes: what a policy decides otherwise from a date on is unknown.
func (a *Access) FromNowOn() *Access {
	out := a.Changed(*a.snapshot)
	for _, date := range a.datesWith(Key{}) {
		out.later = append(out.later, date, date.Add(time.Second))
	}
	out.later = slices.Clip(out.later)
	return out
}

// Assumed is what the answers rest on that nobody read; "" for nothing.
func (a *Access) Assumed() string {
	if !a.noControls || !slices.ContainsFunc(a.snapshot.Unread, func(u Unread) bool { return u.Part == PartOrganization || u.Part == PartControls }) {
		return ""
	}
	return "no SCP or RCP known"
}

func prepare(s Snapshot, noControls bool, parsed *documents) *Access {
	a := &Access{
		noControls: noControls,
		snapshot:   &s, accounts: map[string]*Account{}, principals: map[string]*Principal{}, groups: map[string]*Group{},
		secrets: map[string]int{}, keys: map[string]*Key{}, unread: map[Unread]string{}, locations: map[location]bool{}, orgs: map[string]*orgPolicies{},
		sessions: map[string][]string{}, federated: map[string][]string{}, documents: parsed, populations: map[string]population{},
		callers: map[string][][]int32{},
	}
	for i := range s.Accounts {
		a.accounts[s.Accounts[i].ID] = &s.Accounts[i]
	}
	for i := range s.Principals {
		a.principals[s.Principals[i].ARN] = &s.Principals[i]
	}
	for i := range s.Groups {
		a.groups[s.Groups[i].Account+"/"+s.Groups[i].Name] = &s.Groups[i]
	}
	for i := range s.Secrets {
		a.secrets[s.Secrets[i].Facts.ARN] = i
	}
	for i := range s.Keys {
		a.keys[s.Keys[i].Facts.ARN] = &s.Keys[i]
	}
	for _, u := range s.Unread {
		switch u.Part {
		case PartOrganization:
			u.Account, u.Region = "", ""
		case PartPrincipals, PartControls: // which have no Region
			u.Region = ""
		}
		a.unread[Unread{Part: u.Part, Account: u.Account, Region: u.Region}] = u.Why
	}
	for id := range a.accounts {
		a.orgs[id] = a.readControls(id)
	}
	a.findLocations()
	a.findNamed()
	return a
}

// Snapshot is what the answers come from.
func (a *Access) Snapshot() *Snapshot { return a.snapshot }

// Secret finds a secret by ARN, or by name where only one has it. A name means the primary; its replicas, which share it,
// are named by ARN.
func (a *Access) Secret(id string) (*Secret, error) {
	if i, found := a.secrets[id]; found {
		return &a.snapshot.Secrets[i], nil
	}
	var found []*Secret
	for i := range a.snapshot.Secrets {
		if s := &a.snapshot.Secrets[i]; s.Facts.Name == id && !a.primaryIsHere(s) {
			found = append(found, s)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("find secret %s: %w", id, ErrNotInSnapshot)
	}
	return nil, fmt.Errorf("find secret %s: %d secrets have this name; say which by ARN, such as %s", id, len(found), found[0].Facts.ARN)
}

// primaryIsHere reports whether a secret is a replica whose primary is in the snapshot: a name means the primary.
func (a *Access) primaryIsHere(s *Secret) bool {
	if !s.Facts.IsReplica() {
		return false
	}
	_, here := a.secrets[arn.Of(s.Facts.ARN).In(s.Facts.PrimaryRegion).String()]
	return here
}

// whyUnread says why a part of an account was not read; "" when it was.
func (a *Access) whyUnread(part Part, account string) string {
	if why := a.unread[Unread{Part: part, Account: account}]; why != "" {
		return why
	}
	if _, known := a.accounts[account]; !known {
		return "account " + account + " is not in the snapshot"
	}
	return ""
}

// PrincipalsUnread says why the principals of an account are not all in the snapshot; "" when they are.
func (a *Access) PrincipalsUnread(account string) string { return a.whyUnread(PartPrincipals, account) }

// documents parses each text once, since many principals have the same.
type documents struct {
	mu     sync.Mutex
	parsed map[string]*policy.Document
}

func newDocuments() *documents { return &documents{parsed: map[string]*policy.Document{}} }

func (d *documents) read(name, text string) *policy.Document {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := name + "\x00" + text
	if found := d.parsed[key]; found != nil {
		return found
	}
	made := policy.Read(name, []byte(text))
	d.parsed[key] = made
	return made
}

// missing stands for a document that is not in the snapshot.
func missing(name, why string) *policy.Document {
	return policy.Broken(name, errors.New(why))
}

// findNamed collects the role sessions and the sessions of sts:GetFederationToken that policies and grants name: such a session may
// do what the role or user may not. A trust policy lets none of the latter in: they may call no action of STS that takes a role.
func (a *Access) findNamed() {
	add := func(into map[string][]string, key, name string) {
		if !slices.Contains(into[key], name) {
			into[key] = append(into[key], name)
		}
	}
	find := func(federated bool, names ...string) {
		for _, name := range names {
			switch p, err := policy.ParsePrincipal(name); {
			case err != nil:
			case p.Kind == policy.KindSession:
				add(a.sessions, p.Account+"/"+p.Name, name)
			case p.Kind == policy.KindFederatedUser && federated:
				add(a.federated, p.Account, name)
			}
		}
	}
	names := func(text string) bool { // others are not worth parsing for this
		return strings.Contains(text, ":assumed-role/") || strings.Contains(text, ":federated-user/")
	}
	for i := range a.snapshot.Secrets {
		if s := &a.snapshot.Secrets[i]; names(s.Policy) {
			find(true, namedIn(a.secretPolicy(s), policy.Allow)...)
		}
	}
	for i := range a.snapshot.Principals {
		if p := &a.snapshot.Principals[i]; names(p.Trust) {
			find(false, namedIn(a.documents.read("trust policy of "+p.ARN, p.Trust), policy.Allow)...)
		}
	}
	for i := range a.snapshot.Keys {
		k := &a.snapshot.Keys[i]
		if names(k.Policy) {
			find(true, namedIn(a.keyPolicy(k), policy.Allow)...)
		}
		for _, g := range k.Grants {
			find(true, g.Grantee)
		}
	}
}

// namedIn lists the AWS principals that a document's statements of some effects name, as principals or by aws:PrincipalArn.
func namedIn(d *policy.Document, effects ...policy.Effect) []string {
	var out []string
	if d == nil {
		return nil
	}
	for _, s := range d.Statements {
		if !slices.Contains(effects, s.Effect) {
			continue
		}
		if s.Principal != nil {
			out = append(out, s.Principal.AWS...)
		}
		for _, c := range s.Conditions {
			if strings.EqualFold(c.Key, "aws:PrincipalArn") && affirms(c) {
				out = append(out, c.Values...)
			}
		}
	}
	return out
}
