package console

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/degrade"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/sales"
)

// The names of the acts in the audit trail.
const (
	actCreate   = "sale.create"
	actChange   = "sale.change"
	actDelete   = "sale.delete"
	actPause    = "sale.pause"
	actResume   = "sale.resume"
	actEnd      = "sale.end"
	actMessage  = "sale.message"
	actStock    = "sale.stock"
	actRelease  = "sale.release"
	actOverride = "level.override"
	actAddKey   = "key.create"
	actDropKey  = "key.delete"
	actRedrive  = "dead_letter.redrive"
	actShare    = "draw.share"

	actAddInvites    = "invites.add"
	actRevokeInvites = "invites.revoke"
)

// record writes one line of the audit trail. The act is done by then, so that a failure is loud in
// the log and nothing else: refusing afterwards would tell the caller a lie.
func (c *Console) record(ctx context.Context, who caller, action, saleID string, detail any) {
	text, err := json.Marshal(detail)
	if err == nil {
		// The act happened even if the caller has gone away meanwhile.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
		defer cancel()
		err = c.deps.Ledger.AppendAudit(ctx, ledger.Entry{
			AtMillis: c.deps.Now().UnixMilli(), Actor: actorName(who.Identity), Role: who.Role.String(),
			Action: action, Sale: saleID, Detail: text, IP: who.IP,
		})
	}
	if err != nil {
		c.deps.Log.ErrorContext(ctx, "an act is missing in the audit trail", "actor", actorName(who.Identity),
			"role", who.Role.String(), "action", action, "sale", saleID, "detail", string(text), "ip", who.IP, "error", err)
	}
}

// actorName is the key's name for people and its id for certainty: names need not be unique.
func actorName(i auth.Identity) string {
	if i.Name == i.KeyID {
		return i.KeyID
	}
	return i.Name + " (" + i.KeyID + ")"
}

func (c *Console) createSale(ctx context.Context, who caller, s sale.Sale) (sale.Record, error) {
	rec, err := c.deps.Sales.Create(ctx, s)
	if made(err) {
		c.record(ctx, who, actCreate, rec.ID, diff(nil, rec.Sale))
	}
	return rec, err
}

// made reports whether an act was done: without an error, or with one about a change that is kept.
func made(err error) bool { return err == nil || sales.Kept(err) }

// changeSale replaces a document. A sale that has begun is the operator's.
func (c *Console) changeSale(ctx context.Context, who caller, before sale.Record, s sale.Sale, ifVersion int64) (sale.Record, error) {
	if phase := c.deps.Sales.Phase(before); phase.Begun() || phase == sale.PhaseEnded {
		if !who.May(auth.Operator) {
			return sale.Record{}, needs(auth.Operator)
		}
	}
	after, err := c.deps.Sales.Replace(ctx, before.ID, s, ifVersion)
	if made(err) {
		c.record(ctx, who, actChange, after.ID, diff(before.Sale, after.Sale))
	}
	return after, err
}

// control pauses, resumes or ends a sale.
func (c *Console) control(ctx context.Context, who caller, id, action string) (sale.Record, error) {
	before, err := c.deps.Sales.Sale(ctx, id)
	if err != nil {
		return before, err
	}
	if action != actEnd && c.deps.Sales.Phase(before) == sale.PhaseEnded {
		return before, problem.With(problem.SaleIsLive, "the sale has ended")
	}
	after, err := c.deps.Sales.Control(ctx, id, func(hand *sale.Control) {
		was := *hand
		switch action {
		case actPause:
			hand.Paused = true
		case actResume:
			hand.Paused = false
		case actEnd:
			hand.Ended = true
		}
		if *hand != was {
			hand.Notice = hand.WithoutPhase()
		}
	})
	if made(err) {
		c.record(ctx, who, action, id, diff(before.Control, after.Control))
	}
	return after, err
}

// setMessage shows a message until a moment, or, without one, as long as the sale is in its present phase.
func (c *Console) setMessage(ctx context.Context, who caller, id, message string, until time.Time) (sale.Record, error) {
	if err := sale.ValidMessage(message); err != nil {
		return sale.Record{}, err
	}
	if !until.IsZero() && !until.After(time.Now()) {
		return sale.Record{}, problem.With(problem.BadRequest, "until: the moment has passed")
	}
	before, err := c.deps.Sales.Sale(ctx, id)
	if err != nil {
		return before, err
	}
	notice := sale.NewNotice(message, until, c.deps.Sales.PhaseByClock(before))
	after, err := c.deps.Sales.Control(ctx, id, func(hand *sale.Control) { hand.Notice = notice })
	if made(err) {
		c.record(ctx, who, actMessage, id, diff(before.Notice, after.Notice))
	}
	return after, err
}

// changeStock changes the units of several items of a sale, all or none; see [sales.Sales.ChangeStock].
func (c *Console) changeStock(ctx context.Context, who caller, id string, wanted []ledger.StockChange, dryRun bool) ([]sales.StockResult, bool, error) {
	results, done, err := c.deps.Sales.ChangeStock(ctx, id, wanted, dryRun)
	if !done {
		return results, done, err
	}
	found := changes{}
	for i := range results {
		r := &results[i]
		path := "items." + r.SKU + ".stock"
		switch {
		case r.From == r.To:
		case err != nil || made(r.Err) && r.Err != nil && r.To < r.From: // noted; the leader carries it out, or not if the units are held by then
			found[path+".pending"] = change{To: r.To}
		case made(r.Err):
			found[path] = change{From: r.From, To: r.To}
		}
	}
	if len(found) > 0 {
		c.record(ctx, who, actStock, id, found)
	}
	return results, done, err
}

// changeOneStock changes the units of one item. Its result comes with an error that is [sales.Kept] as well.
func (c *Console) changeOneStock(ctx context.Context, who caller, id string, wanted ledger.StockChange) (sales.StockResult, error) {
	results, _, err := c.changeStock(ctx, who, id, []ledger.StockChange{wanted}, false)
	if err != nil {
		return sales.StockResult{}, err
	}
	return results[0], results[0].Err
}

// removeSale removes a sale; its audit trail stays.
func (c *Console) removeSale(ctx context.Context, who caller, id string) error {
	before, err := c.deps.Sales.Sale(ctx, id)
	if err != nil {
		return err
	}
	if err := c.deps.Sales.Delete(ctx, id); err != nil {
		return err
	}
	c.record(ctx, who, actDelete, id, diff(before.Sale, nil))
	return nil
}

// override pins the level, or lifts the pin with nil. It needs Redis alone: with the ledger down
// only the audit trail suffers, and the log then has the entry.
func (c *Console) override(ctx context.Context, who caller, level *degrade.Level) error {
	before := c.deps.Board.State().Override
	if err := c.deps.Board.Override(ctx, level, actorName(who.Identity)); err != nil {
		return errors.Join(problem.With(problem.Unavailable, "the level could not be changed"), err)
	}
	c.record(ctx, who, actOverride, "", changes{"override": {From: levelName(before), To: levelName(level)}})
	return nil
}

func levelName(level *degrade.Level) any {
	if level == nil {
		return nil
	}
	return level.String()
}
