package inventory

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/policy"
)

// Secrets of a Region that nobody read may be there. What a principal has of its own says whether it may open them.

// opensUnread are the actions by which whoever is allowed them opens a secret of which nothing else is known.
var opensUnread = []string{readSecret, "secretsmanager:PutResourcePolicy"}

// location is where secrets are.
type location struct{ account, region string }

// findLocations collects the locations whose secrets were read, or are said not to have been: those that the accounts name, and those of the
// secrets that are here, since a Region is listed as a whole.
func (a *Access) findLocations() {
	for _, account := range a.snapshot.Accounts {
		for _, region := range account.Regions {
			a.locations[location{account.ID, region}] = true
		}
	}
	for i := range a.snapshot.Secrets {
		s := &a.snapshot.Secrets[i].Facts
		a.locations[location{s.Account, s.Region}] = true
	}
	for _, u := range a.snapshot.Unread {
		if u.Part == PartSecrets {
			a.locations[location{u.Account, u.Region}] = true
		}
	}
}

// regionsOf are the Regions in which an account may have secrets, without those that were read: those that are enabled in it, or all
// that are known. certain is false where there may be more.
func (a *Access) regionsOf(account *Account) (out []string, certain bool) {
	all := account.Enabled
	if certain = len(all) > 0; !certain {
		all = a.partition().Regions()
	}
	for _, region := range all {
		if !a.locations[location{account.ID, region}] {
			out = append(out, region)
		}
	}
	return out, certain
}

// claim is what a principal has of its own that may open a secret which nobody read.
type claim struct {
	by      *asker
	action  string
	pattern string // of the secrets that it is about
}

// readsUnread says where a principal may open secrets that nobody read, by what it has of its own: in Regions of the accounts, and in
// accounts that it is allowed by name. Whom policies of such secrets let in is not asked.
// Source: IAM User Guide, "Policy evaluation logic"; Account Management Reference Guide, "Enable or disable AWS Regions in your
// account": where a Region is not enabled, there are no resources.
func (a *Access) readsUnread(who string, askers []*asker) []Unread {
	var claims []claim
	for _, w := range askers {
		for _, action := range opensUnread {
			for _, pattern := range once(append(w.mayBeAllowedOn(action), w.leftOn(action)...)) {
				claims = append(claims, claim{w, action, pattern})
			}
		}
	}
	var out, said []Unread
	for _, u := range a.snapshot.Unread {
		own := u.Account == "" || slices.ContainsFunc(askers, func(w *asker) bool { return w.principal.Account == u.Account })
		if u.Part == PartSecrets && (own || slices.ContainsFunc(claims, func(c claim) bool { return a.mayOpenIn(c, u) })) ||
			u.Part == PartOrganization && slices.ContainsFunc(askers, a.readsOfMissing) {
			said = append(said, u)
		}
	}
	for i := range a.snapshot.Accounts {
		account := &a.snapshot.Accounts[i]
		if a.locations[location{account: account.ID}] { // none of its Regions was asked for, which is said
			continue
		}
		regions, certain := a.regionsOf(account)
		var found []string
		more := false
		may := func(region string) bool {
			return slices.ContainsFunc(claims, func(c claim) bool { return a.mayOpenSome(c, location{account.ID, region}) })
		}
		for _, region := range regions {
			if may(region) {
				found = append(found, region)
			}
		}
		for _, c := range claims {
			region, named := c.region()
			switch {
			case certain || a.locations[location{account.ID, region}] || slices.Contains(regions, region) || !a.mayOpenSome(c, location{account.ID, region}):
			case named:
				found = append(found, region)
			default:
				more = true
			}
		}
		out = append(out, a.unreadRegions(account.ID, once(found), more)...)
	}
	return slices.Concat(said, together(out, who), a.accountsByName(who, claims))
}

// mayOpenIn reports whether a claim may open some secret where they could not be read: in one Region, or in all of an account.
func (a *Access) mayOpenIn(c claim, u Unread) bool {
	like, _ := c.region()
	regions := append(a.partition().Regions(), like)
	if u.Region != "" {
		regions = []string{u.Region}
	}
	return slices.ContainsFunc(regions, func(region string) bool { return a.mayOpenSome(c, location{u.Account, region}) })
}

// together makes one of what is the same in several accounts, and says whose secrets they may be.
func together(found []Unread, who string) []Unread {
	var out []Unread
	accounts := map[Unread][]string{}
	for _, u := range found {
		of := u.Account
		u.Account = ""
		if accounts[u] = append(accounts[u], of); len(accounts[u]) == 1 {
			out = append(out, u)
		}
	}
	return each(out, func(u Unread) Unread {
		of := accounts[u]
		if u.Account = of[0]; len(of) > 1 {
			u.Account, u.Why = "", u.Why+" in "+strconv.Itoa(len(of))+" accounts"
		}
		u.Why += ", and " + who + " may read secrets there"
		return u
	})
}

// mostRegions is how many Regions that were not read are told apart.
const mostRegions = 3

func (a *Access) unreadRegions(account string, regions []string, more bool) []Unread {
	if len(regions) <= mostRegions && !more {
		return each(regions, func(region string) Unread {
			return Unread{Part: PartSecrets, Account: account, Region: region, Why: "this Region was not read"}
		})
	}
	var read []string
	for at := range a.locations {
		if at.account == account {
			read = append(read, at.region)
		}
	}
	why := "the snapshot does not say which Regions were read"
	if len(read) > 0 {
		why = "other Regions than " + strings.Join(once(read), ", ") + " were not read"
	}
	return []Unread{{Part: PartSecrets, Account: account, Why: why}}
}

// mayBeAllowedOn are the resources, patterns among them, that statements of a principal's own name where they allow an action: all where
// one says which it is not about, or cannot be read.
func (w *asker) mayBeAllowedOn(action string) (out []string) {
	all := w.principal.Kind == policy.KindRoot
	for _, d := range w.policies.Identity {
		all = all || d.Err() != nil
		for _, s := range d.Statements {
			if s.Effect == policy.Allow && s.About(action) {
				all, out = all || s.Resources == nil, append(out, s.Resources...)
			}
		}
	}
	if all {
		out = append(out, "*")
	}
	return once(out)
}

// leftOn are the resources of one account that whatever limits a principal leaves it: those that may be all that is left of a pattern.
func (w *asker) leftOn(action string) (out []string) {
	for _, d := range slices.Concat(append(slices.Clone(w.policies.SCPs), w.policies.Identity, w.policies.Boundary, w.policies.Session)...) {
		for _, s := range d.Statements {
			for _, pattern := range append(slices.Clone(s.NotResources), s.Resources...) {
				if account := arn.Of(pattern).Account; s.About(action) && account != "" && !strings.ContainsAny(account, "*?$") {
					out = append(out, pattern)
				}
			}
		}
	}
	return out
}

// region is the Region that a claim names, or else one that is like what it names.
func (c claim) region() (region string, named bool) {
	of := cmp.Or(arn.Of(c.pattern).Region, "*")
	return arn.Example(of), !strings.ContainsAny(of, "*?")
}

// mayOpenSome reports whether a claim may open some secret of a location.
func (a *Access) mayOpenSome(c claim, at location) bool {
	name, parsed := "secret:*", arn.Of(c.pattern)
	if strings.HasPrefix(parsed.Resource, "secret:") || parsed != (arn.ARN{}) && !strings.Contains(parsed.Region, "*") { // which may run past the colons after it
		if name = parsed.Resource; !arn.Match(parsed.Region, at.region) || !arn.Match(parsed.Account, at.account) {
			return false
		}
	}
	t := policy.Target{ARN: a.partition().New("secretsmanager", at.region, at.account, name).String(), Pattern: true, Account: at.account, Kind: policy.ResourcePlain}
	if at.account != c.by.principal.Account { // its own policy has to let it in, too
		t.Policy = missing("the policy of a secret", "it is not in the snapshot")
	}
	a.addResourceOrganization(&t)
	t.Context["aws:RequestedRegion"] = []string{at.region}
	t.Unknown = append(t.Unknown, viaAWSService)
	answer := ask(c.by, &t, c.action).Answer
	return !denied(answer) || answer == policy.ImplicitlyDenied && strings.Contains(c.pattern, "${") // what stands for the variable is not known here
}

// accountsByName are the accounts outside the snapshot that the principal is allowed by name, or by some of it. Where accounts of the
// organization are missing, that is said of all of them.
func (a *Access) accountsByName(who string, claims []claim) []Unread {
	var out []Unread
	for _, c := range claims {
		parsed := arn.Of(c.pattern)
		inside := slices.ContainsFunc(a.snapshot.Accounts, func(account Account) bool { return arn.Match(parsed.Account, account.ID) })
		u := Unread{Part: PartSecrets, Account: parsed.Account, Why: "the account is not in the snapshot, and " + who + " may read secrets there"}
		isAccount := parsed.Account != "" && strings.Trim(parsed.Account, "0123456789*?") == ""
		if !isAccount || inside || a.accountsMissing() || slices.Contains(out, u) {
			continue
		}
		if region, _ := c.region(); a.mayOpenSome(c, location{parsed.Account, region}) {
			out = append(out, u)
		}
	}
	return out
}
