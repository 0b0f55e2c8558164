package main

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/penstock/penstock/loadtest/internal/stand"
)

const (
	progressEvery = 10 * time.Second
	warmUps       = 20
)

// newClient is what visitors ask with. Each of those who ask at once has a connection of its own.
func newClient(visitors int, timeout time.Duration) *http.Client {
	return &http.Client{Timeout: timeout, Transport: &http.Transport{MaxIdleConns: visitors, MaxIdleConnsPerHost: visitors, IdleConnTimeout: timeout}}
}

// warmUp buys another article, so that the first visitors do not meet a shop that has answered nobody yet.
func (s *shop) warmUp(ctx context.Context, timeout time.Duration) error {
	client := newClient(1, timeout)
	defer client.CloseIdleConnections()
	for i := range warmUps {
		v := visitor{client: client, shop: s.url(), goods: s.goods, variant: s.goods.OtherVariant, email: fmt.Sprintf("early-%d@example.com", i), note: func(request) {}}
		if ended := v.checkOut(ctx); ended != bought {
			return fmt.Errorf("a purchase before the crowd came ended with: %s", ended)
		}
	}
	return nil
}

// crowd lets the visitors come, evenly over the arrival time, and returns when all have left, or at the limit.
func (t *trial) crowd(ctx context.Context) tally {
	ctx, cancel := context.WithTimeout(ctx, t.limit)
	defer cancel()
	client := newClient(t.visitors, t.timeout)
	defer client.CloseIdleConnections()
	count := newCounter(time.Now())
	told, toldAll := context.WithCancel(ctx)
	defer toldAll()
	go t.tell(told, count)
	var visitors sync.WaitGroup
	between := t.arrival / time.Duration(t.visitors)
	begin := time.Now()
	for i := range t.visitors {
		if !stand.Pause(ctx, time.Until(begin.Add(time.Duration(i)*between))) {
			break
		}
		count.arrive()
		visitors.Go(func() { count.leave(t.visit(ctx, client, i, count)) })
	}
	visitors.Wait()
	return count.done()
}

// visit is the whole of one visitor.
func (t *trial) visit(ctx context.Context, client *http.Client, i int, count *counter) ending {
	v := visitor{
		client: client, shop: t.shop.url(), goods: t.shop.goods, variant: t.shop.goods.Variant,
		email: fmt.Sprintf("visitor-%d@example.com", i), note: count.note,
	}
	if t.front != nil {
		room := room{client: client, front: t.front.FrontURL, note: count.noteRoom}
		pass, ended := room.wait(ctx)
		if ended != "" {
			return ended
		}
		v.shop, v.pass = t.front.FrontURL, pass
	}
	return v.checkOut(ctx)
}

func (t *trial) tell(ctx context.Context, count *counter) {
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			t.progress("%s", count.soFar())
		}
	}
}
