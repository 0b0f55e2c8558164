package sale

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// The limits of a page.
const (
	MaxPageHeadline = 80
	MaxPageLead     = 300
	MaxOtherItems   = 6
	MaxPageName     = 80
)

// Page is how the waiting room of a sale looks and what it says besides what it says of itself.
type Page struct {
	// LogoURL is an image on an https address. Its host is the only one of which the page loads images,
	// besides those of the other items.
	LogoURL string      `json:"logo_url,omitempty"`
	Colours PageColours `json:"colours,omitzero"`
	// Texts replace what the page says, by language and then by state.
	Texts map[string]map[string]PageText `json:"texts,omitempty"`
	Links PageLinks                      `json:"links,omitzero"`
	// Languages are those that visitors can choose, the first for who reads none of them. None means all.
	Languages []string `json:"languages,omitempty"`
	// ShowStock shows visitors who wait how each item stands.
	ShowStock StockShown `json:"show_stock,omitempty"`
	// Sound lets visitors switch a sound on that tells them of their turn.
	Sound Switch `json:"sound"`
}

// StockShown says how visitors are told of what is left.
type StockShown string

// The ways. Only the last one tells anybody how many units there are.
const (
	StockHidden  StockShown = ""
	StockWords   StockShown = "words"
	StockNumbers StockShown = "numbers"
)

// stockOff is how a document may spell StockHidden.
const stockOff = "off"

// UnmarshalJSON reads off, words or numbers. It also reads the true and false of earlier versions, which had words
// only. What else it is told is kept for the validation to refuse.
func (s *StockShown) UnmarshalJSON(data []byte) error {
	switch string(data) {
	case "null":
	case "true":
		*s = StockWords
	case "false", `"` + stockOff + `"`:
		*s = StockHidden
	default:
		var text string
		if err := json.Unmarshal(data, &text); err != nil {
			return errors.New("page.show_stock is off, words or numbers, not " + string(data))
		}
		*s = StockShown(text)
	}
	return nil
}

// PageText is what the page says in one state. An empty member leaves the page's own words.
type PageText struct {
	Headline string `json:"headline,omitempty"`
	Lead     string `json:"lead,omitempty"`
}

// PageLinks lead from the page to the shop.
type PageLinks struct {
	Waitlist   string      `json:"waitlist,omitempty"`
	Terms      string      `json:"terms,omitempty"`
	Privacy    string      `json:"privacy,omitempty"`
	Support    string      `json:"support,omitempty"`
	OtherItems []OtherItem `json:"other_items,omitempty"`
}

// OtherItem is something that visitors of a sold out sale may like.
type OtherItem struct {
	Name  string `json:"name"`
	URL   string `json:"url"`
	Image string `json:"image,omitempty"`
}

// PageLanguages are the languages of the page. Package words has their texts.
var PageLanguages = []string{"en", "de", "fr", "es", "it", "pt", "nl", "pl", "tr", "ja", "zh", "ar"}

// PageStates are the states whose texts a sale can replace.
var PageStates = []string{
	"scheduled", "early", "waiting", "called", "admitted", "late", "missed", "paused", "held_out", "unlikely", "sold_out", "ended",
	"closed", "full", "blocked", "no_cookies", "proof", "returning",
}

func (s Sale) validatePage() error {
	p := s.Page
	if err := validPageAddress("page.logo_url", p.LogoURL); err != nil {
		return err
	}
	if err := p.Colours.validate("page.colours"); err != nil {
		return err
	}
	if err := p.validateTexts(); err != nil {
		return err
	}
	if err := p.Links.validate(); err != nil {
		return err
	}
	switch p.ShowStock {
	case StockHidden, StockWords, StockNumbers:
	default:
		return invalid("page.show_stock", "%q is not one of off, words, numbers", p.ShowStock)
	}
	for i, language := range p.Languages {
		field := fmt.Sprintf("page.languages[%d]", i)
		if !slices.Contains(PageLanguages, language) {
			return invalid(field, "%q is not one of %s", language, strings.Join(PageLanguages, ", "))
		}
		if slices.Contains(p.Languages[:i], language) {
			return invalid(field, "%q is there twice", language)
		}
	}
	return nil
}

func (p Page) validateTexts() error {
	for language, states := range p.Texts {
		if !slices.Contains(PageLanguages, language) {
			return invalid("page.texts", "%q is not one of %s", language, strings.Join(PageLanguages, ", "))
		}
		for state, text := range states {
			if !slices.Contains(PageStates, state) {
				return invalid("page.texts", "%s: %q is not one of %s", language, state, strings.Join(PageStates, ", "))
			}
			field := "page.texts." + language + "." + state
			if err := validPageText(field+".headline", text.Headline, MaxPageHeadline); err != nil {
				return err
			}
			if err := validPageText(field+".lead", text.Lead, MaxPageLead); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l PageLinks) validate() error {
	for _, link := range []struct{ name, address string }{
		{"waitlist", l.Waitlist}, {"terms", l.Terms}, {"privacy", l.Privacy}, {"support", l.Support},
	} {
		if err := validPageAddress("page.links."+link.name, link.address); err != nil {
			return err
		}
	}
	if len(l.OtherItems) > MaxOtherItems {
		return invalid("page.links.other_items", "at most %d items", MaxOtherItems)
	}
	for i, item := range l.OtherItems {
		field := fmt.Sprintf("page.links.other_items[%d]", i)
		if item.Name == "" || item.URL == "" {
			return invalid(field, "needs a name and an address")
		}
		if err := validPageText(field+".name", item.Name, MaxPageName); err != nil {
			return err
		}
		if err := validPageAddress(field+".url", item.URL); err != nil {
			return err
		}
		if err := validPageAddress(field+".image", item.Image); err != nil {
			return err
		}
	}
	return nil
}

// validPageText keeps markup out, so that nobody takes these texts for more than words.
func validPageText(field, text string, limit int) error {
	if err := validText(field, text, 0, limit); err != nil {
		return err
	}
	if strings.ContainsAny(text, "<>") {
		return invalid(field, "is plain text, without < and >")
	}
	return nil
}

// validPageAddress takes an https address, or none.
func validPageAddress(field, address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || len(address) > MaxURLLength || u.Scheme != "https" || !AllowedTarget(address) {
		return invalid(field, "want an https address with a host name in ASCII")
	}
	return nil
}
