package testenv

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"
)

// procTick is the unit of CPU times in /proc (USER_HZ, 100 on every Linux
// architecture Go runs on; see proc_pid_stat(5)).
const procTick = 10 * time.Millisecond

// procStat holds the fields of /proc/<pid>/stat that are used here.
type procStat struct {
	pid, parent int
	state       byte
	self        time.Duration // utime + stime
	reaped      time.Duration // cutime + cstime: children that ended
}

// CPUTime adds up the CPU time (user and system) the given processes have used
// so far, to 10 ms each, without their children. Linux only.
func CPUTime(pids ...int) (time.Duration, error) {
	var sum time.Duration
	for _, pid := range pids {
		stat, err := readStat(pid)
		if err != nil {
			return 0, err
		}
		sum += stat.self
	}
	return sum, nil
}

// CPUTimeOfTree adds up the CPU time of the given processes and all their
// descendants, including descendants that have ended and were reaped. It
// counts a process twice if it is given beside its own ancestor. Linux only.
func CPUTimeOfTree(roots ...int) (time.Duration, error) {
	var sum time.Duration
	for _, root := range roots {
		if _, err := readStat(root); err != nil {
			return 0, err
		}
		for _, pid := range Tree(root) {
			stat, err := readStat(pid)
			if err != nil {
				continue // ended meanwhile: its time moved to its parent
			}
			sum += stat.self + stat.reaped
		}
	}
	return sum, nil
}

// Tree lists a process and all its descendants, the process first. Without
// /proc it is the process alone.
func Tree(root int) []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return []int{root}
	}
	children := make(map[int][]int)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if stat, err := readStat(pid); err == nil {
			children[stat.parent] = append(children[stat.parent], pid)
		}
	}
	tree := []int{root}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree
}

// alive tells whether a process exists and is not merely waiting to be reaped.
func alive(pid int) bool {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		return syscall.Kill(pid, 0) == nil
	}
	stat, err := readStat(pid)
	return err == nil && stat.state != 'Z' && stat.state != 'X'
}

func readStat(pid int) (procStat, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return procStat{}, fmt.Errorf("read process %d: %w", pid, err)
	}
	return parseStat(b)
}

// parseStat reads one line of /proc/<pid>/stat. The command name may hold
// blanks and parentheses, so the fields are counted from its last ')'.
func parseStat(line []byte) (procStat, error) {
	open, end := bytes.IndexByte(line, ' '), bytes.LastIndexByte(line, ')')
	if open < 0 || end < 0 {
		return procStat{}, fmt.Errorf("unreadable process line %q", line)
	}
	fields := bytes.Fields(line[end+1:]) // fields[0] is field 3 of the manual, the state
	if len(fields) < 15 {
		return procStat{}, fmt.Errorf("unreadable process line %q", line)
	}
	number := func(field []byte) int64 {
		n, _ := strconv.ParseInt(string(field), 10, 64)
		return n
	}
	ticks := func(user, system []byte) time.Duration {
		return time.Duration(number(user)+number(system)) * procTick
	}
	return procStat{
		pid:    int(number(line[:open])),
		parent: int(number(fields[1])),
		state:  fields[0][0],
		self:   ticks(fields[11], fields[12]),
		reaped: ticks(fields[13], fields[14]),
	}, nil
}
