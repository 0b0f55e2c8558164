package auth

import (
	"sync"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// answer is what the ledger said about a key, and when.
type answer struct {
	holder Identity
	found  bool
	at     time.Time
	asking bool // a request is asking again
}

func (a answer) identity() (Identity, error) {
	if !a.found {
		return Identity{}, problem.Unauthorized
	}
	return a.holder, nil
}

type answerState int

const (
	unknown answerState = iota // nothing is remembered
	usable                     // believe it
	expired                    // ask again; it may serve if the ledger is silent
)

// answers is a bounded memory of the ledger's answers by key hash.
type answers struct {
	mu     sync.Mutex
	limit  int
	byHash map[string]answer
}

func newAnswers(limit int) *answers {
	return &answers{limit: limit, byHash: make(map[string]answer)}
}

// find returns what is remembered. When an answer is no longer fresh, the first caller is told to
// ask again and the others may use the old one for a little while longer.
func (m *answers) find(hash string, now time.Time) (answer, answerState) {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, ok := m.byHash[hash]
	if !ok {
		return answer{}, unknown
	}
	age := now.Sub(known.at)
	switch {
	case age < freshFor, known.asking && age < staleFor:
		return known, usable
	case age >= graceFor:
		delete(m.byHash, hash)
		return answer{}, unknown
	}
	known.asking = true
	m.byHash[hash] = known
	return known, expired
}

// vouches reports that the ledger knew the key when it was last asked, and that this is not long ago.
func (m *answers) vouches(hash string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	known, there := m.byHash[hash]
	return there && known.found && now.Sub(known.at) < graceFor
}

func (m *answers) keep(hash string, a answer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, there := m.byHash[hash]; !there && len(m.byHash) >= m.limit {
		m.makeRoom(a.at)
	}
	m.byHash[hash] = a
}

// makeRoom drops answers: those that say nothing good or are no longer fresh first, else any one.
// Map order is random enough that nobody can choose whose answer goes.
func (m *answers) makeRoom(now time.Time) {
	var last string
	for hash, a := range m.byHash {
		if !a.found || now.Sub(a.at) >= freshFor {
			delete(m.byHash, hash)
		}
		last = hash
	}
	if len(m.byHash) >= m.limit {
		delete(m.byHash, last)
	}
}

// askAgain lets the next caller ask, after this one could not.
func (m *answers) askAgain(hash string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.byHash[hash]; ok {
		known.asking = false
		m.byHash[hash] = known
	}
}

func (m *answers) forget(hash string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.byHash, hash)
}
