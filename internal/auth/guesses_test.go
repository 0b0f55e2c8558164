package auth

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/penstock/penstock/internal/problem"
)

// The ledger hangs, and somebody presents one made-up key after the other.
func TestGuessedKeysOccupyTheLedgerWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plain, hash, b := oneKey(Shop)
		var hangs atomic.Bool
		var asking atomic.Int64
		keys := NewKeys("", func(ctx context.Context, asked string) (Identity, bool, error) {
			if !hangs.Load() {
				return b.lookup(ctx, asked)
			}
			if asked == hash {
				return Identity{}, false, errors.New("connection refused")
			}
			asking.Add(1)
			<-ctx.Done()
			asking.Add(-1)
			return Identity{}, false, ctx.Err()
		})
		expect(t, keys, plain, nil)
		hangs.Store(true)
		for range 10 * guessesAtOnce {
			guess, _ := NewKey()
			go func() {
				if _, err := keys.Authenticate(t.Context(), guess); !errors.Is(err, problem.Unavailable) {
					t.Errorf("got %v", err)
				}
			}()
		}
		synctest.Wait()
		if asking.Load() != guessesAtOnce {
			t.Fatalf("%d questions at a time", asking.Load())
		}
		time.Sleep(freshFor - guessTimeout/2) // the good key has to be asked for again
		expect(t, keys, plain, nil)
		time.Sleep(guessTimeout)
		if asking.Load() != 0 {
			t.Fatalf("%d questions are still open", asking.Load())
		}
	})
}
