package console

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"

	"github.com/penstock/penstock/internal/sale"
)

// limitFields are the figures of the limits, by the paths of their fields.
func limitFields(l *sale.Limits) map[string]*int {
	return map[string]*int{
		"bots.limits.joins_per_address":    &l.JoinsPerAddress,
		"bots.limits.joins_per_network":    &l.JoinsPerNetwork,
		"bots.limits.joins_per_key":        &l.JoinsPerKey,
		"bots.limits.actions_per_address":  &l.ActionsPerAddress,
		"bots.limits.actions_per_network":  &l.ActionsPerNetwork,
		"bots.limits.actions_per_ticket":   &l.ActionsPerTicket,
		"bots.limits.releases_per_address": &l.ReleasesPerAddress,
		"bots.limits.releases_per_network": &l.ReleasesPerNetwork,
	}
}

func fillBots(b sale.Bots) typed {
	f := typed{"bots.decoy": cmp.Or(string(b.Decoy), string(sale.DecoyLog)), "bots.proof": cmp.Or(string(b.Proof), string(sale.ProofOff)), "bots.datacentres": cmp.Or(string(b.Datacentres), string(sale.DatacentresLog)), "bots.limits.mode": string(b.Limits.Resolved().Mode), "bots.limits.unforwarded": strconv.FormatBool(b.Limits.Unforwarded)}
	for path, figure := range limitFields(&b.Limits) {
		f[path] = showLimit(*figure)
	}
	return f
}

func readBots(v url.Values) typed {
	fields := []string{"bots.decoy", "bots.proof", "bots.datacentres", "bots.limits.mode", "bots.limits.unforwarded"}
	for path := range limitFields(&sale.Limits{}) {
		fields = append(fields, path)
	}
	return readTyped(v, "bots.limits.mode", slices.Values(fields))
}

// bots lays what was typed over a sale. What is left empty is the default.
func (f *saleForm) bots(s *sale.Sale) {
	if f.Bots == nil {
		return
	}
	l := sale.Limits{Mode: sale.LimitMode(f.Bots["bots.limits.mode"]), Unforwarded: f.Bots["bots.limits.unforwarded"] == switchOn}
	if l.Mode == sale.LimitEnforce {
		l.Mode = "" // the default
	}
	for path, figure := range limitFields(&l) {
		*figure = int(f.number(path, f.Bots[path], true))
	}
	s.Bots = sale.Bots{Limits: l, Datacentres: sale.Datacentres(f.Bots["bots.datacentres"])}
	if s.Bots.Datacentres == sale.DatacentresLog {
		s.Bots.Datacentres = "" // the default
	}
	if asked := sale.Proof(f.Bots["bots.proof"]); asked != sale.ProofOff { // the default
		s.Bots.Proof = asked
	}
	if chosen := sale.Decoy(f.Bots["bots.decoy"]); chosen != sale.DecoyLog { // the default
		s.Bots.Decoy = chosen
	}
}
