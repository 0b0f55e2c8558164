package carddata

import (
	"bytes"
	"encoding/json"
	"html"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// The rule once more, by regular expressions and without any care for time. Only the table of schemes and the checks of
// numbers are shared: other tests hold these against published numbers.
var (
	refEncoded  = regexp.MustCompile(`(?i)&(?:nbsp|#160|#xa0|#32|ensp|emsp|thinsp|shy|#8203|zwnj|zwj|ndash|mdash|minus|#8209|#45);|%(?:20|c2%a0|09|2d|2e|2b|2f|5f)`)
	refWord     = regexp.MustCompile(`^[0-9A-Za-z]+`)
	refUUID     = regexp.MustCompile(`^(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:[^0-9a-z]|$)`)
	refHex      = regexp.MustCompile(`^(?i)[0-9a-f]{20,}$`)
	refLetters  = regexp.MustCompile(`[A-Za-z]`)
	refIBAN     = regexp.MustCompile(`^[A-Za-z]{2}[0-9]{2}(?: ?[0-9A-Za-z])*`)
	refRun      = regexp.MustCompile(`[0-9]+(?:[ \-.,_]{1,3}[0-9]+)*`)
	refGroup    = regexp.MustCompile(`([ \-.,_]*)([0-9]+)`)
	refLikely   = regexp.MustCompile(`^(?:\d+(?: \d+){0,4}|1(?: 1)*|(?:(?:[3-9]|\d\d+) )*\d+)$`)
	refEmbossed = regexp.MustCompile(`^(?:4( 4)+( [1-4])?|4( 4)* [1-4]|4 6 [45]|4 3 3 3)$`)
)

// reference says what In says.
func reference(text string) bool {
	for _, run := range refRuns(text) {
		groups := refGroup.FindAllStringSubmatch(strings.TrimPrefix(run, "+"), -1)
		plus := strings.HasPrefix(run, "+")
		for first := range groups {
			for last := first; last < len(groups); last++ {
				digits, sizes := "", []string{}
				for _, g := range groups[first : last+1] {
					digits, sizes = digits+g[2], append(sizes, strconv.Itoa(len(g[2])))
				}
				whole := first == 0 && last == len(groups)-1
				if plus && first == 0 && len(digits) <= 15 || plus && refDigits(groups) <= 15 {
					continue
				}
				if first == last {
					if groups[first][1] != "." && isRow(valuesOf(digits)) {
						return true
					}
					continue
				}
				if len(digits) > 19 {
					break
				}
				if (refEmbossed.MatchString(strings.Join(sizes, " ")) || whole && refEven(groups) && refLikely.MatchString(strings.Join(sizes, " ")) && strings.Join(sizes, " ") != "3 7 7") && isCard(valuesOf(digits)) {
					return true
				}
			}
		}
	}
	return false
}

func refDigits(groups [][]string) int {
	n := 0
	for _, g := range groups {
		n += len(g[2])
	}
	return n
}

// refEven tells the widest character of each separator: "_" is wider than ".", "." than "-", "-" than " ".
func refEven(groups [][]string) bool {
	widest := map[string]int{}
	for _, g := range groups[1:] {
		for _, c := range []string{"_", ".,", "-", " "} {
			if strings.ContainsAny(g[1], c) {
				widest[c]++
				break
			}
		}
	}
	if widest["_"]+widest[".,"] == 0 {
		return true
	}
	return len(widest) == 1 && !(widest[".,"] == 1 && len(groups) == 2)
}

// refRuns brings a text into plain characters and returns its runs, with "+" before those of telephone numbers. A comma
// stands for a dot that is no decimal point.
func refRuns(text string) []string {
	plain := refPlain(refWithoutWords(text))
	var runs []string
	for _, at := range refRun.FindAllStringIndex(plain, -1) {
		run := plain[at[0]:at[1]]
		before := strings.TrimSuffix(plain[:at[0]], "(")
		if strings.HasSuffix(before, "P") || strings.HasSuffix(plain[:at[0]], "P") {
			run = "+" + run
		}
		runs = append(runs, run)
	}
	return runs
}

// refWithoutWords puts "#" in place of the words in which digits mean something else.
func refWithoutWords(text string) string {
	var out strings.Builder
	for text != "" {
		head := refEncoded.FindString(text[:min(8, len(text))])
		if head == "" || !strings.HasPrefix(text, head) {
			head = refWord.FindString(text)
		}
		switch n := refWordLength(text, head); {
		case head == "":
			out.WriteByte(text[0])
			text = text[1:]
		case n > 0:
			out.WriteByte('#')
			text = text[n:]
		default:
			out.WriteString(head)
			text = text[len(head):]
		}
	}
	return out.String()
}

func refWordLength(text, word string) int {
	switch {
	case refHex.MatchString(word) && len(refLetters.FindAllString(word, -1)) >= 3:
		return len(word)
	case len(word) == 8 && refUUID.MatchString(text):
		return 36
	}
	whole := refIBAN.FindString(text)
	if len(word) < 4 {
		return 0
	}
	for n := len(whole); n >= 15; n-- {
		code := strings.ReplaceAll(whole[:n], " ", "")
		ends := n == len(text) || !refWord.MatchString(text[n:n+1])
		if whole[n-1] != ' ' && ends && len(code) >= 15 && len(code) <= 34 && isIBAN([]byte(code)) {
			return n
		}
	}
	return 0
}

// refPlain writes each digit as an ASCII digit, each separator as one of its kind, and every other character as "#".
func refPlain(text string) string {
	text = refEncoded.ReplaceAllStringFunc(text, func(code string) string {
		switch strings.ToLower(code) {
		case "&shy;", "&#8203;", "&zwnj;", "&zwj;":
			return "\u200b"
		case "%20", "%c2%a0", "%09":
			return "\u00a0"
		case "%2d":
			return "\u2010"
		case "%2e":
			return "\u00b7"
		case "%2b", "%2f", "%5f":
			return "_"
		}
		return strings.ReplaceAll(html.UnescapeString(code), "-", "\u2010")
	})
	var out strings.Builder
	for i, r := range text {
		switch k := refKind(r); {
		case r == '+':
			out.WriteByte('P')
		case r == '(' && strings.HasSuffix(text[:i], "+"):
			out.WriteByte('(')
		case r == utf8.RuneError, k == none:
			out.WriteByte('#')
		case k == digit:
			out.WriteByte('0' + refValue(r))
		case k == unseen:
			out.WriteByte('u')
		case r == '.':
			out.WriteByte('.')
		default:
			out.WriteByte(map[kind]byte{space: ' ', dash: '-', dot: ',', other: '_'}[k])
		}
	}
	// "+" separates like "_", and what is not seen is not there; it still stands between "+" and a digit.
	plain := regexp.MustCompile(`(P\(?)(u+)`).ReplaceAllString(out.String(), "_$2")
	plain = strings.ReplaceAll(plain, "u", "")
	return regexp.MustCompile(`([0-9][ \-.,_P]{0,2})P`).ReplaceAllStringFunc(plain, func(s string) string { return strings.ReplaceAll(s, "P", "_") })
}

func refKind(r rune) kind {
	if r < 0x80 {
		if unicode.IsDigit(r) {
			return digit
		}
		return map[rune]kind{' ': space, '\t': space, '\n': space, '\v': space, '\f': space, '\r': space, '-': dash, '.': dot, '_': other, '/': other, '|': other, '\\': other}[r]
	}
	return kindOf(r)
}

// refValue counts the digits of the category that stand directly before a digit. The mathematical ones are five
// tens without a gap.
func refValue(r rune) byte {
	n := 0
	for unicode.IsDigit(r - 1) {
		r--
		n++
	}
	return byte(n % 10)
}

func FuzzATextIsJudgedAsTheReferenceDoes(f *testing.F) {
	for _, number := range published {
		f.Add(number)
	}
	for _, other := range others {
		f.Add(other.text)
	}
	f.Add("+4111 1111-1111.1111\u00a012/30 &nbsp;%20DE95 4111 1111 1111 1111 00 ４１１１")
	f.Fuzz(func(t *testing.T, text string) {
		start, end, found := Find(text)
		if want := reference(text); found != want {
			t.Fatalf("%q: found is %v, and the reference says %v", text, found, want)
		}
		if found && (start < 0 || start >= end || end > len(text)) {
			t.Fatalf("%q: %d to %d", text, start, end)
		}
		if In(Mask(text)) {
			t.Fatalf("%q: a card number is left in %q", text, Mask(text))
		}
	})
}

// refDocument says whether a document has card data, by encoding/json.
func refDocument(doc []byte) bool {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	return refValueHas(doc, dec, "")
}

func refValueHas(doc []byte, dec *json.Decoder, name string) (found bool) {
	token, err := dec.Token()
	if err != nil {
		return false
	}
	switch v := token.(type) {
	case json.Delim:
		for i := 0; dec.More(); i++ {
			under := ""
			if v == '{' {
				before := dec.InputOffset()
				key, _ := dec.Token()
				under = key.(string)
				found = In(under) || found
				if raw := bytes.TrimLeft(doc[before:dec.InputOffset()], ", \t\r\n"); len(raw) > len(`""`)+maxNameBytes {
					under = ""
				}
			} else if i == 0 {
				under = name
			}
			found = refValueHas(doc, dec, under) || found
		}
		_, _ = dec.Token()
		return found
	case string:
		return In(v) || isCode([]byte(v)) && namesSecurityCode([]byte(name)) || isNumberAlone([]byte(v)) && namesCardNumber([]byte(name))
	case json.Number:
		return refNumberHas(v.String(), name)
	}
	return false
}

var refExponent = regexp.MustCompile(`^-?[0-9]+(?:\.[0-9]+)?[eE][-+]?[0-9]{3,}$`)

func refNumberHas(number, name string) bool {
	if len(number) <= 4 && isCode([]byte(number)) && namesSecurityCode([]byte(name)) {
		return true
	}
	if refExponent.MatchString(number) && !regexp.MustCompile(`[eE][-+]?0*[0-9]{1,2}$`).MatchString(number) {
		return false
	}
	digits, whole := refWhole(number)
	if !whole || len(digits) < 12 || len(digits) > 32 {
		return false
	}
	return len(digits) != 13 && isRow(valuesOf(digits)) || len(digits) <= 19 && namesCardNumber([]byte(name))
}

func FuzzADocumentIsJudgedAsTheReferenceDoes(f *testing.F) {
	for _, doc := range []string{usual, crowded, `{"a":[4.111111111111111e15,"\u0034111111111111111"],"cvv":"123","4111111111111111":{}}`, `[[["4111 1111 1111 1111"]]]`, `{"cvc":[123]}`} {
		f.Add([]byte(doc))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		finding, found := InDocument(doc)
		if found {
			_ = finding.Pointer(doc)
		}
		if !json.Valid(doc) || !utf8.Valid(doc) {
			return
		}
		if want := refDocument(doc); found != want {
			t.Fatalf("%q: found is %v, and the reference says %v", doc, found, want)
		}
	})
}

// drawNumber draws a card number of any scheme.
func drawNumber(t *rapid.T) string {
	s := schemes[rapid.IntRange(0, len(schemes)-1).Draw(t, "scheme")]
	lengths := []int{}
	for n := minDigits; n <= maxDigits; n++ {
		if s.lengths&(1<<n) != 0 {
			lengths = append(lengths, n)
		}
	}
	length := rapid.SampledFrom(lengths).Draw(t, "length")
	number := strconv.Itoa(int(rapid.Uint32Range(s.from, s.to).Draw(t, "first digits")))
	for len(number) < length-1 {
		number += strconv.Itoa(rapid.IntRange(0, 9).Draw(t, "digit"))
	}
	for check := range 10 {
		if whole := number + strconv.Itoa(check); luhn(valuesOf(whole)) {
			if isOther(valuesOf(whole)) {
				t.Skip("an article or telephone number")
			}
			return whole
		}
	}
	panic("no check digit")
}

// write draws a way to write a number: in the groups of cards with any separators, or anyhow with spaces and dashes, and
// with digits of any script.
func write(t *rapid.T, number string) string {
	before := []string{"", "card: ", "my card is ", "\n", "(", "é ", "no. "}
	behind := []string{"", " exp 12/30", " Ada", "\n", ")", ". "}
	separators, sizes := []string{" ", "-", ".", "_", "/", "\u00a0", "\u2013", " - ", "\u3000", "&nbsp;", "%20", "\n", "\u202f\u202f"}, []int{4, 4, 4, 4, 4}
	anyhow := rapid.Bool().Draw(t, "anyhow")
	if !anyhow { // more digits may stand beside them
		before, behind = append(before, "no. 12 "), append(behind, " 12/30", " 1230 123")
	}
	if anyhow {
		separators = []string{"", "", " ", "-", "\u2009", "\u2011", "\t", "  ", "%20"}
		sizes = rapid.SliceOfN(rapid.IntRange(4, 9), 19, 19).Draw(t, "sizes")
	}
	zero := rapid.SampledFrom([]rune{'0', '٠', '０', '०', '𝟎', '๐'}).Draw(t, "script")
	var out strings.Builder
	out.WriteString(rapid.SampledFrom(before).Draw(t, "before"))
	left := sizes[0]
	for i, d := range number {
		if left == 0 {
			out.WriteString(rapid.SampledFrom(separators).Draw(t, "separator"))
			sizes = sizes[1:]
			left = sizes[0]
		}
		left--
		out.WriteRune(zero + d - '0')
		if i > 0 && i < len(number)-1 && rapid.IntRange(0, 9).Draw(t, "unseen") == 0 {
			out.WriteString("\u200b")
		}
	}
	return out.String() + rapid.SampledFrom(behind).Draw(t, "behind")
}

// nest draws a document with a text somewhere in it, as a value or as a name.
func nest(t *rapid.T, text string) any {
	var doc any = text
	if rapid.Bool().Draw(t, "name") {
		doc = map[string]any{text: rapid.SampledFrom([]any{nil, true, "x", 1}).Draw(t, "value")}
	}
	for range rapid.IntRange(0, 8).Draw(t, "depth") {
		if rapid.Bool().Draw(t, "array") {
			doc = []any{"before", doc, 12}
		} else {
			doc = map[string]any{"a": 1, "member " + rapid.StringMatching(`[a-z/~"]{0,4}`).Draw(t, "member"): doc, "z": "10115"}
		}
	}
	return doc
}

func TestEveryCardNumberIsFoundHoweverItIsWrittenAndNested(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := drawNumber(t)
		text := write(t, number)
		if !In(text) {
			t.Fatalf("%q is not found in %q", number, text)
		}
		doc, err := json.Marshal(nest(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "escaped") {
			doc = escapeDigits(doc)
		}
		finding, found := InDocument(doc)
		if !found {
			t.Fatalf("%q is not found in %s", number, doc)
		}
		if at := finding.Pointer(doc); In(at) {
			t.Fatalf("the place %q of %s tells the number", at, doc)
		}
		if !bytes.Contains(doc[finding.At:], []byte(`"`)) {
			t.Fatal("the place is no string")
		}
	})
}

func TestEveryCardNumberIsFoundAsANumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := drawNumber(t)
		if len(number) == 13 {
			t.Skip("an id or a time")
		}
		point := rapid.IntRange(1, len(number)).Draw(t, "point")
		for _, text := range []string{number, number + ".00", number[:point] + "." + number[point:] + "0e" + strconv.Itoa(len(number)-point), number + "000E-3"} {
			if _, found := InDocument([]byte(`{"a":[` + text + `]}`)); !found {
				t.Fatalf("%s is not found", text)
			}
		}
	})
}

// escapeDigits writes all digits of strings as escapes.
func escapeDigits(doc []byte) []byte {
	var out bytes.Buffer
	dec := json.NewDecoder(bytes.NewReader(doc))
	from := 0
	for {
		token, err := dec.Token()
		if err == io.EOF {
			return out.Bytes()
		}
		part := doc[from:dec.InputOffset()]
		if _, text := token.(string); text {
			part = regexp.MustCompile(`\\u....|\\.|[0-9]`).ReplaceAllFunc(part, func(b []byte) []byte {
				if len(b) > 1 {
					return b
				}
				return []byte(`\u003` + string(b))
			})
		}
		out.Write(part)
		from = int(dec.InputOffset())
	}
}

// refWhole is the decimal expansion of a number without its sign, if it has no fraction.
func refWhole(number string) (digits string, whole bool) {
	number = strings.ToLower(strings.TrimPrefix(number, "-"))
	mantissa, exponent, _ := strings.Cut(number, "e")
	n, _ := strconv.Atoi(strings.TrimPrefix(exponent, "+"))
	before, behind, _ := strings.Cut(mantissa, ".")
	if n < 0 {
		before = strings.Repeat("0", -n) + before
		before, behind = before[:len(before)+n], before[len(before)+n:]+behind
	}
	behind += strings.Repeat("0", max(n, 0))
	before, behind = before+behind[:max(n, 0)], behind[max(n, 0):]
	return strings.TrimLeft(before, "0"), strings.Trim(behind, "0") == ""
}
