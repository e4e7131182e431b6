package sweep

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/doublelock/doublelock/shared/arn"
	"github.com/doublelock/doublelock/shared/guard"
	"github.com/doublelock/doublelock/shared/migration"
	"github.com/doublelock/doublelock/shared/store"
)

// rows opens a finding for every row of the hub's table that could not be read, and resolves that of a row that reads again,
// or that somebody repaired or discarded. found are the records of such findings that are open. A row whose finding could
// not be written does not hold up the others.
func (h *Handler) rows(ctx context.Context, found []guard.Record) error {
	var failed []error
	open := map[string]bool{} // by the ARN that stands for the row
	err := h.Records.Quarantined(ctx, func(q store.Quarantined) error {
		if !q.Open() {
			return nil
		}
		still, err := h.row(ctx, q)
		if err != nil {
			failed = append(failed, fmt.Errorf("row %s: %w", q.Copy, err))
		}
		open[h.rowARN(q.Copy)] = still || err != nil
		return nil
	})
	if err != nil {
		return errors.Join(append(failed, err)...)
	}
	for _, rec := range found {
		if open[rec.Resource] {
			continue
		}
		err := h.find(ctx, rec.Resource, func(rec guard.Record) guard.Record { return guard.ReconcileRowRead(rec, h.Now()) })
		if err != nil {
			failed = append(failed, fmt.Errorf("resolve %s: %w", rec.Resource, err))
		}
	}
	return errors.Join(failed...)
}

// row opens the finding of a row that was set aside. One that reads again ends, but not before its finding was opened: what
// was forgotten with it is worth a word all the same.
func (h *Handler) row(ctx context.Context, q store.Quarantined) (open bool, err error) {
	resource := h.rowARN(q.Copy)
	known, err := h.Records.Load(ctx, resource)
	if err != nil {
		return true, err
	}
	now, err := h.Records.Original(ctx, q)
	if err != nil {
		return true, err
	}
	switch {
	case known.Revision > 0 && h.reads(q, now):
		return false, h.Records.End(ctx, q.Copy, store.EndedReads)
	case known.Revision > 0 && !now.There && (store.MadeAnew(q.Kind) || q.Kind == store.KindOutbox):
		return false, h.Records.End(ctx, q.Copy, store.EndedAnew)
	}
	h.Log.ErrorContext(ctx, "read row", "copy", q.Copy, "kind", q.Kind, "id", q.ID, "action", "set aside", "reason", q.Reason)
	row := guard.Row{Copy: q.Copy, Kind: q.Kind, ID: q.ID, Reason: q.Reason, Blocks: migration.Blocks(q.Kind), Newer: q.Newer}
	return true, h.find(ctx, resource, func(rec guard.Record) guard.Record {
		return guard.ReconcileRow(rec, resource, h.Account, h.Home, row, h.Waivers, h.Now())
	})
}

// reads reports that a row can be read now, as what it is.
func (h *Handler) reads(q store.Quarantined, now store.Original) bool {
	if !now.There || now.Unreadable != nil {
		return false
	}
	if q.Kind != migration.DocumentKind {
		return true
	}
	_, err := migration.ReadJob(q.Group, q.ID, now.Body)
	return err == nil
}

// rowARN stands for a row of the table.
func (h *Handler) rowARN(copied string) string {
	return arn.PartitionOf(h.Home).New("dynamodb", h.Home, h.Account, "table/"+h.Table+"/row/"+copied).String()
}

// rounds bounds how often a record is written again because somebody else wrote first.
const rounds = 5

// find moves the record of a row and publishes what follows.
func (h *Handler) find(ctx context.Context, resource string, move func(guard.Record) guard.Record) error {
	for range rounds {
		err := h.findOnce(ctx, resource, move)
		if !errors.Is(err, guard.ErrConflict) {
			return err
		}
	}
	return fmt.Errorf("%w %d times", guard.ErrConflict, rounds)
}

func (h *Handler) findOnce(ctx context.Context, resource string, move func(guard.Record) guard.Record) error {
	rec, err := h.Records.Load(ctx, resource)
	if err != nil {
		return err
	}
	next := move(rec)
	if len(next.Outbox) == 0 {
		return nil
	}
	if len(next.Outbox) > len(rec.Outbox) {
		if err := h.Records.Save(ctx, next); err != nil {
			return err
		}
		next.Revision++
	}
	if err := h.Bus.Publish(ctx, next.Outbox); err != nil {
		return err
	}
	next.Outbox = nil
	return h.Records.Save(ctx, next) // a conflict starts over: what is published twice has one ID
}

// unread reports that a record is that of a row whose finding is open.
func unread(rec guard.Record) bool {
	return slices.ContainsFunc(rec.Open(), func(f guard.Finding) bool { return f.Control == guard.OrgStorage })
}
