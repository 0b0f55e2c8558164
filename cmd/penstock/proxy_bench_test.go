//go:build proxies

package main

import (
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"testing"
	"time"
)

const (
	benchRate    = 2000            // requests a second, with and without the gate
	benchTurn    = 2 * time.Second // short, so that what else the machine does meets both kinds alike
	benchTurns   = 10              // of each kind, in turns
	benchWorkers = 256
)

// BenchmarkForwardAuthThroughNginx measures what the question adds to a request: the shipped file against the
// same file without auth_request.
func BenchmarkForwardAuthThroughNginx(b *testing.B) {
	s := newProxyStand(b, startNginx)
	shop := plainShop(b)
	s.compare(b, startNginx(b, s.host(), shop), startUngatedNginx(b, s.host(), shop))
}

// BenchmarkForwardAuthInTheProxyMode measures what Penstock as the reverse proxy adds to a request: against
// the shop without anything in front.
func BenchmarkForwardAuthInTheProxyMode(b *testing.B) {
	shop := plainShop(b)
	s := newOwnStand(b, shop)
	s.compare(b, s.address, shop)
}

func plainShop(b *testing.B) (address string) {
	return serveOn(b, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "shop") }))
}

// compare loads both addresses in turns in one run. Requests start at a fixed rate, whether or not earlier ones
// are answered, and their time counts from when they were due.
func (s *proxyStand) compare(b *testing.B, gated, plain string) {
	for b.Loop() {
		with, without := []time.Duration{}, []time.Duration{}
		for range benchTurns {
			without = append(without, s.load(b, plain)...)
			with = append(with, s.load(b, gated)...)
		}
		for _, quantile := range []float64{0.5, 0.99, 0.999} {
			name := fmt.Sprintf("p%g", quantile*100)
			w, wo := quantileOf(with, quantile), quantileOf(without, quantile)
			b.ReportMetric(milliseconds(w), name+"-with-ms")
			b.ReportMetric(milliseconds(wo), name+"-without-ms")
			b.ReportMetric(milliseconds(w-wo), name+"-added-ms")
		}
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// quantileOf sorts.
func quantileOf(all []time.Duration, quantile float64) time.Duration {
	slices.Sort(all)
	return all[min(len(all)-1, int(float64(len(all))*quantile))]
}

// startUngatedNginx runs the shipped file without its questions.
func startUngatedNginx(b *testing.B, penstock, shop string) string {
	b.Helper()
	address := freeAddress(b)
	text := shippedNginx(b, address, penstock, shop)
	asks := regexp.MustCompile(`(?m)^\t\tauth_request /.*\n`)
	if !asks.MatchString(text) {
		b.Fatal("the shipped file asks nobody")
	}
	runNginx(b, address, asks.ReplaceAllString(text, ""))
	return address
}

// load sends requests with a valid pass at the fixed rate for a turn, and returns how long each took.
func (s *proxyStand) load(b *testing.B, address string) []time.Duration {
	b.Helper()
	const total = int(benchRate * benchTurn / time.Second)
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: benchWorkers}}
	defer client.CloseIdleConnections()
	due := make(chan time.Time, total)
	took, failed := make([][]time.Duration, benchWorkers), make([]int, benchWorkers)
	var all sync.WaitGroup
	for worker := range benchWorkers {
		all.Go(func() {
			for since := range due {
				if err := s.buy(client, address); err != nil {
					failed[worker]++
					continue
				}
				took[worker] = append(took[worker], time.Since(since))
			}
		})
	}
	start := time.Now()
	tick := time.NewTicker(500 * time.Microsecond)
	defer tick.Stop()
	for sent := 0; sent < total; <-tick.C {
		for ; sent < total && time.Since(start) >= time.Duration(sent)*time.Second/benchRate; sent++ {
			due <- start.Add(time.Duration(sent) * time.Second / benchRate)
		}
	}
	close(due)
	all.Wait()
	answered := slices.Concat(took...)
	if len(answered) != total {
		b.Fatalf("%d of %d requests were not let in", total-len(answered), total)
	}
	return answered
}

func (s *proxyStand) buy(client *http.Client, address string) error {
	req, err := http.NewRequest("GET", "http://"+address+"/checkout", http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Cookie", cookie(s.passes.valid)["Cookie"])
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && string(body) != "shop" {
		err = fmt.Errorf("answered %d", res.StatusCode)
	}
	return err
}
