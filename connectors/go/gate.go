package penstock

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"
)

// Gate admits visitors with a pass of one sale. It is safe for concurrent use.
type Gate struct {
	Options
	room, api, shop string // addresses without a slash at the end
	keys            *keys
	open            openness
	now             func() time.Time
}

// New returns a gate. It asks Penstock for nothing yet. The error is about the options.
func New(o Options) (*Gate, error) {
	g := &Gate{Options: o.withDefaults(), now: time.Now}
	var err error
	if g.room, err = base("RoomURL", g.RoomURL); err != nil {
		return nil, err
	}
	if g.api, err = base("APIURL", g.APIURL); err != nil {
		return nil, err
	}
	if g.ShopURL != "" {
		if g.shop, err = base("ShopURL", g.ShopURL); err != nil {
			return nil, err
		}
	}
	if !saleID.MatchString(g.Sale) {
		return nil, errors.New("penstock: Sale is not the id of a sale")
	}
	g.keys = &keys{url: g.api + "/.well-known/jwks.json", client: g.Client, staleFor: g.StaleFor}
	return g, nil
}

// Pass is the admission of a visitor.
type Pass struct {
	// Token is the pass as Penstock takes it in the header Penstock-Pass.
	Token string
	Sale  string
	// Ticket is the visitor's number in the line, in decimal.
	Ticket    string
	ExpiresAt time.Time
}

type passKey struct{}

// PassOf returns the pass of the visitor whose request a protected handler serves. There is none while
// the sale needs no pass.
func PassOf(ctx context.Context) (Pass, bool) {
	pass, ok := ctx.Value(passKey{}).(Pass)
	return pass, ok
}

var (
	// errRefused: this is no pass or code of the sale, here and now.
	errRefused = errors.New("penstock: not admitted")
	// errUnsure: whether it is one could not be found out.
	errUnsure = errors.New("penstock: the pass could not be checked")
)

// Protect lets requests through to next that come with a valid pass. The answer to others is 303 to the
// waiting room, or 401 where that would be of no use (other methods than GET and HEAD, requests of
// scripts), or 503 when the pass could not be checked.
func (g *Gate) Protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if brought := broughtBy(r); brought.something() {
			g.receive(w, r, brought)
			return
		}
		pass, err := g.admission(r)
		switch {
		case err == nil:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), passKey{}, pass)))
		case errors.Is(err, errUnsure):
			g.sendUnsure(w, r, err)
		case g.isOpen(r.Context()):
			next.ServeHTTP(w, r)
		default:
			g.refuse(w, r)
		}
	})
}

// admission returns the pass that the visitor's cookie holds.
func (g *Gate) admission(r *http.Request) (Pass, error) {
	cookie, err := r.Cookie(g.CookieName)
	if err != nil {
		return Pass{}, errRefused
	}
	pass, err := g.verify(r.Context(), cookie.Value)
	if err == nil && g.Online {
		err = g.askOnline(r, pass.Token)
	}
	return pass, err
}

// receive turns what a visitor brought from the waiting room into a cookie, and takes it out of the
// address. Whoever has a valid cookie goes on with it, whatever becomes of the rest.
func (g *Gate) receive(w http.ResponseWriter, r *http.Request, b brought) {
	pass, err := g.take(r.Context(), b)
	if err == nil {
		g.setCookie(w, r, pass)
		seeOther(w, g.address(r))
		return
	}
	if _, already := g.admission(r); already == nil {
		seeOther(w, g.address(r))
		return
	}
	if errors.Is(err, errUnsure) {
		g.sendUnsure(w, r, err)
		return
	}
	g.refuse(w, r)
}

// take returns the valid pass for what a visitor brought.
func (g *Gate) take(ctx context.Context, b brought) (Pass, error) {
	if b.code == "" {
		return g.verify(ctx, b.pass)
	}
	token, err := g.redeem(ctx, b.code)
	if err != nil {
		return Pass{}, err
	}
	pass, err := g.verify(ctx, token)
	if err != nil {
		// It is from Penstock itself: the sale, the keys or the clock of this server are not right. Sending the
		// visitor back to the waiting room would be for ever.
		return Pass{}, errors.Join(errUnsure, errors.New("the pass that Penstock gave is not valid here; look at Sale, APIURL and the clock"))
	}
	return pass, nil
}

func (g *Gate) sendUnsure(w http.ResponseWriter, r *http.Request, err error) {
	g.Log.LogAttrs(r.Context(), slog.LevelWarn, "a visitor cannot be let in", slog.String("sale", g.Sale), slog.Any("error", err))
	w.Header().Set("Retry-After", "2")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer") // the address may hold a code
	http.Error(w, "Your place in the shop cannot be checked at the moment. Please reload this page in a few seconds.", http.StatusServiceUnavailable)
}
