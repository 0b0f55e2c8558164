package notify

import (
	"slices"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

// pushText is what a notification of the browser says. The service worker puts the end of the time to claim, as a
// time of day, in the place of {time}.
type pushText struct{ title, body string }

// pushTexts has the words, by language.
var pushTexts = map[string]pushText{
	"en": {"It is your turn", "Open this before {time} to enter the shop."},
	"de": {"Sie sind an der Reihe", "Öffnen Sie dies vor {time}, um in den Shop zu gelangen."},
	"fr": {"C’est votre tour", "Ouvrez ceci avant {time} pour entrer dans la boutique."},
	"es": {"Es su turno", "Ábralo antes de las {time} para entrar en la tienda."},
	"it": {"È il suo turno", "Apra questo avviso prima delle {time} per entrare nel negozio."},
	"pt": {"É a sua vez", "Abra antes das {time} para entrar na loja."},
	"nl": {"U bent aan de beurt", "Open dit vóór {time} om de winkel binnen te gaan."},
	"pl": {"Teraz Twoja kolej", "Otwórz przed {time}, aby wejść do sklepu."},
	"tr": {"Sıra sizde", "Mağazaya girmek için {time} öncesinde açın."},
	"ja": {"あなたの順番です", "{time}までに開くとショップに入れます。"},
	"zh": {"轮到您了", "请在 {time} 前打开，进入商店。"},
	"ar": {"حان دورك", "افتح هذا الإشعار قبل {time} للدخول إلى المتجر."},
}

// languageOf reads the first of the page's languages in a tag such as "de-AT"; "" when it is none of them.
func languageOf(tag string) string {
	base, _, _ := strings.Cut(strings.ToLower(tag), "-")
	if slices.Contains(sale.PageLanguages, base) {
		return base
	}
	return ""
}

func pushTextIn(language string) pushText {
	if text, known := pushTexts[language]; known {
		return text
	}
	return pushTexts["en"]
}
