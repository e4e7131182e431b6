package keyreview

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/policy"
)

// revoked says who would lose by a grant that goes, where others are in its stead: who was seen using the key and neither the key policy nor
// another grant explains it, or who opens a secret under it today; "" when nobody would.
func (r *review) revoked(k *inventory.Key, index int, by ...inventory.Grant) string {
	if r.proving {
		return "" // nothing is proposed
	}
	if why := r.outdated(k); why != "" {
		return why
	}
	changed := *k
	changed.Grants = slices.Replace(slices.Clone(k.Grants), index, index+1, by...)
	g := k.Grants[index]
	d, err := policy.Parse(k.Facts.ARN, []byte(k.Policy))
	if err != nil {
		return "the key policy cannot be read, which may give the same"
	}
	for _, u := range r.std.Seen {
		concerned, certain := r.concerns(k, u)
		if !concerned || !mayUse(g, u) || byGrant(&changed, u) {
			continue
		}
		callers := seenAs(k, u)
		explained, _ := r.lets(k, d, callers) // where their own policies allow it, which a grant does not ask
		for i := range callers {
			callers[i].iam = false
		}
		if alone, _ := r.lets(k, d, callers); alone == policy.Allowed {
			continue
		}
		who, named := u.Principal, u.Principal != "" && !isAccount(u.Principal)
		switch {
		case who == "":
			who = "somebody whom the record does not name"
		case isAccount(who):
			who = "account " + who
		}
		if u.Maybe || !certain {
			return fmt.Sprintf("%s may have used it (%s) and may lose it", who, u.Action)
		}
		if !named || explained != policy.ImplicitlyDenied {
			return fmt.Sprintf("%s was seen using it (%s) and may lose it", who, u.Action)
		}
		return fmt.Sprintf("%s was seen using it (%s) and would lose it", who, u.Action)
	}
	if len(r.under[k.Facts.ARN]) == 0 {
		return ""
	}
	access := r.with(&changed)
	for _, s := range r.under[k.Facts.ARN] {
		opens, err := r.access.Opens(g.Grantee, s.Facts.ARN)
		if err != nil {
			return "whether " + g.Grantee + " opens " + s.Facts.Name + " cannot be said: " + err.Error()
		}
		after, err := access.Opens(g.Grantee, s.Facts.ARN)
		switch {
		case err != nil:
			return "whether " + g.Grantee + " still opens " + s.Facts.Name + " cannot be said: " + err.Error()
		case opens.Answer == policy.Allowed && after.Answer != policy.Allowed:
			return g.Grantee + " would lose " + s.Facts.Name
		case opens.Answer == policy.Unknown && after.Answer != policy.Unknown:
			return g.Grantee + " may open " + s.Facts.Name + ", and would lose it"
		}
	}
	return r.moved(k, &changed, access)
}

// mayUse reports whether a use may be one by a grant: its grantee, or a session of that, or somebody of whom the record says no more than the
// account, by an operation that it is for.
func mayUse(g inventory.Grant, u Use) bool {
	if !slices.Contains(g.Operations, strings.TrimPrefix(u.Action, "kms:")) {
		return false
	}
	grantee, err := policy.ParsePrincipal(g.Grantee)
	switch {
	case u.Principal == "" || u.Principal == g.Grantee || err == nil && u.Principal == grantee.Role:
		return true
	case err != nil || grantee.Account == "":
		return false
	case grantee.Kind == policy.KindRoot:
		return u.Principal == grantee.Account || arn.Of(u.Principal).Account == grantee.Account
	}
	return u.Principal == grantee.Account
}

// unlessOutdated is a command that mends a key as the snapshot has it; where the record shows that it is no longer so, why.
func (r *review) unlessOutdated(k *inventory.Key, command string) string {
	return cmp.Or(r.outdated(k), command)
}

// lettingIn and switching are the calls after which a key is not as a snapshot has it: whom it lets in, and whether it works.
var (
	lettingIn = []string{putPolicy, grant, revoke, "kms:RetireGrant"}
	switching = []string{"kms:ScheduleKeyDeletion", "kms:CancelKeyDeletion", "kms:DisableKey", "kms:EnableKey", "kms:ImportKeyMaterial", "kms:DeleteImportedKeyMaterial"}
)

// changed is a finding where such a call is recorded.
func (r *review) changed(id guard.ControlID, k *inventory.Key, actions []string) {
	if why := r.later(k, actions); why != "" && !r.proving {
		r.add(id, k, Finding{Outcome: guard.Unknown, Detail: why, Fix: "take the snapshot again"})
	}
}

// outdated says which recorded call, later than the snapshot, changed a key; "" where none did.
func (r *review) outdated(k *inventory.Key) string {
	return cmp.Or(r.later(k, lettingIn), r.later(k, switching))
}

// later says which recorded call of some kinds, later than the snapshot, succeeded on a key; "" where none did.
func (r *review) later(k *inventory.Key, actions []string) string {
	if r.snapshot.TakenAt.IsZero() {
		return ""
	}
	for _, u := range r.std.Seen {
		if u.Error != "" || !slices.Contains(actions, u.Action) || !u.Last.After(r.snapshot.TakenAt) {
			continue
		}
		if concerned, certain := r.concerns(k, u); concerned {
			has := "has"
			if !certain || u.Maybe {
				has = "may have"
			}
			by := u.Principal
			if by == "" {
				by = "somebody whom it does not name"
			}
			return fmt.Sprintf("the trail %s %s by %s of %s, after the snapshot: take it again", has, u.Action, by, u.Last.UTC().Format(time.DateTime))
		}
	}
	return ""
}
