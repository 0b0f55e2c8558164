package front

import (
	"net/netip"

	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// judgement is what was found of a newcomer.
type judgement struct {
	taken bots.Taken
	// noticed is the rule by which the newcomer looks like a bot; empty when none does.
	noticed bots.Rule
	// refusal says why no place is given; nil means that one may be.
	refusal error
	// decoy says that who is refused is for the decoy line, if the sale has one.
	decoy bool
}

// judgeNewcomer is the one place where it is decided whether a newcomer may have a place, before an invite is used up
// for it. Person are the keys of a customer for whom the shop vouches: where such a one comes from does not matter.
// Whoever turns out to have a place already, or gets none, is not counted: see settle.
func (s *Server) judgeNewcomer(c *call, rec *sale.Record, request *joinRequest, person []queue.PlaceKey) judgement {
	j := s.judgeOrigin(c, rec, person)
	if j.refusal != nil && !j.getsDecoy(rec) {
		s.proofs.watch.Refused(s.cameFrom(c, rec).From, c.ctx.Time())
		return j
	}
	result, err := s.judgeProof(c, rec, request.proof, person) // a decoy costs as much work as a place
	if err == nil {
		return j
	}
	j.refusal, j.noticed, j.decoy = err, "", result == proofForged && mayGetDecoy(c, rec, person)
	if result.wrong() {
		j.noticed = bots.WrongProof
	}
	if j.getsDecoy(rec) {
		s.limitAsDecoy(c, rec, &j)
	}
	return j
}

// judgeOrigin judges a newcomer by where they come from, and by how many came from there.
func (s *Server) judgeOrigin(c *call, rec *sale.Record, person []queue.PlaceKey) (j judgement) {
	rules := rec.Bots.Limits.Resolved()
	who := bots.Who{Sale: rec.ID, Address: s.clientAddress(c, rules.Unforwarded), Holder: customerOf(person)}
	if s.fromDatacentre(who.Address) && !s.forMany(c) {
		j.noticed = bots.Datacentre
		if rec.Bots.Datacentres == sale.DatacentresRefuse && len(person) == 0 {
			j.refusal = problem.With(problem.JoinRefused, "this sale takes nobody in from the networks of data centres")
			j.decoy = mayGetDecoy(c, rec, person)
			if !j.getsDecoy(rec) {
				return j
			}
			who.Sale = decoysOf(rec)
		}
	}
	s.limitJoin(c, &j, who, rules)
	return j
}

// limitJoin takes a place of what the limits leave to a newcomer, or refuses.
func (s *Server) limitJoin(c *call, j *judgement, who bots.Who, rules sale.Limits) {
	if rules.Mode == sale.LimitNone {
		return
	}
	j.taken = s.limits.Join(who, rules, c.ctx.Time())
	if !c.route.forPeople {
		c.tellLimit(&j.taken)
	}
	if !j.taken.Refused() || s.forMany(c) {
		return
	}
	refusal := s.overLimit(c, &j.taken, rules.Mode)
	if refusal != nil || j.refusal == nil {
		j.noticed = j.taken.Tightest
	}
	if refusal != nil {
		j.refusal, j.decoy = refusal, false
	}
}

func (s *Server) fromDatacentre(client netip.Addr) bool {
	return s.Datacentres != nil && client.IsValid() && s.Datacentres.Contains(client)
}

// settle counts a newcomer by what became of them. What was taken for somebody who got nothing new is given back.
func (s *Server) settle(c *call, j *judgement, gotNew bool, refused error) {
	saleID, now := c.entry.ID(), c.ctx.Time()
	if gotNew {
		j.taken.Keep(now)
	}
	switch {
	case gotNew && j.refusal != nil:
		s.Newcomers.Note(saleID, j.noticed, bots.Decoyed)
	case gotNew && j.noticed == "":
		s.Newcomers.Note(saleID, "", bots.Joined)
	case gotNew:
		s.Newcomers.Note(saleID, j.noticed, bots.Noted)
	default:
		j.taken.GiveBack(now)
		if refused != nil && refused == j.refusal && j.noticed != "" { //nolint:errorlint // the very same
			s.Newcomers.Note(saleID, j.noticed, bots.Blocked)
			if j.decoy {
				s.Newcomers.Note(saleID, j.noticed, bots.WouldDecoy)
			}
		}
	}
}

// customerOf names a customer of the shop in the limits; empty for somebody who said nothing.
func customerOf(person []queue.PlaceKey) string {
	if len(person) == 0 {
		return ""
	}
	return string(person[0][:])
}
