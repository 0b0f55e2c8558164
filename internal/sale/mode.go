package sale

// Mode is how the gate stands.
type Mode string

// The modes of admission.
const (
	Queue  Mode = "queue"
	Open   Mode = "open"   // nobody needs a pass
	Closed Mode = "closed" // nobody gets one; those in line keep their places
	Drain  Mode = "drain"  // nobody new gets a place; those in line go on
	// Standby is open below the thresholds of StandbyTerms, and queue above them. Which of the two is in force is told
	// by the room.
	Standby Mode = "standby"
	Reject  Mode = "reject" // newcomers are admitted at once or turned away; those in line go on
)

// Valid reports whether there is such a mode.
func (m Mode) Valid() bool {
	switch m {
	case Queue, Open, Closed, Drain, Reject, Standby:
		return true
	default:
		return false
	}
}

// Calls reports whether a line is called in this mode.
func (m Mode) Calls() bool { return m == Queue || m == Drain || m == Reject }

// TakesNewcomers reports whether somebody without a place may get one, or pass at once.
func (m Mode) TakesNewcomers() bool { return m != Closed && m != Drain }
