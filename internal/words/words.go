// Package words is what visitors read, in their language.
//
// Each language is one file of languages/, with the same texts as the others. Nothing here knows a sale:
// which texts make a page is up to the front.
package words

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/message"

	"github.com/penstock/penstock/internal/sale"
)

//go:embed languages/*.json
var files embed.FS

// Book holds all languages. It is safe for concurrent use.
type Book struct {
	languages map[string]*Language
	all       []*Language
}

// Language is one of them.
type Language struct {
	Tag       string            `json:"-"` // such as "de"
	Name      string            `json:"name"`
	Direction string            `json:"direction"` // ltr or rtl
	Moments   string            `json:"moment"`
	Months    []string          `json:"months"`
	Forms     map[string]Forms  `json:"forms"`
	Texts     map[string]string `json:"texts"`

	tag     language.Tag
	printer *message.Printer
}

// Forms are the forms of a text that depends on a number, by their names in CLDR: one, few, other and so on.
type Forms map[string]string

// Open reads all languages.
func Open() (*Book, error) {
	book := &Book{languages: make(map[string]*Language)}
	for _, tag := range sale.PageLanguages {
		data, err := files.ReadFile("languages/" + tag + ".json")
		if err != nil {
			return nil, fmt.Errorf("words: %w", err)
		}
		l := &Language{Tag: tag}
		if err := json.Unmarshal(data, l); err != nil {
			return nil, fmt.Errorf("words: %s: %w", tag, err)
		}
		if l.tag, err = language.Parse(tag); err != nil {
			return nil, fmt.Errorf("words: %w", err)
		}
		// Digits are the same everywhere, so that what the script of a page writes looks like what it replaces.
		digits, err := l.tag.SetTypeForKey("nu", "latn")
		if err != nil {
			return nil, fmt.Errorf("words: %s: %w", tag, err)
		}
		l.printer = message.NewPrinter(digits)
		book.languages[tag] = l
		book.all = append(book.all, l)
	}
	return book, nil
}

// Offered returns the languages with these tags, in their order; of no tags, all.
func (b *Book) Offered(tags []string) []*Language {
	if len(tags) == 0 {
		return b.all
	}
	offered := make([]*Language, 0, len(tags))
	for _, tag := range tags {
		if l, there := b.languages[tag]; there {
			offered = append(offered, l)
		}
	}
	return offered
}

// maxAccept bounds how much of Accept-Language is read; browsers send far less.
const maxAccept = 256

// Choose returns the language for a visitor: of those offered, the first of the wishes that is one of them,
// else the one that fits the header Accept-Language best, else the first.
func Choose(offered []*Language, acceptLanguage string, wishes ...string) *Language {
	for _, wish := range wishes {
		for _, l := range offered {
			if l.Tag == wish {
				return l
			}
		}
	}
	if acceptLanguage == "" || len(acceptLanguage) > maxAccept {
		return offered[0]
	}
	wanted, _, err := language.ParseAcceptLanguage(acceptLanguage)
	if err != nil || len(wanted) == 0 {
		return offered[0]
	}
	tags := make([]language.Tag, 0, len(offered))
	for _, l := range offered {
		tags = append(tags, l.tag)
	}
	_, at, _ := language.NewMatcher(tags).Match(wanted...)
	return offered[at]
}

// Text returns a text. Of fill, each name is followed by what takes the place of {name}.
func (l *Language) Text(key string, fill ...string) string {
	return replace(l.Texts[key], fill)
}

func replace(text string, fill []string) string {
	for i := 0; i+1 < len(fill); i += 2 {
		text = strings.ReplaceAll(text, "{"+fill[i]+"}", fill[i+1])
	}
	return text
}
