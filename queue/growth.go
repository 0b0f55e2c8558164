package queue

const (
	minBlock = 64
	maxBlock = 4096
)

// growth measures how fast visitors join here, to size the blocks by which the mark is raised:
// big enough that a rush seldom waits for the journal, small enough that few numbers are lost.
// Only the one run of the combiner uses it.
type growth struct {
	sinceMillis int64
	count       int
	perSecond   float64
}

func (g *growth) add(n int, nowMillis int64) {
	if g.sinceMillis == 0 {
		g.sinceMillis = nowMillis
	}
	g.count += n
	if elapsed := nowMillis - g.sinceMillis; elapsed >= 1000 {
		g.perSecond = float64(g.count) * 1000 / float64(elapsed)
		g.count, g.sinceMillis = 0, nowMillis
	}
}

// block is about two seconds' worth.
func (g *growth) block() int {
	recent := max(g.perSecond, float64(g.count))
	return min(max(int(2*recent), minBlock), maxBlock)
}
