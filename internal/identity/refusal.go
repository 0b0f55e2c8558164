package identity

import "github.com/penstock/penstock/internal/problem"

// Reason says to programs why somebody was not let in.
type Reason string

// The reasons.
const (
	TokenRequired  Reason = "token_required"
	TokenInvalid   Reason = "token_invalid"
	TokenExpired   Reason = "token_expired"
	InviteRequired Reason = "invite_required"
	InviteInvalid  Reason = "invite_invalid"
	InviteUsed     Reason = "invite_used"
)

// ReasonField is the member of a problem document that has the reason.
const ReasonField = "reason"

// Refused is join_refused with a reason.
func Refused(reason Reason, detail string) error {
	return problem.With(problem.JoinRefused, detail, problem.F(ReasonField, reason))
}
