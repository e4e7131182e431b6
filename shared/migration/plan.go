package migration

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// PlanVersion is the format of a plan file.
const PlanVersion = 4 // 2: with rules; 3: a digest that proves each part; 4: the uses and the class of each reader

// Plan says what would be done with each secret, what for, and on which facts that rests.
type Plan struct {
	Version int        `json:"version"`
	ID      string     `json:"id"`     // the first characters of Digest
	Digest  string     `json:"digest"` // SHA-256 over everything else in the plan: see Part
	MadeAt  time.Time  `json:"madeAt"`
	Rules   Rules      `json:"rules"`
	Items   []Item     `json:"items"`
	Outside []Excluded `json:"outside"` // not touched, and why
	Cost    Cost       `json:"cost"`
	Users   []Tally    `json:"users"` // by class
	// Unread are the locations whose secrets could not be listed: what is there is not in the plan.
	Unread []inventory.Unread `json:"unread,omitempty"`
}

// Item is one secret to be moved.
type Item struct {
	Secret    string            `json:"secret"` // ARN
	Name      string            `json:"name"`
	Account   string            `json:"account"`
	Region    string            `json:"region"`
	Wave      Wave              `json:"wave"`
	State     guard.LockState   `json:"state"`
	From      From              `json:"from"`
	Target    string            `json:"target"` // key ARN
	TargetWhy string            `json:"targetWhy"`
	Readers   []Reader          `json:"readers"`
	Replicas  []ReplicaItem     `json:"replicas,omitempty"`
	Seal      SealBy            `json:"seal"`
	Blocked   []string          `json:"blocked,omitempty"` // why it would not be done; none: it is safe
	Unread    string            `json:"unread,omitempty"`  // when it is not known who used it, which somebody accepted
	Later     []string          `json:"later,omitempty"`   // what people have to do afterwards, said before
	Undo      []string          `json:"undo"`              // what can be undone how, and what not
	Tool      string            `json:"tool,omitempty"`    // what it was made with
	Line      string            `json:"line,omitempty"`    // what to change there
	Facts     map[string]string `json:"facts"`             // digests by what they are of
}

// Safe reports that the item may be done: no reader loses access, nothing is unknown.
func (i Item) Safe() bool { return len(i.Blocked) == 0 }

// From is the key a secret comes from.
type From struct {
	KeyID    string         `json:"keyId"` // as it is set, "" for the default: what going back sets again
	ARN      string         `json:"arn,omitempty"`
	Customer bool           `json:"customer"`
	State    guard.KeyState `json:"state,omitempty"`
}

// ReplicaItem is a copy that gets a key of its own Region.
type ReplicaItem struct {
	Region       string   `json:"region"`
	FromKeyID    string   `json:"fromKeyId"`
	FromCustomer string   `json:"fromCustomer,omitempty"`
	Target       string   `json:"target"`
	Interruption string   `json:"interruption"`
	Readers      []Reader `json:"readers"`
}

// SealBy says who writes the new versions.
type SealBy string

const (
	SealRotate SealBy = "rotate" // RotateSecret, with the rotation that is configured
	SealOwner  SealBy = "owner"  // its owner writes them: nothing in the hub may read a value
)

// Excluded is a secret that is left alone.
type Excluded struct {
	Secret  string `json:"secret"`
	Name    string `json:"name"`
	Reason  string `json:"reason"`
	Missing bool   `json:"missing,omitempty"` // it was asked for, and not found
}

// Missing are those that were asked for, and were not found.
func (p Plan) Missing() []Excluded {
	return slices.DeleteFunc(slices.Clone(p.Outside), func(e Excluded) bool { return !e.Missing })
}

// Facts is what a plan is made from.
type Facts struct {
	Access    *inventory.Access
	Seen      []Sighting
	Unseen    map[Location]string // why CloudTrail could not be asked who read, where that is so
	Gaps      map[string][]Gap    // in Seen, by the ARN of the secret
	LookBack  int                 // days that Seen covers
	Functions map[string]string   // roles of rotation functions by function ARN
	Tools     map[string]string   // tool that made a secret, by ARN
	KeyFor    func(account, region string, tags map[string]string) string
	Changer   func(account string) string // ARN of the role that changes secrets of an account; nil: not asked
	Tagger    func(account string) string // likewise of the role that writes our tags
	Begun     map[string]Before           // what going back restores, by secret: of the migrations there are; nil: they could not be read
	Approved  guard.Approved
	Waivers   []guard.Waiver
	Accepted  []string // principals that may lose access
	Rules     Rules    // of the settings
	Now       time.Time
}

// Location is an account in a Region.
type Location struct{ Account, Region string }

// Make plans the secrets of the snapshot, or only some of them by ARN or name. One that is not found is left alone, and
// holds up none of the others.
func Make(f Facts, only ...string) (Plan, error) {
	p := Plan{Version: PlanVersion, MadeAt: f.Now.UTC(), Rules: f.Rules, Items: []Item{}, Outside: []Excluded{}}
	if f.Rules.Lease == 0 {
		return Plan{}, errors.New("plan migration: there are no rules to move secrets under")
	}
	chosen, missing, err := f.choose(only)
	if err != nil {
		return Plan{}, fmt.Errorf("plan migration: %w", err)
	}
	p.Outside, p.Unread = append(p.Outside, missing...), f.unread()
	for _, s := range chosen {
		if reason := f.outside(s.Facts); reason != "" {
			p.Outside = append(p.Outside, Excluded{Secret: s.Facts.ARN, Name: s.Facts.Name, Reason: reason})
			continue
		}
		item, err := f.plan(s)
		if err != nil {
			return Plan{}, fmt.Errorf("plan migration of %s: %w", s.Facts.Name, err)
		}
		p.Items = append(p.Items, item)
	}
	slices.SortFunc(p.Items, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.Wave.order(), b.Wave.order()), cmp.Compare(a.Secret, b.Secret))
	})
	reads := 0
	for _, s := range f.Seen {
		if s.does() == Reads {
			reads += s.Count
		}
	}
	p.Cost, p.Users = costOf(p.Items, reads, f.LookBack, ListPrices), tallied(p.Items)
	return p.Signed()
}

// Terms are the rules under which a plan is applied: those that it was made with, and those of the settings of now where
// they are stricter (Rules.Join). What doublelock.yaml loosened since takes another plan, which people look at.
func (p Plan) Terms(settings Rules) Rules {
	rules := p.Rules.Join(settings)
	rules.From = "plan " + p.ID
	return rules
}

func (f *Facts) choose(only []string) (chosen []inventory.Secret, missing []Excluded, err error) {
	if len(only) == 0 {
		return f.Access.Snapshot().Secrets, nil, nil
	}
	for _, id := range only {
		s, err := f.Access.Secret(id)
		switch {
		case errors.Is(err, inventory.ErrNotInSnapshot):
			missing = append(missing, Excluded{Secret: id, Name: id, Reason: f.missing(id), Missing: true})
		case err != nil:
			return nil, nil, err
		default:
			chosen = append(chosen, *s)
		}
	}
	return chosen, missing, nil
}

// unread lists the locations whose secrets could not be listed.
func (f *Facts) unread() []inventory.Unread {
	var out []inventory.Unread
	for _, u := range f.Access.Snapshot().Unread {
		if u.Part == inventory.PartSecrets {
			out = append(out, u)
		}
	}
	return out
}

// missing says why a secret that was asked for is not there: that it does not exist only where everything was listed that
// may have it.
func (f *Facts) missing(id string) string {
	unread := f.unread()
	if why := unlisted(unread, id); why != "" {
		return why
	}
	account := arn.Of(id).Account
	switch {
	case arn.Is(id) && f.account(account) == nil:
		return "the account " + account + " is none that was read"
	case !arn.Is(id) && len(unread) > 0:
		return "no secret has this name where secrets could be listed"
	}
	return noSuchSecret
}

const noSuchSecret = "there is no such secret"

// outside says why a secret is none of the migration's; "" when it is.
func (f *Facts) outside(s guard.Secret) string {
	switch {
	case s.Foreign():
		return "owned by " + s.ForeignService() + ": its key is chosen there. " + foreignFix(s, f.Approved, f.Now)
	case s.PendingDeletion():
		return "its deletion is scheduled: restore it first, or let it go"
	case s.IsReplica():
		return "a copy of the secret in " + s.PrimaryRegion + ": it moves with that one"
	}
	for _, w := range f.Waivers {
		if w.Covers(guard.SecretDefaultKey, s.ARN, f.Now) {
			return fmt.Sprintf("waived by %s until %s: %s", w.By, w.Expires.Format(time.DateOnly), w.Reason)
		}
	}
	if guard.HereOf(s) == guard.StateSealed && f.Approved.Allows(s.Key, s.Account) == guard.Pass && f.replicasDone(s) {
		if guard.StateOf(s, "") != guard.StateSealed {
			return "sealed already in " + s.Region + "; a copy elsewhere is not known to be, or still opens with an older key until the next version is written"
		}
		return "sealed already"
	}
	return ""
}

func foreignFix(s guard.Secret, approved guard.Approved, now time.Time) string {
	for _, v := range guard.Evaluate(s, guard.Standard{Approved: approved}, now) {
		if v.Control.ID == guard.SecretForeignKey {
			return v.Fix()
		}
	}
	return ""
}

func (f *Facts) replicasDone(s guard.Secret) bool {
	return !slices.ContainsFunc(s.Replicas, func(r guard.Replica) bool { return !f.replicaDone(s, r) })
}

func (f *Facts) replicaDone(s guard.Secret, r guard.Replica) bool {
	return r.Key.Manager == guard.ManagerCustomer && f.Approved.Allows(r.Key, s.Account) == guard.Pass
}

// account is one that was read; nil is none.
func (f *Facts) account(id string) *inventory.Account {
	all := f.Access.Snapshot().Accounts
	at := slices.IndexFunc(all, func(a inventory.Account) bool { return a.ID == id })
	if at < 0 {
		return nil
	}
	return &all[at]
}

// path is the root and the OUs above an account, where they were read.
func (f *Facts) path(account string) []string {
	if a := f.account(account); a != nil {
		return a.Path
	}
	return nil
}

func (f *Facts) plan(s inventory.Secret) (Item, error) {
	facts := s.Facts
	item := Item{
		Secret: facts.ARN, Name: facts.Name, Account: facts.Account, Region: facts.Region, Wave: f.Rules.WaveOf(facts.Account, f.path(facts.Account), facts.Tags),
		State: guard.StateOf(facts, ""), Seal: SealOwner, Tool: f.Tools[facts.ARN],
		From: From{KeyID: facts.KeyID, ARN: facts.Key.ARN, Customer: facts.Key.Manager == guard.ManagerCustomer, State: facts.Key.State},
	}
	if facts.RotationEnabled {
		item.Seal = SealRotate
	}
	to := f.keyOf(s)
	item.Target, item.TargetWhy = to.key.Facts.ARN, to.why
	if item.Target != "" {
		item.Line = CodeLine(item.Tool, item.Target)
	}
	item.Blocked = append(item.Blocked, f.unready(s, to)...)
	if to.key.Facts.ARN != "" {
		found, err := Assess(f.question(s.Facts.ARN, to.key, false))
		if err != nil {
			return Item{}, err
		}
		item.Readers = found.Readers
		item.Blocked = append(item.Blocked, found.against()...)
	} else {
		item.Blocked = append(item.Blocked, closedCopies(facts)...)
	}
	if slices.Contains(f.Accepted, UnreadUses) {
		item.Unread = unread(f.Gaps[facts.ARN])
	}
	if err := f.planReplicas(s, &item); err != nil {
		return Item{}, err
	}
	item.Undo, item.Later = f.undoOf(item, facts.Key), writtenAgain(facts, to.key.Facts, item.Readers)
	item.Facts = f.digests(s, to.key, item)
	return item, nil
}

func (f *Facts) question(secret string, to inventory.Key, replica bool) Question {
	q := Question{Access: f.Access, Secret: secret, Target: to, Seen: f.Seen, Gaps: f.Gaps[secret], Functions: f.Functions, Accepted: f.Accepted, Rules: f.Rules, Replica: replica}
	if f.Changer != nil {
		q.Changer = f.Changer(accountOf(secret))
	}
	if f.Tagger != nil {
		q.Tagger = f.Tagger(accountOf(secret))
	}
	return q
}

// keyOf keeps a secret where it is when its key is fine already: it only has to be sealed.
func (f *Facts) keyOf(s inventory.Secret) target {
	if s.Facts.Key.Manager == guard.ManagerCustomer && f.unfit(s.Facts.Key, s.Facts, s.Facts.Region) == "" {
		if k, ok := f.resolve(s.Facts.Key.ARN, s.Facts.Account, s.Facts.Region); ok {
			return target{key: *k, why: "it is under this key already, and not sealed"}
		}
	}
	return f.targetFor(s, s.Facts.Region)
}

// unready says what beside readers is in the way.
func (f *Facts) unready(s inventory.Secret, to target) []string {
	var out []string
	if to.problem != "" {
		out = append(out, to.problem)
	}
	facts := s.Facts
	out = append(out, unknownKey(facts)...)
	if facts.VersionsUnread {
		out = append(out, "its versions could not be read")
	}
	for _, c := range guard.CopiesOf(facts).Here().Labelled().List {
		if c.Life().Opens == guard.OpensUnknown {
			out = append(out, "whether "+strings.Join(c.Stages, ", ")+" opens, and can be re-encrypted, is not known: not every key of it could be read")
		}
	}
	if why := f.Unseen[Location{facts.Account, facts.Region}]; why != "" {
		out = append(out, "CloudTrail could not be asked who reads it: "+why)
	}
	return out
}

// unknownKey says why nobody knows the key that a secret names; none where it is known. There is no way back to one that is gone.
func unknownKey(s guard.Secret) []string {
	switch {
	case s.Key.Manager != guard.ManagerUnknown:
		return nil
	case s.Key.AliasGone():
		why := "it names " + s.Key.ID + ", an alias that does not exist any more, so it could not be set back"
		current, _ := guard.CopiesOf(s).Current()
		for _, k := range current.Keys {
			if k.ARN != "" && k.Manager == guard.ManagerCustomer && k.State != guard.KeyMissing {
				return []string{why + ": make the alias again for " + k.ARN + ", which its current version is under, or set a key"}
			}
		}
		return []string{why + ": make the alias again, or set a key"}
	case s.Key.State == guard.KeyMissing:
		return []string{"its key " + cmp.Or(s.Key.ARN, s.Key.ID) + " does not exist any more, so it could not be set back: set a key"}
	default:
		return []string{"its key could not be looked at"}
	}
}

func (f *Facts) planReplicas(s inventory.Secret, item *Item) error {
	for _, r := range s.Facts.Replicas {
		if f.replicaDone(s.Facts, r) {
			continue
		}
		to := f.targetFor(s, r.Region)
		planned := ReplicaItem{Region: r.Region, FromKeyID: r.KeyID, Target: to.key.Facts.ARN,
			Interruption: "none where AWS sets the key in " + r.Region + "; where it refuses, the copy is removed and made again, and its readers get ResourceNotFoundException from RemoveRegionsFromReplication until the new one is InSync"}
		if r.Key.Manager == guard.ManagerCustomer {
			planned.FromCustomer = r.Key.ARN
		}
		if to.problem != "" {
			item.Blocked = append(item.Blocked, "replica in "+r.Region+": "+to.problem)
		} else if err := f.assessReplica(s, r, to.key, &planned, item); err != nil {
			return err
		}
		item.Replicas = append(item.Replicas, planned)
	}
	return nil
}

func (f *Facts) assessReplica(s inventory.Secret, r guard.Replica, to inventory.Key, planned *ReplicaItem, item *Item) error {
	arn := inRegion(s.Facts.ARN, r.Region)
	if _, err := f.Access.Secret(arn); err != nil {
		item.Blocked = append(item.Blocked, "replica in "+r.Region+": it could not be read, so its readers are not known")
		return nil //nolint:nilerr // a copy that is not in the snapshot is a finding of the plan
	}
	found, err := Assess(f.question(arn, to, true))
	if err != nil {
		return err
	}
	planned.Readers = found.Readers
	if slices.Contains(f.Accepted, UnreadUses) {
		item.Unread = cmp.Or(item.Unread, unread(f.Gaps[arn]))
	}
	for _, p := range found.against() {
		item.Blocked = append(item.Blocked, "replica in "+r.Region+": "+p)
	}
	return nil
}
