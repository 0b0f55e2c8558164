package problem

import (
	"maps"
	"net/http"
	"slices"
)

// The codes of the contract.
const (
	BadRequest             Code = "bad_request"
	IdempotencyKeyRequired Code = "idempotency_key_required"
	Unauthorized           Code = "unauthorized"
	PassRequired           Code = "pass_required"
	TicketRequired         Code = "ticket_required"
	HolderRequired         Code = "holder_required"
	PassInvalid            Code = "pass_invalid"
	PassBound              Code = "pass_bound"
	TicketInvalid          Code = "ticket_invalid"
	NotTheHolder           Code = "not_the_holder"
	ChannelForbidden       Code = "channel_forbidden"
	Forbidden              Code = "forbidden"
	JoinRefused            Code = "join_refused"
	ProofRequired          Code = "proof_required"
	ProofInvalid           Code = "proof_invalid"
	NotFound               Code = "not_found"
	UnknownSale            Code = "unknown_sale"
	UnknownSKU             Code = "unknown_sku"
	UnknownChannel         Code = "unknown_channel"
	UnknownReservation     Code = "unknown_reservation"
	UnknownOrder           Code = "unknown_order"
	UnknownCode            Code = "unknown_code"
	UnknownReference       Code = "unknown_reference"
	MethodNotAllowed       Code = "method_not_allowed"
	SaleNotOpen            Code = "sale_not_open"
	DrawNotReady           Code = "draw_not_ready"
	ShareRefused           Code = "share_refused"
	SalePaused             Code = "sale_paused"
	NotCalled              Code = "not_called"
	NotWaiting             Code = "not_waiting"
	NotificationsOff       Code = "notifications_off"
	NotificationsFull      Code = "notifications_full"
	SoldOut                Code = "sold_out"
	LimitExceeded          Code = "limit_exceeded"
	AlreadyResolved        Code = "already_resolved"
	AlreadyOrdered         Code = "already_ordered"
	ExtensionRefused       Code = "extension_refused"
	RenewalRefused         Code = "renewal_refused"
	InFlight               Code = "in_flight"
	Conflict               Code = "conflict"
	SaleExists             Code = "sale_exists"
	SaleIsLive             Code = "sale_is_live"
	StockConflict          Code = "stock_conflict"
	LinesRefused           Code = "lines_refused"
	NotArmed               Code = "not_armed"
	SaleInShadow           Code = "sale_in_shadow"
	NotInShadow            Code = "not_in_shadow"
	NoReport               Code = "no_report"
	StillRefused           Code = "still_refused"
	TurnMissed             Code = "turn_missed"
	ReservationExpired     Code = "reservation_expired"
	CodeUsed               Code = "code_used"
	CodeExpired            Code = "code_expired"
	BodyTooLarge           Code = "body_too_large"
	UnsupportedMediaType   Code = "unsupported_media_type"
	IdempotencyMismatch    Code = "idempotency_mismatch"
	InvalidQuantity        Code = "invalid_quantity"
	CardData               Code = "card_data"
	InvalidSale            Code = "invalid_sale"
	RateLimited            Code = "rate_limited"
	TooManyReleases        Code = "too_many_releases"
	HeadersTooLarge        Code = "headers_too_large"
	Misdirected            Code = "misdirected"
	InternalError          Code = "internal_error"
	Overloaded             Code = "overloaded"
	RoomFull               Code = "room_full"
	Unavailable            Code = "unavailable"
	BadGateway             Code = "bad_gateway"
	ShopUnreachable        Code = "shop_unreachable"
)

// Codes returns every code of the contract, sorted.
func Codes() []Code { return slices.Sorted(maps.Keys(table)) }

type row struct {
	status int
	title  string
}

// table is the whole mapping from a reason to an HTTP status and a title.
var table = map[Code]row{
	BadRequest:             {http.StatusBadRequest, "The request could not be understood"},
	IdempotencyKeyRequired: {http.StatusBadRequest, "An Idempotency-Key header is required"},
	Unauthorized:           {http.StatusUnauthorized, "A valid API key is required"},
	PassRequired:           {http.StatusUnauthorized, "A pass from the waiting room is required"},
	TicketRequired:         {http.StatusUnauthorized, "A ticket is required"},
	HolderRequired:         {http.StatusUnauthorized, "A proof that the reservation is yours is required"},
	PassInvalid:            {http.StatusForbidden, "The pass is not valid here and now"},
	PassBound:              {http.StatusForbidden, "The pass belongs to another customer"},
	TicketInvalid:          {http.StatusForbidden, "The ticket is not valid here"},
	NotTheHolder:           {http.StatusForbidden, "The reservation is somebody else's"},
	ChannelForbidden:       {http.StatusForbidden, "This channel is not open to you"},
	Forbidden:              {http.StatusForbidden, "This key may not do that"},
	JoinRefused:            {http.StatusForbidden, "This waiting room takes nobody in"},
	ProofRequired:          {http.StatusForbidden, "A proof of work is required"},
	ProofInvalid:           {http.StatusForbidden, "The proof of work is not valid here and now"},
	NotFound:               {http.StatusNotFound, "There is nothing here"},
	UnknownSale:            {http.StatusNotFound, "There is no such sale"},
	UnknownSKU:             {http.StatusNotFound, "The sale has no such item"},
	UnknownChannel:         {http.StatusNotFound, "The sale has no such channel"},
	UnknownReservation:     {http.StatusNotFound, "There is no such reservation"},
	UnknownOrder:           {http.StatusNotFound, "There is no such order"},
	UnknownCode:            {http.StatusNotFound, "There is no such code"},
	UnknownReference:       {http.StatusNotFound, "No accepted call has this reference"},
	MethodNotAllowed:       {http.StatusMethodNotAllowed, "The method is not allowed here"},
	SaleNotOpen:            {http.StatusConflict, "The sale is not open"},
	DrawNotReady:           {http.StatusConflict, "The draw is not that far yet"},
	ShareRefused:           {http.StatusConflict, "The share does not enter the draw"},
	SalePaused:             {http.StatusConflict, "The sale is paused"},
	NotCalled:              {http.StatusConflict, "It is not this ticket's turn yet"},
	NotWaiting:             {http.StatusConflict, "This ticket is not waiting for its turn"},
	NotificationsOff:       {http.StatusConflict, "The sale does not offer this notification"},
	NotificationsFull:      {http.StatusServiceUnavailable, "No further notifications can be taken"},
	SoldOut:                {http.StatusConflict, "Sold out"},
	LimitExceeded:          {http.StatusConflict, "More than one customer may have"},
	AlreadyResolved:        {http.StatusConflict, "The reservation is already resolved"},
	AlreadyOrdered:         {http.StatusConflict, "The reservation already became another order"},
	ExtensionRefused:       {http.StatusConflict, "The reservation cannot be extended"},
	RenewalRefused:         {http.StatusConflict, "The pass cannot be renewed"},
	InFlight:               {http.StatusConflict, "The same request is still in flight"},
	Conflict:               {http.StatusConflict, "Somebody else changed it first"},
	SaleExists:             {http.StatusConflict, "A sale with this id exists"},
	SaleIsLive:             {http.StatusConflict, "Not possible in this phase of the sale"},
	StockConflict:          {http.StatusConflict, "The stock is not what was expected"},
	LinesRefused:           {http.StatusUnprocessableEntity, "Lines are refused, and nothing was changed"},
	NotArmed:               {http.StatusConflict, "The sale cannot be armed"},
	SaleInShadow:           {http.StatusConflict, "The sale is only watched: the shop sells it"},
	NoReport:               {http.StatusNotFound, "There is no report on this sale yet"},
	NotInShadow:            {http.StatusConflict, "The sale is not in shadow mode"},
	StillRefused:           {http.StatusConflict, "The ledger still refuses the order"},
	TurnMissed:             {http.StatusGone, "The turn of this ticket is over"},
	ReservationExpired:     {http.StatusGone, "The reservation has expired"},
	CodeUsed:               {http.StatusGone, "The code was used"},
	CodeExpired:            {http.StatusGone, "The code has expired"},
	BodyTooLarge:           {http.StatusRequestEntityTooLarge, "The body is too large"},
	UnsupportedMediaType:   {http.StatusUnsupportedMediaType, "This media type is not taken here"},
	IdempotencyMismatch:    {http.StatusUnprocessableEntity, "The Idempotency-Key was used for another request"},
	InvalidQuantity:        {http.StatusUnprocessableEntity, "The quantity is out of range"},
	CardData:               {http.StatusUnprocessableEntity, "Card data is not taken here"},
	InvalidSale:            {http.StatusUnprocessableEntity, "The sale is not valid"},
	RateLimited:            {http.StatusTooManyRequests, "Too many requests"},
	TooManyReleases:        {http.StatusTooManyRequests, "Too many reservations were given back"},
	HeadersTooLarge:        {http.StatusRequestHeaderFieldsTooLarge, "The headers are too large"},
	Misdirected:            {http.StatusMisdirectedRequest, "Nothing is served under this host name"},
	InternalError:          {http.StatusInternalServerError, "Internal error"},
	Overloaded:             {http.StatusServiceUnavailable, "Too busy just now"},
	RoomFull:               {http.StatusServiceUnavailable, "The waiting room is full"},
	Unavailable:            {http.StatusServiceUnavailable, "Not available just now"},
	BadGateway:             {http.StatusBadGateway, "The shop answered in a way that cannot be passed on"},
	ShopUnreachable:        {http.StatusServiceUnavailable, "The shop does not answer just now"},
}
