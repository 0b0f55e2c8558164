package sale

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestTheWebhookOfNotificationsIsAPlainAddress(t *testing.T) {
	start := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	for address, good := range map[string]bool{
		"": true, "https://shop.example/hooks/turn?x=1": true, "http://10.0.0.7:8080/hook": true, // whether it may be called is a setting
		"shop.example/hook": false, "/hook": false, "ftp://shop.example/": false, "https://u:p@shop.example/": false,
		"https://shop.example/#x": false, "https:///hook": false, "https://shop.example/" + strings.Repeat("a", MaxURLLength): false,
	} {
		s := Sale{ID: "drop", Name: "Drop", StartsAt: start, EndsAt: start.Add(time.Hour), Items: []Item{{SKU: "A", Stock: 1}}, Notify: Notify{WebhookURL: address}}
		err := s.WithDefaults().Validate()
		var wrong *Invalid
		if (err == nil) != good || err != nil && (!errors.As(err, &wrong) || wrong.Field != "notify.webhook_url") {
			t.Errorf("%q: %v", address, err)
		}
	}
}
