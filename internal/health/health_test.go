package health

import (
	"context"
	"encoding/json"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPartThatHangsHidesNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var failing atomic.Bool
		w := NewWatch(
			Check{Name: "hangs", Ask: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
			Check{Name: "answers", Ask: func(context.Context) error {
				if failing.Load() {
					return errors.New("connection refused")
				}
				return nil
			}},
		)
		if parts := w.Parts(); parts[0].OK || parts[1].OK || parts[1].Detail != "not asked yet" {
			t.Fatalf("before the first question: %+v", parts)
		}
		done := make(chan struct{})
		go func() { defer close(done); _ = w.Run(ctx) }()
		time.Sleep(askTimeout + time.Millisecond)
		if parts := w.Parts(); parts[0].OK || parts[0].Detail != "does not answer within 1s" || !parts[1].OK {
			t.Fatalf("got %+v", parts)
		}
		failing.Store(true)
		time.Sleep(askEvery)
		if parts := w.Parts(); parts[1].OK || parts[1].Detail != "connection refused" {
			t.Fatalf("got %+v", parts)
		}
		cancel()
		<-done
	})
}

func TestReadinessIsWrittenInOrder(t *testing.T) {
	for _, row := range []struct {
		r    Readiness
		want string
	}{
		{
			Readiness{Parts: Parts{{Name: "sales", OK: true}, {Name: "redis", Detail: "away"}}},
			`{"status":"ready","parts":{"sales":{"ok":true},"redis":{"ok":false,"detail":"away"}}}`,
		},
		{Readiness{Reason: "stopping"}, `{"status":"unready","detail":"stopping","parts":{}}`},
	} {
		if got, err := json.Marshal(row.r); err != nil || string(got) != row.want {
			t.Errorf("%s %v, want %s", got, err, row.want)
		}
	}
}
