package saleindex

import (
	"context"
	"fmt"

	"github.com/redis/rueidis"
)

// maxRefusalBytes bounds what is kept of a reason.
const maxRefusalBytes = 1000

// Refuse notes why the leader cannot arm a sale, for those who ask. An empty reason takes the note away.
func (x *Index) Refuse(ctx context.Context, saleID, why string) error {
	if len(why) > maxRefusalBytes {
		why = why[:maxRefusalBytes]
	}
	cmd := x.client.B().Hdel().Key(whyKey).Field(saleID).Build()
	if why != "" {
		cmd = x.client.B().Hset().Key(whyKey).FieldValue().FieldValue(saleID, why).Build()
	}
	if err := x.client.Do(ctx, cmd).Error(); err != nil {
		return fmt.Errorf("note why sale %s cannot be armed: %w", saleID, err)
	}
	return nil
}

// Refusals tells why sales cannot be armed, by id.
func (x *Index) Refusals(ctx context.Context) (map[string]string, error) {
	return x.client.Do(ctx, x.client.B().Hgetall().Key(whyKey).Build()).AsStrMap()
}

// Refusal tells why a sale cannot be armed; "" when nothing is known against it.
func (x *Index) Refusal(ctx context.Context, saleID string) (string, error) {
	why, err := x.client.Do(ctx, x.client.B().Hget().Key(whyKey).Field(saleID).Build()).ToString()
	if rueidis.IsRedisNil(err) {
		return "", nil
	}
	return why, err
}
