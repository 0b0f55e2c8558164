package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/beacon"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// prepareDraw brings the draw forward as far as it goes, once the doors are open. Before each thing is shown, it
// is in the journal:
//
//  1. the seed, which is the server's part, and what else will enter: then the commitment is shown;
//  2. from the start on, the count of entrants in each lane, which the first write since has frozen, and the round
//     of the beacon: then the counts are shown;
//  3. which parts have entered: then the seed is shown, and places are told.
func (r *Room) prepareDraw(ctx context.Context, s *Snapshot, term int64) (*Snapshot, error) {
	if s.room.order != sale.Draw || s.room.drawKept || s.NowMillis < s.room.opens {
		return s, nil
	}
	if len(s.lanes) != s.room.lanes {
		return s, nil // this process does not know the sale's lanes yet, and would leave some of them out
	}
	for _, step := range []func(context.Context, *Snapshot, int64) (*Snapshot, bool, error){
		r.commitSeed, r.freezeCount, r.publishCount, r.completeDraw,
	} {
		next, on, err := step(ctx, s, term)
		if err != nil || !on {
			return next, err
		}
		s = next
	}
	return s, nil
}

func (r *Room) commitSeed(ctx context.Context, s *Snapshot, term int64) (next *Snapshot, on bool, err error) {
	if s.room.seedKept {
		return s, s.NowMillis >= s.room.starts, nil
	}
	if err := r.journalAll(ctx, recordDraw(s.room.seed, false, 0), recordPlan(s.Epoch, s.room.plan)); err != nil {
		return nil, false, err
	}
	next, err = r.writeAndRefresh(ctx, s, term, "1", "")
	if err != nil {
		return nil, false, err
	}
	if next.room.plan != s.room.plan { // the sale was changed in this moment
		if err := r.journalAll(ctx, recordPlan(next.Epoch, next.room.plan)); err != nil {
			return nil, false, err
		}
	}
	return next, next.NowMillis >= next.room.starts, nil
}

func (r *Room) freezeCount(ctx context.Context, s *Snapshot, term int64) (next *Snapshot, on bool, err error) {
	if s.room.drawn {
		return s, true, nil
	}
	next, err = r.writeAndRefresh(ctx, s, term, "", "")
	return next, err == nil && next.room.drawn, err
}

// publishCount journals the counts and the round before the counts are shown. The round is fixed in Redis first, so
// that the journal says what Redis says.
func (r *Room) publishCount(ctx context.Context, s *Snapshot, term int64) (next *Snapshot, on bool, err error) {
	if s.room.countKept > 0 {
		return s, true, nil
	}
	plan, err := readPlan(s.room.plan)
	if err != nil {
		return nil, false, fmt.Errorf("plan of the draw of %s: %w", r.saleID, err)
	}
	if plan.Beacon != nil && s.room.round == 0 {
		round := strconv.FormatUint(plan.roundFor(s.room.starts, s.NowMillis), 10)
		if err := r.drawStep(ctx, decimal(term), "round", round); err != nil {
			return nil, false, err
		}
		if s, err = r.reread(ctx); err != nil || s.room.round == 0 {
			return s, false, err
		}
	}
	if err := r.journalAll(ctx, recordFrozen(s)); err != nil {
		return nil, false, err
	}
	if err := r.drawStep(ctx, decimal(term), "count", decimal(plan.latest(s.room.round))); err != nil {
		return nil, false, err
	}
	if next, err = r.reread(ctx); err != nil || next.room.countKept == 0 {
		return next, false, err
	}
	// Should this fail, the moment is journaled with the parts. Lost before that, it is not known, and the report says so.
	if published := recordPublished(next); published != nil {
		err = r.journalAll(ctx, published)
	}
	return next, err == nil, err
}

func (r *Room) completeDraw(ctx context.Context, s *Snapshot, term int64) (next *Snapshot, on bool, err error) {
	if s.room.drawFinal == "" {
		plan, err := readPlan(s.room.plan)
		if err != nil {
			return nil, false, fmt.Errorf("plan of the draw of %s: %w", r.saleID, err)
		}
		parts, ready := plan.decide(s.room.parts(), s.room.countKept, s.NowMillis)
		if !ready {
			return s, false, nil
		}
		if err := r.drawStep(ctx, decimal(term), "decide", parts.text()); err != nil {
			return nil, false, err
		}
		if s, err = r.reread(ctx); err != nil || s.room.drawFinal == "" {
			return s, false, err
		}
	}
	records := [][]byte{recordFinal(s.Epoch, s.room.drawFinal)}
	if published := recordPublished(s); published != nil {
		records = append(records, published)
	}
	if err := r.journalAll(ctx, records...); err != nil {
		return nil, false, err
	}
	next, err = r.writeAndRefresh(ctx, s, term, "", "1")
	return next, err == nil, err
}

// parts are those that have come so far.
func (s *roomState) parts() drawParts {
	p := drawParts{Round: s.round, Signature: s.drawBeacon}
	for word := range strings.FieldsSeq(s.drawShares) {
		position, share, _ := strings.Cut(word, "=")
		if i, err := strconv.Atoi(position); err == nil && i >= 0 && i < sale.MaxShares {
			for len(p.Shares) <= i {
				p.Shares = append(p.Shares, "")
			}
			p.Shares[i] = share
		}
	}
	return p
}

// drawStep does one step of draw.lua. Whether it took effect is seen in the room.
func (r *Room) drawStep(ctx context.Context, term string, step ...string) error {
	status, err := statusOf(drawScript.Exec(ctx, r.deps.Redis, r.keys[:1], append([]string{term}, step...)))
	if err != nil {
		return fmt.Errorf("draw of %s: %w", r.saleID, err)
	}
	if status == "lost" {
		return r.advanceLost()
	}
	return nil
}

// BeaconWanted is a round that a draw waits for.
type BeaconWanted struct {
	Round     uint64
	ChainHash string
	PublicKey string
}

// WantsBeacon returns the round that the draw waits for, once it is published.
func (r *Room) WantsBeacon() (BeaconWanted, bool) {
	s := r.snap.Load()
	if !s.Ready || s.room.order != sale.Draw || s.room.countKept == 0 || s.room.drawFinal != "" || s.room.drawKept {
		return BeaconWanted{}, false
	}
	plan, err := readPlan(s.room.plan)
	if err != nil || plan.Beacon == nil || s.nowMillis() < plan.Beacon.at(s.room.round) {
		return BeaconWanted{}, false
	}
	want := BeaconWanted{Round: s.room.round, ChainHash: plan.Beacon.ChainHash, PublicKey: plan.Beacon.PublicKey}
	have := s.room.drawBeacon != "" && beacon.Verify(want.PublicKey, want.Round, s.room.drawBeacon)
	return want, !have
}

// GiveBeacon hands the signature of the round to the draw, which goes on with it at the next Advance. The leader of
// the term does it. A signature that is not that of the round is refused.
func (r *Room) GiveBeacon(ctx context.Context, term int64, of BeaconWanted, signature string) error {
	if !beacon.Verify(of.PublicKey, of.Round, signature) {
		return errors.New("the signature is not that of the round")
	}
	if s := r.snap.Load(); s.room.round != of.Round {
		return errors.New("the draw waits for another round")
	}
	if err := r.drawStep(ctx, decimal(term), "beacon", signature); err != nil {
		return err
	}
	return r.Refresh(ctx)
}

// GiveShare hands the share of a party, 32 bytes in hex, to the draw. It is taken only after the count of entrants
// was published: whoever could read an earlier one here could choose the count by it. It is idempotent. The error
// is draw_not_ready, share_refused or unavailable.
func (r *Room) GiveShare(ctx context.Context, party, share string) error {
	if err := r.Refresh(ctx); err != nil {
		return unavailable("give a share to the draw of "+r.saleID, err)
	}
	s := r.snap.Load()
	if !s.Ready {
		return r.lost()
	}
	plan, err := readPlan(s.room.plan)
	if err != nil {
		return unavailable("give a share to the draw of "+r.saleID, err)
	}
	share = strings.ToLower(share)
	i := plan.party(party)
	switch {
	case s.room.order != sale.Draw || i < 0:
		return problem.With(problem.ShareRefused, "no share of this party enters the draw")
	case s.room.countKept == 0:
		return problem.With(problem.DrawNotReady, "a share is taken after the start, once the count of entrants is published; keep it to yourself until then")
	case !fitsCommitment(share, plan.Shares[i].Commitment):
		return problem.With(problem.ShareRefused, "the share is not the one whose commitment was published")
	case s.room.parts().share(i) == share:
		return nil
	case s.room.drawFinal != "":
		return problem.With(problem.ShareRefused, "the draw was made without it: it came too late")
	}
	if err := r.journalAll(ctx, recordShare(s.Epoch, i, share)); err != nil {
		return err
	}
	if err := r.drawStep(ctx, "", "share", strconv.Itoa(i), share); err != nil {
		return unavailable("give a share to the draw of "+r.saleID, err)
	}
	return r.Refresh(ctx)
}

func (r *Room) journalAll(ctx context.Context, records ...[]byte) error {
	if r.deps.Journal == nil {
		return nil
	}
	if err := r.deps.Journal(ctx, r.saleID, records); err != nil {
		return unavailable("journal "+r.saleID, err)
	}
	return nil
}
