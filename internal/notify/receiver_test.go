package notify

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// pushService is a push service with the browsers behind it: it checks who calls (RFC 8292) and opens what it gets
// as the browser would (RFC 8291).
type pushService struct {
	t      testing.TB
	server *httptest.Server
	// publicKey is what the subscriptions were made for.
	publicKey string

	mu       sync.Mutex
	browsers map[string]*browser // by path
	got      []pushed
	answer   func(path string) int // nil means 201
	hang     chan struct{}         // calls wait for it to close, when it is not nil
	at       []time.Time
}

type browser struct {
	private *ecdh.PrivateKey
	auth    []byte
}

// pushed is a message that came through.
type pushed struct {
	path, topic, subject string
	ttl                  int
	body                 pushBody
}

func newPushService(t testing.TB, publicKey string) *pushService {
	p := &pushService{t: t, publicKey: publicKey, browsers: make(map[string]*browser)}
	p.server = httptest.NewUnstartedServer(p)
	p.server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug)
	p.server.EnableHTTP2 = true
	p.server.StartTLS()
	t.Cleanup(p.server.Close)
	return p
}

func (p *pushService) roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(p.server.Certificate())
	return pool
}

func (p *pushService) host() string { return strings.TrimPrefix(p.server.URL, "https://") }

// subscribe makes a subscription as PushManager does.
func (p *pushService) subscribe(path string) *Subscription {
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		p.t.Fatal(err)
	}
	auth := make([]byte, 16)
	_, _ = rand.Read(auth)
	p.mu.Lock()
	p.browsers[path] = &browser{private: private, auth: auth}
	p.mu.Unlock()
	return &Subscription{
		Endpoint: p.server.URL + path, P256dh: base64.RawURLEncoding.EncodeToString(private.PublicKey().Bytes()),
		Auth: base64.RawURLEncoding.EncodeToString(auth),
	}
}

func (p *pushService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	hang, answer, to := p.hang, p.answer, p.browsers[r.URL.Path]
	p.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-r.Context().Done():
			return
		}
	}
	if answer != nil {
		if status := answer(r.URL.Path); status >= 300 {
			w.WriteHeader(status)
			return
		}
	}
	if to == nil {
		w.WriteHeader(http.StatusGone)
		return
	}
	message, err := p.open(r, to)
	if err != nil {
		p.t.Errorf("a message that a browser would not take: %v", err)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	p.got = append(p.got, message)
	p.at = append(p.at, time.Now())
	p.mu.Unlock()
	w.WriteHeader(http.StatusCreated)
}

func (p *pushService) messages() []pushed {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.got)
}

func (p *pushService) open(r *http.Request, to *browser) (m pushed, err error) {
	if r.Method != http.MethodPost || r.Header.Get("Content-Encoding") != "aes128gcm" || r.Header.Get("Urgency") != "high" {
		return m, fmt.Errorf("%s %v", r.Method, r.Header)
	}
	if m.subject, err = p.authorize(r.Header.Get("Authorization")); err != nil {
		return m, err
	}
	if m.ttl, err = strconv.Atoi(r.Header.Get("TTL")); err != nil {
		return m, err
	}
	if m.topic = r.Header.Get("Topic"); len(m.topic) != 32 {
		return m, fmt.Errorf("topic %q", m.topic)
	}
	sealed, err := io.ReadAll(io.LimitReader(r.Body, 8192))
	if err != nil || len(sealed) > 4096 {
		return m, fmt.Errorf("%d bytes, %w", len(sealed), err)
	}
	plain, err := decrypt(sealed, to)
	if err != nil {
		return m, err
	}
	m.path = r.URL.Path
	return m, json.Unmarshal(plain, &m.body)
}

// decrypt opens one record of aes128gcm (RFC 8188) with the keys of RFC 8291.
func decrypt(sealed []byte, to *browser) ([]byte, error) {
	if len(sealed) < 21+65 || sealed[20] != 65 {
		return nil, fmt.Errorf("the header is of %d bytes", len(sealed))
	}
	salt, recordSize, senderKey, ciphertext := sealed[:16], binary.BigEndian.Uint32(sealed[16:20]), sealed[21:86], sealed[86:]
	if int(recordSize) < len(ciphertext) {
		return nil, fmt.Errorf("more than one record of %d", recordSize)
	}
	sender, err := ecdh.P256().NewPublicKey(senderKey)
	if err != nil {
		return nil, err
	}
	shared, err := to.private.ECDH(sender)
	if err != nil {
		return nil, err
	}
	info := "WebPush: info\x00" + string(to.private.PublicKey().Bytes()) + string(senderKey)
	ikm, err1 := hkdf.Key(sha256.New, shared, to.auth, info, 32)
	key, err2 := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	nonce, err3 := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err1 != nil || err2 != nil || err3 != nil {
		return nil, fmt.Errorf("%w %w %w", err1, err2, err3)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	padded, err := aead.Open(nil, nonce, ciphertext, nil)
	if err != nil {
		return nil, err
	}
	end := slices.Index(padded, 2) // of the last record
	if end < 0 {
		return nil, fmt.Errorf("the record has no end")
	}
	return padded[:end], nil
}

// authorize checks the token of VAPID: whose it is, for whom, and until when.
func (p *pushService) authorize(header string) (subject string, err error) {
	rest, ok := strings.CutPrefix(header, "vapid t=")
	token, key, ok2 := strings.Cut(rest, ", k=")
	parts := strings.Split(token, ".")
	if !ok || !ok2 || len(parts) != 3 || key != p.publicKey {
		return "", fmt.Errorf("authorization %q, want the key %s", header, p.publicKey)
	}
	point, err1 := base64.RawURLEncoding.DecodeString(key)
	signature, err2 := base64.RawURLEncoding.DecodeString(parts[2])
	claimText, err3 := base64.RawURLEncoding.DecodeString(parts[1])
	if err1 != nil || err2 != nil || err3 != nil || len(point) != 65 || len(signature) != 64 {
		return "", fmt.Errorf("authorization %q", header)
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		return "", err
	}
	hash := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(public, hash[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
		return "", fmt.Errorf("the signature of the token is wrong")
	}
	var claims struct {
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Subject  string `json:"sub"`
	}
	if err := json.Unmarshal(claimText, &claims); err != nil {
		return "", err
	}
	left := time.Until(time.Unix(claims.Expires, 0))
	if claims.Audience != p.server.URL || left <= 0 || left > 24*time.Hour {
		return "", fmt.Errorf("claims %+v", claims)
	}
	return claims.Subject, nil
}
