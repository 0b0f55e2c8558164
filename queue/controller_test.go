package queue

import (
	"slices"
	"sort"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func warm(credit float64) Memory {
	return Memory{Credit: credit, CreditAtMillis: 1000, ShowUpRate: 1}
}

func calm() Inputs {
	return Inputs{NowMillis: 1000, StartsMillis: 1000, Live: true, RatePerMinute: 6000, MaxActive: 1000, UnitsAllocated: 1000, UnitsAvailable: 1000, LevelFactor: 1}
}

// What came back is for those who are called now: an active visitor who has not taken a unit yet keeps nobody from
// being called for it, and whoever was called for it does.
func TestUnitsThatAreSetAsideAreCalledFor(t *testing.T) {
	for _, c := range []struct {
		name             string
		available, aside int64
		lately, since    int64
		coming           uint64
		want             uint64
	}{
		{"two undecided before it came back", 1, 1, 2, 0, 0, 1},
		{"nothing is set aside", 1, 0, 2, 0, 0, 0},
		{"one is on the way to it", 1, 1, 2, 0, 1, 0},
		{"one was let in for it", 1, 1, 3, 1, 0, 0},
		{"one more is free, for the undecided", 2, 1, 1, 0, 0, 1},
		{"three more are free", 4, 1, 1, 0, 0, 3},
		{"two were set aside, one let in", 2, 2, 5, 1, 0, 1},
	} {
		line := Line{
			Called: 10, End: 1000, Coming: c.coming, Active: 10, AdmittedLately: c.lately, AdmittedSinceAside: c.since, Claimed: 10,
			Memory: Memory{Credit: 100, ShowUpRate: 1},
		}
		d := Decide(line, Inputs{
			Live: true, RatePerMinute: 60_000, MaxActive: 1000, UnitsAllocated: 5, UnitsAvailable: c.available, UnitsAside: c.aside, LevelFactor: 1,
		})
		if got := d.Called - line.Called; got != c.want {
			t.Errorf("%s: called %d, want %d", c.name, got, c.want)
		}
	}
}

func TestWhatBoundsTheCalls(t *testing.T) {
	for _, c := range []struct {
		name    string
		line    Line
		change  func(*Inputs)
		called  uint64
		skipped uint64
		why     Reason
	}{
		{"nobody waits", Line{Memory: warm(5)}, nil, 0, 0, LineEmpty},
		{"fewer wait than may come", Line{End: 3, Memory: warm(5)}, nil, 3, 0, LineEmpty},
		{"the pace", Line{End: 100, Memory: warm(5)}, nil, 5, 0, Pacing},
		{"a fraction of a credit calls nobody", Line{End: 100, Memory: warm(0.9)}, nil, 0, 0, Pacing},
		{"an hour without calls saves up a second's worth", Line{End: 1000, Memory: Memory{Credit: 1, CreditAtMillis: -3_600_000, ShowUpRate: 1}},
			nil, 98, 0, Pacing}, // 100 a second, of which paceShare is called for
		{"not live", Line{Called: 4, End: 100, Memory: warm(5)}, func(in *Inputs) { in.Live = false }, 4, 0, NotLive},
		{"the first decision calls one", Line{End: 100, Memory: Memory{Credit: -1, ShowUpRate: 1}}, nil, 1, 0, Pacing},
		{"the level stops everything", Line{End: 100, Memory: Memory{Credit: -1, ShowUpRate: 1}}, func(in *Inputs) { in.LevelFactor = 0 }, 0, 0, Pacing},
		{"the cap", Line{End: 100, Active: 8, Memory: warm(50)}, func(in *Inputs) { in.MaxActive = 10 }, 2, 0, CapFull},
		{"the cap, with callers outstanding", Line{Called: 1, End: 100, Active: 8, Coming: 1, Memory: warm(50)},
			func(in *Inputs) { in.MaxActive = 10 }, 2, 0, CapFull},
		{"the cap was lowered", Line{End: 100, Active: 8, Memory: warm(50)}, func(in *Inputs) { in.MaxActive = 5 }, 0, 0, CapFull},
		{"half show up", Line{End: 100, Memory: Memory{Credit: 50, CreditAtMillis: 1000, ShowUpRate: 0.5}},
			func(in *Inputs) { in.MaxActive = 10 }, 20, 0, CapFull},
		{"the rolling rate", Line{End: 100, AdmittedLastMinute: 57, Coming: 1, Expected: 1, Memory: warm(50)},
			func(in *Inputs) { in.RatePerMinute = 60 }, 2, 0, RateFull},
		{"the stock", Line{End: 100, Memory: warm(50)}, func(in *Inputs) { in.UnitsAvailable = 3 }, 3, 0, NoStock},
		{"the stock, with callers outstanding", Line{End: 100, Coming: 2, Memory: warm(50)},
			func(in *Inputs) { in.UnitsAvailable = 3 }, 1, 0, NoStock},
		{"the stock, with the admitted undecided", Line{End: 100, Active: 2, AdmittedLastMinute: 2, AdmittedLately: 2, Claimed: 2, Memory: warm(50)},
			func(in *Inputs) { in.UnitsAllocated, in.UnitsAvailable = 3, 3 }, 1, 0, NoStock},
		{"the admitted have bought", Line{End: 100, Active: 2, AdmittedLastMinute: 2, AdmittedLately: 2, Claimed: 2, Memory: warm(50)},
			func(in *Inputs) { in.UnitsAllocated, in.UnitsAvailable = 3, 1 }, 1, 0, NoStock},
		{"nothing is left", Line{End: 100, Memory: warm(50)}, func(in *Inputs) { in.UnitsAvailable = 0 }, 0, 0, NoStock},
		{"the stock is not known", Line{End: 100, Memory: warm(50)}, func(in *Inputs) { in.UnitsAvailable = -1 }, 50, 0, Pacing},
		{"who left costs no call", Line{End: 100, Memory: warm(2)},
			func(in *Inputs) { in.Gone = func(p uint64) bool { return p%2 == 1 } }, 4, 2, Pacing},
	} {
		in := calm()
		if c.change != nil {
			c.change(&in)
		}
		d := Decide(c.line, in)
		if d.Called != c.called || d.Skipped != c.skipped || d.Why != c.why {
			t.Errorf("%s: called %d, skipped %d, %s; want %d, %d, %s", c.name, d.Called, d.Skipped, d.Why, c.called, c.skipped, c.why)
		}
	}
}

func TestTheShowUpRateFollowsClosedWindows(t *testing.T) {
	line := Line{Memory: Memory{ShowUpRate: 1}}
	line.NoShow = 1
	if d := Decide(line, calm()); d.Memory.ShowUpRate < 0.9 {
		t.Fatalf("one who does not come counts for %v", 1-d.Memory.ShowUpRate)
	}
	line.Shown, line.NoShow = 100, 100
	d := Decide(line, calm())
	if d.Memory.ShowUpRate < 0.5 || d.Memory.ShowUpRate > 0.56 {
		t.Fatalf("half came, the rate is %v", d.Memory.ShowUpRate)
	}
	line.Memory = d.Memory
	if again := Decide(line, calm()); again.Memory.ShowUpRate != d.Memory.ShowUpRate {
		t.Fatalf("the same outcomes counted twice: %v", again.Memory.ShowUpRate)
	}
	line.NoShow = 1_000_000
	if d := Decide(line, calm()); d.Memory.ShowUpRate != minShowUp {
		t.Fatalf("nobody comes, the rate is %v", d.Memory.ShowUpRate)
	}
}

func TestTheControllerKeepsItsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		called := rapid.Uint64Range(0, 1000).Draw(t, "called")
		line := Line{
			Called:             called,
			End:                called + rapid.Uint64Range(0, 1000).Draw(t, "waiting"),
			Coming:             rapid.Uint64Range(0, called).Draw(t, "outstanding"),
			Active:             rapid.IntRange(0, 200).Draw(t, "active"),
			AdmittedLastMinute: rapid.IntRange(0, 200).Draw(t, "minute"),
			AdmittedLately:     rapid.Int64Range(0, 200).Draw(t, "lately"),
			Claimed:            rapid.Int64Range(0, 1000).Draw(t, "claimed"),
			Memory: Memory{
				Credit:     rapid.Float64Range(-1, 500).Draw(t, "credit"),
				ShowUpRate: rapid.Float64Range(0, 2).Draw(t, "showup"),
			},
		}
		in := Inputs{
			NowMillis: rapid.Int64Range(0, 100_000).Draw(t, "now"), Live: rapid.Bool().Draw(t, "live"),
			RatePerMinute: rapid.Float64Range(1, 6000).Draw(t, "rate"), MaxActive: rapid.IntRange(1, 300).Draw(t, "cap"),
			UnitsAllocated: 1000, UnitsAvailable: rapid.Int64Range(0, 1000).Draw(t, "units"),
			LevelFactor: rapid.Float64Range(0, 1).Draw(t, "factor"),
		}
		d := Decide(line, in)
		calls := float64(d.Called - line.Called)
		switch {
		case d.Called < line.Called:
			t.Fatal("the watermark fell")
		case d.Called > line.End:
			t.Fatal("called a number nobody has")
		case calls > 0 && !in.Live:
			t.Fatal("called while not live")
		case d.Memory.Credit < -1 || d.Memory.ShowUpRate < minShowUp || d.Memory.ShowUpRate > 1:
			t.Fatalf("memory %+v", d.Memory)
		}
		if calls == 0 {
			return
		}
		coming := (calls + float64(line.Coming)) * d.Memory.ShowUpRate
		if free := float64(in.MaxActive - line.Active); coming > free+1e-6 {
			t.Fatalf("%.2f expected for %.0f slots", coming, free)
		}
		if coming > float64(in.UnitsAvailable)+1e-6 {
			t.Fatalf("%.2f expected for %d units", coming, in.UnitsAvailable)
		}
		if room := in.RatePerMinute - float64(line.AdmittedLastMinute); calls*d.Memory.ShowUpRate > room+1e-6 {
			t.Fatalf("%.2f more expected in a minute that has %.2f left", calls*d.Memory.ShowUpRate, room)
		}
	})
}

// world is a crowd in front of the controller: everybody called claims after a delay, or never.
type world struct {
	line  Line
	in    Inputs
	delay time.Duration
	// delayOf is how long the visitor at a place takes to claim; nil when all take the delay.
	delayOf  func(place uint64) time.Duration
	comes    func(place uint64) bool
	window   time.Duration
	stay     time.Duration
	admitted []time.Time
	refused  int
	pending  []caller
	leaving  []time.Time
}

// caller is a visitor who was called, with moments in ms since 1970.
type caller struct {
	comes, came            bool
	called, claims, lapses int64
}

// tick is one step of the leader, and what happened since the last.
func (w *world) tick(now time.Time) {
	for len(w.leaving) > 0 && !w.leaving[0].After(now) {
		w.leaving = w.leaving[1:]
		w.line.Active--
	}
	w.claim(now)
	w.line.AdmittedLastMinute = w.lastMinute(now)
	w.line.LeavingMinute = w.line.AdmittedLastMinute - w.lastMinute(now.Add(w.delay))
	w.line.AdmittedLately = int64(w.line.AdmittedLastMinute)
	w.in.NowMillis, w.line.DelayMillis = now.UnixMilli(), w.delay.Milliseconds()
	w.expect()
	d := Decide(w.line, w.in)
	for place := w.line.Called + 1; place <= d.Called; place++ {
		delay := w.delay
		if w.delayOf != nil {
			delay = w.delayOf(place)
		}
		w.pending = append(w.pending, caller{
			comes: w.comes(place), called: now.UnixMilli(),
			claims: now.UnixMilli() + delay.Milliseconds(), lapses: now.UnixMilli() + w.window.Milliseconds(),
		})
	}
	w.line.Called, w.line.Memory = d.Called, d.Memory
}

// claim lets those claim whose time it is, and closes the windows that have ended: that of who was called first ends
// first.
func (w *world) claim(now time.Time) {
	nowMillis := now.UnixMilli()
	for i := range w.pending {
		if c := &w.pending[i]; c.comes && !c.came && c.claims <= nowMillis {
			if c.came = w.room(now); c.came {
				w.admit(now)
			} else {
				w.refused++
			}
		}
	}
	for len(w.pending) > 0 && w.pending[0].lapses <= nowMillis {
		if w.pending[0].came {
			w.line.Shown++
		} else {
			w.line.NoShow++
		}
		w.pending = w.pending[1:]
	}
}

// expect counts who is still to come. Those who are called first are overdue first.
func (w *world) expect() {
	overdue := w.in.NowMillis - max(4*w.delay, 5*time.Second).Milliseconds()
	due := sort.Search(len(w.pending), func(i int) bool { return w.pending[i].called > overdue })
	w.line.OverdueShown, w.line.OverdueMissing = 0, 0
	for i := range w.pending[:due] {
		if w.pending[i].came {
			w.line.OverdueShown++
		} else {
			w.line.OverdueMissing++
		}
	}
	w.line.Coming, w.line.Expected = 0, 0
	showUp := expectedShowUp(w.line, w.line.Memory.ShowUpRate)
	for i := range w.pending[due:] {
		if c := &w.pending[due+i]; !c.came {
			w.line.Coming++
			w.line.Expected += stillToCome(w.in.NowMillis-c.called, w.line.DelayMillis, showUp)
		}
	}
}

func (w *world) lastMinute(now time.Time) int {
	gone, _ := slices.BinarySearchFunc(w.admitted, now.Add(-time.Minute), time.Time.Compare)
	return len(w.admitted) - gone
}

func (w *world) room(now time.Time) bool {
	return w.line.Active < w.in.MaxActive && float64(w.lastMinute(now)) < w.in.RatePerMinute
}

func (w *world) admit(now time.Time) {
	w.admitted = append(w.admitted, now)
	w.leaving = append(w.leaving, now.Add(w.stay))
	w.line.Active++
	w.line.Claimed++
}

func (w *world) run(d time.Duration) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(d); time.Now().Before(end); {
		w.tick(<-tick.C)
	}
}

func newWorld(ratePerMinute float64, maxActive int) *world {
	return &world{
		line:   Line{End: 1_000_000, Memory: Memory{Credit: -1, ShowUpRate: 1}},
		in:     Inputs{StartsMillis: time.Now().UnixMilli(), Live: true, RatePerMinute: ratePerMinute, MaxActive: maxActive, UnitsAllocated: 1 << 40, UnitsAvailable: 1 << 40, LevelFactor: 1},
		delay:  time.Second,
		window: 2 * time.Minute, stay: 10 * time.Minute,
		comes: func(uint64) bool { return true },
	}
}

func TestCallsArePacedEvenlyAtTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(600, 1_000_000)
		for minute := range 5 {
			before := len(w.admitted)
			w.run(time.Minute)
			if got := len(w.admitted) - before; got < 570 || got > 600 {
				t.Errorf("minute %d: %d admitted at 600 a minute", minute, got)
			}
		}
		second := make(map[int64]int)
		for _, at := range w.admitted {
			second[at.Unix()]++
		}
		for at, n := range second {
			if n > 20 {
				t.Errorf("%d admitted in second %d", n, at)
			}
		}
		if w.refused > 0 {
			t.Errorf("%d claims of the called were refused", w.refused)
		}
	})
}

func TestSlowClaimersDoNotSlowTheLineMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(600, 1_000_000)
		w.delay = 20 * time.Second
		w.run(2 * time.Minute)
		before := len(w.admitted)
		w.run(5 * time.Minute)
		if got := len(w.admitted) - before; got < 5*520 || got > 5*600 {
			t.Errorf("%d admitted in five minutes at 600 a minute", got)
		}
	})
}

func TestTheLineMakesUpForThoseWhoDoNotCome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(600, 1_000_000)
		w.comes = func(place uint64) bool { return place%4 == 0 }
		w.run(8 * time.Minute) // windows of two minutes must close before anything is known
		before := len(w.admitted)
		w.run(5 * time.Minute)
		got := len(w.admitted) - before
		if got < 5*480 || got > 5*600 {
			t.Errorf("%d admitted in five minutes at 600 a minute with a quarter showing up (rate %v)", got, w.line.Memory.ShowUpRate)
		}
	})
}

func TestAFreeSlotIsFilledWithinATick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(600, 10)
		w.run(10 * time.Second)
		if w.line.Active != 10 || w.line.Called != 10 {
			t.Fatalf("%d active, %d called at a cap of 10", w.line.Active, w.line.Called)
		}
		w.line.Active-- // somebody gives the pass back
		w.leaving = w.leaving[1:]
		w.run(100 * time.Millisecond)
		if w.line.Called != 11 {
			t.Fatalf("%d called a tick after a slot came free", w.line.Called)
		}
	})
}

func TestANewcomerToAnEmptyLineIsCalledOnTheNextTick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(60, 100)
		w.line.End = 0
		w.run(time.Minute)
		w.line.End = 1
		w.run(100 * time.Millisecond)
		if w.line.Called != 1 {
			t.Fatal("the newcomer waits")
		}
	})
}

// The rate is used although three of ten do not come, and although nobody calls for five seconds: it is not waited
// until the windows of two minutes have closed to learn how many come.
func TestTheRateIsUsedAfterTheFirstMinute(t *testing.T) {
	for name, c := range map[string]struct {
		rate  float64
		delay time.Duration
		gap   time.Duration
	}{
		"ten a second":                    {600, time.Second, 0},
		"a hundred a second":              {6000, 500 * time.Millisecond, 0},
		"the leader is lost for a moment": {6000, 500 * time.Millisecond, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(c.rate, 1_000_000)
				w.delay = c.delay
				w.comes = func(place uint64) bool { return (place*7)%10 >= 3 }
				w.run(30 * time.Second)
				time.Sleep(c.gap)
				w.run(30*time.Second - c.gap)
				before := len(w.admitted)
				w.run(time.Minute)
				if used := float64(len(w.admitted)-before) / c.rate; used < 0.97 || used > 1 {
					t.Errorf("%.1f %% of the rate was used", used*100)
				}
				for i := range w.admitted {
					if j := i + int(c.rate); j < len(w.admitted) && w.admitted[j].Sub(w.admitted[i]) <= time.Minute {
						t.Fatalf("more than %.0f in a minute", c.rate)
					}
				}
			})
		})
	}
}

func TestPressureSlowsTheCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(600, 1_000_000)
		w.in.LevelFactor = 0.2
		w.run(time.Minute)
		if n := len(w.admitted); n < 110 || n > 125 {
			t.Errorf("%d admitted at a fifth of 600 a minute", n)
		}
	})
}
