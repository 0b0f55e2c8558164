// What the shop's own books say of the article on sale, once everything is done.
import { ContainerRegistrationKeys, Modules } from '@medusajs/framework/utils';

const pageSize = 500;

export default async function books({ container }) {
  const query = container.resolve(ContainerRegistrationKeys.QUERY);
  const [item] = await container.resolve(Modules.INVENTORY).listInventoryItems({ sku: 'SNKR-42' });
  const [level] = await container.resolve(Modules.INVENTORY).listInventoryLevels({ inventory_item_id: item.id });

  let orders = 0, units = 0;
  for (let skip = 0, page; page?.length !== 0; skip += pageSize) {
    ({ data: page } = await query.graph({
      entity: 'order', fields: ['id', 'status', 'items.variant_sku', 'items.quantity'], pagination: { skip, take: pageSize, order: { id: 'ASC' } },
    }));
    for (const order of page.filter(({ status }) => status !== 'canceled')) {
      const sold = order.items.filter((line) => line.variant_sku === 'SNKR-42').reduce((sum, line) => sum + Number(line.quantity), 0);
      units += sold;
      if (sold > 0) orders++;
    }
  }
  console.log('ANSWER ' + JSON.stringify({
    orders, units, stocked: Number(level.stocked_quantity), reserved: Number(level.reserved_quantity),
  }));
}
