package migrate

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/cloud/queues"
	"github.com/doublelock/doublelock/shared/fleet/live/migrations"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/operator"
	"github.com/doublelock/doublelock/shared/settings"
)

// answerWithin is how long the hub is waited for after it answered last.
var answerWithin = time.Minute

const betweenLooks = 300 * time.Millisecond

// notAnswered is what is known of an instruction that the hub has taken no notice of yet.
const notAnswered = "asked of the hub, which has not answered yet: doublelock migrate status shows what comes of it"

// isOperator reports that the credentials are a session of the role by which people ask the hub, and remembers whose they are.
func (m *moving) isOperator(ctx context.Context) (bool, error) {
	caller, err := m.cloud.Identity(ctx)
	if err != nil {
		return false, fmt.Errorf("find out who asks for changes: %w", err)
	}
	m.caller = caller.ARN
	at := arn.Of(caller.ARN)
	hub := m.cloud.Options().HubAccount
	return at.Service == "sts" && strings.HasPrefix(at.Resource, "assumed-role/"+settings.RoleOperator+"/") && (hub == "" || at.Account == hub), nil
}

// mayNot is why whoever may neither change secrets nor ask for it does nothing.
func (m *moving) mayNot(account string) string {
	at := arn.Of(m.caller)
	hub := m.cloud.Options().HubAccount
	if hub == "" {
		hub = at.Account
	}
	return fmt.Sprintf("%s may not change secrets in %s, and only sessions of %s may ask the hub to: take that role (operations.operators says who may)",
		m.caller, account, arn.PartitionOf(m.cloud.Options().Region).Role(hub, settings.RoleOperator))
}

// recorded errs on a plan that no operator has recorded as it is, and else says who did.
func (m *moving) recorded(ctx context.Context, p migration.Plan) error {
	r, err := migrations.Dispatch(m.cloud, m.table()).Recorded(ctx, p.Digest)
	if errors.Is(err, operator.ErrNotRecorded) {
		return fmt.Errorf("migrate apply: plan %s: %w", p.ID, operator.ErrNotRecorded)
	}
	if err != nil {
		return err
	}
	m.env.Note("plan %s was recorded by %s at %s", p.ID, r.By, r.At.Format(time.RFC3339))
	return nil
}

// ask sends instructions to the hub and waits for what comes of them, by their numbers. One that is missing was not answered.
func (m *moving) ask(ctx context.Context, all []operator.Instruction) (map[int]operator.Outcome, error) {
	batch := rand.Text()
	var bodies []string
	for n, i := range all {
		i.Batch, i.Number = batch, n
		raw, err := json.Marshal(i)
		if err != nil {
			return nil, fmt.Errorf("write instruction: %w", err)
		}
		bodies = append(bodies, string(raw))
	}
	at := arn.Of(m.caller)
	queue := arn.PartitionOf(m.cloud.Options().Region).New("sqs", m.cloud.Options().Region, at.Account, settings.SessionPrefix+"operate").String()
	if err := queues.Send(ctx, m.cloud, queue, bodies); err != nil {
		return nil, fmt.Errorf("ask the hub: %w", err)
	}
	defer m.env.Wait("the hub")()
	return m.await(ctx, batch, len(all))
}

func (m *moving) await(ctx context.Context, batch string, n int) (map[int]operator.Outcome, error) {
	dispatch := migrations.Dispatch(m.cloud, m.table())
	tick := time.NewTicker(betweenLooks + time.Duration(n)*time.Millisecond)
	defer tick.Stop()
	for before, last := -1, time.Now(); ; {
		found, err := dispatch.Of(ctx, batch)
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("stopped; what was asked of the hub stays asked: %w", ctx.Err())
		case err != nil:
			return nil, fmt.Errorf("read what the hub answers: %w", err)
		case len(found) > before:
			before, last = len(found), time.Now()
		}
		if len(found) == n || time.Since(last) > answerWithin {
			return found, nil
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
