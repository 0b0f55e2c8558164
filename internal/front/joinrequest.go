package front

// joinRequest is what a newcomer says when asking for a place in line. Every member may be absent.
type joinRequest struct{}

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
	default:
		return r.unknown(name)
	}
}

// joinFromQuery reads it from the address of the waiting-room page.
func (c *call) joinFromQuery() joinRequest { return joinRequest{} }

// mayEnter judges a newcomer before a place is given.
func (s *Server) mayEnter(*call, joinRequest) error { return nil }
