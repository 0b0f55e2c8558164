package fairness

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/beacon"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// Judge makes the report. It is pure.
func Judge(e Evidence) Report {
	r := Report{
		Format: Format, Sale: e.Record.ID, Name: e.Record.Name, Order: e.Record.Admission.Order,
		OpensAt: e.Record.OpensAt, StartsAt: e.Record.StartsAt, EndsAt: e.Record.EndsAt, EndedEarly: e.Record.Ended,
		MadeAt: e.MadeAt, Bots: e.Bots,
	}
	for _, lane := range e.Record.Admission.Lanes {
		r.Lanes = append(r.Lanes, lane.Name)
	}
	j := judging{Evidence: e, report: &r}
	j.figures()
	j.lists()
	j.journal()
	if r.Order == sale.Draw {
		j.draw()
	} else {
		r.Trust = Trust{Kind: TrustArrival, Detail: "There was no draw: places were given in the order in which the operator's servers saw visitors arrive. That the servers saw them in this order rests on the operator."}
	}
	j.line()
	j.limits()
	r.Verdict = Holds
	for _, check := range r.Checks {
		r.Verdict = Worse(r.Verdict, check.Verdict)
	}
	return r
}

// Worse is the verdict of two checks together.
func Worse(a, b Verdict) Verdict {
	switch {
	case a == Broken || b == Broken:
		return Broken
	case a == Unknown || b == Unknown:
		return Unknown
	default:
		return Holds
	}
}

type judging struct {
	Evidence
	report   *Report
	complete bool
}

func (j *judging) check(name string, verdict Verdict, format string, args ...any) {
	j.report.Checks = append(j.report.Checks, Check{Name: name, Verdict: verdict, Detail: fmt.Sprintf(format, args...)})
}

// whole is the verdict of what holds as far as the journal goes.
func (j *judging) whole(holds bool) Verdict {
	switch {
	case !holds:
		return Broken
	case !j.complete:
		return Unknown
	default:
		return Holds
	}
}

func (j *judging) figures() {
	a, r := &j.Account, j.report
	joined := max(a.Entrants, j.Room.Entrants)
	r.Line = Line{
		Joined: joined, Called: a.Called, Admitted: a.Admitted, Inversions: a.Inversions, TwoPasses: a.TwoPasses,
	}
	if j.Record.Epoch > 1 {
		r.Line.Uncertain = a.Uncertain
	}
	r.Draw = a.Draw
	r.Minute = Peak{Most: a.Minute.Most, AtMillis: a.Minute.AtMillis, Limit: a.Minute.Limit, Over: a.Minute.Over}
	r.Active = Active{AtMost: a.Active.Most, Limit: a.Active.Limit}
	if j.counted() {
		counted := j.Room.PeakActive
		r.Active.Counted, r.Active.Limit = &counted, j.Room.MaxActiveLimit
	}
	r.Keys = Keys{Count: a.Keys, Places: a.KeyPlaces, Duplicates: a.KeyDuplicates}
}

// counted reports whether Redis has counted from the beginning: after a loss its count begins anew.
func (j *judging) counted() bool { return j.Room.Ready && j.Room.Epoch == 1 }

func (j *judging) lists() {
	a, r := &j.Account, j.report
	r.Limits = make([]Limit, 0, len(a.Limits))
	for _, l := range a.Limits {
		r.Limits = append(r.Limits, Limit(l))
	}
	if a.Calls != nil {
		r.Calls = make([][]int64, 0, len(a.Calls))
		for _, c := range a.Calls {
			r.Calls = append(r.Calls, inLane(c.Lane, c.AtMillis, int64(c.Upto)))
		}
	}
	if a.Admissions != nil || a.Admitted == 0 {
		r.Admissions = make([][]int64, 0, len(a.Admissions))
		for _, one := range a.Admissions {
			lane, number := one.InLane()
			r.Admissions = append(r.Admissions, inLane(lane, one.AtMillis, int64(number)))
		}
	}
}

// inLane is an entry of a list: that of a priority lane names the lane.
func inLane(lane queue.Lane, numbers ...int64) []int64 {
	if lane == 0 {
		return numbers
	}
	return append(numbers, int64(lane))
}

// journal says whether all of the course is known.
func (j *judging) journal() {
	a := &j.Account
	var missing []string
	note := func(is bool, format string, args ...any) {
		if is {
			missing = append(missing, fmt.Sprintf(format, args...))
		}
	}
	note(j.Record.OpensAt.Before(j.JournalFrom), "the room opened at %s, and the journal is certain from %s on", stamp(j.Record.OpensAt), stamp(j.JournalFrom))
	note(a.Unread > 0, "%d of its records cannot be read by this version", a.Unread)
	note(a.Late > 0, "%d admissions were journaled too late to be put in order", a.Late)
	note(!j.Room.Ready, "redis no longer holds the room, so nobody can say whether the journal has all of it")
	note(j.Room.Ready && a.Admitted < j.Room.Claimed, "redis counted %d admissions, and the journal has %d", j.Room.Claimed, a.Admitted)
	note(j.Room.Ready && a.Called < j.Room.Called, "redis called up to place %d, and the journal up to %d", j.Room.Called, a.Called)
	if j.complete = len(missing) == 0; j.complete {
		j.check("journal_complete", Holds, "%d records; redis counted the same %d admissions", a.Records, a.Admitted)
		return
	}
	j.check("journal_complete", Unknown, "the journal may have been shortened: %s", strings.Join(missing, "; "))
}

// line judges who was called and admitted.
func (j *judging) line() {
	a := &j.Account
	verdict := j.whole(a.Inversions == 0)
	detail := fmt.Sprintf("%d places were called; %d were admitted, %d of them before their place was called", a.Called, a.Admitted, a.Inversions)
	if a.CallsUntimed > 0 {
		verdict, detail = Worse(verdict, Unknown), fmt.Sprintf("%s; %d calls have no time", detail, a.CallsUntimed)
	}
	j.check("called_in_order", verdict, "%s", detail)
	j.check("one_pass_a_ticket", j.whole(a.TwoPasses == 0), "%d tickets had two passes at once", a.TwoPasses)
	j.check("one_place_a_key", j.whole(a.KeyDuplicates == 0), "%d persons and invites had %d places by a key, %d of them beside one that was still good",
		a.Keys, a.KeyPlaces, a.KeyDuplicates)
}

// limits judges rate and cap.
func (j *judging) limits() {
	a, r := &j.Account, j.report
	verdict := j.whole(a.Minute.Over == 0)
	detail := fmt.Sprintf("most admissions in any rolling 60 s: %d of %d; a limit was exceeded by %d at most", r.Minute.Most, r.Minute.Limit, r.Minute.Over)
	if a.Minute.Unlimited > 0 {
		verdict, detail = Worse(verdict, Unknown), fmt.Sprintf("%s; for %d moments the limit is not known", detail, a.Minute.Unlimited)
	}
	j.check("admissions_within_rate", verdict, "%s", detail)
	switch {
	case r.Active.Counted != nil && *r.Active.Counted > r.Active.Limit:
		j.check("passes_within_cap", Broken, "most passes in force: %d of %d", *r.Active.Counted, r.Active.Limit)
	case a.Active.Over == 0 && a.Active.Unlimited == 0:
		j.check("passes_within_cap", j.whole(true), "most passes in force: at most %d of %d, by the journal", r.Active.AtMost, r.Active.Limit)
	case r.Active.Counted != nil:
		j.check("passes_within_cap", Holds, "most passes in force: %d of %d, as the script counted that gives them out", *r.Active.Counted, r.Active.Limit)
	default:
		j.check("passes_within_cap", Unknown, "redis was lost, and with it the count; by the journal there were at most %d of %d, if none was given back early",
			r.Active.AtMost, r.Active.Limit)
	}
}

// draw judges the draw.
func (j *judging) draw() {
	d := j.Account.Draw
	if !j.Account.Drawn || d == nil {
		j.noDraw()
		return
	}
	j.report.Trust = trustOf(d)
	switch {
	case j.Room.Ready && j.Room.DrawCommitment != d.Commitment:
		j.check("seed_as_committed", Broken, "redis published the commitment %s, and the seed in the journal has %s", j.Room.DrawCommitment, d.Commitment)
	case j.Room.Ready && d.Count != nil && j.Room.DrawCount != *d.Count:
		j.check("seed_as_committed", Broken, "redis published %d entrants, and the journal %d", j.Room.DrawCount, *d.Count)
	case j.Room.Ready && len(d.Lanes) > 0 && !slices.Equal(j.Room.DrawLanes, d.Lanes):
		j.check("seed_as_committed", Broken, "redis published the entrants of the lanes as %d, and the journal as %d", j.Room.DrawLanes, d.Lanes)
	case len(j.report.Lanes) > 0 && len(d.Lanes) != len(j.report.Lanes)+1:
		j.check("seed_as_committed", Unknown, "the sale has %d priority lanes, and the journal counts %d", len(j.report.Lanes), max(len(d.Lanes)-1, 0))
	default:
		j.check("seed_as_committed", j.whole(true), "the seed has the commitment %s, and %d took part", d.Commitment, *d.Count)
	}
	j.counts(d)
	verdict := Holds
	if kind := j.report.Trust.Kind; kind != TrustBeacon && kind != TrustParties {
		verdict = Unknown
	}
	j.check("nobody_could_choose_places", Worse(verdict, j.parts(d)), "%s", j.report.Trust.Detail)
}

func (j *judging) noDraw() {
	j.report.Trust = Trust{Kind: TrustUnknown, Detail: "The journal does not say how the places were drawn."}
	if j.complete && j.Account.Called == 0 && j.Account.Admitted == 0 {
		j.report.Trust.Detail = "No draw was made, and nobody was called."
		j.check("seed_as_committed", Holds, "no draw was made, and nobody was called")
		return
	}
	j.check("seed_as_committed", Unknown, "the journal does not say how the places were drawn")
}

// counts judges when the count of entrants was frozen and published.
func (j *judging) counts(d *queue.DrawFacts) {
	const name = "count_published_first"
	switch {
	case d.PublishedAt.IsZero():
		j.check(name, Unknown, "the count was frozen at %s; when it was published is not known", stamp(d.FrozenAt))
	case d.PublishedAt.Before(d.FrozenAt):
		j.check(name, Broken, "the count was published at %s, before it was frozen at %s", stamp(d.PublishedAt), stamp(d.FrozenAt))
	case d.Beacon != nil && !d.PublishedAt.Before(d.Beacon.RoundAt):
		j.check(name, Broken, "the count was published at %s, when round %d of the beacon was public already", stamp(d.PublishedAt), d.Beacon.Round)
	default:
		j.check(name, j.whole(true), "frozen at %s and published at %s, before the seed was complete", stamp(d.FrozenAt), stamp(d.PublishedAt))
	}
}

// parts judges what entered the seed.
func (j *judging) parts(d *queue.DrawFacts) Verdict {
	if b := d.Beacon; b != nil && !b.Missing && !beacon.Verify(b.PublicKey, b.Round, b.Signature) {
		return Broken
	}
	for _, share := range d.Shares {
		if !share.Missing && !share.Fits() {
			return Broken
		}
	}
	return Holds
}

// trustOf says whom one has to trust with a draw.
func trustOf(d *queue.DrawFacts) Trust {
	if b := d.Beacon; b != nil && !b.Missing {
		return Trust{Kind: TrustBeacon, Detail: fmt.Sprintf(
			"The seed was completed with round %d of the public beacon %s, which nobody could know before %s. The count of entrants was fixed and published before. So nobody at the shop or the operator could choose the places.",
			b.Round, b.ChainHash, stamp(b.RoundAt))}
	}
	var parties, missing []string
	for _, share := range d.Shares {
		if share.Missing {
			missing = append(missing, share.Party)
		} else {
			parties = append(parties, share.Party)
		}
	}
	why := "Nothing but the operator's own seed entered the draw."
	if d.Beacon != nil || len(missing) > 0 {
		why = "What was to complete the seed did not come in time, and the draw was made without it."
	}
	if len(parties) > 0 {
		return Trust{Kind: TrustParties, Parties: parties, Detail: fmt.Sprintf(
			"The seed was completed with values of %s, committed beforehand and opened after the count of entrants was published. If at least one of them kept its value to itself until then, nobody could choose the places.",
			strings.Join(parties, ", "))}
	}
	return Trust{Kind: TrustOperator, Detail: why + " You have to trust the operator: whoever could read its servers knew the seed before the count of entrants was fixed, and could have added or left out entrants until the places suited."}
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return "an unknown time"
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}
