package saleindex

import (
	_ "embed"

	"github.com/penstock/penstock/internal/redis"
)

//go:embed scripts/sale_publish.lua
var salePublishBody string

//go:embed scripts/index_put.lua
var indexPutBody string

//go:embed scripts/index_mark.lua
var indexMarkBody string

//go:embed scripts/index_look.lua
var indexLookBody string

var (
	salePublishScript = redis.NewScript("sale_publish", salePublishBody)
	indexPutScript    = redis.NewScript("index_put", indexPutBody)
	indexMarkScript   = redis.NewScript("index_mark", redis.ServerRunLua+indexMarkBody)
	indexLookScript   = redis.NewScript("index_look", redis.ServerRunLua+indexLookBody)
)

// The keys of the index share a slot. No sale can have this id.
const hashTag = "@index"

//nolint:gochecknoglobals // names that are never written
var (
	indexKey = redis.Key(hashTag, "sales")   // sale → edition (hash); and the marks :run, :mark, :change and :asked
	busyKey  = redis.Key(hashTag, "busy")    // sale → when it was last busy on a node, ms (sorted set)
	whyKey   = redis.Key(hashTag, "refused") // sale → why it cannot be armed (hash)
)

// recordKey holds the record of one sale.
func recordKey(saleID string) string { return redis.Key(saleID, "sale") }
