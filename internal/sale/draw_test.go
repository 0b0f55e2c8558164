package sale

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func drawSale() Sale {
	at := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	return Sale{
		ID: "drop", Name: "Drop", OpensAt: at.Add(-time.Hour), StartsAt: at, EndsAt: at.Add(time.Hour), Items: []Item{{SKU: "A", Stock: 1}},
		Admission: Admission{Order: Draw},
		Draw: DrawTerms{
			Beacon: &Beacon{URLs: []string{"https://api.drand.sh"}},
			Shares: []Share{{Party: "shop", Commitment: strings.Repeat("a1", 32)}},
		},
	}
}

func TestABeaconThatNamesNoChainIsThePublicOne(t *testing.T) {
	given := drawSale()
	s := given.WithDefaults()
	if err := s.Validate(); err != nil {
		t.Fatal(err)
	}
	b := s.Draw.Beacon
	if b.ChainHash != quicknetChain || b.PublicKey != quicknetKey || b.Period.Std() != 3*time.Second || b.Margin != DefaultMargin || s.Draw.Wait != DefaultDrawWait || s.Draw.IfMissing != WaitOn {
		t.Fatalf("%+v %+v", s.Draw, b)
	}
	if given.Draw.Beacon.ChainHash != "" {
		t.Fatal("the defaults were written into the document that was given")
	}
	again, err := Decode(EncodeRecord(Record{Sale: s, Version: 1}))
	if err != nil || !again.Draw.SameParts(s.Draw) {
		t.Fatalf("%+v %v", again.Draw, err)
	}
	bare, err := json.Marshal(Sale{})
	if err != nil || strings.Contains(string(bare), `"draw"`) {
		t.Fatalf("a sale without a draw says %s", bare)
	}
}

func TestADrawThatCannotBeMadeIsRefused(t *testing.T) {
	for field, change := range map[string]func(*Sale){
		"draw":                      func(s *Sale) { s.Admission.Order = FIFO },
		"draw.wait":                 func(s *Sale) { s.Draw.Wait = Duration(2 * time.Hour) },
		"draw.if_missing":           func(s *Sale) { s.Draw.IfMissing = "hope" },
		"draw.beacon.urls":          func(s *Sale) { s.Draw.Beacon.URLs = nil },
		"draw.beacon.urls[0]":       func(s *Sale) { s.Draw.Beacon.URLs[0] = "file:///etc/passwd" },
		"draw.beacon.urls[1]":       func(s *Sale) { s.Draw.Beacon.URLs = append(s.Draw.Beacon.URLs, "https://user:pass@host") },
		"draw.beacon.chain_hash":    func(s *Sale) { s.Draw.Beacon.ChainHash = "52DB" },
		"draw.beacon.public_key":    func(s *Sale) { s.Draw.Beacon.PublicKey = strings.Repeat("0", 96) },
		"draw.beacon.scheme":        func(s *Sale) { s.Draw.Beacon.Scheme = "pedersen-bls-chained" },
		"draw.beacon.period":        func(s *Sale) { s.Draw.Beacon.Period = Duration(1500 * time.Millisecond) },
		"draw.beacon.genesis_at":    func(s *Sale) { s.Draw.Beacon.GenesisAt = time.Time{} },
		"draw.beacon.margin":        func(s *Sale) { s.Draw.Beacon.Margin = Duration(time.Hour) },
		"draw.shares":               func(s *Sale) { s.Draw.Shares = make([]Share, MaxShares+1) },
		"draw.shares[0].party":      func(s *Sale) { s.Draw.Shares[0].Party = "the shop" },
		"draw.shares[0].commitment": func(s *Sale) { s.Draw.Shares[0].Commitment = strings.Repeat("A1", 32) },
		"draw.shares[1].party":      func(s *Sale) { s.Draw.Shares = append(s.Draw.Shares, Share{"shop", strings.Repeat("b1", 32)}) },
		"draw.shares[1].commitment": func(s *Sale) { s.Draw.Shares = append(s.Draw.Shares, Share{"brand", s.Draw.Shares[0].Commitment}) },
	} {
		s := drawSale().WithDefaults()
		change(&s)
		var wrong *Invalid
		if err := s.Validate(); !errors.As(err, &wrong) || wrong.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	s := drawSale().WithDefaults()
	s.Draw = DrawTerms{IfMissing: GoOn}
	if err := s.Validate(); err == nil {
		t.Error("a rule for what is missing, and nothing that could be")
	}
}

func TestOnlyWhereTheBeaconIsAskedIsNoPartOfTheDraw(t *testing.T) {
	a := drawSale().WithDefaults().Draw
	for name, c := range map[string]struct {
		change func(*DrawTerms)
		same   bool
	}{
		"urls":   {func(d *DrawTerms) { d.Beacon.URLs = []string{"https://drand.cloudflare.com"} }, true},
		"chain":  {func(d *DrawTerms) { d.Beacon.ChainHash = strings.Repeat("0", 64) }, false},
		"margin": {func(d *DrawTerms) { d.Beacon.Margin++ }, false},
		"none":   {func(d *DrawTerms) { d.Beacon = nil }, false},
		"shares": {func(d *DrawTerms) { d.Shares = nil }, false},
		"rule":   {func(d *DrawTerms) { d.IfMissing = GoOn }, false},
	} {
		b := drawSale().WithDefaults().Draw
		c.change(&b)
		if a.SameParts(b) != c.same || b.SameParts(a) != c.same {
			t.Errorf("%s: the same %v", name, !c.same)
		}
	}
}
