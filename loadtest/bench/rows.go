package main

import (
	"context"

	"github.com/penstock/penstock/loadtest/internal/stand"
)

// row is one line of the table: a request made again and again.
type row struct {
	name   string // for --rows; the same row on several stands has one name
	title  string
	script string // below wrk/
	// prepare makes the sale in round 0, and in each round what its requests need.
	prepare func(ctx context.Context, b *bench, s *stand.Stand, round int) (shot, error)
}

// shot is what one measurement sends and how its result is checked.
type shot struct {
	path string
	env  []string
	// refusals: every answer is a refusal (4xx), as it should be; else none may be.
	refusals bool
	// count is what the server's own books say was done so far; nil = it keeps no books on it.
	count func(ctx context.Context) (int64, error)
	// settle waits until what the requests caused is done, too; its CPU counts.
	settle func(ctx context.Context) error
	// redisCommands: count the commands that Redis executed meanwhile.
	redisCommands bool
}

// group is a stand and the rows measured on it.
type group struct {
	title       string
	backend     stand.Backend
	appendFsync string
	rows        []row
}

const (
	helloRow = "hello"
	drainRow = "drain"
)

// groups are all rows but hello, which also stands beside each of them, and
// drain, which needs no server.
func groups() []group {
	return []group{
		{title: "embedded", backend: stand.Embedded, rows: []row{
			{name: "document", title: "public document", script: "get.lua", prepare: prepareDocument},
			{name: "poll", title: "poll", script: "poll.lua", prepare: preparePoll},
			{name: "soldout", title: "sold-out answer", script: "reserve.lua", prepare: prepareSoldOut},
			{name: "reserve", title: "reservation", script: "reserve.lua", prepare: prepareReserve},
			{name: "order", title: "durable order", script: "order.lua", prepare: prepareOrder},
		}},
		{title: "real, Redis everysec", backend: stand.Real, appendFsync: "everysec", rows: []row{
			{name: "poll", title: "poll", script: "poll.lua", prepare: preparePoll},
			{name: "reserve", title: "reservation", script: "reserve.lua", prepare: prepareReserve},
			{name: "order", title: "durable order", script: "order.lua", prepare: prepareOrder},
		}},
		{title: "100,000 wait, real", backend: stand.Real, appendFsync: "everysec", rows: []row{
			{name: "crowd", title: "poll", script: "poll.lua", prepare: prepareCrowd},
		}},
		{title: "real, Redis always", backend: stand.Real, appendFsync: "always", rows: []row{
			{name: "reserve", title: "reservation", script: "reserve.lua", prepare: prepareReserve},
		}},
	}
}

func rowNames() []string {
	return []string{helloRow, "document", "poll", "crowd", "soldout", "reserve", "order", drainRow}
}
