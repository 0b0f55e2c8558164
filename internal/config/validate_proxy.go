package config

const (
	maxShopBodyBytes = 1 << 40
	maxShopRequests  = 1_000_000
)

// checkProxy checks the settings of the reverse proxy against each other. What is in the files is checked by who
// reads them.
func (c *Config) checkProxy() error {
	switch {
	case c.Sites != "" && c.Upstream != "":
		return wrong("PENSTOCK_UPSTREAM", "is the short form of PENSTOCK_SITES, set one of them")
	case c.Upstream == "" && len(c.Protect) > 0:
		return wrong("PENSTOCK_PROTECT", "needs PENSTOCK_UPSTREAM; in a sites file write rules")
	case c.Upstream == "" && c.UpstreamCA != "":
		return wrong("PENSTOCK_UPSTREAM_CA", "needs PENSTOCK_UPSTREAM; in a sites file write ca_file")
	case c.TLSCert != "" && c.TLSKey == "":
		return wrong("PENSTOCK_TLS_KEY", "is not set, and PENSTOCK_TLS_CERT is: set both")
	case c.TLSCert == "" && c.TLSKey != "":
		return wrong("PENSTOCK_TLS_CERT", "is not set, and PENSTOCK_TLS_KEY is: set both")
	case c.MaxShopBodyBytes < 1 || c.MaxShopBodyBytes > maxShopBodyBytes:
		return wrong("PENSTOCK_MAX_SHOP_BODY_BYTES", "is %d, use 1 to %d", c.MaxShopBodyBytes, int64(maxShopBodyBytes))
	case c.MaxShopRequests < 1 || c.MaxShopRequests > maxShopRequests:
		return wrong("PENSTOCK_MAX_SHOP_REQUESTS", "is %d, use 1 to %d", c.MaxShopRequests, maxShopRequests)
	case c.MaxShopStreams < 1 || c.MaxShopStreams > maxShopRequests:
		return wrong("PENSTOCK_MAX_SHOP_STREAMS", "is %d, use 1 to %d", c.MaxShopStreams, maxShopRequests)
	}
	return nil
}
