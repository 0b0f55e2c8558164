package front

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"sync"

	"github.com/penstock/penstock/internal/health"
	"github.com/penstock/penstock/internal/problem"
)

//go:embed openapi.yaml
var openAPI []byte

var (
	typeYAML        = []byte("application/yaml")
	typeJWKS        = []byte("application/jwk-set+json")
	valuePublicHour = []byte("public, max-age=3600")
	// valuePublicFiveMinutes is how old a cached key set may be: a next secret must have been
	// published for as long before it signs.
	valuePublicFiveMinutes = []byte("public, max-age=300")
)

// getSale sends the public document: the same bytes for everybody, made once per refresh, and fit
// for a cache in front of us.
func (s *Server) getSale(c *call) error {
	if err := seen(c.entry); err != nil {
		return err
	}
	document := c.entry.Document()
	if len(document) < minCompressed {
		c.sendPublic(typeJSON, valuePublicOneSecond, document)
		return nil
	}
	c.sendEncoded(typeJSON, valuePublicOneSecond, s.documents.of(string(c.sale), document))
	return nil
}

// getNotice sends what the operator says to those who wait. Every open page reads it again and again, so it is small,
// and whoever has it already is told no more than that.
func (s *Server) getNotice(c *call) error {
	if err := seen(c.entry); err != nil {
		return err
	}
	notice, etag := c.entry.Notice()
	c.ctx.Response.Header.SetCanonical(headerETag, []byte(etag))
	if matches(string(c.ctx.Request.Header.Peek("If-None-Match")), etag) {
		c.ctx.Response.Header.SetCanonical(headerCacheControl, valuePublicOneSecond)
		c.ctx.SetStatusCode(304)
		return nil
	}
	c.sendPublic(typeJSON, valuePublicOneSecond, notice)
	return nil
}

// documents are the large public documents of sales, compressed once for each content.
type documents struct{ latest sync.Map }

// of returns a document as it was compressed when it was first asked for.
func (d *documents) of(saleID string, document []byte) *encoded {
	if kept, there := d.latest.Load(saleID); there && bytes.Equal(kept.(*encoded).plain, document) {
		return kept.(*encoded)
	}
	fresh := newEncoded(document, pageBrotliLevel, pageGzipLevel)
	d.latest.Store(saleID, fresh)
	return fresh
}

func (s *Server) getOpenAPI(c *call) error {
	c.sendEncoded(typeYAML, valuePublicHour, s.pages.openAPI)
	return nil
}

// getJWKS sends the public keys with which anyone verifies passes.
func (s *Server) getJWKS(c *call) error {
	c.sendPublic(typeJWKS, valuePublicFiveMinutes, s.Passes.JWKS())
	return nil
}

// smallBodyBytes is up to where a body is copied into the response's own buffer, which costs less
// than to swap that buffer; a larger one, such as the API's description, is sent as it is.
const smallBodyBytes = 16 << 10

// sendPublic answers with bytes that nobody changes.
func (c *call) sendPublic(contentType, cacheControl, body []byte) {
	c.ctx.Response.Header.SetCanonical(headerCacheControl, cacheControl)
	c.ctx.SetContentTypeBytes(contentType)
	if len(body) <= smallBodyBytes {
		c.ctx.Response.SetBody(body)
		return
	}
	c.ctx.Response.SetBodyRaw(body)
}

func (s *Server) getHealth(c *call) error {
	c.buf = append(c.buf, `{"status":"ok"}`...)
	c.sendJSON(200)
	return nil
}

// getReady tells a load balancer whether to send visitors here, and people how each part is doing.
func (s *Server) getReady(c *call) error {
	readiness := health.Readiness{}
	if s.Ready != nil {
		readiness = s.Ready()
	}
	if readiness.Reason != "" {
		return problem.With(problem.Unavailable, readiness.Reason, problem.F("parts", readiness.Parts))
	}
	body, err := json.Marshal(readiness)
	if err != nil {
		return err
	}
	c.buf = append(c.buf, body...)
	c.sendJSON(200)
	return nil
}
