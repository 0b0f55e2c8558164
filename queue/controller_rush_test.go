package queue

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"
)

// A hundred a second are admitted, three of ten never come, and visitors claim when they next ask, at moments that
// differ. Nobody leads for some seconds. The rate is used all the same in the minute in which that happens, and nobody
// who was called meets the limit of the rate, also when the gap comes round a minute later.
func TestTheRateIsUsedThoughTheLeaderIsLostAndNobodyCalledIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ gap, slowest time.Duration }{
		"no gap":           {0, time.Second},
		"four seconds":     {4 * time.Second, time.Second},
		"five seconds":     {5 * time.Second, time.Second},
		"slower visitors":  {4 * time.Second, 3 * time.Second},
		"quicker visitors": {4 * time.Second, 300 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 1))
				w := newWorld(6000, 3600)
				w.delay, w.window, w.stay = c.slowest/2, 30*time.Second, 30*time.Second
				w.delayOf = func(uint64) time.Duration { return time.Duration(random.Float64() * float64(c.slowest)) }
				w.comes = func(uint64) bool { return random.Float64() >= 0.3 }
				began := time.Now()
				w.run(75 * time.Second)
				time.Sleep(c.gap)
				w.run(75*time.Second - c.gap)
				second := 0
				for _, at := range w.admitted {
					if minute := at.Sub(began) / time.Minute; minute == 1 {
						second++
					}
				}
				if used := float64(second) / 6000; used < 0.975 || used > 1 {
					t.Errorf("%.1f %% of the rate was used", used*100)
				}
				if w.refused > 0 {
					t.Errorf("%d claims of the called were refused", w.refused)
				}
			})
		})
	}
}

func TestTheChanceThatSomebodyStillComesFallsWithTime(t *testing.T) {
	if fresh := stillToCome(0, 500, 0.7); fresh < 0.699 || fresh > 0.701 {
		t.Errorf("%v of those who were called just now", fresh)
	}
	for _, showUp := range []float64{minShowUp, 0.7, 1} {
		last := 1.0
		for _, age := range []int64{-10, 0, 100, 1000, 5000, 100_000, 1 << 40} {
			for _, delay := range []int64{0, 1, 500, 20_000} {
				if p := stillToCome(age, delay, showUp); !(p >= 0 && p <= 1) {
					t.Fatalf("%v after %d ms at %v with a delay of %d ms", p, age, showUp, delay)
				}
			}
			p := stillToCome(age, 500, showUp)
			if p > last {
				t.Fatalf("%v after %d ms, and %v before", p, age, last)
			}
			last = p
		}
	}
}
