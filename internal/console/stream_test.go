package console

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/internal/auth"
)

// openStream reads the first figures of a live stream and returns what comes after.
func (b *browser) openStream(saleID string) (liveView, *bufio.Scanner) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 20*time.Second)
	b.t.Cleanup(cancel)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/sales/"+saleID+"/live", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := b.client.Do(req)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" {
		b.t.Fatalf("status %d, %v", resp.StatusCode, resp.Header)
	}
	lines := bufio.NewScanner(resp.Body)
	return b.nextFigures(lines), lines
}

func (b *browser) nextFigures(lines *bufio.Scanner) liveView {
	b.t.Helper()
	for lines.Scan() {
		data, found := strings.CutPrefix(lines.Text(), "data: ")
		if !found {
			continue
		}
		var view liveView
		if err := json.Unmarshal([]byte(data), &view); err != nil {
			b.t.Fatal(err)
		}
		return view
	}
	b.t.Fatalf("the stream ended: %v", lines.Err())
	return liveView{}
}

func TestTheFiguresOfASaleComeLive(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	b := s.signedIn(auth.Viewer)
	view, lines := b.openStream("drop")
	if view.Phase != "live" || view.PhaseLabel != "Live" || len(view.Items) != 1 || view.Items[0].Available != 100 || view.Rate != 600 || view.MaxActive != 500 || view.Level != "normal" {
		t.Fatalf("got %+v", view)
	}
	s.admin("POST", "/admin/v1/sales/drop/pause", "", 200)
	for range 5 {
		if view = b.nextFigures(lines); view.Phase == "paused" {
			break
		}
	}
	if view.Phase != "paused" {
		t.Fatal("the stream does not follow the sale")
	}
	s.console.Close()
	for lines.Scan() {
	}
	if err := lines.Err(); err != nil {
		t.Fatalf("the stream broke instead of ending: %v", err)
	}
	s.do("GET", "/sales/drop/live", "", "").expect(401)
}

func TestStreamsAreBoundedAndPollingStaysPossible(t *testing.T) {
	s := newStage(t)
	s.newSale("drop", live)
	b := s.signedIn(auth.Viewer)
	for range maxStreams {
		if !s.console.streams.take() {
			t.Fatal("refused too early")
		}
	}
	b.get("/sales/drop/live").expect(503)
	b.get("/sales/drop/figures").shows(`"phase":"live"`, `"available":100`)
	s.console.streams.give()
	b.openStream("drop")
	b.get("/sales/none/live").expect(503)
}

func TestManyViewersShareOneMeasurement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var measured atomic.Int32
		f := newFigures(func(context.Context, string) (liveView, error) {
			measured.Add(1)
			time.Sleep(100 * time.Millisecond)
			return liveView{}, nil
		}, time.Now)
		look := func() {
			for range 50 {
				go func() { _, _ = f.of(context.Background(), "drop") }()
			}
			time.Sleep(200 * time.Millisecond)
		}
		look()
		if n := measured.Load(); n != 1 {
			t.Fatalf("%d measurements for 50 viewers", n)
		}
		time.Sleep(figuresAge)
		look()
		if n := measured.Load(); n != 2 {
			t.Fatalf("%d measurements, want a second one", n)
		}
	})
}

func TestAFailedMeasurementIsSharedAndTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := errors.New("down")
		fails, asked := down, 0
		f := newFigures(func(context.Context, string) (liveView, error) { asked++; return liveView{}, fails }, time.Now)
		for range 3 {
			if _, err := f.of(t.Context(), "drop"); !errors.Is(err, down) {
				t.Fatalf("got %v", err)
			}
		}
		fails = nil
		time.Sleep(figuresAge)
		if _, err := f.of(t.Context(), "drop"); err != nil || asked != 2 {
			t.Fatalf("%v after %d questions", err, asked)
		}
		for i := range 2 * maxFigures {
			_, _ = f.of(t.Context(), number(i))
		}
		if len(f.bySale) > maxFigures {
			t.Fatalf("%d measurements kept", len(f.bySale))
		}
	})
}
