package reservation

import (
	"maps"
	"slices"
	"strings"
)

// owner is the customer to whom a pass belongs: that of its first reservation.
type owner struct {
	customer       string
	created, until int64 // of that reservation, and when the pass is over; ms
}

// owners are the owners of passes, as the journal tells of them. A reservation that was given back, has
// lapsed or was ordered tells as well as one that is held.
type owners map[string]owner

func (o owners) note(r *record) {
	if r.until == 0 {
		return
	}
	if known, there := o[r.bearer]; !there || r.created < known.created {
		o[r.bearer] = owner{customer: r.customer, created: r.created, until: r.until}
	}
}

func (o owners) dropLapsed(before int64) {
	maps.DeleteFunc(o, func(_ string, one owner) bool { return one.until < before })
}

// boundMost is how many reservations of a pass are listed, and manyCores stands for more of them (BOUND_MOST in
// scripts/shared/bound.lua).
const (
	boundMost = 8
	manyCores = "+"
)

// boundArgs lays out the owners of passes, with the reservations that the passes may still hold, as
// arm_bound.lua takes them.
func (f *Folded) boundArgs() []string {
	if f == nil {
		return nil
	}
	cores := make(map[string][]string, len(f.owners))
	for core, r := range f.records() {
		if r.until != 0 {
			cores[r.bearer] = append(cores[r.bearer], core)
		}
	}
	args := make([]string, 0, 4*len(f.owners))
	for pass, one := range f.owners {
		made := slices.Sorted(slices.Values(cores[pass]))
		list := strings.Join(made, ",")
		switch {
		case len(made) == 0:
			list = nothing
		case len(made) > boundMost:
			list = manyCores
		}
		args = append(args, pass, one.customer, decimal(one.until), list)
	}
	return args
}
