package bots

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// The bounds of a list of networks. All known networks of the large hosting companies are some 60,000.
const (
	MaxNetworks      = 250_000
	maxNetworksBytes = 16 << 20
)

// Networks is a list of networks, such as those of data centres. It is not changed once it is made.
type Networks struct {
	spans []span // ascending, none touching another
	lines int
}

// span is a range of addresses of one kind, both ends included.
type span struct{ from, to netip.Addr }

// ReadNetworks reads a list: on each line a network or an address, and after white space, a comma, a semicolon or a #
// whatever else. The error names the line.
func ReadNetworks(from io.Reader) (*Networks, error) {
	limited := &io.LimitedReader{R: from, N: maxNetworksBytes + 1}
	var n Networks
	lines := bufio.NewScanner(limited)
	for at := 1; lines.Scan(); at++ {
		text := lines.Text()
		if end := strings.IndexAny(text, " \t\r,;#"); end >= 0 {
			text = text[:end]
		}
		if text == "" {
			continue
		}
		one, err := readNetwork(text)
		if err != nil {
			return nil, fmt.Errorf("line %d: %.64q is no network and no address", at, text)
		}
		if n.lines++; n.lines > MaxNetworks {
			return nil, fmt.Errorf("it has more than %d networks", MaxNetworks)
		}
		n.spans = append(n.spans, one)
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if limited.N <= 0 {
		return nil, errors.New("it is too large")
	}
	n.merge()
	return &n, nil
}

func readNetwork(text string) (span, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		addr = addr.Unmap().WithZone("")
		return span{addr, addr}, nil
	}
	network, err := netip.ParsePrefix(text)
	if err != nil {
		return span{}, err
	}
	return spanOf(network.Masked()), nil
}

// spanOf returns the first and the last address of a network.
func spanOf(network netip.Prefix) span {
	last := network.Addr().AsSlice()
	for bit := network.Bits(); bit < len(last)*8; bit++ {
		last[bit/8] |= 0x80 >> (bit % 8)
	}
	to, _ := netip.AddrFromSlice(last) // of 4 or 16 bytes, as it was
	return span{network.Addr(), to}
}

// merge sorts the spans and makes one of those that overlap.
func (n *Networks) merge() {
	slices.SortFunc(n.spans, func(a, b span) int { return cmp.Or(a.from.Compare(b.from), a.to.Compare(b.to)) })
	merged := n.spans[:0]
	for _, one := range n.spans {
		if last := len(merged) - 1; last >= 0 && one.from.Compare(merged[last].to) <= 0 {
			if one.to.Compare(merged[last].to) > 0 {
				merged[last].to = one.to
			}
			continue
		}
		merged = append(merged, one)
	}
	n.spans = slices.Clip(merged)
}

// Contains reports whether one of the networks has the address.
func (n *Networks) Contains(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	next := sort.Search(len(n.spans), func(i int) bool { return n.spans[i].from.Compare(addr) > 0 })
	return next > 0 && addr.IsValid() && addr.Compare(n.spans[next-1].to) <= 0
}

// Len is how many networks were read.
func (n *Networks) Len() int { return n.lines }
