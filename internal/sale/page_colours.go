package sale

import (
	"cmp"
	"math"
	"regexp"
	"strconv"
)

// minContrast is what WCAG 2.2 asks of text for level AA (1.4.3).
const minContrast = 4.5

// PageColours are the colours of the page in both schemes of a browser.
type PageColours struct {
	Light Palette `json:"light,omitzero"`
	Dark  Palette `json:"dark,omitzero"`
}

// Palette are the colours of one scheme, written as #rrggbb. What is left out is as in a page without colours.
type Palette struct {
	Background string `json:"background,omitempty"` // of the page
	Surface    string `json:"surface,omitempty"`    // of the card
	Text       string `json:"text,omitempty"`
	Muted      string `json:"muted,omitempty"` // of what is said less loudly
	Accent     string `json:"accent,omitempty"`
	OnAccent   string `json:"on_accent,omitempty"` // of text on a button
}

// DefaultColours are those of a page without colours. static/penstock.css has them too.
func DefaultColours() PageColours {
	return PageColours{
		Light: Palette{Background: "#faf9f7", Surface: "#ffffff", Text: "#1b1a18", Muted: "#63605a", Accent: "#1f4d3f", OnAccent: "#ffffff"},
		Dark:  Palette{Background: "#131312", Surface: "#1b1b19", Text: "#eeece7", Muted: "#a5a19a", Accent: "#8fcdb8", OnAccent: "#10211b"},
	}
}

var colourPattern = regexp.MustCompile(`^#[0-9a-f]{6}$`)

// Over lays the colours that are there over others.
func (p Palette) Over(under Palette) Palette {
	return Palette{
		Background: cmp.Or(p.Background, under.Background), Surface: cmp.Or(p.Surface, under.Surface), Text: cmp.Or(p.Text, under.Text),
		Muted: cmp.Or(p.Muted, under.Muted), Accent: cmp.Or(p.Accent, under.Accent), OnAccent: cmp.Or(p.OnAccent, under.OnAccent),
	}
}

func (c PageColours) validate(field string) error {
	unset := DefaultColours()
	if err := c.Light.validate(field+".light", unset.Light); err != nil {
		return err
	}
	return c.Dark.validate(field+".dark", unset.Dark)
}

// validate refuses a palette in which text cannot be read.
func (p Palette) validate(field string, under Palette) error {
	for _, one := range []struct{ name, colour string }{
		{"background", p.Background}, {"surface", p.Surface}, {"text", p.Text}, {"muted", p.Muted}, {"accent", p.Accent}, {"on_accent", p.OnAccent},
	} {
		if one.colour != "" && !colourPattern.MatchString(one.colour) {
			return invalid(field+"."+one.name, "want a colour as # and six of 0-9 and a-f, such as #1f4d3f")
		}
	}
	whole := p.Over(under)
	for _, pair := range []struct{ name, text, on, ground string }{
		{"text", whole.Text, "surface", whole.Surface},
		{"text", whole.Text, "background", whole.Background},
		{"muted", whole.Muted, "surface", whole.Surface},
		{"muted", whole.Muted, "background", whole.Background},
		{"accent", whole.Accent, "surface", whole.Surface},
		{"accent", whole.Accent, "background", whole.Background},
		{"on_accent", whole.OnAccent, "accent", whole.Accent},
	} {
		if ratio := contrast(pair.text, pair.ground); ratio < minContrast {
			return invalid(field+"."+pair.name, "%s %s on %s %s has a contrast of %.2f:1; text that everybody can read needs %.1f:1",
				pair.name, pair.text, pair.on, pair.ground, math.Floor(ratio*100)/100, minContrast)
		}
	}
	return nil
}

// contrast is the contrast ratio of WCAG 2.2 of two colours.
func contrast(one, other string) float64 {
	a, b := luminance(one), luminance(other)
	return (max(a, b) + 0.05) / (min(a, b) + 0.05)
}

// luminance is the relative luminance of WCAG 2.2 of a colour that the pattern matches.
func luminance(colour string) float64 {
	channel := func(at int) float64 {
		n, _ := strconv.ParseUint(colour[at:at+2], 16, 8)
		c := float64(n) / 255
		if c <= 0.04045 {
			return c / 12.92
		}
		return math.Pow((c+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(1) + 0.7152*channel(3) + 0.0722*channel(5)
}
