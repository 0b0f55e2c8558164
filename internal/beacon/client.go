package beacon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

const (
	// askTimeout bounds one question, from the connection to the last byte.
	askTimeout = 3 * time.Second
	// maxAnswerBytes bounds an answer. One of drand has some 250 bytes.
	maxAnswerBytes = 4 << 10
	maxHeaderBytes = 16 << 10
)

// Client asks for rounds. It follows no redirects: the addresses are the operator's, and no answer leads
// elsewhere. It is safe for concurrent use.
type Client struct{ http *http.Client }

// NewClient returns a client of its own, which shares no connections with others.
func NewClient() *Client {
	dialer := &net.Dialer{Timeout: askTimeout, Control: refuseAddress}
	transport := &http.Transport{
		DialContext: dialer.DialContext, Proxy: http.ProxyFromEnvironment, TLSHandshakeTimeout: askTimeout, ResponseHeaderTimeout: askTimeout,
		MaxResponseHeaderBytes: maxHeaderBytes, IdleConnTimeout: time.Minute, MaxIdleConns: 8, ForceAttemptHTTP2: true,
	}
	return &Client{http: &http.Client{
		Transport: transport, Timeout: askTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// refuseAddress keeps questions from addresses of the own link, where the provider of a machine hands out its
// credentials, whatever a name resolves to. Private networks are allowed: an operator may run a relay there.
func refuseAddress(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if ip := to.Addr().Unmap(); ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() {
		return fmt.Errorf("%s is not an address of a beacon", ip)
	}
	return nil
}

// Close lets go of idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Source is what to ask, and whose signature to believe.
type Source struct {
	URLs      []string
	ChainHash string
	PublicKey string
}

// Round asks the addresses one after the other and returns the first signature, in hex, that is that of the round.
// The error says what each address has answered.
func (c *Client) Round(ctx context.Context, from Source, round uint64) (string, error) {
	var failed []error
	for _, base := range from.URLs {
		signature, err := c.ask(ctx, strings.TrimRight(base, "/"), from, round)
		if err == nil {
			return signature, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", base, err))
	}
	return "", fmt.Errorf("round %d of the beacon: %w", round, errors.Join(failed...))
}

// answer is what drand sends of a round. Other members are passed over.
type answer struct {
	Round      uint64 `json:"round"`
	Randomness string `json:"randomness"`
	Signature  string `json:"signature"`
}

func (c *Client) ask(ctx context.Context, base string, from Source, round uint64) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/%s/public/%d", base, from.ChainHash, round), http.NoBody)
	if err != nil {
		return "", err
	}
	req.Header.Set("Accept", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("answers %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswerBytes+1))
	if err != nil {
		return "", err
	}
	if len(body) > maxAnswerBytes {
		return "", errors.New("answers too much")
	}
	return read(body, from.PublicKey, round)
}

// read takes the signature out of an answer, and believes nothing else of it.
func read(body []byte, publicKey string, round uint64) (string, error) {
	var a answer
	if err := json.Unmarshal(body, &a); err != nil {
		return "", errors.New("answers no round")
	}
	a.Signature = strings.ToLower(a.Signature)
	switch {
	case a.Round != round:
		return "", fmt.Errorf("answers round %d", a.Round)
	case !Verify(publicKey, round, a.Signature):
		return "", errors.New("answers a signature that is not that of this round and key")
	case a.Randomness != "" && !strings.EqualFold(a.Randomness, Randomness(a.Signature)):
		return "", errors.New("answers randomness that does not belong to the signature")
	}
	return a.Signature, nil
}
