package main

import (
	"testing"
	"time"
)

func TestSumCallsCountsEverythingButInfo(t *testing.T) {
	info := "# Commandstats\r\ncmdstat_get:calls=7,usec=12,usec_per_call=1.71\r\n" +
		"cmdstat_config|get:calls=2,usec=5\r\ncmdstat_info:calls=9,usec=100\r\n"
	if got := sumCalls(info); got != 9 {
		t.Errorf("sumCalls = %d, want 7+2", got)
	}
}

func TestMiddle(t *testing.T) {
	if got := middle([]float64{9, 1, 5}); got != 5 {
		t.Errorf("middle of three = %v, want 5", got)
	}
	if got := middle([]float64{4, 1, 2, 100}); got != 3 {
		t.Errorf("middle of four = %v, want 3", got)
	}
}

func TestMicros(t *testing.T) {
	if got := micros(2*time.Second, 1000); got != 2000 {
		t.Errorf("2 s over 1000 operations = %v µs, want 2000", got)
	}
}

func TestRunsInWhichSomethingFailedAreThrownAway(t *testing.T) {
	for name, r := range map[string]wrkResult{
		"nothing answered": {},
		"a timeout":        {Requests: 10, Timeout: 1},
		"ids ran out":      {Requests: 10, Used: 11, Total: 10},
	} {
		if r.checkTransport() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := (wrkResult{Requests: 10, Used: 10, Total: 20}).checkTransport(); err != nil {
		t.Errorf("a good run is refused: %v", err)
	}
	refused := wrkResult{Requests: 10, Status: 1}
	if (shot{}).verdict(t.Context(), refused, 0, 1) == nil {
		t.Error("a refusal among successes is accepted")
	}
	if (shot{refusals: true}).verdict(t.Context(), refused, 0, 1) == nil {
		t.Error("a success among refusals is accepted")
	}
}
