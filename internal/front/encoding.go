package front

import (
	"sync"

	"github.com/valyala/fasthttp"
)

// encoding is how a body is compressed on its way.
type encoding int

const (
	plain encoding = iota
	gzipped
	brotlied
)

const (
	// minCompressed is the size from which on a body is worth compressing: a smaller one travels in as many packets
	// without.
	minCompressed = 1024
	// The levels of a page are for what is made for one visitor, or often: most of the gain for little time. Those of a
	// file are for what is made once.
	pageBrotliLevel = 4
	pageGzipLevel   = 4
	fileBrotliLevel = fasthttp.CompressBrotliBestCompression
	fileGzipLevel   = fasthttp.CompressBestCompression
)

var (
	headerContentEncoding = []byte("Content-Encoding")
	valueAcceptEncoding   = []byte("Accept-Encoding")
	valueBrotli           = []byte("br")
	valueGzip             = []byte("gzip")
)

// accepts returns the best encoding that the visitor reads.
func (c *call) accepts() encoding {
	h := &c.ctx.Request.Header
	switch {
	case h.HasAcceptEncodingBytes(valueBrotli):
		return brotlied
	case h.HasAcceptEncodingBytes(valueGzip):
		return gzipped
	default:
		return plain
	}
}

func (c *call) setEncoding(as encoding) {
	h := &c.ctx.Response.Header
	h.AddBytesKV(headerVary, valueAcceptEncoding)
	switch as {
	case brotlied:
		h.SetCanonical(headerContentEncoding, valueBrotli)
	case gzipped:
		h.SetCanonical(headerContentEncoding, valueGzip)
	}
}

// compressPage compresses the body of a page that was made for one visitor.
func (c *call) compressPage() {
	body := c.ctx.Response.Body()
	if len(body) < minCompressed {
		return
	}
	as := c.accepts()
	switch as {
	case brotlied:
		c.buf = fasthttp.AppendBrotliBytesLevel(c.buf[:0], body, pageBrotliLevel)
		c.ctx.Response.SetBody(c.buf)
	case gzipped:
		c.buf = fasthttp.AppendGzipBytesLevel(c.buf[:0], body, pageGzipLevel)
		c.ctx.Response.SetBody(c.buf)
	}
	c.setEncoding(as)
}

// encoded is a body that nobody changes, in each encoding. A compressed one is made when it is first asked for.
type encoded struct {
	plain   []byte
	gzip    func() []byte
	brotli  func() []byte
	tooTiny bool
}

func newEncoded(body []byte, brotliLevel, gzipLevel int) *encoded {
	return &encoded{
		plain: body, tooTiny: len(body) < minCompressed,
		gzip:   sync.OnceValue(func() []byte { return fasthttp.AppendGzipBytesLevel(nil, body, gzipLevel) }),
		brotli: sync.OnceValue(func() []byte { return fasthttp.AppendBrotliBytesLevel(nil, body, brotliLevel) }),
	}
}

// sendEncoded answers with a body that nobody changes, compressed if that pays and the visitor reads it.
func (c *call) sendEncoded(contentType, cacheControl []byte, body *encoded) {
	if body.tooTiny {
		c.sendPublic(contentType, cacheControl, body.plain)
		return
	}
	as := c.accepts()
	c.setEncoding(as)
	switch as {
	case brotlied:
		c.sendPublic(contentType, cacheControl, body.brotli())
	case gzipped:
		c.sendPublic(contentType, cacheControl, body.gzip())
	default:
		c.sendPublic(contentType, cacheControl, body.plain)
	}
}
