package queue

import "time"

// setAsideSpare is what a called visitor needs beside the time to claim: a poll to hear of the call, and the second
// of the lapse, in which no pass counts as issued later.
const setAsideSpare = 3 * time.Second

// SetAsideFor says for how long a unit that comes back now is set aside for those who are admitted afterwards:
// until the next in line were called and had their time to claim. It is 0 when nobody is on the way, so that
// the unit is for anyone.
func (r *Room) SetAsideFor() time.Duration {
	s := r.snap.Load()
	if !s.Ready || !s.calling(s.nowMillis()) || s.AllWaiting() == 0 && s.coming() == 0 {
		return 0
	}
	usual := time.Duration(max(s.room.delay, 0)) * time.Millisecond
	return time.Duration(s.room.window)*time.Millisecond + usual + setAsideSpare
}
