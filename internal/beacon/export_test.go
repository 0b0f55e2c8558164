package beacon

import "net/http"

// UseTransport has the client ask through another transport.
func (c *Client) UseTransport(t http.RoundTripper) { c.http.Transport = t }
