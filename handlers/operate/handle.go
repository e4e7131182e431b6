package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/doublelock/doublelock/handlers"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/operator"
)

const (
	perInstruction = 100 * time.Second
	reserve        = 5 * time.Second // before the function's own deadline, to answer in time
	listedFor      = 20 * time.Second
)

// Handler carries out instructions.
type Handler struct {
	Machine  *migration.Engine
	Dispatch operator.Dispatch
	Operator string                   // unique id of the role whose sessions may ask; "": nobody may
	Session  func(name string) string // ARN of a session of that role
	Hides    handlers.Hides           // may be nil
	Now      func() time.Time
	Log      *slog.Logger

	mu     sync.Mutex
	jobs   []migration.Job // as they were listed last: whether a wave is halted
	listed time.Time
}

// Handle takes a batch of messages. One that could not be carried out now is named in the answer and comes again. None is
// put back as a new message: its sender would be this function.
func (h *Handler) Handle(ctx context.Context, batch events.SQSEvent) (events.SQSEventResponse, error) {
	return handlers.WhileAlive(ctx, batch, h.Hides, func(ctx context.Context) (events.SQSEventResponse, error) {
		return handlers.OneByOne(ctx, batch, reserve, nil, nil, h.one)
	})
}

func (h *Handler) one(ctx context.Context, message events.SQSMessage) error {
	by := h.sender(message)
	log := h.Log.With("message", message.MessageId, "by", by)
	if by == "" {
		log.WarnContext(ctx, "instruction", "action", "ignored", "reason", "its sender is no operator", "sender", message.Attributes["SenderId"])
		return nil
	}
	var in operator.Instruction
	err := json.Unmarshal([]byte(message.Body), &in)
	if err == nil {
		err = in.Validate()
	}
	if err != nil {
		log.ErrorContext(ctx, "instruction", "action", "failed", "error", err)
		return fmt.Errorf("read instruction: %w", err)
	}
	log = log.With("do", string(in.Do), "plan", in.Plan, "batch", in.Batch, "number", in.Number)
	ctx, cancel := context.WithTimeout(ctx, perInstruction)
	defer cancel()
	if ended, err := h.Dispatch.Ended(ctx, in); err != nil || ended {
		log.InfoContext(ctx, "instruction", "action", "ignored", "reason", "it was carried out before", "error", err)
		return err
	}
	out, err := h.carryOut(ctx, in, by)
	if err == nil {
		out.By, out.At = by, h.Now().UTC()
		err = h.Dispatch.End(ctx, in, out)
	}
	switch {
	case err != nil:
		log.WarnContext(ctx, "instruction", "action", "postponed", "error", err)
	case out.Problem != "":
		log.WarnContext(ctx, "instruction", "action", "refused", "secret", out.Secret, "reason", out.Problem)
	default:
		log.InfoContext(ctx, "instruction", "action", "done", "secret", out.Secret, "phase", string(out.Phase), "reason", out.Reason)
	}
	return err
}

// sender is the session of the operator who sent a message, "" for everybody else. SQS writes SenderId: the unique id of a
// role and the name of its session (API reference, ReceiveMessage).
func (h *Handler) sender(message events.SQSMessage) string {
	role, name, found := strings.Cut(message.Attributes["SenderId"], ":")
	if !found || name == "" || h.Operator == "" || role != h.Operator {
		return ""
	}
	return h.Session(name)
}

// carryOut does what is asked for. An error has the message come again; what cannot be done is the Problem of its outcome.
func (h *Handler) carryOut(ctx context.Context, in operator.Instruction, by string) (operator.Outcome, error) {
	e := *h.Machine
	e.By, e.Why = by, in.Reason
	var j migration.Job
	var err error
	switch in.Do {
	case operator.Record:
		return operator.Outcome{}, h.Dispatch.Record(ctx, in.Digest, operator.Recorded{Plan: in.Plan, Secrets: in.Secrets, By: by, At: h.Now().UTC()})
	case operator.Apply:
		return h.apply(ctx, &e, in)
	case operator.Resume:
		j, err = e.Excuse(ctx, in.Secret, in.Reason)
		h.moved(j)
	default:
		j, err = e.Rollback(ctx, in.Secret, in.Reason)
		h.moved(j)
	}
	out := operator.Outcome{Secret: in.Secret, Phase: j.Phase, Reason: j.Reason}
	switch {
	case err == nil:
	case errors.Is(err, migration.ErrLeft):
		out.Reason = err.Error()
	case comesAgain(err):
		return out, err
	default:
		out.Problem, out.Unchanged = err.Error(), errors.Is(err, migration.ErrNothingToUndo)
	}
	return out, nil
}

// comesAgain reports an error that passes by itself.
func comesAgain(err error) bool {
	return guard.Passing(err) || errors.Is(err, migration.ErrBusy) || errors.Is(err, guard.ErrConflict) || errors.Is(err, context.DeadlineExceeded)
}

// apply begins the secret of a part of a recorded plan, or goes on with it, as far as it can go now. Once its job is stored
// the sweep goes on with it, whatever comes between.
func (h *Handler) apply(ctx context.Context, e *migration.Engine, in operator.Instruction) (operator.Outcome, error) {
	a, err := h.assigned(ctx, in)
	out := operator.Outcome{Secret: a.Item.Secret}
	switch {
	case errors.Is(err, migration.ErrNotInPlan) || errors.Is(err, operator.ErrNotRecorded):
		out.Problem = err.Error()
		return out, nil
	case err != nil:
		return out, err
	}
	rules := a.Terms(in.Plan, e.Rules)
	if len(in.Windows) > 0 {
		rules = rules.WithWindows(in.Windows, e.By, h.Now())
	}
	j, err := e.Start(ctx, a.Item, in.Plan, rules)
	if err != nil {
		if comesAgain(err) {
			return out, err
		}
		out.Problem = err.Error()
		return out, nil
	}
	if in.GoAhead != "" && j.Waits() {
		if err := e.GoAhead(ctx, j.Secret, in.GoAhead); err != nil && !errors.Is(err, migration.ErrObserving) {
			return out, err
		}
	}
	out.Phase, out.Reason = j.Phase, j.Reason
	if j.Phase == migration.RolledBack {
		return out, nil
	}
	halted, err := h.halted(ctx, e, j)
	if err != nil {
		return out, err
	}
	if halted != "" && j.Phase == migration.Planned {
		out.Problem = halted
		return out, nil
	}
	e.Halt = func(migration.Job) string { return halted }
	j, step, err := e.Advance(ctx, j.Secret)
	h.moved(j)
	out.Phase, out.Reason, out.Until = j.Phase, j.Reason, step.Until
	if err != nil {
		out.Reason = "begun; the hub's sweep goes on within the hour: " + err.Error()
	}
	return out, nil
}

// assigned is what the recorded plan says is to be done.
func (h *Handler) assigned(ctx context.Context, in operator.Instruction) (migration.Assignment, error) {
	recorded, err := h.Dispatch.Recorded(ctx, in.Digest)
	if err != nil {
		return migration.Assignment{}, err
	}
	if recorded.Plan != in.Plan {
		return migration.Assignment{}, migration.ErrNotInPlan
	}
	return in.Part.Open(in.Digest)
}

// halted says why the wave of a secret must not go on, "" where it may.
func (h *Handler) halted(ctx context.Context, e *migration.Engine, j migration.Job) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.Now().Sub(h.listed).Abs() >= listedFor {
		jobs, _, err := migration.All(ctx, e.Store)
		if err != nil {
			return "", fmt.Errorf("list migrations: %w", err)
		}
		h.jobs, h.listed = jobs, h.Now()
	}
	return migration.Halted(h.jobs, j, e.Rules), nil
}

// moved keeps the list of jobs right about one that was just moved.
func (h *Handler) moved(j migration.Job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.jobs = slices.DeleteFunc(h.jobs, func(was migration.Job) bool { return was.Secret == j.Secret })
	if j.Revision > 0 {
		h.jobs = append(h.jobs, j)
	}
}
