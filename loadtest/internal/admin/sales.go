package admin

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Sale is the document of a sale, with the members that load tests set.
type Sale struct {
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	OpensAt     time.Time   `json:"opens_at,omitzero"`
	StartsAt    time.Time   `json:"starts_at"`
	EndsAt      time.Time   `json:"ends_at"`
	Admission   Admission   `json:"admission"`
	Reservation Reservation `json:"reservation"`
	Items       []Item      `json:"items"`
	Durability  string      `json:"durability,omitempty"`
}

// Admission is how a sale's crowd is metered.
type Admission struct {
	Order         string `json:"order,omitempty"`
	RatePerMinute int    `json:"rate_per_minute,omitempty"`
	MaxActive     int    `json:"max_active,omitempty"`
	PassTTL       string `json:"pass_ttl,omitempty"`
	ClaimWindow   string `json:"claim_window,omitempty"`
	Mode          string `json:"mode,omitempty"`
}

// Reservation is how long units are held.
type Reservation struct {
	TTL         string `json:"ttl,omitempty"`
	PerCustomer int    `json:"per_customer,omitempty"`
}

// Item is what is sold.
type Item struct {
	SKU         string `json:"sku"`
	Name        string `json:"name"`
	Stock       int64  `json:"stock"`
	PerCustomer int    `json:"per_customer,omitempty"`
	Price       Price  `json:"price"`
}

// Price is an amount in minor units.
type Price struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
}

// CreateSale creates a sale.
func (c *Client) CreateSale(ctx context.Context, s Sale) error {
	return c.admin(ctx, http.MethodPost, "/admin/v1/sales", s, nil)
}

// Document is the public document of a sale, as far as runners read it.
type Document struct {
	Sale  string `json:"sale"`
	Phase string `json:"phase"`
	Items []struct {
		SKU          string `json:"sku"`
		Availability string `json:"availability"`
	} `json:"items"`
}

// Document reads the public document from the front.
func (c *Client) Document(ctx context.Context, sale string) (doc Document, err error) {
	err = c.front(ctx, http.MethodGet, "/v1/sales/"+url.PathEscape(sale), nil, nil, &doc)
	return doc, err
}

// Stats are the live figures of a sale.
type Stats struct {
	Phase string `json:"phase"`
	Room  struct {
		Entrants           int64 `json:"entrants"`
		Claimed            int64 `json:"claimed"` // passes given out since the start
		Called             int64 `json:"called"`
		Active             int64 `json:"active"`
		AdmittedLastMinute int64 `json:"admitted_last_minute"`
		Waiting            int64 `json:"waiting"`
	} `json:"room"`
	Items []struct {
		SKU       string `json:"sku"`
		Allocated int64  `json:"allocated"`
		Available int64  `json:"available"`
		Held      int64  `json:"held"`
		Sold      int64  `json:"sold"`
		Committed int64  `json:"committed"`
	} `json:"items"`
	Undrained     int64   `json:"undrained"`
	LogLagSeconds float64 `json:"log_lag_seconds"`
	Level         string  `json:"level"`
	LedgerAnswers bool    `json:"ledger_answers"`
}

// Stats reads the live figures of a sale.
func (c *Client) Stats(ctx context.Context, sale string) (stats Stats, err error) {
	err = c.admin(ctx, http.MethodGet, "/admin/v1/sales/"+url.PathEscape(sale)+"/stats", nil, &stats)
	return stats, err
}

// Flags are the degradation level and the flags that hang off it.
type Flags struct {
	Level  string `json:"level"`
	Reason string `json:"reason"`
	Flags  []struct {
		Key string `json:"key"`
		On  bool   `json:"on"`
	} `json:"flags"`
}

// Flags reads the degradation level.
func (c *Client) Flags(ctx context.Context) (flags Flags, err error) {
	err = c.admin(ctx, http.MethodGet, "/admin/v1/flags", nil, &flags)
	return flags, err
}

// Flag evaluates one flag as a shop does, over OFREP at the front.
func (c *Client) Flag(ctx context.Context, key string) (on bool, err error) {
	var evaluation struct {
		Value bool `json:"value"`
	}
	body := map[string]any{"context": map[string]any{}}
	err = c.front(ctx, http.MethodPost, "/ofrep/v1/evaluate/flags/"+url.PathEscape(key), nil, body, &evaluation)
	return evaluation.Value, err
}

// LedgerOrder is an order as the ledger has it.
type LedgerOrder struct {
	ID          string `json:"id"`
	Reservation string `json:"reservation"`
	Status      string `json:"status"`
	Items       []struct {
		SKU      string `json:"sku"`
		Quantity int64  `json:"quantity"`
	} `json:"items"`
}

const (
	ordersPage = 500
	maxPages   = 10_000
)

// LedgerOrders reads all orders of a sale from the ledger, page by page.
func (c *Client) LedgerOrders(ctx context.Context, sale string) ([]LedgerOrder, error) {
	var all []LedgerOrder
	cursor := ""
	for range maxPages {
		query := url.Values{"limit": {strconv.Itoa(ordersPage)}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		var page struct {
			Orders []LedgerOrder `json:"orders"`
			Next   string        `json:"next"`
		}
		path := "/admin/v1/sales/" + url.PathEscape(sale) + "/orders?" + query.Encode()
		if err := c.admin(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Orders...)
		if page.Next == "" {
			break
		}
		cursor = page.Next
	}
	return all, nil
}

// OrderStatus is what the front tells about an order.
type OrderStatus struct {
	ID          string `json:"id"`
	Reservation string `json:"reservation"`
	Status      string `json:"status"`
}

// Order looks an order up at the front, as its customer would.
func (c *Client) Order(ctx context.Context, id string) (order OrderStatus, err error) {
	err = c.front(ctx, http.MethodGet, "/v1/orders/"+url.PathEscape(id), nil, nil, &order)
	return order, err
}
