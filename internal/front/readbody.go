package front

import (
	"bytes"
	"strconv"

	"github.com/penstock/penstock/internal/auth"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/queue"
)

var (
	headerAuthorization  = []byte("Authorization")
	headerIdempotencyKey = []byte("Idempotency-Key")
	headerEncoding       = []byte("Content-Encoding")
)

// openScope begins the scopes of those who come without a pass and without a key.
const openScope = "open"

// shop recognises a shop's backend by its API key. Named is false when the request carries none.
// Errors: unauthorized, forbidden.
func (s *Server) shop(c *call) (identity auth.Identity, named bool, err error) {
	key, found := auth.ShopKey(string(c.ctx.Request.Header.PeekCanonical(headerAuthorization)))
	if !found {
		return auth.Identity{}, false, nil
	}
	if s.Keys == nil {
		return auth.Identity{}, true, problem.Unauthorized
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	identity, err = s.Keys.Authenticate(ctx, key)
	if err != nil {
		return auth.Identity{}, true, err
	}
	if !identity.May(auth.Shop) {
		return auth.Identity{}, true, problem.With(problem.Forbidden, "this needs a key of the role shop")
	}
	return identity, true, nil
}

func keyScope(identity auth.Identity) string { return "key:" + identity.KeyID }

func passScope(pass queue.Pass) string { return "pass:" + strconv.FormatUint(uint64(pass.Ticket), 10) }

// customerScope tells the customers of an open sale apart: they bring nothing but their name.
func customerScope(customer string) string { return openScope + ":" + customer }

// body returns the body of a call, which is JSON whatever its type is said to be. Only a request
// with cookies must say so: another site can make a browser send those along with a body of no
// type or of a form's types, but not with this one. Errors: unsupported_media_type.
func (c *call) body() ([]byte, error) {
	body := c.ctx.PostBody()
	h := &c.ctx.Request.Header
	if len(body) > 0 && len(h.PeekCanonical(cookieHeader)) > 0 && !isJSON(h.ContentType()) {
		return nil, problem.With(problem.UnsupportedMediaType, "with cookies, send Content-Type: application/json")
	}
	if len(c.ctx.Request.Header.PeekCanonical(headerEncoding)) > 0 {
		return nil, problem.With(problem.UnsupportedMediaType, "send the body without Content-Encoding")
	}
	return body, nil
}

// readNothing makes sure that a call that takes nothing got nothing.
func (c *call) readNothing() error {
	body, err := c.body()
	if err != nil || len(body) == 0 {
		return err
	}
	return parseNothing(body)
}

// isJSON accepts application/json with any parameters.
func isJSON(contentType []byte) bool {
	if bytes.Equal(contentType, typeJSON) {
		return true
	}
	mediaType, _, _ := bytes.Cut(contentType, []byte(";"))
	return bytes.EqualFold(bytes.TrimSpace(mediaType), typeJSON)
}
