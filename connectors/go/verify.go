package penstock

import (
	"context"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

const (
	passIssuer    = "penstock"
	maxTokenBytes = 1024
	// clockLeeway is by how much the clock of this server may be behind that of Penstock's Redis.
	clockLeeway = 5 * time.Second
)

// verify returns the pass of a token. It asks Penstock only for keys. The error is errRefused or errUnsure.
func (g *Gate) verify(ctx context.Context, token string) (Pass, error) {
	if !mayBeToken(token) {
		return Pass{}, errRefused
	}
	parsed, err := jwt.ParseSigned(token, []jose.SignatureAlgorithm{jose.EdDSA})
	if err != nil || len(parsed.Headers) != 1 {
		return Pass{}, errRefused
	}
	key, err := g.keys.find(ctx, parsed.Headers[0].KeyID, g.now())
	if err != nil {
		return Pass{}, err
	}
	var claims jwt.Claims
	if err := parsed.Claims(key, &claims); err != nil {
		return Pass{}, errRefused
	}
	expected := jwt.Expected{Issuer: passIssuer, AnyAudience: jwt.Audience{g.Sale}, Time: g.now()}
	if err := claims.ValidateWithLeeway(expected, clockLeeway); err != nil || claims.Expiry == nil {
		return Pass{}, errors.Join(errRefused, err)
	}
	return Pass{Token: token, Sale: g.Sale, Ticket: claims.ID, ExpiresAt: claims.Expiry.Time()}, nil
}
