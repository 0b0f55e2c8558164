package carddata

import "strings"

// masked stands where a card number was.
const masked = "[card number]"

// maxMasked bounds how many card numbers are looked for in one text: behind each the search begins anew.
const maxMasked = 64

// Mask returns a text with all card numbers in it replaced, for logs. What comes behind the 64th is left out.
func Mask(text string) string {
	if countDigits(text) < minDigits {
		return text
	}
	left := []byte(text)
	var out strings.Builder
	for range maxMasked {
		start, end, found := find(left)
		if !found {
			out.Write(left)
			return out.String()
		}
		out.Write(left[:start])
		out.WriteString(masked)
		left = left[end:]
	}
	out.WriteString("…")
	return out.String()
}
