package front

import (
	"strconv"
	"strings"

	"rsc.io/qr"

	"github.com/penstock/penstock/internal/roomlink"
	"github.com/penstock/penstock/internal/sale"
)

const (
	// deviceView asks for the page that shows the place to another device.
	deviceView = "penstock_device"
	// moveLink carries the sealed ticket of a place that another device is to take.
	moveLink = roomlink.MoveQuery
)

// qrCode is an address as a QR code. The path is in modules; the quiet zone around it is four modules wide.
type qrCode struct {
	Address, Path string
	Side          int // of the code with the quiet zone
}

func newQRCode(address string) (*qrCode, error) {
	code, err := qr.Encode(address, qr.M)
	if err != nil {
		return nil, err
	}
	var path strings.Builder
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			from := x
			for x < code.Size && code.Black(x, y) {
				x++
			}
			if x > from {
				length := strconv.Itoa(x - from)
				path.WriteString("M" + strconv.Itoa(from) + " " + strconv.Itoa(y) + "h" + length + "v1h-" + length + "z")
			}
		}
	}
	return &qrCode{Address: address, Path: path.String(), Side: code.Size + 8}, nil
}

// sendForDevice shows the place as a link that another device can open. It is the same place there.
func (s *Server) sendForDevice(c *call, rec *sale.Record, view roomView, here place) error {
	base := s.PublicURL
	if base == "" {
		scheme := "http://"
		if overTLS(c.ctx) {
			scheme = "https://"
		}
		base = scheme + string(c.ctx.Host())
	}
	sealed := s.RoomLinks.SealTicket(rec.ID, here.token, c.entry.Now().Add(roomlink.MoveTTL))
	code, err := newQRCode(base + roomPath(rec.ID) + "?" + moveLink + "=" + sealed)
	if err != nil {
		return err
	}
	view.Says, view.Lead, view.Note, view.Place, view.Items, view.ShowStock, view.MomentLabel = "move", "", "move.note", nil, nil, false, ""
	page := s.roomPage(c, rec, &view)
	page.Code, page.MomentMachine = code, ""
	return s.sendRoomPage(c, 200, rec, &page)
}

// movedTicket is the ticket in the link of another device.
func (s *Server) movedTicket(c *call) (token string, ok bool) {
	saleID := c.entry.ID()
	token, ok = s.RoomLinks.OpenTicket(saleID, string(c.ctx.QueryArgs().Peek(moveLink)), c.entry.Now())
	if !ok {
		return "", false
	}
	_, err := s.placeBy(c, token)
	return token, err == nil
}

// askToMove asks whoever opened the link of another device. Opening it changes nothing: programs that look at links
// open them too.
func (s *Server) askToMove(c *call, rec *sale.Record) error {
	view := newRoomView(rec, "move_ask", "move")
	if _, ok := s.movedTicket(c); !ok {
		view.Says = "move_over"
		return s.sendRoom(c, 410, rec, view)
	}
	c.setCheckCookie()
	view.OfferMove = true
	return s.sendRoom(c, 200, rec, view)
}

// moveHere gives this browser the place of the link.
func (s *Server) moveHere(c *call) error {
	token, ok := s.movedTicket(c)
	if !ok {
		return c.seeOther(c.roomAgain()) // the page says that the link is too old
	}
	if !c.keepsCookies() {
		return c.seeOther(c.roomWithTicket(token))
	}
	c.setTicketCookie(token)
	return c.seeOther(c.roomPathWith(""))
}
