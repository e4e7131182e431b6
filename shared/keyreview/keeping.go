package keyreview

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/awscli"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

const day = 24 * time.Hour

// tags is DL.KEY.1.
func (r *review) tags(k *inventory.Key) {
	if ending(k) {
		return
	}
	if k.Facts.Tags == nil {
		r.unknown(guard.KeyTags, k, "the tags could not be read")
		return
	}
	var missing []string
	for _, tag := range r.std.Tags {
		if first(k.Facts.Tags, tag.Names) == "" {
			missing = append(missing, fmt.Sprintf("%s (%s)", tag.What, tag.Names[0]))
		}
	}
	if len(missing) > 0 {
		r.add(guard.KeyTags, k, Finding{Detail: "no tag says its " + strings.Join(missing, ", ")})
	}
}

func first(tags map[string]string, names []string) string {
	for _, name := range names {
		if tags[name] != "" {
			return tags[name]
		}
	}
	return ""
}

// The periods that KMS takes, in days. Source: KMS API Reference, EnableKeyRotation, RotationPeriodInDays.
const (
	ShortestRotation = 90
	LongestRotation  = 2560
)

// yearly is the period of automatic rotation where none is given. Source: KMS API Reference, EnableKeyRotation.
const yearly = 365

// rotation is DL.KEY.2. KMS rotates symmetric keys alone: by itself those whose material it made, and on demand those with
// imported material too. What lies in a custom key store or outside of KMS is its owner's to renew.
// Source: KMS Developer Guide, "Rotate AWS KMS keys".
func (r *review) rotation(k *inventory.Key) {
	imported := k.Facts.Origin == "EXTERNAL"
	if ending(k) || !k.Facts.Symmetric() || k.Facts.Origin != "" && k.Facts.Origin != "AWS_KMS" && !imported {
		return
	}
	if k.RotationUnread != "" {
		r.unknown(guard.KeyRotation, k, "its rotation could not be read: "+k.RotationUnread)
		return
	}
	required := time.Duration(r.std.RotationDays) * day
	period := k.Rotation.PeriodDays
	if period == 0 {
		period = yearly
	}
	if k.Rotation.Enabled && period <= r.std.RotationDays {
		return
	}
	if slices.ContainsFunc(k.Rotation.Past, func(at time.Time) bool { return r.now.Sub(at) <= required }) {
		return // rotated on demand, or by a slower period that happened to be due
	}
	if !k.CreatedAt.IsZero() && r.now.Sub(k.CreatedAt) <= required {
		return // younger than it may be old
	}
	if imported {
		detail := fmt.Sprintf("its imported material was not rotated in the last %d days", r.std.RotationDays)
		if len(k.Rotation.Past) == 0 {
			detail = fmt.Sprintf("its imported material was never rotated, and it is older than %d days", r.std.RotationDays)
		}
		r.add(guard.KeyRotation, k, Finding{
			Detail: detail,
			Fix:    "import new material (ImportKeyMaterial with the import type NEW_KEY_MATERIAL), then rotate it on demand",
		})
		return
	}
	detail := "automatic rotation is off"
	if k.Rotation.Enabled {
		detail = fmt.Sprintf("it rotates every %d days", period)
	}
	days := []string{"--rotation-period-in-days", strconv.Itoa(r.std.RotationDays)}
	var fix string
	switch {
	case k.Facts.Unusable():
		fix = fmt.Sprintf("KMS does not set the rotation of a key that is %s: once it is in use again, enable-key-rotation with %s", k.Facts.State, strings.Join(days, " "))
	case k.Facts.MultiRegion: // which of its keys the primary is, is not in the snapshot
		fix = fmt.Sprintf("on the primary key of this multi-Region key alone, whose rotation its replicas share: enable-key-rotation with %s", strings.Join(days, " "))
	default:
		fix = r.unlessOutdated(k, awscli.OnKey("enable-key-rotation", k.Facts.ARN, days...))
	}
	r.add(guard.KeyRotation, k, Finding{
		Detail: fmt.Sprintf("%s, %d are required, and it was not rotated in the last %d", detail, r.std.RotationDays, r.std.RotationDays),
		Fix:    fix,
	})
}

// unused is DL.KEY.4.
func (r *review) unused(k *inventory.Key) {
	if ending(k) || len(r.under[k.Facts.ARN]) > 0 {
		return
	}
	if k.UseUnread != "" {
		r.unknown(guard.KeyUnused, k, "its last use could not be read: "+k.UseUnread)
		return
	}
	limit := time.Duration(r.std.UnusedDays) * day
	since, said := k.Use.At, "was last used on "
	if since.IsZero() {
		since, said = latest(k.Use.Since, k.CreatedAt), "was not used since "
	}
	if since.IsZero() {
		r.unknown(guard.KeyUnused, k, "its last use is not known")
		return
	}
	if r.now.Sub(since) <= limit {
		return
	}
	used, may := r.seenUsing(k, limit)
	if used || slices.ContainsFunc(k.Grants, forService) {
		return // by what KMS does not count, after the snapshot, or for a resource that a service keeps
	}
	if may != "" {
		r.add(guard.KeyUnused, k, Finding{Outcome: guard.Unknown, Detail: may, Fix: whichKey})
		return
	}
	if k.GrantsUnread != "" {
		r.unknown(guard.KeyUnused, k, "its grants could not be read, by which services use it: "+k.GrantsUnread)
		return
	}
	if why := r.hidden(k); why != "" {
		r.unknown(guard.KeyUnused, k, "no secret is known to be under it, and "+why)
		return
	}
	switch needs, unsure := r.needingBeside(k); {
	case needs != "":
		return // it is no key to let go of
	case unsure != "":
		r.unknown(guard.KeyUnused, k, "whether "+unsure+" needs it could not be read")
		return
	}
	under := "no secret is under it"
	if len(r.touched[k.Facts.ARN]) > 0 { // by a version without a label, which needs it no more
		under = "all that is under it opens with another key, too"
	}
	fix := "schedule its deletion when it was off for some weeks and nothing failed"
	if !k.Facts.Unusable() {
		fix += "; first: " + r.unlessOutdated(k, awscli.OnKey("disable-key", k.Facts.ARN))
	}
	r.add(guard.KeyUnused, k, Finding{Detail: under + ", and it " + said + since.Format(time.DateOnly), Fix: fix})
}

// whichKey is what to do about a call of which the record does not say which key it was about.
const whichKey = "find out which key that call was about, and keep this one until then"

// seenUsing reports whether the trail has a use of a key within a time, and says what may be one. What may be one of another key, or
// failed for something else than the key's state, is none where KMS would have counted it before the snapshot.
func (r *review) seenUsing(k *inventory.Key, limit time.Duration) (used bool, may string) {
	manages := administration()
	for _, u := range r.std.Seen {
		concerned, certain := r.concerns(k, u)
		if !concerned || slices.Contains(manages, u.Action) || !u.Last.IsZero() && r.now.Sub(u.Last) > limit {
			continue
		}
		switch {
		case certain && (!u.Maybe || u.failedForState()) && !u.Last.IsZero():
			return true, ""
		case may == "" && (u.Last.IsZero() || u.Last.After(r.now) || u.failedForState()):
			may = fmt.Sprintf("%s may have used it (%s)%s", cmp.Or(u.Principal, "somebody whom the record does not name"), u.Action, on(u.Last))
		}
	}
	return false, may
}

// whereUnread is of what account and Region something was not read, as far as that is said.
func whereUnread(u inventory.Unread) string {
	out := ""
	if u.Account != "" {
		out += " of account " + u.Account
	}
	if u.Region != "" {
		out += " in " + u.Region
	}
	return out
}

// missed says who was seen failing to use a key for its state, which therefore needs it; may says of whom that is not certain.
// Source: KMS API Reference, Decrypt, "Errors".
func (r *review) missed(k *inventory.Key) (needs, may string) {
	for _, u := range r.std.Seen {
		if !u.failedForState() {
			continue
		}
		concerned, certain := r.concerns(k, u)
		who := cmp.Or(u.Principal, "somebody whom the record does not name")
		switch {
		case concerned && certain:
			return fmt.Sprintf("%s needs it: %s failed with %s%s", who, u.Action, u.Error, on(u.Last)), ""
		case concerned && may == "":
			may = fmt.Sprintf("%s may need it: %s failed with %s%s", who, u.Action, u.Error, on(u.Last))
		}
	}
	return "", may
}

// on is a day, as the end of a sentence; "" where it is not known.
func on(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " on " + at.UTC().Format(time.DateOnly)
}

// hidden says why a secret may be under a key that none is known to be under; "" where none can be.
func (r *review) hidden(k *inventory.Key) string {
	if !k.Facts.Symmetric() {
		return ""
	}
	for _, u := range r.snapshot.Unread {
		if u.Part == inventory.PartSecrets && (u.Region == k.Facts.Region || u.Region == "") {
			return "the secrets" + whereUnread(u) + " could not be read: " + u.Why
		}
	}
	for i := range r.snapshot.Secrets {
		s := &r.snapshot.Secrets[i]
		if s.Facts.PendingDeletion() {
			continue
		}
		copies := r.copies(s)
		if copies.Unlisted && s.Facts.Region == k.Facts.Region {
			return "the versions of " + s.Facts.Name + " could not be listed"
		}
		for _, c := range copies.List {
			if c.Nameless() && copies.Locations[c.Location].Region == k.Facts.Region {
				return "not every key that opens " + s.Facts.Name + " could be read"
			}
		}
	}
	return ""
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// needed is DL.KEY.5: secrets under the key, and what an incident of it would find beside their labelled versions.
func (r *review) needed(k *inventory.Key) {
	r.changed(guard.KeyNeeded, k, switching)
	if k.Facts.CanDecrypt() {
		return
	}
	var needs, unsure string
	if secrets := r.under[k.Facts.ARN]; len(secrets) > 0 {
		needs = needing(len(secrets), secrets[0].Facts.Name)
	} else {
		if needs, unsure = r.needingBeside(k); unsure != "" {
			unsure = "whether " + unsure + " needs it could not be read"
		}
	}
	var may string
	if needs == "" {
		needs, may = r.missed(k)
		unsure = cmp.Or(unsure, r.hidden(k))
	}
	is := "it is " + string(k.Facts.State)
	if k.Facts.State == guard.KeyStateUnknown {
		is = "its state could not be read"
	}
	switch {
	case needs == "" && unsure == "" && may == "":
		return
	case needs == "" && unsure == "":
		r.add(guard.KeyNeeded, k, Finding{Outcome: guard.Unknown, Detail: is + ", and " + may, Fix: whichKey})
		return
	case needs == "":
		r.unknown(guard.KeyNeeded, k, is+", and "+unsure)
		return
	case k.Facts.State == guard.KeyStateUnknown:
		r.unknown(guard.KeyNeeded, k, "its state could not be read")
		return
	case !k.Facts.Unusable():
		r.unknown(guard.KeyNeeded, k, fmt.Sprintf("it is in state %s, of which it is not known whether it opens anything", k.Facts.State))
		return
	}
	fix := k.Facts.Mend()
	switch {
	case k.Facts.State == guard.KeyDisabled:
		fix = r.unlessOutdated(k, awscli.OnKey("enable-key", k.Facts.ARN))
	case ending(k):
		fix = r.unlessOutdated(k, awscli.OnKey("cancel-key-deletion", k.Facts.ARN)+" && "+awscli.OnKey("enable-key", k.Facts.ARN))
	}
	r.add(guard.KeyNeeded, k, Finding{Detail: is + ", and " + needs, Fix: fix})
}

// needingBeside says which secrets need the key for what no label leads to: a version that is read by its id, or a secret that can still
// be restored. unsure is one of which nobody knows.
// Source: Secrets Manager API Reference, GetSecretValue, VersionId; RestoreSecret.
func (r *review) needingBeside(k *inventory.Key) (needs, unsure string) {
	radius := guard.Blast(k.Facts, r.touched[k.Facts.ARN])
	switch lost := slices.Concat(radius.Stops, radius.Partly); {
	case len(lost) > 0:
		needs = needing(len(lost), beside(lost[0]))
	case len(radius.Unknown) > 0:
		unsure = radius.Unknown[0].Name
	}
	return needs, unsure
}

// beside names a secret and what of it needs a key.
func beside(a guard.Affected) string {
	if of := slices.Concat(a.Labels, a.Regions); len(of) > 0 {
		return a.Name + " (" + strings.Join(of, ", ") + ")"
	}
	return a.Name + " (which can be restored)"
}

// needing says how many secrets need a key, and one of them.
func needing(secrets int, such string) string {
	if secrets == 1 {
		return such + " needs it"
	}
	return fmt.Sprintf("%d secrets need it, such as %s", secrets, such)
}

// blastRadius is DL.KEY.6.
func (r *review) blastRadius(k *inventory.Key) {
	secrets := r.under[k.Facts.ARN]
	var over []string
	check := func(n, limit int, what string) {
		if limit > 0 && n > limit {
			over = append(over, fmt.Sprintf("%d %s (limit %d)", n, what, limit))
		}
	}
	applications, environments := values(secrets, r.std.ApplicationTags), values(secrets, r.std.EnvironmentTags)
	check(len(secrets), r.std.Secrets, "secrets")
	check(len(applications), r.std.Applications, "applications")
	check(len(environments), r.std.Environments, "environments")
	if len(over) > 0 {
		detail := "under it are " + strings.Join(over, ", ")
		if len(applications) > 1 {
			detail += ": " + strings.Join(applications[:min(len(applications), 5)], ", ")
		}
		r.add(guard.KeyBlastRadius, k, Finding{Detail: detail})
	}
}

// values lists the distinct values of a tag, sorted.
func values(secrets []*inventory.Secret, names []string) []string {
	var out []string
	for _, s := range secrets {
		if value := first(s.Facts.Tags, names); value != "" && !slices.Contains(out, value) {
			out = append(out, value)
		}
	}
	slices.Sort(out)
	return out
}
