package front

import (
	"github.com/penstock/penstock/internal/identity"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// reasonOf is why somebody was not let in, if it has to do with who they are.
func reasonOf(doc *problem.Problem) identity.Reason {
	for _, field := range doc.Fields {
		if reason, ok := field.Value.(identity.Reason); ok && field.Name == identity.ReasonField {
			return reason
		}
	}
	return ""
}

// describeRefused is for somebody who was not let in for who they are, or as that could not be told.
func describeRefused(rec *sale.Record, reason identity.Reason) roomView {
	v := newRoomView(rec, "refused")
	switch reason {
	case identity.TokenExpired:
		v.Headline, v.Lead = "Your link has expired", "Go back to the shop, and follow its link to the sale again."
	case identity.InviteRequired:
		v.Headline, v.Lead = "This sale is by invitation", "Open the link in your invitation. If you joined in another browser, go on there."
	case identity.InviteUsed:
		v.Headline, v.Lead = "This invitation was used", "It gives one place. If you used it in another browser, go on there."
	case identity.InviteInvalid:
		v.Headline, v.Lead = "We do not know this invitation", "Check the link in your invitation, and try again."
	default:
		v.Headline, v.Lead = "Come in through the shop", "This sale is for customers of the shop. Sign in there, and follow its link to the sale."
	}
	v.Note = "You have no place in line yet."
	return v
}

// describeGuessing is for somebody from whose network too many invites were tried.
func describeGuessing(rec *sale.Record) roomView {
	v := newRoomView(rec, "refused")
	v.Headline, v.Lead = "Too many invitations were tried", "Too many invitations that do not exist were tried from your network. Wait a minute, then load this page again."
	v.Note = "You have no place in line yet."
	return v
}
