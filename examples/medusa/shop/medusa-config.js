import { defineConfig } from '@medusajs/framework/utils';

const { DATABASE_URL, REDIS_URL, COOKIE_SECRET, JWT_SECRET } = process.env;

export default defineConfig({
  projectConfig: {
    databaseUrl: DATABASE_URL,
    redisUrl: REDIS_URL,
    http: {
      storeCors: '', adminCors: '', authCors: '',
      jwtSecret: JWT_SECRET,
      cookieSecret: COOKIE_SECRET,
    },
  },
  admin: { disable: true },
  modules: [
    { resolve: '@medusajs/medusa/event-bus-redis', options: { redisUrl: REDIS_URL } },
    { resolve: '@medusajs/medusa/workflow-engine-redis', options: { redis: { redisUrl: REDIS_URL } } },
    { resolve: '@medusajs/medusa/cache-redis', options: { redisUrl: REDIS_URL } },
    {
      resolve: '@medusajs/medusa/locking',
      options: {
        providers: [{ resolve: '@medusajs/medusa/locking-redis', id: 'locking-redis', is_default: true, options: { redisUrl: REDIS_URL } }],
      },
    },
  ],
});
