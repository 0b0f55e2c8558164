package sale

import "net/url"

// Notify says how a visitor who waits may ask to be told when it is their turn.
type Notify struct {
	// WebPush has the browser told, by its push service.
	WebPush bool `json:"web_push,omitempty"`
	// WebhookURL is called for each visitor who left an e-mail address: the shop sends the mail.
	WebhookURL string `json:"webhook_url,omitempty"`
}

// On reports whether there is any way to be told.
func (n Notify) On() bool { return n.WebPush || n.WebhookURL != "" }

func (s Sale) validateNotify() error {
	if s.Notify.WebhookURL == "" {
		return nil
	}
	u, err := url.Parse(s.Notify.WebhookURL)
	if err != nil || len(s.Notify.WebhookURL) > MaxURLLength || u.Fragment != "" || u.Host == "" || !AllowedTarget(s.Notify.WebhookURL) {
		return invalid("notify.webhook_url", "want an https address with a host name in ASCII, without user and fragment")
	}
	return nil
}
