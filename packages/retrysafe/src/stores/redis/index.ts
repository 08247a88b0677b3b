export type { IoredisClient } from './ioredis-link.ts'
export type { NodeRedisClient } from './node-redis-link.ts'
export type { RedisStoreOptions } from './settings.ts'
export { redisStore } from './store.ts'
