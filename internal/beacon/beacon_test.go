package beacon_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/internal/beacon"
	"github.com/penstock/penstock/internal/testenv/drand"
)

// Rounds of drand's public chain quicknet.
const (
	quicknetKey = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d106451" +
		"0d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
	signature1000  = "b44679b9a59af2ec876b1a6b1ad52ea9b1615fc3982b19576350f93447cb1125e342b73a8dd2bacbe47e4b6b63ed5e39"
	signature1001  = "b33bf3667cbd5a82de3a24b4e0e9fe5513cc1a0e840368c6e31f5fcfa79bea03f73896b25883abf2853d10337fb8fa41"
	randomness1000 = "fe290beca10872ef2fb164d2aa4442de4566183ec51c56ff3cd603d930e54fdd"
)

func TestRoundsOfThePublicBeaconAreBelieved(t *testing.T) {
	if !beacon.Verify(quicknetKey, 1000, signature1000) || !beacon.Verify(quicknetKey, 1001, signature1001) {
		t.Fatal("a real round is not believed")
	}
	if got := beacon.Randomness(signature1000); got != randomness1000 {
		t.Fatalf("randomness %s", got)
	}
}

func TestNothingElseIsBelieved(t *testing.T) {
	other := drand.New(t, "other")
	for name, c := range map[string]struct {
		key       string
		round     uint64
		signature string
	}{
		"another round":      {quicknetKey, 1001, signature1000},
		"another chain":      {other.PublicKey, 1000, signature1000},
		"a signature of it":  {quicknetKey, 1000, other.Sign(1000)},
		"one digit changed":  {quicknetKey, 1000, strings.Replace(signature1000, "39", "38", 1)},
		"cut off":            {quicknetKey, 1000, signature1000[:94]},
		"no point":           {quicknetKey, 1000, strings.Repeat("ff", 48)},
		"the point of none":  {quicknetKey, 1000, "c0" + strings.Repeat("00", 47)},
		"no signature":       {quicknetKey, 1000, ""},
		"no hex":             {quicknetKey, 1000, strings.Repeat("zz", 48)},
		"no key":             {"", 1000, signature1000},
		"a key that is none": {strings.Repeat("00", 96), 1000, signature1000},
		"the key of none":    {"c0" + strings.Repeat("00", 95), 1000, "c0" + strings.Repeat("00", 47)},
	} {
		if beacon.Verify(c.key, c.round, c.signature) {
			t.Errorf("%s is believed", name)
		}
	}
}

func TestTheRoundOfAMoment(t *testing.T) {
	c := beacon.Chain{GenesisMillis: 1_692_803_367_000, PeriodMillis: 3000}
	for millis, want := range map[int64]uint64{
		0: 1, c.GenesisMillis: 1, c.GenesisMillis + 1: 2, c.GenesisMillis + 3000: 2, c.GenesisMillis + 3001: 3, c.GenesisMillis + 2_997_000: 1000,
	} {
		if got := c.From(millis); got != want {
			t.Errorf("from %d: round %d, want %d", millis-c.GenesisMillis, got, want)
		}
	}
	for round := uint64(1); round < 50; round++ {
		if at := c.At(round).UnixMilli(); c.From(at) != round || c.From(at+1) != round+1 {
			t.Fatalf("round %d at %d is not the first from then on", round, at)
		}
	}
}

func TestAnAddressThatAnswersWrongIsPassedOver(t *testing.T) {
	good, other := drand.New(t, "good"), drand.New(t, "other")
	elsewhere := httptest.NewServer(http.RedirectHandler(good.URL+"/"+drand.ChainHash+"/public/7", http.StatusFound))
	defer elsewhere.Close()
	c := beacon.NewClient()
	defer c.Close()
	ask := func(urls ...string) (string, error) {
		return c.Round(context.Background(), beacon.Source{URLs: urls, ChainHash: drand.ChainHash, PublicKey: good.PublicKey}, 7)
	}
	if got, err := ask(good.URL); err != nil || got != good.Sign(7) {
		t.Fatalf("%q %v", got, err)
	}
	for name, body := range map[string]string{
		"of another chain":     string(other.Answer(7)),
		"replayed":             string(good.Answer(6)),
		"renamed":              strings.Replace(string(good.Answer(6)), `"round":6`, `"round":7`, 1),
		"other randomness":     strings.Replace(string(good.Answer(7)), `"randomness":"`, `"randomness":"0`, 1),
		"too long":             strings.Repeat(" ", 5000) + string(good.Answer(7)),
		"no JSON":              "<html>",
		"nothing":              "",
		"a round that is text": `{"round":"7"}`,
	} {
		other.Instead(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) })
		if got, err := ask(other.URL); err == nil {
			t.Errorf("%s: believed %s", name, got)
		}
		if got, err := ask(other.URL, good.URL); err != nil || got != good.Sign(7) {
			t.Errorf("%s: the next address is not asked: %v", name, err)
		}
	}
	other.Instead(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	for name, address := range map[string]string{"not published yet": other.URL, "leads elsewhere": elsewhere.URL, "nobody is there": "http://127.0.0.1:1", "the own link": "http://169.254.169.254", "the own link in IPv6": "http://[::ffff:169.254.169.254]"} {
		if got, err := ask(address); err == nil {
			t.Errorf("%s: believed %s", name, got)
		}
	}
}

func TestABeaconThatDoesNotAnswerIsGivenUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := beacon.NewClient()
		c.UseTransport(silent{})
		start := time.Now()
		_, err := c.Round(context.Background(), beacon.Source{URLs: []string{"http://a", "http://b"}, ChainHash: "x", PublicKey: quicknetKey}, 1)
		if took := time.Since(start); err == nil || took != 6*time.Second {
			t.Fatalf("after %s: %v", took, err)
		}
	})
}

// silent answers nothing until the question is given up.
type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}
