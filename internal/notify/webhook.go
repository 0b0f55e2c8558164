package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// visitorCalled is the type of the one event that there is.
const visitorCalled = "visitor.called"

// webhookBody is what the shop gets.
type webhookBody struct {
	Type string `json:"type"`
	Sale string `json:"sale"`
	// Name is the sale's name, for the mail.
	Name        string    `json:"name"`
	Email       string    `json:"email"`
	Link        string    `json:"link"`
	ClaimBefore time.Time `json:"claim_before"`
	Language    string    `json:"language"`
}

// sendWebhook tells the shop, as Standard Webhooks 1.0 says.
func sendWebhook(ctx context.Context, client *http.Client, address string, keys [][]byte, message *called, now time.Time) outcome {
	body, err := json.Marshal(webhookBody{
		Type: visitorCalled, Sale: message.wish.Ticket.Sale, Name: message.saleName, Email: message.wish.Email, Link: message.link,
		ClaimBefore: message.claimBefore.UTC().Truncate(time.Millisecond), Language: message.wish.Language,
	})
	if err != nil {
		return outcome{verdict: impossible, err: err}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return outcome{verdict: impossible, err: err}
	}
	id, timestamp := "msg_"+message.name(), strconv.FormatInt(now.Unix(), 10)
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", "Penstock")
	request.Header.Set("webhook-id", id)
	request.Header.Set("webhook-timestamp", timestamp)
	request.Header.Set("webhook-signature", signatures(keys, id, timestamp, body))
	return judge(client.Do(request))
}

// signatures has one for each key, separated by spaces.
func signatures(keys [][]byte, id, timestamp string, body []byte) string {
	all := make([]string, len(keys))
	for i, key := range keys {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, timestamp, body)
		all[i] = "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	}
	return strings.Join(all, " ")
}
