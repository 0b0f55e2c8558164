package console

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

// rulesForm is the part of the form with the rules that most sales leave as they are.
type rulesForm struct {
	PassBinding, MaxNetworks, ReleaseOnOrder string
	Grace                                    string
	Customer, PlusTags, FailedOrders         string
	Channels                                 string // a line for each: its name and its share
	DefaultChannel                           string
	Spill                                    string // a line for each rule
	WithoutPass                              string // names, separated by commas or spaces

	Lanes       string // a line for each: its name and its share
	hasLanes    bool   // Lanes was sent
	hasChannels bool   // Channels and DefaultChannel were sent; a form whose channels are fixed has none
	hasSpill    bool   // Spill and WithoutPass were sent
}

// The values of the choice for a switch.
const (
	switchOn  = "true"
	switchOff = "false"
)

func fillRules(s sale.Sale) rulesForm {
	return rulesForm{
		PassBinding: string(s.Admission.PassBinding), MaxNetworks: strconv.Itoa(s.Admission.MaxNetworks),
		ReleaseOnOrder: strconv.FormatBool(s.Admission.ReleaseOnOrder.On()), Grace: strconv.FormatBool(s.Admission.Grace.On()),
		Customer: string(s.Reservation.Customer), PlusTags: string(s.Reservation.PlusTags), FailedOrders: string(s.FailedOrders),
		Channels: showChannels(s.Channels), DefaultChannel: s.DefaultChannel,
		Lanes: showLanes(s.Admission.Lanes), Spill: showSpill(s.Spill), WithoutPass: strings.Join(s.WithoutPass, ", "),
	}
}

func readRules(v url.Values) rulesForm {
	text := func(name string) string { return strings.TrimSpace(v.Get(name)) }
	return rulesForm{
		PassBinding: text("admission.pass_binding"), MaxNetworks: text("admission.max_networks"), ReleaseOnOrder: text("admission.release_on_order"),
		Grace:    text("admission.grace"),
		Customer: text("reservation.customer"), PlusTags: text("reservation.plus_tags"), FailedOrders: text("failed_orders"),
		Channels: text("channels"), DefaultChannel: text("default_channel"), hasChannels: v.Has("channels"),
		Lanes: text("admission.lanes"), hasLanes: v.Has("admission.lanes"), Spill: text("spill"), WithoutPass: text("without_pass"), hasSpill: v.Has("spill") && v.Has("without_pass"),
	}
}

// fixRules shows what can no longer change once a sale has begun as it is.
func (f *saleForm) fixRules(s sale.Sale) {
	f.Customer, f.PlusTags, f.Channels = string(s.Reservation.Customer), string(s.Reservation.PlusTags), showChannels(s.Channels)
}

// FaultInRules reports whether a field of "More rules" is wrong, so that this part is shown open.
func (f *saleForm) FaultInRules() bool {
	for field := range f.Errors {
		switch field {
		case "reservation.per_customer", "reservation.max_extensions", "durability", "reservation.customer", "reservation.plus_tags", "failed_orders",
			"admission.mode", "admission.release_on_order", "admission.grace", "admission.renewal.by", "admission.renewal.max", "admission.pass_binding", "admission.max_networks", "admission.lanes", "channels", "default_channel", "spill", "without_pass":
			return true
		}
	}
	return false
}

// rules lays the rules over a sale. What the form did not send stays as it is.
func (f *saleForm) rules(s *sale.Sale) {
	replace(&s.Admission.PassBinding, f.PassBinding)
	replace(&s.FailedOrders, f.FailedOrders)
	if f.MaxNetworks != "" {
		s.Admission.MaxNetworks = int(f.number("admission.max_networks", f.MaxNetworks, false))
	}
	turn(&s.Admission.ReleaseOnOrder, f.ReleaseOnOrder)
	turn(&s.Admission.Grace, f.Grace)
	if f.hasLanes {
		s.Admission.Lanes = f.lanes()
	}
	if f.hasSpill {
		s.Spill, s.WithoutPass = f.spill(), typedList(f.WithoutPass)
	}
	if f.Begun {
		if f.DefaultChannel != "" {
			s.DefaultChannel = f.DefaultChannel
		}
		return
	}
	replace(&s.Reservation.Customer, f.Customer)
	replace(&s.Reservation.PlusTags, f.PlusTags)
	if f.hasChannels {
		s.Channels, s.DefaultChannel = f.channels(), f.DefaultChannel
	}
}

// turn sets a switch to what was chosen. What the form did not send stays as it is.
func turn(member *sale.Switch, chosen string) {
	switch chosen {
	case switchOn:
		*member = sale.Switch{}
	case switchOff:
		*member = sale.Off()
	}
}

func replace[T ~string](member *T, typed string) {
	if typed != "" {
		*member = T(typed)
	}
}

// channels reads a line for each channel, such as "web 800".
func (f *saleForm) channels() map[string]int64 {
	var channels map[string]int64
	for line := range strings.Lines(f.Channels) {
		parts := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n:=,", r) })
		if len(parts) == 0 {
			continue
		}
		if len(channels) > sale.MaxChannels {
			break // package sale says that they are too many
		}
		share, err := strconv.ParseInt(parts[len(parts)-1], 10, 64)
		_, twice := channels[parts[0]]
		if len(parts) != 2 || err != nil || twice {
			f.fault("channels", "enter a line for each channel, with its name and its share, such as: web 800")
			return nil
		}
		if channels == nil {
			channels = map[string]int64{}
		}
		channels[parts[0]] = share
	}
	return channels
}

// lanes reads a line for each lane, such as "vip 0.2".
func (f *saleForm) lanes() []sale.Lane {
	var lanes []sale.Lane
	for line := range strings.Lines(f.Lanes) {
		parts := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t\r\n:=", r) })
		if len(parts) == 0 {
			continue
		}
		share, err := strconv.ParseFloat(parts[len(parts)-1], 64)
		if len(parts) != 2 || err != nil {
			f.fault("admission.lanes", "enter a line for each lane, with its name and its share, such as: vip 0.2")
			return nil
		}
		lanes = append(lanes, sale.Lane{Name: parts[0], Share: share})
		if len(lanes) > sale.MaxLanes {
			break // package sale says that they are too many
		}
	}
	return lanes
}

// showLanes is the inverse of lanes.
func showLanes(lanes []sale.Lane) string {
	lines := make([]string, len(lanes))
	for i, lane := range lanes {
		lines[i] = lane.Name + " " + strconv.FormatFloat(lane.Share, 'f', -1, 64)
	}
	return strings.Join(lines, "\n")
}

// showChannels is the inverse of channels.
func showChannels(channels map[string]int64) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		lines = append(lines, name+" "+strconv.FormatInt(channels[name], 10))
	}
	return strings.Join(lines, "\n")
}
