package queue

import (
	_ "embed"
	"strconv"

	"github.com/penstock/penstock/internal/redis"
)

//go:embed scripts/lib_room.lua
var roomLua string

//go:embed scripts/lib_walkin.lua
var walkInLua string

//go:embed scripts/join.lua
var joinBody string

//go:embed scripts/join_keyed.lua
var joinKeyedBody string

//go:embed scripts/keep_keys.lua
var keepKeysBody string

//go:embed scripts/keep_places.lua
var keepPlacesBody string

//go:embed scripts/raise.lua
var raiseBody string

//go:embed scripts/claim.lua
var claimBody string

//go:embed scripts/leave.lua
var leaveBody string

//go:embed scripts/release_pass.lua
var releaseBody string

//go:embed scripts/renew.lua
var renewBody string

//go:embed scripts/issued_passes.lua
var issuedBody string

//go:embed scripts/redeem.lua
var redeemBody string

//go:embed scripts/proof.lua
var proofBody string

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

//go:embed scripts/interest.lua
var interestBody string

// wantedLua is put in front of the scripts that count who wants what.
//
//go:embed scripts/wanted.lua
var wantedLua string

//go:embed scripts/lower.lua
var lowerBody string

//go:embed scripts/standby.lua
var standbyBody string

//go:embed scripts/draw.lua
var drawBody string

// Every script but wipe compares the run that the room was armed on with that of the server it runs on.
var (
	joinScript = redis.NewScript("room_join", redis.ServerRunLua+roomLua+walkInLua+wantedLua+joinBody)
	// Those who come with a key are numbered by the same rules as the others.
	joinKeyedScript  = redis.NewScript("room_join_keyed", redis.ServerRunLua+roomLua+walkInLua+wantedLua+"local function join(KEYS, ARGV)\n"+joinBody+"\nend\n"+joinKeyedBody)
	keepKeysScript   = redis.NewScript("room_keep_keys", redis.ServerRunLua+roomLua+keepKeysBody)
	keepPlacesScript = redis.NewScript("room_keep_places", redis.ServerRunLua+roomLua+keepPlacesBody)
	interestScript   = redis.NewScript("room_interest", redis.ServerRunLua+roomLua+wantedLua+interestBody)
	raiseScript      = redis.NewScript("room_raise", redis.ServerRunLua+roomLua+raiseBody)
	lowerScript      = redis.NewScript("room_lower", redis.ServerRunLua+roomLua+lowerBody)
	claimScript      = redis.NewScript("room_claim", redis.ServerRunLua+roomLua+walkInLua+claimBody)
	leaveScript      = redis.NewScript("room_leave", redis.ServerRunLua+roomLua+leaveBody)
	releaseScript    = redis.NewScript("room_release_pass", redis.ServerRunLua+roomLua+releaseBody)
	issuedScript     = redis.NewScript("room_issued_passes", redis.ServerRunLua+roomLua+issuedBody)
	sightScript      = redis.NewScript("room_sight", redis.ServerRunLua+roomLua+sightBody)
	renewScript      = redis.NewScript("room_renew", redis.ServerRunLua+roomLua+renewBody)
	redeemScript     = redis.NewScript("room_redeem", redis.ServerRunLua+roomLua+redeemBody)
	proofScript      = redis.NewScript("room_proof", redis.ServerRunLua+roomLua+proofBody)
	proveScript      = redis.NewScript("room_prove", redis.ServerRunLua+roomLua+proveBody)
	advanceScript    = redis.NewScript("room_advance", redis.ServerRunLua+roomLua+advanceBody)
	snapshotScript   = redis.NewScript("room_snapshot", redis.ServerRunLua+roomLua+snapshotBody)
	armScript        = redis.NewScript("room_arm", redis.ServerRunLua+roomLua+armBody)
	restoreScript    = redis.NewScript("room_restore", redis.ServerRunLua+roomLua+restoreBody)
	standbyScript    = redis.NewScript("room_standby", redis.ServerRunLua+roomLua+standbyBody)
	drawScript       = redis.NewScript("room_draw", redis.ServerRunLua+roomLua+drawBody)
	wipeScript       = redis.NewScript("room_wipe", wipeBody)
)

// roomKeys are the keys of a sale's room, in the order in which the scripts take them. Behind them follow those of
// lanes; see keysWithLanes.
func roomKeys(saleID string) []string {
	return []string{
		redis.Key(saleID, "room"),          // 1 settings and counters (hash)
		redis.Key(saleID, "room:passes"),   // 2 active passes: ticket → expiry ms (sorted set)
		redis.Key(saleID, "room:admits"),   // 3 the last minute's admissions, by the ms (list)
		redis.Key(saleID, "room:calls"),    // 4 open windows, and closed ones whose grace lasts: deadline → last place called with it (sorted set)
		redis.Key(saleID, "room:used"),     // 5 tickets claimed or left (bitmap)
		redis.Key(saleID, "room:grace"),    // 6 renewed windows: ticket → deadline of its own (sorted set)
		redis.Key(saleID, "room:changes"),  // 7 the last changes of single tickets (list)
		redis.Key(saleID, "room:issued"),   // 8 active passes: ticket → time of issue, s, and ":" and how often it was renewed (hash)
		redis.Key(saleID, "room:resolved"), // 9 of each open window, how many came or left (hash)
		redis.Key(saleID, "room:proven"),   // 10 uncertain numbers that have shown themselves (set)
		redis.Key(saleID, "room:keys"),     // 11 places by key: key → number, epoch, time of issue and more (hash)
		redis.Key(saleID, "room:interest"), // 12 of tickets that named other items later, which (hash)
		redis.Key(saleID, "room:arrivals"), // 13 arrivals of the last minute of a sale in standby: step of 5 s → count (hash)
	}
}

// keysWithLanes are roomKeys and those of so many lanes beside that of everybody: their open windows and their used
// tickets, as 4 and 5.
func keysWithLanes(saleID string, lanes int) []string {
	keys := roomKeys(saleID)
	for lane := 1; lane <= lanes; lane++ {
		of := "room:" + strconv.Itoa(lane)
		keys = append(keys, redis.Key(saleID, of+":calls"), redis.Key(saleID, of+":used"))
	}
	return keys
}

// Where a key is in roomKeys.
const (
	keyRoom     = 0
	keyPasses   = 1
	keyIssued   = 7
	keyPlaces   = 10
	keyInterest = 11
	keyArrivals = 12
)
