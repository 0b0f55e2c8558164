package proxy

import (
	"slices"
	"strings"
	"testing"
)

func mirrorOf(t *testing.T, text string) (*site, error) {
	t.Helper()
	sites, err := parseSites([]byte("sites:\n- hosts: [\"*\"]\n  upstream: {servers: [\"http://127.0.0.1:1\"]}\n  mirror:\n"+text), Limits{MaxBodyBytes: 1})
	if err != nil {
		return nil, err
	}
	return sites.any, nil
}

func headOf(t testing.TB, text string) *head {
	t.Helper()
	h := &head{}
	if err := h.parse([]byte(strings.ReplaceAll(text, "\n", "\r\n") + "\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	return h
}

func TestAWrongMirrorIsOneClearLine(t *testing.T) {
	for text, want := range map[string]string{
		"  - {path: /o, sale: s}\n":                                                           "mirror 1: sku: is required",
		"  - {path: o, sale: s, sku: {value: A}}\n":                                           "does not begin with a slash",
		"  - {path: /o, sale: S!, sku: {value: A}}\n":                                         "is not the id of a sale",
		"  - {path: /o, sale: s, sku: {form: a, json: /b}}\n":                                 "needs one of",
		"  - {path: /o, sale: s, sku: {json: b}}\n":                                           "no JSON pointer",
		"  - {path: /o, sale: s, sku: {json: /b~2}}\n":                                        "no JSON pointer",
		"  - {path: /o, sale: s, sku: {reply_header: A}}\n":                                   "for the reference alone",
		"  - {path: /o, sale: s, sku: {value: A}, accepted: [200], refused: [200]}\n":         "200 is in both",
		"  - {path: /o, sale: s, sku: {value: A}, accepted: [20]}\n":                          "is no status",
		"  - {path: /o, sale: s, items: /a, sku: {value: A}}\n":                               "with items",
		"  - {path: /o, sale: s, cancels: true}\n":                                            "needs it",
		"  - {path: /o, sale: s, cancels: true, sku: {value: A}, reference: {form: order}}\n": "has path, methods",
	} {
		if _, err := mirrorOf(t, text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestAMirrorLooksAtItsCallsAlone(t *testing.T) {
	one, err := mirrorOf(t, "  - {path: /checkout/*/orders, methods: [post, PUT], sale: s, sku: {value: A}}\n")
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]bool{
		"POST /checkout/7/orders": true, "PUT /checkout/7/orders?x=1": true, "POST /checkout/7/orders/": true,
		"POST /checkout/7/orders/1/cancel": false, "GET /checkout/7/orders": false, "POST /checkout/7/8/orders": false,
		"POST /checkout/./7//orders": true, "POST /checkout/%37/orders": true, "POST /checkout/7/orders;a=b": true,
		"POST /Checkout/7/ORDERS": true, "POST /checkout/%37/%4Frders": true,
	} {
		if got := one.mirrorOf(headOf(t, line+" HTTP/1.1\nHost: a")) != nil; got != want {
			t.Errorf("%s: %v", line, got)
		}
	}
}

func TestAStatusThatSaysNeitherYesNorNoIsUnknown(t *testing.T) {
	plain, stated := &mirror{}, &mirror{accepted: []int{303}, refused: []int{200, 302}}
	for _, c := range []struct {
		m               *mirror
		status          int
		accepted, known bool
	}{
		{plain, 201, true, true}, {plain, 409, false, true}, {plain, 303, false, false}, {plain, 500, false, false},
		{stated, 303, true, true}, {stated, 200, false, true}, {stated, 302, false, true}, {stated, 201, false, false}, {stated, 404, false, false},
	} {
		if accepted, known := c.m.decided(c.status); accepted != c.accepted || known != c.known {
			t.Errorf("%v %d: %v %v", c.m.accepted, c.status, accepted, known)
		}
	}
}

func TestWhatACallSaysIsFoundWhereTheMirrorSays(t *testing.T) {
	const form, doc = "\nContent-Type: application/x-www-form-urlencoded; charset=utf-8", "\nContent-Type: application/json"
	for _, c := range []struct {
		mirror, head, body string
		lines              []MirroredLine // none: not readable
	}{
		{"sku: {form: sku}, quantity: {form: q}", form, "sku=A&q=2", []MirroredLine{{"A", 2}}},
		{"sku: {form: sku}, quantity: {form: q, value: \"1\"}", form, "sku=A%2F1", []MirroredLine{{"A/1", 1}}},
		{"sku: {form: sku}, quantity: {form: q}", form, "sku=A", nil},
		{"sku: {form: sku}", doc, "sku=A", nil},
		{"sku: {form: sku}", form, "sku=%zz", nil},
		{"sku: {value: A}, quantity: {form: q}", form, "q=-1", nil},
		{"sku: {value: A}, quantity: {form: q}", form, "q=1.5", nil},
		{"sku: {query: v}", "", "", []MirroredLine{{"42", 1}}},
		{"sku: {header: X-Item}", "\nX-Item: B", "", []MirroredLine{{"B", 1}}},
		{"sku: {json: /line/0/id}, quantity: {json: /line/0/n}", doc, `{"line":[{"id":42,"n":3}]}`, []MirroredLine{{"42", 3}}},
		{"sku: {json: /a~1b}", doc, `{"a/b":"C"}`, []MirroredLine{{"C", 1}}},
		{"sku: {json: /id}", doc, `{"id":{}}`, nil},
		{"sku: {json: /id}", doc, `{"id":`, nil},
		{"items: /l, sku: {json: /s}, quantity: {json: /n}", doc, `{"l":[{"s":"A","n":1},{"s":"B","n":"2"}]}`, []MirroredLine{{"A", 1}, {"B", 2}}},
		{"items: /l, sku: {json: /s}", doc, `{"l":[]}`, nil},
		{"items: /l, sku: {json: /s}", doc, `{"l":[` + strings.Repeat(`{"s":"A"},`, 50) + `{"s":"A"}]}`, nil},
	} {
		one, err := mirrorOf(t, "  - {path: /o, sale: s, "+c.mirror+"}\n")
		if err != nil {
			t.Fatalf("%s: %v", c.mirror, err)
		}
		r := mirrorReader{head: headOf(t, "POST /o?v=42 HTTP/1.1\nHost: a"+c.head), body: []byte(c.body)}
		if lines, ok := r.lines(&one.mirrors[0]); ok != (c.lines != nil) || ok && !slices.Equal(lines, c.lines) {
			t.Errorf("%s of %s: %v %v", c.mirror, c.body, lines, ok)
		}
	}
}

func FuzzWhatAMirrorReads(f *testing.F) {
	f.Add("/a/0/b", `{"a":[{"b":"c"}]}`, "a=1&b=%41")
	f.Fuzz(func(t *testing.T, pointer, doc, form string) {
		if !isPointer(pointer) {
			return
		}
		h := headOf(t, "POST /o HTTP/1.1\nHost: a\nContent-Type: application/x-www-form-urlencoded")
		for _, body := range []string{doc, form} {
			r := mirrorReader{head: h, body: []byte(body), reply: func(string) string { return "" }}
			m := &mirror{items: pointer, sku: source{json: pointer}, quantity: source{json: pointer, value: "1"}}
			if lines, ok := r.lines(m); ok && (len(lines) == 0 || len(lines) > maxMirrorLines || lines[0].Quantity < 1 || lines[0].SKU == "") {
				t.Fatalf("%v", lines)
			}
			if text, ok := r.text(&source{form: "a"}, nil); ok && len(text) > maxMirrorText {
				t.Fatal(len(text))
			}
		}
	})
}
