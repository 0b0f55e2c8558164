package sale

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"time"
)

// DrawTerms say what enters the seed of the draw besides the server's own part. What nobody here could know
// before the count of entrants was published keeps everybody here from steering the draw.
type DrawTerms struct {
	Beacon *Beacon `json:"beacon,omitempty"`
	Shares []Share `json:"shares,omitempty"`
	// Wait is how long after the count was published, and after the round of the beacon, a part is waited
	// for. IfMissing says what happens then.
	Wait      Duration  `json:"wait,omitempty"`
	IfMissing IfMissing `json:"if_missing,omitempty"`
}

// Beacon is a public source of randomness in the form of drand, unchained, with signatures on G1 (RFC 9380).
type Beacon struct {
	// URLs are asked one after the other for /{chain_hash}/public/{round}.
	URLs      []string     `json:"urls"`
	ChainHash string       `json:"chain_hash"`
	PublicKey string       `json:"public_key"`
	Scheme    BeaconScheme `json:"scheme,omitempty"`
	Period    Duration     `json:"period"`
	GenesisAt time.Time    `json:"genesis_at,omitzero"`
	// Margin is how long after the start the round is published at the earliest.
	Margin Duration `json:"margin,omitempty"`
}

// Share is the commitment of an independent party: the SHA-256, in hex, of 32 bytes that the party keeps to
// itself until the count of entrants is published.
type Share struct {
	Party      string `json:"party"`
	Commitment string `json:"commitment"`
}

// BeaconScheme is how rounds of a beacon are signed.
type BeaconScheme string

// SchemeG1 is the one scheme: the signature, on G1, of the SHA-256 of the round as 8 bytes, big endian.
const SchemeG1 BeaconScheme = "bls-unchained-g1-rfc9380"

// IfMissing is what becomes of a draw when a part has not come in time.
type IfMissing string

// The choices.
const (
	WaitOn IfMissing = "wait"  // nobody is called before the part has come
	GoOn   IfMissing = "go_on" // the draw is made without it, and the report says so
)

// The limits and defaults of a draw.
const (
	MaxShares       = 8
	MaxBeaconURLs   = 5
	MinMargin       = time.Second
	MaxMargin       = 10 * time.Minute
	MaxDrawWait     = time.Hour
	DefaultMargin   = Duration(10 * time.Second)
	DefaultDrawWait = Duration(30 * time.Second)
	maxBeaconPeriod = 10 * time.Minute
)

// The chain "quicknet" of drand's League of Entropy: the defaults of a beacon that names no chain.
const (
	quicknetChain = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
	quicknetKey   = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451" +
		"0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
	quicknetPeriod      = Duration(3 * time.Second)
	quicknetGenesisUnix = 1692803367
)

// IsZero reports whether nothing but the server's part enters the draw.
func (d DrawTerms) IsZero() bool { return d.Beacon == nil && len(d.Shares) == 0 }

// SameParts reports whether the same enters the draw under the same rule. Where the beacon is asked may differ.
func (d DrawTerms) SameParts(other DrawTerms) bool {
	if (d.Beacon == nil) != (other.Beacon == nil) || !slices.Equal(d.Shares, other.Shares) || d.Wait != other.Wait || d.IfMissing != other.IfMissing {
		return false
	}
	if d.Beacon == nil {
		return true
	}
	a, b := *d.Beacon, *other.Beacon
	return a.ChainHash == b.ChainHash && a.PublicKey == b.PublicKey && a.Scheme == b.Scheme && a.Period == b.Period &&
		a.Margin == b.Margin && a.GenesisAt.Equal(b.GenesisAt)
}

// withDefaults fills in what is left out, on a copy.
func (d DrawTerms) withDefaults() DrawTerms {
	if d.Beacon != nil {
		b := *d.Beacon
		b.URLs = slices.Clone(b.URLs)
		if b.ChainHash == "" && b.PublicKey == "" {
			b.ChainHash, b.PublicKey, b.Period, b.GenesisAt = quicknetChain, quicknetKey, quicknetPeriod, time.Unix(quicknetGenesisUnix, 0)
		}
		b.GenesisAt = millis(b.GenesisAt)
		setDefault(&b.Scheme, SchemeG1)
		setDefault(&b.Margin, DefaultMargin)
		d.Beacon = &b
	}
	d.Shares = slices.Clone(d.Shares)
	if !d.IsZero() {
		setDefault(&d.Wait, DefaultDrawWait)
		setDefault(&d.IfMissing, WaitOn)
	}
	return d
}

var partyPattern = regexp.MustCompile(`^[a-z0-9-]{1,32}$`)

func (s Sale) validateDraw() error {
	d := s.Draw
	if d.IsZero() {
		if d.Wait != 0 || d.IfMissing != "" {
			return invalid("draw", "wait and if_missing need a beacon or shares")
		}
		return nil
	}
	if s.Admission.Order != Draw {
		return invalid("draw", "needs admission.order: draw")
	}
	if d.Wait.Std() < 0 || d.Wait.Std() > MaxDrawWait {
		return invalid("draw.wait", "want up to %s", Duration(MaxDrawWait))
	}
	if d.IfMissing != WaitOn && d.IfMissing != GoOn {
		return invalid("draw.if_missing", "want wait or go_on")
	}
	if d.Beacon != nil {
		if err := d.Beacon.validate(); err != nil {
			return err
		}
	}
	return d.validateShares()
}

func (d DrawTerms) validateShares() error {
	if len(d.Shares) > MaxShares {
		return invalid("draw.shares", "at most %d parties", MaxShares)
	}
	for i, share := range d.Shares {
		field := fmt.Sprintf("draw.shares[%d]", i)
		if !partyPattern.MatchString(share.Party) {
			return invalid(field+".party", "want 1 to 32 of a-z, 0-9 and -")
		}
		if !validHex(share.Commitment, 32) {
			return invalid(field+".commitment", "want the SHA-256 of the share: 64 lower-case hex digits")
		}
		for _, other := range d.Shares[:i] {
			if other.Party == share.Party {
				return invalid(field+".party", "%q is there twice", share.Party)
			}
			if other.Commitment == share.Commitment {
				return invalid(field+".commitment", "two parties cannot have the same share")
			}
		}
	}
	return nil
}

const (
	hashBytes        = 32
	beaconKeyBytes   = 96
	beaconURLMost    = 300
	beaconURLExample = "https://api.drand.sh"
)

func (b *Beacon) validate() error {
	if len(b.URLs) == 0 || len(b.URLs) > MaxBeaconURLs {
		return invalid("draw.beacon.urls", "want 1 to %d addresses such as %s", MaxBeaconURLs, beaconURLExample)
	}
	for i, address := range b.URLs {
		if !validBeaconURL(address) {
			return invalid(fmt.Sprintf("draw.beacon.urls[%d]", i), "want an http(s) address such as %s", beaconURLExample)
		}
	}
	switch {
	case !validHex(b.ChainHash, hashBytes):
		return invalid("draw.beacon.chain_hash", "want 64 lower-case hex digits")
	case !validHex(b.PublicKey, beaconKeyBytes):
		return invalid("draw.beacon.public_key", "want a public key on G2: 192 lower-case hex digits")
	case b.Scheme != SchemeG1:
		return invalid("draw.beacon.scheme", "want %s", SchemeG1)
	case b.Period.Std() < time.Second || b.Period.Std() > maxBeaconPeriod || b.Period.Std()%time.Second != 0:
		return invalid("draw.beacon.period", "want whole seconds, %s at most", Duration(maxBeaconPeriod))
	case b.GenesisAt.IsZero() || b.GenesisAt.UnixMilli()%1000 != 0:
		return invalid("draw.beacon.genesis_at", "want the moment of the first round, in whole seconds")
	case b.Margin.Std() < MinMargin || b.Margin.Std() > MaxMargin:
		return invalid("draw.beacon.margin", "want between %s and %s", Duration(MinMargin), Duration(MaxMargin))
	}
	return nil
}

func validHex(text string, bytes int) bool {
	b, err := hex.DecodeString(text)
	return err == nil && len(b) == bytes && hex.EncodeToString(b) == text
}

func validBeaconURL(address string) bool {
	u, err := url.Parse(address)
	return err == nil && len(address) <= beaconURLMost && (u.Scheme == "http" || u.Scheme == "https") && u.Opaque == "" && u.User == nil &&
		u.RawQuery == "" && u.Fragment == "" && plainHost(u)
}
