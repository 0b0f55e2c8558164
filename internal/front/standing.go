package front

import (
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/salecache"
)

// unreadRetrySeconds is the Retry-After while this node does not know every sale. That takes a few
// seconds at most.
const unreadRetrySeconds = 1

// find looks a sale up. The error missing is returned only when it is certain that the sale does
// not exist. While this node may not know every sale, the error is unavailable.
func (s *Server) find(saleID string, missing error) (*salecache.Entry, error) {
	if entry := s.Sales.Get(saleID); entry != nil {
		entry.Touch() // so that the sale is kept fresh, on every node
		return entry, nil
	}
	if !s.Sales.Complete() {
		return nil, problem.Retry(problem.Unavailable, "this node does not know yet which sales there are; try again", unreadRetrySeconds)
	}
	return nil, missing
}

// intact returns an error while Redis does not hold the state of a sale. Nothing may be given out,
// taken or looked up in Redis then: what is missing there may exist. Polls, the public document,
// forward-auth and pages go on from memory.
func intact(entry *salecache.Entry) error {
	if entry.Ready() {
		return nil
	}
	return problem.Restoring()
}

// seen returns an error while this node has never seen the state of a sale. There is nothing in
// memory then from which a visitor could be told a place.
func seen(entry *salecache.Entry) error {
	if entry.Armed() {
		return nil
	}
	return intact(entry)
}
