package main

import (
	"errors"
	"net/netip"
	"strings"

	"github.com/penstock/penstock/internal/config"
	"github.com/penstock/penstock/internal/notify"
)

// newNotify makes what takes the wishes of visitors to be told of their turn, and what tells them.
func (n *node) newNotify() error {
	seals, sealErr := notify.NewSeals(n.keys.notifications.current, n.keys.notifications.others()...)
	pushKeys, keyErr := notify.NewPushKeys(n.cfg.PushKey.Reveal(), n.keys.push.current, n.keys.push.others()...)
	if err := errors.Join(sealErr, keyErr); err != nil {
		return err
	}
	deps := notify.Deps{
		Ledger: n.stores.ledger, Seals: seals, PushKeys: pushKeys, PushHosts: n.cfg.PushHosts, Contact: n.cfg.PushContact,
		PublicURL: strings.TrimSuffix(n.cfg.PublicURL.Reveal(), "/"), MaxPerSale: n.cfg.MaxNotified, Log: n.log,
	}
	n.webhookKeys = notify.NewWebhookKeys(n.keys.webhooks.current, n.keys.webhooks.others()...)
	n.notify = notify.NewDesk(deps)
	var err error
	n.teller, err = notify.NewTeller(notify.TellerDeps{
		Deps: deps, Sales: n.cache, Tickets: n.tickets, Links: n.roomLinks(), Webhooks: n.webhookKeys, WebhookNetworks: prefixes(n.cfg.WebhookNetworks), Metrics: n.reg,
	})
	return err
}

func prefixes(networks []config.Network) []netip.Prefix {
	list := make([]netip.Prefix, len(networks))
	for i, network := range networks {
		list[i] = netip.Prefix(network)
	}
	return list
}
