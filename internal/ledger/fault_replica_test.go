//go:build faults

package ledger

import "testing"

func TestFaultWhateverBecomesOfTheReplicaListingsAreAnsweredAndFresh(t *testing.T) {
	p := newPair(t)
	ctx := t.Context()
	p.checkAfter("its replay is paused", func() error { return p.replica.PauseReplay(ctx) })
	p.must(p.replica.ResumeReplay(ctx))
	p.checkAfter("it is stopped", p.replica.Stop)
	p.must(p.replica.Start(ctx))
	p.checkAfter("it is killed", p.replica.Kill)
	p.must(p.replica.Start(ctx))
	p.checkAfter("it hangs", p.replica.Pause)
	p.must(p.replica.Resume())
	p.checkAfter("it has lost its primary and does not know", func() error { return p.replica.LosePrimary(ctx) })
	p.checkLog(5)
}
