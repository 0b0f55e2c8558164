package queue

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/penstock/penstock/internal/beacon"
	"github.com/penstock/penstock/internal/sale"
)

// drawParts are what entered the seed besides the server's part.
type drawParts struct {
	Round     uint64 `json:"round,omitempty"`
	Signature string `json:"signature,omitempty"` // of the round, in hex; "" when it is missing
	// Shares are those of the plan's parties, in its order, in hex; "" for one that is missing.
	Shares []string `json:"shares,omitempty"`
}

func (p drawParts) text() string { return compact(p) }

func readParts(text string) (p drawParts, err error) {
	if text == "" {
		return p, nil
	}
	err = json.Unmarshal([]byte(text), &p)
	return p, err
}

// completeLabel begins the message from which the completed seed is made.
const completeLabel = "penstock/draw/v2"

// completedSeed is the seed from which the places come. It is described in draw.go.
func completedSeed(saleID string, seed []byte, counts drawCounts, plan drawPlan, parts drawParts) []byte {
	if plan.empty() {
		return seed
	}
	mac := hmac.New(sha256.New, seed)
	mac.Write([]byte(completedMessage(saleID, counts, plan, parts)))
	return mac.Sum(nil)
}

func completedMessage(saleID string, counts drawCounts, plan drawPlan, parts drawParts) string {
	lines := append([]string{completeLabel, "sale " + saleID}, counts.lines()...)
	if plan.Beacon != nil {
		lines = append(lines, "beacon "+plan.Beacon.ChainHash+" "+strconv.FormatUint(parts.Round, 10)+" "+orMissing(parts.Signature))
	}
	for i, share := range plan.Shares {
		lines = append(lines, "share "+share.Party+" "+orMissing(parts.share(i)))
	}
	return strings.Join(lines, "\n")
}

const missingPart = "missing"

func orMissing(part string) string {
	if part == "" {
		return missingPart
	}
	return part
}

func (p drawParts) share(i int) string {
	if i >= len(p.Shares) {
		return ""
	}
	return p.Shares[i]
}

// fitting keeps of the parts what is true: a signature of the round, and shares that fit their commitments. What
// does not fit is as good as missing.
func (p drawParts) fitting(plan drawPlan) drawParts {
	fit := drawParts{Round: p.Round, Shares: make([]string, len(plan.Shares))}
	if plan.Beacon == nil {
		fit.Round = 0
	} else if beacon.Verify(plan.Beacon.PublicKey, p.Round, p.Signature) {
		fit.Signature = p.Signature
	}
	for i, share := range plan.Shares {
		if fitsCommitment(p.share(i), share.Commitment) {
			fit.Shares[i] = p.share(i)
		}
	}
	return fit
}

// complete reports whether nothing of the plan is missing.
func (p drawParts) complete(plan drawPlan) bool {
	if plan.Beacon != nil && p.Signature == "" {
		return false
	}
	for i := range plan.Shares {
		if p.share(i) == "" {
			return false
		}
	}
	return true
}

const shareBytes = 32

// fitsCommitment reports whether a share, in hex, is the one whose SHA-256 was published.
func fitsCommitment(share, commitment string) bool {
	raw, err := hex.DecodeString(share)
	return err == nil && len(raw) == shareBytes && Commitment(raw) == commitment
}

// waitUntil is until when missing parts are waited for, when the sale does not wait on; in ms of Redis TIME.
func (p drawPlan) waitUntil(countKeptMillis int64, round uint64) int64 {
	from := countKeptMillis
	if p.Beacon != nil {
		from = max(from, p.Beacon.at(round))
	}
	return from + p.WaitMillis
}

// decide says which parts enter the seed, once that can be said.
func (p drawPlan) decide(have drawParts, countKeptMillis, nowMillis int64) (drawParts, bool) {
	fit := have.fitting(p)
	if fit.complete(p) {
		return fit, true
	}
	return fit, p.IfMissing == sale.GoOn && nowMillis >= p.waitUntil(countKeptMillis, have.Round)
}
