package console

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestNoDocumentOfACustomerMakesACellThatIsMuchLongerThanItself(t *testing.T) {
	long := strings.Repeat("k", 15_000)
	deep := 400
	for what, doc := range map[string]string{
		"a long name before many values": `{"` + long + `":[` + strings.Repeat("1,", 7000) + `1]}`,
		"a long name around deep values": `{"` + long + `":` + strings.Repeat(`{"a":`, deep) + "1" + strings.Repeat("}", deep+1),
		"names that grow":                strings.Repeat(`{"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk":[1,`, deep) + "1" + strings.Repeat("]}", deep),
	} {
		if !json.Valid([]byte(doc)) {
			t.Fatalf("%s: the test is wrong", what)
		}
		if cells := customerOf(json.RawMessage(doc)); len(cells.other) > 2*maxMembersBytes {
			t.Errorf("%s: %d bytes of a document of %d", what, len(cells.other), len(doc))
		}
	}
	doc := json.RawMessage(`{"email":"zoe@shop.example","note":"` + long + `","list":["` + long + `","` + long + `"]}`)
	if got := customerOf(doc); got.other != "document: "+string(doc) {
		t.Errorf("what does not fit into a cell is not told as it is: %.80s", got.other)
	}
}
