package sale

import (
	"maps"
	"math/big"
	"slices"
)

// apportion divides units by weights with the largest-remainder method. The products are made
// with big integers: a stock times a weight may exceed 64 bits.
func apportion(units int64, weights map[string]int64) map[string]int64 {
	names := slices.Sorted(maps.Keys(weights))
	total := new(big.Int)
	for _, name := range names {
		total.Add(total, big.NewInt(weights[name]))
	}
	shares := make(map[string]int64, len(names))
	remainders := make(map[string]*big.Int, len(names))
	left := units
	for _, name := range names {
		product := new(big.Int).Mul(big.NewInt(units), big.NewInt(weights[name]))
		quotient, remainder := product.QuoRem(product, total, new(big.Int))
		shares[name] = quotient.Int64()
		remainders[name] = remainder
		left -= shares[name]
	}
	slices.SortStableFunc(names, func(a, b string) int { return remainders[b].Cmp(remainders[a]) })
	for _, name := range names[:left] {
		shares[name]++
	}
	return shares
}
