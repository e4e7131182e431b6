// Package pause is doublelock pause and doublelock resume: the one brake on everything that the hub changes.
package pause

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/hub"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/settings"
	"github.com/doublelock/doublelock/shared/store"
)

// pausing is what the flags of pause and resume ask for.
type pausing struct {
	env            *command.Env
	config, reason string
}

// New is doublelock pause.
func New(env *command.Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "pause",
		Short: "Stop every change that the hub makes, at once and for all its functions",
		Long: `Pause sets the brake of the hub. Its functions read the brake before each change, and again right before the bytes go:
nothing is re-keyed, rotated, tagged, granted or set back until somebody lets go of it with doublelock resume. A call that AWS
has already is AWS's to end. Looking, recording and notifying go on.`,
		Example: `  doublelock pause changes --reason "INC-7: reads fail in shop"
  doublelock pause show`,
	}
	cmd.AddCommand(pauseChanges(env), pauseShow(env))
	return cmd
}

// NewResume is doublelock resume.
func NewResume(env *command.Env) *cobra.Command {
	p := &pausing{env: env}
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Let the hub make changes again after doublelock pause",
		Long: `Resume lets go of the brake that doublelock pause set. What waited goes on with the next sweep, within the hour. A reader that
lost access meanwhile is rescued when its next read is refused.

It takes the role doublelock-operator, or other credentials that may write the hub's table.

Exit codes: 0 changes are made, 1 an error.`,
		Example: `  doublelock resume --reason "INC-7: the key policy is mended"`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.turn(cmd.Context(), "resume", false) },
	}
	p.flags(cmd)
	return cmd
}

func pauseChanges(env *command.Env) *cobra.Command {
	p := &pausing{env: env}
	cmd := &cobra.Command{
		Use:   "changes",
		Short: "Stop every change of secrets, tags and grants",
		Long: `Changes stops all that the hub changes in accounts. Migrations stay in their phase: their clocks run, and people are notified as
ever. A reader that lost access is not rescued, and nobody can set a secret back, before doublelock resume; the page says so.
The pause has no end of its own: doctor fails and the alarm doublelock-paused stays on while it lasts.

It takes the role doublelock-operator, or other credentials that may write the hub's table.

Exit codes: 0 no change is begun any more, 1 an error.`,
		Example: `  doublelock pause changes --reason "INC-7: reads fail in shop"`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.turn(cmd.Context(), "pause changes", true) },
	}
	p.flags(cmd)
	return cmd
}

func pauseShow(env *command.Env) *cobra.Command {
	p := &pausing{env: env}
	cmd := &cobra.Command{
		Use:   "show",
		Short: "Show whether changes are paused, and who paused and resumed them",
		Long: `Show lists the last twenty times that somebody paused or resumed changes, the newest last.

Exit codes: 0 changes are made, 1 an error, 2 they are paused.`,
		Example: `  doublelock pause show -o json`,
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return p.show(cmd.Context()) },
	}
	output.Tabular(cmd)
	input.ConfigFlag(cmd, &p.config, input.OrEnvironment)
	return cmd
}

func (p *pausing) flags(cmd *cobra.Command) {
	input.ConfigFlag(cmd, &p.config, input.OrEnvironment)
	cmd.Flags().StringVar(&p.reason, "reason", "", "why, for everybody who asks what the hub waits for")
}

// mostReason keeps a reason short enough for every message that repeats it.
const mostReason = 200

// turn sets the brake or lets go of it. Two people at once are both answered what is true in the end.
func (p *pausing) turn(ctx context.Context, doing string, on bool) error {
	switch {
	case strings.TrimSpace(p.reason) == "":
		return fmt.Errorf("%s: say why: --reason TEXT", doing)
	case len(p.reason) > mostReason || output.Printable(p.reason) != p.reason:
		return fmt.Errorf("%s: --reason takes one line of at most %d characters", doing, mostReason)
	}
	c, brakes, err := hub.Open(ctx, p.env, p.config, "pause")
	if err != nil {
		return err
	}
	caller, err := c.Identity(ctx)
	if err != nil {
		return fmt.Errorf("%s: find out who asks: %w", doing, err)
	}
	for range 5 {
		b, err := brakes.Brake(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", doing, p.explained(err))
		}
		now := b.Now()
		if now.On == on {
			return p.say(now, false)
		}
		now = store.Turn{On: on, By: caller.ARN, At: p.env.Now().UTC(), Reason: p.reason}
		switch ok, err := brakes.SetBrake(ctx, b.Turned(now)); {
		case err != nil:
			return fmt.Errorf("%s: %w", doing, p.explained(err))
		case ok:
			return p.say(now, true)
		}
	}
	return fmt.Errorf("%s: others pause and resume at the same moment; see doublelock pause show", doing)
}

// explained adds the fix to what went wrong.
func (p *pausing) explained(err error) error {
	if _, is := errors.AsType[*store.Unreadable](err); is {
		return fmt.Errorf("%w; changes are paused until it is mended: see doublelock repair", err)
	}
	if errors.Is(err, guard.ErrDenied) || errors.Is(err, guard.ErrGone) { // no right to the table, or another account's credentials
		return fmt.Errorf("take the role %s of the security account: %w", settings.RoleOperator, err)
	}
	return err
}

// said is what is true of the brake.
type said struct {
	Paused  bool      `json:"paused"`
	Changed bool      `json:"changed"` // by this command
	By      string    `json:"by,omitempty"`
	At      time.Time `json:"at,omitzero"`
	Reason  string    `json:"reason,omitempty"`
}

func (p *pausing) say(t store.Turn, changed bool) error {
	if p.env.AsJSON() {
		return p.env.JSON(said{t.On, changed, t.By, t.At, t.Reason})
	}
	already := " already"
	if changed {
		already = ""
	}
	text := "changes are%s made; nobody ever paused them\n"
	switch {
	case t.On:
		text = "changes are%s paused, since %s by %s: %s\ndoublelock resume --reason TEXT lets them go on\n"
	case t.By != "":
		text = "changes are%s made, since %s by %s: %s\n"
	default:
		_, err := fmt.Fprintf(p.env.Text(), text, already)
		return err
	}
	_, err := fmt.Fprintf(p.env.Text(), text, already, t.At.Format(time.RFC3339), t.By, t.Reason)
	return err
}

func (p *pausing) show(ctx context.Context) error {
	_, brakes, err := hub.Open(ctx, p.env, p.config, "pause")
	if err != nil {
		return err
	}
	b, err := brakes.Brake(ctx)
	if err != nil {
		return fmt.Errorf("pause show: %w", p.explained(err))
	}
	if err := p.list(b.Turns); err != nil {
		return err
	}
	if b.Now().On {
		return command.Finding("changes are paused: doublelock resume --reason TEXT lets them go on")
	}
	return nil
}

func (p *pausing) list(turns []store.Turn) error {
	if p.env.AsJSON() {
		for _, t := range turns {
			if err := p.env.JSON(said{t.On, false, t.By, t.At, t.Reason}); err != nil {
				return err
			}
		}
		return nil
	}
	if len(turns) == 0 {
		_, err := fmt.Fprintln(p.env.Text(), "changes are made; nobody ever paused them")
		return err
	}
	rows := p.env.Rows("SINCE", "CHANGES ARE", "BY", "REASON")
	for _, t := range turns {
		state := "made"
		if t.On {
			state = "paused"
		}
		rows.Add(t.At.Format(time.RFC3339), state, t.By, t.Reason)
	}
	return rows.Print()
}
