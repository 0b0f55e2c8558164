package queue

import (
	_ "embed"

	"github.com/penstock/penstock/internal/redis"
)

//go:embed scripts/lib_room.lua
var roomLua string

//go:embed scripts/lib_walkin.lua
var walkInLua string

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

//go:embed scripts/redeem.lua
var redeemBody string

//go:embed scripts/advance.lua
var advanceBody string

//go:embed scripts/snapshot.lua
var snapshotBody string

//go:embed scripts/arm.lua
var armBody string

//go:embed scripts/restore.lua
var restoreBody string

//go:embed scripts/wipe.lua
var wipeBody string

//go:embed scripts/prove.lua
var proveBody string

//go:embed scripts/sight.lua
var sightBody string

//go:embed scripts/lower.lua
var lowerBody string

// Every script but wipe compares the run that the room was armed on with that of the server it runs on.
var (
	joinScript     = newScript("room_join", walkInLua+joinBody)
	raiseScript    = newScript("room_raise", raiseBody)
	lowerScript    = newScript("room_lower", lowerBody)
	claimScript    = newScript("room_claim", claimBody)
	leaveScript    = newScript("room_leave", leaveBody)
	releaseScript  = newScript("room_release_pass", releaseBody)
	sightScript    = newScript("room_sight", sightBody)
	redeemScript   = newScript("room_redeem", redeemBody)
	proveScript    = newScript("room_prove", proveBody)
	advanceScript  = newScript("room_advance", advanceBody)
	snapshotScript = newScript("room_snapshot", snapshotBody)
	armScript      = newScript("room_arm", armBody)
	restoreScript  = newScript("room_restore", restoreBody)
	wipeScript     = redis.NewScript("room_wipe", wipeBody)
)

// newScript puts in front of a script what the scripts of the room share.
func newScript(name, body string) *redis.Script {
	return redis.NewScript(name, redis.ServerRunLua+roomLua+body)
}

// roomKeys are the keys of a sale's room, in the order in which the scripts take them.
func roomKeys(saleID string) []string {
	return []string{
		redis.Key(saleID, "room"),          // 1 settings and counters (hash)
		redis.Key(saleID, "room:passes"),   // 2 active passes: ticket → expiry ms (sorted set)
		redis.Key(saleID, "room:admits"),   // 3 the last minute's admissions, by the ms (list)
		redis.Key(saleID, "room:calls"),    // 4 open windows: deadline → last place called with it (sorted set)
		redis.Key(saleID, "room:used"),     // 5 tickets claimed or left (bitmap)
		redis.Key(saleID, "room:grace"),    // 6 tickets with a deadline of their own (sorted set)
		redis.Key(saleID, "room:changes"),  // 7 the last changes of single tickets (list)
		redis.Key(saleID, "room:issued"),   // 8 active passes: ticket → time of issue, s (hash)
		redis.Key(saleID, "room:resolved"), // 9 of each open window, how many came or left (hash)
		redis.Key(saleID, "room:proven"),   // 10 uncertain numbers that have shown themselves (set)
	}
}

// Where a key is in roomKeys.
const (
	keyRoom   = 0
	keyPasses = 1
	keyIssued = 7
)
