package front

import (
	"bytes"

	"github.com/penstock/penstock/internal/problem"
)

var (
	headerIdempotencyKey = []byte("Idempotency-Key")
	headerEncoding       = []byte("Content-Encoding")
)

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
