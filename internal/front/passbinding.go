package front

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock/penstock/internal/problem"
	"github.com/penstock/penstock/internal/sale"
	"github.com/penstock/penstock/internal/salecache"
	"github.com/penstock/penstock/queue"
)

const (
	// maxSights bounds what a node remembers of passes and places.
	maxSights = 1 << 16
	// foreignFor is how long a node remembers that a pass may not be used from a place. Until then one
	// pass costs Redis no more than one look-up for each of its places.
	foreignFor = 5 * time.Second
)

// sight is one pass at one place.
type sight struct {
	sale    string
	ticket  queue.Number
	issued  int64 // Unix seconds
	kind    string
	visitor string // the place
}

// verdict is whether the pass may be used there, and until when that is known.
type verdict struct {
	may   bool
	until time.Time
}

// sights remembers what Redis said of passes and places, so that a visitor who goes through the gate again
// and again costs Redis one look-up.
type sights struct {
	mu    sync.Mutex
	known map[sight]verdict
}

func newSights() *sights { return &sights{known: make(map[sight]verdict)} }

func (s *sights) recall(one sight, now time.Time) (may, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, there := s.known[one]
	return v.may, there && now.Before(v.until)
}

// remember makes room by forgetting any other: what is forgotten is asked for again.
func (s *sights) remember(one sight, v verdict) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.known {
		if len(s.known) < maxSights {
			break
		}
		delete(s.known, other)
	}
	s.known[one] = v
}

// mayUse says whether a pass that holds may be used from a place: as the sale ties it, and from a bounded
// number of networks. A pass that shows up from more is taken back and reported: it was handed on.
//
// The error is pass_invalid, or unavailable while it is not known whether a tied pass may be used.
func (s *Server) mayUse(entry *salecache.Entry, pass queue.Pass, from visitorPlace) error {
	rec := entry.Record()
	switch rec.Admission.PassBinding {
	case sale.BindDevice:
		if from.device == "" {
			return problem.With(problem.PassInvalid, "the pass is tied to a browser, and the request does not name its browser")
		}
		if err := s.wantSight(entry, pass, "device", from.device, 1); err != nil {
			return err
		}
	case sale.BindNetwork:
		return s.wantSight(entry, pass, "network", from.network, 1)
	}
	may, err := s.sighted(entry, pass, "network", from.network, rec.Admission.MaxNetworks)
	if err == nil && !may {
		return s.takeBack(entry, pass, rec.Admission.MaxNetworks)
	}
	if errors.Is(err, problem.PassInvalid) {
		return err
	}
	return nil // the pass holds; the count is a precaution, and waits until Redis answers again
}

func (s *Server) wantSight(entry *salecache.Entry, pass queue.Pass, kind, place string, most int) error {
	may, err := s.sighted(entry, pass, kind, place, most)
	if err != nil {
		return err
	}
	if !may {
		return problem.With(problem.PassInvalid, "the pass is tied to another "+kind)
	}
	return nil
}

func (s *Server) sighted(entry *salecache.Entry, pass queue.Pass, kind, place string, most int) (bool, error) {
	one := sight{sale: pass.Sale, ticket: pass.Ticket, issued: pass.IssuedAt.Unix(), kind: kind, visitor: place}
	now := entry.Now()
	if may, known := s.sights.recall(one, now); known {
		return may, nil
	}
	if err := intact(entry); err != nil {
		return false, err
	}
	ctx, cancel := within(stageTimeout)
	defer cancel()
	may, err := entry.Room().Sight(ctx, pass, kind, place, most)
	if err != nil {
		return false, err
	}
	until := pass.ExpiresAt
	if !may {
		until = now.Add(foreignFor)
	}
	s.sights.remember(one, verdict{may: may, until: until})
	return may, nil
}

// takeBack ends a pass that is used from too many networks.
func (s *Server) takeBack(entry *salecache.Entry, pass queue.Pass, networks int) error {
	ctx, cancel := within(stageTimeout)
	defer cancel()
	if err := entry.Room().Release(ctx, pass); err != nil {
		return err
	}
	s.metrics.takenBack.Inc()
	s.log.LogAttrs(context.Background(), slog.LevelWarn, "a pass was used from too many networks and was taken back",
		slog.String("sale", pass.Sale), slog.Uint64("ticket", uint64(pass.Ticket)), slog.Int("networks", networks+1))
	return problem.With(problem.PassInvalid, "the pass was used from too many networks and was taken back")
}
