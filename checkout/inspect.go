package checkout

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Inspection is what can be read of the NATS server, for a check before a sale.
type Inspection struct {
	Synced    Synced
	SyncedWhy string // why Synced is not yes; "" for yes
	// MaxPayloadBytes is the server's max_payload, and MaxOrderBytes the longest order that passes.
	MaxPayloadBytes int64
	MaxOrderBytes   int
	OrderLog        StreamInspection
	Journal         StreamInspection
}

// StreamInspection is what can be read of one stream.
type StreamInspection struct {
	Name            string
	Storage         string // "file" or "memory"
	Replicas        int    // configured
	CurrentReplicas int    // of these, up to date now
	WantReplicas    int    // by WithReplicas; 0: not set
	UsedBytes       int64
	MaxBytes        int64 // -1: there is no bound
	FreeBytes       int64 // -1: there is no bound
}

// Inspect reads the server's settings and the state of the streams.
func (b *Broker) Inspect(ctx context.Context) (Inspection, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	i := Inspection{MaxPayloadBytes: b.nc.MaxPayload()}
	var err error
	if i.OrderLog, err = b.inspectStream(ctx, b.orders); err != nil {
		return i, err
	}
	if i.Journal, err = b.inspectStream(ctx, b.records); err != nil {
		return i, err
	}
	i.MaxOrderBytes = b.maxOrderBytes()
	i.Synced, i.SyncedWhy = b.inspectSync(ctx)
	return i, nil
}

func (b *Broker) inspectSync(ctx context.Context) (Synced, string) {
	synced, err := b.Synced(ctx)
	switch {
	case err != nil:
		return SyncedUnknown, err.Error()
	case synced == SyncedNo:
		return synced, "the server acknowledges before it syncs to disk; set sync_interval: always in its jetstream block"
	case synced == SyncedUnknown:
		return synced, "only the server's monitoring endpoint tells how it syncs, and its URL is not set"
	}
	return synced, ""
}

func (b *Broker) inspectStream(ctx context.Context, stream jetstream.Stream) (StreamInspection, error) {
	info, err := stream.Info(ctx)
	if err != nil {
		return StreamInspection{}, fmt.Errorf("stream %s: %w", stream.CachedInfo().Config.Name, err)
	}
	s := StreamInspection{
		Name: info.Config.Name, Storage: "file", Replicas: info.Config.Replicas, CurrentReplicas: 1, WantReplicas: b.opts.replicas,
		UsedBytes: int64(info.State.Bytes), MaxBytes: info.Config.MaxBytes, FreeBytes: -1,
	}
	if info.Config.Storage != jetstream.FileStorage {
		s.Storage = "memory"
	}
	if s.MaxBytes >= 0 {
		s.FreeBytes = max(0, s.MaxBytes-s.UsedBytes)
	}
	if info.Cluster != nil {
		for _, peer := range info.Cluster.Replicas {
			if peer.Current && !peer.Offline {
				s.CurrentReplicas++
			}
		}
	}
	return s, nil
}
