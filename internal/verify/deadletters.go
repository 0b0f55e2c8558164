package verify

import (
	"context"

	"github.com/penstock/penstock/checkout"
)

// deadLetters are what of a sale the ledger has refused and nobody has driven again.
type deadLetters struct {
	orders int64
	units  int64
}

// unreadable is where records are counted that are no order, and so of no known sale.
const unreadable = ""

const deadLettersPage = 1000

// openDeadLetters counts the dead letters that wait for a person, by sale.
func (v *Verifier) openDeadLetters(ctx context.Context) (map[string]deadLetters, error) {
	found := make(map[string]deadLetters)
	for cursor := ""; ; {
		page, next, err := v.deps.Ledger.DeadLetters(ctx, cursor, deadLettersPage)
		if err != nil {
			return nil, err
		}
		for _, letter := range page {
			order, err := checkout.DecodeOrder(letter.Raw)
			if err != nil {
				order.Sale = unreadable
			}
			of := found[order.Sale]
			of.orders++
			for _, line := range order.Lines {
				of.units += line.Quantity
			}
			found[order.Sale] = of
		}
		if next == "" {
			return found, nil
		}
		cursor = next
	}
}
