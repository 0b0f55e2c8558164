package sale

import (
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The limits of a sale. They keep what is stored and sent for a sale small enough for one script
// call and one answer.
const (
	MaxItems         = 100
	MaxChannels      = 20
	MaxStock         = 1_000_000_000
	MaxRatePerMinute = 10_000_000
	MaxActive        = 1_000_000
	MaxNameLength    = 200
	MaxMessageLength = 500
	MaxURLLength     = 2048
	MaxSaleLength    = 366 * 24 * time.Hour
	MinTTL           = time.Second
	MaxTTL           = 24 * time.Hour
	MaxExtensions    = 100
	MaxPerCustomer   = 1_000_000
	MaxNetworks      = 1000
	MaxPriceAmount   = 1_000_000_000_000
)

var (
	idPattern       = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)
	skuPattern      = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)
	channelPattern  = regexp.MustCompile(`^[a-z0-9_-]{1,32}$`)
	currencyPattern = regexp.MustCompile(`^[A-Z]{3}$`)
)

// Invalid says which field of a sale is wrong and why.
type Invalid struct {
	Field  string // a path such as "items[0].stock"
	Reason string
}

// Error names the field and the reason.
func (i *Invalid) Error() string { return i.Field + ": " + i.Reason }

func invalid(field, format string, args ...any) error {
	return &Invalid{Field: field, Reason: fmt.Sprintf(format, args...)}
}

// ValidID reports whether a string can be the id of a sale.
func ValidID(id string) bool { return idPattern.MatchString(id) }

// ValidChannel reports whether a string can be the name of a channel.
func ValidChannel(name string) bool { return channelPattern.MatchString(name) }

// Validate returns the first thing that is wrong with the sale, as *Invalid.
func (s Sale) Validate() error {
	checks := []func() error{
		s.validateNames, s.validateTimes, s.validateAdmission, s.validateDraw, s.validateReservation,
		s.validateItems, s.validateChannels, s.validateSpill, s.validateTerms,
		s.validateIdentity, s.validatePage, s.validateNotify, s.validateBots,
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (s Sale) validateNames() error {
	if !ValidID(s.ID) {
		return invalid("id", "want 1 to 64 of a-z, 0-9 and -")
	}
	if err := validText("name", s.Name, 1, MaxNameLength); err != nil {
		return err
	}
	if s.TargetURL == "" {
		return nil
	}
	if len(s.TargetURL) > MaxURLLength || !AllowedTarget(s.TargetURL) {
		return invalid("target_url", "want an http(s) address with a host name in ASCII, or a path that begins with one /")
	}
	return nil
}

// AllowedTarget keeps scripts, foreign schemes and hidden hosts out of a redirect.
func AllowedTarget(target string) bool {
	u, err := url.Parse(target)
	// Browsers take a backslash for a slash.
	if err != nil || strings.ContainsRune(target, '\\') {
		return false
	}
	if u.Scheme == "" {
		// Browsers take whatever follows two slashes, or more, for a host.
		return strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "//")
	}
	return (u.Scheme == "http" || u.Scheme == "https") && u.Opaque == "" && u.User == nil && plainHost(u)
}

// plainHost reports whether a host is of the characters of DNS names and addresses alone. The host also
// goes into a header of the waiting-room page, in which others have a meaning.
func plainHost(u *url.URL) bool {
	name := u.Hostname()
	if strings.Contains(name, ":") {
		addr, err := netip.ParseAddr(name)
		return err == nil && addr.Zone() == ""
	}
	for _, c := range []byte(name) {
		if c != '.' && c != '-' && (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return name != ""
}

func (s Sale) validateTimes() error {
	switch {
	case s.StartsAt.IsZero():
		return invalid("starts_at", "is required (RFC 3339, such as 2026-12-01T10:00:00Z)")
	case s.EndsAt.IsZero():
		return invalid("ends_at", "is required (RFC 3339, such as 2026-12-01T12:00:00Z)")
	case !s.EndsAt.After(s.StartsAt):
		return invalid("ends_at", "must be after starts_at")
	case s.OpensAt.After(s.StartsAt):
		return invalid("opens_at", "must not be after starts_at")
	case s.EndsAt.Sub(s.OpensAt) > MaxSaleLength:
		return invalid("ends_at", "the sale may last %d days at most", int(MaxSaleLength.Hours()/24))
	case s.Admission.Order == Draw && !s.OpensAt.Before(s.StartsAt):
		return invalid("opens_at", "a draw needs opens_at before starts_at")
	}
	return nil
}

func (s Sale) validateAdmission() error {
	a := s.Admission
	if a.Order != Draw && a.Order != FIFO {
		return invalid("admission.order", "want draw or fifo")
	}
	if !a.Mode.Valid() {
		return invalid("admission.mode", "want queue, open, closed, drain, reject or standby")
	}
	if (a.Mode == Standby) != (a.Standby != nil) {
		return invalid("admission.standby", "goes with the mode standby")
	}
	if a.Standby != nil {
		if err := a.Standby.validate(); err != nil {
			return err
		}
	}
	if err := a.validateLanes(); err != nil {
		return err
	}
	if err := validRange("admission.rate_per_minute", int64(a.RatePerMinute), 1, MaxRatePerMinute); err != nil {
		return err
	}
	if err := validRange("admission.max_active", int64(a.MaxActive), 1, MaxActive); err != nil {
		return err
	}
	if err := validDuration("admission.pass_ttl", a.PassTTL); err != nil {
		return err
	}
	if err := validDuration("admission.claim_window", a.ClaimWindow); err != nil {
		return err
	}
	if err := a.Renewal.validate(); err != nil {
		return err
	}
	if a.PassBinding != BindNothing && a.PassBinding != BindNetwork && a.PassBinding != BindDevice {
		return invalid("admission.pass_binding", "want none, network or device")
	}
	return validRange("admission.max_networks", int64(a.MaxNetworks), 1, MaxNetworks)
}

func (s Sale) validateReservation() error {
	if err := validDuration("reservation.ttl", s.Reservation.TTL); err != nil {
		return err
	}
	if err := validRange("reservation.max_extensions", int64(s.Reservation.MaxExtensions), 0, MaxExtensions); err != nil {
		return err
	}
	if err := validRange("reservation.per_customer", int64(s.Reservation.PerCustomer), 0, MaxPerCustomer); err != nil {
		return err
	}
	return s.Reservation.validateCustomer()
}

func (t Terms) validateCustomer() error {
	switch t.Customer {
	case "", Normalized, Exact:
	default:
		return invalid("reservation.customer", "want normalized or exact")
	}
	switch t.PlusTags {
	case "", KeepTags:
		return nil
	case DropTags:
		if t.Customer == Exact {
			return invalid("reservation.plus_tags", "drop needs customer: normalized")
		}
		return nil
	default:
		return invalid("reservation.plus_tags", "want keep or drop")
	}
}

func (s Sale) validateItems() error {
	if len(s.Items) == 0 || len(s.Items) > MaxItems {
		return invalid("items", "want 1 to %d items", MaxItems)
	}
	seen := make(map[string]bool, len(s.Items))
	for i, item := range s.Items {
		field := fmt.Sprintf("items[%d]", i)
		if seen[item.SKU] {
			return invalid(field+".sku", "%q is there twice", item.SKU)
		}
		seen[item.SKU] = true
		if err := item.validate(field); err != nil {
			return err
		}
	}
	return nil
}

func (item Item) validate(field string) error {
	if !skuPattern.MatchString(item.SKU) {
		return invalid(field+".sku", "want 1 to 64 letters, digits, dots, underscores or hyphens")
	}
	if err := validText(field+".name", item.Name, 1, MaxNameLength); err != nil {
		return err
	}
	if err := validRange(field+".stock", item.Stock, 0, MaxStock); err != nil {
		return err
	}
	if err := validRange(field+".per_customer", int64(item.PerCustomer), 0, MaxPerCustomer); err != nil {
		return err
	}
	if item.Price == nil {
		return nil
	}
	if err := validRange(field+".price.amount", item.Price.Amount, 0, MaxPriceAmount); err != nil {
		return err
	}
	if !currencyPattern.MatchString(item.Price.Currency) {
		return invalid(field+".price.currency", "want three capital letters of ISO 4217, such as EUR")
	}
	return nil
}

func (s Sale) validateChannels() error {
	if len(s.Channels) > MaxChannels {
		return invalid("channels", "at most %d channels", MaxChannels)
	}
	if s.Shadow && len(s.Channels) > 0 {
		// The shop does not say from which share it sold, and all of them are its stock.
		return invalid("channels", "a sale in shadow mode has none: it is compared with the whole stock of the shop")
	}
	var total int64
	for name, share := range s.Channels {
		if !ValidChannel(name) {
			return invalid("channels", "%q is not a name of 1 to 32 of a-z, 0-9, _ and -", name)
		}
		if err := validRange("channels."+name, share, 0, MaxStock); err != nil {
			return err
		}
		total += share
	}
	if len(s.Channels) > 0 && total == 0 {
		return invalid("channels", "at least one share must be above 0")
	}
	if _, there := s.Channels[s.DefaultChannel]; s.DefaultChannel != "" && !there {
		return invalid("default_channel", "%q is not one of the channels", s.DefaultChannel)
	}
	return s.validateWithoutPass()
}

func (s Sale) validateWithoutPass() error {
	visitors, _ := s.VisitorChannel()
	for i, name := range s.WithoutPass {
		field := fmt.Sprintf("without_pass[%d]", i)
		if _, there := s.Channels[name]; !there {
			return invalid(field, "%q is not one of the channels", name)
		}
		if name == visitors {
			return invalid(field, "%q is the channel of visitors, who need a pass; set admission.mode to open for all", name)
		}
		if slices.Contains(s.WithoutPass[:i], name) {
			return invalid(field, "%q is there twice", name)
		}
	}
	return nil
}

func (s Sale) validateTerms() error {
	switch s.Payment.Mode {
	case PaymentNone:
	case PaymentAuthorize:
		return invalid("payment.mode", "authorize is not supported yet; use none, and let the shop charge")
	default:
		return invalid("payment.mode", "want none or authorize")
	}
	switch s.FailedOrders {
	case "", ReturnUnits, WithholdUnits:
	default:
		return invalid("failed_orders", "want return or withhold")
	}
	switch s.Handover {
	case HandoverCode, HandoverPass, HandoverNone:
	default:
		return invalid("handover", "want code, pass or none")
	}
	switch s.Durability {
	case Memory, Journaled, Durable:
		return nil
	default:
		return invalid("durability", "want memory, journaled or durable")
	}
}

func validDuration(field string, d Duration) error {
	if d.Std() < MinTTL || d.Std() > MaxTTL {
		return invalid(field, "want between %s and %s", Duration(MinTTL), Duration(MaxTTL))
	}
	return nil
}

func validRange(field string, value, low, high int64) error {
	if value < low || value > high {
		return invalid(field, "want between %d and %d", low, high)
	}
	return nil
}

// ValidMessage checks the sentence that the operator shows to the line.
func ValidMessage(message string) error { return validText("message", message, 0, MaxMessageLength) }

func validText(field, text string, low, high int) error {
	n := utf8.RuneCountInString(text)
	if n < low || n > high || !utf8.ValidString(text) {
		return invalid(field, "want %d to %d characters", low, high)
	}
	for _, r := range text {
		if unicode.IsControl(r) {
			return invalid(field, "control characters are not allowed")
		}
	}
	return nil
}
