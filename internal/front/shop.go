package front

import (
	"time"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
)

var headerAuthorization = []byte("Authorization")

// mustShop is shop for calls that are for backends alone.
func (s *Server) mustShop(c *call) (*auth.Identity, error) {
	identity, err := s.mustShopOfAnySale(c)
	if err == nil {
		err = mayActOn(identity, string(c.sale))
	}
	return identity, err
}

// mustShopOfAnySale is for calls that concern several sales. Whoever uses it asks mayActOn for each.
func (s *Server) mustShopOfAnySale(c *call) (*auth.Identity, error) {
	identity, err := s.shopKey(c)
	if err == nil && identity == nil {
		err = problem.With(problem.Unauthorized, "this needs an API key of the role shop")
	}
	return identity, err
}

// shop recognises a shop's backend by its API key, which must be good for the sale of the call. It is nil when
// the request carries none. Whoever asks has set c.sale. Errors: those of shopKey, forbidden.
func (s *Server) shop(c *call) (*auth.Identity, error) {
	identity, err := s.shopKey(c)
	if err == nil && identity != nil {
		err = mayActOn(identity, string(c.sale))
	}
	return identity, err
}

// mayActOn refuses a key that is limited to other sales (forbidden).
func mayActOn(identity *auth.Identity, saleID string) error {
	if !identity.MayActOn(saleID) {
		return problem.With(problem.Forbidden, "this API key is not for this sale")
	}
	return nil
}

// shopKey recognises a key of the role shop, of whatever sales. It is nil when the request carries none.
// Failures are limited by address. Errors: unauthorized, forbidden, rate_limited, unavailable.
func (s *Server) shopKey(c *call) (*auth.Identity, error) {
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
	return &identity, nil
}
