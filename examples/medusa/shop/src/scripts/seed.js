// Fills an empty shop with what the demo sells: one article with UNITS units, and another one, in one region. Both can be
// ordered through the store API. Prints what a visitor has to name.
import {
  createApiKeysWorkflow, createInventoryLevelsWorkflow, createProductsWorkflow, createRegionsWorkflow,
  createSalesChannelsWorkflow, createShippingOptionsWorkflow, createShippingProfilesWorkflow, createStockLocationsWorkflow,
  createTaxRegionsWorkflow, linkSalesChannelsToApiKeyWorkflow, linkSalesChannelsToStockLocationWorkflow,
} from '@medusajs/medusa/core-flows';
import { ContainerRegistrationKeys, Modules } from '@medusajs/framework/utils';

const price = { currency_code: 'eur', amount: 129 };

export default async function seed({ container }) {
  const run = async (workflow, input) => (await workflow(container).run({ input })).result;
  const link = container.resolve(ContainerRegistrationKeys.LINK);

  const [channel] = await run(createSalesChannelsWorkflow, { salesChannelsData: [{ name: 'Web' }] });
  const [key] = await run(createApiKeysWorkflow, { api_keys: [{ title: 'Web', type: 'publishable', created_by: '' }] });
  await run(linkSalesChannelsToApiKeyWorkflow, { id: key.id, add: [channel.id] });
  const [region] = await run(createRegionsWorkflow, {
    regions: [{ name: 'Europe', currency_code: 'eur', countries: ['de'], payment_providers: ['pp_system_default'] }],
  });
  await run(createTaxRegionsWorkflow, [{ country_code: 'de', provider_id: 'tp_system' }]);

  const [location] = await run(createStockLocationsWorkflow, { locations: [{ name: 'Warehouse' }] });
  await run(linkSalesChannelsToStockLocationWorkflow, { id: location.id, add: [channel.id] });
  const profile = await shippingProfile(container, run);
  const option = await shippingOption(container, run, link, location, profile);

  const sell = (article) => sellArticle(container, run, { ...article, channel, location, profile });
  const variant = await sell({ title: 'Sneaker 42', handle: 'sneaker-42', sku: 'SNKR-42', units: Number(process.env.UNITS) });
  const otherVariant = await sell({ title: 'Socks', handle: 'socks', sku: 'SOCKS', units: 1000 });

  console.log('ANSWER ' + JSON.stringify({
    publishable_key: key.token, region: region.id, shipping_option: option.id, variant: variant.id, other_variant: otherVariant.id,
  }));
}

async function sellArticle(container, run, { title, handle, sku, units, channel, location, profile }) {
  const [product] = await run(createProductsWorkflow, {
    products: [{
      title, handle, status: 'published', shipping_profile_id: profile.id,
      sales_channels: [{ id: channel.id }], options: [{ title: 'Size', values: ['42'] }],
      variants: [{ title: '42', sku, manage_inventory: true, options: { Size: '42' }, prices: [price] }],
    }],
  });
  const [item] = await container.resolve(Modules.INVENTORY).listInventoryItems({ sku });
  await run(createInventoryLevelsWorkflow, {
    inventory_levels: [{ inventory_item_id: item.id, location_id: location.id, stocked_quantity: units }],
  });
  return product.variants[0];
}

async function shippingProfile(container, run) {
  const [found] = await container.resolve(Modules.FULFILLMENT).listShippingProfiles({ type: 'default' });
  if (found) return found;
  const [made] = await run(createShippingProfilesWorkflow, { data: [{ name: 'Default', type: 'default' }] });
  return made;
}

async function shippingOption(container, run, link, location, profile) {
  const set = await container.resolve(Modules.FULFILLMENT).createFulfillmentSets({
    name: 'Parcels', type: 'shipping',
    service_zones: [{ name: 'Germany', geo_zones: [{ country_code: 'de', type: 'country' }] }],
  });
  const stock = { [Modules.STOCK_LOCATION]: { stock_location_id: location.id } };
  await link.create({ ...stock, [Modules.FULFILLMENT]: { fulfillment_provider_id: 'manual_manual' } });
  await link.create({ ...stock, [Modules.FULFILLMENT]: { fulfillment_set_id: set.id } });
  const [option] = await run(createShippingOptionsWorkflow, [{
    name: 'Parcel', price_type: 'flat', provider_id: 'manual_manual', service_zone_id: set.service_zones[0].id,
    shipping_profile_id: profile.id, type: { label: 'Parcel', description: 'In 3 days', code: 'parcel' },
    prices: [{ currency_code: 'eur', amount: 5 }],
    rules: [],
  }]);
  return option;
}
