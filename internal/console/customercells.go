package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// member is one value of a JSON document of the shop. The name of a value within another is the way to it,
// with dots: address.city, or phones.2 for the second of a list.
type member struct{ name, text string }

// maxMembersBytes bounds what the values of a document take with their names: 32,767 characters fit into a cell of
// a spreadsheet. The way to a value is repeated for each one, so that a short document could fill the memory.
const maxMembersBytes = 32 << 10

var errManyMembers = errors.New("the names and values of the document do not fit into a cell")

// members are the values of a document, in its own order. A null says nothing and is left out. A document whose
// values take more than maxMembersBytes is one value.
func members(doc json.RawMessage) []member {
	if len(doc) == 0 {
		return nil
	}
	reader := memberReader{dec: json.NewDecoder(bytes.NewReader(doc))}
	reader.dec.UseNumber()
	if reader.value("") != nil { // it is too long; that it is JSON was checked when it was accepted
		return []member{{name: "document", text: string(doc)}}
	}
	return reader.found
}

type memberReader struct {
	dec   *json.Decoder
	found []member
	bytes int // of found
}

func (r *memberReader) value(name string) error {
	token, err := r.dec.Token()
	if err != nil {
		return err
	}
	switch token {
	case json.Delim('{'), json.Delim('['):
		return r.inside(name, token == json.Delim('['))
	case nil:
		return nil
	}
	one := member{name, fmt.Sprint(token)}
	if r.bytes += len(one.name) + len(one.text); r.bytes > maxMembersBytes {
		return errManyMembers
	}
	r.found = append(r.found, one)
	return nil
}

// inside reads the values of an object or a list, and its end.
func (r *memberReader) inside(name string, list bool) error {
	for i := 1; r.dec.More(); i++ {
		part := strconv.Itoa(i)
		if !list {
			token, err := r.dec.Token()
			if err != nil {
				return err
			}
			part = fmt.Sprint(token)
		}
		if name != "" {
			part = name + "." + part
		}
		if len(part) > maxMembersBytes {
			return errManyMembers
		}
		if err := r.value(part); err != nil {
			return err
		}
	}
	_, err := r.dec.Token()
	return err
}

// customerCells are what a shop's document says of its customer, for a table. Nothing of it is lost: what has
// no cell of its own is in other.
type customerCells struct{ email, name, phone, other string }

// customerOf looks for the members that most shops have. They are at the top of the document, and are known by
// their names without regard to case, "_" and "-".
func customerOf(doc json.RawMessage) customerCells {
	var cells customerCells
	var first, last string
	var others []member
	for _, m := range members(doc) {
		var cell *string
		switch strings.NewReplacer("_", "", "-", "").Replace(strings.ToLower(m.name)) {
		case "email", "mail", "emailaddress":
			cell = &cells.email
		case "name", "fullname":
			cell = &cells.name
		case "firstname", "givenname":
			cell = &first
		case "lastname", "familyname", "surname":
			cell = &last
		case "phone", "phonenumber", "telephone", "tel", "mobile":
			cell = &cells.phone
		}
		if cell == nil || *cell != "" {
			others = append(others, m)
			continue
		}
		*cell = m.text
	}
	parts := strings.TrimSpace(first + " " + last)
	if cells.name == "" {
		cells.name = parts
	} else if parts != "" {
		others = append(others, member{"first and last name", parts})
	}
	cells.other = readable(others)
	return cells
}

// readable writes values for people: "address.city: Köln; vip: true".
func readable(values []member) string {
	texts := make([]string, len(values))
	for i, m := range values {
		texts[i] = m.name + ": " + m.text
	}
	return strings.Join(texts, "; ")
}
