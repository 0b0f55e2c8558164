package front

import (
	"bytes"
	"net/url"

	"github.com/penstock/penstock/internal/problem"
)

// flagsPath is where everything of the OpenFeature Remote Evaluation Protocol is. Its clients know
// only its own shape of a refusal.
var flagsPath = []byte("/ofrep/v1/evaluate/flags")

func (s *Server) postFlags(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	noneMatch := string(c.ctx.Request.Header.Peek("If-None-Match"))
	c.sendFlags(evaluateFlags(body, noneMatch, s.level()))
	return nil
}

func (s *Server) postFlag(c *call) error {
	body, err := c.body()
	if err != nil {
		return err
	}
	c.sendFlags(evaluateFlag(flagKey(c.id), body, s.level()))
	return nil
}

func (c *call) sendFlags(answer flagsAnswer) {
	if answer.etag != "" {
		c.ctx.Response.Header.SetCanonical(headerETag, []byte(answer.etag))
	}
	if answer.status == 304 {
		c.ctx.SetStatusCode(304)
		return
	}
	c.buf = append(c.buf[:0], answer.body...)
	c.sendJSON(answer.status)
}

// flagKey reads the key of a flag as it stands in a path.
func flagKey(written []byte) string {
	if key, err := url.PathUnescape(string(written)); err == nil {
		return key
	}
	return string(written)
}

// sendFlagsRefusal answers a refusal in the shape of OFREP; false when the path is of something else.
func (c *call) sendFlagsRefusal(doc *problem.Problem, path []byte) bool {
	rest, ours := bytes.CutPrefix(path, flagsPath)
	if !ours || len(rest) > 0 && rest[0] != '/' {
		return false
	}
	key := ""
	if len(rest) > 0 {
		key = flagKey(rest[1:])
	}
	code, details := flagGeneral, doc.Detail
	switch doc.Code {
	case problem.NotFound:
		code, details = flagNotFound, noSuchFlag
	case problem.BadRequest, problem.UnsupportedMediaType:
		code = flagParseError
	}
	if details == "" {
		details = doc.Title
	}
	c.sendFlags(refuseFlags(doc.Status, key, code, details))
	return true
}
