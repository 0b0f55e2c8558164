package salecache

import (
	"encoding/json"
	"hash/fnv"
	"strconv"

	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/queue"
)

// notice is the small document that every open page reads every few seconds: what the operator says. It seldom
// changes, so that most answers say no more than that.
type notice struct {
	Message string     `json:"message"`
	Phase   sale.Phase `json:"phase"`
	// RefreshAfterMillis is when to read it again.
	RefreshAfterMillis int64 `json:"refresh_after_ms"`
}

const (
	// noticeEvery is how often an open page reads the notice. With half a second until each node knows of a change
	// and the second for which a cache may keep the answer, a page shows it within three.
	noticeEvery = 1500
	// maxNoticesPerSecond bounds what all open pages of a sale ask for; with more pages each asks less often.
	maxNoticesPerSecond = 30_000
	// noticeStep keeps the interval, and with it the notice, from changing with each visitor.
	noticeStep = 500
)

// noticeAfter is when a page reads the notice again, in ms, while so many pages are open.
func noticeAfter(pages uint64) int64 {
	fair := int64(pages) * 1000 / maxNoticesPerSecond
	return max(noticeEvery, (fair+noticeStep-1)/noticeStep*noticeStep)
}

// Notice returns what the operator says to those who wait, the same bytes for everybody, and their entity tag.
func (e *Entry) Notice() (document []byte, etag string) {
	v := e.view.Load()
	return v.notice, v.noticeTag
}

// Message returns what the operator says to those who wait now.
func (e *Entry) Message() string { return e.record.Load().MessageAt(e.Now(), e.Phase()) }

func newNotice(message string, phase sale.Phase, room *queue.Snapshot) (document []byte, etag string) {
	doc := notice{Message: message, Phase: phase, RefreshAfterMillis: noticeAfter(room.AllWaiting() + room.AllOutstanding())}
	document, err := json.Marshal(doc)
	if err != nil {
		return []byte(`{}`), `"none"` // not reachable: every member marshals
	}
	sum := fnv.New64a()
	_, _ = sum.Write(document)
	return document, `"` + strconv.FormatUint(sum.Sum64(), 36) + `"`
}
