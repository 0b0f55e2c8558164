package front

import (
	"bytes"
	"fmt"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/queue"
)

// joinRequest is what a newcomer says when asking for a place in line. Every member may be absent.
type joinRequest struct {
	items     []string // SKUs that the visitor came for
	named     bool     // items was there, if only as an empty list
	joinToken string
	invite    string
	proof     string // of work
	keepLate  bool   // a turn that was missed is kept as long as it can be taken up
}

// The members, and the parameters of the page of the same names.
const (
	memberJoinToken = "join_token"
	memberInvite    = "invite"
	memberProof     = "proof" // not in the address of the page: its form sends it
)

// readJoin reads it from the body of a call.
func (c *call) readJoin() (joinRequest, error) {
	var request joinRequest
	body, err := c.body()
	if err != nil || len(body) == 0 {
		return request, err
	}
	r := &reader{data: body}
	if r.space(); r.pos == len(body) {
		return request, nil
	}
	err = r.document(func(name string) error { return request.member(r, name) })
	return request, err
}

// member reads one member.
func (j *joinRequest) member(r *reader, name string) error {
	switch name {
	case "items":
		j.named = true
		return r.array(name, queue.MaxInterest, func() error {
			sku, err := r.text()
			j.items = append(j.items, sku)
			return err
		})
	case memberJoinToken:
		return r.stringInto(&j.joinToken)
	case memberInvite:
		return r.stringInto(&j.invite)
	case memberProof:
		return r.stringInto(&j.proof)
	default:
		return r.unknown(name)
	}
}

// joinFromQuery reads it from the address of the waiting-room page, and the proof from its form.
func (c *call) joinFromQuery() joinRequest {
	query := c.ctx.QueryArgs()
	request := joinRequest{
		joinToken: string(query.Peek(memberJoinToken)), invite: string(query.Peek(memberInvite)), proof: string(c.ctx.PostArgs().Peek(memberProof)),
	}
	for sku := range bytes.SplitSeq(query.Peek("items"), []byte(",")) {
		// A link that names what is not on sale still leads to a place.
		if len(request.items) < queue.MaxInterest && c.entry.Record().ItemIndex(string(sku)) >= 0 {
			request.items, request.named = append(request.items, string(sku)), true
		}
	}
	return request
}

// interest returns what the visitor came for. Error: unknown_sku.
func (c *call) interest(request joinRequest) (queue.Interest, error) {
	if len(request.items) == 0 {
		return queue.Interest{}, nil
	}
	rec := c.entry.Record()
	for _, sku := range request.items {
		if rec.ItemIndex(sku) < 0 {
			return queue.Interest{}, problem.With(problem.UnknownSKU, fmt.Sprintf("the sale has no item %.64q", sku))
		}
	}
	return c.entry.Room().InterestIn(request.items), nil
}

// rename gives the ticket the items that its holder has named since, if any. The place stays.
func (s *Server) rename(c *call, ticket queue.Ticket, request joinRequest) (_ queue.Ticket, changed bool, err error) {
	wanted, err := c.interest(request)
	if err != nil || !request.named || wanted == ticket.Interest {
		return ticket, false, err
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	ticket, err = c.entry.Room().ChangeInterest(ctx, ticket, wanted)
	return ticket, err == nil, err
}
