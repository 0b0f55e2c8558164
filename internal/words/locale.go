package words

import (
	"strconv"
	"time"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/number"
)

// Number writes a number as the language does.
func (l *Language) Number(n uint64) string { return l.printer.Sprint(number.Decimal(n)) }

// Form returns the form of a text that fits a number.
func (l *Language) Form(key string, n uint64) string {
	forms := l.Forms[key]
	if text, there := forms[l.formOf(n)]; there {
		return text
	}
	return forms["other"]
}

// UnitsLeft says how many units are left.
func (l *Language) UnitsLeft(n uint64) string {
	return replace(l.Form("left", n), []string{"n", l.Number(n)})
}

// formOf names the form for a whole number as CLDR does. The rules look at no more than the last digits and
// whether a number is a whole million.
func (l *Language) formOf(n uint64) string {
	const million = 1_000_000
	if n >= million {
		n = n%million + million
	}
	switch plural.Cardinal.MatchPlural(l.tag, int(n), 0, 0, 0, 0) {
	case plural.Zero:
		return "zero"
	case plural.One:
		return "one"
	case plural.Two:
		return "two"
	case plural.Few:
		return "few"
	case plural.Many:
		return "many"
	default:
		return "other"
	}
}

// Moment writes a point in time, in UTC.
func (l *Language) Moment(at time.Time) string {
	at = at.UTC()
	return replace(l.Moments, []string{
		"day", strconv.Itoa(at.Day()), "month", l.Months[at.Month()-1], "year", strconv.Itoa(at.Year()), "time", at.Format(time.TimeOnly),
	})
}

// unknownSeconds is the wait in a line that hardly moves.
const unknownSeconds = 24 * 60 * 60

// Wait words an expected wait as the range that it is. static/room.js says the same.
func (l *Language) Wait(p50Seconds, p90Seconds int64) string {
	if p90Seconds <= 0 || p50Seconds >= unknownSeconds {
		return l.Text("eta.unknown")
	}
	if p90Seconds < 60 {
		return l.Text("eta.soon")
	}
	low, high := wholeMinutes(p50Seconds), wholeMinutes(p90Seconds)
	if low == high {
		return l.Text("eta.about", "time", l.span(low))
	}
	return l.Text("eta.range", "low", l.span(low), "high", l.span(high))
}

func wholeMinutes(seconds int64) int64 { return max(1, (seconds+30)/60) }

func (l *Language) span(minutes int64) string {
	if minutes < 60 {
		return l.Text("span.minutes", "m", strconv.FormatInt(minutes, 10))
	}
	rest := strconv.FormatInt(minutes%60, 10)
	if len(rest) == 1 {
		rest = "0" + rest
	}
	return l.Text("span.hours", "h", strconv.FormatInt(minutes/60, 10), "m", rest)
}
