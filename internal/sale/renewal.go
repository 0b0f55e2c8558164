package sale

import "time"

// MaxRenewals bounds how often a pass may be renewed.
const MaxRenewals = 100

// Renewal says how an active pass may be prolonged.
type Renewal struct {
	// By is how much later a renewed pass ends than before.
	By Duration `json:"by"`
	// Max is how often one pass may be renewed; 0 is never.
	Max int `json:"max"`
}

func (r Renewal) validate() error {
	if r == (Renewal{}) {
		return nil
	}
	if err := validRange("admission.renewal.max", int64(r.Max), 1, MaxRenewals); err != nil {
		return err
	}
	return validDuration("admission.renewal.by", r.By)
}

// LastEnd is when a pass that ends at a moment is over at the latest, should it be renewed as often as it may be.
func (a Admission) LastEnd(of time.Time) time.Time {
	return of.Add(time.Duration(a.Renewal.Max) * a.Renewal.By.Std())
}
