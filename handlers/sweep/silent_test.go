package sweep_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doublelock/doublelock/handlers/sweep"
	"github.com/doublelock/doublelock/shared/guard"
)

// mute is a hub of which some accounts take every call and answer none.
type mute struct {
	*fakeHub
	accounts map[string]bool
	listed   map[string]bool // accounts that answer when their secrets are listed, and not when one is described
	mu       sync.Mutex
	waited   map[string]int // calls that waited to their end, by account
}

func (m *mute) hang(ctx context.Context, account string) error {
	m.mu.Lock()
	m.waited[account]++
	m.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Millisecond) // the limit of a call
	defer cancel()
	<-ctx.Done()
	return fmt.Errorf("call: %w", ctx.Err())
}

func (m *mute) Outline(ctx context.Context, account, region string, yield func(guard.Secret) error) error {
	if m.accounts[account] && !m.listed[account] {
		return m.hang(ctx, account)
	}
	return m.fakeHub.Outline(ctx, account, region, yield)
}

func (m *mute) Look(ctx context.Context, ref guard.SecretRef, cause guard.Cause) (bool, error) {
	if m.accounts[ref.Account] {
		return false, m.hang(ctx, ref.Account)
	}
	return m.fakeHub.Look(ctx, ref, cause)
}

func (m *mute) Revisit(ctx context.Context, account, region string) error {
	if m.accounts[account] {
		return m.hang(ctx, account)
	}
	return m.fakeHub.Revisit(ctx, account, region)
}

func (m *mute) sweeper() *sweep.Handler {
	h := m.handler()
	h.Secrets, h.Inspector, h.Concurrency, h.Log = m, m, 8, slog.New(slog.DiscardHandler)
	return h
}

// organization has accounts with secrets each, which are all recorded.
func organization(accounts, secrets int) *mute {
	m := &mute{fakeHub: newFakeHub(), accounts: map[string]bool{}, listed: map[string]bool{}, waited: map[string]int{}}
	for a := range accounts {
		account := fmt.Sprintf("3333333333%02d", a)
		m.fakeHub.accounts = append(m.fakeHub.accounts, account)
		for i := range secrets {
			name := fmt.Sprintf("s%03d", i)
			m.secrets[account] = append(m.secrets[account], secret(account, name))
			m.records = append(m.records, record(account, name))
		}
	}
	return m
}

// Accounts that take connections and never answer are findings, cost a handful of calls each, and all others are swept whole.
func TestAnAccountThatNeverAnswersTakesNoTimeFromTheOthers(t *testing.T) {
	for name, listed := range map[string]bool{"no call is answered": false, "its secrets are listed, and none is described": true} {
		t.Run(name, func(t *testing.T) {
			m := organization(12, 250)
			want := []string{}
			for _, account := range []string{"333333333300", "333333333305", "333333333306"} {
				m.accounts[account], m.listed[account] = true, listed
				want = append(want, account+" "+region)
			}
			if err := m.sweeper().Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			slices.Sort(m.silent)
			if diff := cmp.Diff(want, m.silent); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			if len(m.looked) != 9*250 {
				t.Errorf("%d secrets of the others were inspected, want %d", len(m.looked), 9*250)
			}
			for account, calls := range m.waited {
				if calls > 12 {
					t.Errorf("%d calls to %s waited for their end", calls, account)
				}
			}
			if m.bookmarks["sweep"] != mark("", "") {
				t.Errorf("bookmark after a whole sweep: %s", m.bookmarks["sweep"])
			}
			for account := range m.accounts {
				if swept := m.bookmarks[guard.SweptName(account, region)]; swept != "" {
					t.Errorf("%s counts as swept: %s", account, swept)
				}
			}
		})
	}
}

// Where nobody in a Region answers, AWS is down there, and no account is to blame; a single failure is none either.
func TestAnOutageOfARegionIsNoFindingOfEachAccount(t *testing.T) {
	m := organization(3, 10)
	for _, account := range m.fakeHub.accounts {
		m.accounts[account] = true
	}
	if err := m.sweeper().Sweep(t.Context()); err != nil || len(m.silent) > 0 {
		t.Errorf("findings %v, error %v", m.silent, err)
	}
	m = organization(3, 10)
	for i := range 9 { // its looks fail by something else: another call is answered
		m.broken["look "+arn("333333333301", fmt.Sprintf("s%03d", i))] = guard.ErrUnavailable
	}
	if err := m.sweeper().Sweep(t.Context()); err != nil || len(m.silent) > 0 || len(m.looked) != 30 {
		t.Errorf("findings %v, looked at %d, error %v", m.silent, len(m.looked), err)
	}
}

// slow is a hub whose looks take a while.
type slow struct {
	*mute
	account string
}

func (s slow) Look(ctx context.Context, ref guard.SecretRef, cause guard.Cause) (bool, error) {
	if ref.Account == s.account {
		time.Sleep(time.Millisecond)
	}
	return s.mute.Look(ctx, ref, cause)
}

// A large account gives way when its budget is spent, and goes on when the others had their turn: nothing of it is silent, nothing
// is left out.
func TestALargeAccountGivesWayAndGoesOn(t *testing.T) {
	m := organization(6, 40)
	const large = "333333333300"
	for i := range 2000 {
		m.secrets[large] = append(m.secrets[large], secret(large, fmt.Sprintf("x%04d", i)))
	}
	h := m.sweeper()
	h.Inspector, h.PerAccount = slow{m, large}, 10*time.Millisecond
	if err := h.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	slices.Sort(m.looked)
	if n := len(slices.Compact(m.looked)); n != 6*40+2000 || len(m.silent) > 0 {
		t.Errorf("%d secrets were inspected, want %d; silent %v", n, 6*40+2000, m.silent)
	}
	if m.bookmarks["sweep"] != mark("", "") || m.bookmarks[guard.SweptName(large, region)] == "" {
		t.Errorf("bookmark %s, swept %q", m.bookmarks["sweep"], m.bookmarks[guard.SweptName(large, region)])
	}
}

// A sweep of several accounts at a time, stopped again and again, goes on with each where it was.
func TestASweepOfSeveralAccountsGoesOnWhereEachWas(t *testing.T) {
	m := organization(9, 350)
	runs := 0
	for done := false; !done; runs++ {
		ctx, cancel := context.WithCancel(t.Context())
		looks := 0
		m.onLook = func(string) {
			if looks++; looks == 900 {
				cancel()
			}
		}
		if err := m.sweeper().Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		if raw := m.bookmarks["sweep"]; len(raw) > 100_000 {
			t.Errorf("a bookmark of %d bytes", len(raw))
		}
		if done = m.bookmarks["sweep"] == mark("", ""); runs > 12 {
			t.Fatal("it does not get on")
		}
	}
	looked := len(m.looked)
	slices.Sort(m.looked)
	if n := len(slices.Compact(m.looked)); n != 9*350 || runs < 3 || looked > 2*9*350 {
		t.Errorf("%d secrets in %d looks and %d runs, want %d", n, looked, runs, 9*350)
	}
}
