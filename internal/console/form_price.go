package console

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

// decimals is the number of digits after the point of a currency's amounts, by ISO 4217. All
// currencies that are not here have two.
var decimals = map[string]int{
	"BIF": 0, "CLP": 0, "DJF": 0, "GNF": 0, "ISK": 0, "JPY": 0, "KMF": 0, "KRW": 0, "PYG": 0, "RWF": 0,
	"UGX": 0, "UYI": 0, "VND": 0, "VUV": 0, "XAF": 0, "XOF": 0, "XPF": 0,
	"BHD": 3, "IQD": 3, "JOD": 3, "KWD": 3, "LYD": 3, "OMR": 3, "TND": 3,
}

func decimalsOf(currency string) int {
	if n, ok := decimals[currency]; ok {
		return n
	}
	return 2
}

var pricePattern = regexp.MustCompile(`^([0-9]{1,12})(?:[.,]([0-9]{1,3}))?$`)

// parsePrice reads "129", "129.00" or "129,00" as minor units. It never goes through a float.
func parsePrice(text, currency string) (amount int64, ok bool) {
	parts := pricePattern.FindStringSubmatch(text)
	digits := decimalsOf(currency)
	if len(parts) == 0 || len(parts[2]) > digits {
		return 0, false
	}
	amount, err := strconv.ParseInt(parts[1]+parts[2]+strings.Repeat("0", digits-len(parts[2])), 10, 64)
	return amount, err == nil
}

// showPrice is the inverse of parsePrice.
func showPrice(p sale.Price) string {
	digits := decimalsOf(p.Currency)
	text := fmt.Sprintf("%0*d", digits+1, p.Amount)
	if digits == 0 {
		return text
	}
	return text[:len(text)-digits] + "." + text[len(text)-digits:]
}

func asInvalid(err error, into **sale.Invalid) bool { return errors.As(err, into) }

var itemIndex = regexp.MustCompile(`^items\[([0-9]+)\]`)

// rowField turns the index of an item in the document into that of its row: blank rows between
// them are left out of the document.
func rowField(field string, rowOf []int) string {
	parts := itemIndex.FindStringSubmatch(field)
	if parts == nil {
		return field
	}
	n, err := strconv.Atoi(parts[1])
	if err != nil || n >= len(rowOf) {
		return field
	}
	return "items[" + strconv.Itoa(rowOf[n]) + "]" + strings.TrimPrefix(field, parts[0])
}
