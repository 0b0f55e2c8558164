package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/penstock/penstock/internal/address"
)

const (
	fetchTimeout  = 5 * time.Second
	maxAnswer     = 64 << 10
	maxRemoteKeys = 32
)

// FetchOptions say from where keys may be fetched.
type FetchOptions struct {
	// Hosts are those from which keys may be fetched over plain HTTP and at addresses that are not public, with a
	// port where there is one. Every other host must speak TLS and have a public address: whoever may write a
	// sale must not have the server call what only the server can reach.
	Hosts []string
	Log   *slog.Logger
}

type fetcher struct {
	hosts  []string
	log    *slog.Logger
	public *http.Client // reaches public addresses only
	any    *http.Client
}

func newFetcher(options FetchOptions) *fetcher {
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	return &fetcher{hosts: options.Hosts, log: options.Log, public: newClient(refusePrivate), any: newClient(nil)}
}

// newClient follows no redirect and uses no proxy: the address that is called is the one that was checked.
func newClient(control func(network, address string, _ syscall.RawConn) error) *http.Client {
	dialer := &net.Dialer{Timeout: fetchTimeout, Control: control}
	return &http.Client{
		Timeout: fetchTimeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: fetchTimeout, MaxResponseHeaderBytes: 16 << 10,
			DisableKeepAlives: true, ForceAttemptHTTP2: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

var errNotPublic = errors.New("its address is not public; name the host in PENSTOCK_JWKS_HOSTS to allow that")

// refusePrivate looks at the address after the name was resolved, so that a name cannot lead elsewhere.
func refusePrivate(_, resolved string, _ syscall.RawConn) error {
	if !address.IsPublic(address.Of(resolved)) {
		return errNotPublic
	}
	return nil
}

// fetch gets the keys of a shop.
func (f *fetcher) fetch(ctx context.Context, from string) ([]jose.JSONWebKey, error) {
	keys, err := f.get(ctx, from)
	if err != nil {
		f.log.Warn("the keys of a shop were not fetched; those known are used for 24 h more", "url", from, "error", err)
	}
	return keys, err
}

func (f *fetcher) get(ctx context.Context, from string) ([]jose.JSONWebKey, error) {
	u, err := url.Parse(from)
	if err != nil {
		return nil, err
	}
	client := f.public
	if slices.ContainsFunc(f.hosts, func(host string) bool { return strings.EqualFold(host, u.Host) }) {
		client = f.any
	} else if u.Scheme != "https" {
		return nil, errors.New("plain HTTP; name the host in PENSTOCK_JWKS_HOSTS to allow that")
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/jwk-set+json, application/json")
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %d", answer.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("more than %d bytes", maxAnswer)
	}
	return parseKeys(body)
}

// parseKeys reads the public keys of a set. Keys of kinds that are not known are passed over, as RFC 7517 asks, and
// so is everything secret.
func parseKeys(doc []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(doc, &set); err != nil {
		return nil, errors.New("it is no JSON Web Key Set")
	}
	keys := make([]jose.JSONWebKey, 0, min(len(set.Keys), maxRemoteKeys))
	for _, raw := range set.Keys {
		var key jose.JSONWebKey
		if len(keys) == maxRemoteKeys {
			break
		}
		if key.UnmarshalJSON(raw) == nil && key.Valid() && key.IsPublic() {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no public key that can be used")
	}
	return keys, nil
}
