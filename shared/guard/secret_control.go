package guard

import (
	"slices"
	"time"
)

// Controls on secrets.
const (
	SecretDefaultKey    ControlID = "DL.SECRET.1"
	SecretNotSealed     ControlID = "DL.SECRET.2"
	SecretReplicaKey    ControlID = "DL.SECRET.3"
	SecretKeyUnusable   ControlID = "DL.SECRET.4"
	SecretKeyUnapproved ControlID = "DL.SECRET.5"
	SecretForeignKey    ControlID = "DL.SECRET.6"
	SecretOutside       ControlID = "DL.SECRET.7"
)

// Controls lists the controls on secrets in the order of their IDs.
func Controls() []Control { return slices.Clone(controls) }

var controls = []Control{
	{
		ID: SecretDefaultKey, Severity: SeverityHigh, check: checkDefaultKey, words: Subject.defaultKeyWords,
		Title: "Secret is under the AWS managed key",
		Why:   "Everyone who may read the secret can open it: the key of the AWS managed alias has a policy nobody can narrow, audit apart or switch off.",
		Fix:   "Set a customer managed key on the secret, then write a new version so that no older copy stays readable.",
	},
	{
		ID: SecretNotSealed, Severity: SeverityMedium, check: checkSealed, words: Subject.versionWords,
		Title: "Secret is re-keyed but not sealed",
		Why:   "Secrets Manager keeps the copies under the previous key: disabling the new key does not stop reads until a new version is written.",
		Fix:   "Rotate the secret twice, or write its value again twice: the first new version seals AWSCURRENT, the second AWSPREVIOUS, in its replicas as well.",
	},
	{
		ID: SecretReplicaKey, Severity: SeverityHigh, check: checkReplicas, words: Subject.replicaWords,
		Title: "A replica is under the AWS managed key, or its replication failed",
		Why:   "Each replica has a key of its own; a replica on the AWS managed key opens with one lock, whatever the primary has. One whose replication failed holds what nobody checked.",
		Fix:   "Set a customer managed key of the replica's Region on the replica, in that Region. Where its replication failed, remove the cause that Secrets Manager names; the next version is replicated again. Removing the replica would stop its readers.",
	},
	{
		ID: SecretKeyUnusable, Severity: SeverityCritical, check: checkKeyUsable, words: Subject.unusableWords,
		Title: "The key of a secret is disabled, pending deletion or missing",
		Why:   "Readers fail now or at their next uncached read, and a deleted key takes the value with it.",
		Fix:   "If it was not on purpose, bring the key back, by its state: enable it; cancel its deletion and enable it; import its key material again; connect its custom key store. If it was, leave it off and rotate the credential.",
	},
	{
		ID: SecretKeyUnapproved, Severity: SeverityHigh, check: checkApproved, words: Subject.unapprovedWords,
		Title: "The key of a secret is not among the approved ones",
		Why:   "A key outside the organization's control can be switched off, or kept on, by somebody else.",
		Fix:   "Move the copy that is under it to an approved key, or approve this one in doublelock.yaml.",
	},
	{
		ID: SecretForeignKey, Severity: SeverityMedium, check: checkForeign, words: Subject.foreignWords,
		Title: "A service-owned secret is under the AWS managed key",
		Why:   "The service that owns it chose its key; Secrets Manager refuses to change it from outside.",
		Fix:   "Choose a customer managed key in the owning service.",
	},
	{
		ID: SecretOutside, Severity: SeverityHigh, check: checkOutside, words: Subject.outsideWords,
		Title: "A copy of the secret is outside the organization",
		Why:   "Another organization's people decide who reads the copy and which key it is under: no key of yours closes it, and each new value goes there too.",
		Fix:   "Find out who shared the secret with that account, and what for. If it is not meant, end the replication (DisassociateCrossAccountReplica), and change the credential where it is used: what the account has it keeps. If it is meant, waive this with a date.",
	},
}

// checkDefaultKey fails a secret that names the AWS managed key, because its next version opens with that alone, and one of
// whose labelled versions one does already.
func checkDefaultKey(c *Copies, _ Standard) (Outcome, Subject) {
	s, named := c.secret, c.Locations[0].by()
	switch {
	case s.Foreign():
		return NotApplicable, Subject{}
	case named.Manager == ManagerAWS:
		next := !c.Unlisted && c.some(func(*Copy) bool { return true }) && !c.some(func(copied *Copy) bool { return copied.More || copied.Needs(*named) })
		return Fail, Subject{Key: named.brief(), Rotation: rotationOf(*s), Empty: !c.Unlisted && len(s.Versions) == 0, Next: next}
	}
	if open := c.inPrimary(managedAlone); len(open) > 0 {
		return Fail, Subject{Key: named.brief(), Versions: open, Alias: aliasOf(*s), Rotation: rotationOf(*s)}
	}
	if c.Unlisted || named.Manager != ManagerCustomer || c.some(func(copied *Copy) bool { return copied.managedAlone() == Unknown }) {
		return Unknown, c.unread()
	}
	return Pass, Subject{}
}

func checkSealed(c *Copies, _ Standard) (Outcome, Subject) {
	s, named := c.secret, c.Locations[0].by()
	here, older := c.primary()
	if here != StateDual && here != StateSealed && here != StateUnknown {
		return NotApplicable, Subject{}
	}
	open := c.older(older)
	switch {
	case len(open) > 0:
		return Fail, Subject{Key: named.brief(), Versions: open, Alias: aliasOf(*s), Rotation: rotationOf(*s)}
	case here == StateUnknown:
		return Unknown, c.unread()
	}
	if unlisted := c.unlistedBeside(); unlisted.Blind != nil {
		return Unknown, unlisted
	}
	return c.unlessUnseen(Pass)
}

// unlessUnseen is an outcome that no copy is known to be against: where some could not be seen it is unknown.
func (c *Copies) unlessUnseen(outcome Outcome) (Outcome, Subject) {
	if unseen := c.unseen(); unseen.Blind != nil {
		return Unknown, unseen
	}
	return outcome, Subject{}
}

// managedAlone reports whether a copy certainly opens with the AWS managed key alone.
func managedAlone(copied *Copy) bool { return copied.managedAlone() == Fail }

// some reports whether something is true of a labelled version of the primary.
func (c *Copies) some(is func(*Copy) bool) bool {
	for i := range c.List {
		if copied := &c.List[i]; copied.Location == 0 && copied.Labelled() && is(copied) {
			return true
		}
	}
	return false
}

// unread is what of the primary could not be read; the zero Subject where nothing is missing. Other than for a blind spot, a
// key of a version counts that has a name and cannot be described.
func (c *Copies) unread() Subject {
	s := *c.secret
	s.Replicas = nil
	found := Unread(s)
	if found.Blind != nil {
		return found
	}
	if named := c.Locations[0].by(); named.Manager == ManagerUnknown { // it does not exist any more
		return Subject{Key: named.brief(), Blind: &BlindSpot{Part: PartKey, Cause: CauseDenied}}
	}
	if found.Versions = c.inPrimary(func(copied *Copy) bool {
		return slices.ContainsFunc(copied.Keys, func(k Key) bool { return unreadKey(&k) })
	}); len(found.Versions) > 0 {
		found.Blind = &BlindSpot{Part: PartVersionKeys, Cause: CauseDenied}
	}
	return found
}

// checkReplicas judges the locations beside the primary: whether one opens with the AWS managed key, and whether what is there
// is what the secret holds.
func checkReplicas(c *Copies, _ Standard) (Outcome, Subject) {
	if c.secret.Foreign() {
		return NotApplicable, Subject{}
	}
	outcome, subject := c.failing(func(p *Location) Outcome {
		switch {
		case p.Kind == LocationPrimary: // its own key is for other controls
			return Pass
		case p.by().Manager == ManagerAWS, p.Status == failed:
			return Fail
		case p.by().Manager != ManagerCustomer, !p.InSync():
			return Unknown
		default:
			return Pass
		}
	})
	managed := c.chosen(choice{copies: func(p *Location, copied *Copy) bool {
		return p.Kind != LocationPrimary && p.by().Manager != ManagerAWS && copied.managedAlone() == Fail
	}})
	if len(managed) > 0 && outcome != Fail {
		outcome, subject = Fail, Subject{}
	}
	if arrived := c.secret.arrived(); worse(outcome, arrived) != outcome {
		outcome, subject = arrived, Subject{}
	}
	if arrived := c.secret.arrived(); arrived == outcome && arrived != Pass {
		subject.Elsewhere = append(subject.Elsewhere, c.secret.asCopy())
	}
	if outcome == Fail {
		subject.Versions = managed
		return outcome, subject
	}
	undescribed := slices.ContainsFunc(subject.Replicas, func(r Replica) bool { return r.Key.Manager == ManagerUnknown }) ||
		slices.ContainsFunc(subject.Elsewhere, func(e AccountCopy) bool { return e.Key.Manager == ManagerUnknown })
	if outcome == Unknown && (!undescribed || c.secret.arrived() == Unknown) {
		subject.Blind = &BlindSpot{Part: PartReplica, Cause: CauseNotInSync}
	}
	return outcome, subject
}

// checkKeyUsable fails a labelled version that no key opens, or will open from a known date on, and a location whose next
// version has no key, whatever opens those that are there.
func checkKeyUsable(c *Copies, _ Standard) (Outcome, Subject) {
	outcome, subject := c.failing(func(p *Location) Outcome { return keyUsable(&p.Named) })
	if outcome == Pass && c.last() {
		return c.unlessUnseen(Pass)
	}
	reads := reading{yes: !c.Unlisted && len(c.List) > 0}
	closed := c.chosen(choice{copies: func(p *Location, copied *Copy) bool {
		if !p.inSight() {
			return false
		}
		if copied.alone(&p.Named) {
			reads.with(p.Named.opens(), p.Named.ValidTo)
			return false
		}
		life := copied.lifeWithout(nil)
		reads.with(life.Opens == OpensYes, life.Until)
		return life.Opens == OpensNo || !life.Until.IsZero()
	}})
	switch {
	case len(closed) > 0 && outcome != Fail:
		outcome, subject = Fail, Subject{Versions: closed}
	case len(closed) > 0:
		subject.Versions = closed
	case outcome == Unknown:
		subject.byState()
	case outcome == Pass && c.doubtful():
		if subject = c.unread(); subject.Blind != nil {
			return Unknown, subject
		}
		fallthrough
	case outcome == Pass:
		if unsure := c.chosen(choice{copies: undecided}); len(unsure) > 0 {
			return Unknown, Subject{Versions: unsure, Blind: &BlindSpot{Part: PartVersionKeys, Cause: CauseState}}
		}
		return c.unlessUnseen(Pass)
	}
	if outcome == Fail {
		subject.Empty = !c.Unlisted && len(c.secret.Versions) == 0
		if reads.yes && !slices.ContainsFunc(c.Locations, func(p Location) bool { return !p.inSight() || !p.InSync() }) {
			subject.Reads, subject.Until = true, reads.until
		}
	}
	return outcome, subject
}

// reading is what a key that cannot be used, or will not be, means for readers: nothing yet, where every labelled version opens.
type reading struct {
	yes   bool
	until time.Time // the first day on which one does not
}

func (r *reading) with(opens bool, until time.Time) {
	if r.yes = r.yes && opens; !until.IsZero() && (r.until.IsZero() || until.Before(r.until)) {
		r.until = until
	}
}

// last reports that every labelled copy that was listed opens with a key that does not end by itself.
func (c *Copies) last() bool {
	for i := range c.List {
		copied := &c.List[i]
		if p := &c.Locations[copied.Location]; copied.Labelled() && (p.Kind == LocationPrimary || p.Listing == Listed) && !copied.lasts() {
			return false
		}
	}
	return !c.Unlisted
}

// undecided reports that a copy opens with no key for certain, and has one whose state says nothing.
func undecided(p *Location, copied *Copy) bool {
	return (p.Kind == LocationPrimary || p.Listing == Listed) && opensUnknown(copied) &&
		slices.ContainsFunc(copied.Keys, func(k Key) bool { return k.undecided() })
}

// doubtful reports that nobody knows of a labelled version of the primary whether it opens.
func (c *Copies) doubtful() bool {
	return c.Unlisted || c.some(opensUnknown)
}

func opensUnknown(copied *Copy) bool { return copied.lifeWithout(nil).Opens == OpensUnknown }

// byState notes that all keys of the subject were read, and are in states that decide nothing.
func (s *Subject) byState() {
	if s.Blind == nil || s.Blind.Part == PartKey && !s.Key.undecided() ||
		slices.ContainsFunc(s.Replicas, func(r Replica) bool { return !r.Key.undecided() }) ||
		slices.ContainsFunc(s.Elsewhere, func(e AccountCopy) bool { return !e.Key.undecided() }) {
		return
	}
	s.Blind.Cause = CauseState
}

func keyUsable(k *Key) Outcome {
	switch {
	case k.Manager == ManagerAWS:
		return Pass
	case k.Unusable(), !k.ValidTo.IsZero():
		return Fail
	case k.CanDecrypt():
		return Pass
	default:
		return Unknown
	}
}

// checkApproved judges every key that a labelled copy is under, or the next version will be.
func checkApproved(c *Copies, std Standard) (Outcome, Subject) {
	s := c.secret
	approved := func(k *Key) Outcome {
		if k.Manager == ManagerAWS || k.State == KeyMissing { // which nobody outside can switch, and which opens nothing
			return NotApplicable
		}
		return std.Approved.allows(k, s.Account)
	}
	outcome, subject := c.failing(func(p *Location) Outcome { return approved(&p.Named) })
	older := outcome
	for i := range c.List {
		if older == Fail {
			break // nothing is worse
		}
		if copied := &c.List[i]; copied.Labelled() {
			older = worse(older, copied.worst(&c.Locations[copied.Location].Named, approved))
		}
	}
	if older != outcome { // only an older key fails, or is unknown
		outcome, subject = older, Subject{}
	}
	if outcome != Fail && outcome != Unknown {
		return c.unlessUnseen(outcome)
	}
	subject.Versions = c.underOthers(func(k *Key) bool { return approved(k) == outcome })
	if outcome == Fail && (!subject.Key.zero() || len(subject.Versions) > 0) {
		subject.Rotation = rotationOf(*s)
	}
	if outcome == Unknown && subject.Blind == nil {
		subject.Blind = &BlindSpot{Part: PartVersionKeys, Cause: CauseDenied}
	}
	subject.selfApproved(*s, std.Approved)
	return outcome, subject
}

// worst is the worst outcome of a copy's keys, apart from one that was asked of already.
func (c *Copy) worst(asked *Key, check func(*Key) Outcome) Outcome {
	outcome := NotApplicable
	for i := range c.Keys {
		if k := &c.Keys[i]; !k.is(asked) {
			outcome = worse(outcome, check(k))
		}
	}
	return outcome
}

// worse is the worse of two outcomes.
func worse(a, b Outcome) Outcome {
	if a == Fail || b == Fail {
		return Fail
	}
	if a == Unknown || b == Unknown {
		return Unknown
	}
	return a
}

// checkForeign judges the copies of a service's secret as those of any other are, but for what its owner can do about them.
func checkForeign(c *Copies, _ Standard) (Outcome, Subject) {
	s, named := c.secret, c.Locations[0].by()
	switch {
	case !s.Foreign():
		return NotApplicable, Subject{}
	case named.Manager == ManagerAWS:
		return Fail, Subject{Key: named.brief()}
	}
	if open := c.inPrimary(managedAlone); len(open) > 0 {
		return Fail, Subject{Key: named.brief(), Versions: open}
	}
	if c.Unlisted || named.Manager != ManagerCustomer || c.some(func(copied *Copy) bool { return copied.managedAlone() == Unknown }) {
		return Unknown, c.unread()
	}
	return Pass, Subject{}
}

// checkOutside fails a secret with a copy in an account that is not of the organization, whatever the key there.
func checkOutside(c *Copies, std Standard) (Outcome, Subject) {
	if c.Elsewhere != Listed {
		return Unknown, Subject{Blind: &BlindSpot{Part: PartElsewhere, Cause: CauseNotListed}}
	}
	outcome, subject := c.failing(func(p *Location) Outcome {
		member, known := std.Members[p.Account]
		switch {
		case p.Kind != LocationElsewhere, member:
			return Pass
		case known:
			return Fail
		default:
			return Unknown
		}
	})
	if outcome == Unknown {
		subject.Blind = &BlindSpot{Part: PartMember, Cause: CauseDenied}
	}
	return outcome, subject
}
