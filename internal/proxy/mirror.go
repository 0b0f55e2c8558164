package proxy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// Why a call that a mirror looks at cannot be told.
const (
	UnseenBody       = "body"       // its body was too large, or was not sent to its end
	UnseenUnreadable = "unreadable" // item, quantity or customer were not where the mirror says
	UnseenUnclear    = "unclear"    // the status of the answer says neither yes nor no
	UnseenNoAnswer   = "no_answer"  // the shop did not answer
)

// Mirrored is a call of a visitor that a mirror has looked at, with what the shop made of it.
type Mirrored struct {
	Site, Sale string
	// Unseen says why the rest is not known; empty when it is.
	Unseen string
	// Accepted says that the shop said yes. Cancels says that it took back the sale that Reference names.
	Accepted, Cancels bool
	Customer          string // empty when the mirror does not look for it
	Lines             []MirroredLine
	Reference         string
	// OfShop says that the reference comes from the shop's answer: the same one is the same call.
	OfShop bool
	At     time.Time
}

// MirroredLine is a number of units of an item.
type MirroredLine struct {
	SKU      string
	Quantity int64
}

// The bounds of a mirror.
const (
	// MaxMirrorBody bounds the bodies that mirrors look into. Longer ones are passed on all the same.
	MaxMirrorBody   = 64 << 10
	maxMirrors      = 100
	maxMirrorLines  = 50
	maxMirrorText   = 256 // bytes of what is found at a source, and of the name of one
	maxMirrorNumber = 1_000_000_000
)

// mirror says which calls of a site are looked at, and where in them is what.
type mirror struct {
	pattern  pattern
	methods  []string
	sale     string
	accepted []int // empty: every 2xx
	refused  []int // empty: every 4xx
	cancels  bool
	items    string // a JSON pointer to a list; sku and quantity are then within its members
	sku      source
	quantity source
	customer source
	ref      source
}

// source is where in a call a text is to be found. With more than one, the value is what holds when the other is
// not there.
type source struct{ form, query, json, header, replyHeader, value string }

func (s *source) given() bool { return *s != source{} }

type fileMirror struct {
	Path      string     `yaml:"path"`
	Methods   []string   `yaml:"methods"`
	Sale      string     `yaml:"sale"`
	Accepted  []int      `yaml:"accepted"`
	Refused   []int      `yaml:"refused"`
	Cancels   bool       `yaml:"cancels"`
	Items     string     `yaml:"items"`
	SKU       fileSource `yaml:"sku"`
	Quantity  fileSource `yaml:"quantity"`
	Customer  fileSource `yaml:"customer"`
	Reference fileSource `yaml:"reference"`
}

type fileSource struct {
	Form        string `yaml:"form"`
	Query       string `yaml:"query"`
	JSON        string `yaml:"json"`
	Header      string `yaml:"header"`
	ReplyHeader string `yaml:"reply_header"`
	Value       string `yaml:"value"`
}

func (f *fileSite) compileMirrors() (all []mirror, err error) {
	if len(f.Mirror) > maxMirrors {
		return nil, fmt.Errorf("it has %d mirrors, want %d at most", len(f.Mirror), maxMirrors)
	}
	for i := range f.Mirror {
		m, err := f.Mirror[i].compile()
		if err != nil {
			return nil, fmt.Errorf("mirror %d: %w", i+1, err)
		}
		all = append(all, m)
	}
	return all, nil
}

func (f *fileMirror) compile() (m mirror, err error) {
	if !sale.ValidID(f.Sale) {
		return mirror{}, fmt.Errorf("sale: %q is not the id of a sale", f.Sale)
	}
	m = mirror{sale: f.Sale, accepted: f.Accepted, refused: f.Refused, cancels: f.Cancels, items: f.Items}
	if m.pattern, err = newCallGlob(f.Path); err != nil {
		return mirror{}, fmt.Errorf("path: %w", err)
	}
	for _, method := range f.Methods {
		if !isToken([]byte(method)) {
			return mirror{}, fmt.Errorf("methods: %q is no method", method)
		}
		m.methods = append(m.methods, strings.ToUpper(method))
	}
	if len(m.methods) == 0 {
		m.methods = []string{"POST"}
	}
	if err := checkStatuses(f.Accepted, f.Refused); err != nil {
		return mirror{}, err
	}
	if f.Items != "" && !isPointer(f.Items) {
		return mirror{}, fmt.Errorf("items: %q is no JSON pointer, write it like /cart/lines", f.Items)
	}
	for _, one := range []struct {
		name    string
		written fileSource
		into    *source
	}{{"sku", f.SKU, &m.sku}, {"quantity", f.Quantity, &m.quantity}, {"customer", f.Customer, &m.customer}, {"reference", f.Reference, &m.ref}} {
		if *one.into, err = one.written.compile(); err != nil {
			return mirror{}, fmt.Errorf("%s: %w", one.name, err)
		}
		if one.written.ReplyHeader != "" && one.name != "reference" {
			return mirror{}, fmt.Errorf("%s: reply_header is for the reference alone", one.name)
		}
	}
	return m, m.check()
}

// check makes sure that the mirror finds what it needs.
func (m *mirror) check() error {
	switch {
	case m.cancels && !m.ref.given():
		return errors.New("reference: a mirror of cancellations needs it")
	case m.cancels && (m.sku.given() || m.quantity.given() || m.customer.given() || m.items != ""):
		return errors.New("a mirror of cancellations has path, methods, sale, accepted, refused and reference alone")
	case !m.cancels && !m.sku.given():
		return errors.New("sku: is required")
	case m.items != "" && m.sku.json == "":
		return errors.New("sku: with items it is a JSON pointer within each of them")
	case m.items != "" && m.quantity.given() && m.quantity.json == "" && m.quantity.value == "":
		return errors.New("quantity: with items it is a JSON pointer within each of them, or a value")
	}
	return nil
}

func checkStatuses(accepted, refused []int) error {
	for _, status := range append(slices.Clone(accepted), refused...) {
		if status < 200 || status > 599 {
			return fmt.Errorf("accepted and refused: %d is no status of an answer", status)
		}
	}
	for _, status := range accepted {
		if slices.Contains(refused, status) {
			return fmt.Errorf("accepted and refused: %d is in both", status)
		}
	}
	return nil
}

func (f fileSource) compile() (source, error) {
	s := source{form: f.Form, query: f.Query, json: f.JSON, header: f.Header, replyHeader: f.ReplyHeader, value: f.Value}
	places := 0
	for _, name := range []string{s.form, s.query, s.json, s.header, s.replyHeader} {
		if name != "" {
			places++
		}
		if len(name) > maxMirrorText {
			return source{}, fmt.Errorf("a name is longer than %d bytes", maxMirrorText)
		}
	}
	switch {
	case places > 1:
		return source{}, errors.New("needs one of form, query, json, header and reply_header, and may have a value for when it is not there")
	case s.json != "" && !isPointer(s.json):
		return source{}, fmt.Errorf("json: %q is no JSON pointer, write it like /cart/sku", s.json)
	case s.header != "" && !isToken([]byte(s.header)), s.replyHeader != "" && !isToken([]byte(s.replyHeader)):
		return source{}, errors.New("header: it is no name of a header")
	case len(s.value) > maxMirrorText:
		return source{}, fmt.Errorf("value: is longer than %d bytes", maxMirrorText)
	}
	return s, nil
}

// mirrorOf returns the first mirror that looks at a request, or nil. A path that servers may read in different
// ways is looked at in each.
func (s *site) mirrorOf(h *head) *mirror {
	if len(s.mirrors) == 0 {
		return nil
	}
	paths := [][]byte{h.path}
	if !isPlain(h.path) {
		all, err := readings(h.path)
		if err != nil {
			return nil
		}
		paths = all
	}
	for i := range s.mirrors {
		m := &s.mirrors[i]
		if slices.Contains(m.methods, string(h.method)) && slices.ContainsFunc(paths, m.pattern.isExactly) {
			return m
		}
	}
	return nil
}

// decided says what a status means. Known is false when it says neither yes nor no.
func (m *mirror) decided(status int) (accepted, known bool) {
	switch {
	case slices.Contains(m.accepted, status):
		return true, true
	case slices.Contains(m.refused, status):
		return false, true
	case len(m.accepted) == 0 && status >= 200 && status < 300:
		return true, true
	case len(m.refused) == 0 && status >= 400 && status < 500:
		return false, true
	default:
		return false, false
	}
}
