package queue

import (
	"encoding/json"
	"slices"

	"github.com/penstock/penstock/internal/beacon"
	"github.com/penstock/penstock/internal/sale"
)

// drawPlan is what enters a draw besides the server's part. It is fixed when the room opens. The zero value is
// nothing else.
type drawPlan struct {
	Beacon     *beaconPlan    `json:"beacon,omitempty"`
	Shares     []sale.Share   `json:"shares,omitempty"`
	WaitMillis int64          `json:"wait_ms,omitempty"`
	IfMissing  sale.IfMissing `json:"if_missing,omitempty"`
}

type beaconPlan struct {
	ChainHash     string            `json:"chain_hash"`
	PublicKey     string            `json:"public_key"`
	Scheme        sale.BeaconScheme `json:"scheme"`
	PeriodMillis  int64             `json:"period_ms"`
	GenesisMillis int64             `json:"genesis_ms"`
	MarginMillis  int64             `json:"margin_ms"`
}

func planOf(d sale.DrawTerms) drawPlan {
	p := drawPlan{Shares: d.Shares, WaitMillis: d.Wait.Std().Milliseconds(), IfMissing: d.IfMissing}
	if b := d.Beacon; b != nil {
		p.Beacon = &beaconPlan{
			ChainHash: b.ChainHash, PublicKey: b.PublicKey, Scheme: b.Scheme, PeriodMillis: b.Period.Std().Milliseconds(),
			GenesisMillis: b.GenesisAt.UnixMilli(), MarginMillis: b.Margin.Std().Milliseconds(),
		}
	}
	return p
}

// text is the plan as Redis and the journal hold it; "" is that of nothing else.
func (p drawPlan) text() string {
	if p.empty() {
		return ""
	}
	return compact(p)
}

func (p drawPlan) empty() bool { return p.Beacon == nil && len(p.Shares) == 0 }

// readPlan reads what text wrote.
func readPlan(text string) (p drawPlan, err error) {
	if text == "" {
		return p, nil
	}
	err = json.Unmarshal([]byte(text), &p)
	return p, err
}

// compact writes what always marshals: texts and numbers.
func compact(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

func (b *beaconPlan) chain() beacon.Chain {
	return beacon.Chain{GenesisMillis: b.GenesisMillis, PeriodMillis: b.PeriodMillis}
}

func (b *beaconPlan) at(round uint64) int64 { return b.chain().At(round).UnixMilli() }

// planned is the round that is fixed beforehand: the first that is published at least the margin after the start.
func (b *beaconPlan) planned(startsMillis int64) uint64 {
	return b.chain().From(startsMillis + b.MarginMillis)
}

// published is the latest moment at which the count may be published for a round to be used. From then on too
// little of the margin is left.
func (b *beaconPlan) published(round uint64) int64 { return b.at(round) - b.MarginMillis/2 }

// roundFor is the round that is used when the count can be published now: the planned one, or, when it is too late
// for that one, the first that is published at least the margin from now.
func (p drawPlan) roundFor(startsMillis, nowMillis int64) uint64 {
	if p.Beacon == nil {
		return 0
	}
	if planned := p.Beacon.planned(startsMillis); nowMillis < p.Beacon.published(planned) {
		return planned
	}
	return p.Beacon.chain().From(nowMillis + p.Beacon.MarginMillis)
}

// latest is until when the count may be published for a round; 0 is at any time.
func (p drawPlan) latest(round uint64) int64 {
	if p.Beacon == nil {
		return 0
	}
	return p.Beacon.published(round)
}

// party returns which of the shares is a party's; -1 for none.
func (p drawPlan) party(name string) int {
	return slices.IndexFunc(p.Shares, func(s sale.Share) bool { return s.Party == name })
}
