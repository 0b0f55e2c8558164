package stand

import (
	"fmt"
	"time"

	"github.com/penstock/penstock/internal/testenv"
)

// CPU is CPU time used so far, user and system, by the name of the process.
type CPU map[string]time.Duration

// CPU reads what the stand's processes have used so far. Linux only.
func (s *Stand) CPU() (CPU, error) {
	cpu := CPU{}
	pids := map[string]int{"penstock": s.Penstock.PID()}
	if s.Redis != nil {
		pids["redis"] = s.Redis.PID()
	}
	if s.NATS != nil {
		pids["nats"] = s.NATS.PID()
	}
	if s.Postgres != nil {
		pids["postgres"] = s.Postgres.PID()
	}
	for name, pid := range pids {
		used, err := testenv.CPUTimeOfTree(pid)
		if err != nil {
			return nil, fmt.Errorf("CPU time of %s: %w", name, err)
		}
		cpu[name] = used
	}
	return cpu, nil
}

// Since is what was used after an earlier reading.
func (c CPU) Since(earlier CPU) CPU {
	used := CPU{}
	for name, total := range c {
		used[name] = max(0, total-earlier[name])
	}
	return used
}

// Sum adds up all processes.
func (c CPU) Sum() time.Duration {
	var sum time.Duration
	for _, used := range c {
		sum += used
	}
	return sum
}
