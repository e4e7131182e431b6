package detect_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/shared/guard"
)

// disabled switches a key off and answers what is said to stop with it, and the rest of what is said.
func (w *world) disabled(t *testing.T, key string) *guard.BlastRadius {
	t.Helper()
	k := w.keys[key]
	k.ARN, k.Account, k.Region, k.Manager, k.State = key, account, region, guard.ManagerCustomer, guard.KeyDisabled
	w.keys[key] = k
	w.published = nil
	handle(t, w.handler(), call{name: "DisableKey", key: key}.body())
	for _, n := range w.published {
		if n.Kind == guard.NoticeIncident {
			return n.Blast
		}
	}
	return nil
}

// What is recorded of a secret that shuts us out is of before: it may be under every key, and certainly is under none.
func TestASecretThatNobodyMayLookAtIsUnknownInEveryIncidentOfItsLocation(t *testing.T) {
	for sentence, shut := range map[string]func(*world, *guard.Secret) []string{
		"its policy denies us": func(w *world, s *guard.Secret) []string {
			w.refusal[s.ARN] = fmt.Errorf("DescribeSecret: %w", guard.ErrDenied)
			return []string{"app"}
		},
		"the location is closed to us": func(w *world, s *guard.Secret) []string {
			w.refusal[s.ARN] = fmt.Errorf("AssumeRole: %w", guard.ErrNotOurs)
			return []string{"all secrets here", "app"}
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld()
			w.aliased(cmk)
			s := w.add("app", cmk)
			handle(t, w.handler(), call{name: "CreateSecret", secret: s.ARN}.body())
			looked := w.now
			w.now = w.now.Add(time.Hour)
			want := shut(w, s)
			w.rekey(s, secondCMK)
			w.put(s)
			handle(t, w.handler(), call{name: "UpdateSecret", secret: s.ARN}.body())
			for _, key := range []string{cmk, secondCMK} {
				blast := w.disabled(t, key)
				if blast == nil {
					t.Fatalf("%s is switched off, and nothing is said", key)
				}
				var got []string
				for _, a := range blast.Unknown {
					got = append(got, a.Name)
					if a.Fate != guard.FateShutOut || !strings.Contains(a.Describe(), "nobody may") || a.Name == "app" && key == cmk && !a.Seen.Equal(looked) {
						t.Errorf("%s: %+v: %s", key, a, a.Describe())
					}
				}
				slices.Sort(got)
				if len(blast.Stops)+len(blast.Remains) > 0 || key == cmk && !cmp.Equal(got, want) || len(got) == 0 {
					t.Errorf("%s: unknown %q, want %q; %+v", key, got, want, blast)
				}
			}
			delete(w.refusal, s.ARN)
			w.now = w.now.Add(time.Hour)
			handle(t, w.handler(), call{name: "PutSecretValue", secret: s.ARN, id: "seen again"}.body())
			if blast := w.disabled(t, secondCMK); blast == nil || len(blast.Stops) != 1 || len(blast.Unknown) > 0 {
				t.Errorf("we may look again: %+v", blast)
			}
		})
	}
}

// Nobody reads a secret in its recovery window, and whoever restores it finds its value lost.
func TestASecretInItsRecoveryWindowIsSaidWithTheDateOfItsKey(t *testing.T) {
	for sentence, beside := range map[string]bool{"alone": false, "beside another": true} {
		w := newWorld()
		w.swept()
		s := w.add("app", cmk)
		handle(t, w.handler(), call{name: "CreateSecret", secret: s.ARN}.body())
		if beside {
			handle(t, w.handler(), call{name: "CreateSecret", secret: w.add("other", cmk).ARN}.body())
		}
		s.DeletedAt = w.now.Add(30 * 24 * time.Hour)
		handle(t, w.handler(), call{name: "DeleteSecret", secret: s.ARN}.body())
		k := w.keys[cmk]
		k.State, k.DeletionDate = guard.KeyPendingDeletion, w.now.Add(7*24*time.Hour)
		w.keys[cmk], w.published = k, nil
		handle(t, w.handler(), call{name: "ScheduleKeyDeletion", key: cmk}.body())
		if len(w.published) == 0 || w.published[0].Kind != guard.NoticeIncident {
			t.Fatalf("%s: published %v", sentence, w.kinds())
		}
		blast := w.published[0].Blast
		if blast.Counts().Stops == 1 != beside || len(blast.Index.Waiting) != 1 {
			t.Errorf("%s: %+v, index %+v", sentence, blast, blast.Index)
		}
		if said := blast.Index.Describe(); !strings.Contains(said, "in the recovery window") || !strings.Contains(said, "app (every copy of the current version is under this key; what stops is lost for good from ") {
			t.Errorf("%s: %q", sentence, said)
		}
	}
}

// Secrets of accounts that have nothing under the key are counted, and said.
func TestAnIncidentSaysHowManySecretsOfOtherAccountsNobodyCouldLookAt(t *testing.T) {
	w := newWorld()
	handle(t, w.handler(), call{name: "CreateSecret", secret: w.add("app", cmk).ARN}.body())
	stray := func(secret, of string, shut time.Time) guard.Entry {
		return guard.Entry{Secret: "arn:aws:secretsmanager:" + region + ":" + of + ":secret:" + secret, Account: of, Region: region, Name: secret, At: w.now, Shut: shut}
	}
	w.stray[guard.UnreadEntry(region)] = []guard.Entry{
		stray("one-AbCdEf", "222233334444", w.now), stray("two-AbCdEf", "222233334444", time.Time{}), stray("*", "333344445555", w.now),
	}
	blast := w.disabled(t, cmk)
	if len(blast.Stops) != 1 || len(blast.Unknown) > 0 || blast.Index.Unasked != 2 || !cmp.Equal(blast.Index.Shut, []string{"333344445555"}) {
		t.Errorf("%+v, index %+v", blast, blast.Index)
	}
	said := blast.Index.Describe()
	for _, want := range []string{"2 secrets of other accounts in " + region + " could not be looked at", "no secret in " + region + " of 333344445555 can be looked at"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q does not say %q", said, want)
		}
	}
}
