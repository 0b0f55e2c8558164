package front

import (
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
)

var headerAuthorization = []byte("Authorization")

// mustShop is shop for calls that are for backends alone.
func (s *Server) mustShop(c *call) (*auth.Identity, error) {
	identity, err := s.shop(c)
	if err == nil && identity == nil {
		err = problem.With(problem.Unauthorized, "this needs an API key of the role shop")
	}
	return identity, err
}

// shop recognises a shop's backend by its API key. It is nil when the request carries none. Failures are
// limited by address. Whoever asks has set c.sale: a key may be limited to some sales. Errors: unauthorized,
// forbidden, rate_limited, unavailable.
func (s *Server) shop(c *call) (*auth.Identity, error) {
	key, found := auth.ShopKey(string(c.ctx.Request.Header.PeekCanonical(headerAuthorization)))
	if !found {
		return nil, nil
	}
	if s.door == nil {
		return nil, problem.Unauthorized
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	identity, err := s.door.Authenticate(ctx, key, s.visitorAddress(c), time.Now())
	if err != nil {
		return nil, err
	}
	if !identity.May(auth.Shop) {
		return nil, problem.With(problem.Forbidden, "this needs a key of the role shop")
	}
	if !identity.MayActOn(string(c.sale)) {
		return nil, problem.With(problem.Forbidden, "this API key is not for this sale")
	}
	return &identity, nil
}
