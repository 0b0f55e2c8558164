package console

import (
	"context"
	"sync"
	"time"
)

const (
	// figuresAge is how old the live figures may be. All who look at a sale share one measurement.
	figuresAge = 900 * time.Millisecond
	// measureTimeout bounds one measurement.
	measureTimeout = 5 * time.Second
	// maxFigures bounds the sales whose last measurement is kept.
	maxFigures = 256
)

// figures measures a sale at most once in figuresAge, however many look.
type figures struct {
	measure func(ctx context.Context, saleID string) (liveView, error)
	now     func() time.Time

	mu     sync.Mutex
	bySale map[string]*measurement
}

// measurement is the last one of a sale. Whoever holds the turn measures; the others wait for it.
type measurement struct {
	turn  chan struct{}
	at    time.Time
	value liveView
	err   error
}

func newFigures(measure func(context.Context, string) (liveView, error), now func() time.Time) *figures {
	return &figures{measure: measure, now: now, bySale: make(map[string]*measurement)}
}

// of returns the figures of a sale, at most figuresAge old. A failure is shared in the same way,
// so that a store that is down is not asked by every viewer.
func (f *figures) of(ctx context.Context, saleID string) (liveView, error) {
	m := f.slot(saleID)
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return liveView{}, ctx.Err()
	}
	if !m.at.IsZero() && f.now().Sub(m.at) < figuresAge {
		return m.value, m.err
	}
	// The measurement is for everybody who waits, not only for the caller, who may go away.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), measureTimeout)
	defer cancel()
	m.value, m.err = f.measure(ctx, saleID)
	m.at = f.now()
	return m.value, m.err
}

func (f *figures) slot(saleID string) *measurement {
	f.mu.Lock()
	defer f.mu.Unlock()
	m, ok := f.bySale[saleID]
	if !ok {
		if len(f.bySale) >= maxFigures {
			clear(f.bySale) // those in use come back with the next look
		}
		m = &measurement{turn: make(chan struct{}, 1)}
		f.bySale[saleID] = m
	}
	return m
}
