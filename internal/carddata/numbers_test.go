package carddata

import "testing"

// published are numbers that card schemes and payment providers publish for tests. No account belongs to any of them.
var published = []string{
	// Stripe
	"4242424242424242", "4000056655665556", "5555555555554444", "2223003122003222", "5200828282828210", "5105105105105100",
	"378282246310005", "371449635398431", "6011111111111117", "6011000990139424", "6011981111111113", "3056930009020004",
	"36227206271667", "6555900000604105", "3566002020360505", "6200000000000005", "6200000000000047", "6205500000000000004",
	"4000002500003155", "4000000000000002", "5000550000000029", "4506445006931933", "5019555544445555",
	// Adyen
	"4111111111111111", "4988438843884305", "4166676667666746", "4646464646464644", "5577000055770004", "5136333333333335",
	"2222400010000008", "2222410740360010", "370000000000002", "6771798021000008", "6703444444444449", "3569990010095841",
	"6011601160116611", "6445644564456445", "36006666333344", "5066991111111118", "6062828888666688", "6243030000000001",
	"8171999927660000", "8171999900000000021", "2200000000000004",
	// PayPal, Worldpay, Braintree
	"4222222222222", "4012888888881881", "4917610000000000003", "6759649826438453", "36700102000000", "343434343434343",
	// made for ranges of which none is published: RuPay, Elo, UkrCard, Maestro; and old ones of Diners Club
	"6069851234567890", "6080011234567896", "6277801234567893", "6362971234567890", "6363681234567894", "6040011234567895", "6390001234567892", "38520000023237", "30569309025904",
	"3528000700000000", "6011000400000000", "6304000000000000", "2221000000000009", "5018000000000009",
}

// others look like card numbers and are none. Hidden is what is in them that has the first digits, the length and the
// check digit of a card.
var others = []struct{ what, text, hidden string }{
	{"a card number with a wrong check digit", "4111111111111112", ""},
	{"a card number that is cut short", "411111******1111", ""},
	{"the last digits of a card", "**** **** **** 1111", ""},
	{"the first eight and the last four digits", "41111111****1111", ""},
	{"a mobile telephone of Germany", "+4915112345678", "4915112345678"},
	{"the same, as programs write it", "4915112345678", "4915112345678"},
	{"the same, as people write it", "+49 (0)151 12345678", ""},
	{"the same, with its country", "00 49 151 12345678", "4915112345678"},
	{"a telephone number of 15 digits", "+371 12345 6789016", "371123456789016"},
	{"the same, in brackets", "(+371123456789016)", "371123456789016"},
	{"a telephone of Austria", "4366012345675", "4366012345675"},
	{"an article number", "4006381330060", "4006381330060"},
	{"the same, with its groups", "4 006381 330060", "4006381330060"},
	{"an article number of a shop in Britain", "5018374080080", "5018374080080"},
	{"a book", "978-3-16-148410-0", ""},
	{"an article number for a dozen", "14006381333938", ""},
	{"the number of a mobile telephone", "490154203237518", ""},
	{"the same, of another maker", "356938035643809", ""},
	{"an IBAN of Germany", "DE89 3704 0044 0532 0130 00", ""},
	{"an IBAN with a card number in it", "DE95 4111 1111 1111 1111 00", "4111111111111111"},
	{"the same, with a text around it", "IBAN: de95 4111 1111 1111 1111 00 (Ada)", "4111111111111111"},
	{"an IBAN of Denmark", "DK4800400000000022", "4800400000000022"},
	{"milliseconds since 1970", "1764517217123", ""},
	{"microseconds", "1764517217123456", ""},
	{"nanoseconds", "1764517217123456789", ""},
	{"a time as digits", "20261130154017", ""},
	{"a time with a fraction", "2026-11-30T15:40:17.123456Z", ""},
	{"a time as a name of a file", "2026-11-30 15-40-17-123456", ""},
	{"an id of Twitter", "1995170043264798721", ""},
	{"an id of Facebook", "100001234567896", ""},
	{"a cookie of Google", "GA1.2.1234567890.1764517217", ""},
	{"a cookie of Facebook", "fb.1.1764517217123.4012345678", ""},
	{"a UUID", "abcdefab-4111-1111-1111-1111abcdefab", "4111111111111111"},
	{"a UUID as a name", "order_ABCDEFAB-4111-1111-1111-1111ABCDEFAB.json", "4111111111111111"},
	{"a digest", "9f86d081884c7d659a2feaa04111111111111111c55ad015a3bf4f1b2b0b822c", "4111111111111111"},
	{"an id of MongoDB", "cafeb4111111111111111abc", "4111111111111111"},
	{"a token of Stripe", "tok_1N3T00LkdIwHu7ixt44h1F8k", ""},
	{"a payment of Adyen", "NC6HT9CRT65ZGN82", ""},
	{"the latitude of Berlin", "52.52000659999993", "5252000659999993"},
	{"a place in Berlin", "52.520008, 13.404955", "5252000813404955"},
	{"the same, without a comma", "52.520008 13.404955", "5252000813404955"},
	{"a random number", "0.4111111111111111", "4111111111111111"},
	{"sizes of shoes", "40 41 42 43 44 45 46 47 48 49", "4142434445464748"},
	{"a customer card of a shop", "634004123456789017", ""},
	{"the same, of another shop", "6335041234567896", ""},
	{"the same, of a third shop", "6275123456789010", ""},
	{"a gift card", "6006491234567891", ""},
	{"the order number of a marketplace", "302-1234567-1234565", ""},
	{"the same, with the first digits of a card", "671-1234567-1234568", "67112345671234568"},
	{"the same, without dashes", "30212345671234565", ""},
	{"a telephone of Britain, with its zero", "4407123456785", "4407123456785"},
	{"17 digits that begin like a Mastercard", "53123456789012346", ""},
	{"17 digits that begin like a Discover", "65123456789012340", ""},
	{"pairs", "41 11 11 11 11 11 11 11", "4111111111111111"},
	{"sizes of shoes that pass the check", "41 42 43 44 45 46 47 48", "4142434445464748"},
	{"a list of articles", "4111,1111,1111,1111", "4111111111111111"},
	{"a row of 24 digits", "411111111111111100000000", "4111111111111111"},
	{"a row with a card number in its middle", "12341111111111111111", "4111111111111111"},
	{"a parcel of DHL", "00340434161094042557", ""},
	{"a parcel of UPS", "1Z12345E0205271688", ""},
	{"a parcel of the US mail", "9400 1000 0000 0000 0000 00", ""},
	{"a SIM card", "8949000000000000003", ""},
	{"an address of the network", "192.168.100.200", ""},
	{"a price", "1.234.567.890.123,45", ""},
	{"zeros", "0000 0000 0000 0000", ""},
	{"a number of the shop with a letter in it", "41111111A11111111", "4111111111111111"},
	{"four separators", "4111    1111    1111    1111", "4111111111111111"},
	{"odd groups with more behind", "41 11 11 11 11 11 11 11 12", "4111111111111111"},
	{"nothing", "", ""},
}

func TestEveryPublishedTestNumberIsFound(t *testing.T) {
	for _, number := range published {
		for _, text := range []string{number, "card: " + number + " exp 12/30", "x" + number + "y", "(" + number + ")", number + "."} {
			if !In(text) {
				t.Errorf("%q is not found", text)
			}
		}
	}
}

func TestWhatOnlyLooksLikeACardNumberIsNotFound(t *testing.T) {
	for _, other := range others {
		if start, end, found := Find(other.text); found {
			t.Errorf("%s: %q is taken for the card number %q", other.what, other.text, other.text[start:end])
		}
		if hidden := valuesOf(other.hidden); other.hidden != "" && (!ofScheme(hidden) || !luhn(hidden)) {
			t.Errorf("%s: %q shows nothing: %q cannot be a card", other.what, other.text, other.hidden)
		}
	}
}

func valuesOf(digits string) []byte {
	values := []byte(digits)
	for i := range values {
		values[i] -= '0'
	}
	return values
}

func TestACardNumberIsFoundAsPeopleAndMachinesWriteIt(t *testing.T) {
	for _, text := range []string{
		"4111 1111 1111 1111", "4111-1111-1111-1111", "4111.1111.1111.1111", "4111_1111_1111_1111", "4111/1111/1111/1111",
		"4111|1111|1111|1111", "4111+1111+1111+1111", "4111 - 1111 - 1111 - 1111", "4111  1111  1111  1111", "4111\t1111\n1111\r\n1111",
		"4111\u00a01111\u20071111\u202f1111", "4111\u20111111\u20131111\u22121111", "4111·1111·1111·1111", "4111\u200b1111\u00ad1111\ufeff1111",
		"4111&nbsp;1111&nbsp;1111&nbsp;1111", "4111%201111%201111%201111", "4111-1111 1111.1111",
		"411111 1111111111", "4-1-1-1-1-1-1-1-1-1-1-1-1-1-1-1", "41111111-11111111",
		"3782 822463 10005", "3622-720627-1667", "4222 222 222 222", "6205 5000 0000 0000 004",
		"4111111111111111", "４１１１１１１１１１１１１１１１", "٤١١١١١١١١١١١١١١١", "४१११ ११११ ११११ ११११", "𝟒𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏𝟏", "4️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣1️⃣",
		"my card is 4111 1111 1111 1111 12/30 123, thanks", "no 12 4111 1111 1111 1111 1230", "visa4111111111111111exp1230", "4111 1111 1111 1111 123",
		"%B4111111111111111^DOE/JOHN^30121010000000000000?", ";4111111111111111=30121010000012300000?", "4111111111111111D30121010000012300000F",
		"41111111111111111230", "41111111111111113012", "41111111111111111230123", "3782822463100051230",
		"4111111111111111.00", "1. 4111111111111111", "1, 4111111111111111", "+4111111111111111", "tel +49 151 12345678, card 4111111111111111",
		"12345678901234567890 4111111111111111", "https://shop.example/pay?pan=4111111111111111&exp=1230", `{"card":"4111111111111111"}`,
		"4111111111111111\xff", "\xff4111111111111111",
	} {
		if !In(text) {
			t.Errorf("%q: no card number is found", text)
		}
	}
}

func TestALogShowsNoCardNumber(t *testing.T) {
	for text, want := range map[string]string{
		"nothing":                          "nothing",
		"a 4111 1111 1111 1111 b":          "a [card number] b",
		"4111111111111111,378282246310005": "[card number],[card number]",
	} {
		if got := Mask(text); got != want {
			t.Errorf("%q: %q", text, got)
		}
	}
}
