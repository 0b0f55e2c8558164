// Package batch turns many concurrent calls into few.
//
// The technique is flat combining (Hendler, Incze, Shavit, Tzafrir 2010) as group commit uses it:
// while one run is under way the next callers gather, and the run that follows takes them all.
// There is no timer, so a call that meets an idle combiner starts at once.
package batch

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrFull is returned by Do when MaxWaiting callers wait already.
var ErrFull = errors.New("batch: too many callers are waiting")

// ErrClosed is returned by Do after Close.
var ErrClosed = errors.New("batch: closed")

// Options bounds a combiner. Zero values take the defaults.
type Options struct {
	MaxBatch   int // requests in one run; default 256
	MaxWaiting int // callers that may wait for a run; default 16384
	MaxRuns    int // runs under way at a time; default 1
	// RunTimeout bounds the context of one run; default 5 s. Callers that give up do not end a run,
	// so without it a store that hangs would hold everybody who comes after.
	RunTimeout time.Duration
}

func (o Options) withDefaults() Options {
	if o.MaxBatch <= 0 {
		o.MaxBatch = 256
	}
	if o.MaxWaiting <= 0 {
		o.MaxWaiting = 16384
	}
	if o.MaxRuns <= 0 {
		o.MaxRuns = 1
	}
	if o.RunTimeout <= 0 {
		o.RunTimeout = 5 * time.Second
	}
	return o
}

// RunFunc decides a whole batch. It returns one result a request, in the order of the requests,
// or an error that every caller of the batch gets. Its context is cancelled by no caller: a batch
// belongs to all of them.
type RunFunc[Req, Res any] func(ctx context.Context, reqs []Req) ([]Res, error)

// Combiner gathers concurrent calls of Do into runs. It starts no goroutine while idle.
type Combiner[Req, Res any] struct {
	opts Options
	run  RunFunc[Req, Res]

	mu      sync.Mutex
	waiting []*call[Req, Res]
	running int
	closed  bool
	idle    *sync.Cond
	calls   sync.Pool
}

type call[Req, Res any] struct {
	req  Req
	res  Res
	err  error
	done chan struct{}
}

// New returns a combiner that decides its batches with run.
func New[Req, Res any](opts Options, run RunFunc[Req, Res]) *Combiner[Req, Res] {
	c := &Combiner[Req, Res]{opts: opts.withDefaults(), run: run}
	c.idle = sync.NewCond(&c.mu)
	c.calls.New = func() any { return &call[Req, Res]{done: make(chan struct{}, 1)} }
	return c
}

// Do adds the request to the next run and waits for its result. When ctx ends first, Do returns
// its error while the request is decided all the same: a caller that must know asks again.
func (c *Combiner[Req, Res]) Do(ctx context.Context, req Req) (Res, error) {
	mine := c.calls.Get().(*call[Req, Res])
	mine.req = req
	if err := c.enter(mine); err != nil {
		var none Res
		return none, err
	}
	select {
	case <-mine.done:
		res, err := mine.res, mine.err
		c.recycle(mine)
		return res, err
	case <-ctx.Done():
		var none Res
		return none, ctx.Err() // mine is left to the run, and to the collector
	}
}

func (c *Combiner[Req, Res]) enter(mine *call[Req, Res]) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if len(c.waiting) >= c.opts.MaxWaiting {
		return ErrFull
	}
	c.waiting = append(c.waiting, mine)
	if c.running < c.opts.MaxRuns {
		c.running++
		go c.work()
	}
	return nil
}

// work runs batches until nobody waits.
func (c *Combiner[Req, Res]) work() {
	batch := make([]*call[Req, Res], 0, c.opts.MaxBatch)
	for {
		batch = c.take(batch[:0])
		if len(batch) == 0 {
			return
		}
		c.decide(batch)
	}
}

// take moves the callers at the head into batch; with nobody there the worker is done.
func (c *Combiner[Req, Res]) take(batch []*call[Req, Res]) []*call[Req, Res] {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.waiting), c.opts.MaxBatch)
	batch = append(batch, c.waiting[:n]...)
	rest := copy(c.waiting, c.waiting[n:])
	clear(c.waiting[rest:])
	c.waiting = c.waiting[:rest]
	if n == 0 {
		c.running--
		c.idle.Broadcast()
	}
	return batch
}

func (c *Combiner[Req, Res]) decide(batch []*call[Req, Res]) {
	reqs := make([]Req, len(batch))
	for i, one := range batch {
		reqs[i] = one.req
	}
	results, err := c.runSafely(reqs)
	if err == nil && len(results) != len(batch) {
		err = fmt.Errorf("batch: %d results for %d requests", len(results), len(batch))
	}
	for i, one := range batch {
		if err != nil {
			one.err = err
		} else {
			one.res = results[i]
		}
		one.done <- struct{}{}
	}
}

// runSafely turns a panic into an error: the callers of the batch wait for an answer, and the
// goroutine that panics is not theirs.
func (c *Combiner[Req, Res]) runSafely(reqs []Req) (results []Res, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("batch: run panicked: %v", p)
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), c.opts.RunTimeout)
	defer cancel()
	return c.run(ctx, reqs)
}

func (c *Combiner[Req, Res]) recycle(one *call[Req, Res]) {
	var noReq Req
	var noRes Res
	one.req, one.res, one.err = noReq, noRes, nil
	c.calls.Put(one)
}

// Waiting tells how many callers wait for a run.
func (c *Combiner[Req, Res]) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// Close refuses new calls, lets the waiting ones finish, and returns when they have.
func (c *Combiner[Req, Res]) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for c.running > 0 {
		c.idle.Wait()
	}
}
