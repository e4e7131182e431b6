package scenarios_test

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/smithy-go"

	"github.com/doublelock/doublelock/shared/cloud"
	"github.com/doublelock/doublelock/shared/cloud/secrets"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/fleet/live/snapshots"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/settings"
)

func errorCode(err error) string {
	var api smithy.APIError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &api):
		return api.ErrorCode()
	}
	return err.Error()
}

// client opens AWS as the hub does.
func (w *testbed) client(session string) *cloud.Cloud {
	w.Helper()
	c, err := w.aws.Principal(hub, "role/operator/me")
	must(w, err)
	client, err := cloud.Open(w.Context(), cloud.Options{Region: region, Endpoint: w.url, HubAccount: hub, AssumeRoles: true, ManagementAccount: payer,
		KeyDetails: true, MaxBackoff: time.Millisecond, LookupEvery: time.Microsecond, KeyTTL: time.Nanosecond, Session: session, Now: func() time.Time { return *w.now },
		Credentials: &cloud.Static{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}})
	must(w, err)
	return client
}

func (w *testbed) snapshot() inventory.Snapshot {
	w.Helper()
	s, err := snapshots.New(w.client("plan"), []string{region, farRegion}, func() time.Time { return *w.now }).Take(w.Context())
	must(w, err)
	if len(s.Unread) > 0 {
		w.Fatalf("%s: unread: %v", w.file, s.Unread)
	}
	return s
}

// sightings are the reads that CloudTrail recorded.
func (w *testbed) sightings() []migration.Sighting {
	w.Helper()
	var all []migration.Sighting
	for _, in := range []string{region, farRegion} {
		found, _, err := migrations.Reads(w.client("plan")).All(w.Context(), w.account(w.Secret.Account), in, w.now.AddDate(0, 0, -90))
		must(w, err)
		all = append(all, found...)
	}
	return migration.Gather(all)
}

func (w *testbed) facts() migration.Facts {
	w.Helper()
	f := migration.Facts{Access: inventory.Prepare(w.snapshot()), Seen: w.sightings(), LookBack: 90, Functions: map[string]string{}, Accepted: w.Accepted, Rules: w.rules(),
		Now: *w.now, Approved: w.approved(),
		Changer: func(account string) string { return "arn:aws:iam::" + account + ":role/doublelock-change" },
		Tagger:  func(account string) string { return "arn:aws:iam::" + account + ":role/doublelock-tag" },
		KeyFor: func(_, in string, _ map[string]string) string {
			if in == region {
				return w.key(w.Target)
			}
			return w.key(w.Targets[in])
		}}
	for name, r := range w.Readers {
		if r.Rotates {
			f.Functions[rotator] = readerARN(w.account(r.Account), name, r)
		}
	}
	if w.Waived != "" {
		f.Waivers = []guard.Waiver{{Control: guard.SecretDefaultKey, Resource: w.secret, By: "ciso", Reason: w.Waived, Expires: w.now.Add(24 * time.Hour)}}
	}
	return f
}

// settings are those of the file, beside those that all files have.
func (w *testbed) settings() settings.Runtime {
	r := machineSettings
	r.Migration.MustKeep, r.AlwaysKeep, r.Approved = string(w.MustKeep), w.Always, w.approved()
	for _, e := range w.Excused {
		r.Migration.Accepted = append(r.Migration.Accepted, settings.AcceptedReader(e))
	}
	return r
}

func (w *testbed) rules() migration.Rules { return migrations.Rules(w.settings()) }

// approved are the keys that secrets may be under; the one they come from is none of them.
func (w *testbed) approved() guard.Approved {
	a := guard.Approved{ARNs: []string{w.key(w.Target)}}
	for _, name := range w.Targets {
		a.ARNs = append(a.ARNs, w.key(name))
	}
	for _, name := range w.Approved {
		a.ARNs = append(a.ARNs, w.key(name))
	}
	return a
}

func (w *testbed) plan() migration.Plan {
	w.Helper()
	p, err := migration.Make(w.facts(), w.secret)
	must(w, err)
	return p
}

// outcomeOf is what a plan says, and why.
func outcomeOf(p migration.Plan) (outcome, string) {
	if len(p.Outside) == 1 {
		return outside, p.Outside[0].Reason
	}
	item := p.Items[0]
	reason := strings.Join(item.Blocked, "; ")
	if item.Safe() {
		return safe, ""
	}
	for _, r := range readersOf(item) {
		if (r.Verdict == migration.Loses || r.Verdict == migration.Unknown || !r.Until.IsZero()) && !r.Accepted && !r.Spared {
			return unsafe, reason
		}
	}
	return blocked, reason
}

func readersOf(i migration.Item) []migration.Reader {
	all := i.Readers
	for _, r := range i.Replicas {
		all = append(all[:len(all):len(all)], r.Readers...)
	}
	return all
}

// staff makes and changes the secret of every file, and is none of its readers.
var staff = []string{"Owner", "Deployer", "doublelock-read", "doublelock-tag", "doublelock-change"}

// judged are the readers of a plan by the names of the file. A reader of a copy who also reads the primary counts by
// the Region that the file has it read in.
func (w *testbed) judged(p migration.Plan) map[string]migration.Reader {
	out := map[string]migration.Reader{}
	if len(p.Items) == 0 {
		return out
	}
	add := func(in string, list []migration.Reader) {
		for _, r := range list {
			name := r.Principal[strings.LastIndexAny(r.Principal, "/:")+1:]
			if _, ours := w.Readers[name]; !ours && slices.Contains(staff, name) {
				continue
			}
			if known, ok := w.Readers[name]; ok && known.Region != "" && known.Region != in {
				continue
			} else if ok && known.Region == "" && in != region {
				continue
			}
			out[name] = r
		}
	}
	add(region, p.Items[0].Readers)
	for _, r := range p.Items[0].Replicas {
		add(r.Region, r.Readers)
	}
	return out
}

// rekey sets the key with the rights of the hub's role, and answers what AWS said.
func (w *testbed) rekey(key string) string {
	client := secretsmanager.NewFromConfig(w.as(w.account(w.Secret.Account), "role/doublelock-change/doublelock-remediate", region))
	_, err := client.UpdateSecret(w.Context(), &secretsmanager.UpdateSecretInput{SecretId: &w.secret, KmsKeyId: &key})
	return errorCode(err)
}

// seal writes two versions under the new key alone, and makes the copies again.
func (w *testbed) seal(p migration.Plan) {
	w.Helper()
	client := secretsmanager.NewFromConfig(w.as(w.account(w.Secret.Account), "role/doublelock-change/doublelock-remediate", region))
	for range 2 {
		if w.rotates() {
			must(w, ignore(client.RotateSecret(w.Context(), &secretsmanager.RotateSecretInput{SecretId: &w.secret, RotateImmediately: aws.Bool(true)})))
			continue
		}
		w.put("not a real value either")
	}
	if len(p.Items) == 0 {
		return
	}
	for _, r := range p.Items[0].Replicas {
		must(w, secrets.New(w.client("remediate")).RemoveReplica(changing(w), w.ref(), r.Region))
		must(w, secrets.New(w.client("remediate")).AddReplica(changing(w), w.ref(), r.Region, r.Target))
	}
}

func (w *testbed) rotates() bool {
	for _, r := range w.Readers {
		if r.Rotates {
			return true
		}
	}
	return false
}

// retire disables the key that the secret came from, as far as a customer can.
func (w *testbed) retire() {
	w.Helper()
	for _, name := range []string{w.Secret.Key, w.Secret.Moved} {
		if _, own := w.keys[name]; own && name != w.Target && w.Keys[name].State == "" {
			w.kms(name, "DisableKey", nil)
		}
	}
	for in, name := range w.Secret.Replicas {
		if _, own := w.keys[name]; own && name != w.Targets[in] {
			w.kms(name, "DisableKey", nil)
		}
	}
}

// carries reports whether every labelled version opens with a key.
func (w *testbed) carries(key string) bool {
	w.Helper()
	s, err := secrets.New(w.client("plan")).Describe(w.Context(), w.ref())
	must(w, err)
	for _, v := range s.Versions {
		opens := !guard.ReEncrypted(v.Stages)
		for _, k := range v.Keys {
			opens = opens || k.ARN == key
		}
		if !opens {
			return false
		}
	}
	return s.Key.ARN == key
}
