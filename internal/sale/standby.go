package sale

import "time"

// DefaultOffAfter is how long it must be calm before the line of a sale in standby is switched off.
const DefaultOffAfter = Duration(2 * time.Minute)

// MaxArrivalsPerMinute bounds the threshold of a sale in standby.
const MaxArrivalsPerMinute = 100_000_000

// StandbyTerms say when the line of a sale in the mode standby is switched on, and off again.
type StandbyTerms struct {
	// OnArrivalsPerMinute is from how many arrivals in 60 s the line is on. An arrival is a request that asks for
	// a protected page or the waiting room, without a pass.
	OnArrivalsPerMinute int `json:"on_arrivals_per_minute"`
	// OnActive is from how many active passes the line is on; 0 means that they do not matter.
	OnActive int `json:"on_active,omitempty"`
	// OffAfter is for how long nobody may wait, and both figures must be below three quarters of these, before the
	// line is off.
	OffAfter Duration `json:"off_after"`
}

func (t *StandbyTerms) setDefaults(ratePerMinute int) {
	setDefault(&t.OnArrivalsPerMinute, ratePerMinute)
	setDefault(&t.OffAfter, DefaultOffAfter)
}

func (t StandbyTerms) validate() error {
	if err := validRange("admission.standby.on_arrivals_per_minute", int64(t.OnArrivalsPerMinute), 1, MaxArrivalsPerMinute); err != nil {
		return err
	}
	if err := validRange("admission.standby.on_active", int64(t.OnActive), 0, MaxActive); err != nil {
		return err
	}
	return validDuration("admission.standby.off_after", t.OffAfter)
}
