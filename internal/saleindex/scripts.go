package saleindex

import (
	_ "embed"

	"github.com/penstock/penstock/internal/redis"
)

//go:embed scripts/publish.lua
var publishBody string

var publish = redis.NewScript("publish", publishBody)
