package listener

import (
	"fmt"
	"syscall"
)

const (
	// maxDescriptors bounds what is planned with where the system sets no limit.
	maxDescriptors = 1 << 20
	// The reserve is for the stores' connections and files: a quarter, within these.
	minReserve = 128
	maxReserve = 1024
	// maxConsole bounds the connections of operators and of those who read metrics.
	maxConsole = 256
	// MaxFront is as many connections of visitors as one process serves well.
	MaxFront = 256 << 10
)

// Descriptors raises the process's limit of open files to the highest that it may set, and returns it.
func Descriptors() (int, error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, fmt.Errorf("read the limit of open files: %w", err)
	}
	if limit.Cur < limit.Max {
		raised := syscall.Rlimit{Cur: limit.Max, Max: limit.Max}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err == nil {
			limit = raised
		}
	}
	return int(min(limit.Cur, maxDescriptors)), nil
}

// Shares says how many connections each listener may keep open.
type Shares struct{ Front, Console int }

// Share divides the descriptors of the process, so that the stores keep theirs whoever connects.
func Share(descriptors int) Shares {
	reserve := min(max(descriptors/4, minReserve), maxReserve, descriptors/2)
	left := descriptors - reserve
	console := min(max(left/8, 1), maxConsole)
	return Shares{Front: min(max(left-console, 1), MaxFront), Console: console}
}
