package bots

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/penstock/penstock/internal/testenv"
)

func readNetworks(t testing.TB, lines ...string) *Networks {
	t.Helper()
	n, err := ReadNetworks(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAListOfNetworks(t *testing.T) {
	n := readNetworks(t, "# hosting companies", "", "192.0.2.0/24", "198.51.100.7 # one machine", "203.0.113.128/25,a company",
		"2001:db8:1::/48\ta provider", "192.0.2.128/25", "::ffff:100.64.0.1", "10.1.2.3/8\r")
	for address, in := range map[string]bool{
		"192.0.2.0": true, "192.0.2.255": true, "192.0.3.0": false, "192.0.1.255": false, "198.51.100.7": true, "198.51.100.8": false,
		"203.0.113.127": false, "203.0.113.128": true, "2001:db8:1::1": true, "2001:db8:1:ffff::1": true, "2001:db8:2::": false,
		"::ffff:192.0.2.1": true, "100.64.0.1": true, "::1": false, "255.255.255.255": false,
	} {
		if got := n.Contains(netip.MustParseAddr(address)); got != in {
			t.Errorf("%s: %v", address, got)
		}
	}
	if (&Networks{}).Contains(netip.MustParseAddr("192.0.2.1")) || n.Contains(netip.Addr{}) {
		t.Error("an empty list has an address, or the list has one that is none")
	}
}

func TestAWrongListOfNetworksSaysWhere(t *testing.T) {
	for lines, want := range map[string]string{
		"192.0.2.0/24\nhello": "line 2", "192.0.2.0/33": "line 1", "192.0.2.1/24/24": "line 1",
		strings.Repeat("192.0.2.1\n", MaxNetworks+1): "more than", strings.Repeat("#", maxNetworksBytes+1): "too long",
	} {
		if _, err := ReadNetworks(strings.NewReader(lines)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %s", lines, err, want)
		}
	}
}

// A list has an address if and only if one of its networks has it.
func TestAListAgreesWithItsNetworks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		var all []netip.Prefix
		for range rapid.IntRange(0, 30).Draw(t, "networks") {
			addr := netip.AddrFrom4([4]byte{byte(rapid.IntRange(0, 3).Draw(t, "a")), byte(rapid.IntRange(0, 255).Draw(t, "b")), 0, 0})
			network := netip.PrefixFrom(addr, rapid.IntRange(4, 32).Draw(t, "bits"))
			lines, all = append(lines, network.String()), append(all, network.Masked())
		}
		n, err := ReadNetworks(strings.NewReader(strings.Join(lines, "\n")))
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			addr := netip.AddrFrom4([4]byte{byte(rapid.IntRange(0, 4).Draw(t, "x")), byte(rapid.IntRange(0, 255).Draw(t, "y")), 0, 1})
			in := false
			for _, network := range all {
				in = in || network.Contains(addr)
			}
			if n.Contains(addr) != in {
				t.Fatalf("%v of %v: %v", addr, lines, !in)
			}
		}
	})
}

func FuzzReadNetworks(f *testing.F) {
	f.Add("192.0.2.0/24\n#\n2001:db8::/32,x\n")
	f.Add("0.0.0.0/0\n::/0\n1.2.3.4\n")
	f.Fuzz(func(t *testing.T, lines string) {
		n, err := ReadNetworks(strings.NewReader(lines))
		if err != nil {
			return
		}
		for i, one := range n.spans {
			if one.to.Compare(one.from) < 0 || i > 0 && n.spans[i-1].to.Compare(one.from) >= 0 {
				t.Fatalf("span %d is out of order: %v", i, n.spans)
			}
			if !n.Contains(one.from) || !n.Contains(one.to) {
				t.Fatalf("the ends of %v are not in the list", one)
			}
		}
	})
}

func TestAFileOfNetworksIsReadAgainWhenItChanges(t *testing.T) {
	path := filepath.Join(t.TempDir(), "networks")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenNetworkFile(path, slog.New(slog.DiscardHandler)); err == nil {
		t.Fatal("a file that is not there was read")
	}
	write("192.0.2.0/24\n")
	f, err := OpenNetworkFile(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = f.run(ctx, 5*time.Millisecond) }()
	defer func() { cancel(); <-done }()
	has := func(address string) func() bool {
		return func() bool { return f.Contains(netip.MustParseAddr(address)) }
	}
	if !has("192.0.2.1")() {
		t.Fatal("the first list is not there")
	}
	write("198.51.100.0/24\n203.0.113.0/24\n")
	testenv.Eventually(t, 10*time.Second, "the second list is there", has("203.0.113.1"))
	if has("192.0.2.1")() {
		t.Fatal("the first list is still there")
	}
	write("that is no list of networks")
	<-time.After(50 * time.Millisecond)
	if !has("203.0.113.1")() {
		t.Fatal("a wrong list took the place of the right one")
	}
}

func BenchmarkContains(b *testing.B) {
	var lines bytes.Buffer
	for i := range 60_000 {
		fmt.Fprintf(&lines, "%d.%d.%d.0/24\n", 1+i>>14, i>>6&255, i<<2&255)
	}
	n, err := ReadNetworks(&lines)
	if err != nil {
		b.Fatal(err)
	}
	at := 0
	for b.Loop() {
		at++
		n.Contains(netip.AddrFrom4([4]byte{byte(at), byte(at >> 8), byte(at >> 16), 1}))
	}
}
