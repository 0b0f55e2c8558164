package testenv

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/rueidis"
)

func (s *RedisServer) keySlot(ctx context.Context, key string) (slot int64, err error) {
	err = s.with(ctx, func(ctx context.Context, client rueidis.Client) error {
		slot, err = client.Do(ctx, client.B().ClusterKeyslot().Key(key).Build()).AsInt64()
		return err
	})
	return slot, err
}

func (s *RedisServer) clusterSelf(ctx context.Context) (clusterSelf, error) {
	text, err := s.query(ctx, "CLUSTER", "NODES")
	if err != nil {
		return clusterSelf{}, err
	}
	return parseClusterSelf(text)
}

// clusterSelf is what a node says of itself.
type clusterSelf struct {
	id, port, busPort string
	master            string // node id of the master it copies; empty for a master
	epoch             int64  // of its configuration: the larger wins a slot
	slots             [][2]int64
}

func (n clusterSelf) serves(slot int64) bool {
	return slices.ContainsFunc(n.slots, func(r [2]int64) bool { return r[0] <= slot && slot <= r[1] })
}

// parseClusterSelf reads the line "myself" of CLUSTER NODES:
//
//	<id> <ip:port@busport[,hostname]> <flags> <master or -> <ping> <pong> <epoch> <link> <slot or range>…
func parseClusterSelf(text string) (clusterSelf, error) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 8 || !slices.Contains(strings.Split(fields[2], ","), "myself") {
			continue
		}
		address, _, _ := strings.Cut(fields[1], ",")
		address, busPort, _ := strings.Cut(address, "@")
		self := clusterSelf{id: fields[0], port: address[strings.LastIndexByte(address, ':')+1:], busPort: busPort}
		if fields[3] != "-" {
			self.master = fields[3]
		}
		epoch, err := strconv.ParseInt(fields[6], 10, 64)
		if err != nil {
			return clusterSelf{}, fmt.Errorf("unreadable epoch in %q", line)
		}
		self.epoch = epoch
		for _, field := range fields[8:] {
			first, last, isRange := strings.Cut(field, "-")
			if !isRange {
				last = first
			}
			from, errFrom := strconv.ParseInt(first, 10, 64)
			to, errTo := strconv.ParseInt(last, 10, 64)
			if errFrom == nil && errTo == nil { // a slot that is moving is written otherwise; none moves here
				self.slots = append(self.slots, [2]int64{from, to})
			}
		}
		return self, nil
	}
	return clusterSelf{}, fmt.Errorf("CLUSTER NODES does not name the node itself: %q", text)
}
