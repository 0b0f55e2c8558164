package proxy

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// Retry-After of refusals, in seconds.
const (
	retryBusySeconds = 2
	retryDownSeconds = int(breakerOpen / time.Second)
)

// errShopDown is the refusal while no server of a shop can be reached.
func errShopDown() error {
	return problem.Retry(problem.ShopUnreachable, "the shop does not answer; your place and your pass are kept", retryDownSeconds)
}

// upstream is a shop: one server, or several that take turns.
type upstream struct {
	servers []*server
	turn    atomic.Uint32
	host    string // the Host header that the shop gets; "" for the visitor's
}

// attempt is a connection for one exchange, with the report that its server's breaker waits for.
type attempt struct {
	*link
	server   *server
	report   func(error)
	detached bool // it takes no place among the connections any more
}

// connect takes a connection to the next server that is up. A server that cannot be reached is reported, and
// the next is tried: nothing has been sent yet. Errors: shop_unreachable, overloaded.
func (u *upstream) connect(ctx context.Context, sure bool) (attempt, error) {
	start := int(u.turn.Add(1) % uint32(len(u.servers)))
	var last error
	for i := range u.servers {
		s := u.servers[(start+i)%len(u.servers)]
		if s.sick.Load() && u.someWell() {
			continue
		}
		one, err := s.attempt(ctx, false, sure)
		if err == nil {
			return one, nil
		}
		last = err
	}
	var refusal *problem.Refusal
	if errors.As(last, &refusal) {
		return attempt{}, last
	}
	return attempt{}, errors.Join(errShopDown(), last)
}

// someWell reports whether a health check found a server well. Without one, all are tried: a check may be
// wrong.
func (u *upstream) someWell() bool {
	for _, s := range u.servers {
		if !s.sick.Load() {
			return true
		}
	}
	return false
}

// attempt connects to the server unless its breaker is open.
func (s *server) attempt(ctx context.Context, fresh, sure bool) (attempt, error) {
	report, err := s.breaker.Allow()
	if err != nil {
		return attempt{}, err
	}
	l, err := s.connect(ctx, fresh, sure)
	switch {
	case errors.Is(err, problem.Overloaded), ctx.Err() != nil:
		report(nil) // says nothing about the server
		return attempt{}, err
	case err != nil:
		report(err)
		return attempt{}, err
	}
	return attempt{link: l, server: s, report: report}, nil
}

// detach gives the place of a connection away that will never be kept and may last long.
func (a *attempt) detach() {
	<-a.server.slots
	a.detached = true
}

// end puts the connection away. Failure is what the server did wrong, if anything.
func (a *attempt) end(reusable bool, failure error) {
	a.report(failure)
	if a.detached {
		_ = a.Close()
		return
	}
	a.server.giveBack(a.link, reusable && failure == nil)
}
