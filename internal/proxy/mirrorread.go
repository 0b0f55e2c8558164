package proxy

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
)

// mirrorReader finds what a mirror asks for in one call.
type mirrorReader struct {
	head  *head
	body  []byte
	form  url.Values
	doc   any // of the body, once it was read as JSON
	read  bool
	reply func(name string) string // a header of the answer
}

// lines returns the items of a call; false when they are not where the mirror says.
func (r *mirrorReader) lines(m *mirror) (lines []MirroredLine, ok bool) {
	if m.items == "" {
		line, ok := r.line(m, nil)
		return []MirroredLine{line}, ok
	}
	found, ok := resolve(r.document(), m.items)
	list, isList := found.([]any)
	if !ok || !isList || len(list) == 0 || len(list) > maxMirrorLines {
		return nil, false
	}
	for _, member := range list {
		line, ok := r.line(m, member)
		if !ok {
			return nil, false
		}
		lines = append(lines, line)
	}
	return lines, true
}

// line reads an item and its quantity, within a member of the list if there is one.
func (r *mirrorReader) line(m *mirror, member any) (line MirroredLine, ok bool) {
	if line.SKU, ok = r.text(&m.sku, member); !ok || line.SKU == "" {
		return line, false
	}
	line.Quantity = 1
	if !m.quantity.given() {
		return line, true
	}
	text, ok := r.text(&m.quantity, member)
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if !ok || err != nil || n < 1 || n > maxMirrorNumber {
		return line, false
	}
	line.Quantity = n
	return line, true
}

// text returns what is at a source, or the value that holds when nothing is there; false when there is neither.
func (r *mirrorReader) text(s *source, within any) (string, bool) {
	text, found := "", false
	switch {
	case s.form != "":
		text, found = r.formField(s.form)
	case s.query != "":
		values, err := url.ParseQuery(string(r.head.query))
		text, found = values.Get(s.query), err == nil && values.Has(s.query)
	case s.json != "" && within != nil:
		text, found = textAt(within, s.json)
	case s.json != "":
		text, found = textAt(r.document(), s.json)
	case s.header != "":
		value := r.head.get(s.header)
		text, found = string(value), value != nil
	case s.replyHeader != "":
		text = r.reply(s.replyHeader)
		found = text != ""
	}
	if !found {
		text, found = s.value, s.value != ""
	}
	return text, found && len(text) <= maxMirrorText
}

func (r *mirrorReader) formField(name string) (string, bool) {
	if r.form == nil {
		kind, _, _ := bytes.Cut(r.head.get("Content-Type"), []byte(";"))
		if !bytes.EqualFold(bytes.TrimSpace(kind), []byte("application/x-www-form-urlencoded")) {
			return "", false
		}
		values, err := url.ParseQuery(string(r.body))
		if err != nil {
			return "", false
		}
		r.form = values
	}
	return r.form.Get(name), r.form.Has(name)
}

func (r *mirrorReader) document() any {
	if !r.read {
		r.read = true
		decoder := json.NewDecoder(bytes.NewReader(r.body))
		decoder.UseNumber()
		if decoder.Decode(&r.doc) != nil {
			r.doc = nil
		}
	}
	return r.doc
}

// textAt returns a text or a number at a JSON pointer.
func textAt(doc any, pointer string) (string, bool) {
	found, ok := resolve(doc, pointer)
	switch one := found.(type) {
	case string:
		return one, ok
	case json.Number:
		return one.String(), ok
	default:
		return "", false
	}
}

// isPointer reports whether a text is a JSON pointer (RFC 6901) to something within a document.
func isPointer(text string) bool {
	if !strings.HasPrefix(text, "/") || len(text) > maxMirrorText {
		return false
	}
	for i := range len(text) {
		if text[i] == '~' && (i+1 == len(text) || text[i+1] != '0' && text[i+1] != '1') {
			return false
		}
	}
	return true
}

// resolve follows a JSON pointer.
func resolve(doc any, pointer string) (any, bool) {
	for token := range strings.SplitSeq(pointer[1:], "/") {
		token = strings.ReplaceAll(strings.ReplaceAll(token, "~1", "/"), "~0", "~")
		switch within := doc.(type) {
		case map[string]any:
			next, there := within[token]
			if !there {
				return nil, false
			}
			doc = next
		case []any:
			i, err := strconv.Atoi(token)
			if err != nil || i < 0 || i >= len(within) || strconv.Itoa(i) != token {
				return nil, false
			}
			doc = within[i]
		default:
			return nil, false
		}
	}
	return doc, true
}
