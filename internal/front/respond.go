package front

import (
	"encoding/json"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/penstock/penstock/internal/carddata"
	"github.com/penstock/penstock/internal/problem"
)

// Header names and values as bytes: fasthttp takes them without copying or normalising.
var (
	headerCacheControl   = []byte("Cache-Control")
	headerRetryAfter     = []byte("Retry-After")
	headerRequestID      = []byte("Penstock-Request-Id")
	headerAllow          = []byte("Allow")
	headerLocation       = []byte("Location")
	headerSetCookie      = []byte("Set-Cookie")
	headerWWWAuth        = []byte("Www-Authenticate")
	headerNoSniff        = []byte("X-Content-Type-Options")
	headerETag           = []byte("Etag")
	headerContentType    = []byte("Content-Type")
	valueNoStore         = []byte("no-store")
	valueNoSniff         = []byte("nosniff")
	valuePublicOneSecond = []byte("public, max-age=1")
	typeJSON             = []byte("application/json")
	typeProblem          = []byte(problem.ContentType)
	typeHTML             = []byte("text/html; charset=utf-8")
)

// sendJSON answers with what was appended to the call's buffer, for this caller only.
func (c *call) sendJSON(status int) {
	c.ctx.Response.Header.SetCanonical(headerCacheControl, valueNoStore)
	c.ctx.SetContentTypeBytes(typeJSON)
	c.ctx.SetStatusCode(status)
	c.ctx.Response.SetBody(c.buf)
}

func (c *call) sendNothing() {
	c.ctx.Response.Header.SetCanonical(headerCacheControl, valueNoStore)
	c.ctx.SetStatusCode(204)
}

// sendProblem answers with a problem document, or in the shape of OFREP where that is spoken.
func (c *call) sendProblem(doc *problem.Problem) {
	c.code = doc.Code
	h := &c.ctx.Response.Header
	c.setRetryAfter(doc)
	if doc.Code == problem.Unauthorized {
		h.SetCanonical(headerWWWAuth, []byte(`Bearer realm="penstock"`))
	}
	path := c.instance()
	if c.sendFlagsRefusal(doc, path) {
		return
	}
	c.buf = appendProblem(c.buf[:0], doc, path)
	h.SetCanonical(headerCacheControl, valueNoStore)
	c.ctx.SetContentTypeBytes(typeProblem)
	c.ctx.SetStatusCode(doc.Status)
	c.ctx.Response.SetBody(c.buf)
}

func (c *call) setRetryAfter(doc *problem.Problem) {
	if doc.RetryAfterSeconds > 0 {
		c.ctx.Response.Header.SetCanonical(headerRetryAfter, strconv.AppendInt(c.key[:0], int64(doc.RetryAfterSeconds), 10))
	}
}

// instance is the path of the request; empty when it is not known. Of a request that it could not
// read, or whose chunked body is too large, fasthttp keeps nothing, and makes up the path "/".
func (c *call) instance() []byte {
	path := c.ctx.URI().PathOriginal()
	if c.broken && string(path) == "/" && len(c.ctx.Request.Header.Host()) == 0 {
		return nil
	}
	if carddata.In(path) {
		return []byte(carddata.Mask(string(path)))
	}
	return path
}

// appendProblem writes what problem.Problem.MarshalJSON would, without the map: refusals are the
// commonest answers of all once a sale is sold out.
func appendProblem(b []byte, doc *problem.Problem, instance []byte) []byte {
	b = append(b, `{"type":`...)
	b = appendString(b, doc.Type)
	b = append(b, `,"title":`...)
	b = appendString(b, doc.Title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(doc.Status), 10)
	if doc.Detail != "" {
		b = append(b, `,"detail":`...)
		b = appendString(b, doc.Detail)
	}
	if len(instance) > 0 {
		b = append(b, `,"instance":`...)
		b = appendString(b, instance)
	}
	b = append(b, `,"code":`...)
	b = appendString(b, string(doc.Code))
	for i := range doc.Fields {
		b = appendField(b, &doc.Fields[i])
	}
	return append(b, '}')
}

// appendField adds an extension member; like problem.Problem, it lets none replace a standard one.
func appendField(b []byte, f *problem.Field) []byte {
	switch f.Name {
	case "type", "title", "status", "detail", "instance", "code":
		return b
	}
	b = append(b, ',')
	b = appendString(b, f.Name)
	b = append(b, ':')
	switch v := f.Value.(type) {
	case bool:
		return strconv.AppendBool(b, v)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case string:
		return appendString(b, v)
	default:
		encoded, err := json.Marshal(v)
		if err != nil {
			return append(b, "null"...)
		}
		return append(b, encoded...)
	}
}

const hexDigits = "0123456789abcdef"

// appendString writes a JSON string. What is not UTF-8 becomes U+FFFD, and "<" is escaped so that
// no answer can be taken for markup.
func appendString[T string | []byte](b []byte, text T) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(text); {
		ch := text[i]
		if ch >= ' ' && ch != '"' && ch != '\\' && ch != '<' && ch < utf8.RuneSelf {
			i++
			continue
		}
		b = append(b, text[start:i]...)
		size := 1
		switch {
		case ch == '"' || ch == '\\':
			b = append(b, '\\', ch)
		case ch < utf8.RuneSelf:
			b = append(b, '\\', 'u', '0', '0', hexDigits[ch>>4], hexDigits[ch&15])
		default:
			var r rune
			r, size = utf8.DecodeRuneInString(string(text[i:min(i+utf8.UTFMax, len(text))]))
			b = utf8.AppendRune(b, r)
		}
		i += size
		start = i
	}
	b = append(b, text[start:]...)
	return append(b, '"')
}

// appendTime writes a time in RFC 3339, UTC, with the milliseconds every store keeps.
func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, "2006-01-02T15:04:05.999Z")
	return append(b, '"')
}

func ceilSeconds(millis int64) int64 {
	return int64(math.Ceil(float64(millis) / 1000))
}
