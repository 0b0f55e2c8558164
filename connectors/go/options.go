package penstock

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Options say which sale a gate is for, and where Penstock is.
type Options struct {
	// Sale is the id of the sale. Required.
	Sale string
	// RoomURL is where visitors reach the waiting room, such as https://queue.shop.example. Required.
	RoomURL string
	// APIURL is where this server reaches Penstock. Empty: RoomURL.
	APIURL string
	// ShopURL is where visitors reach this shop, such as https://shop.example. Empty: as each request says.
	ShopURL string
	// CookieName is the cookie in which the pass is kept. Empty: penstock_pass_ and the sale.
	CookieName string
	// Online asks Penstock at each request whether the pass was given back. Otherwise a pass is good
	// here until it expires.
	Online bool
	// StaleFor is for how long keys that are due to be read again are used while Penstock does not
	// answer. 0: one hour.
	StaleFor time.Duration
	// Client sends the requests to Penstock. Nil: one with a time-out of 3 s. It must not follow redirects to
	// elsewhere, as it carries passes.
	Client *http.Client
	// Log gets a warning when a pass could not be checked. Nil: slog.Default().
	Log *slog.Logger
}

const askTimeout = 3 * time.Second

var saleID = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

func (o Options) withDefaults() Options {
	if o.APIURL == "" {
		o.APIURL = o.RoomURL
	}
	if o.CookieName == "" {
		o.CookieName = "penstock_pass_" + o.Sale
	}
	if o.StaleFor == 0 {
		o.StaleFor = time.Hour
	}
	if o.Client == nil {
		o.Client = &http.Client{Timeout: askTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	}
	if o.Log == nil {
		o.Log = slog.Default() //nolint:forbidigo // here that is the logger of the shop
	}
	return o
}

// base returns an address without the slash at its end.
func base(option, address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("penstock: %s is not an http(s) address", option)
	}
	return strings.TrimRight(u.String(), "/"), nil
}
