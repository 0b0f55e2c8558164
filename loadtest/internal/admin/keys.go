package admin

import (
	"context"
	"net/http"
)

// CreateKey makes an API key for a shop's backend.
func (c *Client) CreateKey(ctx context.Context, name string) (key string, err error) {
	var answer struct {
		Key string `json:"key"`
	}
	err = c.admin(ctx, http.MethodPost, "/admin/v1/keys", map[string]string{"name": name, "role": "shop"}, &answer)
	return answer.Key, err
}
