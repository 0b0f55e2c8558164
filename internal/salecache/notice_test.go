package salecache

import (
	"testing"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

func TestPagesReadTheNoticeLessOftenWhenTheyAreMany(t *testing.T) {
	for pages, want := range map[uint64]int64{0: 1500, 1000: 1500, 45_000: 1500, 46_000: 2000, 100_000: 3500, 2_000_000: 67_000} {
		got := noticeAfter(pages)
		if got != want {
			t.Errorf("%d pages: %d ms, want %d", pages, got, want)
		}
		if perSecond := int64(pages) * 1000 / got; perSecond > maxNoticesPerSecond {
			t.Errorf("%d pages ask %d times a second", pages, perSecond)
		}
	}
}

func TestTheNoticeChangesWithWhatItSaysAndNotWithEachVisitor(t *testing.T) {
	tag := func(message string, phase sale.Phase, waiting uint64) string {
		_, etag := newNotice(message, phase, &queue.Snapshot{Waiting: waiting})
		return etag
	}
	first := tag("back at ten", sale.PhaseLive, 100)
	if tag("back at ten", sale.PhaseLive, 200) != first {
		t.Error("one more visitor changed it")
	}
	if tag("", sale.PhaseLive, 100) == first || tag("back at ten", sale.PhasePaused, 100) == first {
		t.Error("what it says does not change it")
	}
}
