package notify

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/SherClockHolmes/webpush-go"

	"github.com/penstock/penstock/internal/config"
)

// pushBody is what the service worker gets.
type pushBody struct {
	Type        string    `json:"type"`
	Sale        string    `json:"sale"`
	Name        string    `json:"name"`
	Title       string    `json:"title"`
	Body        string    `json:"body"`
	Language    string    `json:"language"`
	URL         string    `json:"url"` // a path: the worker is of the same origin
	Tag         string    `json:"tag"`
	ClaimBefore time.Time `json:"claim_before"`
}

// sendPush hands a message to the push service of a subscription. The service drops it with the time to claim.
func sendPush(ctx context.Context, client *http.Client, keys *PushKeys, contact string, message *called, now time.Time) outcome {
	w := message.wish
	pair, known := keys.find(w.PushKey)
	if !known {
		return outcome{verdict: gone} // made for a key that is not in use any more
	}
	text := pushTextIn(w.Language)
	body, err := json.Marshal(pushBody{
		Type: visitorCalled, Sale: w.Ticket.Sale, Name: message.saleName, Title: text.title, Body: text.body, Language: w.Language,
		URL: roomPath(w.Ticket.Sale), Tag: message.name(), ClaimBefore: message.claimBefore.UTC().Truncate(time.Millisecond),
	})
	if err != nil {
		return outcome{verdict: impossible, err: err}
	}
	return judge(webpush.SendNotificationWithContext(ctx, body,
		&webpush.Subscription{Endpoint: w.Endpoint, Keys: webpush.Keys{P256dh: w.P256dh, Auth: w.Auth}},
		&webpush.Options{
			HTTPClient: client, TTL: int(message.claimBefore.Sub(now).Seconds()), Urgency: webpush.UrgencyHigh, Topic: message.name(),
			Subscriber: strings.TrimPrefix(contact, "mailto:"), VAPIDPublicKey: pair.public, VAPIDPrivateKey: pair.private,
		}))
}

// PushHosts are the push services that may be called.
type PushHosts []config.PushHost

// receiver names the entry that an endpoint belongs to; "" when it may not be called.
func (h PushHosts) receiver(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Opaque != "" || u.Fragment != "" || u.Path == "" || u.Path == "/" {
		return ""
	}
	port := uint64(443)
	if text := u.Port(); text != "" {
		if port, err = strconv.ParseUint(text, 10, 16); err != nil {
			return ""
		}
	}
	for _, entry := range h {
		if entry.Matches(strings.ToLower(u.Hostname()), uint16(port)) {
			return entry.String()
		}
	}
	return ""
}

// mayBePrivate lets entries that are addresses themselves be private ones.
func (h PushHosts) mayBePrivate(host string, _ netip.Addr) bool {
	for _, entry := range h {
		if strings.EqualFold(entry.Name, host) && entry.MayBePrivate() {
			return true
		}
	}
	return false
}

// Lengths of what a browser makes.
const (
	p256dhBytes = 65
	authBytes   = 16
)

// ofBytes reports whether a text is so many bytes in base64url, with or without padding.
func ofBytes(text string, size int) ([]byte, bool) {
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	return raw, err == nil && len(raw) == size
}
