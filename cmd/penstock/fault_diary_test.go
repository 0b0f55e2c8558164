//go:build faults

package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const diaryWrongsKept = 20

// diary is what a crowd was told: every accepted order, and every answer that no fault excuses.
type diary struct {
	mu         sync.Mutex
	orders     map[string]string // order → reservation
	byHold     map[string]string // reservation → order
	accepted   []acceptance      // in the order of their answers
	wrongs     []string          // the first answers that must not be
	wrongCount int
	retries    int
	refusal    answer
}

// acceptance is when an accepted order was sent and answered.
type acceptance struct{ sent, answered time.Time }

func newDiary() *diary {
	return &diary{orders: map[string]string{}, byHold: map[string]string{}}
}

// noteAnswer writes down what no fault excuses: that a live sale is unknown, any 404 for it, and
// that somebody who was admitted is refused.
func (d *diary) noteAnswer(request call, a answer, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil || a.status >= http.StatusInternalServerError {
		d.retries++
		return
	}
	ofSale := strings.Contains(request.url, "/sales/")
	refused := a.status == http.StatusUnauthorized || a.status == http.StatusForbidden
	if a.text("code") == "unknown_sale" || ofSale && a.status == http.StatusNotFound || refused {
		d.wrong(fmt.Sprintf("%s %s: %d %.200s", request.method, request.url, a.status, a.raw))
	}
}

func (d *diary) wrong(what string) {
	d.wrongCount++
	if len(d.wrongs) < diaryWrongsKept {
		d.wrongs = append(d.wrongs, time.Now().UTC().Format("15:04:05.000 ")+what)
	}
}

func (d *diary) noteRefusal(a answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.refusal = a
}

func (d *diary) lastRefusal() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return fmt.Sprintf("%d %s", d.refusal.status, d.refusal.raw)
}

// noteOrder writes an accepted order down. Two orders of one reservation are a wrong.
func (d *diary) noteOrder(order, reservation string, sent time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if earlier, found := d.byHold[reservation]; found && earlier != order {
		d.wrong(fmt.Sprintf("the reservation %s became the orders %s and %s", reservation, earlier, order))
	}
	d.orders[order], d.byHold[reservation] = reservation, order
	d.accepted = append(d.accepted, acceptance{sent: sent, answered: time.Now()})
}

func (d *diary) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.orders)
}

// resumed tells how long after the moment an order was accepted that had been sent after it.
func (d *diary) resumed(moment time.Time) (after time.Duration, found bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, a := range d.accepted {
		if a.sent.After(moment) {
			return a.answered.Sub(moment), true
		}
	}
	return 0, false
}

func (d *diary) retryCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.retries
}

// wantNothingWrong fails the test when something was answered that no fault excuses.
func (d *diary) wantNothingWrong(t testing.TB) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.wrongCount > 0 {
		t.Errorf("%d answers that no fault excuses; the first:\n\t%s", d.wrongCount, strings.Join(d.wrongs, "\n\t"))
	}
}

// wantAllCommitted looks every accepted order up and fails unless all are in the ledger in time.
func (d *diary) wantAllCommitted(t testing.TB, front string, within time.Duration) {
	t.Helper()
	d.mu.Lock()
	pending := make(map[string]string, len(d.orders))
	for order := range d.orders {
		pending[order] = "never answered"
	}
	d.mu.Unlock()
	deadline := time.Now().Add(within)
	for {
		lookUp(pending, front)
		if len(pending) == 0 {
			return
		}
		if time.Now().After(deadline) {
			break
		}
		<-time.After(200 * time.Millisecond)
	}
	examples := make([]string, 0, 3)
	for order, status := range pending {
		if examples = append(examples, order+": "+status); len(examples) == cap(examples) {
			break
		}
	}
	t.Errorf("%d orders were accepted with 2xx and are not committed, such as\n\t%s", len(pending), strings.Join(examples, "\n\t"))
}

// lookUp asks once for each pending order, a few at a time, and forgets the committed ones.
func lookUp(pending map[string]string, front string) {
	orders := make(chan string, len(pending))
	for order := range pending {
		orders <- order
	}
	close(orders)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			client := &http.Client{Timeout: crowdPatience}
			for order := range orders {
				a, err := send(client, call{method: "GET", url: front + "/v1/orders/" + order})
				mu.Lock()
				switch {
				case err != nil:
					pending[order] = err.Error()
				case a.text("status") == "committed":
					delete(pending, order)
				default:
					pending[order] = fmt.Sprintf("%d %.200s", a.status, a.raw)
				}
				mu.Unlock()
			}
		})
	}
	workers.Wait()
}
