package degrade

// Flag is a feature that is switched off from some level on. Penstock only says so; whoever owns
// the feature reads the flag and acts.
type Flag struct {
	Key     string
	OffFrom Level // the first level at which it is off
	About   string
}

// Flags returns every flag, sorted by key. The order is the same in each answer.
func Flags() []Flag {
	return []Flag{
		{"admin-writes", Critical, "edits in the shop's back office that can wait until after the rush"},
		{"live-status", Critical, "figures on the shop's pages that follow the sale live"},
		{"recommendations", Elevated, "personal and cross-sell recommendations"},
		{"reviews", Elevated, "reviews and ratings on product pages"},
		{"search-suggestions", Elevated, "suggestions while the visitor types"},
		{"webhooks-now", Critical, "delivering notifications at once, not when the rush is over"},
	}
}

// Evaluation is one flag at one level, in the terms of OpenFeature.
type Evaluation struct {
	Key      string         `json:"key"`
	Reason   string         `json:"reason"`  // STATIC while on, TARGETING_MATCH when the level switched it off
	Variant  string         `json:"variant"` // on or off
	Value    bool           `json:"value"`
	Metadata map[string]any `json:"metadata"`
}

// Evaluate tells whether the feature is on at the level. It returns false for an unknown key.
func Evaluate(key string, level Level) (Evaluation, bool) {
	for _, f := range Flags() {
		if f.Key == key {
			return f.evaluate(level), true
		}
	}
	return Evaluation{}, false
}

func (f Flag) evaluate(level Level) Evaluation {
	e := Evaluation{
		Key: f.Key, Reason: "STATIC", Variant: "on", Value: true,
		Metadata: map[string]any{"level": level.String(), "off_from": f.OffFrom.String()},
	}
	if level >= f.OffFrom {
		e.Reason, e.Variant, e.Value = "TARGETING_MATCH", "off", false
	}
	return e
}
