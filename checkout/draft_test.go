package checkout

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/testenv"
	"github.com/penstock/penstock/reservation"
)

// drawSale draws a sale with the longest texts and numbers that a sale may have, now and then.
func drawSale(t *rapid.T) sale.Record {
	rec := sale.Record{Sale: sale.Sale{ID: rapid.StringMatching(`[a-z0-9-]{1,64}`).Draw(t, "sale")}}
	for i := range rapid.IntRange(1, sale.MaxItems).Draw(t, "items") {
		item := sale.Item{SKU: fmt.Sprint(i) + strings.Repeat("x", rapid.IntRange(0, 62).Draw(t, "sku"))}
		if rapid.Bool().Draw(t, "priced") {
			item.Price = &sale.Price{Amount: sale.MaxPriceAmount, Currency: "EUR"}
		}
		rec.Items = append(rec.Items, item)
	}
	return rec
}

func TestARoomForTheReservationIsEnoughAndTight(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { checkRoom(t, drawSale(t)) })
}

// For this sale 1009 bytes too many were reckoned once.
func TestTheRoomForManyShortLinesIsTight(t *testing.T) {
	rec := sale.Record{Sale: sale.Sale{ID: "-"}}
	for i := range 22 {
		rec.Items = append(rec.Items, sale.Item{SKU: fmt.Sprint(i)})
	}
	checkRoom(t, rec)
}

// checkRoom fails unless the longest order of a sale fits what is reckoned for it, and not much more
// is reckoned.
func checkRoom(t rapid.TB, rec sale.Record) {
	t.Helper()
	r := reservation.Reservation{
		ID: "rsv_" + rec.ID + "_" + "1y2p0ij32e8e7" + "_" + strings.Repeat("c", 22), Sale: rec.ID, Customer: strings.Repeat("h", 16),
		Channel: strings.Repeat("c", 32), Epoch: math.MaxInt64, OrderedAt: time.UnixMilli(math.MaxInt64 / 2),
	}
	for i := range min(len(rec.Items), reservation.MaxLines) {
		r.Lines = append(r.Lines, reservation.Line{SKU: rec.Items[i].SKU, Quantity: reservation.MaxQuantity})
	}
	raw, err := encodeDraft(request(""), rec, math.MaxInt)
	if err != nil {
		t.Fatal(err)
	}
	o, err := complete(raw, r, rec)
	if err != nil {
		t.Fatal(err)
	}
	record, err := EncodeOrder(o)
	if err != nil {
		t.Fatal(err)
	}
	left := len(raw) + addedBytes(rec) - len(record)
	if left < 0 {
		t.Fatalf("the order is %d bytes longer than was reckoned", -left)
	}
	if len(rec.Items) <= reservation.MaxLines && left > 1000 {
		t.Fatalf("%d bytes were reckoned that no order needs", left)
	}
}

func TestTheRoomIsEnoughForUnitsOfManyChannels(t *testing.T) {
	rec := sale.Record{Sale: sale.Sale{ID: "drop", Channels: map[string]int64{"web": 1, "app": 1}}}
	r := reservation.Reservation{ID: "rsv_drop_1_" + strings.Repeat("c", 22), Sale: "drop", Channel: "web"}
	var drawn []string
	for i := range reservation.MaxLines {
		sku := fmt.Sprintf("%064d", i)
		rec.Items = append(rec.Items, sale.Item{SKU: sku})
		r.Lines = append(r.Lines, reservation.Line{SKU: sku, Quantity: reservation.MaxQuantity})
		drawn = append(drawn, sku+"=1@"+strings.Repeat("a", 32), sku+"=999@"+strings.Repeat("b", 32))
	}
	r.Drawn = reservation.Drawn(strings.Join(drawn, ","))
	raw, err := encodeDraft(request(""), rec, math.MaxInt)
	if err != nil {
		t.Fatal(err)
	}
	o, err := complete(raw, r, rec)
	if err != nil {
		t.Fatal(err)
	}
	o.Customer = "c"
	if err := o.Validate(); err != nil {
		t.Fatalf("an order that was accepted is refused: %v", err)
	}
	record, err := EncodeOrder(o)
	if err != nil || len(raw)+addedBytes(rec) < len(record) {
		t.Fatalf("%d bytes, reckoned %d, %v", len(record), len(raw)+addedBytes(rec), err)
	}
	for _, bad := range []reservation.Drawn{"x", "x=1", r.Drawn[:len(r.Drawn)-1] + "|", r.Drawn + ",y=1", r.Drawn[len("0"):]} {
		o.Drawn = bad
		if err := o.Validate(); !errors.Is(err, problem.BadRequest) {
			t.Errorf("%.40q passes: %v", bad, err)
		}
	}
}

// An order that the server's max_payload does not let through must not be confirmed: it could never
// be published.
func TestAnOrderBeyondMaxPayloadIsRefusedBeforeItIsConfirmed(t *testing.T) {
	rec := drop()
	s := startServer(t, testenv.NATSConfig("max_payload: 64KB"))
	stock, b := openStock(t, testenv.MiniURL(t), rec), s.broker(t)
	desk := openDesk(t, b)
	req := request(reserve(t, stock, "1"))
	req.CustomerDoc = json.RawMessage(`{"n":"` + strings.Repeat("x", 65_300) + `"}`)
	var refusal *problem.Refusal
	_, err := desk.Accept(t.Context(), stock, rec, req)
	if !errors.Is(err, problem.BodyTooLarge) || !errors.As(err, &refusal) || !strings.Contains(refusal.Detail, "bytes") {
		t.Fatalf("got %v", err)
	}
	if r, err := stock.Get(t.Context(), req.Reservation); err != nil || r.OrderID != "" {
		t.Fatalf("the reservation is %+v, %v", r, err)
	}
	req.CustomerDoc = json.RawMessage(`{"n":"` + strings.Repeat("x", 63_000) + `"}`)
	if _, err := desk.Accept(t.Context(), stock, rec, req); err != nil {
		t.Fatalf("an order that fits: %v", err)
	}
}

func TestADraftIsWrittenAsJSONWritesIt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := draft{PaymentRef: rapid.String().Draw(t, "payment")}
		for _, into := range []*json.RawMessage{&want.CustomerDoc, &want.Metadata} {
			if rapid.Bool().Draw(t, "there") {
				*into, _ = encode(map[string]string{"a": rapid.String().Draw(t, "text")})
			}
		}
		got, err := joinDraft(want.CustomerDoc, want.PaymentRef, want.Metadata)
		if err != nil {
			t.Fatal(err)
		}
		if direct, err := encode(want); err != nil || string(direct) != string(got) {
			t.Fatalf("%s, and JSON writes %s, %v", got, direct, err)
		}
	})
}

func TestCardDataIsRefusedBeforeItIsADraftAndKeptInAnOrderOfBefore(t *testing.T) {
	const number = "4111 1111 1111 1111"
	document := json.RawMessage(`{"note":"` + number + `"}`)
	for field, change := range map[string]func(*OrderRequest){
		"/customer/note": func(r *OrderRequest) { r.CustomerDoc = document },
		"/metadata/note": func(r *OrderRequest) { r.Metadata = document },
		"/payment":       func(r *OrderRequest) { r.PaymentRef = number },
	} {
		req := request("")
		change(&req)
		_, err := encodeDraft(req, sale.Record{Sale: sale.Sale{ID: "drop"}}, math.MaxInt)
		var refusal *problem.Refusal
		if !errors.As(err, &refusal) || refusal.Code != problem.CardData || refusal.Fields[0].Value != field || strings.Contains(err.Error(), "4111") {
			t.Errorf("%s: %v", field, err)
		}
	}
	// Whoever was told 202 by an older version has the order.
	o := Order{ID: "ord_1", Sale: "drop", Reservation: "rsv_1", Lines: []Line{{SKU: "A", Quantity: 1}}, CustomerDoc: document, PaymentRef: number, Metadata: document}
	if err := o.Validate(); err != nil {
		t.Errorf("an order of before: %v", err)
	}
}
