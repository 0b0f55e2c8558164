package sale

// Bots says what is done about clients that are not people, or are one person who acts as many.
type Bots struct {
	// Limits bound what comes from one address, from one network, and with one key or ticket.
	Limits Limits `json:"limits,omitzero"`
	// Datacentres says what becomes of newcomers from the networks that the server's list of data centres has.
	Datacentres Datacentres `json:"datacentres,omitempty"`
	// Proof says who has to bring a proof of work before a place is given.
	Proof Proof `json:"proof,omitempty"`
	// Decoy says whether likely bots that would be refused get a ticket that is never called.
	Decoy Decoy `json:"decoy,omitempty"`
}

// AsksForProofs reports whether anybody may be asked for a proof of work.
func (b Bots) AsksForProofs() bool { return b.Proof.On() || b.Datacentres == DatacentresProof }

// Decoy is what becomes of likely bots that would be refused. Customers for whom the shop vouches are none.
type Decoy string

// The choices. Empty is DecoyLog.
const (
	DecoyLog Decoy = "log" // they are refused, and counted as those who would get a decoy
	DecoyOn  Decoy = "on"  // they get a ticket that is never called
)

// Proof is of whom a proof of work is asked.
type Proof string

// The choices. Empty is ProofOff.
const (
	ProofOff        Proof = "off"        // of nobody
	ProofSuspicious Proof = "suspicious" // of addresses from which much came lately, or that are in a data centre
	ProofAlways     Proof = "always"     // of every newcomer
)

// On reports whether a proof may be asked for, wherever somebody comes from.
func (p Proof) On() bool { return p == ProofSuspicious || p == ProofAlways }

// Datacentres is what becomes of newcomers from data centres.
type Datacentres string

// The policies. Empty is DatacentresLog. Customers for whom the shop vouches are let in whatever the policy.
const (
	DatacentresLog    Datacentres = "log"    // they are counted, and let in
	DatacentresProof  Datacentres = "proof"  // they have to bring a proof of work, whatever Proof says
	DatacentresRefuse Datacentres = "refuse" // they are turned away
)

// Limits bound how often something is done. Each figure N allows N at once, and N in each minute from then on. 0 is
// the default.
type Limits struct {
	Mode LimitMode `json:"mode,omitempty"`
	// JoinsPerAddress, JoinsPerNetwork and JoinsPerKey count the places that are given: to one address (IPv6: a /64),
	// to one network (IPv4 /24, IPv6 /48), and to one customer of the shop.
	JoinsPerAddress int `json:"joins_per_address,omitempty"`
	JoinsPerNetwork int `json:"joins_per_network,omitempty"`
	JoinsPerKey     int `json:"joins_per_key,omitempty"`
	// ActionsPerAddress, ActionsPerNetwork and ActionsPerTicket count claims, reservations, and wishes to be notified.
	ActionsPerAddress int `json:"actions_per_address,omitempty"`
	ActionsPerNetwork int `json:"actions_per_network,omitempty"`
	ActionsPerTicket  int `json:"actions_per_ticket,omitempty"`
	// ReleasesPerAddress and ReleasesPerNetwork count reservations that are given back. Giving back is never refused:
	// beyond the limit the next reservation is.
	ReleasesPerAddress int `json:"releases_per_address,omitempty"`
	ReleasesPerNetwork int `json:"releases_per_network,omitempty"`
	// Unforwarded has requests limited by the address of the connection also when that is a trusted proxy, or
	// loopback, and names no visitor in X-Forwarded-For.
	Unforwarded bool `json:"unforwarded,omitempty"`
}

// LimitMode is what becomes of what is over a limit.
type LimitMode string

// The modes. Empty is LimitEnforce.
const (
	LimitEnforce LimitMode = "enforce" // it is refused
	LimitLog     LimitMode = "log"     // it is counted, and let through
	LimitNone    LimitMode = "none"    // nothing is counted
)

// The defaults and the bound of the limits.
const (
	DefaultJoinsPerAddress    = 120
	DefaultJoinsPerNetwork    = 1200
	DefaultJoinsPerKey        = 10
	DefaultActionsPerAddress  = 1200
	DefaultActionsPerNetwork  = 12_000
	DefaultActionsPerTicket   = 600
	DefaultReleasesPerAddress = 120
	DefaultReleasesPerNetwork = 1200
	MaxLimit                  = 10_000_000
)

// Resolved returns the limits with the defaults in place of zeros.
func (l Limits) Resolved() Limits {
	setDefault(&l.Mode, LimitEnforce)
	setDefault(&l.JoinsPerAddress, DefaultJoinsPerAddress)
	setDefault(&l.JoinsPerNetwork, DefaultJoinsPerNetwork)
	setDefault(&l.JoinsPerKey, DefaultJoinsPerKey)
	setDefault(&l.ActionsPerAddress, DefaultActionsPerAddress)
	setDefault(&l.ActionsPerNetwork, DefaultActionsPerNetwork)
	setDefault(&l.ActionsPerTicket, DefaultActionsPerTicket)
	setDefault(&l.ReleasesPerAddress, DefaultReleasesPerAddress)
	setDefault(&l.ReleasesPerNetwork, DefaultReleasesPerNetwork)
	return l
}

func (s Sale) validateBots() error {
	switch s.Bots.Datacentres {
	case "", DatacentresLog, DatacentresProof, DatacentresRefuse:
	default:
		return invalid("bots.datacentres", "want log, proof or refuse")
	}
	switch s.Bots.Proof {
	case "", ProofOff, ProofSuspicious, ProofAlways:
	default:
		return invalid("bots.proof", "want off, suspicious or always")
	}
	switch s.Bots.Decoy {
	case "", DecoyLog, DecoyOn:
	default:
		return invalid("bots.decoy", "want log or on")
	}
	return s.Bots.Limits.validate()
}

func (l Limits) validate() error {
	switch l.Mode {
	case "", LimitEnforce, LimitLog, LimitNone:
	default:
		return invalid("bots.limits.mode", "want enforce, log or none")
	}
	for _, one := range []struct {
		name  string
		value int
	}{
		{"joins_per_address", l.JoinsPerAddress}, {"joins_per_network", l.JoinsPerNetwork}, {"joins_per_key", l.JoinsPerKey},
		{"actions_per_address", l.ActionsPerAddress}, {"actions_per_network", l.ActionsPerNetwork}, {"actions_per_ticket", l.ActionsPerTicket},
		{"releases_per_address", l.ReleasesPerAddress}, {"releases_per_network", l.ReleasesPerNetwork},
	} {
		if err := validRange("bots.limits."+one.name, int64(one.value), 0, MaxLimit); err != nil {
			return err
		}
	}
	return nil
}
