// Package drand gives tests a randomness beacon in the form of drand on a port of its own, with a key of its own
// that signs as the public one does.
package drand

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cloudflare/circl/sign/bls"

	"github.com/penstock/penstock/internal/sale"
)

// ChainHash is the name of the test's chain.
const ChainHash = "00aa11bb22cc33dd44ee55ff66778899aabbccddeeff00112233445566778899"

// Period is that of the test's chain.
const Period = time.Second

// Beacon is a running beacon. It signs any round, also one that is not due yet.
type Beacon struct {
	URL       string
	PublicKey string

	key *bls.PrivateKey[bls.KeyG2SigG1]

	mu     sync.Mutex
	handle http.HandlerFunc // in place of the usual answer
	asked  int
}

// New starts a beacon that ends with the test. Beacons with different names have different keys.
func New(t testing.TB, name string) *Beacon {
	t.Helper()
	material := sha256.Sum256([]byte(name))
	key, err := bls.KeyGen[bls.KeyG2SigG1](material[:], nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	public, err := key.PublicKey().MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	b := &Beacon{key: key, PublicKey: hex.EncodeToString(public)}
	server := httptest.NewServer(http.HandlerFunc(b.serve))
	t.Cleanup(server.Close)
	b.URL = server.URL
	return b
}

// Terms are those of a sale that uses the beacon, whose first round was at genesis.
func (b *Beacon) Terms(genesis time.Time, margin time.Duration) *sale.Beacon {
	return &sale.Beacon{
		URLs: []string{b.URL}, ChainHash: ChainHash, PublicKey: b.PublicKey, Scheme: sale.SchemeG1,
		Period: sale.Duration(Period), GenesisAt: genesis.Truncate(time.Second), Margin: sale.Duration(margin),
	}
}

// Sign returns the signature of a round, in hex.
func (b *Beacon) Sign(round uint64) string {
	message := sha256.Sum256(binary.BigEndian.AppendUint64(nil, round))
	return hex.EncodeToString(bls.Sign(b.key, message[:]))
}

// Answer is the document of a round.
func (b *Beacon) Answer(round uint64) []byte {
	signature := b.Sign(round)
	raw, _ := hex.DecodeString(signature)
	random := sha256.Sum256(raw)
	body, _ := json.Marshal(map[string]any{"round": round, "randomness": hex.EncodeToString(random[:]), "signature": signature})
	return body
}

// Instead has the beacon answer otherwise; nil brings the usual answer back.
func (b *Beacon) Instead(handle http.HandlerFunc) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.handle = handle
}

// Asked counts the questions so far.
func (b *Beacon) Asked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}

func (b *Beacon) serve(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	b.asked++
	handle := b.handle
	b.mu.Unlock()
	if handle != nil {
		handle(w, r)
		return
	}
	var text string
	if _, err := fmt.Sscanf(r.URL.Path, "/"+ChainHash+"/public/%s", &text); err != nil {
		http.NotFound(w, r)
		return
	}
	round, err := strconv.ParseUint(text, 10, 64)
	if err != nil || round == 0 {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write(b.Answer(round))
}
