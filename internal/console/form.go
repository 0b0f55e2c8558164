package console

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// saleForm is the form of a sale as it is shown: everything as text, as it was typed, so that a
// refused form comes back unchanged. Names of fields are the paths of the document.
type saleForm struct {
	Existing bool
	Begun    bool // then only the pace, the terms, the name and the end may change
	Status   int

	ID, Name, TargetURL, Handover     string
	OpensAt, StartsAt, EndsAt         string // as datetime-local gives them, in Zone
	Zone                              string // IANA; "" is UTC
	Order, Mode                       string
	Standby                           standbyForm
	Renewal                           renewalForm
	hasRenewal                        bool
	Rate, MaxActive                   string
	PassMinutes, ClaimMinutes         string
	HoldMinutes, MaxExtensions        string
	PerCustomer, Currency, Durability string
	Shadow                            bool
	Version                           string
	Intent                            string // schedule, draft or rows
	rulesForm
	Page     typed
	Identity typed
	Notify   notifyForm
	Draw     typed
	Bots     typed
	Rows     []itemRow
	Errors   map[string]string
}

// itemRow is one line of the table of items.
type itemRow struct{ SKU, Name, Stock, Limit, Price string }

func (row itemRow) blank() bool { return row == itemRow{} }

const (
	localTime     = "2006-01-02T15:04"
	localTimeSecs = "2006-01-02T15:04:05"
	spareRows     = 2
	moreRows      = 5
)

// Error is what is wrong with a field, by its path; "" is the form as a whole.
func (f *saleForm) Error(field string) string { return f.Errors[field] }

// RowError is what is wrong with a cell of the table of items.
func (f *saleForm) RowError(row int, column string) string {
	return f.Errors["items["+strconv.Itoa(row)+"]."+column]
}

// fieldView is one field of the form, for the templates.
type fieldView struct {
	Path, Label, Value, Kind, Hint, Error string
	Fixed                                 bool
	Options                               []option // of a choice
}

// option is one of the values of a choice.
type option struct {
	Value, Label string
	Selected     bool
}

// fixedOnceBegun are the fields that cannot change once the doors are open; package sales decides.
func fixedOnceBegun(path string) bool {
	switch path {
	case "opens_at", "starts_at", "admission.order", "durability", "reservation.customer", "reservation.plus_tags", "channels":
		return true
	}
	return path != "draw.beacon.urls" && strings.HasPrefix(path, "draw.")
}

func viewField(f *saleForm, path, label, value, kind, hint string) fieldView {
	return fieldView{
		Path: path, Label: label, Value: value, Kind: kind, Hint: hint, Error: f.Error(path),
		Fixed: f.Begun && fixedOnceBegun(path),
	}
}

// viewChoice is a field with a list of values, each followed by its label.
func viewChoice(f *saleForm, path, label, value, hint string, valuesAndLabels ...string) fieldView {
	view := viewField(f, path, label, value, "", hint)
	for i := 0; i+1 < len(valuesAndLabels); i += 2 {
		view.Options = append(view.Options, option{Value: valuesAndLabels[i], Label: valuesAndLabels[i+1], Selected: valuesAndLabels[i] == value})
	}
	return view
}

func (f *saleForm) fault(field, reason string) {
	if strings.HasPrefix(field, "channels.") { // they have one field together
		field, reason = "channels", strings.TrimPrefix(field, "channels.")+": "+reason
	}
	field = sharedField(field)
	if _, already := f.Errors[field]; !already {
		f.Errors[field] = reason
	}
	if f.Status < http.StatusBadRequest {
		f.Status = http.StatusUnprocessableEntity
	}
}

func (f *saleForm) ok() bool { return len(f.Errors) == 0 }

func (f *saleForm) version() int64 {
	n, err := strconv.ParseInt(f.Version, 10, 64)
	if err != nil {
		return -1 // matches no version
	}
	return n
}

// newSaleForm proposes a sale that starts at the given time, with a waiting room a quarter of an
// hour before.
func newSaleForm(start time.Time) *saleForm {
	f := fillSaleForm(sale.Record{Sale: sale.Sale{
		OpensAt: start.Add(-15 * time.Minute), StartsAt: start, EndsAt: start.Add(2 * time.Hour),
		Admission:   sale.Admission{Order: sale.Draw},
		Reservation: sale.Terms{MaxExtensions: sale.DefaultMaxExtensions},
	}.WithDefaults()})
	f.Existing = false
	return f
}

// fillSaleForm shows a sale that exists.
func fillSaleForm(rec sale.Record) *saleForm {
	f := &saleForm{
		Existing: true, Status: http.StatusOK, Errors: map[string]string{},
		ID: rec.ID, Name: rec.Name, TargetURL: rec.TargetURL, Handover: string(rec.Handover),
		OpensAt: showTime(rec.OpensAt), StartsAt: showTime(rec.StartsAt), EndsAt: showTime(rec.EndsAt),
		Order: string(rec.Admission.Order), Mode: string(rec.Admission.Mode), Standby: fillStandby(rec.Admission.Standby),
		Renewal: fillRenewal(rec.Admission.Renewal),
		Rate:    strconv.Itoa(rec.Admission.RatePerMinute), MaxActive: strconv.Itoa(rec.Admission.MaxActive),
		PassMinutes: showMinutes(rec.Admission.PassTTL), ClaimMinutes: showMinutes(rec.Admission.ClaimWindow),
		HoldMinutes: showMinutes(rec.Reservation.TTL), MaxExtensions: strconv.Itoa(rec.Reservation.MaxExtensions),
		PerCustomer: showLimit(rec.Reservation.PerCustomer), Currency: "EUR", Durability: string(rec.Durability),
		Version: strconv.FormatInt(rec.Version, 10), rulesForm: fillRules(rec.Sale), Shadow: rec.Shadow,
		Notify: fillNotify(rec.Notify),
		Page:   fillPage(rec.Page), Identity: fillIdentity(rec.Identity), Draw: fillDraw(rec.Draw),
		Bots: fillBots(rec.Bots),
	}
	for _, item := range rec.Items {
		row := itemRow{SKU: item.SKU, Name: item.Name, Stock: strconv.FormatInt(item.Stock, 10), Limit: showLimit(item.PerCustomer)}
		if item.Price != nil {
			f.Currency = item.Price.Currency
			row.Price = showPrice(*item.Price)
		}
		f.Rows = append(f.Rows, row)
	}
	f.addRows(spareRows)
	return f
}

// readSaleForm takes what was typed, as it was typed.
func readSaleForm(v url.Values) *saleForm {
	text := func(name string) string { return strings.TrimSpace(v.Get(name)) }
	f := &saleForm{
		Status: http.StatusOK, Errors: map[string]string{},
		ID: text("id"), Name: text("name"), TargetURL: text("target_url"), Handover: text("handover"),
		OpensAt: text("opens_at"), StartsAt: text("starts_at"), EndsAt: text("ends_at"), Zone: text("zone"),
		Order: text("admission.order"), Mode: text("admission.mode"), Standby: readStandby(v),
		Renewal: readRenewal(v), hasRenewal: v.Has("admission.renewal.by") || v.Has("admission.renewal.max"),
		Rate: text("admission.rate_per_minute"), MaxActive: text("admission.max_active"),
		PassMinutes: text("admission.pass_ttl"), ClaimMinutes: text("admission.claim_window"),
		HoldMinutes: text("reservation.ttl"), MaxExtensions: text("reservation.max_extensions"),
		PerCustomer: text("reservation.per_customer"), Currency: strings.ToUpper(text("currency")), Durability: text("durability"),
		Version: text("version"), Intent: text("intent"), rulesForm: readRules(v), Shadow: text("shadow") == "true",
		Notify: readNotify(v),
		Page:   readPage(v), Identity: readIdentity(v), Draw: readDraw(v),
		Bots: readBots(v),
	}
	for i := range min(len(v["sku"]), sale.MaxItems+1) {
		f.Rows = append(f.Rows, itemRow{
			SKU: nth(v["sku"], i), Name: nth(v["item_name"], i), Stock: nth(v["stock"], i),
			Limit: nth(v["limit"], i), Price: nth(v["price"], i),
		})
	}
	if f.wantsRows() {
		f.addRows(moreRows)
	}
	return f
}

// fix shows, of a sale that has begun, what can no longer change as it is.
func (f *saleForm) fix(rec sale.Record) {
	f.Begun = true
	f.Order, f.Durability, f.Shadow = string(rec.Admission.Order), string(rec.Durability), rec.Shadow
	f.fixRules(rec.Sale)
}

// wantsRows: the button for more rows was pressed, which works without JavaScript.
func (f *saleForm) wantsRows() bool { return f.Intent == "rows" }

func (f *saleForm) addRows(n int) {
	for range min(n, sale.MaxItems-len(f.Rows)) {
		f.Rows = append(f.Rows, itemRow{})
	}
}

func nth(list []string, i int) string {
	if i < len(list) {
		return strings.TrimSpace(list[i])
	}
	return ""
}

// sale lays what was typed over a sale, whose members that the form does not show are kept, and
// notes what is wrong beside the fields.
func (f *saleForm) sale(base sale.Sale) sale.Sale {
	s := base
	s.Name, s.TargetURL, s.Draft = f.Name, f.TargetURL, f.Intent == "draft"
	if f.Handover != "" {
		s.Handover = sale.Handover(f.Handover)
	}
	s.ID = f.ID
	s.Admission = f.admission(base.Admission)
	s.Reservation.TTL = f.minutes("reservation.ttl", f.HoldMinutes)
	s.Reservation.PerCustomer = int(f.number("reservation.per_customer", f.PerCustomer, true))
	s.Reservation.MaxExtensions = int(f.number("reservation.max_extensions", f.MaxExtensions, true))
	s.Durability, s.Shadow = sale.Durability(f.Durability), f.Shadow
	f.rules(&s)
	f.page(&s)
	f.notify(&s)
	f.identity(&s)
	f.draw(&s)
	f.bots(&s)
	f.times(&s)
	at := []int(nil) // the row of each item
	if f.Begun {
		s.Draft, s.OpensAt, s.StartsAt, s.Admission.Order = base.Draft, base.OpensAt, base.StartsAt, base.Admission.Order
		s.Durability, s.Shadow = base.Durability, base.Shadow
	} else {
		s.Items, at = f.items()
	}
	f.check(s, at)
	return s.WithDefaults()
}

func (f *saleForm) admission(base sale.Admission) sale.Admission {
	a := base
	a.Order, a.Mode = sale.Order(f.Order), sale.Mode(f.Mode)
	a.RatePerMinute = int(f.number("admission.rate_per_minute", f.Rate, false))
	a.MaxActive = int(f.number("admission.max_active", f.MaxActive, false))
	a.PassTTL = f.minutes("admission.pass_ttl", f.PassMinutes)
	a.ClaimWindow = f.minutes("admission.claim_window", f.ClaimMinutes)
	a.Standby = f.standby(a.Mode)
	if f.hasRenewal {
		a.Renewal = f.renewal()
	}
	return a
}

// check adds what package sale says. It says one thing at a time, and what the form itself has
// found wrong comes first.
func (f *saleForm) check(s sale.Sale, rowOf []int) {
	var invalid *sale.Invalid
	if err := s.WithDefaults().Validate(); asInvalid(err, &invalid) {
		field := invalid.Field
		if f.ok() || f.Errors[field] == "" && !strings.HasPrefix(field, "items") {
			f.fault(rowField(field, rowOf), invalid.Reason)
		}
	}
}

func (f *saleForm) times(s *sale.Sale) {
	zone, err := time.LoadLocation(f.Zone) // "" is UTC
	if err != nil || len(f.Zone) > 64 || f.Zone == "Local" {
		f.fault("zone", "choose a time zone of the list")
		zone = time.UTC
	}
	s.StartsAt = f.time("starts_at", f.StartsAt, zone, true)
	s.EndsAt = f.time("ends_at", f.EndsAt, zone, true)
	s.OpensAt = f.time("opens_at", f.OpensAt, zone, false)
	if f.OpensAt == "" {
		s.OpensAt = s.StartsAt
	}
}

func (f *saleForm) time(field, text string, zone *time.Location, required bool) time.Time {
	if text == "" {
		if required {
			f.fault(field, "enter a date and a time")
		}
		return time.Time{}
	}
	for _, layout := range []string{localTime, localTimeSecs, localTimeSecs + ".999"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return t.UTC()
		}
	}
	f.fault(field, "enter a date and a time, such as 2026-12-01T10:00")
	return time.Time{}
}

func (f *saleForm) items() (items []sale.Item, rowOf []int) {
	for i, row := range f.Rows {
		if row.blank() {
			continue
		}
		items = append(items, f.item(i, row))
		rowOf = append(rowOf, i)
	}
	if len(items) == 0 {
		f.fault("items", "enter at least one item")
	}
	return items, rowOf
}

func (f *saleForm) item(i int, row itemRow) sale.Item {
	field := func(column string) string { return "items[" + strconv.Itoa(i) + "]." + column }
	item := sale.Item{SKU: row.SKU, Name: row.Name}
	if row.SKU == "" {
		f.fault(field("sku"), "enter the article number")
	}
	item.Stock = f.number(field("stock"), row.Stock, false)
	item.PerCustomer = int(f.number(field("per_customer"), row.Limit, true))
	if row.Price != "" {
		amount, ok := parsePrice(row.Price, f.Currency)
		if !ok {
			f.fault(field("price.amount"), "enter an amount such as 129.00")
		}
		item.Price = &sale.Price{Amount: amount, Currency: f.Currency}
	}
	return item
}

// number reads a whole number. An optional one may be left empty, which is 0.
func (f *saleForm) number(field, text string, optional bool) int64 {
	if text == "" && optional {
		return 0
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 || n == 0 && !optional && !strings.HasSuffix(field, ".stock") {
		f.fault(field, "enter a whole number above 0")
		return 1
	}
	return n
}

func (f *saleForm) minutes(field, text string) sale.Duration {
	n, err := strconv.ParseFloat(strings.Replace(text, ",", ".", 1), 64)
	if err != nil || !(n > 0) || n > sale.MaxTTL.Minutes() {
		f.fault(field, "enter a number of minutes")
		return sale.Duration(time.Minute)
	}
	return sale.Duration((time.Duration(n * float64(time.Minute))).Round(time.Second))
}

func showTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	if t.Second() != 0 {
		return t.UTC().Format(localTimeSecs)
	}
	return t.UTC().Format(localTime)
}

func showMinutes(d sale.Duration) string {
	return strconv.FormatFloat(d.Std().Minutes(), 'f', -1, 64)
}

func showLimit(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
