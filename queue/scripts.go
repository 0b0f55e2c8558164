package queue

import (
	_ "embed"

	"github.com/penstock/penstock/internal/redis"
)

//go:embed scripts/join.lua
var joinBody string

//go:embed scripts/raise.lua
var raiseBody string

//go:embed scripts/claim.lua
var claimBody string

//go:embed scripts/leave.lua
var leaveBody string

//go:embed scripts/release_pass.lua
var releaseBody string

//go:embed scripts/advance.lua
var advanceBody string

//go:embed scripts/snapshot.lua
var snapshotBody string

//go:embed scripts/arm.lua
var armBody string

//go:embed scripts/restore.lua
var restoreBody string

var (
	joinScript     = redis.NewScript("room_join", joinBody)
	raiseScript    = redis.NewScript("room_raise", raiseBody)
	claimScript    = redis.NewScript("room_claim", claimBody)
	leaveScript    = redis.NewScript("room_leave", leaveBody)
	releaseScript  = redis.NewScript("room_release_pass", releaseBody)
	advanceScript  = redis.NewScript("room_advance", advanceBody)
	snapshotScript = redis.NewScript("room_snapshot", snapshotBody)
	armScript      = redis.NewScript("room_arm", armBody)
	restoreScript  = redis.NewScript("room_restore", restoreBody)
)

// roomKeys are the keys of a sale's room, in the order in which the scripts take them.
func roomKeys(saleID string) []string {
	return []string{
		redis.Key(saleID, "room"),          // 1 settings and counters (hash)
		redis.Key(saleID, "room:passes"),   // 2 active passes: ticket → expiry ms (sorted set)
		redis.Key(saleID, "room:admits"),   // 3 times of the last minute's admissions, ms (list)
		redis.Key(saleID, "room:calls"),    // 4 open windows: deadline → last place called with it (sorted set)
		redis.Key(saleID, "room:used"),     // 5 tickets claimed or left (bitmap)
		redis.Key(saleID, "room:grace"),    // 6 tickets with a deadline of their own (sorted set)
		redis.Key(saleID, "room:changes"),  // 7 the last changes of single tickets (list)
		redis.Key(saleID, "room:issued"),   // 8 active passes: ticket → time of issue, s (hash)
		redis.Key(saleID, "room:resolved"), // 9 of each open window, how many came or left (hash)
	}
}

const (
	keyRoom   = 0
	keyPasses = 1
	keyAdmits = 2
	keyUsed   = 4
	keyIssued = 7
)
