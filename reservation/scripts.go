package reservation

import (
	"embed"
	"slices"

	"github.com/penstock/penstock/internal/redis"
)

//go:embed scripts
var scriptFiles embed.FS

// The scripts, each named after its file ("stock_" in front of it in the metrics). What several of
// them need is put in front of the body.
//
//nolint:gochecknoglobals // never written after the start
var (
	reserveScript     = load("reserve", "state", "clock", "units", "bound", "aside")
	recallScript      = load("recall", "state")
	confirmScript     = load("confirm", "state", "clock", "units", "record", "holder", "counts")
	releaseScript     = load("release", "state", "clock", "units", "record", "holder", "counts", "made", "aside", "setaside")
	extendScript      = load("extend", "state", "clock", "record", "holder")
	getScript         = load("get", "state", "clock")
	holdingScript     = load("holding", "state", "clock", "record", "bound")
	expireScript      = load("expire", "state", "clock", "units", "record", "counts", "made", "aside", "setaside")
	settleScript      = load("settle", "state", "clock", "units", "record", "standin", "counts")
	failScript        = load("fail", "state", "units", "record", "standin", "counts")
	reacquireScript   = load("reacquire", "state", "units", "record", "counts")
	publishedScript   = load("published", "state")
	outboxScanScript  = load("outbox_scan", "state", "clock")
	allotScript       = load("allot", "state", "term", "clock")
	wipeScript        = load("wipe", "term")
	beginScript       = load("begin", "state", "term")
	armRecordsScript  = load("arm_records", "state", "arming", "clock", "units", "record", "counts")
	armBoundScript    = load("arm_bound", "state", "arming", "clock", "bound")
	armFieldsScript   = load("arm_fields", "state", "arming", "clock")
	updateScript      = load("update", "state", "term")
	updateItemsScript = load("update_items", "state", "term")
	snapshotScript    = load("snapshot", "state", "clock")
	endsScript        = load("ends")
	madePageScript    = load("made_page", "state", "clock")
	auditScript       = load("audit", "state", "clock")
	auditPageScript   = load("audit_page")
	outboxLeftScript  = load("outbox_left")
)

// load reads a script. "state" brings server_run along, on which it rests.
func load(name string, shared ...string) *redis.Script {
	var body []byte
	if slices.Contains(shared, "state") {
		body = append(body, redis.ServerRunLua...)
	}
	for _, part := range shared {
		body = append(body, text("scripts/shared/"+part+".lua")...)
	}
	return redis.NewScript("stock_"+name, string(append(body, text("scripts/"+name+".lua")...)))
}

// text reads an embedded file. A missing one is a wrong name in the list above, which leaves an
// empty script that every test of it refuses.
func text(path string) []byte {
	data, err := scriptFiles.ReadFile(path)
	if err != nil {
		return nil
	}
	return data
}

// The first element of a script's answer that concerns a whole call.
const (
	answerOK       = 0
	answerNotReady = 1
	answerStale    = 2
	answerLater    = 8 // followed by the later term
	answerLost     = 9
)

// laterTerm is the error of an answer that a leader of a later term has been there; nil for others.
func laterTerm(answer []int64) error {
	if len(answer) == 2 && answer[0] == answerLater {
		return &redis.OldTermError{Later: answer[1]}
	}
	return nil
}

// unpackMost keeps the arguments of one command inside a script below what the Lua of either
// engine can unpack.
const unpackMost = 4000
