package carddata

import "strings"

// masked stands where a card number was.
const masked = "[card number]"

// Mask returns a text with all card numbers in it replaced, for logs.
func Mask(text string) string {
	start, end, found := Find(text)
	if !found {
		return text
	}
	var out strings.Builder
	for found {
		out.WriteString(text[:start])
		out.WriteString(masked)
		text = text[end:]
		start, end, found = Find(text)
	}
	out.WriteString(text)
	return out.String()
}
