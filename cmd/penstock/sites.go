package main

import (
	"crypto/tls"
	"log/slog"

	"github.com/penstock/penstock/internal/bots"
	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/keypair"
	"github.com/penstock/penstock/internal/proxy"
)

// readSites reads what this process stands in front of; nil when that is nothing. The error is one of usage.
func readSites(cfg *config.Config) (sites *proxy.Sites, err error) {
	limits := proxy.Limits{MaxBodyBytes: cfg.MaxShopBodyBytes}
	switch {
	case cfg.Sites != "":
		if sites, err = proxy.ReadSites(cfg.Sites, limits); err != nil {
			return nil, usageError{"PENSTOCK_SITES (--sites): " + err.Error()}
		}
	case cfg.Upstream != "":
		short := proxy.Upstream{URL: cfg.Upstream, CAFile: cfg.UpstreamCA, Protect: cfg.Protect}
		if sites, err = proxy.OneUpstream(short, limits); err != nil {
			return nil, usageError{"PENSTOCK_UPSTREAM (--upstream): " + err.Error()}
		}
	}
	return sites, nil
}

// readDatacentres reads the list of the networks of data centres; nil when there is none. The error is one of usage.
func readDatacentres(cfg *config.Config, log *slog.Logger) (*bots.NetworkFile, error) {
	if cfg.Datacentres == "" {
		return nil, nil
	}
	networks, err := bots.OpenNetworkFile(cfg.Datacentres, log)
	if err != nil {
		return nil, usageError{"PENSTOCK_DATACENTRES (--datacentres): " + err.Error()}
	}
	return networks, nil
}

// readCertificate reads the certificate of the front; nil when it speaks plain HTTP. The error is one of usage.
func readCertificate(cfg *config.Config, log *slog.Logger) (*tls.Config, error) {
	if cfg.TLSCert == "" {
		return nil, nil
	}
	files, err := keypair.Read(cfg.TLSCert, cfg.TLSKey, log)
	if err != nil {
		return nil, usageError{"PENSTOCK_TLS_CERT (--tls-cert): " + err.Error()}
	}
	return files.Config(), nil
}
