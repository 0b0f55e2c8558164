package checkout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publishTimeout is how long one publication waits for its acknowledgement.
const publishTimeout = 3 * time.Second

// codeStreamFull and the like are JetStream's error codes for a stream at its limit
// (nats-server, server/errors.json: JSStreamStoreFailedF, JSInsufficientResourcesErr).
const (
	codeStoreFailed           jetstream.ErrorCode = 10077
	codeInsufficientResources jetstream.ErrorCode = 10023
)

// ErrLogFull says that the stream is at its bound, and refuses.
var ErrLogFull = errors.New("checkout: the log is full")

// publishAll sends the messages and waits for all their acknowledgements. An error, other than
// ErrLogFull, leaves open whether that message was stored: only its acknowledgement was missed.
func publishAll(ctx context.Context, js jetstream.JetStream, messages []*nats.Msg) []error {
	errs := make([]error, len(messages))
	futures := make([]jetstream.PubAckFuture, len(messages))
	for i, m := range messages {
		futures[i], errs[i] = js.PublishMsgAsync(m)
	}
	for i, f := range futures {
		if errs[i] == nil {
			errs[i] = awaitAck(ctx, f)
		}
		if errs[i] != nil {
			errs[i] = explain(errs[i])
		}
	}
	return errs
}

func awaitAck(ctx context.Context, f jetstream.PubAckFuture) error {
	select {
	case <-f.Ok():
		return nil
	case err := <-f.Err():
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func explain(err error) error {
	var api jetstream.JetStreamError
	if errors.As(err, &api) && api.APIError() != nil {
		switch api.APIError().ErrorCode {
		case codeStoreFailed, codeInsufficientResources:
			return fmt.Errorf("%w: %w", ErrLogFull, err)
		}
	}
	return err
}
