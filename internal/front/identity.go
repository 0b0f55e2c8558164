package front

import (
	"context"
	"math"

	"github.com/penstock/penstock/internal/identity"
	"github.com/penstock/penstock/internal/ledger"
	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// Kinds of keys under which places are kept.
const (
	placeOfPerson = "person"
	placeOfInvite = "invite"
)

// identifies reports whether a newcomer says who they are, in a way that the sale asks for.
func (j *joinRequest) identifies(rec *sale.Record) bool {
	return j.joinToken != "" && rec.Identity.JoinToken != "" || j.invite != "" && rec.Identity.InviteOnly
}

// mayEnter judges a newcomer before a place is given, and says by what they are known: nothing, a customer of the
// shop, an invite, or both. The invite comes last, so that nobody who is refused uses it up. A customer who gets no
// place for one of the judgement's reasons may have one already, which is looked for: the refusal of the judgement is
// for whoever has none. Codes: join_refused with a reason, rate_limited, unavailable.
func (s *Server) mayEnter(c *call, request joinRequest) (who queue.Keyed, judged judgement, err error) {
	rec := c.entry.Record()
	var lane string
	if who.Person, lane, err = s.identifyPerson(c, &rec, request.joinToken); err != nil {
		return queue.Keyed{}, judgement{}, err
	}
	who.Lane = c.entry.Room().LaneOf(lane)
	needsInvite := rec.Identity.InviteOnly && request.invite == ""
	if needsInvite && len(who.Person) == 0 {
		return queue.Keyed{}, judgement{}, inviteRequired()
	}
	judged = s.judgeNewcomer(c, &rec, &request, who.Person)
	switch {
	case judged.refusal != nil:
		who.FindOnly = true
		if len(who.Person) == 0 {
			err = judged.refusal
		}
	case needsInvite:
		who.FindOnly, judged.refusal = true, inviteRequired() // on another device the invite need not be shown again
	case rec.Identity.InviteOnly:
		who.Invite, lane, err = s.useInvite(c, &rec, request.invite, who.Person)
		if who.Lane == 0 {
			who.Lane = c.entry.Room().LaneOf(lane)
		}
	}
	return who, judged, err
}

func inviteRequired() error {
	return identity.Refused(identity.InviteRequired, "this sale is for those who were invited: bring an invite")
}

// identifyPerson returns the keys of the customer whom the shop's token names, and the lane that it names; none when
// the sale does without.
func (s *Server) identifyPerson(c *call, rec *sale.Record, token string) (keys []queue.PlaceKey, lane string, err error) {
	switch {
	case rec.Identity.JoinToken == "":
		return nil, "", nil
	case token == "" && rec.Identity.JoinToken == sale.JoinTokenRequired:
		return nil, "", identity.Refused(identity.TokenRequired, "this sale is for customers of the shop: sign in there, and follow its link to the sale")
	case token == "":
		return nil, "", nil
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	claims, err := s.JoinTokens.Verify(ctx, &rec.Sale, token, c.entry.Now())
	if err != nil {
		return nil, "", err
	}
	return s.PlaceKeys.Of(placeOfPerson, rec.ID, claims.Subject), claims.Lane, nil
}

// useInvite takes an invite for whoever brings it, and tells its lane. Guessing is limited by address.
func (s *Server) useInvite(c *call, rec *sale.Record, code string, person []queue.PlaceKey) (keys []queue.PlaceKey, lane string, err error) {
	if s.Invites == nil {
		return nil, "", problem.With(problem.Unavailable, "invites cannot be checked here")
	}
	from, now := s.visitorAddress(c), c.ctx.Time()
	if wait := s.inviteGuesses.Wait(from, now); wait > 0 {
		return nil, "", problem.Retry(problem.RateLimited, "too many invites were tried from your network; wait before the next one", int(math.Ceil(wait.Seconds())))
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	use, err := s.Invites.Use(ctx, rec.ID, code, holdersOf(c, person))
	if err != nil {
		return nil, "", err
	}
	switch use.State {
	case ledger.InviteGood:
		return s.PlaceKeys.Of(placeOfInvite, rec.ID, identity.PlainCode(code)), use.Lane, nil
	case ledger.InviteTaken:
		return nil, "", identity.Refused(identity.InviteUsed, "this invite was used already; it gives one place")
	default:
		s.inviteGuesses.Failed(from, now)
		return nil, "", identity.Refused(identity.InviteInvalid, "this invite is not known, or was taken back")
	}
}

// holdersOf says who brings an invite, in a way that lets the same one bring it again: the customer, or else the
// device. Nobody else can, and so whoever says neither can bring it once.
func holdersOf(c *call, person []queue.PlaceKey) []string {
	var holders []string
	for _, key := range person {
		holders = append(holders, "p"+fingerprint(key[:]))
	}
	if device := deviceOf(c); len(holders) == 0 && device != "" {
		holders = append(holders, "d"+device)
	}
	return holders
}

// takePlace gives a newcomer a place, or the one that they have by a key. Own is the ticket that they brought, nil for
// none; had says that the place was there. A ticket of the number 0 means that there is none, when it was only looked for.
func (s *Server) takePlace(ctx context.Context, room *queue.Room, who queue.Keyed, own *queue.Ticket, onlyCalled bool) (ticket queue.Ticket, had bool, err error) {
	if len(who.Person) == 0 && len(who.Invite) == 0 {
		ticket, err = room.JoinAs(ctx, queue.Newcomer{Interest: who.Like.Interest, Outside: who.Outside, OnlyCalled: onlyCalled})
		return ticket, false, err
	}
	if own != nil && own.Flags&queue.FlagKeyed != 0 {
		own = nil // it belongs to a key: this one or somebody else's
	}
	if own != nil {
		who.Own = *own
	}
	ticket, had, err = room.JoinKeyed(ctx, who)
	if err != nil || ticket.Number == 0 {
		return queue.Ticket{}, false, err
	}
	if own != nil && own.Number != ticket.Number {
		// One person, one place: the one from before the login goes to the next in line.
		if err := room.Leave(ctx, *own); err != nil {
			return queue.Ticket{}, false, err
		}
	}
	return ticket, had, nil
}

// usedUp refuses an invite whose place is over, and cannot be taken up any more.
func usedUp(who queue.Keyed, here place) error {
	if len(who.Invite) > 0 && here.view.State == queue.Missed && here.view.TakeUpBefore.IsZero() {
		return identity.Refused(identity.InviteUsed, "this invite was used already; it gives one place")
	}
	return nil
}
