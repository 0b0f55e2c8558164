package console

import (
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

const wantShares = "enter a line for each party, with its name and its commitment, such as: shop and the 64 hex digits of a SHA-256"

// drawFields are the fields of a draw.
func drawFields() []string {
	return []string{
		"draw.beacon.urls", "draw.beacon.chain_hash", "draw.beacon.public_key", "draw.beacon.period", "draw.beacon.genesis_at",
		"draw.beacon.margin", "draw.shares", "draw.wait", "draw.if_missing",
	}
}

func fillDraw(d sale.DrawTerms) typed {
	f := typed{"draw.wait": "", "draw.if_missing": string(sale.WaitOn)}
	if b := d.Beacon; b != nil {
		f["draw.beacon.urls"], f["draw.beacon.chain_hash"], f["draw.beacon.public_key"] = strings.Join(b.URLs, "\n"), b.ChainHash, b.PublicKey
		f["draw.beacon.period"], f["draw.beacon.genesis_at"], f["draw.beacon.margin"] = b.Period.String(), b.GenesisAt.UTC().Format(time.RFC3339), b.Margin.String()
	}
	lines := make([]string, len(d.Shares))
	for i, share := range d.Shares {
		lines[i] = share.Party + " " + share.Commitment
	}
	f["draw.shares"] = strings.Join(lines, "\n")
	if !d.IsZero() {
		f["draw.wait"], f["draw.if_missing"] = d.Wait.String(), string(d.IfMissing)
	}
	return f
}

func readDraw(v url.Values) typed { return readTyped(v, "draw.shares", slices.Values(drawFields())) }

// draw lays what was typed over a sale. Once the doors are open, only where the beacon is asked may change.
func (f *saleForm) draw(s *sale.Sale) {
	if f.Draw == nil {
		return
	}
	urls := strings.Fields(f.Draw["draw.beacon.urls"])
	if f.Begun {
		if s.Draw.Beacon != nil && len(urls) > 0 {
			b := *s.Draw.Beacon
			b.URLs = urls
			s.Draw.Beacon = &b
		}
		return
	}
	d := sale.DrawTerms{Shares: f.shares()}
	if len(urls) > 0 {
		d.Beacon = &sale.Beacon{
			URLs: urls, ChainHash: f.Draw["draw.beacon.chain_hash"], PublicKey: f.Draw["draw.beacon.public_key"],
			Period: f.span("draw.beacon.period"), Margin: f.span("draw.beacon.margin"),
		}
		if text := f.Draw["draw.beacon.genesis_at"]; text != "" {
			at, err := time.Parse(time.RFC3339, text)
			if err != nil {
				f.fault("draw.beacon.genesis_at", "enter a moment such as 2023-08-23T15:09:27Z")
			}
			d.Beacon.GenesisAt = at
		}
	}
	if !d.IsZero() {
		d.Wait, d.IfMissing = f.span("draw.wait"), sale.IfMissing(f.Draw["draw.if_missing"])
	}
	s.Draw = d
}

// span reads a duration; empty is the default.
func (f *saleForm) span(field string) sale.Duration {
	text := f.Draw[field]
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		f.fault(field, "enter a duration such as 30s or 2m")
	}
	return sale.Duration(d)
}

// shares reads a line for each party.
func (f *saleForm) shares() (shares []sale.Share) {
	for line := range strings.Lines(f.Draw["draw.shares"]) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 2 {
			f.fault("draw.shares", wantShares)
			return nil
		}
		shares = append(shares, sale.Share{Party: words[0], Commitment: strings.ToLower(words[1])})
	}
	return shares
}
