package checkout

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// replayStall is how long Replay waits for the next message before it gives up with an error.
const replayStall = 10 * time.Second

// Replay yields the records of a sale that were written at or after since, by the server's clock,
// in their order, up to the last one at the time of the call. It covers what every node wrote;
// what a node has only enqueued is not there yet (see Flush). A record may come twice. After an
// error, which is yielded last, the replay is not whole. The records may be kept.
func (j *Journal) Replay(ctx context.Context, saleID string, since time.Time) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if err := j.replay(ctx, saleID, since, func(r []byte) bool { return yield(r, nil) }); err != nil {
			yield(nil, fmt.Errorf("journal of %s: replay: %w", saleID, err))
		}
	}
}

func (j *Journal) replay(ctx context.Context, saleID string, since time.Time, each func([]byte) bool) error {
	last, err := j.last(ctx, saleID)
	if err != nil || last == nil || last.Time.Before(since) {
		return err
	}
	cfg := jetstream.OrderedConsumerConfig{FilterSubjects: subjectsOf(saleID), DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since}
	if since.IsZero() {
		cfg.DeliverPolicy, cfg.OptStartTime = jetstream.DeliverAllPolicy, nil
	}
	consumer, err := j.stream.OrderedConsumer(ctx, cfg)
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(64))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		seq, records, err := nextRecords(ctx, messages)
		if err != nil || seq > last.Sequence {
			return err
		}
		for _, r := range records {
			if !each(r) {
				return nil
			}
		}
		if seq == last.Sequence {
			return nil
		}
	}
}

// subjectsOf are the subjects of a sale's records. The first is what older nodes write.
func subjectsOf(saleID string) []string {
	return []string{journalSubject + saleID, journalSubject + saleID + ".*"}
}

// last is the newest message of a sale, or nil.
func (j *Journal) last(ctx context.Context, saleID string) (*jetstream.RawStreamMsg, error) {
	var newest *jetstream.RawStreamMsg
	for _, subject := range subjectsOf(saleID) {
		msg, err := j.stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if newest == nil || msg.Sequence > newest.Sequence {
			newest = msg
		}
	}
	return newest, nil
}

func nextRecords(ctx context.Context, messages jetstream.MessagesContext) (uint64, [][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, replayStall)
	defer cancel()
	msg, err := messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return 0, nil, err
	}
	meta, err := msg.Metadata()
	if err != nil {
		return 0, nil, err
	}
	records, err := splitBatch(msg.Data())
	if err != nil {
		return 0, nil, fmt.Errorf("message %d: %w", meta.Sequence.Stream, err)
	}
	return meta.Sequence.Stream, records, nil
}

// Forget removes all records of a sale, when the sale is deleted.
func (j *Journal) Forget(ctx context.Context, saleID string) error {
	for _, subject := range subjectsOf(saleID) {
		if err := j.stream.Purge(ctx, jetstream.WithPurgeSubject(subject)); err != nil {
			return fmt.Errorf("journal of %s: %w", saleID, err)
		}
	}
	return nil
}
