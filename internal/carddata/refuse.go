package carddata

import "github.com/penstock/penstock/internal/problem"

const (
	useToken = "Penstock takes no card data: let the payment provider make a token of the card, and send the token as payment.token"
	useOther = "If it is another number, send it with a letter in it"
)

// RefuseText refuses a text with a card number in it. The refusal names the field and says nothing of what is in it.
// Code: card_data.
func RefuseText(field, text string) error {
	if !In(text) {
		return nil
	}
	return refusal(field, Finding{})
}

// RefuseDocument refuses a JSON document with card data in it. The refusal names the place as a JSON pointer that begins
// with prefix, and says nothing of what is there. Code: card_data.
func RefuseDocument(prefix string, doc []byte) error {
	finding, found := InDocument(doc)
	if !found {
		return nil
	}
	return refusal(prefix+finding.Pointer(doc), finding)
}

func refusal(field string, f Finding) error {
	where := field
	if where == "" {
		where = "the document"
	}
	var detail string
	switch {
	case f.What == SecurityCode:
		detail = where + " is the security code of a card, which nobody may store. " + useToken + "."
	case f.InName:
		detail = "the name of a member of " + where + " looks like a card number. " + useToken + ". " + useOther + "."
	default:
		detail = where + " holds what looks like a card number. " + useToken + ". " + useOther + "."
	}
	return problem.With(problem.CardData, detail, problem.F("field", field))
}
