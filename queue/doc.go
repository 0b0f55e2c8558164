// Package queue is the waiting room: it turns a crowd into a line, and lets the line through a
// gate no faster than agreed.
//
// A visitor joins and gets a [Ticket], which is a number with our signature; nothing is kept for
// those who wait. One watermark, called, moves forward, and whoever's place it has passed may
// claim a [Pass] within a window. [Room] is one sale's waiting room as one node sees it: it
// answers polls from memory ([Room.Look]) and decides everything that counts (numbers, cap, rate,
// who is admitted) in Lua scripts by the clock of Redis. One leader moves the watermark
// ([Room.Advance]) by a pure rule ([Decide]).
//
// What must outlive Redis (the high-water mark of the numbers, the watermark, the draw, the passes)
// is journaled before it takes effect, and comes back through [Fold] and [Arm]. After that, numbers that
// may or may not have been given are kept apart until their tickets are shown: they are not visitors.
//
// A room belongs to the run of the server of Redis on which it was armed. On any other run, every script
// refuses, [Snapshot.Lost] is set, and the room is to be armed again. The steps of the leader carry
// the number of its term; a script refuses an older one.
package queue
