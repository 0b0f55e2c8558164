package main

import (
	"context"
	"fmt"
	"sync"
)

// tasks are the loops of a node. The first one that fails ends the node.
type tasks struct {
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	failed chan error
}

func newTasks() *tasks {
	ctx, cancel := context.WithCancel(context.Background())
	return &tasks{ctx: ctx, cancel: cancel, failed: make(chan error, 1)}
}

// start runs a loop that ends with an error, or when the tasks are stopped.
func (t *tasks) start(name string, loop func(context.Context) error) {
	t.wg.Go(func() {
		err := loop(t.ctx)
		if err == nil || t.ctx.Err() != nil {
			return
		}
		select {
		case t.failed <- fmt.Errorf("%s: %w", name, err):
		default:
		}
	})
}

// stop ends the loops and returns when they have ended, or when ctx does.
func (t *tasks) stop(ctx context.Context) error {
	t.cancel()
	ended := make(chan struct{})
	go func() {
		t.wg.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("background work did not end in time: %w", ctx.Err())
	}
}
