package console

import (
	"iter"
	"net/url"
	"strings"
)

// typed is what was typed into one part of the form, by the paths of its fields. It is nil when the form does not
// have this part.
type typed map[string]string

// readTyped reads the fields of a part. Every form with the part sends the field named by sign, if only empty.
func readTyped(v url.Values, sign string, fields iter.Seq[string]) typed {
	if !v.Has(sign) {
		return nil
	}
	f := typed{}
	for path := range fields {
		f[path] = strings.TrimSpace(v.Get(path))
	}
	return f
}

// sharedField is the field in which a member is typed: all members of a list are typed in one.
func sharedField(path string) string {
	for _, field := range []string{
		"page.texts", "page.links.other_items", "page.languages", "identity.shared_keys", "draw.shares", "draw.beacon.urls",
		"spill", "without_pass", "admission.lanes",
	} {
		if strings.HasPrefix(path, field) {
			return field
		}
	}
	return path
}

// FaultIn reports whether a field of a part is wrong, so that the part is shown open.
func (f *saleForm) FaultIn(part string) bool {
	for field := range f.Errors {
		if field == part || strings.HasPrefix(field, part+".") {
			return true
		}
	}
	return false
}
