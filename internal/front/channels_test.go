package front

import (
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
)

// inChannel asks for a unit of a channel in an open sale.
func (s *stack) inChannel(status int, code problem.Code, saleID, channel, key string) answer {
	s.t.Helper()
	h := header{"Idempotency-Key": "k-" + channel + "-" + key}
	if key != "" {
		h["Authorization"] = "Bearer " + key
	}
	body := reserveBody("zoe", "SNKR-42", 1)
	if channel != "" {
		body = strings.Replace(body, "{", `{"channel":"`+channel+`",`, 1)
	}
	return s.expect(status, code, "POST", "/v1/sales/"+saleID+"/reservations", h, body)
}

// channelled opens a sale of ten units: one for the web, one for the app, eight for the vip desk.
func (s *stack) channelled(id, standard string) {
	s.t.Helper()
	s.open(liveSale(id, func(o *sale.Sale) {
		o.Admission.Mode, o.DefaultChannel = sale.Open, standard
		o.Channels = map[string]int64{"web": 1, "app": 1, "vip": 8}
	}))
}

func TestAVisitorGetsUnitsOfTheDefaultChannelAlone(t *testing.T) {
	s := newStack(t)
	s.channelled("spring", "")
	if got := s.inChannel(201, "", "spring", "", ""); got.text(t, "channel") != "web" {
		t.Fatalf("reserved from %s", got.body)
	}
	s.inChannel(409, "sold_out", "spring", "web", "")
	s.inChannel(403, "channel_forbidden", "spring", "vip", "")
	s.inChannel(403, "channel_forbidden", "spring", "vip", s.shopKey)
	s.inChannel(404, "unknown_channel", "spring", "fax", "")
	s.inChannel(404, "unknown_channel", "spring", "fax", s.vipKey)
	s.inChannel(403, "channel_forbidden", "spring", "app", s.vipKey)
	s.inChannel(409, "sold_out", "spring", "", s.vipKey)
	if got := s.inChannel(201, "", "spring", "vip", s.vipKey); got.text(t, "channel") != "vip" {
		t.Fatalf("reserved from %s", got.body)
	}
}

func TestASaleNamesItsDefaultChannel(t *testing.T) {
	s := newStack(t)
	s.channelled("spring", "app")
	if got := s.inChannel(201, "", "spring", "app", ""); got.text(t, "channel") != "app" {
		t.Fatalf("reserved from %s", got.body)
	}
	s.inChannel(403, "channel_forbidden", "spring", "web", "")
}

func TestASaleWithoutADefaultChannelSaysHowToMendIt(t *testing.T) {
	s := newStack(t)
	s.open(liveSale("spring", func(o *sale.Sale) {
		o.Admission.Mode, o.Channels = sale.Open, map[string]int64{"app": 1, "vip": 1}
	}))
	for key, detail := range map[string]string{"": "set default_channel", s.shopKey: "set default_channel", s.vipKey: "name one of the channels"} {
		if got := s.inChannel(403, "channel_forbidden", "spring", "", key); !strings.Contains(got.text(t, "detail"), detail) {
			t.Errorf("detail %s, want %q", got.body, detail)
		}
	}
	s.inChannel(403, "channel_forbidden", "spring", "app", "")
	s.inChannel(201, "", "spring", "vip", s.vipKey)
}
