package embedded

import (
	"log/slog"
	"testing"
	"time"
)

// The price of one pass over the TTLs decides how often they can run.
func BenchmarkTTLPassOver100kKeys(b *testing.B) {
	r, err := StartRedis(slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer r.Shutdown()
	for i := range 100_000 {
		key := "reservation:" + time.Duration(i).String()
		r.engine.HSet(key, "status", "confirmed")
		r.engine.SetTTL(key, 24*time.Hour)
	}
	for b.Loop() {
		r.engine.FastForward(time.Millisecond)
	}
}
