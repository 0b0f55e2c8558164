// Package degrade decides how much of the shop's comfort is given up under pressure, so that the
// sale itself keeps working: four levels, moved by measured pressure with hysteresis or pinned by
// an operator, and feature flags hung off them that shops read over OpenFeature's remote protocol.
//
// The decision (Next) is a pure function. Board is one node's view of it: the node that holds the
// lease measures and decides, every node reads the result from Redis. The ledger plays no part, so
// that the level stays known while it is down.
package degrade

import (
	"fmt"
	"strings"
)

// Level says how much is being given up. Greater is worse.
type Level int

// The four levels, in order.
const (
	Normal   Level = iota // nothing is given up
	Elevated              // comfort goes: recommendations, reviews
	Critical              // everything goes that a buyer can do without
	Survival              // only orders already under way are served well
)

// levelNames holds the text form of each level, by its number.
var levelNames = [...]string{Normal: "normal", Elevated: "elevated", Critical: "critical", Survival: "survival"}

// Levels returns every level from Normal to Survival.
func Levels() []Level { return []Level{Normal, Elevated, Critical, Survival} }

// String returns the level's name: normal, elevated, critical or survival.
func (l Level) String() string {
	if l < Normal || l > Survival {
		return fmt.Sprintf("level(%d)", int(l))
	}
	return levelNames[l]
}

// ParseLevel is the inverse of String. It fails on any other text.
func ParseLevel(name string) (Level, error) {
	for i, n := range levelNames {
		if n == name {
			return Level(i), nil
		}
	}
	return Normal, fmt.Errorf("unknown level %q: use one of %s", name, strings.Join(levelNames[:], ", "))
}

// MarshalText writes the level's name, so that JSON carries "critical" and not 2.
func (l Level) MarshalText() ([]byte, error) {
	if l < Normal || l > Survival {
		return nil, fmt.Errorf("level %d does not exist", int(l))
	}
	return []byte(levelNames[l]), nil
}

// UnmarshalText reads what MarshalText wrote.
func (l *Level) UnmarshalText(text []byte) error {
	parsed, err := ParseLevel(string(text))
	if err != nil {
		return err
	}
	*l = parsed
	return nil
}

// AdmissionFactor is the share of its configured rate at which a waiting room admits visitors at
// this level: 1, 0.5, 0.2, 0.05. It never reaches zero, since a line that stands still is the
// worst experience of all and those already admitted must be seen to leave.
func (l Level) AdmissionFactor() float64 {
	switch {
	case l <= Normal:
		return 1
	case l == Elevated:
		return 0.5
	case l == Critical:
		return 0.2
	default:
		return 0.05
	}
}
