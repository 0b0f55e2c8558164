package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The names on the server. One NATS account holds one Penstock.
const (
	OrderStream   = "PENSTOCK_ORDERS"
	JournalStream = "PENSTOCK_JOURNAL"

	orderSubject   = "penstock.orders."  // + number of orders in the message
	journalSubject = "penstock.journal." // + sale + "." + bytes of the message

	defaultStreamBytes = 1 << 30
	// JournalMaxAge is how long the journal keeps a record.
	JournalMaxAge = 48 * time.Hour
	// A journal message is sent again with the same id until it is acknowledged; within this
	// window the server keeps only one of them. Longer would cost memory for each message.
	journalDuplicates = 30 * time.Second
	maxMessageBytes   = 1 << 20
)

func ordersConfig(o options) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: OrderStream, Description: "Penstock: orders accepted and not yet in the ledger",
		Subjects: []string{orderSubject + ">"}, Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
		MaxBytes: defaultStreamBytes, Discard: jetstream.DiscardNew, // full refuses; it never drops an order
		MaxMsgSize: maxMessageBytes, Replicas: o.replicas, AllowDirect: true,
	}
}

func journalConfig(o options) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: JournalStream, Description: "Penstock: what rebuilds Redis",
		Subjects: []string{journalSubject + ">"}, Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
		// Full refuses: a record that is dropped would be a hold that a rebuild forgets.
		MaxAge: JournalMaxAge, MaxBytes: defaultStreamBytes, Discard: jetstream.DiscardNew,
		MaxMsgSize: maxMessageBytes, Replicas: o.replicas, AllowDirect: true, Duplicates: journalDuplicates,
	}
}

// ensureStream creates the stream, or brings an existing one in line with what correctness needs.
// What belongs to the operator stays: placement, the size unless maxBytes is set, and the replicas
// unless want has some.
func ensureStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig, maxBytes int64, log *slog.Logger) (jetstream.Stream, error) {
	if maxBytes > 0 {
		want.MaxBytes = maxBytes
	}
	s, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		want.Replicas = max(1, want.Replicas)
		s, err = js.CreateStream(ctx, want)
		if err != nil {
			return nil, fmt.Errorf("create stream %s: %w (its %d bytes must fit the server's max_file_store)", want.Name, err, want.MaxBytes)
		}
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", want.Name, err)
	}
	have := s.CachedInfo().Config
	if err := usable(have); err != nil {
		return nil, err
	}
	merged, changed := merge(have, want, maxBytes > 0)
	if changed {
		if s, err = js.UpdateStream(ctx, merged); err != nil {
			return nil, fmt.Errorf("update stream %s: %w", want.Name, err)
		}
	}
	return setReplicas(ctx, js, s, want.Replicas, log), nil
}

// setReplicas changes the replicas of an existing stream, if another number is wanted. A refusal, as
// by a server that is alone, does not keep the node from starting: orders are safe as before.
func setReplicas(ctx context.Context, js jetstream.JetStream, s jetstream.Stream, want int, log *slog.Logger) jetstream.Stream {
	cfg := s.CachedInfo().Config
	if want == 0 || cfg.Replicas == want {
		return s
	}
	have := cfg.Replicas
	cfg.Replicas = want
	updated, err := js.UpdateStream(ctx, cfg)
	if err != nil {
		log.Warn("a stream keeps another number of replicas than is set", "stream", cfg.Name, "replicas", have, "wanted", want, "error", err)
		return s
	}
	return updated
}

// usable refuses what cannot be changed by an update and would break a promise.
func usable(have jetstream.StreamConfig) error {
	switch {
	case have.Storage != jetstream.FileStorage:
		return fmt.Errorf("stream %s is kept in memory; it must be on file", have.Name)
	case have.Retention != jetstream.LimitsPolicy:
		return fmt.Errorf("stream %s has %v retention; it must be limits", have.Name, have.Retention)
	case have.PersistMode == jetstream.AsyncPersistMode:
		return fmt.Errorf("stream %s persists asynchronously: its acknowledgement would promise nothing", have.Name)
	case have.Sealed || have.NoAck:
		return fmt.Errorf("stream %s is sealed or does not acknowledge", have.Name)
	}
	return nil
}

func merge(have, want jetstream.StreamConfig, setBytes bool) (jetstream.StreamConfig, bool) {
	merged := have
	merged.Subjects, merged.Discard, merged.MaxAge, merged.AllowDirect = want.Subjects, want.Discard, want.MaxAge, want.AllowDirect
	if have.MaxMsgSize >= 0 && have.MaxMsgSize < want.MaxMsgSize {
		merged.MaxMsgSize = want.MaxMsgSize
	}
	if want.Duplicates > 0 {
		merged.Duplicates = want.Duplicates
	}
	if setBytes {
		merged.MaxBytes = want.MaxBytes
	}
	same := slices.Equal(merged.Subjects, have.Subjects) && merged.Discard == have.Discard && merged.MaxAge == have.MaxAge &&
		merged.AllowDirect == have.AllowDirect && merged.Duplicates == have.Duplicates && merged.MaxBytes == have.MaxBytes &&
		merged.MaxMsgSize == have.MaxMsgSize
	return merged, !same
}
