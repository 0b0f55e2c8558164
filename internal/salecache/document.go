package salecache

import (
	"encoding/json"
	"time"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// publicDocument is what everybody may know of a sale. It holds numbers of units only where the sale says so: else
// how much is left is told in words.
type publicDocument struct {
	Sale     string     `json:"sale"`
	Name     string     `json:"name"`
	Phase    sale.Phase `json:"phase"`
	Called   uint64     `json:"called"`
	Entrants uint64     `json:"entrants"`
	// Lanes are the priority lanes: what called and entrants are in each. Those two tell of the lane of everybody.
	Lanes []publicLane `json:"lanes,omitempty"`
	// Draw lets anyone re-check the draw.
	Draw     *queue.DrawFacts `json:"draw"`
	Items    []publicItem     `json:"items"`
	Message  string           `json:"message"`
	OpensAt  time.Time        `json:"opens_at"`
	StartsAt time.Time        `json:"starts_at"`
	EndsAt   time.Time        `json:"ends_at"`
	Version  int64            `json:"version"`
}

type publicLane struct {
	Name     string `json:"name"`
	Called   uint64 `json:"called"`
	Entrants uint64 `json:"entrants"`
}

type publicItem struct {
	SKU          string            `json:"sku"`
	Name         string            `json:"name"`
	Price        *sale.Price       `json:"price,omitempty"`
	Availability sale.Availability `json:"availability"`
	UnitsLeft    *int64            `json:"units_left,omitempty"`
}

func document(rec *sale.Record, phase sale.Phase, message string, room *queue.Snapshot, stands []Standing) []byte {
	doc := publicDocument{
		Sale: rec.ID, Name: rec.Name, Phase: phase,
		Called: room.Called, Entrants: room.Entrants,
		Items: make([]publicItem, len(rec.Items)), Message: message,
		OpensAt: rec.OpensAt, StartsAt: rec.StartsAt, EndsAt: rec.EndsAt, Version: rec.Version,
	}
	for i, lane := range rec.Admission.Lanes {
		one := publicLane{Name: lane.Name}
		if of := room.In(queue.Lane(i + 1)); of != nil {
			one.Called, one.Entrants = of.Called, of.Entrants
		}
		doc.Lanes = append(doc.Lanes, one)
	}
	if rec.Admission.Order == sale.Draw {
		if doc.Draw = room.DrawFacts; doc.Draw == nil {
			doc.Draw = &queue.DrawFacts{}
		}
	}
	for i, item := range rec.Items {
		doc.Items[i] = publicItem{SKU: item.SKU, Name: item.Name, Price: item.Price, Availability: sale.InStock}
		if i < len(stands) {
			doc.Items[i].Availability, doc.Items[i].UnitsLeft = stands[i].Availability, stands[i].UnitsLeft
		}
	}
	data, err := json.Marshal(doc)
	if err != nil {
		return []byte(`{}`) // not reachable: every member marshals
	}
	return data
}
