package bots

import (
	"time"

	"github.com/penstock/penstock/internal/sale"
)

// Released counts a reservation that was given back. Beyond the limits it makes a debt of at most a minute.
func (l *Limits) Released(who Who, limits sale.Limits, now time.Time) {
	l.networks.charge(who.network(ReleasesPerNetwork), limits.ReleasesPerNetwork, now)
	l.addresses.charge(who.site(ReleasesPerAddress), limits.ReleasesPerAddress, now)
}

// Owed says whether so much was given back lately that the next reservation has to wait. It takes nothing.
func (l *Limits) Owed(who Who, limits sale.Limits, now time.Time) Taken {
	t := Taken{Tightest: ReleasesPerNetwork, PerMinute: limits.ReleasesPerNetwork, Wait: l.networks.owes(who.network(ReleasesPerNetwork), limits.ReleasesPerNetwork, now)}
	if wait := l.addresses.owes(who.site(ReleasesPerAddress), limits.ReleasesPerAddress, now); wait > t.Wait {
		t.Tightest, t.PerMinute, t.Wait = ReleasesPerAddress, limits.ReleasesPerAddress, wait
	}
	return t
}
