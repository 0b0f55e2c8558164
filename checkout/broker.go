package checkout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	connectWithin   = 10 * time.Second // a server that starts beside us gets this long
	jetStreamWithin = 3 * time.Second  // and JetStream on it this long more
	dialWithin      = 2 * time.Second
	reconnectWait   = 250 * time.Millisecond
	reconnectJitter = 250 * time.Millisecond
	requestTimeout  = 5 * time.Second
	pingEvery       = 5 * time.Second
)

// Broker is this node's connection to NATS, with the two streams in place.
type Broker struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	orders  jetstream.Stream
	records jetstream.Stream
	journal *Journal
	opts    options
	log     *slog.Logger
}

type options struct {
	monitorURL    string
	synced        Synced
	orderLogBytes int64
	journalBytes  int64
	replicas      int
	metrics       *Metrics
	journalLimits JournalLimits
}

// Option changes how a Broker is set up.
type Option func(*options)

// WithMonitorURL names the server's monitoring endpoint, for example http://127.0.0.1:8222, from
// which Synced reads how the server syncs.
func WithMonitorURL(u string) Option { return func(o *options) { o.monitorURL = u } }

// WithSynced tells how the server syncs when that is known, as of the embedded one.
func WithSynced(s Synced) Option { return func(o *options) { o.synced = s } }

// WithStreamBytes bounds the two streams, in bytes; 0 keeps what an existing stream has, or 1 GiB.
func WithStreamBytes(orderLog, journal int64) Option {
	return func(o *options) { o.orderLogBytes, o.journalBytes = orderLog, journal }
}

// WithReplicas sets the replicas of both streams. 0 keeps what an existing stream has, and makes a
// new one with 1. When the server refuses to change an existing stream, that is logged, the stream
// stays as it is, and Inspect shows the difference.
func WithReplicas(n int) Option { return func(o *options) { o.replicas = n } }

// WithMetrics counts into m.
func WithMetrics(m *Metrics) Option { return func(o *options) { o.metrics = m } }

// WithJournalLimits bounds the journal's buffer on this node.
func WithJournalLimits(l JournalLimits) Option { return func(o *options) { o.journalLimits = l } }

// Connect reaches NATS at natsURL (several URLs separated by commas are one cluster) and puts the
// streams in place. It waits up to 10 s, or ctx, for a server that is still starting; after that
// a lost connection is taken up again for as long as the process lives. Errors are one line and
// name the address without its password.
func Connect(ctx context.Context, natsURL string, log *slog.Logger, opts ...Option) (*Broker, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	where := redact(natsURL)
	o := gather(opts)
	for {
		nc, err := nats.Connect(natsURL, connOptions(log, o.metrics)...)
		if err == nil {
			return open(ctx, nc, where, log, o)
		}
		if errors.Is(err, nats.ErrAuthorization) {
			return nil, fmt.Errorf("nats at %s refuses these credentials: %w", where, err)
		}
		if !sleep(ctx, reconnectWait) {
			return nil, fmt.Errorf("nats at %s cannot be reached: %w", where, err)
		}
	}
}

// ConnectTo builds on a connection that exists, such as the in-process one of the embedded server.
// The broker owns it from then on, and Close closes it.
func ConnectTo(ctx context.Context, nc *nats.Conn, log *slog.Logger, opts ...Option) (*Broker, error) {
	ctx, cancel := context.WithTimeout(ctx, connectWithin)
	defer cancel()
	return open(ctx, nc, "the given connection", log, gather(opts))
}

func gather(opts []Option) options {
	o := options{synced: SyncedUnknown}
	for _, set := range opts {
		set(&o)
	}
	if o.metrics == nil {
		o.metrics = NewMetrics(nil)
	}
	return o
}

// connOptions: no reconnect buffer, because an order that sits in a buffer of ours is neither
// durable nor refused. Publishing while disconnected fails at once.
func connOptions(log *slog.Logger, m *Metrics) []nats.Option {
	return []nats.Option{
		nats.Name("penstock"), nats.Timeout(dialWithin), nats.MaxReconnects(-1), nats.IgnoreAuthErrorAbort(),
		nats.ReconnectWait(reconnectWait), nats.ReconnectJitter(reconnectJitter, reconnectJitter),
		nats.ReconnectBufSize(-1), nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if nc.IsClosed() {
				return
			}
			m.disconnects.Inc()
			log.Warn("lost the connection to NATS", "error", err)
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("connected to NATS again", "server", nc.ConnectedUrlRedacted()) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { log.Warn("NATS reports", "error", err) }),
	}
}

func open(ctx context.Context, nc *nats.Conn, where string, log *slog.Logger, o options) (*Broker, error) {
	b, err := openStreams(ctx, nc, log, o)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("nats at %s: %w", where, err)
	}
	b.journal = newJournal(b)
	return b, nil
}

func openStreams(ctx context.Context, nc *nats.Conn, log *slog.Logger, o options) (*Broker, error) {
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(requestTimeout), jetstream.WithPublishAsyncTimeout(publishTimeout))
	if err != nil {
		return nil, err
	}
	if err := waitForJetStream(ctx, js); err != nil {
		return nil, err
	}
	orders, err := ensureStream(ctx, js, ordersConfig(o), o.orderLogBytes, log)
	if err != nil {
		return nil, err
	}
	records, err := ensureStream(ctx, js, journalConfig(o), o.journalBytes, log)
	if err != nil {
		return nil, err
	}
	return &Broker{nc: nc, js: js, orders: orders, records: records, opts: o, log: log}, nil
}

// waitForJetStream gives a server that has just restarted a moment to open its store.
func waitForJetStream(ctx context.Context, js jetstream.JetStream) error {
	until := time.Now().Add(jetStreamWithin)
	for {
		_, err := js.AccountInfo(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(until) {
			if errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount) {
				return errors.New("JetStream is off (start nats-server with -js and a store_dir, or enable it for the account)")
			}
			return fmt.Errorf("JetStream does not answer: %w", err)
		}
		sleep(ctx, reconnectWait/5)
	}
}

// maxMessageBytes is how many bytes of records a message of the stream may have, by what the server
// told when this connection was made, or made again.
func (b *Broker) maxMessageBytes(stream jetstream.Stream) int {
	most := b.nc.MaxPayload()
	if bound := stream.CachedInfo().Config.MaxMsgSize; bound > 0 {
		most = min(most, int64(bound))
	}
	return int(max(0, most-messageOverhead))
}

// maxOrderBytes is the longest record that the order log takes now.
func (b *Broker) maxOrderBytes() int { return min(MaxOrderBytes, b.maxMessageBytes(b.orders)) }

// Healthy returns an error while the connection is down.
func (b *Broker) Healthy() error {
	if !b.nc.IsConnected() {
		return fmt.Errorf("nats: %s", strings.ToLower(b.nc.Status().String()))
	}
	return nil
}

// Journal is this node's writer and reader of the journal. There is one a broker.
func (b *Broker) Journal() *Journal { return b.journal }

// Close writes what the journal still holds, until ctx ends, and closes the connection. Order
// logs, desks and drains are closed before.
func (b *Broker) Close(ctx context.Context) error {
	err := b.journal.close(ctx)
	if flushErr := b.nc.FlushWithContext(withDeadline(ctx)); flushErr != nil && b.nc.IsConnected() {
		err = errors.Join(err, fmt.Errorf("nats: flush: %w", flushErr))
	}
	b.nc.Close()
	return err
}

// withDeadline: the client's flush refuses a context that never ends.
func withDeadline(ctx context.Context) context.Context {
	if _, ok := ctx.Deadline(); ok {
		return ctx
	}
	bounded, cancel := context.WithTimeout(ctx, requestTimeout)
	context.AfterFunc(bounded, cancel)
	return bounded
}

// redact removes passwords and tokens.
func redact(natsURL string) string {
	parts := strings.Split(natsURL, ",")
	for i, p := range parts {
		p = strings.TrimSpace(p)
		u, err := url.Parse(p)
		if err != nil {
			p = "(an address that cannot be read)"
		} else if u.User != nil {
			u.User = nil
			p = u.String()
		}
		parts[i] = p
	}
	return strings.Join(parts, ",")
}
