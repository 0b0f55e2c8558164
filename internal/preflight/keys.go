package preflight

import (
	"fmt"

	"github.com/penstock/penstock/internal/auth"
)

const partKeys = "keys"

// AdminKey judges the length of the bootstrap API key, in characters.
func AdminKey(length int) []Finding {
	found := Finding{Part: partKeys, Name: "admin key", Verdict: OK, Detail: fmt.Sprintf("PENSTOCK_ADMIN_KEY has %d characters.", length)}
	if length < auth.StrongKeyLength {
		found.Verdict = Warn
		found.Advice = fmt.Sprintf("Use %d random characters or more: a shorter key could be guessed.", auth.StrongKeyLength)
	}
	return []Finding{found}
}
