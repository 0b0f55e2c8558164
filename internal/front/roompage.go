package front

import (
	"cmp"
	"encoding/json"
	"net/url"
	"time"

	"github.com/penstock/penstock/internal/notify"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/internal/words"
	"github.com/penstock/penstock/queue"
)

// pageHead is what every page of the front has in its head.
type pageHead struct {
	AssetsVersion       string
	Language, Direction string
	Scheme              string // light or dark when the page is shown in one of them whatever the browser prefers
	Theme               string // address of the sale's colours; empty is none
}

// roomPage is the waiting-room page in the visitor's words.
type roomPage struct {
	roomView
	Head            pageHead
	Words           *words.Language
	Path            string // of this page, with the query that it came with
	Headline        string
	LeadText        string
	NoteText        string
	PreviewText     string
	Logo            string
	MomentMachine   string // for machines
	MomentText      string // in UTC, for people
	ClaimMachine    string
	ClaimText       string
	NowMillis       int64 // by the clock of Redis, so that the script can count down
	Ahead, PlaceNo  string
	AheadForm, Wait string
	Progress        int    // in hundredths of the way to the front
	From            uint64 // how many were ahead at first; 0 is not known
	Links           *sale.PageLinks
	Languages       []languageLink
	ScriptWords     string // of the texts that the script writes
	OfferSound      bool
	LinkPath        string // of the form that gives a place as a link
	DevicePath      string // of the page that shows the place for another device
	NotifyPath      string // of the page on which visitors ask to be told of their turn; empty is none
	Offer           notify.Offer
	Told            bool   // of their turn, as they have asked
	BackPath        string // of the waiting room
	RenewPath       string // of the form that prolongs the pass
	Notify          *notifyPage
	Code            *qrCode
	FairnessPath    string // of the report on the sale
}

// roomPage words a view for a visitor. The record is nil while this node does not know it.
func (s *Server) roomPage(c *call, rec *sale.Record, view *roomView) roomPage {
	page := sale.Page{}
	if rec != nil {
		page = rec.Page
	}
	spoken := s.language(c, page.Languages, view.Language)
	l := spoken.Language
	p := roomPage{
		roomView: *view, Words: l, Path: c.roomAgain(),
		Head:  pageHead{AssetsVersion: s.pages.version, Language: l.Tag, Direction: l.Direction, Scheme: view.Scheme},
		Logo:  page.LogoURL,
		Links: &page.Links, Languages: c.languageLinks(spoken),
	}
	if p.Name == "" {
		p.Name = l.Text("room")
	}
	if rec != nil {
		p.Head.Theme = themePath(rec)
	}
	if p.Head.Theme != "" && c.entry == nil { // of a draft, which is shown to who has the link alone
		p.Head.Theme += "&" + previewName + "=" + url.QueryEscape(string(c.ctx.QueryArgs().Peek(previewName)))
	}
	p.say(page.Texts[l.Tag])
	p.showTimes(c)
	p.showLine()
	if view.ShowStock && c.entry != nil {
		p.Items = stockItems(rec, c.entry.Standings())
	}
	p.wordItems()
	p.OfferSound = page.Sound.On() && (p.PollMillis > 0 || view.Preview && view.Place != nil)
	p.linkFairness(c)
	s.setPaths(c, rec, &p)
	if rec != nil || p.ReloadMillis > 0 { // each page of a sale shows what the operator says
		p.ScriptWords = scriptWords(l, view.ShowStock && page.ShowStock == sale.StockNumbers)
	}
	return p
}

// setPaths fills in where the links of the page lead. In a preview they lead back to it.
func (s *Server) setPaths(c *call, rec *sale.Record, p *roomPage) {
	p.LinkPath, p.DevicePath, p.BackPath = c.roomPathWith(placeLink), c.roomPathWith(deviceView), c.roomPathWith("")
	p.RenewPath = c.roomPathWith(renewForm)
	if p.Offer = s.saleOffer(rec); p.Offer.Any() && p.OfferDevice && waits(queue.State(p.State)) {
		p.NotifyPath = c.roomPathWith(notifyView)
	}
	if p.Preview && p.NotifyPath != "" {
		p.NotifyPath = p.Path
	}
	if p.Preview {
		p.LinkPath, p.DevicePath, p.RenewPath = p.Path, p.Path, p.Path
		p.Languages, p.PreviewText = nil, p.Words.Text("preview.note")
	}
}

// say fills in the texts of the state: the sale's own where it has them.
func (p *roomPage) say(own map[string]sale.PageText) {
	text := own[p.Says]
	p.Headline = cmp.Or(text.Headline, p.Words.Text(p.Says+".headline"))
	p.LeadText = cmp.Or(text.Lead, p.Words.Text(cmp.Or(p.Lead, p.Says+".lead")))
	if p.Note != "" {
		p.NoteText = p.Words.Text(p.Note)
	}
}

// maxShownItems bounds the items that the page lists.
const maxShownItems = 20

// stockItems are how the items of a sale stand.
func stockItems(rec *sale.Record, stands []salecache.Standing) (items []itemView) {
	for i, one := range stands[:min(len(rec.Items), len(stands), maxShownItems)] {
		item := itemView{SKU: rec.Items[i].SKU, Name: rec.Items[i].Name, Stands: string(one.Availability)}
		if one.UnitsLeft != nil {
			item.UnitsLeft = uint64(*one.UnitsLeft)
		}
		items = append(items, item)
	}
	return items
}

// wordItems says how the listed items stand. static/room.js says the same.
func (p *roomPage) wordItems() {
	for i := range p.Items {
		item := &p.Items[i]
		if item.Text = p.Words.Text("stock." + item.Stands); item.UnitsLeft > 0 {
			item.Text = p.Words.UnitsLeft(item.UnitsLeft)
		}
	}
}

func (p *roomPage) showTimes(c *call) {
	if !p.Moment.IsZero() {
		p.MomentMachine, p.MomentText = p.Moment.UTC().Format(time.RFC3339), p.Words.Moment(p.Moment)
	}
	if !p.ClaimBefore.IsZero() {
		p.ClaimMachine, p.ClaimText = p.ClaimBefore.UTC().Format(time.RFC3339), p.Words.Moment(p.ClaimBefore)
	}
	if c.entry != nil {
		p.NowMillis = c.entry.Now().UnixMilli()
	}
}

func (p *roomPage) showLine() {
	if p.Place == nil {
		return
	}
	l := p.Words
	p.Ahead, p.AheadForm = l.Number(p.Place.Ahead), l.Form("ahead", p.Place.Ahead)
	p.PlaceNo, p.Wait = l.Number(p.Place.Place), l.Wait(p.Place.ETAP50Seconds, p.Place.ETAP90Seconds)
}

// scriptWords are the texts that static/room.js writes, as JSON. Numbers says that it writes how many units are left.
func scriptWords(l *words.Language, numbers bool) string {
	texts := map[string]any{"ahead": l.Forms["ahead"]}
	if numbers {
		texts["left"] = l.Forms["left"]
	}
	for _, key := range []string{
		"stock.in_stock", "stock.low", "stock.held_out", "stock.sold_out", "stock.likely", "stock.unlikely",
		"eta.unknown", "eta.soon", "eta.about", "eta.range", "span.minutes", "span.hours", "note.trouble", "wait", "called.headline", "called.lead_away",
	} {
		texts[key] = l.Text(key)
	}
	data, err := json.Marshal(texts)
	if err != nil {
		return "{}" // texts are text
	}
	return string(data)
}

// sendRoom sends the page of the waiting room. The record is nil while this node does not know it.
func (s *Server) sendRoom(c *call, status int, rec *sale.Record, view roomView) error {
	page := s.roomPage(c, rec, &view)
	return s.sendRoomPage(c, status, rec, &page)
}

func (s *Server) sendRoomPage(c *call, status int, rec *sale.Record, page *roomPage) error {
	policy := pagePolicy{}
	if rec != nil {
		policy.formTarget, policy.images = s.destination(c, rec), imageHosts(&rec.Page)
	}
	policy.worker = page.Challenge != ""
	policy.secret = page.Ticket != "" || page.Code != nil || page.Notify != nil || c.ctx.QueryArgs().Has(ticketParameter) || c.ctx.QueryArgs().Has(moveLink)
	return s.sendPage(c, status, "room.html", policy, page)
}
