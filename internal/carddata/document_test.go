package carddata

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

func TestCardDataIsFoundWhereverItIsInADocument(t *testing.T) {
	for doc, want := range map[string]string{
		`{"note":"4111111111111111"}`:                             "/note",
		`{"a":{"b":[1,{"c":"x 4111-1111-1111-1111 y"}]}}`:         "/a/b/1/c",
		`{ "a" : [ "1" , 4111111111111111 ] }`:                    "/a/1",
		`{"n":4.111111111111111e15}`:                              "/n",
		`{"n":4111111111111111.0}`:                                "/n",
		`{"n":41111111111111110E-1}`:                              "/n",
		`{"n":-4111111111111111}`:                                 "/n",
		`{"n":41111111111111111230}`:                              "/n",
		`{"n":"\u00341\u00311 1111\u00a011111111"}`:               "/n",
		`{"n":"\ud835\udfd2111111111111111"}`:                     "/n",
		`{"n":"4111\n1111\t1111\/1111"}`:                          "/n",
		`{"n":"say \"4111111111111111\""}`:                        "/n",
		`{"n":"{\"card\":\"4111111111111111\"}"}`:                 "/n",
		`{"a":{"4111111111111111":true}}`:                         "/a",
		`{"a":{"ok":1,"4111 1111 1111\u0020 1111":[1]}}`:          "/a",
		`{"a/b":{"c~d":["","4111111111111111"]}}`:                 "/a~1b/c~0d/1",
		`{"\u0061":"4111111111111111"}`:                           "/a",
		`"4111111111111111"`:                                      "",
		`["ok",["ok",["4111111111111111"]]]`:                      "/1/1/0",
		`{"cvv":"123"}`:                                           "/cvv",
		`{"payment":{"cardCVC":1234}}`:                            "/payment/cardCVC",
		`{"card":{"security_code":" 123 "}}`:                      "/card/security_code",
		`{"CVV2":["123"]}`:                                        "/CVV2/0",
		`{"cvc":"\u0031\u0032\u0033"}`:                            "/cvc",
		`{"c\u0076v":"123"}`:                                      "/cvv",
		`{"pruefziffer":123}`:                                     "/pruefziffer",
		`{"Kartenprüfnummer":"123"}`:                              "/Kartenprüfnummer",
		`{"card_number":"4111 1111 1111 1112"}`:                   "/card_number",
		`{"ccNumber":4111111111111112}`:                           "/ccNumber",
		`{"a":"ok" "b":"4111111111111111"`:                        "/b",
		`{"` + strings.Repeat("n", 300) + `":"4111111111111111"}`: "/…",
	} {
		err := RefuseDocument("/customer", []byte(doc))
		var refusal *problem.Refusal
		if !errors.As(err, &refusal) || refusal.Code != problem.CardData {
			t.Errorf("%s: %v", doc, err)
			continue
		}
		if at := refusal.Fields[0]; at.Name != "field" || at.Value != "/customer"+want {
			t.Errorf("%s: it is said to be in %v", doc, at.Value)
		}
		if In(err.Error()) {
			t.Errorf("%s: the refusal repeats it: %v", doc, err)
		}
	}
}

func TestUsualDocumentsHaveNoCardDataInThem(t *testing.T) {
	for _, doc := range []string{
		usual, `{}`, ``, `null`, `{"n":1764517217123}`, `{"n":4222222222222}`, `{"id":4389123456785}`, `{"lat":52.52000659999993,"lon":13.404954}`, `{"n":0.4111111111111111}`, `{"n":1e400,"m":-0.0,"x":1E-400,"y":0}`,
		`{"cvv":null,"cvv_result":"M","cvc_check":"pass","cvv":"","cvv":"12","cvv":"12345"}`, `{"zip":"1234","year":2026,"cvvs":[["123"]]}`,
		`{"a":["4111","1111","1111","1111"]}`, `{"a":[4111,1111,1111,1111]}`, `{"card_number":"411111******1111"}`, `{"card_number":"1234"}`,
		`[{"cvv":null},"1234"]`, `{"cvv":{},"house":"123"}`, `{"cvv":"abc","house":"123"}`, `{"pan":"ABCPL1234C"}`,
		`{"zip":"10115","phone":"+49 30 12345678","session":"550e8400-e29b-41d4-a716-446655440000"}`,
	} {
		if finding, found := InDocument([]byte(doc)); found {
			t.Errorf("%s: %+v", doc, finding)
		}
	}
}

// usual is what a shop tells of a customer.
const usual = `{"email":"ada.lovelace@example.com","name":"Ada Lovelace","phone":"+49 151 12345678","address":{"street":"Müllerstraße 12",` +
	`"zip":"10115","city":"Berlin","country":"DE"},"customer_id":"cus_01HZX3V8Q4","newsletter":false,"locale":"de-DE"}`

// crowded has as many digits as a document may have that is no card.
const crowded = `{"order":"2026-11-30-000123","session":"550e8400-e29b-41d4-a716-446655440000","digest":"9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",` +
	`"iban":"DE89 3704 0044 0532 0130 00","ean":"4006381333931","at_ms":1764517217123,"phones":["+49 151 12345678","0049 30 123456789"]}`

func TestAUsualDocumentCostsNoAllocation(t *testing.T) {
	doc := []byte(usual)
	if n := testing.AllocsPerRun(100, func() { InDocument(doc) }); n != 0 {
		t.Fatalf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { In("3f0c1e52-7d1f-4e0b-9a57-cd7a4e1c7d0e") }); n != 0 {
		t.Fatalf("%v allocations for an idempotency key", n)
	}
}

func BenchmarkInDocument(b *testing.B) {
	for name, doc := range map[string]string{"usual": usual, "crowded": crowded} {
		b.Run(name, func(b *testing.B) {
			raw := []byte(doc)
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, found := InDocument(raw); found {
					b.Fatal("found")
				}
			}
		})
	}
}

func BenchmarkIn(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if In("3f0c1e52-7d1f-4e0b-9a57-cd7a4e1c7d0e") {
			b.Fatal("found")
		}
	}
}

// hostile makes the documents of a size that take longest.
func hostile(size int) map[string][]byte {
	docs := map[string][]byte{}
	times := func(piece string, bytes int) string { return strings.Repeat(piece, bytes/len(piece)) }
	for name, piece := range map[string]string{
		"groups": "4111 ", "groups of three": "123 ", "digits": "41", "single digits": "4 ", "marks": "4&n", "percents": "4%2", "IBANs": "DE12 ",
		"digests": "abc4111111111111111 ", "other scripts": "４１", "unseen": "4\u200b", "escapes": `\u0034`,
	} {
		docs[name] = []byte(`{"a":"` + times(piece, size) + `"}`)
	}
	for name, long := range map[string]string{"escaped": `\\`, "escaped letters": `\u0061`, "dashed": "-", "lettered": "a"} {
		for what, value := range map[string]string{"strings": `"123",`, "strings without commas": `"123"`, "numbers": "123,", "numbers without commas": "123 ", "mistyped cards": `"4111111111111112"`} {
			docs["a long "+name+" name of "+what] = []byte(`{"` + times(long, size/2) + `x":[` + times(value, size/2) + `]}`)
		}
	}
	docs["names"] = []byte("{" + times(`"cv":123,`, size) + "}")
	docs["space"] = []byte(times(`""   `, size))
	return docs
}

// The time of a document grows with its length, and no faster. If it grew with the square, each of these would
// take ten times the bound and more; now they take a hundredth of it, so that a machine that is busy does not matter.
func TestNoDocumentTakesLong(t *testing.T) {
	const size, bound, tries = 256 << 10, 2 * time.Second, 3
	for name, doc := range hostile(size) {
		fastest := time.Hour
		for range tries {
			began := time.Now()
			InDocument(doc)
			if fastest = min(fastest, time.Since(began)); fastest <= bound {
				break
			}
		}
		if fastest > bound {
			t.Errorf("%s: %d bytes take %s", name, len(doc), fastest)
		}
	}
}

func TestNoLineOfTheLogTakesLong(t *testing.T) {
	const size, bound = 1 << 20, 10 * time.Second
	for _, piece := range []string{"4111111111111111,", "4111111111111111x", "4111 1111 1111 1111 ", "378282246310005;abc"} {
		line := strings.Repeat(piece, size/len(piece))
		began := time.Now()
		shown := Mask(line)
		if took := time.Since(began); took > bound {
			t.Errorf("%q: %d bytes take %s", piece, len(line), took)
		}
		if In(shown) {
			t.Errorf("%q: a card number is left", piece)
		}
	}
}

func BenchmarkHostile(b *testing.B) {
	for name, raw := range hostile(64 << 10) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				InDocument(raw)
			}
		})
	}
}
