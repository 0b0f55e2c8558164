package proof

// Difficulty is how much work a challenge asks for, in steps from 0 to MaxDifficulty. Each step doubles it.
type Difficulty int

// MaxDifficulty bounds what is asked: 400,000 hashes at most and 200,000 on average. A phone that tries 100,000 a
// second, which is a slow one, needs 4 s at most.
const MaxDifficulty Difficulty = 4

// easiest is the greatest number of the easiest challenges.
const easiest = 25_000

// MaxNumber is the greatest number that has to be tried.
func (d Difficulty) MaxNumber() int64 { return easiest << min(max(d, 0), MaxDifficulty) }

// difficultyOf undoes MaxNumber, and rounds down.
func difficultyOf(maxNumber int64) (d Difficulty) {
	for d < MaxDifficulty && (d+1).MaxNumber() <= maxNumber {
		d++
	}
	return d
}

// Enough reports whether a solution of one difficulty counts where another is asked for now. One step below is enough:
// the address may have become busier while the visitor was solving.
func (d Difficulty) Enough(asked Difficulty) bool { return d >= asked-1 }

// Behaviour is what is known of the address that asks.
type Behaviour struct {
	// Joins and Refused are how often somebody there asked for a place, and was refused one, in the last one to two
	// minutes. They do not count the request that asks.
	Joins, Refused int
	// NetworkJoins are the joins of the network around the address.
	NetworkJoins int
	// Datacentre says that the address is in the shop's list of data centres.
	Datacentre bool
}

// What is a step of difficulty. A household with several people, or an office, is below the first of each.
const (
	joinsOfStep        = 4  // from an address; each further step doubles it
	networkJoinsOfStep = 32 // from a network
	refusedOfStep      = 2
)

// DifficultyFor is how much to ask of an address: a step for each doubling of its joins from 4 on, of its network's
// joins from 32 on or of its refusals from 2 on, whichever gives most, and two for a data centre. 0 means that
// nothing speaks against it.
func DifficultyFor(b Behaviour) Difficulty {
	d := max(steps(b.Joins, joinsOfStep), steps(b.NetworkJoins, networkJoinsOfStep), steps(b.Refused, refusedOfStep))
	if b.Datacentre {
		d += 2
	}
	return min(d, MaxDifficulty)
}

// steps counts the doublings from first up to count, first included.
func steps(count, first int) (d Difficulty) {
	for d < MaxDifficulty && count >= first {
		d, first = d+1, 2*first
	}
	return d
}
