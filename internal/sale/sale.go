// Package sale says what is sold and when.
//
// It is the vocabulary that all stages share and imports the standard library alone. A [Sale] is
// the document that people write; a [Record] is that document with the operator's hand and its
// version, as the ledger keeps it and as every node reads it.
package sale

import "time"

// Sale is the document of one drop.
type Sale struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	Draft     bool      `json:"draft,omitempty"`
	OpensAt   time.Time `json:"opens_at"`
	StartsAt  time.Time `json:"starts_at"`
	EndsAt    time.Time `json:"ends_at"`
	Admission Admission `json:"admission"`
	// Draw says what enters a draw besides the server's own part.
	Draw        DrawTerms        `json:"draw,omitzero"`
	Reservation Terms            `json:"reservation"`
	Items       []Item           `json:"items"`
	Channels    map[string]int64 `json:"channels,omitempty"`
	// DefaultChannel is the channel of whoever has no API key with channels of its own; see
	// [Sale.VisitorChannel].
	DefaultChannel string `json:"default_channel,omitempty"`
	// Spill says which channels may sell what another one has not sold.
	Spill []Spill `json:"spill,omitempty"`
	// WithoutPass are channels from whose API keys no visitor's pass is asked: those of marketplaces, whose
	// customers never were in the waiting room.
	WithoutPass []string   `json:"without_pass,omitempty"`
	Payment     Payment    `json:"payment"`
	Durability  Durability `json:"durability"`
	// FailedOrders says what becomes of the units of an order that the ledger refuses for good.
	FailedOrders FailedOrders `json:"failed_orders,omitempty"`
	TargetURL    string       `json:"target_url,omitempty"`
	// Handover says how a shop on another host gets to know an admitted visitor.
	Handover Handover `json:"handover"`
	// Shadow has the sale decided and not enforced: visitors pass, the shop sells, and a report tells where
	// the two differ.
	Shadow bool `json:"shadow,omitempty"`
	// Identity says who may join.
	Identity Identity `json:"identity,omitzero"`
	// Page is how the waiting room looks.
	Page Page `json:"page,omitzero"`
	// Notify says how visitors who wait may be told of their turn.
	Notify Notify `json:"notify,omitzero"`
	// Bots says what is done about clients that are not people.
	Bots Bots `json:"bots,omitzero"`
}

// Admission says who may pass from the line into the shop, and how fast.
type Admission struct {
	Order Order `json:"order"`
	// RatePerMinute caps the admissions in any rolling 60 s.
	RatePerMinute int `json:"rate_per_minute"`
	// MaxActive caps the passes that are neither expired nor given back.
	MaxActive int `json:"max_active"`
	// PassTTL is how long a pass lasts.
	PassTTL Duration `json:"pass_ttl"`
	// ClaimWindow is how long a called visitor has for claiming the pass.
	ClaimWindow Duration `json:"claim_window"`
	Mode        Mode     `json:"mode"`
	// Standby is for the mode standby, and nil in others.
	Standby *StandbyTerms `json:"standby,omitempty"`
	// Lanes are the priority lanes: lines of their own beside that of everybody.
	Lanes []Lane `json:"lanes,omitempty"`
	// PassBinding ties a pass to where it is first used at the gate.
	PassBinding PassBinding `json:"pass_binding"`
	// MaxNetworks is from how many networks (/24 of IPv4, /48 of IPv6) one pass may be used at the gate
	// before it is taken back.
	MaxNetworks int `json:"max_networks"`
	// ReleaseOnOrder gives the slot of a pass back to the line once its holder has ordered.
	ReleaseOnOrder Switch `json:"release_on_order"`
	// Grace lets a called visitor who comes too late be admitted for one more claim window, while there is room.
	Grace Switch `json:"grace"`
	// Renewal lets a pass be prolonged; the zero value does not.
	Renewal Renewal `json:"renewal,omitzero"`
}

// Terms bound a reservation.
type Terms struct {
	TTL           Duration `json:"ttl"`
	MaxExtensions int      `json:"max_extensions"`
	// PerCustomer is how many units of the whole sale one customer may hold and have bought;
	// 0 sets no such limit.
	PerCustomer int `json:"per_customer,omitempty"`
	// Customer says which spellings of a customer's name are one customer.
	Customer CustomerRule `json:"customer,omitempty"`
	// PlusTags says whether ada+shoes@example.com is another customer than ada@example.com.
	PlusTags PlusTags `json:"plus_tags,omitempty"`
}

// Item is one thing on sale.
type Item struct {
	SKU  string `json:"sku"`
	Name string `json:"name"`
	// Stock is the number of units allocated to the sale.
	Stock int64 `json:"stock"`
	// PerCustomer is how many units of this item one customer may hold and have bought;
	// 0 sets no such limit.
	PerCustomer int    `json:"per_customer,omitempty"`
	Price       *Price `json:"price,omitempty"`
}

// Price is an amount in the minor units of an ISO 4217 currency.
type Price struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// Payment says who takes the money.
type Payment struct {
	Mode PaymentMode `json:"mode"`
}

// Control is the operator's hand on a running sale. It is no part of the document.
type Control struct {
	Paused bool `json:"paused"`
	Ended  bool `json:"ended"`
	Notice
}

// Record is a sale as the ledger keeps it.
type Record struct {
	Sale
	Control
	// Version counts the changes of the document and of the operator's hand.
	Version int64 `json:"version"`
	// Epoch counts the times that the sale's state was made in Redis: 0 before it was armed, 1 then,
	// and one more for each time that it had to be rebuilt.
	Epoch     int64     `json:"epoch"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// Order is the rule by which visitors get their places.
type Order string

// The orders of admission.
const (
	Draw Order = "draw" // a public, re-checkable draw among those who came before the start
	FIFO Order = "fifo" // first come, first served
)

// PassBinding is what a pass is tied to at the gate.
type PassBinding string

// The bindings.
const (
	BindNothing PassBinding = "none"
	BindNetwork PassBinding = "network" // of the visitor's address
	BindDevice  PassBinding = "device"  // the browser that has the cookie of the waiting room
)

// PaymentMode is when and by whom the money is taken.
type PaymentMode string

// The modes of payment.
const (
	PaymentNone      PaymentMode = "none"      // the shop charges
	PaymentAuthorize PaymentMode = "authorize" // Penstock asks the shop's provider after acceptance
)

// Durability is what the 201 of a reservation promises. An order is always durable.
type Durability string

// The promises of a reservation.
const (
	Memory    Durability = "memory"    // in Redis
	Journaled Durability = "journaled" // and on its way to the journal
	Durable   Durability = "durable"   // and fsynced in the journal
)

// CustomerRule is how the names of customers are compared. Package customer has the rule itself.
type CustomerRule string

// The rules. Empty is Normalized.
const (
	Normalized CustomerRule = "normalized" // spellings that read alike are one customer
	Exact      CustomerRule = "exact"      // the shop's own key, compared byte by byte
)

// PlusTags is what becomes of the part from "+" to "@" of a customer's name.
type PlusTags string

// The choices. Empty is KeepTags.
const (
	KeepTags PlusTags = "keep"
	DropTags PlusTags = "drop"
)

// FailedOrders is what becomes of the units of an order that the ledger refuses for good.
type FailedOrders string

// The choices. Empty is ReturnUnits.
const (
	ReturnUnits   FailedOrders = "return"   // they are on sale again
	WithholdUnits FailedOrders = "withhold" // they stay off sale until a person has looked
)

// Handover is what the redirect to a shop on another host carries. On the host of the waiting room the shop
// gets the cookie of the pass, and nothing is added.
type Handover string

// The choices.
const (
	HandoverCode Handover = "code" // a code, good once, for which the shop gets the pass
	HandoverPass Handover = "pass" // the pass itself, which can be copied as long as it lasts
	HandoverNone Handover = "none" // nothing
)

// ReturnsUnits reports whether the units of an order that the ledger refused for good are on sale again.
// Those of an oversold one are not: the ledger has none for them.
func (s Sale) ReturnsUnits(oversold bool) bool { return s.FailedOrders != WithholdUnits && !oversold }

// ItemIndex returns the position of a SKU among the items, or -1.
func (s Sale) ItemIndex(sku string) int {
	for i := range s.Items {
		if s.Items[i].SKU == sku {
			return i
		}
	}
	return -1
}

// NoChannel is the name of the one pool of a sale without channels.
const NoChannel = ""

// webChannel is the default channel of a sale that names none, if it has a channel of this name.
const webChannel = "web"

// VisitorChannel returns the channel from which visitors get their units: the default channel, else "web",
// else none (false). In a sale without channels it is NoChannel.
func (s Sale) VisitorChannel() (name string, found bool) {
	if len(s.Channels) == 0 {
		return NoChannel, true
	}
	if s.DefaultChannel != "" {
		return s.DefaultChannel, true
	}
	_, found = s.Channels[webChannel]
	return webChannel, found
}

// Shares splits the stock of an item over the channels in proportion to their numbers. Units that
// do not divide evenly go to the channels with the largest remainders (Hamilton's method), ties
// to the smaller name, so that the shares always add up to the stock.
func (s Sale) Shares(item Item) map[string]int64 {
	if len(s.Channels) == 0 {
		return map[string]int64{NoChannel: item.Stock}
	}
	return apportion(item.Stock, s.Channels)
}

// Availability is the public word for how much is left. It never shows a number.
type Availability string

// The words for what is left.
const (
	InStock Availability = "in_stock"
	Low     Availability = "low"      // a tenth or less of what was allocated is free
	HeldOut Availability = "held_out" // nothing is free, but held units may come back
	SoldOut Availability = "sold_out"
)

// lowShare is the part of the allocation at which "in stock" turns to "low".
const lowShare = 10

// AvailabilityOf words the counts of an item.
func AvailabilityOf(available, held, allocated int64) Availability {
	switch {
	case available <= 0 && held > 0:
		return HeldOut
	case available <= 0:
		return SoldOut
	case available*lowShare <= allocated:
		return Low
	default:
		return InStock
	}
}
