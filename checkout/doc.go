// Package checkout takes orders: it accepts them durably, carries them in the order log, and
// drains the log into the ledger.
//
// # The way of an order
//
// [Desk.Accept] confirms the reservation in Redis, which in the same atomic step puts the order
// into the outbox; appends the order to the log ([Log.Append], fsynced before it returns); takes it
// off the outbox, if the sale is still the one in which it was confirmed ([reservation.Stock.Published]);
// and only then says yes. [Desk.Relay] appends what a dead node left in the outbox. [Drain] takes
// orders from the log in batches, commits each batch to the ledger in one transaction, settles
// them in Redis and then acknowledges them.
//
// Every step may happen twice: a process may die, or an answer may be lost, at any line. So each
// step is at least once, and the ledger's unique reservation id makes the whole exactly once.
//
// # The order log
//
// One JetStream message carries a group of orders, as a Kafka record batch does. JetStream that
// syncs always does one fsync a message, so orders that arrive while a group is being written
// travel together in the next. The subject's last token is the number of orders in the message
// (penstock.orders.17), so that the backlog can be counted in orders by asking for the subjects.
//
// # One contract
//
// What [Desk.Accept] takes, the ledger takes: validate.go has the only rules of an order. Before the
// reservation is confirmed they are applied to what the shop sent: a document is compacted once, and
// these bytes are checked, sent and stored. Only the script that confirms sees the rest of the order:
// it comes from the reservation and the sale, which are within the same bounds. The ledger applies
// the rules to the whole ([Order.Validate]). An order also fits a message of the NATS server
// (max_payload) before it is confirmed. An order that the ledger refuses all the same, because it has
// no units or does not know the item, becomes a dead letter and is failed.
//
// # The journal
//
// The records that rebuild Redis travel as penstock.journal.<sale>.<bytes>, so that what a sale
// occupies can be counted by asking for its subjects. Each sale has a quota; a full journal refuses
// and forgets nothing.
//
// # Why limits retention, and not a work queue
//
// In a work-queue stream each acknowledged message costs a tombstone record, which a server that
// syncs always fsyncs: 204 fsyncs for 200 acknowledgements, against 4 (nats-server 2.15, counted
// with strace). Acknowledging would cost as much as accepting. Here messages stay until
// the drain trims the stream below its ack floor, some times a second, in one call. The stream is
// bounded and refuses new orders when it is full; it never drops old ones.
package checkout
