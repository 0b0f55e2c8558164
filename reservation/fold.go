package reservation

import "iter"

// foldGraceMillis is how much later than the journal's newest moment a record may still tell of an
// earlier one: nodes append on their own.
const foldGraceMillis = 10 * 60 * 1000

// foldFirstPrune is how many reservations are kept before the first look for those that have lapsed.
const foldFirstPrune = 1 << 16

// Folder reads the records of a journal one by one into the reservations that may still hold units.
// Their order does not matter. Its memory stays in proportion to the reservations of the last
// lifetime, however long the journal: what has lapsed is dropped on the way. The zero value is ready.
type Folder struct {
	all     map[[coreBytes]byte]foldEntry
	owners  owners
	newest  int64
	prune   int
	damaged int
}

// foldEntry is the latest record of a reservation.
type foldEntry struct {
	data                string // the record; empty once the reservation was released
	expires, extensions int64
}

// Add takes a record; it keeps no reference to it. Those of other kinds are passed over, damaged ones
// are counted.
func (f *Folder) Add(data []byte) {
	kind, core, r, err := decodeJournal(data)
	if err != nil {
		if len(data) == 0 || data[0] == journalMark {
			f.damaged++
		}
		return
	}
	if f.all == nil {
		f.all, f.owners, f.prune = make(map[[coreBytes]byte]foldEntry), make(owners), foldFirstPrune
	}
	key := coreKey(core)
	f.newest = max(f.newest, r.created)
	f.owners.note(&r)
	entry, seen := f.all[key]
	released := kind == kindReleased || seen && entry.data == ""
	if !seen || r.expires > entry.expires || r.expires == entry.expires && r.extensions > entry.extensions {
		entry = foldEntry{data: entry.data, expires: r.expires, extensions: r.extensions}
		if !released {
			entry.data = string(data)
		}
	}
	if released {
		entry.data = ""
	}
	f.all[key] = entry
	if len(f.all)+len(f.owners) > f.prune {
		f.dropLapsed(f.newest - foldGraceMillis)
		f.owners.dropLapsed(f.newest - foldGraceMillis)
		f.prune = max(foldFirstPrune, 2*(len(f.all)+len(f.owners)))
	}
}

func coreKey(core string) (key [coreBytes]byte) {
	raw, err := encoding.AppendDecode(make([]byte, 0, coreBytes), []byte(core))
	if err == nil {
		copy(key[:], raw)
	}
	return key
}

func (f *Folder) dropLapsed(before int64) {
	for key, entry := range f.all {
		if entry.expires < before {
			delete(f.all, key)
		}
	}
}

// Folded returns what was read, and leaves the folder empty.
func (f *Folder) Folded() *Folded {
	out := &Folded{all: f.all, owners: f.owners, Damaged: f.damaged}
	for key, entry := range out.all {
		if entry.data == "" {
			delete(out.all, key)
		}
	}
	*f = Folder{}
	return out
}

// Folded are the reservations that held units by the journal when it was read. Some of them may be
// orders by now.
type Folded struct {
	all    map[[coreBytes]byte]foldEntry
	owners owners
	// Damaged counts the journal records that could not be read.
	Damaged int
}

// Live tells how many reservations the journal left.
func (f *Folded) Live() int {
	if f == nil {
		return 0
	}
	return len(f.all)
}

// records goes through the reservations in no particular order.
func (f *Folded) records() iter.Seq2[string, record] {
	return func(yield func(string, record) bool) {
		if f == nil {
			return
		}
		for _, entry := range f.all {
			_, core, r, err := decodeJournal([]byte(entry.data))
			if err == nil && !yield(core, r) {
				return
			}
		}
	}
}
