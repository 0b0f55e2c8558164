package front

import (
	"strconv"

	"github.com/penstock/penstock/internal/notify"
	"github.com/penstock/penstock/internal/problem"
)

// getOffer tells how a sale tells visitors of their turn, if it does.
func (s *Server) getOffer(c *call) error {
	offer := s.offer(c)
	c.buf = append(c.buf, `{"web_push":`...)
	c.buf = strconv.AppendBool(c.buf, offer.Push)
	c.buf = append(c.buf, `,"email":`...)
	c.buf = strconv.AppendBool(c.buf, offer.Email)
	if offer.Push {
		c.buf = append(c.buf, `,"public_key":`...)
		c.buf = appendString(c.buf, offer.PublicKey)
	}
	c.buf = append(c.buf, '}')
	c.sendPublic(typeJSON, valuePublicOneSecond, c.buf)
	return nil
}

func (s *Server) offer(c *call) notify.Offer {
	rec := c.entry.Record()
	return s.saleOffer(&rec)
}

// postNotifications keeps the wish of somebody who waits to be told of their turn. A later wish replaces an earlier
// one of the same way.
func (s *Server) postNotifications(c *call) error {
	here, inHeader, err := s.bearer(c)
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	request, err := parseNotification(body)
	if err != nil {
		return err
	}
	if err := s.subscribe(c, here, request); err != nil {
		return err
	}
	if !inHeader { // the visitor's own browser
		c.keepTold(here.number().String(), request.Push != nil, request.Email != "")
	}
	c.sendNothing()
	return nil
}

// subscribe is for who waits, and for nobody else. Codes: not_waiting, and those of notify.Desk.Subscribe.
func (s *Server) subscribe(c *call, here place, request notify.Request) error {
	if err := seen(c.entry); err != nil {
		return err
	}
	if !waits(here.view.State) {
		return problem.NotWaiting
	}
	if s.Notify == nil {
		return problem.NotificationsOff
	}
	if err := s.mayAct(c, here.actor()); err != nil {
		return err
	}
	rec := c.entry.Record()
	if here.decoy != nil {
		return s.Notify.Check(&rec.Sale, request)
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	return s.Notify.Subscribe(ctx, &rec.Sale, here.ticket, request)
}

// deleteNotifications takes the wishes of a ticket back. It is idempotent.
func (s *Server) deleteNotifications(c *call) error {
	here, inHeader, err := s.bearer(c)
	if err != nil {
		return err
	}
	if err := s.forgetWishes(here); err != nil {
		return err
	}
	if !inHeader {
		c.dropTold()
	}
	c.sendNothing()
	return nil
}

func (s *Server) forgetWishes(here place) error {
	if s.Notify == nil || here.decoy != nil {
		return nil
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	return s.Notify.Forget(ctx, here.ticket)
}

// parseNotification reads {"push": {…}} or {"email": …}, with a language. A subscription is what browsers make of
// one in JSON, and the key that it was made for.
func parseNotification(body []byte) (notify.Request, error) {
	var request notify.Request
	r := &reader{data: body}
	err := r.document(func(name string) error {
		switch name {
		case "push":
			request.Push = &notify.Subscription{}
			return parseSubscription(r, request.Push)
		case "email":
			return r.stringInto(&request.Email)
		case "language":
			return r.stringInto(&request.Language)
		default:
			return r.unknown(name)
		}
	})
	return request, err
}

func parseSubscription(r *reader, into *notify.Subscription) error {
	return r.object(func(name string) error {
		switch name {
		case "endpoint":
			return r.stringInto(&into.Endpoint)
		case "application_server_key":
			return r.stringInto(&into.PublicKey)
		case "keys":
			return r.object(func(name string) error {
				switch name {
				case "p256dh":
					return r.stringInto(&into.P256dh)
				case "auth":
					return r.stringInto(&into.Auth)
				default:
					return r.unknown("keys." + name)
				}
			})
		default:
			return r.unknown("push." + name)
		}
	})
}
