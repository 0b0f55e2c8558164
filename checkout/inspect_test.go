package checkout

import (
	"strings"
	"testing"

	"github.com/penstock/penstock/internal/testenv"
)

func TestInspectReadsTheServersSettings(t *testing.T) {
	s := startServer(t, testenv.NATSConfig("max_payload: 64KB"), testenv.SyncInterval(`"2m"`))
	b := s.broker(t, WithStreamBytes(1<<20, 2<<20))
	appendOrders(t, orderLog(t, b, LogOptions{}), 0, 10)
	got, err := b.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.Synced != SyncedNo || !strings.Contains(got.SyncedWhy, "sync_interval") || got.MaxPayloadBytes != 64_000 && got.MaxPayloadBytes != 64<<10 ||
		got.MaxOrderBytes >= int(got.MaxPayloadBytes) {
		t.Errorf("the server: %+v", got)
	}
	o := got.OrderLog
	if o.Name != OrderStream || o.Storage != "file" || o.Replicas != 1 || o.CurrentReplicas != 1 || o.WantReplicas != 0 ||
		o.UsedBytes == 0 || o.MaxBytes != 1<<20 || o.FreeBytes != o.MaxBytes-o.UsedBytes {
		t.Errorf("the order log: %+v", o)
	}
	if got.Journal.Name != JournalStream || got.Journal.MaxBytes != 2<<20 {
		t.Errorf("the journal: %+v", got.Journal)
	}
	b.opts.monitorURL = ""
	if got, err = b.Inspect(t.Context()); err != nil || got.Synced != SyncedUnknown || got.SyncedWhy == "" {
		t.Errorf("without monitoring: %+v, %v", got, err)
	}
}

func TestReplicasThatCannotBeHadAreReported(t *testing.T) {
	onBothEngines(t, func(t *testing.T, open func(...Option) *Broker) {
		open() // the streams exist, with one replica
		got, err := open(WithReplicas(3)).Inspect(t.Context())
		if err != nil || got.OrderLog.Replicas != 1 || got.OrderLog.WantReplicas != 3 {
			t.Errorf("got %+v, %v", got.OrderLog, err)
		}
	})
}
