package migration

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
)

// digests fixes every fact that the item rests on, by a name that people understand.
func (f *Facts) digests(s inventory.Secret, to inventory.Key, item Item) map[string]string {
	out := map[string]string{
		"key of the secret":      digest(s.Facts.KeyID, s.Facts.Key.ARN, s.Facts.Key.Manager, s.Facts.Key.State),
		"versions of the secret": digest(versionsOf(s)),
		"policy of the secret":   digest(s.Policy, s.PolicyUnread),
		"rotation":               digest(s.Facts.RotationEnabled, s.Facts.RotationLambdaARN+s.Facts.RotationRoleARN, f.Functions[s.Facts.RotationLambdaARN]),
		"tags of the secret":     digest(ownersTags(s.Facts.Tags)),
		"target key":             digest(to.Facts, to.PolicyUnread),
		"policy of the target":   digest(to.Policy),
		"grants on the target":   digest(to.Grants, to.GrantsUnread),
		"readers":                digest(names(item.Readers)),
	}
	if to.Shared != "" || to.SharedUnread != "" { // of a plan that an older version made, nothing changed where it is not shared
		out["sharing of the target"] = digest(to.Shared, to.SharedUnread)
	}
	for _, r := range s.Facts.Replicas {
		out["replica in "+r.Region] = digest(r.KeyID, r.Key.ARN, r.Key.State)
	}
	for _, r := range item.Readers {
		f.readerDigests(out, r)
	}
	for _, replica := range item.Replicas {
		out["readers in "+replica.Region] = digest(names(replica.Readers), replica.Target)
		for _, r := range replica.Readers {
			f.readerDigests(out, r)
		}
	}
	return out
}

func (f *Facts) readerDigests(out map[string]string, r Reader) {
	snapshot := f.Access.Snapshot()
	account := accountOf(r.Principal)
	if of := behind(snapshot, r.Principal); of != nil {
		account = of.Account
		managed := map[string]string{}
		for _, arn := range append(slices.Clone(of.Managed), of.Boundary) {
			managed[arn] = snapshot.Managed[arn]
		}
		var groups []inventory.Group
		for _, g := range snapshot.Groups {
			if g.Account == of.Account && slices.Contains(of.Groups, g.Name) {
				groups = append(groups, g)
				for _, arn := range g.Managed {
					managed[arn] = snapshot.Managed[arn]
				}
			}
		}
		out["policies of "+of.ARN] = digest(of.Inline, of.Managed, of.Boundary, of.Groups, of.Tags, of.Trust, managed, groups)
	}
	for _, a := range snapshot.Accounts {
		if a.ID == account {
			out["organization policies of "+account] = digest(a.SCPs, a.RCPs, controls(snapshot, a))
		}
	}
}

func controls(s *inventory.Snapshot, a inventory.Account) map[string]string {
	out := map[string]string{}
	for _, level := range slices.Concat(a.SCPs, a.RCPs) {
		for _, id := range level.Policies {
			out[id] = s.Controls[id].Document
		}
	}
	return out
}

func names(readers []Reader) []string {
	var out []string
	for _, r := range readers {
		out = append(out, r.Principal+" "+string(r.Verdict))
	}
	return out
}

func versionsOf(s inventory.Secret) [][]string {
	var out [][]string
	for _, c := range guard.CopiesOf(s.Facts).Here().Labelled().List {
		line := append([]string{c.Version}, c.Stages...)
		for _, k := range c.Keys {
			line = append(line, k.ID+k.ARN)
		}
		out = append(out, line)
	}
	return out
}

// ownersTags leaves out our own.
func ownersTags(tags map[string]string) map[string]string {
	out := map[string]string{}
	for name, value := range tags {
		if !strings.HasPrefix(name, guard.TagPrefix) || name == TagWave {
			out[name] = value
		}
	}
	return out
}

func digest(parts ...any) string {
	raw, err := json.Marshal(parts)
	if err != nil {
		return "unreadable: " + err.Error() // plain data always encodes; if not, it never equals another
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:12])
}
