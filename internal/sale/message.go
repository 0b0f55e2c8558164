package sale

import "time"

// Notice is the sentence that the operator shows to the line, and for how long.
type Notice struct {
	Message string `json:"message"`
	// MessageUntil is when the message is taken down by itself. Zero: it belongs to MessagePhase.
	MessageUntil time.Time `json:"message_until,omitzero"`
	// MessagePhase is the phase in which the message was set, and with whose end it is gone. Empty: it stays.
	MessagePhase Phase `json:"message_phase,omitempty"`
}

// NewNotice is a message that is shown until a moment, or, without one, in this phase.
func NewNotice(message string, until time.Time, phase Phase) Notice {
	switch {
	case message == "":
		return Notice{}
	case !until.IsZero():
		return Notice{Message: message, MessageUntil: millis(until)}
	default:
		return Notice{Message: message, MessagePhase: phase}
	}
}

// MessageAt is what those who wait see in a phase; "" when nothing is to be said any more. It is pure: a message
// ends on every node by itself.
func (n Notice) MessageAt(now time.Time, phase Phase) string {
	switch {
	case !n.MessageUntil.IsZero():
		if !now.Before(n.MessageUntil) {
			return ""
		}
	case n.MessagePhase != "" && n.MessagePhase != phase:
		return ""
	}
	return n.Message
}

// WithoutPhase takes down what belonged to a phase that somebody ends. It would be back with the phase otherwise.
func (n Notice) WithoutPhase() Notice {
	if n.MessagePhase != "" {
		return Notice{}
	}
	return n
}
