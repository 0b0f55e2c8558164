package console

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/sale"
)

// notifyForm is what was typed into the fields of the notifications; sent is false when the form has none of them.
type notifyForm struct {
	WebPush, WebhookURL string
	sent                bool
}

func fillNotify(n sale.Notify) notifyForm {
	return notifyForm{WebPush: strconv.FormatBool(n.WebPush), WebhookURL: n.WebhookURL}
}

func readNotify(v url.Values) notifyForm {
	return notifyForm{
		WebPush: v.Get("notify.web_push"), WebhookURL: strings.TrimSpace(v.Get("notify.webhook_url")), sent: v.Has("notify.web_push"),
	}
}

// notify lays what was typed over a sale.
func (f *saleForm) notify(s *sale.Sale) {
	if f.Notify.sent {
		s.Notify = sale.Notify{WebPush: f.Notify.WebPush == switchOn, WebhookURL: f.Notify.WebhookURL}
	}
}
