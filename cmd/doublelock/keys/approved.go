package keys

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/doublelock/doublelock/cmd/doublelock/command"
	"github.com/doublelock/doublelock/cmd/doublelock/input"
	"github.com/doublelock/doublelock/cmd/doublelock/output"
	"github.com/doublelock/doublelock/shared/inventory"
	"github.com/doublelock/doublelock/shared/keyreview"
	"github.com/doublelock/doublelock/shared/preventive"
	"github.com/doublelock/doublelock/shared/trail"
)

// runKeysApproved lists the keys that carry what approves keys: what an SCP that is attached from now on cannot take back.
func runKeysApproved(ctx context.Context, env *command.Env, access *inventory.Access, config string, trails []string) error {
	c, name, err := input.Config(env, config)
	if err != nil {
		return err
	}
	approvals := preventive.ApprovalsIn(c)
	if len(approvals.Aliases)+len(approvals.Tags) == 0 {
		return command.Fail("keys review --approved: no alias and no tag approves keys in %s", name)
	}
	approved := c.Runtime().Approved
	approved.Aliases = approvals.Aliases
	carriers := keyreview.Carriers(access.Snapshot(), approved)
	broken, err := readTrails(ctx, env, trails, func(r trail.Record) { keyreview.Attribute(carriers, r.Change) })
	if err != nil {
		return err
	}
	if err := writeCarriers(env, carriers, approvals); err != nil {
		return fmt.Errorf("write keys: %w", err)
	}
	input.NoteUnread(env, access.Snapshot().Unread)
	doubted := 0
	for _, k := range carriers {
		if mayApprove(k, approvals) != "yes" {
			doubted++
		}
	}
	fmt.Fprintf(env.Stderr, "%s what approves them or may, %d not known to be by somebody who may approve\n", output.Count(len(carriers), "key carries", "keys carry"), doubted)
	switch {
	case broken > 0:
		return command.Fail("%s could not be read, see above", output.Count(broken, "part of the input", "parts of the input"))
	case doubted > 0:
		return command.Found()
	}
	return nil
}

// mayApprove says whether whoever gave a key what it carries is one that may approve: yes, no or unknown.
func mayApprove(k keyreview.Carrier, approvals preventive.Approvals) string {
	if k.Doubted() || cmp.Or(k.Given.Actor.RoleARN, k.Given.Actor.ARN) == "" {
		return "unknown"
	}
	who := cmp.Or(k.Given.Actor.RoleARN, k.Given.Actor.ARN)
	if approvals.Approver(who) {
		return "yes"
	}
	return "no"
}

func writeCarriers(env *command.Env, carriers []keyreview.Carrier, approvals preventive.Approvals) error {
	table := env.Rows("KEY", "CARRIES", "SINCE", "CALL", "BY", "MAY APPROVE")
	for _, k := range carriers {
		what, since, call, who := "not read: aliases or tags", "", "", ""
		if k.By != "" {
			what = string(k.By) + " " + k.Name
		}
		if k.Given != nil && !k.Doubted() {
			since, call, who = k.Since().UTC().Format(time.RFC3339), k.Given.EventName, k.Given.Actor.String()
		}
		if env.AsJSON() {
			if err := env.JSON(carrierJSON{k.Key, string(k.By), k.Name, since, call, who, mayApprove(k, approvals)}); err != nil {
				return err
			}
			continue
		}
		table.Add(k.Key, what, since, call, who, mayApprove(k, approvals))
	}
	if env.AsJSON() {
		return nil
	}
	return table.Print()
}

type carrierJSON struct {
	Key        string `json:"key"`
	Carries    string `json:"carries"` // alias or tag; "" where they were not read
	Name       string `json:"name,omitempty"`
	Since      string `json:"since,omitempty"` // RFC 3339; "" where no record says so
	Call       string `json:"call,omitempty"`
	By         string `json:"by,omitempty"`
	MayApprove string `json:"mayApprove"` // yes, no or unknown
}
