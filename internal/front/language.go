package front

import (
	"strings"

	"github.com/penstock/penstock/internal/words"
)

// languageName is the parameter of a page and the cookie that say which language a visitor has chosen.
const languageName = "penstock_lang"

const languageCookieAgeSeconds = 365 * 24 * 60 * 60

// spoken is the language of a page and those that it can be had in.
type spoken struct {
	*words.Language
	offered []*words.Language
}

// language chooses the language of a page: what the address says, else what was chosen before, else what the browser
// asks for. A wish outranks them. The tags are those that the sale offers; none means all. A choice in the address is
// remembered.
func (s *Server) language(c *call, tags []string, wish string) spoken {
	offered := s.words.Offered(tags)
	if len(offered) == 0 {
		offered = s.words.Offered(nil)
	}
	asked := string(c.ctx.QueryArgs().Peek(languageName))
	before := string(cookieValue(c.ctx.Request.Header.PeekCanonical(cookieHeader), []byte(languageName+"=")))
	chosen := words.Choose(offered, string(c.ctx.Request.Header.Peek("Accept-Language")), wish, asked, before)
	if asked == chosen.Tag && asked != before {
		c.key = append(append(c.key[:0], languageName+"="...), asked...)
		c.keepPair(languageCookieAgeSeconds)
	}
	return spoken{Language: chosen, offered: offered}
}

// languageLink is a language that a page can be had in.
type languageLink struct {
	Tag, Name, Path string
	Current         bool
}

// languageLinks lead to the same page in each language that is offered.
func (c *call) languageLinks(spoken spoken) []languageLink {
	if len(spoken.offered) < 2 {
		return nil
	}
	var rest strings.Builder
	for pair := range strings.SplitSeq(string(c.ctx.URI().QueryString()), "&") {
		if pair != "" && !strings.HasPrefix(pair, languageName+"=") {
			rest.WriteString(pair + "&")
		}
	}
	links := make([]languageLink, 0, len(spoken.offered))
	for _, l := range spoken.offered {
		links = append(links, languageLink{Tag: l.Tag, Name: l.Name, Path: "?" + rest.String() + languageName + "=" + l.Tag, Current: l == spoken.Language})
	}
	return links
}
