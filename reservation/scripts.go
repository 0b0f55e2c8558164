package reservation

import (
	"embed"

	"github.com/penstock/penstock/internal/redis"
)

//go:embed scripts
var scriptFiles embed.FS

// The scripts, each named after its file ("stock_" in front of it in the metrics). What several of
// them need is put in front of the body.
//
//nolint:gochecknoglobals // never written after the start
var (
	reserveScript    = load("reserve", "clock", "units")
	confirmScript    = load("confirm", "clock", "units", "record", "counts")
	releaseScript    = load("release", "clock", "units", "record", "counts")
	extendScript     = load("extend", "clock", "record")
	getScript        = load("get", "clock")
	expireScript     = load("expire", "clock", "units", "record", "counts")
	settleScript     = load("settle", "clock", "units", "record", "counts")
	publishedScript  = load("published")
	outboxScanScript = load("outbox_scan", "clock")
	allotScript      = load("allot", "clock")
	armScript        = load("arm", "clock")
	armLoadScript    = load("arm_load")
	armItemsScript   = load("arm_items")
	snapshotScript   = load("snapshot", "clock")
	auditPageScript  = load("audit_page")
)

func load(name string, shared ...string) *redis.Script {
	var body []byte
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
	answerNotArmed = 1
	answerStale    = 2
)

// unpackMost keeps the arguments of one command inside a script below what the Lua of either
// engine can unpack.
const unpackMost = 4000
