package keyreview

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// Standard is what keys are measured against.
type Standard struct {
	Tags            []Tag    // that a key must have
	RotationDays    int      // longest time between rotations
	UnusedDays      int      // without use after which a key counts as unused
	Secrets         int      // most secrets under one key
	Applications    int      // most applications under one key, by their tag
	Environments    int      // most environments
	ApplicationTags []string // of secrets; the first one present wins
	EnvironmentTags []string
	Approved        []string // other accounts that may use keys
	Waivers         []guard.Waiver
	Controls        []guard.ControlID // to judge by; none: all. What others would find is let be by the policies that are proposed
	Seen            []Use             // of keys, as far as it was recorded: no proposal takes it away
}

// Tag is a tag that must be there, under any of its names.
type Tag struct {
	What  string
	Names []string
}

// Default is the standard where an organization has none of its own.
func Default() Standard {
	return Standard{
		Tags: []Tag{
			{"owner", []string{"owner", "Owner", "team", "Team"}},
			{"application", []string{"application", "Application", "app", "service"}},
			{"data sensitivity", []string{"data-sensitivity", "DataSensitivity", "data-classification", "DataClassification"}},
		},
		RotationDays: 90, UnusedDays: 90, Secrets: 100, Applications: 1, Environments: 1,
		ApplicationTags: []string{"application", "Application", "app", "service"},
		EnvironmentTags: []string{"environment", "Environment", "env", "stage"},
	}
}

// Finding is what one control says of one key. Only Fail and Unknown are findings; Review leaves the rest out.
type Finding struct {
	Control   guard.Control
	Waived    time.Time // until when somebody excused it; zero where nobody did
	Key       string    // ARN
	Outcome   guard.Outcome
	Detail    string // what is wrong or unknown, in one sentence
	Statement string // of the key policy, as JSON; "" where no statement is to blame
	Fix       string // what to do, for this key
	Diff      string // of the key policy; "" where the policy is not to be changed
	After     string // the key policy after the fix, as JSON; "" likewise
}

// Review judges every customer managed key of the snapshot, in order of keys and controls. It is pure.
func Review(access *inventory.Access, std Standard, now time.Time) []Finding {
	access = completed(access)
	r := &review{access: access, snapshot: access.Snapshot(), std: std, now: now, under: map[string][]*inventory.Secret{}, facts: map[string]guard.Key{}, touched: map[string][]guard.Secret{}, people: map[string][]policy.Principal{}}
	r.collect()
	keys := slices.Clone(r.snapshot.Keys)
	slices.SortFunc(keys, func(a, b inventory.Key) int { return cmp.Compare(a.Facts.ARN, b.Facts.ARN) })
	for i := range keys {
		if keys[i].Facts.Manager != guard.ManagerAWS {
			r.key(&keys[i])
		}
	}
	r.notHeld(keys)
	r.notRead()
	return slices.DeleteFunc(r.findings, func(f Finding) bool { return !std.judges(f.Control.ID) })
}

func (s Standard) judges(id guard.ControlID) bool {
	return len(s.Controls) == 0 || slices.Contains(s.Controls, id)
}

// notRead finds accounts and Regions whose keys nobody could list: each may have what any control finds, and the first one that is asked says so.
func (r *review) notRead() {
	control := guard.KeyOpen
	if !r.std.judges(control) {
		control = r.std.Controls[0]
	}
	for _, u := range r.snapshot.Unread {
		if u.Part != inventory.PartKeys {
			continue
		}
		keys := arn.PartitionOf(u.Region).New("kms", cmp.Or(u.Region, "*"), cmp.Or(u.Account, "*"), "key/*").String()
		r.unknown(control, &inventory.Key{Facts: guard.Key{ARN: keys}}, "the keys"+whereUnread(u)+" could not be read: "+u.Why)
	}
}

// completed is the snapshot with what it holds of the keys of which replicas say the name alone.
func completed(access *inventory.Access) *inventory.Access {
	s, changed := *access.Snapshot(), false
	s.Secrets = slices.Clone(s.Secrets)
	for i := range s.Secrets {
		facts := &s.Secrets[i].Facts
		facts.Replicas = slices.Clone(facts.Replicas)
		for j := range facts.Replicas {
			replica := &facts.Replicas[j]
			if replica.Key.ARN != "" || replica.KeyID == "" {
				continue
			}
			of := slices.IndexFunc(s.Keys, func(k inventory.Key) bool {
				return k.Facts.Account == facts.Account && k.Facts.Region == replica.Region &&
					(replica.KeyID == k.Facts.ID || slices.Contains(k.Facts.Aliases, replica.KeyID) || has(&k, replica.KeyID)) || replica.KeyID == k.Facts.ARN
			})
			if of >= 0 {
				replica.Key, changed = s.Keys[of].Facts, true
			}
		}
	}
	if !changed {
		return access
	}
	return access.Changed(s)
}

// notHeld judges keys that secrets need and that the snapshot does not hold, by what the secrets say of them: nobody could describe
// them, or nobody asked.
func (r *review) notHeld(keys []inventory.Key) {
	for _, needed := range slices.Sorted(maps.Keys(r.under)) {
		if !slices.ContainsFunc(keys, func(k inventory.Key) bool { return k.Facts.ARN == needed }) {
			r.needed(&inventory.Key{Facts: r.facts[needed]})
		}
	}
}

type review struct {
	access   *inventory.Access
	snapshot *inventory.Snapshot
	std      Standard
	now      time.Time
	under    map[string][]*inventory.Secret // by key ARN: those that the key opens, or is set on
	facts    map[string]guard.Key           // of those keys, as the secrets have them
	touched  map[string][]guard.Secret      // by key ARN: those of which a copy, labelled or not, is under it, or the next will be
	people   map[string][]policy.Principal  // by account: the principals of the snapshot that are no service's own
	findings []Finding
	proposed []proposal // for the key under review
	proving  bool       // a policy that is not in force: nothing is proposed against it
}

func (r *review) collect() {
	for _, of := range r.snapshot.Principals {
		if p, err := policy.ParsePrincipal(of.ARN); err == nil && !p.ServiceLinked() {
			p.UniqueID, p.Tags = of.UniqueID, of.Tags
			r.people[p.Account] = append(r.people[p.Account], p)
		}
	}
	for i := range r.snapshot.Secrets {
		s := &r.snapshot.Secrets[i]
		for _, k := range guard.CopiesOf(s.Facts).Keys() {
			r.touched[k.ARN] = append(r.touched[k.ARN], s.Facts)
		}
		if s.Facts.PendingDeletion() {
			continue
		}
		for _, k := range r.copies(s).Keys() {
			if list := r.under[k.ARN]; k.ARN != "" && k.Manager != guard.ManagerAWS && !slices.Contains(list, s) {
				r.under[k.ARN], r.facts[k.ARN] = append(list, s), k
			}
		}
	}
}

// copies are the labelled copies of a secret. What is kept in another location is left out where the snapshot has the secret of
// that location as well, which has the same copies.
func (r *review) copies(s *inventory.Secret) guard.Copies {
	return guard.CopiesOf(s.Facts).Labelled().But(func(arn string) bool {
		_, err := r.access.Secret(arn)
		return err == nil
	})
}

func (r *review) key(k *inventory.Key) {
	r.tags(k)
	r.rotation(k)
	r.open(k)
	r.unused(k)
	r.needed(k)
	r.blastRadius(k)
	r.onlyDelegates(k)
	r.together(k)
}

// add records a finding under the control's own words, unless the finding has a fix of its own.
func (r *review) add(id guard.ControlID, k *inventory.Key, f Finding) {
	for _, c := range guard.KeyControls() {
		if c.ID == id {
			f.Control = c
		}
	}
	f.Key = k.Facts.ARN
	f.Outcome = cmp.Or(f.Outcome, guard.Fail)
	f.Fix = cmp.Or(f.Fix, f.Control.Fix)
	for _, w := range r.std.Waivers {
		if w.Covers(id, f.Key, r.now) && w.Expires.After(f.Waived) {
			f.Waived = w.Expires
		}
	}
	r.findings = append(r.findings, f)
}

func (r *review) unknown(id guard.ControlID, k *inventory.Key, what string) {
	r.add(id, k, Finding{Outcome: guard.Unknown, Detail: what, Fix: "Let doublelock-read see it, and take the snapshot again."})
}

// ending reports whether the key is on its way out, so that how it is kept no longer matters.
func ending(k *inventory.Key) bool {
	return k.Facts.State == guard.KeyPendingDeletion || k.Facts.State == guard.KeyPendingReplicaDeletion
}

// document is the key policy; nil, with an unknown finding, where there is none to judge.
func (r *review) document(id guard.ControlID, k *inventory.Key) *policy.Document {
	if k.PolicyUnread != "" {
		r.unknown(id, k, "the key policy could not be read: "+k.PolicyUnread)
		return nil
	}
	d, err := policy.Parse(k.Facts.ARN, []byte(k.Policy))
	if err != nil {
		r.unknown(id, k, "the key policy cannot be parsed: "+err.Error())
		return nil
	}
	return d
}
