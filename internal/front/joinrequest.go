package front

import "github.com/penstock/penstock/queue"

// joinRequest is what a newcomer says when asking for a place in line. Every member may be absent.
type joinRequest struct {
	joinToken string
	invite    string
}

// The members, and the parameters of the page of the same names.
const (
	memberJoinToken = "join_token"
	memberInvite    = "invite"
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
	case memberJoinToken:
		return r.stringInto(&j.joinToken)
	case memberInvite:
		return r.stringInto(&j.invite)
	default:
		return r.unknown(name)
	}
}

// joinFromQuery reads it from the address of the waiting-room page.
func (c *call) joinFromQuery() joinRequest {
	query := c.ctx.QueryArgs()
	return joinRequest{joinToken: string(query.Peek(memberJoinToken)), invite: string(query.Peek(memberInvite))}
}

// mayEnter judges a newcomer before a place is given, and says under which keys the place is kept.
func (s *Server) mayEnter(c *call, request joinRequest) (queue.Keyed, error) {
	return s.identify(c, request)
}
