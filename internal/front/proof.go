package front

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"

	"github.com/penstock/penstock/internal/address"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/proof"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// challengeField is the member of a problem document that has a challenge, and the one of the page's script.
const challengeField = "challenge"

// proofs is what a node needs to ask for proofs of work.
type proofs struct {
	keys  *proof.Keys // nil when nobody can be asked
	watch *proof.Watch
	used  *proof.Used
}

// getChallenge gives a challenge in ALTCHA's shape, as hard as it has to be for the visitor's address. Whoever can
// tell beforehand that a proof will be asked for saves one request.
func (s *Server) getChallenge(c *call) error {
	rec := c.entry.Record()
	if !rec.Bots.AsksForProofs() {
		return problem.With(problem.NotFound, "this sale asks for no proof of work")
	}
	if err := intact(c.entry); err != nil {
		return err
	}
	challenge, err := s.challenge(c, s.difficulty(c, s.cameFrom(c, &rec)))
	if err != nil {
		return err
	}
	text, err := json.Marshal(challenge)
	if err != nil {
		return err
	}
	c.buf = append(c.buf, text...)
	c.sendJSON(200)
	return nil
}

// challenge makes a challenge for whoever sent the request. The error is unavailable.
func (s *Server) challenge(c *call, difficulty proof.Difficulty) (proof.Challenge, error) {
	scope, err := s.scope(c)
	if err != nil {
		return proof.Challenge{}, err
	}
	return s.proofs.keys.Challenge(scope, difficulty, c.entry.Now()), nil
}

// scope is where a challenge of this request is good: for its address, or the IPv6 site around it.
func (s *Server) scope(c *call) (proof.Scope, error) {
	if s.proofs.keys == nil {
		return proof.Scope{}, problem.With(problem.Unavailable, "proofs of work cannot be checked here")
	}
	epoch, err := c.entry.Room().Epoch()
	return proof.Scope{Sale: c.entry.ID(), Requester: address.Site(s.visitorAddress(c)).String(), Epoch: epoch}, err
}

// origin is where a request came from.
type origin struct {
	proof.From // what proofs count by
	client     netip.Addr
}

func (s *Server) cameFrom(c *call, rec *sale.Record) origin {
	client := s.clientAddress(c, rec.Bots.Limits.Unforwarded)
	return origin{proof.From{Sale: rec.ID, Address: address.Site(client), Network: address.Network(client)}, client}
}

// difficulty is how much is asked of this request now.
func (s *Server) difficulty(c *call, from origin) proof.Difficulty {
	behaviour := s.proofs.watch.Lately(from.From, c.ctx.Time())
	behaviour.Datacentre = s.fromDatacentre(from.client)
	return proof.DifficultyFor(behaviour)
}

// judgeProof decides whether a newcomer has worked for a place, as far as the sale asks for it. Nil means yes. The
// result is empty when nothing is asked. Codes: proof_required, proof_invalid, unavailable.
func (s *Server) judgeProof(c *call, rec *sale.Record, text string, person []queue.PlaceKey) (result proofResult, err error) {
	from := s.cameFrom(c, rec)
	if !s.asksForProof(rec, from, person) || s.forMany(c) || s.keepsOwnPlace(c, person) {
		return "", nil
	}
	asked := s.difficulty(c, from)
	if text == "" && rec.Bots.Proof == sale.ProofSuspicious && asked == 0 {
		s.proofs.watch.Joined(from.From, c.ctx.Time())
		return "", nil
	}
	result, err = s.takeProof(c, text, asked)
	s.metrics.proofs.WithLabelValues(string(result)).Inc()
	switch result {
	case proofTaken:
		s.proofs.watch.Joined(from.From, c.ctx.Time())
		return result, nil
	case proofUnavailable:
		return result, err
	case proofMissing:
		return result, s.askForProof(c, problem.ProofRequired, "a proof of work is required: solve the challenge, and send the solution as proof", asked)
	case proofTooEasy:
		return result, s.askForProof(c, problem.ProofRequired, "much came from your network meanwhile: solve this harder challenge", asked)
	case proofExpired:
		return result, s.askForProof(c, problem.ProofInvalid, "the challenge has expired: solve this one", asked)
	default:
		s.proofs.watch.Refused(from.From, c.ctx.Time())
		return result, s.askForProof(c, problem.ProofInvalid, "this solves no challenge for you, or was used before: solve this one", s.difficulty(c, from))
	}
}

// asksForProof reports whether a newcomer may be asked for a proof of work. Where only those from data centres are, a
// customer for whom the shop vouches is not.
func (s *Server) asksForProof(rec *sale.Record, from origin, person []queue.PlaceKey) bool {
	return rec.Bots.Proof.On() || rec.Bots.Datacentres == sale.DatacentresProof && len(person) == 0 && s.fromDatacentre(from.client)
}

// keepsOwnPlace reports whether a customer, who has just signed in, brings the ticket of a place that then becomes
// theirs: no place is given.
func (s *Server) keepsOwnPlace(c *call, person []queue.PlaceKey) bool {
	if len(person) == 0 {
		return false
	}
	got, err := s.presented(c)
	return err == nil && got.decoy == nil && got.ticket.Flags&queue.FlagKeyed == 0 && s.view(c.entry, c.load, &got.held).State != queue.Missed
}

// proofResult is what became of a proof; the labels of a metric.
type proofResult string

const (
	proofTaken       proofResult = "taken"
	proofMissing     proofResult = "missing"
	proofTooEasy     proofResult = "too_easy"
	proofExpired     proofResult = "expired"
	proofUsed        proofResult = "used"
	proofInvalid     proofResult = "invalid"
	proofForged      proofResult = "forged"
	proofUnavailable proofResult = "unavailable"
)

func proofResults() []proofResult {
	return []proofResult{proofTaken, proofMissing, proofTooEasy, proofExpired, proofUsed, proofInvalid, proofForged, proofUnavailable}
}

// wrong reports whether what was brought is no solution, or no fresh one.
func (r proofResult) wrong() bool { return r == proofUsed || r == proofInvalid || r == proofForged }

// takeProof verifies a solution and takes it, once over all nodes. What Redis cannot tell is never taken for good. The
// error is that of proofUnavailable.
func (s *Server) takeProof(c *call, text string, asked proof.Difficulty) (proofResult, error) {
	scope, err := s.scope(c)
	if err != nil {
		return proofUnavailable, err
	}
	if text == "" {
		return proofMissing, nil
	}
	solution, err := s.proofs.keys.Verify(text, scope, c.entry.Now())
	switch {
	case errors.Is(err, proof.ErrExpired):
		return proofExpired, nil
	case errors.Is(err, proof.ErrForged):
		return proofForged, nil
	case err != nil:
		return proofInvalid, nil
	case s.proofs.used.Has(solution.ID):
		return proofUsed, nil
	case !solution.Difficulty.Enough(asked):
		return proofTooEasy, nil
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	return s.useProof(ctx, c.entry.Room(), scope, &solution)
}

func (s *Server) useProof(ctx context.Context, room *queue.Room, scope proof.Scope, solution *proof.Solution) (proofResult, error) {
	switch err := room.UseProof(ctx, solution.ID, scope.Epoch, solution.ExpiresAt); {
	case err == nil:
		s.proofs.used.Add(solution.ID)
		return proofTaken, nil
	case errors.Is(err, queue.ErrProofUsed):
		s.proofs.used.Add(solution.ID)
		return proofUsed, nil
	case errors.Is(err, queue.ErrProofExpired):
		return proofExpired, nil
	default:
		return proofUnavailable, err
	}
}

// askForProof is a refusal with a challenge.
func (s *Server) askForProof(c *call, code problem.Code, detail string, difficulty proof.Difficulty) error {
	challenge, err := s.challenge(c, difficulty)
	if err != nil {
		return err
	}
	return problem.With(code, detail, problem.F(challengeField, challenge))
}

// challengeOf is the challenge of a refusal as the page's script takes it; empty when there is none.
func challengeOf(doc *problem.Problem) string {
	for _, field := range doc.Fields {
		if challenge, ok := field.Value.(proof.Challenge); ok {
			text, _ := json.Marshal(challenge) // strings and numbers
			return string(text)
		}
	}
	return ""
}
